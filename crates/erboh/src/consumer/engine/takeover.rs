//! Take-over: how a new owner finds the totals to go on from.
//!
//! ```text
//!   totals partition p:  … │ tail, growing backwards │ end     slots 0..7, newest first
//!                                   │ N, last = fingerprint of the last counted record
//!                                   ▼
//!   ratings partition p: start … [last] N … end    re-read `last`: the same record?
//!                                                  yes: go on at N   no: next older snapshot
//! ```
//!
//! This runs on its own thread with its own reader, so that looking for one partition's totals
//! does not hold up the counting of the others. As it reads one partition at a time, it is also the
//! one that can tell whose records cannot be read ([`Task::Check`]).

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Instant;

use super::limits::{RENEW_REST, REPORTS_INTERVAL, TAIL_GROWTH, TAIL_RECORDS};
use super::settings::{EngineSettings, OnGap, OnLogChange};
use super::tasks::{Answer, Failure, Outcome, Request, Task};
use super::threads::Thread;
use crate::queue::{LookupError, Reader};
use crate::totals::{FOLD, Fingerprint, Snapshot, SnapshotError};

/// What there is to go on from.
pub(super) struct Found {
    /// What to do.
    pub(super) decision: Decision,
    /// The first offset that the ratings log has.
    pub(super) log_start: i64,
    /// The offset behind its last record.
    pub(super) log_end: i64,
    /// The end of the totals partition: whoever writes from there on does so after this look.
    pub(super) totals_end: i64,
    /// What the group has committed.
    pub(super) committed: Option<i64>,
}

/// What to do with a partition.
pub(super) enum Decision {
    /// Count from the start of the log. `supersedes` is what the log does not bear out.
    Start { supersedes: Option<Box<Snapshot>>, slot: Option<u8> },
    /// Go on from this snapshot, after a gap if one is to be recorded.
    Resume {
        snapshot: Box<Snapshot>,
        slot: Option<u8>,
        supersedes: Option<Box<Snapshot>>,
        gap: bool,
        /// Whether it does not stand in the totals topic.
        unwritten: bool,
    },
    /// Do not count, for this reason.
    Halt(String),
}

/// How a snapshot and the log go together.
enum Verdict {
    Fits,
    Gap,
    Differs(String),
}

/// Answers requests until the engine is stopped.
pub(super) fn run(
    thread: Thread,
    mut reader: Reader,
    settings: &EngineSettings,
    requests: &Receiver<Request>,
    answers: &SyncSender<Answer>,
) {
    let mut renewed = Instant::now();
    while thread.goes_on() {
        let request = match requests.recv_timeout(REPORTS_INTERVAL) {
            Ok(request) => request,
            Err(RecvTimeoutError::Timeout) => {
                reader.idle();
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return thread.ends_with_another(),
        };
        let Request { partition, turn, .. } = request;
        let outcome = answer(&reader, settings, request);
        let failed = matches!(&outcome, Outcome::Found(Err(_)) | Outcome::Checked(Err(_)));
        // A client may know too much of a cluster, or nothing any more.
        if failed && renewed.elapsed() >= RENEW_REST {
            reader.renew();
            renewed = Instant::now();
        }
        if answers.send(Answer { partition, turn, outcome }).is_err() {
            return thread.ends_with_another();
        }
    }
}

fn answer(reader: &Reader, settings: &EngineSettings, request: Request) -> Outcome {
    let partition = request.partition;
    match request.task {
        Task::Look { shown, complete, unreadable_at } => {
            let found = look(reader, settings, partition, shown.as_deref(), complete);
            Outcome::Found(found.and_then(|found| {
                found.is_readable(reader, &settings.topics.ratings, partition, unreadable_at)?;
                Ok(found)
            }))
        }
        Task::Check(offsets) => {
            let checked = reader.range(&settings.topics.ratings, partition, offsets, |_| {});
            Outcome::Checked(checked.map_err(Failure::of_ratings))
        }
    }
}

impl Found {
    /// Whether reading, which begins before them, would come through the records that could not be read.
    fn is_readable(
        &self,
        reader: &Reader,
        ratings: &str,
        partition: i32,
        unreadable_at: Option<i64>,
    ) -> Result<(), Failure> {
        let is_there = |offset: &i64| (self.log_start..self.log_end).contains(offset);
        match unreadable_at.filter(is_there) {
            Some(offset) if !matches!(self.decision, Decision::Halt(_)) => {
                reader.check(ratings, partition, (offset, offset + 1)).map_err(Failure::of_ratings)
            }
            _ => Ok(()),
        }
    }
}

fn look(
    reader: &Reader,
    settings: &EngineSettings,
    partition: i32,
    shown: Option<&Snapshot>,
    complete: bool,
) -> Result<Found, Failure> {
    let topics = &settings.topics;
    // In this order: whatever stands before the end of the totals was counted before the end of the log is asked
    // for. Totals that somebody else writes in between would otherwise be those of a log that was cut off.
    let (totals_start, totals_end) = reader.watermarks(&topics.totals, partition)?;
    let (log_start, log_end) = reader.watermarks(&topics.ratings, partition)?;
    // Never a position, so that not knowing it is no reason to wait.
    let committed = reader.committed(&topics.ratings, partition).unwrap_or_else(|error| {
        tracing::debug!(partition, %error, "the committed offset is not known");
        None
    });
    let mut search = Search {
        reader,
        settings,
        partition,
        log_start,
        log_end,
        newest: None,
        slot: None,
        written: None,
    };
    let mut shown = shown.filter(|shown| shown.last.is_some());
    if let Some(shown) = shown.take_if(|_| !complete)
        && let Verdict::Differs(reason) = search.judge(shown)?
    {
        search.newest = Some((shown.clone(), reason));
    }
    let (mut to, mut length) = (totals_end, TAIL_RECORDS);
    let decision = loop {
        let from = totals_start.max(to - length);
        let (mut candidates, other_fold) = search.tail(from, to)?;
        candidates.extend(shown.take().cloned());
        candidates.sort_by_key(|of| std::cmp::Reverse((of.epoch, of.next_offset)));
        if let Some(fold) = other_fold.filter(|fold| *fold > FOLD) {
            break Decision::Halt(format!(
                "its snapshots were made by version {fold} of the fold, this program has version \
                 {FOLD}: upgrade this consumer"
            ));
        }
        if let Some(decision) = search.choose(candidates)? {
            break decision;
        }
        if from == totals_start {
            break search.nothing_fits(other_fold);
        }
        to = from;
        length = length.saturating_mul(TAIL_GROWTH);
    };
    Ok(Found { decision, log_start, log_end, totals_end, committed })
}

struct Search<'a> {
    reader: &'a Reader,
    settings: &'a EngineSettings,
    partition: i32,
    log_start: i64,
    log_end: i64,
    /// The newest snapshot that does not fit, and why.
    newest: Option<(Snapshot, String)>,
    /// The slot of the newest snapshot in the totals topic, its epoch and its N.
    slot: Option<u8>,
    written: Option<(u32, i64)>,
}

impl Search<'_> {
    /// The newest snapshot of each slot in a part of the totals, and the highest other fold that was
    /// met. Where compaction has not been yet, every part that lies further back has older ones.
    fn tail(&mut self, from: i64, to: i64) -> Result<(Vec<Snapshot>, Option<u32>), LookupError> {
        let mut slots: [Option<Snapshot>; crate::totals::SLOTS as usize] = Default::default();
        let mut other_fold = None;
        self.reader.range(&self.settings.topics.totals, self.partition, (from, to), |record| {
            let slot = slot_of(record.key());
            match (slot, Snapshot::from_json(record.value().unwrap_or_default())) {
                (Some(slot), Ok(snapshot)) if snapshot.partition == self.partition => {
                    slots[usize::from(slot)] = Some(snapshot);
                }
                (_, Err(SnapshotError::OtherFold(fold))) => other_fold = other_fold.max(Some(fold)),
                _ => tracing::warn!(
                    partition = self.partition,
                    offset = record.offset(),
                    "a record in the totals topic is no snapshot; it is ignored"
                ),
            }
        })?;
        if self.slot.is_none() {
            let found = (0..).zip(&slots).filter_map(|(slot, of)| Some((slot, of.as_ref()?)));
            let newest = found.max_by_key(|(_, of)| (of.epoch, of.next_offset));
            self.slot = newest.map(|(slot, _)| slot);
            self.written = newest.map(|(_, of)| (of.epoch, of.next_offset));
        }
        let candidates = slots.into_iter().flatten().collect();
        Ok((candidates, other_fold))
    }

    /// The newest candidate that fits the log, if any does.
    fn choose(&mut self, candidates: Vec<Snapshot>) -> Result<Option<Decision>, Failure> {
        for candidate in candidates {
            let verdict = match self.judge(&candidate)? {
                // Behind a newer one that differs, the older one belongs to the other log as well.
                Verdict::Gap if self.newest.is_some() => {
                    Verdict::Differs("the log begins after what was counted".into())
                }
                // Totals of nothing go with every log, and do not say which one it is.
                Verdict::Fits if self.newest.is_some() && candidate.last.is_none() => {
                    Verdict::Differs("nothing was counted".into())
                }
                verdict => verdict,
            };
            match verdict {
                Verdict::Fits => return Ok(Some(self.resume(candidate, false))),
                Verdict::Gap if self.settings.on_gap == OnGap::Record => {
                    return Ok(Some(self.resume(candidate, true)));
                }
                Verdict::Gap => {
                    return Ok(Some(Decision::Halt(format!(
                        "the records from offset {} to {} were deleted before they were counted; \
                         start with --on-gap=record to go on without them",
                        candidate.next_offset, self.log_start
                    ))));
                }
                Verdict::Differs(reason) => {
                    let newer = self.newest.as_ref().is_none_or(|(newest, _)| {
                        (newest.epoch, newest.next_offset)
                            < (candidate.epoch, candidate.next_offset)
                    });
                    if newer {
                        self.newest = Some((candidate, reason));
                    }
                }
            }
        }
        Ok(None)
    }

    fn resume(&mut self, snapshot: Snapshot, gap: bool) -> Decision {
        let newest = self.newest.take();
        if let Some((newest, reason)) = &newest {
            tracing::warn!(
                partition = self.partition,
                newest = newest.next_offset,
                next_offset = snapshot.next_offset,
                reason,
                "going on from an older snapshot, because the newest does not fit the log"
            );
        }
        // The slot behind the newest: the one that is gone on from stays for another time.
        let supersedes = newest.map(|(newest, _)| Box::new(newest));
        let unwritten = self.written < Some((snapshot.epoch, snapshot.next_offset));
        let snapshot = Box::new(snapshot);
        Decision::Resume { snapshot, slot: self.slot, supersedes, gap, unwritten }
    }

    /// Compares a snapshot with the log.
    fn judge(&self, snapshot: &Snapshot) -> Result<Verdict, Failure> {
        let next = snapshot.next_offset;
        if next > self.log_end {
            return Ok(Verdict::Differs(format!(
                "the log ends at offset {}, but {next} were counted",
                self.log_end
            )));
        }
        if next < self.log_start {
            return Ok(Verdict::Gap);
        }
        let Some(last) = snapshot.last else { return Ok(Verdict::Fits) };
        if last.offset < self.log_start {
            // Retention took the record, and nothing that is not counted. A log made anew would
            // have to begin exactly here to be mistaken for it.
            return Ok(Verdict::Fits);
        }
        let mut found = None;
        let at = (last.offset, last.offset + 1);
        let ratings = &self.settings.topics.ratings;
        let read = self.reader.range(ratings, self.partition, at, |record| {
            found = Some(Fingerprint::of(
                record.offset(),
                record.timestamp_ms(),
                record.key(),
                record.value(),
            ));
        });
        read.map_err(Failure::of_ratings)?;
        if found == Some(last) {
            return Ok(Verdict::Fits);
        }
        Ok(Verdict::Differs(format!(
            "the record at offset {} is not the one that was counted there",
            last.offset
        )))
    }

    /// What to do when no snapshot fits.
    fn nothing_fits(self, other_fold: Option<u32>) -> Decision {
        let restart = self.settings.on_log_change == OnLogChange::Restart;
        match (self.newest, other_fold) {
            (Some((newest, reason)), _) if restart => {
                tracing::warn!(partition = self.partition, reason, "counting another log anew");
                Decision::Start { supersedes: Some(Box::new(newest)), slot: self.slot }
            }
            (Some((_, reason)), _) => Decision::Halt(format!(
                "the topic was truncated or made anew: {reason}; start with \
                 --on-log-change=restart to count the log that is there"
            )),
            (None, Some(fold)) if self.log_start > 0 && !restart => Decision::Halt(format!(
                "its snapshots were made by version {fold} of the fold, this program has version \
                 {FOLD}, and the log no longer has its first records; start with \
                 --on-log-change=restart to count what is there"
            )),
            (None, _) => Decision::Start { supersedes: None, slot: None },
        }
    }
}

/// The slot that a key names.
pub(super) fn slot_of(key: Option<&[u8]>) -> Option<u8> {
    let slot: u8 = std::str::from_utf8(key?).ok()?.parse().ok()?;
    (slot < crate::totals::SLOTS).then_some(slot)
}
