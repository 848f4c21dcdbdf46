//! The fold of one partition: from totals and the next record to new totals.
//!
//! ```text
//! start(p, from) ─────────────────────────────┐
//! resume(snapshot) ─► begin_warm ─► warm… ─────┴─► apply… │ advance_to │ gap ─► snapshot
//! ```

use std::collections::HashMap;

use super::{FOLD, Fingerprint, Hash, Record, Snapshot, Tally, Window};
use crate::limits::{VOICES_MAX, WINDOW_OFFSETS};
use crate::rating::{Invalid, RatingView, Voice};

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is a rating, and it counts.
    Counted,
    /// It is a rating whose id stands in the window.
    Duplicate,
    /// It is no rating, for this reason. It belongs among the dead letters before a snapshot passes its offset.
    Dead(Invalid),
    /// It stands before the position, so it is in the totals already. Nothing was changed.
    Past,
}

/// The totals of one partition up to a position, and the window that the next records are compared with.
#[derive(Clone, Debug)]
pub struct PartitionTotals {
    epoch: u32,
    /// Empty before the first record.
    log: String,
    partition: i32,
    from_offset: i64,
    next_offset: i64,
    counted: u64,
    duplicates: u64,
    dead: u64,
    gaps: Vec<[i64; 2]>,
    last: Option<Fingerprint>,
    window_from: i64,
    cuts: Option<Hash>,
    window: Window,
    /// Hashed rather than sorted: two look-ups a record are most of what counting costs.
    voices: HashMap<Voice, Tally>,
}

impl PartitionTotals {
    /// Totals of nothing, at `from_offset`, which should be the start of the log.
    #[must_use]
    pub fn start(partition: i32, from_offset: i64) -> Self {
        Self::start_with(Window::new(WINDOW_OFFSETS, from_offset), partition, from_offset)
    }

    /// The totals of `snapshot`. Its window is still empty: call [`Self::begin_warm`] and [`Self::warm`] before the first
    /// [`Self::apply`], or duplicates of earlier ratings will count.
    #[must_use]
    pub fn resume(snapshot: Snapshot) -> Self {
        let window = Window::new(WINDOW_OFFSETS, snapshot.next_offset);
        Self::resume_with(window, snapshot)
    }

    /// A window of another size gives another fold; only tests may want one.
    pub(super) fn start_with(window: Window, partition: i32, from_offset: i64) -> Self {
        Self {
            epoch: 0,
            log: String::new(),
            partition,
            from_offset,
            next_offset: from_offset,
            counted: 0,
            duplicates: 0,
            dead: 0,
            gaps: Vec::new(),
            last: None,
            window_from: from_offset,
            cuts: None,
            window,
            voices: HashMap::new(),
        }
    }

    pub(super) fn resume_with(window: Window, snapshot: Snapshot) -> Self {
        Self {
            epoch: snapshot.epoch,
            log: snapshot.log,
            partition: snapshot.partition,
            from_offset: snapshot.from_offset,
            next_offset: snapshot.next_offset,
            counted: snapshot.counted,
            duplicates: snapshot.duplicates,
            dead: snapshot.dead,
            gaps: snapshot.gaps,
            last: snapshot.last,
            window_from: snapshot.window_from,
            cuts: snapshot.cuts,
            window,
            voices: snapshot.voices.into_iter().collect(),
        }
    }

    /// Makes these totals supersede `newest`, a snapshot that the log does not bear out: the log was truncated, or is
    /// another one. To be called once, after [`Self::start`] or after [`Self::resume`] from an older snapshot.
    pub fn supersede(&mut self, newest: &Snapshot) {
        self.epoch = self.epoch.max(newest.epoch.saturating_add(1));
    }

    /// Begins to fill the window after [`Self::resume`], and says where to read: every record from the returned offset up
    /// to [`Self::next_offset`] is then to be given to [`Self::warm`].
    ///
    /// `log_start` is the first offset that the log still has. Where retention has taken a part of what the window should
    /// know, the snapshots say so from now on (`window_from`, `cuts`). Call it again if the log start moves before the reading
    /// gets there.
    pub fn begin_warm(&mut self, log_start: i64) -> i64 {
        let wanted = self.window_from.max(self.next_offset.saturating_sub(self.window.offsets()));
        let start = wanted.max(log_start.min(self.next_offset));
        if start > wanted {
            self.window_from = start;
            self.cuts = Some(Hash::of_cut(self.cuts, self.next_offset, start));
        }
        self.window.clear(start);
        start
    }

    /// Fills the window with a record before the position. Totals do not change. A record that the window has passed, or
    /// that is not before the position, is left alone.
    pub fn warm(&mut self, record: Record<'_>) {
        if record.offset < self.window.next_offset() || record.offset >= self.next_offset {
            return;
        }
        let rating = record.value.and_then(|value| RatingView::parse(value).ok());
        self.window.add(record.offset, rating.and_then(|rating| rating.id));
    }

    /// Adds the next record. Offsets that are skipped held no data (control records, aborted transactions).
    pub fn apply(&mut self, record: Record<'_>) -> Outcome {
        if record.offset < self.next_offset {
            return Outcome::Past;
        }
        let print = Fingerprint::of(record.offset, record.timestamp_ms, record.key, record.value);
        if self.last.is_none() {
            self.log = print.hash.to_string();
        }
        self.last = Some(print);
        self.next_offset = record.offset.saturating_add(1);
        let outcome = self.outcome(record.offset, record.value);
        match outcome {
            Outcome::Counted => self.counted += 1,
            Outcome::Duplicate => self.duplicates += 1,
            Outcome::Dead(_) => self.dead += 1,
            Outcome::Past => {}
        }
        outcome
    }

    fn outcome(&mut self, offset: i64, value: Option<&[u8]>) -> Outcome {
        let Some(value) = value else {
            return Outcome::Dead(Invalid::new("value", "is null: ratings cannot be deleted"));
        };
        let rating = match RatingView::parse(value) {
            Ok(rating) => rating,
            Err(invalid) => return Outcome::Dead(invalid),
        };
        if self.window.add(offset, rating.id) {
            return Outcome::Duplicate;
        }
        if let Err(invalid) = self.check_room(&rating) {
            return Outcome::Dead(invalid);
        }
        for voice in [&rating.voice1, &rating.voice2] {
            if let Some(tally) = self.voices.get_mut(voice.as_ref()) {
                tally.add(rating.score);
            } else {
                let mut tally = Tally::default();
                tally.add(rating.score);
                self.voices.insert(Voice::checked(voice), tally);
            }
        }
        Outcome::Counted
    }

    /// Asked before either voice is added, so that a rating enters with both of its voices or with none.
    fn check_room(&self, rating: &RatingView<'_>) -> Result<(), Invalid> {
        let known = self.voices.len();
        if known + 2 <= VOICES_MAX {
            return Ok(());
        }
        let voices = [("voice1", &rating.voice1), ("voice2", &rating.voice2)];
        let mut new = voices.iter().filter(|(_, voice)| !self.voices.contains_key(voice.as_ref()));
        match new.nth(VOICES_MAX - known) {
            None => Ok(()),
            Some((field, _)) => {
                let reason =
                    format!("is new, and the partition has {known} already: too many voices");
                Err(Invalid::new(field, reason))
            }
        }
    }

    /// Moves the position over offsets that held no data, for example to the end of a log that ends with a control
    /// record. A position that is not ahead changes nothing.
    pub fn advance_to(&mut self, next_offset: i64) {
        self.next_offset = self.next_offset.max(next_offset);
    }

    /// Records that `[from, to)` was gone before it could be counted, and moves the position to `to`. The totals are no
    /// longer exact, and the window begins anew. A part before the position is not a gap.
    pub fn gap(&mut self, from: i64, to: i64) {
        let from = from.max(self.next_offset);
        if to <= from {
            return;
        }
        match self.gaps.last_mut() {
            Some(last) if last[1] == from => last[1] = to,
            _ => self.gaps.push([from, to]),
        }
        self.next_offset = to;
        self.window_from = to;
        self.window.clear(to);
    }

    /// The totals at the position, signed by who writes them.
    #[must_use]
    pub fn snapshot(&self, writer: &str, generation: i32) -> Snapshot {
        Snapshot {
            fold: FOLD,
            epoch: self.epoch,
            log: self.log.clone(),
            partition: self.partition,
            from_offset: self.from_offset,
            next_offset: self.next_offset,
            counted: self.counted,
            duplicates: self.duplicates,
            dead: self.dead,
            gaps: self.gaps.clone(),
            last: self.last,
            window_from: self.window_from,
            cuts: self.cuts,
            voices: self.voices.iter().map(|(voice, tally)| (voice.clone(), *tally)).collect(),
            writer: writer.to_owned(),
            generation,
        }
    }

    /// The partition whose ratings these are.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The epoch, as in [`Snapshot::epoch`].
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The position: the offset of the record that comes next.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Which log this is, as in [`Snapshot::log`]; empty before the first record.
    #[must_use]
    pub fn log(&self) -> &str {
        &self.log
    }

    /// The last data record in the totals.
    #[must_use]
    pub fn last(&self) -> Option<Fingerprint> {
        self.last
    }
}
