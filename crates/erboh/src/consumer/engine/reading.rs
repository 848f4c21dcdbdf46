//! Reading: what the counting thread does when its reader does not bring the log as it was: everything is
//! read again from the last counted record on, a partition is restored, or it is found out whose records
//! cannot be read.
//!
//! ```text
//!   interrupted              ─► read again, all
//!   log is another one       ─► restore, that one (all, if the reader does not say which)
//!   unreadable, out of range ─► suspect, all ─┐
//!   silent                   ─► suspect, one ─┴► checked by the thread of the take-overs
//!                                                  ─► read again, unreadable, or restored
//! ```

use std::collections::BTreeMap;
use std::time::Instant;

use super::counting::Counting;
use super::doubt::Doubt;
use super::owned::{Cause, Owned};
use super::tasks::Failure;

impl Counting {
    /// Begins to read again at the last counted record of every partition, so that nothing is
    /// counted before that has been seen again.
    pub(super) fn read_again(&mut self) {
        let (now, ratings) = (Instant::now(), &self.settings.topics.ratings);
        for (partition, owned) in &mut self.owned {
            let Some(live) = owned.live() else { continue };
            self.reader.remove(ratings, *partition);
            if let Err(error) = self.reader.add(ratings, *partition, live.interrupted()) {
                owned.failed(error.to_string(), now);
            }
        }
    }

    /// Reads on, from the last counted records, with a client that knows nothing yet.
    fn read_by_another(&mut self) {
        self.reader.renew();
        self.owned.values_mut().for_each(Owned::is_read_by_another);
        self.read_again();
    }

    /// Stops reading a partition and looks again where to go on.
    pub(super) fn restore(&mut self, partition: i32, reason: &str) {
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        tracing::warn!(partition, reason, "the log is not as expected; looking again");
        self.reader.remove(&self.settings.topics.ratings, partition);
        owned.close(reason);
        self.publisher.changed();
    }

    /// The same for every partition: the reader does not say which one is meant, and where all is
    /// well this changes nothing.
    pub(super) fn restore_all(&mut self, reason: &str) {
        tracing::warn!(reason, "the log is not as expected; looking again");
        for (partition, owned) in &mut self.owned {
            if owned.counted().is_some() {
                self.reader.remove(&self.settings.topics.ratings, *partition);
                owned.close(reason);
            }
        }
        self.publisher.changed();
    }

    /// Reads no further before the next records of every partition were checked: the reader does not
    /// say of which partition it cannot read the records, and what it brings next may stand behind them.
    pub(super) fn suspect_all(&mut self, reason: &str) {
        tracing::warn!(reason, "a partition cannot be read on; looking which");
        for (partition, owned) in &mut self.owned {
            if owned.live().is_some() {
                self.reader.remove(&self.settings.topics.ratings, *partition);
                owned.suspect(Cause::ReadError);
            }
        }
    }

    /// Takes note of whether the next records of a partition can be read.
    pub(super) fn checked(&mut self, partition: i32, checked: Result<(), Failure>, now: Instant) {
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        match checked {
            Ok(()) => {
                let Some((offset, cause)) = owned.is_readable(now) else { return };
                if cause == Cause::Silent {
                    tracing::warn!(partition, "the reader brings nothing; replacing its client");
                    self.read_by_another();
                } else if let Err(error) =
                    self.reader.add(&self.settings.topics.ratings, partition, offset)
                {
                    owned.failed(error.to_string(), now);
                }
            }
            Err(Failure::Unreadable { offset, reason }) => {
                owned.is_unreadable(offset, reason, now);
            }
            Err(Failure::OutOfRange(reason)) => {
                self.restore(partition, &reason);
                // What the client knows of the log that was there may keep it from the one that is.
                self.read_by_another();
            }
            Err(Failure::Other(reason)) => owned.is_unchecked(reason, now),
        }
    }

    /// Takes note of why it is not known where to go on.
    pub(super) fn not_found(&mut self, partition: i32, failure: Failure, now: Instant) {
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        match failure {
            Failure::Unreadable { offset, reason } => owned.is_unreadable(offset, reason, now),
            Failure::OutOfRange(reason) | Failure::Other(reason) => owned.failed(reason, now),
        }
    }

    /// Compares where the logs end with where the counting is.
    pub(super) fn weigh_ends(&mut self, asked: Instant, ends: &BTreeMap<i32, i64>) {
        let now = Instant::now();
        let mut cut_off = Vec::new();
        for (partition, end) in ends {
            let Some(owned) = self.owned.get_mut(partition) else { continue };
            let Some(live) = owned.live() else { continue };
            let was_silent = live.is_silent();
            let doubt = live.doubt(asked, *end, now);
            if live.is_silent() != was_silent {
                self.publisher.changed();
            }
            match doubt {
                Some(Doubt::CutOff) => cut_off.push(*partition),
                Some(Doubt::Silent) => {
                    tracing::warn!(partition, "{}; checking its next records", Doubt::Silent);
                    self.reader.remove(&self.settings.topics.ratings, *partition);
                    owned.suspect(Cause::Silent);
                }
                None => {}
            }
        }
        if cut_off.is_empty() {
            return;
        }
        for partition in cut_off {
            self.restore(partition, &Doubt::CutOff.to_string());
        }
        // As above.
        self.read_by_another();
    }
}
