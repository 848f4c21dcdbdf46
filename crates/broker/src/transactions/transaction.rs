//! A transaction is what one transactional id is doing now (KIP-98).
//!
//! ```text
//!            add              end (journalled)             markers written, offsets settled
//!  Empty ──────────► Ongoing ─────────────────► Prepare… ──────────────────────────────────► Complete…
//!    ▲                 ▲  │ time-out, new instance: abort at the next epoch                     │ │
//!    │                 │  └────────────────────► PrepareAbort                             add   │ │
//!    │                 └────────────────────────────────────────────────────────────────────────┘ │
//!    └──────────────────────────────────── init (next epoch) ─────────────────────────────────────┘
//! ```
//!
//! Every step here is a function from one value to the next; the coordinator journals the next
//! value before it counts. The epoch tells instances with the same transactional id apart: the
//! newest has the highest, all others are fenced.

use std::collections::BTreeSet;

use kafka_protocol::ResponseError;
use serde::{Deserialize, Serialize};

use crate::limits::{TRANSACTION_PARTITIONS, TRANSACTIONAL_ID_RETENTION_MS};

/// The last epoch of a producer id that clients get: fencing needs one more.
const LAST_EPOCH: i16 = i16::MAX - 1;

/// Where the transaction is in the picture above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    Empty,
    Ongoing,
    PrepareCommit,
    PrepareAbort,
    CompleteCommit,
    CompleteAbort,
}

impl Phase {
    pub(crate) const ALL: [Self; 6] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
    ];

    /// Kafka's name of it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }

    /// Whether readers of committed data wait for its end.
    pub(crate) const fn is_under_way(self) -> bool {
        matches!(self, Self::Ongoing | Self::PrepareCommit | Self::PrepareAbort)
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Transaction {
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    /// What the producer had before it asked for its present epoch. A repeated question gets the
    /// same answer (KIP-360).
    pub(crate) previous: Option<(i64, i16)>,
    pub(crate) timeout_ms: i32,
    pub(crate) phase: Phase,
    pub(crate) partitions: BTreeSet<(String, i32)>,
    pub(crate) groups: BTreeSet<String>,
    /// Milliseconds since 1970.
    pub(crate) started_ms: i64,
    /// Milliseconds since 1970.
    pub(crate) updated_ms: i64,
}

/// What `InitProducerId` has to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Init {
    /// The answer stands already.
    Repeat,
    /// This is the next value, and then the answer.
    Next(Transaction),
    /// The ongoing transaction must be aborted first; this is the next value.
    Abort(Transaction),
    /// The epochs of the producer id are used up.
    NewProducerId,
}

/// What `EndTxn` has to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It has been done.
    Repeat,
    /// This is the next value; then markers are written.
    Prepare(Transaction),
}

impl Transaction {
    /// The first value under a transactional id.
    pub(crate) fn first(producer_id: i64, timeout_ms: i32, now_ms: i64) -> Self {
        Self {
            producer_id,
            producer_epoch: 0,
            previous: None,
            timeout_ms,
            phase: Phase::Empty,
            partitions: BTreeSet::new(),
            groups: BTreeSet::new(),
            started_ms: now_ms,
            updated_ms: now_ms,
        }
    }

    /// `InitProducerId`. `held` is what the client has had so far, if it says so.
    pub(crate) fn init(
        &self,
        held: Option<(i64, i16)>,
        timeout_ms: i32,
        now_ms: i64,
    ) -> Result<Init, ResponseError> {
        let current = (self.producer_id, self.producer_epoch);
        if held.is_some_and(|held| held != current && Some(held) != self.previous) {
            return Err(ResponseError::ProducerFenced);
        }
        match self.phase {
            Phase::PrepareCommit | Phase::PrepareAbort => {
                Err(ResponseError::ConcurrentTransactions)
            }
            Phase::Ongoing => Ok(Init::Abort(self.abort_fenced(now_ms))),
            Phase::Empty | Phase::CompleteCommit | Phase::CompleteAbort => {
                if held.is_some_and(|held| held != current) {
                    return Ok(Init::Repeat);
                }
                if self.producer_epoch >= LAST_EPOCH {
                    return Ok(Init::NewProducerId);
                }
                let epoch = self.producer_epoch + 1;
                Ok(Init::Next(self.renewed(self.producer_id, epoch, held, timeout_ms, now_ms)))
            }
        }
    }

    /// The next value after the epochs of the former producer id were used up.
    pub(crate) fn with_new_producer_id(
        &self,
        producer_id: i64,
        held: Option<(i64, i16)>,
        timeout_ms: i32,
        now_ms: i64,
    ) -> Self {
        self.renewed(producer_id, 0, held, timeout_ms, now_ms)
    }

    fn renewed(
        &self,
        producer_id: i64,
        producer_epoch: i16,
        previous: Option<(i64, i16)>,
        timeout_ms: i32,
        now_ms: i64,
    ) -> Self {
        let started_ms = self.started_ms;
        Self {
            producer_epoch,
            previous,
            started_ms,
            ..Self::first(producer_id, timeout_ms, now_ms)
        }
    }

    /// `AddPartitionsToTxn` and `AddOffsetsToTxn`. `None`: all are part of it already.
    pub(crate) fn add(
        &self,
        producer: (i64, i16),
        partitions: &[(String, i32)],
        group: Option<&str>,
        now_ms: i64,
    ) -> Result<Option<Self>, ResponseError> {
        self.check_producer(producer)?;
        let mut next = match self.phase {
            Phase::PrepareCommit | Phase::PrepareAbort => {
                return Err(ResponseError::ConcurrentTransactions);
            }
            Phase::Ongoing => self.clone(),
            // What the former transaction was made of has been dropped at its end.
            Phase::Empty | Phase::CompleteCommit | Phase::CompleteAbort => {
                Self { phase: Phase::Ongoing, started_ms: now_ms, ..self.clone() }
            }
        };
        next.partitions.extend(partitions.iter().cloned());
        next.groups.extend(group.map(str::to_owned));
        if next.parts() > TRANSACTION_PARTITIONS {
            return Err(ResponseError::PolicyViolation);
        }
        if next == *self {
            return Ok(None);
        }
        next.updated_ms = now_ms;
        Ok(Some(next))
    }

    /// `EndTxn`.
    pub(crate) fn end(
        &self,
        producer: (i64, i16),
        is_commit: bool,
        now_ms: i64,
    ) -> Result<End, ResponseError> {
        self.check_producer(producer)?;
        let prepared = if is_commit { Phase::PrepareCommit } else { Phase::PrepareAbort };
        match (self.phase, is_commit) {
            (Phase::Ongoing, _) => {
                Ok(End::Prepare(Self { phase: prepared, updated_ms: now_ms, ..self.clone() }))
            }
            (Phase::CompleteCommit, true) | (Phase::CompleteAbort, false) => Ok(End::Repeat),
            (Phase::PrepareCommit, true) | (Phase::PrepareAbort, false) => {
                Err(ResponseError::ConcurrentTransactions)
            }
            _ => Err(ResponseError::InvalidTxnState),
        }
    }

    /// Aborts at the next epoch, so that whoever began the transaction is fenced.
    pub(crate) fn abort_fenced(&self, now_ms: i64) -> Self {
        Self {
            phase: Phase::PrepareAbort,
            producer_epoch: self.producer_epoch.saturating_add(1),
            previous: None,
            updated_ms: now_ms,
            ..self.clone()
        }
    }

    /// The value after all markers are written.
    pub(crate) fn completed(&self, now_ms: i64) -> Self {
        let phase = if self.phase == Phase::PrepareCommit {
            Phase::CompleteCommit
        } else {
            Phase::CompleteAbort
        };
        Self {
            phase,
            partitions: BTreeSet::new(),
            groups: BTreeSet::new(),
            updated_ms: now_ms,
            ..self.clone()
        }
    }

    /// Whether the producer is the newest of its transactional id.
    pub(crate) fn check_producer(&self, (id, epoch): (i64, i16)) -> Result<(), ResponseError> {
        if id != self.producer_id {
            Err(ResponseError::InvalidProducerIdMapping)
        } else if epoch != self.producer_epoch {
            Err(ResponseError::ProducerFenced)
        } else {
            Ok(())
        }
    }

    /// Partitions and groups that it is made of.
    pub(crate) fn parts(&self) -> usize {
        self.partitions.len() + self.groups.len()
    }

    pub(crate) fn is_prepared(&self) -> bool {
        matches!(self.phase, Phase::PrepareCommit | Phase::PrepareAbort)
    }

    /// Whether the transaction has been open for longer than its producer allowed.
    pub(crate) fn is_timed_out(&self, now_ms: i64) -> bool {
        self.phase == Phase::Ongoing
            && self.started_ms.saturating_add(self.timeout_ms.into()) <= now_ms
    }

    /// Whether nobody has used the transactional id for so long that it can be forgotten.
    pub(crate) fn is_idle(&self, now_ms: i64) -> bool {
        !self.is_prepared()
            && self.phase != Phase::Ongoing
            && self.updated_ms.saturating_add(TRANSACTIONAL_ID_RETENTION_MS) <= now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: (i64, i16) = (7, 0);

    fn first() -> Transaction {
        Transaction::first(7, 1_000, 0)
    }

    fn ongoing() -> Transaction {
        first().add(P, &[("t".into(), 0)], None, 10).unwrap().unwrap()
    }

    fn prepared(is_commit: bool) -> Transaction {
        match ongoing().end(P, is_commit, 20).unwrap() {
            End::Prepare(next) => next,
            End::Repeat => panic!("an ongoing transaction must be prepared"),
        }
    }

    #[test]
    fn commits_once_and_repeats_the_answer() {
        let done = prepared(true).completed(30);
        assert_eq!(done.phase, Phase::CompleteCommit);
        assert!(done.partitions.is_empty());
        assert_eq!(done.end(P, true, 40), Ok(End::Repeat));
        assert_eq!(done.end(P, false, 40), Err(ResponseError::InvalidTxnState));
        assert_eq!(prepared(true).end(P, true, 40), Err(ResponseError::ConcurrentTransactions));
        assert_eq!(prepared(true).end(P, false, 40), Err(ResponseError::InvalidTxnState));
        assert_eq!(first().end(P, true, 40), Err(ResponseError::InvalidTxnState));
    }

    #[test]
    fn a_new_instance_fences_the_old_one() {
        let Ok(Init::Next(next)) = first().init(None, 1_000, 5) else { panic!("no next value") };
        assert_eq!(next.producer_epoch, 1);
        let old = next.add(P, &[], Some("g"), 6);
        assert_eq!(old, Err(ResponseError::ProducerFenced));
        assert_eq!(next.end(P, true, 6), Err(ResponseError::ProducerFenced));
        assert_eq!(next.end((8, 1), true, 6), Err(ResponseError::InvalidProducerIdMapping));
    }

    #[test]
    fn a_new_instance_aborts_what_the_old_one_began() {
        let Ok(Init::Abort(abort)) = ongoing().init(None, 1_000, 15) else { panic!("no abort") };
        assert_eq!((abort.phase, abort.producer_epoch), (Phase::PrepareAbort, 1));
        assert_eq!(abort.init(None, 1_000, 16), Err(ResponseError::ConcurrentTransactions));
        let Ok(Init::Next(next)) = abort.completed(17).init(None, 1_000, 18) else {
            panic!("no next value")
        };
        assert_eq!((next.phase, next.producer_epoch), (Phase::Empty, 2));
    }

    #[test]
    fn a_repeated_recovery_gets_the_same_epoch() {
        let Ok(Init::Next(next)) = first().init(Some(P), 1_000, 5) else { panic!("no next value") };
        assert_eq!(next.init(Some(P), 1_000, 6), Ok(Init::Repeat));
        let Ok(Init::Next(later)) = next.init(Some((7, 1)), 1_000, 7) else {
            panic!("no next value")
        };
        assert_eq!(later.init(Some(P), 1_000, 8), Err(ResponseError::ProducerFenced));
    }

    #[test]
    fn used_up_epochs_ask_for_a_new_producer_id() {
        let old = Transaction { producer_epoch: LAST_EPOCH, ..first() };
        assert_eq!(old.init(None, 1_000, 5), Ok(Init::NewProducerId));
        let held = Some((7, LAST_EPOCH));
        let next = old.with_new_producer_id(99, held, 1_000, 5);
        assert_eq!((next.producer_id, next.producer_epoch), (99, 0));
        assert_eq!(next.init(held, 1_000, 6), Ok(Init::Repeat));
    }

    #[test]
    fn times_out_from_its_first_partition_on() {
        assert!(!first().is_timed_out(i64::MAX));
        assert!(!ongoing().is_timed_out(1_009));
        assert!(ongoing().is_timed_out(1_010));
        assert!(!prepared(false).is_timed_out(i64::MAX));
    }

    #[test]
    fn adding_the_same_again_changes_nothing() {
        assert_eq!(ongoing().add(P, &[("t".into(), 0)], None, 50), Ok(None));
        let more = ongoing().add(P, &[], Some("g"), 50).unwrap().unwrap();
        assert_eq!(more.started_ms, 10);
        assert!(more.groups.contains("g"));
    }
}
