//! Follow: reads what all replicas write about all partitions, and looks after the topics.
//!
//! ```text
//!   totals topic, all partitions, from near the end ─► News::Snapshot ─► counting thread ─► board
//!                                                   └► two that contradict each other ─► Alarm
//!   ratings topic: ends of all partitions           ─► News::Ends
//!                  more partitions than totals has  ─► add them there
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{SendError, SyncSender};
use std::time::Instant;

use tokio::runtime::Handle;

use super::limits::{ENDS_INTERVAL, FOLLOW_WAIT, SLOTS, TAIL_RECORDS, TOPICS_INTERVAL};
use super::settings::EngineSettings;
use super::takeover::slot_of;
use crate::queue::{Admin, Event, KafkaSettings, Reader, Record};
use crate::totals::Snapshot;

/// What the counting thread is told.
pub(super) enum News {
    /// Somebody, perhaps this engine, wrote a snapshot at this offset of the totals partition.
    Snapshot { offset: i64, snapshot: Arc<Snapshot> },
    /// Where the partitions of the ratings end.
    Ends(BTreeMap<i32, i64>),
    /// What is wrong with the topics, or that nothing is.
    Problem(Option<String>),
    /// Two snapshots contradict each other.
    Alarm(String),
}

/// The counting thread is gone.
type Gone = SendError<News>;

/// Follows the totals until the counting thread is gone.
pub(super) struct Follower {
    pub(super) reader: Reader,
    pub(super) kafka: KafkaSettings,
    pub(super) runtime: Handle,
    pub(super) settings: EngineSettings,
    pub(super) news: SyncSender<News>,
    /// The newest snapshots of every partition that is followed, by slot.
    pub(super) slots: BTreeMap<i32, [Option<Arc<Snapshot>>; SLOTS as usize]>,
    /// Partitions of the ratings.
    pub(super) partitions: i32,
}

impl Follower {
    /// Runs until nobody listens any more or `is_over` says so.
    pub(super) fn run(mut self, is_over: impl Fn() -> bool) {
        let (mut topics_due, mut ends_due) = (Instant::now(), Instant::now());
        while !is_over() {
            let now = Instant::now();
            let told = if now >= topics_due {
                topics_due = now + TOPICS_INTERVAL;
                let problem = self.look_at_topics().err();
                self.news.send(News::Problem(problem))
            } else if now >= ends_due {
                ends_due = now + ENDS_INTERVAL;
                self.look_at_ends()
            } else {
                self.read()
            };
            if told.is_err() {
                return;
            }
        }
    }

    /// Reads the totals for a moment.
    fn read(&mut self) -> Result<(), Gone> {
        match self.reader.poll(FOLLOW_WAIT) {
            Some(Event::Record(record)) => {
                let news = heard(&mut self.slots, &record);
                news.into_iter().try_for_each(|news| self.news.send(news))
            }
            Some(Event::Lost(reason)) => {
                tracing::warn!(reason, "the totals topic changed; reading its end anew");
                for partition in std::mem::take(&mut self.slots).into_keys() {
                    self.reader.remove(&self.settings.topics.totals, partition);
                }
                Ok(())
            }
            Some(Event::End(_) | Event::Problem(_)) | None => Ok(()),
        }
    }

    fn look_at_ends(&mut self) -> Result<(), Gone> {
        match self.reader.ends(&self.settings.topics.ratings, self.partitions) {
            Ok(ends) => self.news.send(News::Ends(ends)),
            Err(error) => {
                tracing::debug!(%error, "lag is not known");
                Ok(())
            }
        }
    }

    /// Finds new partitions, gives the totals topic as many as the ratings topic has, and begins
    /// to follow those that are new.
    fn look_at_topics(&mut self) -> Result<(), String> {
        let topics = self.settings.topics.clone();
        self.partitions =
            self.reader.partitions(&topics.ratings).map_err(|error| error.to_string())?;
        let mut totals =
            self.reader.partitions(&topics.totals).map_err(|error| error.to_string())?;
        for (topic, partitions) in [(&topics.ratings, self.partitions), (&topics.totals, totals)] {
            if partitions == 0 {
                return Err(format!(
                    "topic {topic} does not exist any more; start this role again to create it"
                ));
            }
        }
        if totals < self.partitions {
            let admin = Admin::connect(&self.kafka).map_err(|error| error.to_string())?;
            let more = admin.add_partitions(&topics.totals, self.partitions);
            self.runtime.block_on(more).map_err(|error| error.to_string())?;
            totals = self.partitions;
        }
        for partition in 0..totals {
            if !self.slots.contains_key(&partition) {
                self.begin(&topics.totals, partition).map_err(|error| error.to_string())?;
            }
        }
        self.leftover().map_or(Ok(()), Err)
    }

    /// Totals of a partition that the ratings topic does not have. Nobody owns such a partition, so
    /// nobody will ever supersede its totals, and the board goes on adding them up.
    fn leftover(&self) -> Option<String> {
        let counted = |slots: &[Option<_>]| slots.iter().any(Option::is_some);
        let mut beyond = self.slots.range(self.partitions..);
        let (partition, _) = beyond.find(|(_, slots)| counted(&slots[..]))?;
        Some(format!(
            "topic {} has {} partition(s), but partition {partition} was counted: the topic was \
             deleted and made anew, and ratings that are gone are still on the board; to count \
             only what is there, delete the topic {} and start again",
            self.settings.topics.ratings, self.partitions, self.settings.topics.totals
        ))
    }

    fn begin(&mut self, totals: &str, partition: i32) -> Result<(), crate::queue::LookupError> {
        let (start, end) = self.reader.watermarks(totals, partition)?;
        self.reader.add(totals, partition, start.max(end - TAIL_RECORDS))?;
        self.slots.insert(partition, Default::default());
        Ok(())
    }
}

/// What a record of the totals topic says.
fn heard(
    slots: &mut BTreeMap<i32, [Option<Arc<Snapshot>>; SLOTS as usize]>,
    record: &Record<'_>,
) -> Vec<News> {
    let offset = record.offset();
    let snapshot = match Snapshot::from_json(record.value().unwrap_or_default()) {
        Ok(snapshot) if snapshot.partition == record.partition() => Arc::new(snapshot),
        Ok(_) => return Vec::new(),
        Err(error) => {
            tracing::warn!(%error, partition = record.partition(), offset, "ignored a snapshot");
            return Vec::new();
        }
    };
    let mut news = Vec::new();
    let known = slots.entry(snapshot.partition).or_default();
    for other in known.iter().flatten() {
        if other.contradicts(&snapshot) {
            news.push(News::Alarm(format!(
                "partition {} up to offset {}: {} and {} counted different totals from the same \
                 log; run `erboh audit`",
                snapshot.partition, snapshot.next_offset, other.writer, snapshot.writer
            )));
        }
    }
    if let Some(slot) = slot_of(record.key()) {
        known[usize::from(slot)] = Some(Arc::clone(&snapshot));
    }
    news.push(News::Snapshot { offset, snapshot });
    news
}
