//! Every limit of the queue, with its reason.

/// How long librdkafka keeps a record before it gives up, in milliseconds. A person waits at
/// most 5 s for an answer, and the answer itself takes a moment.
pub(super) const MESSAGE_TIMEOUT_MS: u64 = 4_000;

/// How long a broker may take for one request of a writer, in milliseconds. Shorter than
/// [`MESSAGE_TIMEOUT_MS`], so that one lost request leaves time for a second try.
pub(super) const WRITE_REQUEST_TIMEOUT_MS: u64 = 2_000;

/// How long a writer collects records before it sends a batch, in milliseconds. Long enough for
/// the records of one HTTP request to travel together, too short for a person to see.
pub(super) const LINGER_MS: u64 = 2;

/// Records that may wait in one writer. About two seconds of a busy producer: more would only be
/// answered too late.
pub(super) const WRITER_QUEUE_RECORDS: u64 = 100_000;

/// Bytes that may wait in one writer, in KiB.
pub(super) const WRITER_QUEUE_KBYTES: u64 = 64 * 1024;

/// Records of one batch. The place in the batch is kept in [`super::countdown::INDEX_BITS`] bits.
pub(super) const BATCH_RECORDS: usize = 1 << super::countdown::INDEX_BITS;

/// The largest record that a writer accepts, in bytes. A snapshot of 10,000 long names is the
/// largest record that erboh writes (see `TOTALS_MAX_MESSAGE_BYTES`); a topic may allow less.
pub(super) const WRITER_MESSAGE_BYTES: u64 = TOTALS_MAX_MESSAGE_BYTES;

/// `max.message.bytes` of the totals topic: 10,000 voices with names of 100 four-byte characters
/// and three numbers each come to 4.5 MB of JSON.
pub(super) const TOTALS_MAX_MESSAGE_BYTES: u64 = 8 * 1024 * 1024;

/// How often a writer looks for a broker that is not reachable, in milliseconds.
pub(super) const PROBE_DOWN_MS: u64 = 500;

/// How often a writer looks whether a silent broker is still there, in milliseconds.
pub(super) const PROBE_UP_MS: u64 = 10_000;

/// How long one such look may take, in milliseconds.
pub(super) const PROBE_TIMEOUT_MS: u64 = 2_000;
