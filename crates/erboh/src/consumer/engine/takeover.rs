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
//! does not hold up the counting of the others.

use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Instant;

use super::limits::{RENEW_REST, TAIL_GROWTH, TAIL_RECORDS};
use super::settings::{EngineSettings, OnGap, OnLogChange};
use crate::queue::{LookupError, Reader};
use crate::totals::{FOLD, Fingerprint, Snapshot, SnapshotError};

/// The question: what to go on from in this partition. The turn comes back with the answer, so
/// that an answer to an older question is recognised.
pub(super) struct Request {
    pub(super) partition: i32,
    pub(super) turn: u64,
}

/// The answer.
pub(super) struct Answer {
    pub(super) partition: i32,
    pub(super) turn: u64,
    pub(super) found: Result<Found, LookupError>,
}

/// What there is to go on from.
pub(super) struct Found {
    /// What to do.
    pub(super) decision: Decision,
    /// The first offset that the ratings log has.
    pub(super) log_start: i64,
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
    Resume { snapshot: Box<Snapshot>, slot: u8, supersedes: Option<Box<Snapshot>>, gap: bool },
    /// Do not count, for this reason.
    Halt(String),
}

/// A snapshot in its slot.
struct Candidate {
    slot: u8,
    snapshot: Snapshot,
}

/// How a snapshot and the log go together.
enum Verdict {
    Fits,
    Gap,
    Differs(String),
}

/// Answers requests until the other side is gone.
pub(super) fn run(
    mut reader: Reader,
    settings: &EngineSettings,
    requests: &Receiver<Request>,
    answers: &SyncSender<Answer>,
) {
    let mut renewed = Instant::now();
    for Request { partition, turn } in requests {
        let found = look(&reader, settings, partition);
        // Where brokers are reachable and yet do not answer, the client may know too much.
        if found.is_err() && reader.down().is_none() && renewed.elapsed() >= RENEW_REST {
            reader.renew();
            renewed = Instant::now();
        }
        if answers.send(Answer { partition, turn, found }).is_err() {
            return;
        }
    }
}

fn look(reader: &Reader, settings: &EngineSettings, partition: i32) -> Result<Found, LookupError> {
    let topics = &settings.topics;
    let (log_start, log_end) = reader.watermarks(&topics.ratings, partition)?;
    let (totals_start, totals_end) = reader.watermarks(&topics.totals, partition)?;
    // Never a position, so that not knowing it is no reason to wait.
    let committed = reader.committed(&topics.ratings, partition).unwrap_or_else(|error| {
        tracing::debug!(partition, %error, "the committed offset is not known");
        None
    });
    let mut search = Search { reader, settings, partition, log_start, log_end, newest: None };
    let mut length = TAIL_RECORDS;
    let decision = loop {
        let from = totals_start.max(totals_end - length);
        let (candidates, other_fold) = search.tail(from, totals_end)?;
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
        length = length.saturating_mul(TAIL_GROWTH);
    };
    Ok(Found { decision, log_start, totals_end, committed })
}

struct Search<'a> {
    reader: &'a Reader,
    settings: &'a EngineSettings,
    partition: i32,
    log_start: i64,
    log_end: i64,
    /// The newest snapshot that does not fit, its slot, and why.
    newest: Option<(Candidate, String)>,
}

impl Search<'_> {
    /// The newest snapshot of each slot, newest first, and the highest other fold that was met.
    fn tail(&self, from: i64, to: i64) -> Result<(Vec<Candidate>, Option<u32>), LookupError> {
        let mut slots: [Option<Snapshot>; super::limits::SLOTS as usize] = Default::default();
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
        let mut candidates: Vec<Candidate> = (0..)
            .zip(slots)
            .filter_map(|(slot, snapshot)| Some(Candidate { slot, snapshot: snapshot? }))
            .collect();
        candidates.sort_by_key(|candidate| {
            std::cmp::Reverse((candidate.snapshot.epoch, candidate.snapshot.next_offset))
        });
        Ok((candidates, other_fold))
    }

    /// The newest candidate that fits the log, if any does.
    fn choose(&mut self, candidates: Vec<Candidate>) -> Result<Option<Decision>, LookupError> {
        for candidate in candidates {
            let verdict = match self.judge(&candidate.snapshot)? {
                // Behind a newer one that differs, the older one belongs to the other log as well.
                Verdict::Gap if self.newest.is_some() => {
                    Verdict::Differs("the log begins after what was counted".into())
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
                        candidate.snapshot.next_offset, self.log_start
                    ))));
                }
                Verdict::Differs(reason) => {
                    let newer = self.newest.as_ref().is_none_or(|(newest, _)| {
                        (newest.snapshot.epoch, newest.snapshot.next_offset)
                            < (candidate.snapshot.epoch, candidate.snapshot.next_offset)
                    });
                    if newer {
                        self.newest = Some((candidate, reason));
                    }
                }
            }
        }
        Ok(None)
    }

    fn resume(&mut self, candidate: Candidate, gap: bool) -> Decision {
        let newest = self.newest.take();
        if let Some((newest, reason)) = &newest {
            tracing::warn!(
                partition = self.partition,
                newest = newest.snapshot.next_offset,
                next_offset = candidate.snapshot.next_offset,
                reason,
                "going on from an older snapshot, because the newest does not fit the log"
            );
        }
        // The slot behind the newest: the one that is gone on from stays for another time.
        let slot = newest.as_ref().map_or(candidate.slot, |(newest, _)| newest.slot);
        let supersedes = newest.map(|(newest, _)| Box::new(newest.snapshot));
        Decision::Resume { snapshot: Box::new(candidate.snapshot), slot, supersedes, gap }
    }

    /// Compares a snapshot with the log.
    fn judge(&self, snapshot: &Snapshot) -> Result<Verdict, LookupError> {
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
        self.reader.range(&self.settings.topics.ratings, self.partition, at, |record| {
            found = Some(Fingerprint::of(
                record.offset(),
                record.timestamp_ms(),
                record.key(),
                record.value(),
            ));
        })?;
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
                let slot = Some(newest.slot);
                Decision::Start { supersedes: Some(Box::new(newest.snapshot)), slot }
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
    (slot < super::limits::SLOTS).then_some(slot)
}
