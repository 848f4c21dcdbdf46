//! Totals: what the ratings of one partition add up to, as a pure function of its log.
//!
//! ```text
//!              apply(record)                               merge
//!  log ──────────────────────► PartitionTotals ─ snapshot ────────► Board ─► rows, highest sum first
//!  0 1 2 … N-W ……… N-1 │ N …   │ counters, tallies │        ▲
//!              └window┘        └ Window: ids of    │        └ snapshots of every partition, from any writer,
//!                                the last W offsets┘          in any order
//! ```
//!
//! Nothing here reads a clock, a setting or a random number that could show in a result, and nothing does IO. So whoever
//! folds the same log up to the same offset N gets the same bytes, and a snapshot can be checked by anyone who has the log.
//!
//! # What a snapshot is a function of
//!
//! Of the records in `[from_offset, N)` and of facts that the log itself no longer tells, all named in the snapshot:
//!
//! - `gaps`: offsets that retention took before anybody counted them. Counting starts anew behind a gap: the window is
//!   emptied there, because nobody who takes over later could read what was before it.
//! - `window_from`: the offset from which the duplicate window is known. It is `from_offset` as long as every take-over
//!   could re-read the W offsets before N. Where retention had taken some of them, it is the start of the log at that
//!   take-over: from then on a rating is a duplicate only of ratings at or after `window_from`. Within an owner's life it
//!   never changes, whatever retention does meanwhile.
//! - `cuts`: a hash over every such take-over, its N and what it made of `window_from`. The newest `window_from` alone does
//!   not say when it began to hold: one owner may have counted a second copy that another, who took over a little later,
//!   still knew.
//!
//! Equal `window_from`, `cuts`, gaps and N on the same log therefore mean equal bytes; where the first two differ, two
//! snapshots knew differently much, which is no contradiction. `docs/adr/0006` weighs this.
//!
//! # What each record does
//!
//! Every record occupies its offset in the window, whatever becomes of it. The value alone decides: a key that says
//! something else is ignored.
//!
//! | the value | becomes | its id enters the window |
//! |---|---|---|
//! | a rating whose id stands in the previous W offsets, with whatever content | duplicate | yes, so that a third copy is measured from the second |
//! | a rating that would need more than the permitted voices | dead | yes: the window depends on values only, not on totals |
//! | any other rating | counted, for both voices | yes |
//! | the old text form | counted, for both voices | it has none |
//! | anything else, or none (a tombstone) | dead | it has none |

pub mod board;
mod dead_letter;
mod fingerprint;
mod fold;
mod hash;
mod snapshot;
mod tally;
mod window;

pub use dead_letter::{BYTES_MAX as DEAD_LETTER_BYTES_MAX, DeadLetter, DeadLetterHeaders};
pub use fingerprint::{Fingerprint, Hash};
pub use fold::{Outcome, PartitionTotals};
pub use snapshot::{SLOTS, Snapshot, SnapshotError};
pub use tally::{Tally, Voices};
pub use window::Window;

/// The version of the fold: of everything that decides which bytes a log adds up to. A change to the meaning of a
/// record, a limit or the window gets a new number.
pub const FOLD: u32 = 1;

/// One record of the log, in somebody else's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its offset in the partition.
    pub offset: i64,
    /// Its timestamp in milliseconds since 1970, as the log gives it; -1 where there is none.
    pub timestamp_ms: i64,
    /// Its key. Only the fingerprint looks at it.
    pub key: Option<&'a [u8]>,
    /// Its value; none is a tombstone.
    pub value: Option<&'a [u8]>,
}

#[cfg(test)]
mod tests;
