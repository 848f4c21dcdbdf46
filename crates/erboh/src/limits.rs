//! Every limit of the application, each with its reason.

// ---- rating/ and totals/: these are part of the fold. Changing one changes what a log adds up to, so it needs a new
// ---- `totals::FOLD`.

/// Characters in the name of a voice, a battle or a rater. The longest of the catalogue has 44.
pub const NAME_CHARS_MAX: usize = 100;

/// Bytes in the value of one rating. Four names of the longest kind, every character escaped as `\uXXXX\uXXXX`, take
/// 5 KB; the rest is room for fields that we do not know yet.
pub const RATING_BYTES_MAX: usize = 16 * 1024;

/// Voices that one partition counts. Every snapshot holds them all, so this bounds the size of a snapshot.
pub const VOICES_MAX: usize = 10_000;

/// Offsets in which a second rating with the same id is a duplicate. At 1,000 ratings a second and partition it covers
/// two minutes, which is longer than any producer retries; re-reading it at take-over takes well under a second.
pub const WINDOW_OFFSETS: i64 = 131_072;

/// Bytes that a snapshot can reach: [`VOICES_MAX`] names of four-byte characters, each with three counters, plus the
/// fields around them. The topic of the totals must accept a message of this size.
pub const SNAPSHOT_BYTES_MAX: usize = VOICES_MAX * (NAME_CHARS_MAX * 4 + 70) + 64 * 1024;
