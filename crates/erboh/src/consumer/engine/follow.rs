//! Follow: reads what all replicas write about all partitions, and looks after the topics.
//!
//! ```text
//!   totals topic, all partitions, from near the end ─► News::Snapshot ─► counting thread ─► board
//!                                                   └► two that contradict each other ─► Alarm
//!                  all that was there at the start  ─► News::CaughtUp
//!                  cut off or made anew             ─► News::TotalsLost
//!   ratings topic: ends of all partitions           ─► News::Ends
//!                  number of partitions             ─► News::Partitions
//!                  more partitions than totals has  ─► add them there
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{SendError, SyncSender};
use std::time::Instant;

use tokio::runtime::Handle;

use super::doubt::{Place, Watch};
use super::limits::{ENDS_INTERVAL, FOLLOW_WAIT, TAIL_RECORDS, TOPICS_INTERVAL};
use super::settings::EngineSettings;
use super::takeover::slot_of;
use crate::queue::{Admin, Event, KafkaSettings, Reader, Record};
use crate::totals::{SLOTS, Snapshot};

/// What the counting thread is told.
pub(super) enum News {
    /// Somebody, perhaps this engine, wrote a snapshot at this offset of the totals partition.
    Snapshot { offset: i64, snapshot: Arc<Snapshot> },
    /// Every snapshot that stood there at the start has been told.
    CaughtUp,
    /// Where the partitions of the ratings ended when that was asked.
    Ends { asked: Instant, ends: BTreeMap<i32, i64> },
    /// Snapshots that were acknowledged may be gone from the totals topic.
    TotalsLost,
    /// How many partitions the ratings topic has; 0 if it does not exist.
    Partitions(i32),
    /// What is wrong with the topics, or that nothing is.
    Problem(Option<String>),
    /// What will be wrong with them some day, or that this is mended.
    LesserProblem(Option<String>),
    /// Two snapshots contradict each other.
    Alarm(String),
}

/// The counting thread is gone.
type Gone = SendError<News>;

/// Follows the totals until the counting thread is gone.
pub(super) struct Follower {
    /// Looks whether what was wrong with the totals topic at the start is mended; none if nothing was.
    pub(super) admin: Option<Admin>,
    pub(super) reader: Reader,
    pub(super) kafka: KafkaSettings,
    pub(super) runtime: Handle,
    pub(super) settings: EngineSettings,
    pub(super) news: SyncSender<News>,
    /// Every partition of the totals that is followed.
    pub(super) followed: BTreeMap<i32, Followed>,
    /// Partitions of the ratings.
    pub(super) partitions: i32,
    /// Partitions whose end was not reached yet; none once all were, from then on for good.
    pub(super) unread: Option<BTreeSet<i32>>,
}

/// A partition of the totals that is followed.
#[derive(Default)]
pub(super) struct Followed {
    /// The newest snapshot of each slot.
    slots: [Option<Arc<Snapshot>>; SLOTS as usize],
    /// The offset of the next record.
    next: i64,
    watch: Watch,
}

impl Followed {
    /// Whether ratings stand in the newest totals.
    fn has_counted(&self) -> bool {
        let newest = self.slots.iter().flatten().max_by_key(|of| (of.epoch, of.next_offset));
        newest.is_some_and(|newest| newest.last.is_some())
    }
}

impl Follower {
    /// Runs until nobody listens any more or `is_over` says so.
    pub(super) fn run(mut self, is_over: impl Fn() -> bool) {
        let (mut topics_due, mut ends_due) = (Instant::now(), Instant::now());
        let mut totals_due = topics_due + TOPICS_INTERVAL;
        while !is_over() {
            let now = Instant::now();
            let told = if now >= topics_due {
                topics_due = now + TOPICS_INTERVAL;
                let problem = self.look_at_topics().err();
                self.look_at_lesser_problem().and_then(|()| self.news.send(News::Problem(problem)))
            } else if now >= totals_due {
                totals_due = now + TOPICS_INTERVAL;
                self.look_at_totals()
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
                let news = heard(&mut self.followed, &record);
                news.into_iter().try_for_each(|news| self.news.send(news))
            }
            Some(Event::Lost(reason)) => self.begin_anew(&reason),
            Some(Event::Interrupted) => {
                // Nothing is compared here: a totals topic that was cut off and has grown again
                // tells a board what it needs with its next snapshots.
                let totals = &self.settings.topics.totals;
                for (partition, followed) in &self.followed {
                    self.reader.remove(totals, *partition);
                    if let Err(error) = self.reader.add(totals, *partition, followed.next) {
                        tracing::warn!(%error, partition, "cannot follow the totals");
                    }
                }
                Ok(())
            }
            Some(Event::End(partition)) => self.reached_end(partition),
            Some(Event::Denied(_) | Event::Problem(_)) | None => Ok(()),
        }
    }

    /// Tells, once, that all that stood there at the start has been told.
    fn reached_end(&mut self, partition: i32) -> Result<(), Gone> {
        let Some(unread) = &mut self.unread else { return Ok(()) };
        unread.remove(&partition);
        if !unread.is_empty() || (self.followed.len() as i32) < self.partitions {
            return Ok(());
        }
        self.unread = None;
        self.news.send(News::CaughtUp)
    }

    /// Follows all partitions from near their ends again, with a client that knows nothing yet.
    fn begin_anew(&mut self, reason: &str) -> Result<(), Gone> {
        tracing::warn!(reason, "the totals topic changed; reading its end anew");
        self.followed.clear();
        self.reader.renew();
        self.news.send(News::TotalsLost)
    }

    /// Compares where the totals end with where the reading is.
    fn look_at_totals(&mut self) -> Result<(), Gone> {
        let asked = Instant::now();
        let topic = &self.settings.topics.totals;
        let Ok(ends) = self.reader.ends(topic, self.followed.len() as i32) else { return Ok(()) };
        let now = Instant::now();
        let doubt = self.followed.iter_mut().find_map(|(partition, followed)| {
            let here = Place { position: followed.next, read_next: followed.next };
            followed.watch.weigh(here, false, (asked, *ends.get(partition)?), now)
        });
        doubt.map_or(Ok(()), |doubt| self.begin_anew(doubt))
    }

    fn look_at_lesser_problem(&mut self) -> Result<(), Gone> {
        let Some(admin) = &self.admin else { return Ok(()) };
        let doubt = self.runtime.block_on(admin.small_messages(&self.settings.topics.totals));
        let Ok(doubt) = doubt else { return Ok(()) };
        if doubt.is_none() {
            self.admin = None;
        }
        self.news.send(News::LesserProblem(doubt))
    }

    fn look_at_ends(&mut self) -> Result<(), Gone> {
        let asked = Instant::now();
        match self.reader.ends(&self.settings.topics.ratings, self.partitions) {
            Ok(ends) => self.news.send(News::Ends { asked, ends }),
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
        let partitions = |topic: &str| -> Result<i32, String> {
            self.reader.partitions(topic).map_err(|error| error.to_string())
        };
        let ratings = partitions(&topics.ratings)?;
        let (mut totals, dead_letters) =
            (partitions(&topics.totals)?, partitions(&topics.dead_letters)?);
        self.partitions = ratings;
        // Nobody there is noticed with the next word.
        let _ = self.news.send(News::Partitions(ratings));
        if ratings == 0 {
            return Err(format!(
                "topic {} does not exist any more; create it, or start this role again",
                topics.ratings
            ));
        }
        if totals == 0 || dead_letters == 0 {
            // What they held can be counted again, or is in memory.
            let admin = Admin::connect(&self.kafka).map_err(|error| error.to_string())?;
            let made = admin.ensure_topics(&topics, ratings, self.settings.replication);
            self.runtime.block_on(made).map_err(|error| error.to_string())?;
            totals = self.reader.partitions(&topics.totals).map_err(|error| error.to_string())?;
        }
        if totals < self.partitions {
            let admin = Admin::connect(&self.kafka).map_err(|error| error.to_string())?;
            let more = admin.add_partitions(&topics.totals, self.partitions);
            self.runtime.block_on(more).map_err(|error| error.to_string())?;
            totals = self.partitions;
        }
        for partition in 0..totals {
            if !self.followed.contains_key(&partition) {
                self.begin(&topics.totals, partition).map_err(|error| error.to_string())?;
            }
        }
        self.leftover().map_or(Ok(()), Err)
    }

    /// Totals of a partition that the ratings topic does not have. Nobody owns such a partition, so
    /// nobody will ever supersede its totals, and the board goes on adding them up.
    fn leftover(&self) -> Option<String> {
        let mut beyond = self.followed.range(self.partitions..);
        let (partition, _) = beyond.find(|(_, followed)| followed.has_counted())?;
        Some(format!(
            "topic {} has {} partition(s), but partition {partition} was counted: the topic was \
             deleted and made anew, and ratings that are gone are still on the board; start with \
             --on-log-change=restart to count only what is there",
            self.settings.topics.ratings, self.partitions
        ))
    }

    fn begin(&mut self, totals: &str, partition: i32) -> Result<(), crate::queue::LookupError> {
        let (start, end) = self.reader.watermarks(totals, partition)?;
        let next = start.max(end - TAIL_RECORDS);
        self.reader.add(totals, partition, next)?;
        self.followed.insert(partition, Followed { next, ..Followed::default() });
        if let Some(unread) = &mut self.unread {
            unread.insert(partition);
        }
        Ok(())
    }
}

/// What a record of the totals topic says.
fn heard(followed: &mut BTreeMap<i32, Followed>, record: &Record<'_>) -> Vec<News> {
    let offset = record.offset();
    let followed = followed.entry(record.partition()).or_default();
    followed.next = offset + 1;
    let snapshot = match Snapshot::from_json(record.value().unwrap_or_default()) {
        Ok(snapshot) if snapshot.partition == record.partition() => Arc::new(snapshot),
        Ok(_) => return Vec::new(),
        Err(error) => {
            tracing::warn!(%error, partition = record.partition(), offset, "ignored a snapshot");
            return Vec::new();
        }
    };
    let mut news = Vec::new();
    let known = &mut followed.slots;
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
