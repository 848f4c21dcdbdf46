//! Every limit of the queue, with its reason.

use std::time::Duration;

/// How long librdkafka keeps a record before it gives up, in milliseconds. A person waits at
/// most 5 s for an answer, and the answer itself takes a moment.
pub(super) const MESSAGE_TIMEOUT_MS: u64 = 4_000;

/// How long a broker may wait for the replicas of one request of a writer, in milliseconds. Shorter
/// than [`MESSAGE_TIMEOUT_MS`], so that slow replicas leave time for a second try.
pub(super) const WRITE_REQUEST_TIMEOUT_MS: u64 = 2_000;

/// How long a writer waits for more records before it sends what it has, in milliseconds. Not at
/// all: somebody waits for the answer. Under load batches form by themselves, because records that
/// come while [five requests](https://kafka.apache.org/documentation/#producerconfigs_max.in.flight.requests.per.connection)
/// are under way travel together in the next one. Measured on one node of Apache Kafka, 0 instead
/// of 2 takes 2.1 ms off the answer to a single rating, lets 500 clients that wait for their answers
/// write twice as fast, and costs a stream nothing that can be seen; a part of a millisecond costs
/// a whole one, since librdkafka wakes up no finer.
pub(super) const LINGER_MS: u64 = 0;

/// Records that may wait in one writer. About two seconds of a busy producer: more would only be
/// answered too late.
pub(super) const WRITER_QUEUE_RECORDS: u64 = 100_000;

/// Bytes that may wait in one writer, in KiB.
pub(super) const WRITER_QUEUE_KBYTES: u64 = 64 * 1024;

/// Records of one batch: a power of two, because the place in the batch is some bits of a number.
pub(super) const BATCH_RECORDS: usize = 1 << 16;

/// The largest record that a writer accepts, in bytes: a snapshot with as many voices as are
/// counted is the largest that erboh writes. A topic may allow less.
pub(super) const WRITER_MESSAGE_BYTES: usize = crate::limits::SNAPSHOT_BYTES_MAX;

/// How long records may time out without any being acknowledged before the client is replaced. Longer than
/// another broker needs to take over for one that died.
pub(super) const FAILING_MAX: Duration = Duration::from_secs(15);

/// How often a writer looks for a broker that is not reachable, in milliseconds.
pub(super) const PROBE_DOWN_MS: u64 = 500;

/// How often a writer looks whether a silent broker is still there, in milliseconds.
pub(super) const PROBE_UP_MS: u64 = 10_000;

/// How long one such look may take, in milliseconds.
pub(super) const PROBE_TIMEOUT_MS: u64 = 2_000;

/// How long one administrative request may take, in milliseconds.
pub(super) const ADMIN_TIMEOUT_MS: u64 = 5_000;

/// How often the brokers are asked for a topic that is known to exist, in milliseconds.
pub(super) const VISIBLE_POLL_MS: u64 = 50;

/// How long a reader waits for metadata, watermarks or committed offsets, in milliseconds.
pub(super) const LOOKUP_TIMEOUT_MS: u64 = 5_000;

/// How long a reader that begins to read a topic may wait for its leaders, in milliseconds. It
/// usually takes a few; whoever adds a partition also has others to read.
pub(super) const LEADERS_MS: u64 = 500;

/// How long nothing may come of records that are tried before they count as unreadable: a batch that can
/// be read is there within milliseconds, and others wait for the reader that tries it.
pub(super) const CHECK_SILENCE: Duration = Duration::from_secs(2);

/// KiB of records that one reader holds before it stops fetching. It bounds the memory of a
/// reader that is behind, whatever the number of partitions.
pub(super) const READER_QUEUE_KBYTES: u64 = 16 * 1024;

/// Bytes that one fetch of one partition may bring, so that a few partitions fit into
/// [`READER_QUEUE_KBYTES`]; a larger single record still comes through.
pub(super) const FETCH_PARTITION_BYTES: u64 = 1024 * 1024;

/// How long a broker may hold a fetch that finds nothing, in milliseconds. A partition that is
/// added meanwhile waits as long, because a connection has one fetch under way at a time.
pub(super) const FETCH_WAIT_MS: u64 = 100;

/// The same for a reader that jumps from range to range.
pub(super) const RANGE_FETCH_WAIT_MS: u64 = 5;

/// How soon a reader whose queue was full looks again, in milliseconds. librdkafka's own second
/// would be a pause that people see.
pub(super) const FETCH_BACKOFF_MS: u64 = 20;

/// How often a reader reports where it is, in milliseconds: this is how control records and
/// aborted transactions move a position, and how lag is known.
pub(super) const PROGRESS_MS: u64 = 500;

/// How soon new partitions are noticed, in milliseconds.
pub(super) const METADATA_REFRESH_MS: u64 = 10_000;

/// How long the broker waits for a silent member before others take its partitions over, in
/// milliseconds; Kafka's default smallest value is 6,000.
pub(super) const SESSION_TIMEOUT_MS: u64 = 10_000;

/// How often a member says that it lives, in milliseconds. Under the classic protocol this is also
/// how it learns that another member has left, so it is a part of every take-over: all members that
/// stay have heard of it after this time, and that leaves the larger part of a second for the rest.
/// Five tiny requests a second and member are what that costs.
pub(super) const HEARTBEAT_MS: u64 = 200;

/// Heartbeats that fit into a session at least, so that two lost ones do no harm.
pub(super) const HEARTBEATS_PER_SESSION: u64 = 3;

/// How often the client of a member wakes up, in milliseconds. librdkafka looks whether a heartbeat
/// is due only when something wakes its main thread, which by itself is twice a second; making
/// statistics wakes it as often as is wished.
pub(super) const MEMBER_WAKE_MS: u64 = HEARTBEAT_MS / 2;

/// How long leaving the group may hold up who drops a member, in milliseconds: several times what a
/// busy broker takes to answer.
pub(super) const LEAVE_MS: u64 = 1_000;

/// How often a writer reports which brokers it knows, in milliseconds.
pub(super) const WRITER_REPORT_MS: u64 = 500;

/// How long a client may know no broker before it is replaced: beginning again at the bootstrap
/// addresses takes librdkafka milliseconds.
pub(super) const STRANDED_AFTER: Duration = Duration::from_secs(1);

/// How long a reader that waits for the end of a range blocks at a time, in milliseconds.
pub(super) const POLL_MS: u64 = 100;

/// How long a probe waits for a connection, in milliseconds: a lost first packet and its repetition.
pub(super) const PROBE_CONNECT_MS: u64 = 3_000;

/// How long a probe waits for bytes, in milliseconds. A listener that does not speak Kafka often
/// says nothing at all, so this is what such a one costs.
pub(super) const PROBE_READ_MS: u64 = 3_000;

/// Bytes that a probe reads of one answer. Metadata without topics has about 50 a broker.
pub(super) const PROBE_ANSWER_BYTES: u32 = 64 * 1024;

/// Rounds of hashing that a probe does for a broker that asks for a proof of the password. Kafka's own
/// largest number is 16,384; a listener that is no broker could keep a core busy with more.
pub(super) const PROBE_SCRAM_ROUNDS_MAX: usize = 1 << 20;

/// Probes at one time, each in a thread.
pub(super) const PROBES: usize = 16;

/// How long an inspection waits for the reason why a connection failed: it is there already, or never comes.
pub(super) const REASON_WAIT: Duration = Duration::from_millis(100);

/// How often an inspection fetches metadata again, each time with a new client.
pub(super) const METADATA_RETRIES: usize = 3;

/// How long each of these attempts may take.
pub(super) const METADATA_RETRY_TIMEOUT: Duration = Duration::from_secs(1);

/// Reasons that an inspection listens to; a connection that fails over and over has always another one.
pub(super) const REASONS: usize = 8;

/// How long a question that blocks lets librdkafka try before it is asked why nothing comes: a broker that
/// takes us answers within milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// How long a callback of librdkafka may wait for an explanation. A broker that refuses says so within
/// milliseconds, and Kafka answers a wrong password after 100.
pub(super) const EXPLAIN_WAIT: Duration = Duration::from_secs(1);

/// How long a writer waits before it asks again for a right that it was denied: somebody may have granted
/// it. Brokers log every refusal.
pub(super) const DENIED_PAUSE: Duration = Duration::from_secs(5);

/// How long an explanation holds: what a person has changed meanwhile shows after this time.
pub(super) const EXPLANATION_FRESH: Duration = Duration::from_secs(5);
