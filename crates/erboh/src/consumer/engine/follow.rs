//! Follow: reads what all replicas write about all partitions, and looks after the topics, or after what others
//! make of them.
//!
//! ```text
//!   totals topic, all partitions, from near the end ─► News::Snapshot ─► counting thread ─► board
//!                                                   └► two that contradict each other ─► Alarm
//!                  all that was there at the start  ─► News::CaughtUp
//!                  cut off or made anew             ─► News::TotalsLost
//!   ratings topic: ends of all partitions           ─► News::Ends
//!   all topics:     number of partitions            ─► News::Partitions
//!                   one is missing or too small     ─► made here, or waited for: News::Problem
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
use super::threads::Thread;
use crate::queue::{Absent, Admin, Event, KafkaSettings, Reader, Record, Topics};
use crate::totals::{SLOTS, Snapshot};

/// What the counting thread is told.
pub(super) enum News {
    /// Somebody, perhaps this engine, wrote a snapshot at this offset of the totals partition.
    Snapshot { offset: i64, timestamp_ms: i64, snapshot: Arc<Snapshot> },
    /// Every snapshot that stood there at the start has been told.
    CaughtUp,
    /// Where the partitions of the ratings ended when that was asked.
    Ends { asked: Instant, ends: BTreeMap<i32, i64> },
    /// Snapshots that were acknowledged may be gone from the totals topic.
    TotalsLost,
    /// How many partitions the topics of the ratings and of the totals have; 0 of one that does not exist.
    Partitions { ratings: i32, totals: i32 },
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
    /// Partitions of the totals; fewer while those that were added to the ratings have no place for theirs.
    pub(super) totals: i32,
    /// Partitions whose end was not reached yet; none once all were, from then on for good.
    pub(super) unread: Option<BTreeSet<i32>>,
}

/// How many partitions the topics have; 0 of one that does not exist.
struct Found {
    ratings: i32,
    totals: i32,
    dead_letters: i32,
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
    /// Runs until the engine is stopped.
    pub(super) fn run(mut self, thread: Thread) {
        let (mut topics_due, mut ends_due) = (Instant::now(), Instant::now());
        let mut totals_due = topics_due + TOPICS_INTERVAL;
        while thread.goes_on() {
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
                return thread.ends_with_another();
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
            Some(Event::Lost(reason) | Event::Unreadable(reason) | Event::OutOfRange(reason)) => {
                self.begin_anew(&reason)
            }
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
        let expected = self.partitions.min(self.totals);
        if !unread.is_empty() || (self.followed.len() as i32) < expected {
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
        doubt.map_or(Ok(()), |doubt| self.begin_anew(&doubt.to_string()))
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

    /// Finds topics and partitions that are new or missing, does what is to be done about them here, and begins to
    /// follow those that are new.
    fn look_at_topics(&mut self) -> Result<(), String> {
        let mut found = self.find()?;
        let managed = self.manage(&mut found);
        (self.partitions, self.totals) = (found.ratings, found.totals);
        // Nobody there is noticed with the next word.
        let _ = self.news.send(News::Partitions { ratings: found.ratings, totals: found.totals });
        let totals = self.settings.topics.totals.clone();
        for partition in 0..found.totals {
            if !self.followed.contains_key(&partition) {
                self.begin(&totals, partition).map_err(|error| error.to_string())?;
            }
        }
        managed?;
        self.missing(&found).or_else(|| self.leftover()).map_or(Ok(()), Err)
    }

    fn find(&self) -> Result<Found, String> {
        let Topics { ratings, totals, dead_letters } = &self.settings.topics;
        let count = |topic: &str| self.reader.partitions(topic).map_err(|error| error.to_string());
        Ok(Found {
            ratings: count(ratings)?,
            totals: count(totals)?,
            dead_letters: count(dead_letters)?,
        })
    }

    /// Makes what is missing, if that is done here. What totals and dead letters held can be counted again, or is in
    /// memory; ratings are another log then, which is noticed where they are counted.
    fn manage(&self, found: &mut Found) -> Result<(), String> {
        let Found { ratings, totals, dead_letters } = *found;
        // One that was deleted a moment ago may be about to be made again in another shape.
        let just_deleted = ratings == 0 && self.partitions > 0;
        let complete = ratings > 0 && totals >= ratings && dead_letters > 0;
        if !self.settings.manage_topics || complete || just_deleted {
            return Ok(());
        }
        let wanted = [ratings, totals].into_iter().find(|partitions| *partitions > 0);
        let wanted = wanted.unwrap_or(self.settings.partitions);
        let admin = Admin::connect(&self.kafka).map_err(|error| error.to_string())?;
        let made = admin.ensure_topics(&self.settings.topics, wanted, self.settings.replication);
        self.runtime.block_on(made).map_err(|error| error.to_string())?;
        // A broker may list them a moment later.
        *found = Found { ratings: wanted, totals: totals.max(wanted), dead_letters: wanted };
        Ok(())
    }

    /// What others have to make before all is well.
    fn missing(&self, found: &Found) -> Option<String> {
        let Topics { ratings, totals, dead_letters } = &self.settings.topics;
        let counts =
            [(ratings, found.ratings), (totals, found.totals), (dead_letters, found.dead_letters)];
        if let Some((absent, _)) = counts.into_iter().find(|(_, partitions)| *partitions == 0) {
            return Some(Absent::look(&self.kafka, absent).reason);
        }
        (found.totals < found.ratings).then(|| {
            format!(
                "topic {ratings} has {} partitions and {totals} only {}: the others are counted as \
                 soon as {totals} has as many; a role adds them, unless --manage-topics is false",
                found.ratings, found.totals
            )
        })
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
    news.push(News::Snapshot { offset, timestamp_ms: record.timestamp_ms(), snapshot });
    news
}
