//! A snapshot: the totals of one partition at one offset, as they stand in the topic of the totals.
//!
//! ```text
//! {"fold":1,"epoch":0,"log":"7b1c…","partition":0,
//!  "from_offset":0,"next_offset":9,"counted":6,"duplicates":2,"dead":1,"gaps":[[3,5]],
//!  "last":{"offset":8,"timestamp":1760000000000,"hash":"c0ff…"},"window_from":5,
//!  "cuts":"beef…",                                     absent unless retention ever cut the window
//!  "voices":{"Big Bird":[1,0,2],…},                     hated, meh, liked; sorted by name
//!  "writer":"consumer-0","generation":4}                who wrote it; says nothing about the totals
//! ```
//!
//! The bytes are canonical: fields in this order, names sorted, no white space. So equal totals are equal bytes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{FOLD, Fingerprint, Hash, Voices};
use crate::limits::VOICES_MAX;

/// Slots that the snapshots of a partition rotate through, as keys: so many older ones survive compaction.
pub const SLOTS: u8 = 8;

/// What is known of one partition up to `next_offset`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    /// The version of the fold that made it.
    pub fold: u32,
    /// 0, and one more each time the counting had to leave a snapshot that the log no longer bore out. A snapshot of a
    /// higher epoch supersedes every one of a lower, wherever they stand.
    #[serde(default)]
    pub epoch: u32,
    /// Which log was counted: the hash of the first record that was ever folded; empty before that.
    pub log: String,
    /// The partition of the ratings.
    pub partition: i32,
    /// The offset where counting began.
    pub from_offset: i64,
    /// N: everything before this offset is in the totals.
    pub next_offset: i64,
    /// Ratings that count.
    pub counted: u64,
    /// Ratings that were dropped because their id stood in the window.
    pub duplicates: u64,
    /// Records that are no ratings.
    pub dead: u64,
    /// Offsets that were gone before they were counted, as `[from, to)`, ascending.
    pub gaps: Vec<[i64; 2]>,
    /// The last data record in the totals: if the log no longer has it there, it is another log.
    pub last: Option<Fingerprint>,
    /// The offset from which the duplicate window is known; see the module [`super`].
    pub window_from: i64,
    /// Which take-overs found the window cut by retention: one hash over all of them, none if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuts: Option<Hash>,
    /// The tally of every voice that was rated.
    #[schema(value_type = std::collections::BTreeMap<crate::rating::Voice, [u64; 3]>)]
    pub voices: Voices,
    /// Who wrote this snapshot.
    pub writer: String,
    /// The generation of the consumer group in which it was written.
    pub generation: i32,
}

impl Snapshot {
    /// The canonical bytes.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "text and numbers always serialize")]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text and numbers always serialize")
    }

    /// Reads a snapshot, and checks that it can be one: that its numbers add up.
    ///
    /// # Errors
    /// [`SnapshotError::OtherFold`] must stop whoever would write over it; [`SnapshotError::Malformed`] may be skipped.
    pub fn from_json(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let malformed = |error: serde_json::Error| SnapshotError::Malformed(error.to_string());
        // Another fold may have other fields, so that its number is looked at first.
        let Version { fold } = serde_json::from_slice(bytes).map_err(malformed)?;
        if fold != FOLD {
            return Err(SnapshotError::OtherFold(fold));
        }
        let snapshot: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        snapshot.check().map_err(|reason| SnapshotError::Malformed(reason.to_owned()))?;
        Ok(snapshot)
    }

    /// Whether both say the same of the same log (I1), whoever wrote them in whatever epoch.
    #[must_use]
    pub fn same_totals(&self, other: &Self) -> bool {
        let Self { fold, epoch: _, log, partition, from_offset, next_offset, .. } = self;
        let Self { counted, duplicates, dead, gaps, last, window_from, cuts, voices, .. } = self;
        (fold, log, partition, from_offset, next_offset, counted)
            == (
                &other.fold,
                &other.log,
                &other.partition,
                &other.from_offset,
                &other.next_offset,
                &other.counted,
            )
            && (duplicates, dead, gaps, last, window_from, cuts, voices)
                == (
                    &other.duplicates,
                    &other.dead,
                    &other.gaps,
                    &other.last,
                    &other.window_from,
                    &other.cuts,
                    &other.voices,
                )
    }

    /// Whether both claim the same prefix of the same log, with the same knowledge, and yet differ. One of the two is
    /// then wrong (I1), and a person should know.
    #[must_use]
    pub fn contradicts(&self, other: &Self) -> bool {
        let prefix = |of: &Self| (of.fold, of.partition, of.from_offset, of.next_offset);
        let window = |of: &Self| (of.window_from, of.cuts);
        // A later epoch says that the log no longer bears the earlier ones out: they may well differ.
        self.epoch == other.epoch
            && prefix(self) == prefix(other)
            && window(self) == window(other)
            && self.log == other.log
            && self.gaps == other.gaps
            && !self.same_totals(other)
    }

    /// Whether no record was lost to the totals.
    #[must_use]
    pub fn exact(&self) -> bool {
        self.gaps.is_empty()
    }

    /// What must hold of every snapshot, so that a damaged or invented one does no harm further on.
    fn check(&self) -> Result<(), &'static str> {
        if self.partition < 0 {
            return Err("the partition is negative");
        }
        if self.from_offset < 0 || self.next_offset < self.from_offset {
            return Err("the offsets are not in order");
        }
        if !(self.from_offset..=self.next_offset).contains(&self.window_from) {
            return Err("window_from is not between from_offset and next_offset");
        }
        let mut end = self.from_offset;
        let mut missing = 0;
        for [from, to] in &self.gaps {
            if *from < end || to <= from || *to > self.next_offset {
                return Err("the gaps are not in order");
            }
            end = *to;
            missing += to - from;
        }
        let records =
            self.counted.checked_add(self.duplicates).and_then(|sum| sum.checked_add(self.dead));
        let places = (self.next_offset - self.from_offset - missing) as u64;
        let Some(records) = records.filter(|records| *records <= places) else {
            return Err("there are more records than offsets");
        };
        let last_fits = match &self.last {
            Some(last) => {
                records > 0 && (self.from_offset..self.next_offset).contains(&last.offset)
            }
            None => records == 0,
        };
        if !last_fits || self.log.is_empty() != self.last.is_none() {
            return Err("log and last do not fit the number of records");
        }
        if self.voices.len() > VOICES_MAX {
            return Err("there are too many voices");
        }
        let votes = self.voices.values().try_fold(0_u64, |sum, tally| {
            sum.checked_add(tally.hated)?.checked_add(tally.meh)?.checked_add(tally.liked)
        });
        if votes != self.counted.checked_mul(2) {
            return Err("the tallies do not add up to two voices a rating");
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Version {
    fold: u32,
}

/// Why bytes are not a snapshot that this version can use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Another version of the fold made it; writing over it would mix two meanings.
    #[error(
        "the snapshot was made by version {0} of the fold, this program has version {FOLD}: upgrade every consumer"
    )]
    OtherFold(u32),
    /// It is not JSON of the right shape, or its numbers do not add up.
    #[error("malformed snapshot: {0}")]
    Malformed(String),
}
