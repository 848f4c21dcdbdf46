//! The board: the newest totals of every partition, added up for people.
//!
//! ```text
//! snapshots of partition 0 ─► newest ─┐
//! snapshots of partition 1 ─► newest ─┼─► sum per voice ─► rows, highest sum first
//! …                                   ┘   position {0: N, 1: N, …}
//! ```
//!
//! Which of two snapshots is newer is a total order, so that the board shows the same whatever order they arrive in, and
//! never goes back.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use utoipa::ToSchema;

use super::{Snapshot, Tally, Voices};
use crate::rating::{Voice, catalogue};

/// One voice on the board.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, ToSchema)]
#[schema(as = VoiceTotal)]
pub struct Row {
    /// The voice, to be escaped where it is shown.
    pub voice: Voice,
    /// The sum of its scores.
    pub sum: u64,
    /// The number of its ratings.
    pub count: u64,
    /// How many of them were 0.
    pub hated: u64,
    /// How many of them were 1.
    pub meh: u64,
    /// How many of them were 2.
    pub liked: u64,
}

/// What [`Board::merge`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merged {
    /// The snapshot is newer than what the board had, and is on it now.
    Newer,
    /// The board had the same totals already.
    Known,
    /// The board has newer totals; nothing was changed.
    Older,
    /// The same prefix of the same log adds up to something else than the board has (I1 is broken). The board keeps one
    /// of the two, the same one in whatever order they come.
    Contradiction,
}

/// The newest snapshot of every partition, and their sum. Cheap to clone: snapshots are shared.
#[derive(Clone, Debug)]
pub struct Board {
    snapshots: BTreeMap<i32, Arc<Snapshot>>,
    /// Added up when somebody looks, by who looks: where there are many voices it would hold up the counting.
    rows: OnceLock<Vec<Row>>,
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}

impl Board {
    /// A board without ratings: the voices of the catalogue, each with 0.
    #[must_use]
    pub fn new() -> Self {
        Self { snapshots: BTreeMap::new(), rows: OnceLock::new() }
    }

    /// Puts a snapshot on the board if it is newer than what the board has of its partition.
    pub fn merge(&mut self, snapshot: impl Into<Arc<Snapshot>>) -> Merged {
        let snapshot = snapshot.into();
        let merged = match self.snapshots.get(&snapshot.partition) {
            None => Merged::Newer,
            Some(current) => {
                let newer = newer(&snapshot, current);
                let merged = if current.contradicts(&snapshot) {
                    Merged::Contradiction
                } else if current.epoch == snapshot.epoch && current.same_totals(&snapshot) {
                    Merged::Known
                } else if newer {
                    Merged::Newer
                } else {
                    Merged::Older
                };
                if !newer {
                    return merged;
                }
                merged
            }
        };
        self.snapshots.insert(snapshot.partition, snapshot);
        if merged != Merged::Known {
            self.rows = OnceLock::new();
        }
        merged
    }

    /// Every voice that was rated or is in the catalogue, the highest sum first, then by name.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        self.rows.get_or_init(|| rows(&self.snapshots))
    }

    /// The newest snapshot of every partition.
    #[must_use]
    pub fn snapshots(&self) -> &BTreeMap<i32, Arc<Snapshot>> {
        &self.snapshots
    }

    /// Ratings that count.
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.total(|snapshot| snapshot.counted)
    }

    /// Ratings that were dropped as second copies.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.total(|snapshot| snapshot.duplicates)
    }

    /// Records that are no ratings.
    #[must_use]
    pub fn dead(&self) -> u64 {
        self.total(|snapshot| snapshot.dead)
    }

    /// Whether nothing was lost before it was counted, in any partition.
    #[must_use]
    pub fn exact(&self) -> bool {
        self.snapshots.values().all(|snapshot| snapshot.exact())
    }

    /// What it adds up to, as it is answered. Whether that is `exact` is for those to say who also know how the
    /// counting goes on.
    #[must_use]
    pub fn totals(&self, exact: bool) -> Totals<'_> {
        Totals {
            voices: self.rows(),
            counted: self.counted(),
            duplicates: self.duplicates(),
            dead: self.dead(),
            exact,
            position: self.position(),
        }
    }

    /// For every partition the offset up to which the board has counted.
    #[must_use]
    pub fn position(&self) -> BTreeMap<i32, i64> {
        self.snapshots.iter().map(|(partition, of)| (*partition, of.next_offset)).collect()
    }

    /// Whether the board has everything before `position`: then whoever wrote up to there sees it.
    #[must_use]
    pub fn has_passed(&self, position: &BTreeMap<i32, i64>) -> bool {
        position.iter().all(|(partition, offset)| {
            self.snapshots.get(partition).map_or(0, |snapshot| snapshot.next_offset) >= *offset
        })
    }

    fn total(&self, of: impl Fn(&Snapshot) -> u64) -> u64 {
        self.snapshots.values().fold(0, |sum: u64, snapshot| sum.saturating_add(of(snapshot)))
    }
}

/// What the ratings add up to.
#[derive(Debug, serde::Serialize, ToSchema)]
pub struct Totals<'a> {
    /// Every voice that was rated or is under research, the highest sum first.
    voices: &'a [Row],
    /// Ratings that count.
    counted: u64,
    /// Ratings that were dropped as second copies.
    duplicates: u64,
    /// Records that are no ratings.
    dead: u64,
    /// Whether nothing was lost before it was counted, and every partition is counted on. It is `false` while one
    /// stands still, and for good once ratings were lost.
    exact: bool,
    /// By partition, the offset up to which everything is counted.
    position: BTreeMap<i32, i64>,
}

/// Whether `one` is newer than `other`: a later epoch, then a larger N. Where both are equal, the one that knows more of
/// its window, then any fixed choice, so that every board chooses the same.
fn newer(one: &Snapshot, other: &Snapshot) -> bool {
    let position = |of: &Snapshot| (of.epoch, of.next_offset, Reverse(of.window_from));
    match position(one).cmp(&position(other)) {
        Ordering::Equal if one.same_totals(other) => {
            (one.generation, &one.writer) > (other.generation, &other.writer)
        }
        Ordering::Equal => unsigned(one) < unsigned(other),
        order => order.is_gt(),
    }
}

/// The bytes of a snapshot without who wrote it.
fn unsigned(snapshot: &Snapshot) -> Vec<u8> {
    Snapshot { writer: String::new(), generation: 0, ..snapshot.clone() }.to_json()
}

fn rows(snapshots: &BTreeMap<i32, Arc<Snapshot>>) -> Vec<Row> {
    let mut voices: Voices =
        catalogue::voices().iter().map(|voice| (voice.clone(), Tally::default())).collect();
    for (voice, tally) in snapshots.values().flat_map(|snapshot| &snapshot.voices) {
        if let Some(sum) = voices.get_mut(voice) {
            sum.merge(*tally);
        } else {
            voices.insert(voice.clone(), *tally);
        }
    }
    let mut rows: Vec<_> = voices
        .into_iter()
        .map(|(voice, tally)| Row {
            voice,
            sum: tally.sum(),
            count: tally.count(),
            hated: tally.hated,
            meh: tally.meh,
            liked: tally.liked,
        })
        .collect();
    // The sort is stable and the voices came sorted by name.
    rows.sort_by_key(|row| Reverse(row.sum));
    rows
}
