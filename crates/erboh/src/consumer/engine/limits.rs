//! Every limit of the engine, with its reason.

use std::time::Duration;

/// How long the counting thread waits for a record when there is none. It also looks at the
/// group, at acknowledgements and at the clock this often, so this is their latency.
pub(super) const IDLE_WAIT: Duration = Duration::from_millis(20);

/// Records that are counted before the thread looks at anything else: about a millisecond.
pub(super) const RECORDS_PER_TURN: usize = 2_000;

/// Shortest time between two boards. Faster than this nobody sees.
pub(super) const BOARD_INTERVAL: Duration = Duration::from_millis(100);

/// Offsets that a partition may be ahead of its last acknowledged snapshot before it is paused,
/// as a multiple of the distance at which a snapshot is written. It bounds what is counted again
/// after a crash.
pub(super) const PAUSE_DISTANCES: i64 = 4;

/// Dead letters of one partition that may wait for their acknowledgement before it is paused.
pub(super) const DEAD_LETTERS_WAITING: usize = 1_000;

/// The same in bytes: bad records may be large, and every partition may be full of them.
pub(super) const DEAD_LETTERS_WAITING_BYTES: usize = 8 * 1024 * 1024;

/// Wait before something that failed is tried again, at first; it doubles from then on.
pub(super) const RETRY_FIRST: Duration = Duration::from_millis(250);

/// Longest wait before something that failed is tried again: when a broker comes back after a long
/// time, counting goes on this much later.
pub(super) const RETRY_LONGEST: Duration = Duration::from_secs(3);

/// How long the last snapshots of revoked partitions may take: others wait for the partitions.
pub(super) const REVOKE_TIME: Duration = Duration::from_secs(3);

/// How long the last snapshots may take when the engine stops. The whole role has
/// [`crate::limits::ROLE_FLUSH`], and leaving the group takes its share.
pub(super) const STOP_TIME: Duration = Duration::from_millis(1_500);

/// Records at the end of a totals partition among which the newest snapshots are looked for
/// first: each slot several times over.
pub(super) const TAIL_RECORDS: i64 = 64;

/// By how much the search goes further back each time it finds nothing that fits.
pub(super) const TAIL_GROWTH: i64 = 8;

/// How often a reader that reads nothing takes what its client reports: two reports each time.
pub(super) const REPORTS_INTERVAL: Duration = Duration::from_secs(1);

/// Messages between the threads of the engine that may wait. A full channel makes its sender wait.
pub(super) const CHANNEL: usize = 1_024;

/// How long the thread that follows the totals waits for a record.
pub(super) const FOLLOW_WAIT: Duration = Duration::from_millis(100);

/// How often the ends of all partitions are asked for: this is how old a displayed lag may be.
pub(super) const ENDS_INTERVAL: Duration = Duration::from_secs(1);

/// How long a reader may bring nothing though the log has more, before it is replaced. Longer than a broker is
/// silent when another takes over for it, and than librdkafka needs to find that one.
pub(super) const STALL: Duration = Duration::from_secs(15);

/// How long nothing may come though the log has more before the board says so. Longer than a reader needs to begin.
pub(super) const STALL_SHOWN: Duration = Duration::from_secs(5);

/// How often the records at one offset must have been unreadable before their partition is halted: a fault of a
/// wire or of a moment is over by then.
pub(super) const UNREADABLE_TRIES: u32 = 3;

/// Longest wait before unreadable records are tried again. Each try may keep the thread of the take-overs for
/// seconds, and records that can be read again are counted this much later.
pub(super) const UNREADABLE_LONGEST: Duration = Duration::from_secs(10);

/// Shortest time between two new clients of the take-over: looking may fail for as long as brokers are away.
pub(super) const RENEW_REST: Duration = Duration::from_secs(5);

/// How often the topics are looked at for new partitions.
pub(super) const TOPICS_INTERVAL: Duration = Duration::from_secs(5);

/// How long a member stays away that is told for the first time that another has its instance id.
/// Short, because it may be wrong: a coordinator that is new in office may know this member by an
/// id whose message was lost, and then nobody counts its partitions.
pub(super) const REPLACED_FIRST_WAIT: Duration = Duration::from_secs(1);

/// The same when it is told so again. Long, because coming back would throw the other out.
pub(super) const REPLACED_WAIT: Duration = Duration::from_mins(1);

/// How long it is remembered that it was told so; longer than [`REPLACED_WAIT`], so that two that
/// keep the same instance id change places once a minute and not once a second.
pub(super) const REPLACED_MEMORY: Duration = Duration::from_mins(2);
