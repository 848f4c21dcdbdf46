//! Every limit of the broker, each with its reason.

use std::time::Duration;

/// Bytes a connection may buffer without asking the memory budget: one read's worth, enough for
/// almost every request but Produce, so 10,000 half frames hold 40 MB at most.
pub(crate) const SMALL_FRAME_BYTES: usize = 4 * 1024;

/// First room for a request that has its share of the memory budget: a producer's usual request
/// then comes in one read.
pub(crate) const FRAME_STEP_BYTES: usize = 256 * 1024;

/// A request header is never shorter: API key, API version, correlation id.
pub(crate) const SMALLEST_FRAME_BYTES: usize = 8;

/// Array elements and tagged fields in one request. A decoded element takes up to about 200 bytes
/// however short it is on the wire, so this bounds a decoded request to about 50 MB.
pub(crate) const REQUEST_ELEMENTS: usize = 250_000;

/// Longest text in a request: what the 16-bit length of the older versions can say. Apache Kafka
/// holds the newer versions to it too. A short request could otherwise name something long in each
/// of its elements.
pub(crate) const STRING_BYTES: usize = i16::MAX as usize;

/// Requests other than Produce carry names and numbers; a few megabytes hold any honest one.
pub(crate) const PLAIN_REQUEST_BYTES: usize = 8 * 1024 * 1024;

/// What a plain request counts for in the memory budget, in times its size: decoded, and with what
/// is answered to each of its elements, it takes that much at least.
pub(crate) const PLAIN_REQUEST_WEIGHT: usize = 32;

/// A request that counts for less does not count while it waits for others. The fetches and joins
/// of honest clients are below it; thousands of them may wait.
pub(crate) const WAITING_REQUEST_BYTES: usize = 512 * 1024;

/// Longest value of a topic's configuration. Numbers and words are shorter; a list could be as long
/// as a request, and every topic would keep one.
pub(crate) const CONFIG_VALUE_BYTES: usize = 256;

/// Longest explanation of an error: it may quote what the client sent, and older versions of an
/// answer cannot carry more than 32767 bytes.
pub(crate) const MESSAGE_CHARS: usize = 1_000;

/// Topics that one request may create: each is answered with its whole configuration.
pub(crate) const CREATED_TOPICS: usize = 10_000;

/// Time to deliver a frame once its first byte has come: 100 MB at 2 MB/s fit.
pub(crate) const FRAME_TIME: Duration = Duration::from_mins(1);

/// Longest silence within a frame. A sender that stalls holds memory that others wait for.
pub(crate) const FRAME_SILENCE: Duration = Duration::from_secs(10);

/// Longest wait for room in the memory budget; then the connection is closed and its client
/// tries again later, as it does after any lost connection.
pub(crate) const MEMORY_WAIT: Duration = Duration::from_secs(20);

/// Time a client has to take its answer. A reader that stalls holds the answer's memory.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(30);

/// A connection without requests is closed after this time, as Apache Kafka's
/// `connections.max.idle.ms` does by default.
pub(crate) const IDLE_TIME: Duration = Duration::from_mins(10);

/// Time for requests in progress to finish once the broker is asked to stop.
pub(crate) const STOP_GRACE: Duration = Duration::from_millis(1500);

/// Pause after a failed accept. The usual cause is that the process has no file descriptor left,
/// which passes when connections close; trying again at once would take a whole core.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A batch that decompresses to more than this is refused (or kept as it is by compaction): a few
/// kilobytes can inflate to gigabytes, and the largest batch that clients are allowed to send by
/// default is 1 MiB.
pub(crate) const DECOMPRESSED_BATCH_BYTES_MAX: usize = 128 << 20;

/// Decompressed bytes of a batch that are held at a time while its records are checked: enough that a
/// call of the codec costs little beside its work.
pub(crate) const DECOMPRESSED_WINDOW_BYTES: usize = 32 << 10;

/// Records that one answer to Produce names as invalid (KIP-467). Each takes some 100 bytes, and a
/// compressed batch of a few hundred bytes can hold millions; the first ones show what is wrong.
pub(crate) const RECORD_ERRORS: usize = 1_000;

/// One index entry for about this many bytes of a segment: a reader skips at most this much (a few
/// microseconds from the page cache), and a 128 MiB segment takes 200 KB of memory for its index.
pub(crate) const INDEX_INTERVAL_BYTES: u64 = 16 << 10;

/// Batches remembered per idempotent producer, so that a retry of any of them is recognised. Clients
/// keep at most 5 requests in flight (KIP-98).
pub(crate) const PRODUCER_BATCHES: usize = 5;

/// Producer ids remembered per partition. Each takes about 200 bytes; beyond this the idlest are
/// forgotten, so that a client that takes a new id for each batch cannot fill the memory.
pub(crate) const PRODUCERS_PER_PARTITION_MAX: usize = 20_000;

/// A producer id that has not written for a day is forgotten, as Kafka's `producer.id.expiration.ms`.
pub(crate) const PRODUCER_EXPIRATION_MS: i64 = 24 * 3600 * 1000;

/// Producers in one answer to `DescribeProducers`: a request may name every partition, and each may
/// remember 20,000 of them. An answer of this many takes about 10 MB.
pub(crate) const PRODUCERS_DESCRIBED: usize = 100_000;

/// Keys that one compaction pass holds in memory (about 50 bytes each, so 13 MB). A log with more
/// distinct keys takes several passes.
pub(crate) const COMPACTION_KEYS_MAX: usize = 1 << 18;

/// Compaction passes that are remembered for the age of tombstones; older neighbours are merged, which
/// only keeps some tombstones a little longer.
pub(crate) const COMPACTION_PASSES_MAX: usize = 256;

/// Reads of recovery, compaction and timestamp look-ups take this much at a time.
pub(crate) const SCAN_CHUNK_BYTES: usize = 256 << 10;

/// The broker's own journal rolls at this size, so that what compaction may not touch stays small.
pub(crate) const STORE_SEGMENT_BYTES: u64 = 4 << 20;

/// The largest entry group of the broker's own journal; a group's committed offsets fit many times.
pub(crate) const STORE_BATCH_BYTES_MAX: usize = 16 << 20;

/// Every this many waiting fetches of a partition, those that gave up are swept out.
pub(crate) const FETCH_WAITERS_SWEEP: usize = 64;

/// The journal is read this much at a time when the broker starts.
pub(crate) const STORE_READ_BYTES: usize = 1 << 20;

/// Bytes of records in one answer at most, whatever the client asks for, as Apache Kafka's
/// `fetch.max.bytes`.
pub(crate) const FETCH_BYTES: usize = 55 * 1024 * 1024;

/// Longest time that a fetch waits for data, whatever the client asks for.
pub(crate) const FETCH_WAIT: Duration = Duration::from_mins(5);

/// Groups at one time. Anyone can make one up; each holds a few hundred bytes and a journal entry.
pub(crate) const GROUPS: usize = 10_000;

/// Members and promised member ids in one group. The leader's answer carries everyone's metadata.
pub(crate) const GROUP_MEMBERS: usize = 1_000;

/// Protocols that one member may offer; clients offer one to four. Each is compared with those of all
/// members at every join.
pub(crate) const MEMBER_PROTOCOLS: usize = 32;

/// Metadata and assignments of all members of all groups: memory that clients make us hold.
pub(crate) const GROUP_METADATA_BYTES: usize = 64 * 1024 * 1024;

/// Committed and pending offsets of all groups: about 200 bytes each without metadata.
pub(crate) const GROUP_OFFSETS: usize = 250_000;

/// Longest note with a committed offset, as `offset.metadata.max.bytes` of Apache Kafka.
pub(crate) const OFFSET_METADATA_BYTES: usize = 4096;

/// Shortest and longest session time-out. Below the one a garbage collection or a laptop's pause
/// throws members out; above the other the dead keep their partitions for too long.
pub(crate) const SESSION_TIMEOUT_MS: std::ops::RangeInclusive<i32> = 1_000..=1_800_000;

/// Shortest time for members to join, whatever they ask for. A group whose static members are all
/// away looks for them this often: without any time in between it would take a whole core.
pub(crate) const REBALANCE_TIME_MIN: Duration = Duration::from_secs(1);

/// A member that has never been in a generation waits that long for its group's rebalance at
/// most: nobody may be listening any more.
pub(crate) const NEW_MEMBER_JOIN_TIME: Duration = Duration::from_mins(5);

/// Offsets of a group without members are kept that long, as Apache Kafka does by default.
pub(crate) const OFFSETS_RETENTION_MS: i64 = 7 * 24 * 3600 * 1000;

/// Time between two looks for expired offsets and groups.
pub(crate) const GROUP_SWEEP: Duration = Duration::from_mins(10);

/// Writes that wait for the journal; further requests wait for a place.
pub(crate) const JOURNAL_QUEUE: usize = 1024;

/// Writes that go into the store as one batch: enough to share the wait for the disk.
pub(crate) const JOURNAL_BATCH: usize = 64;

/// Offsets that one write may carry, in bytes of the journal: a commit, or all pending offsets of a
/// transaction, which must fit into one batch of the store together with their deletions.
pub(crate) const OFFSETS_PER_WRITE_BYTES: usize = STORE_BATCH_BYTES_MAX / 4;

/// Offsets dropped by one write.
pub(crate) const OFFSETS_PER_DELETION: usize = 1_000;

/// Longest group id or transactional id: journal keys are made of them.
pub(crate) const ID_BYTES: usize = 1_024;

/// Transactional ids at one time; those not used for a week are forgotten.
pub(crate) const TRANSACTIONAL_IDS: usize = 10_000;

/// Size of a compiled pattern of transactional ids. It is matched with all of them; honest patterns
/// take a few kilobytes.
pub(crate) const PATTERN_PROGRAM_BYTES: usize = 64 * 1024;

/// Partitions and groups in one transaction: all stand in one journal entry, which is written anew
/// whenever one is added.
pub(crate) const TRANSACTION_PARTITIONS: usize = 5_000;

/// Partitions and groups in the transactions of all transactional ids: a few hundred bytes each.
pub(crate) const TRANSACTION_PARTITIONS_ALL: usize = 100_000;

/// Longest time-out that a producer may ask for, as `transaction.max.timeout.ms` of Apache Kafka:
/// readers of committed data wait that long for a producer that has died.
pub(crate) const TRANSACTION_TIMEOUT_MS_MAX: i32 = 15 * 60 * 1000;

/// A transactional id that was not used for that long is forgotten, as Apache Kafka does by default.
pub(crate) const TRANSACTIONAL_ID_RETENTION_MS: i64 = 7 * 24 * 3600 * 1000;

/// Time between two looks for transactions that have timed out or were left incomplete.
pub(crate) const TRANSACTION_SWEEP: Duration = Duration::from_secs(1);

/// Producer ids reserved by one write, so that a producer's start rarely waits for the disk.
pub(crate) const PRODUCER_ID_BLOCK: i64 = 1_000;

/// Smallest buffer for reading logs that is kept for the next read: below, fresh memory is as cheap.
pub(crate) const READ_BUFFER_BYTES_MIN: usize = 256 * 1024;

/// Largest such buffer: what clients fetch of a partition unless told, and a bit to find the start.
pub(crate) const READ_BUFFER_BYTES_MAX: usize = 1024 * 1024 + 128 * 1024;

/// Buffers that are kept: enough for a few consumers, too little to matter when all are idle.
pub(crate) const READ_BUFFERS_KEPT: usize = 8;
