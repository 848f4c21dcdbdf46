//! Every limit of the audit, with its reason.

use std::time::Duration;

/// Partitions that are recounted at once. More would only share the same disk and network.
pub(super) const THREADS_MAX: usize = 4;

/// How long the audit waits for the counting to pass what is in the log already. Counting is
/// milliseconds behind where all is well; whoever is further behind than this is said to be.
pub(super) const BEHIND_WAIT: Duration = Duration::from_secs(10);

/// Time between two looks during that wait.
pub(super) const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// How long one answer of a board may take.
pub(super) const BOARD_ANSWER: Duration = Duration::from_secs(5);

/// Bytes that one answer of a board may have: ten partitions full of voices with the longest names
/// that share none of them.
pub(super) const BOARD_ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How long the log may keep silent before the audit gives a partition up. Brokers that come back
/// do so within this time.
pub(super) const SILENCE: Duration = Duration::from_secs(15);

/// How long the audit waits for a record before it looks whether it should stop.
pub(super) const POLL: Duration = Duration::from_millis(100);

/// Times that a partition is begun anew because retention moved the start of its log meanwhile.
pub(super) const ATTEMPTS: usize = 3;

/// Records at the end of a totals partition among which the slots are looked for first, and by how
/// much the look goes further back as long as slots are missing.
pub(super) const TAIL_RECORDS: i64 = 64;
/// See [`TAIL_RECORDS`].
pub(super) const TAIL_GROWTH: i64 = 8;

/// Slots that the snapshots of a partition rotate through.
pub(super) const SLOTS: usize = 8;

/// Time between two looks at the progress on a terminal; a person sees it move.
pub(super) const PROGRESS_TERMINAL: Duration = Duration::from_millis(200);

/// The same where lines are collected.
pub(super) const PROGRESS_LINES: Duration = Duration::from_secs(3);

/// Differences of one statement that are printed for people; the JSON has them all.
pub(super) const DIFFERENCES_SHOWN: usize = 10;
