//! Snapshots: the way of one partition's totals into the totals topic.
//!
//! ```text
//!   due(position) ─► write(newest totals) ─► in flight (one) ─► acknowledged N ─► group offset N
//!     changed and interval over, or distance reached, or
//!     somebody else wrote an older one after ours
//! ```

use std::time::{Duration, Instant};

use super::limits::PAUSE_DISTANCES;
use super::retry::Retry;
use crate::queue::{OutRecord, Pending, SendError, Writer};
use crate::totals::{PartitionTotals, SLOTS, Snapshot};

/// Where the snapshots of one partition stand.
pub(super) struct Snapshots {
    slot: u8,
    /// Take-overs of this partition so far.
    generation: i32,
    /// N of the newest acknowledged snapshot; where counting began, as long as there is none.
    covered: i64,
    in_flight: Option<(i64, Pending)>,
    written_at: Option<Instant>,
    /// A snapshot is needed though nothing was counted since the last one.
    repeat: bool,
    retry: Retry,
}

impl Snapshots {
    /// Goes on after the snapshot in `slot` (none if there is none) of `generation`; everything
    /// before `covered` is in a snapshot or before the start of counting.
    pub(super) fn after(slot: Option<u8>, generation: i32, covered: i64) -> Self {
        Self {
            slot: slot.map_or(0, |slot| (slot + 1) % SLOTS),
            generation: generation.saturating_add(1),
            covered,
            in_flight: None,
            written_at: None,
            repeat: false,
            retry: Retry::default(),
        }
    }

    /// Take-overs of this partition so far.
    pub(super) fn generation(&self) -> i32 {
        self.generation
    }

    /// Whether a snapshot of totals at `position` should be written now.
    pub(super) fn is_due(
        &self,
        position: i64,
        (interval, distance): (Duration, i64),
        now: Instant,
    ) -> bool {
        if self.in_flight.is_some() || !self.retry.is_due(now) || !self.is_behind(position) {
            return false;
        }
        let rested = self.written_at.is_none_or(|at| now.duration_since(at) >= interval);
        rested || position - self.covered >= distance
    }

    /// Whether the newest acknowledged snapshot does not cover `position`, or must be repeated.
    pub(super) fn is_behind(&self, position: i64) -> bool {
        self.repeat || position > self.covered
    }

    /// Whether nothing more should be counted until a snapshot is acknowledged.
    pub(super) fn is_too_far(&self, position: i64, distance: i64) -> bool {
        position - self.covered >= distance.saturating_mul(PAUSE_DISTANCES)
    }

    /// Wants a snapshot even if nothing is counted: somebody else's older one stands behind ours,
    /// or one must be superseded.
    pub(super) fn repeat(&mut self) {
        self.repeat = true;
    }

    /// Writes a snapshot of the totals.
    pub(super) fn write(
        &mut self,
        totals: &PartitionTotals,
        name: &str,
        writer: &Writer,
        now: Instant,
    ) {
        let snapshot = totals.snapshot(name, self.generation);
        let record = snapshot_record(self.slot, &snapshot);
        self.in_flight = Some((snapshot.next_offset, writer.post(&[record])));
        self.written_at = Some(now);
        self.repeat = false;
    }

    /// Takes note of an acknowledgement: N if the newest snapshot was acknowledged just now.
    pub(super) fn serve(&mut self, now: Instant) -> Result<Option<i64>, SendError> {
        let Some((next_offset, pending)) = &mut self.in_flight else { return Ok(None) };
        let Some(results) = pending.poll() else { return Ok(None) };
        let next_offset = *next_offset;
        self.in_flight = None;
        match results.into_iter().next() {
            Some(Ok(_)) => {
                self.retry.succeeded();
                self.slot = (self.slot + 1) % SLOTS;
                self.covered = next_offset;
                Ok(Some(next_offset))
            }
            // The next try goes to the same slot: should this one be in the log after all, it is
            // an older state of the same totals and does no harm.
            Some(Err(error)) => {
                self.retry.failed(now);
                self.repeat = true;
                Err(error)
            }
            None => Ok(None),
        }
    }

    /// Whether a snapshot is on its way.
    pub(super) fn in_flight(&self) -> bool {
        self.in_flight.is_some()
    }
}

/// A snapshot as it stands in the totals topic.
pub(super) fn snapshot_record(slot: u8, snapshot: &Snapshot) -> OutRecord {
    OutRecord {
        key: Some(slot.to_string().into_bytes()),
        value: Some(snapshot.to_json()),
        headers: Vec::new(),
        partition: Some(snapshot.partition),
    }
}
