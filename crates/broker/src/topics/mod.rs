//! Topics: the registry of what exists, and the changes to it.
//!
//! ```text
//!  <data>/topics/<name>-<partition>/    one log each
//!  store: topic/<name> ─► {"id", "partitions", "config"}
//! ```
//!
//! The store decides what exists. A change is written there first and takes effect in memory after,
//! so what a client was told is true again after a crash.

pub(crate) mod config;
mod files;
pub(crate) mod name;
mod topic;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kafka_protocol::ResponseError;
use serde_json::Value;
use uuid::Uuid;

use self::topic::Entry;
pub(crate) use self::topic::Topic;
use crate::limits::MESSAGE_CHARS;
use crate::partition::{Fsync, LogConfig, Partition};
use crate::settings::MAX_PARTITIONS;
use crate::store::Store;
use crate::topics::config::Overrides;

/// Why a change was refused: the code for programs, the sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) error: ResponseError,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(error: ResponseError, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((end, _)) = message.char_indices().nth(MESSAGE_CHARS) {
            message.truncate(end);
            message.push('…');
        }
        Self { error, message }
    }

    fn unknown(name: &str) -> Self {
        Self::new(ResponseError::UnknownTopicOrPartition, format!("there is no topic {name}"))
    }
}

#[derive(Debug, Default)]
struct Registry {
    by_name: BTreeMap<String, Arc<Topic>>,
    names: HashMap<Uuid, String>,
}

/// All topics of the broker.
#[derive(Debug)]
pub(crate) struct Topics {
    dir: PathBuf,
    fsync: Fsync,
    store: Arc<Store>,
    /// Partitions of all topics at most.
    most: usize,
    registry: RwLock<Registry>,
    /// Held from the check of a change to its end, across the store's write: changes of topics are
    /// rare, and one at a time they cannot contradict each other.
    changing: tokio::sync::Mutex<()>,
}

impl Topics {
    /// Opens every topic that the store knows. Blocks.
    pub(crate) fn open(
        dir: PathBuf,
        fsync: Fsync,
        store: Arc<Store>,
        known: &BTreeMap<String, Value>,
        most: usize,
    ) -> Result<Self, String> {
        let topics = Self {
            dir,
            fsync,
            store,
            most,
            registry: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
        };
        std::fs::create_dir_all(&topics.dir)
            .map_err(|error| format!("{} cannot be created: {error}", topics.dir.display()))?;
        for (key, value) in known.range(PREFIX.to_owned()..) {
            let Some(name) = key.strip_prefix(PREFIX) else { break };
            let entry = serde_json::from_value::<Entry>(value.clone())
                .map_err(|error| format!("the journal's entry of topic {name}: {error}"))?;
            topics.load(name, &entry)?;
        }
        files::sweep(&topics.dir, &topics.all());
        Ok(topics)
    }

    fn load(&self, name: &str, entry: &Entry) -> Result<Arc<Topic>, String> {
        let config = config::log_config(&entry.config)?;
        let partitions = (0..entry.partitions)
            .map(|index| self.open_partition(name, index, &config))
            .collect::<Result<Vec<_>, _>>()?;
        let topic = Arc::new(Topic::new(name, entry.id, partitions, entry.config.clone()));
        let mut registry = self.write();
        registry.names.insert(entry.id, name.to_owned());
        registry.by_name.insert(name.to_owned(), Arc::clone(&topic));
        Ok(topic)
    }

    fn open_partition(
        &self,
        name: &str,
        index: i32,
        config: &LogConfig,
    ) -> Result<Arc<Partition>, String> {
        let dir = files::partition_dir(&self.dir, name, index);
        Partition::open(dir, config.clone(), self.fsync)
            .map(Arc::new)
            .map_err(|error| error.to_string())
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.read().by_name.get(name).cloned()
    }

    pub(crate) fn by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        let registry = self.read();
        registry.by_name.get(registry.names.get(&id)?).cloned()
    }

    /// All topics by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        self.read().by_name.values().cloned().collect()
    }

    /// Topics from this name on, by name.
    pub(crate) fn all_from(&self, name: &str) -> Vec<Arc<Topic>> {
        self.read().by_name.range(name.to_owned()..).map(|(_, topic)| Arc::clone(topic)).collect()
    }

    pub(crate) fn partition(&self, name: &str, index: i32) -> Option<Arc<Partition>> {
        self.read().by_name.get(name)?.partition(index)
    }

    /// Says whether a topic could be created so.
    pub(crate) fn check_new(
        &self,
        name: &str,
        partitions: i32,
        config: &Overrides,
    ) -> Result<(), Refusal> {
        name::check(name)?;
        if self.get(name).is_some() {
            return Err(Refusal::new(
                ResponseError::TopicAlreadyExists,
                format!("topic {name} already exists"),
            ));
        }
        name::check_case(name, || self.all())?;
        check_partitions(partitions)?;
        self.check_room(partitions)?;
        config::log_config(config)
            .map(drop)
            .map_err(|reason| Refusal::new(ResponseError::InvalidConfig, reason))
    }

    /// More open files than there may be would stop all logs from rolling, so it stops here.
    fn check_room(&self, more: i32) -> Result<(), Refusal> {
        let has: i32 = self.all().iter().map(|topic| topic.partition_count()).sum();
        if (has.saturating_add(more) as usize) <= self.most {
            return Ok(());
        }
        Err(Refusal::new(
            ResponseError::PolicyViolation,
            format!(
                "there are {has} partitions and {more} more were asked for; the limit of open files \
                 (ulimit -n) leaves room for {}",
                self.most
            ),
        ))
    }

    pub(crate) async fn create(
        self: &Arc<Self>,
        name: &str,
        partitions: i32,
        config: Overrides,
    ) -> Result<Arc<Topic>, Refusal> {
        let _changing = self.changing.lock().await;
        self.check_new(name, partitions, &config)?;
        let entry = Entry { id: Uuid::new_v4(), partitions, config };
        // What a deletion left behind when the broker was killed is not this topic's.
        let (topics, owned) = (Arc::clone(self), name.to_owned());
        blocking(move || files::clear(&topics.dir, &owned, 0..partitions)).await?;
        self.remember(name, Some(&entry)).await?;
        let (topics, owned) = (Arc::clone(self), name.to_owned());
        let topic = match blocking(move || topics.load(&owned, &entry)).await {
            Ok(topic) => topic,
            Err(refusal) => {
                // Or the next start would find a topic that cannot be opened.
                self.remember(name, None).await?;
                return Err(refusal);
            }
        };
        tracing::info!(topic = name, partitions, "topic created");
        Ok(topic)
    }

    pub(crate) async fn delete(self: &Arc<Self>, name: &str) -> Result<(), Refusal> {
        let _changing = self.changing.lock().await;
        let topic = self.get(name).ok_or_else(|| Refusal::unknown(name))?;
        self.remember(name, None).await?;
        {
            let mut registry = self.write();
            registry.by_name.remove(name);
            registry.names.remove(&topic.id);
        }
        let topics = Arc::clone(self);
        blocking(move || {
            for partition in topic.partitions() {
                partition.close().map_err(|error| error.to_string())?;
            }
            files::clear(&topics.dir, &topic.name, 0..topic.partition_count())
        })
        .await?;
        tracing::info!(topic = name, "topic deleted");
        Ok(())
    }

    /// Says whether a topic could have that many partitions.
    pub(crate) fn check_grow(&self, name: &str, partitions: i32) -> Result<Arc<Topic>, Refusal> {
        let topic = self.get(name).ok_or_else(|| Refusal::unknown(name))?;
        check_partitions(partitions)?;
        let has = topic.partition_count();
        if partitions <= has {
            return Err(Refusal::new(
                ResponseError::InvalidPartitions,
                format!("topic {name} has {has} partitions already, {partitions} is not more"),
            ));
        }
        self.check_room(partitions - has)?;
        Ok(topic)
    }

    pub(crate) async fn grow(self: &Arc<Self>, name: &str, partitions: i32) -> Result<(), Refusal> {
        let _changing = self.changing.lock().await;
        let topic = self.check_grow(name, partitions)?;
        let has = topic.partition_count();
        let entry = Entry { id: topic.id, partitions, config: topic.overrides() };
        let (topics, owned) = (Arc::clone(self), name.to_owned());
        blocking(move || files::clear(&topics.dir, &owned, has..partitions)).await?;
        self.remember(name, Some(&entry)).await?;
        let topics = Arc::clone(self);
        blocking(move || {
            let config = config::log_config(&entry.config)?;
            let new = (has..partitions)
                .map(|index| topics.open_partition(&topic.name, index, &config))
                .collect::<Result<Vec<_>, _>>()?;
            topic.add(new);
            Ok(())
        })
        .await
    }

    /// Changes what is set about a topic: `change` gets what is set now and says what comes next.
    pub(crate) async fn configure(
        &self,
        name: &str,
        change: impl FnOnce(Overrides) -> Result<Overrides, Refusal>,
    ) -> Result<(), Refusal> {
        let _changing = self.changing.lock().await;
        let topic = self.get(name).ok_or_else(|| Refusal::unknown(name))?;
        let config = change(topic.overrides())?;
        let log = config::log_config(&config)
            .map_err(|reason| Refusal::new(ResponseError::InvalidConfig, reason))?;
        let entry = Entry { id: topic.id, partitions: topic.partition_count(), config };
        self.remember(name, Some(&entry)).await?;
        topic.configure(entry.config, &log);
        Ok(())
    }

    async fn remember(&self, name: &str, entry: Option<&Entry>) -> Result<(), Refusal> {
        let value = entry.map(serde_json::to_value).transpose();
        let value = value.map_err(|error| failed(error.to_string()))?;
        self.store
            .put(vec![(format!("{PREFIX}{name}"), value)])
            .await
            .map_err(|error| failed(error.to_string()))
    }

    fn read(&self) -> RwLockReadGuard<'_, Registry> {
        // No panic can leave the maps half changed.
        self.registry.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Registry> {
        self.registry.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Topics' keys in the store begin so.
const PREFIX: &str = "topic/";

fn check_partitions(partitions: i32) -> Result<(), Refusal> {
    if (1..=MAX_PARTITIONS).contains(&partitions) {
        return Ok(());
    }
    Err(Refusal::new(
        ResponseError::InvalidPartitions,
        format!("{partitions} partitions were asked for, 1 to {MAX_PARTITIONS} are possible"),
    ))
}

fn failed(reason: String) -> Refusal {
    tracing::error!("a change of topics failed: {reason}");
    Refusal::new(ResponseError::KafkaStorageError, reason)
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| error.to_string()).flatten().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_room_for_three() -> (tempfile::TempDir, Arc<Topics>) {
        let temp = tempfile::tempdir().unwrap();
        let fsync = Fsync::Periodic { interval_ms: 1000 };
        let (store, known) = Store::open(temp.path().join("store"), fsync).unwrap();
        let dir = temp.path().join("topics");
        let topics = Topics::open(dir, fsync, Arc::new(store), &known, 3).unwrap();
        (temp, Arc::new(topics))
    }

    #[tokio::test]
    async fn partitions_end_where_open_files_would() {
        let (_temp, topics) = with_room_for_three();
        topics.create("a", 2, Overrides::new()).await.unwrap();
        let check = |refused: Result<(), Refusal>| {
            let refusal = refused.unwrap_err();
            assert_eq!(refusal.error, ResponseError::PolicyViolation);
            assert!(refusal.message.contains("leaves room for 3"), "{}", refusal.message);
        };
        check(topics.check_new("b", 2, &Overrides::new()));
        check(topics.grow("a", 4).await);
        topics.grow("a", 3).await.unwrap();
        assert_eq!(topics.get("a").unwrap().partition_count(), 3);
    }

    #[tokio::test]
    async fn changes_at_the_same_time_keep_each_other() {
        let (_temp, topics) = with_room_for_three();
        topics.create("a", 1, Overrides::new()).await.unwrap();
        let set = |key: &'static str| {
            topics.configure("a", move |mut config| {
                config.insert(key.to_owned(), "7".to_owned());
                Ok(config)
            })
        };
        let (one, other) = tokio::join!(set("retention.ms"), set("segment.ms"));
        one.and(other).unwrap();
        assert_eq!(topics.get("a").unwrap().overrides().len(), 2);
    }
}
