//! Every limit of the application, each with its reason.

use std::time::Duration;

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

// ---- web/ and the roles.

/// Connections that one HTTP listener serves at once, if the process may open twice as many files.
/// More wait in the kernel's queue, so that a crowd costs waiting time and not memory; whoever only
/// holds an idle connection makes room for them.
pub const CONNECTIONS_MAX: usize = 1024;

/// How often somebody who waits for a place looks whether another connection has become idle.
pub const PLACE_LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Bytes that the server holds of what one connection has sent and is not read yet, so that all
/// connections together hold 64 MiB. Larger headers are refused with 431 and without a body, since
/// they are not even read; a browser with many cookies sends some 10 KiB.
pub const CONNECTION_BUFFER_BYTES: usize = 64 * 1024;

/// Header lines of one request. A browser behind several proxies sends some 40.
pub const HEADER_LINES_MAX: usize = 100;

/// Header lines that the server reads, so that a request with more than [`HEADER_LINES_MAX`] of them
/// is told what is wrong with it; the server takes 13 KiB for this many while it reads them. One with
/// still more is refused as one that is too large is: with 431 and without a body.
pub const HEADER_LINES_READ_MAX: usize = 2 * HEADER_LINES_MAX;

/// How long a client may take nothing of an answer before its connection ends: a phone between two
/// cells is back by then.
pub const WRITE_STALL: Duration = Duration::from_secs(30);

/// How long the rest of a refused request is discarded, so that the refusal is read.
pub const LINGER: Duration = Duration::from_secs(2);

/// How long a connection may take to send a request's headers, waiting for the next request
/// included. A client that opens connections and stays silent gives its place back.
pub const HEADER_READ: Duration = Duration::from_secs(30);

/// Lines a second that the access log has for requests of note. A person cannot read more, and a
/// thousand times as many would cost as much as the requests themselves.
pub const ACCESS_LINES_PER_SECOND: u32 = 50;

/// How long a request's body may take to arrive.
pub const BODY_READ: Duration = Duration::from_secs(10);

/// Bytes in a token, at least: what can be guessed is no token. 16 random characters of 64 are 96 bits.
pub const TOKEN_BYTES_MIN: usize = 16;

/// Bytes in a token, at most. Longer ones are no safer, and every request carries one.
pub const TOKEN_BYTES_MAX: usize = 256;

/// Bytes in the name of a token. It stands in every line of the log that its owner causes.
pub const TOKEN_NAME_BYTES_MAX: usize = 64;

/// Tokens in one file. Every guarded request is compared with all of them, which takes microseconds for this many.
pub const TOKENS_MAX: usize = 256;

/// Bytes of a token file: [`TOKENS_MAX`] of the longest lines, and as much again for comments. A mistyped path, to a
/// disk image for example, is not read to its end.
pub const TOKEN_FILE_BYTES_MAX: usize = 128 * 1024;

/// Time between two looks at the token file. A change is taken when two looks in a row see the same, so a token that
/// was removed stops working within two of these, and the time of reading.
pub const TOKEN_FILE_LOOK: Duration = Duration::from_millis(500);

/// Shortest time between two lines of the log about requests without a valid token. Whoever knocks a thousand times a
/// second must not fill the disk; the numbers count every one.
pub const REFUSAL_LOG_PAUSE: Duration = Duration::from_secs(10);

/// How long the producer waits for acknowledgements before it answers. Under the 5 seconds within
/// which a person is told that the broker is down.
pub const SEND: Duration = Duration::from_secs(4);

/// Bytes of single ratings, pages and short lists that one producer has in flight; see
/// [`RECORD_COST`]. A rating takes about half a KiB, so that 8,000 people can wait at once, which
/// is several times the [`CONNECTIONS_MAX`] there are: only a client that lets go of its
/// connections before it is answered gets that far.
pub const BUDGET_SMALL_BYTES: u32 = 4 * 1024 * 1024;

/// Bytes of streams and long lists that one producer has in flight. What is in flight is a line
/// that everybody stands in, single ratings too, since the queue takes ratings in their order. So
/// it is as short as speed allows: these are some 9,000 ratings, which leave within 30 ms at
/// 300,000 a second, and keep that speed up to a cluster that takes 30 ms to answer.
pub const BUDGET_BULK_BYTES: u32 = 4 * 1024 * 1024;

/// Bytes of simulated ratings that one producer has in flight: as many as of streams, for the same
/// reason. They have room of their own, since a simulation above the queue's speed fills any room.
pub const BUDGET_SIMULATED_BYTES: u32 = 4 * 1024 * 1024;

/// Bytes of the largest batch that counts as small: some hundred ratings.
pub const BUDGET_SMALL_COST: usize = 64 * 1024;

/// Bytes that a record in flight costs besides its key and its value: the client's own entry for
/// it, its place in a request, and its result.
pub const RECORD_COST: usize = 256;

/// How long a request waits for room before it is refused: a moment of crowding passes unseen, and
/// those that are taken have not stood in a line for long.
pub const BUDGET_WAIT: Duration = Duration::from_millis(20);

/// How long a request that is refused for want of room, or while the queue is out of reach, waits
/// for its answer at least. A client that asks again at once is then refused ten times a second;
/// thousands of times, it would take the place of those that are served.
pub const REFUSAL_PAUSE: Duration = Duration::from_millis(80);

/// What a client is told to wait before it tries again when too much is in flight already.
pub const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Bytes of an array of ratings, decompressed. With [`ARRAY_ITEMS_MAX`] it leaves 128 bytes for each, which is what one
/// takes. Whoever has more sends lines, which have no such limit.
pub const ARRAY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Ratings in one array: all of them wait for their answers together.
pub const ARRAY_ITEMS_MAX: usize = 65_536;

/// How long the body of an array may take to arrive: [`ARRAY_BYTES_MAX`] over a line of two Mbit/s.
pub const ARRAY_READ: Duration = Duration::from_secs(40);

/// Bytes of a stream of ratings that are read at once: some hundred ratings, so that what is done once for all of them
/// costs each next to nothing. Holds the longest line several times.
pub const INGEST_READ_BYTES: usize = 64 * 1024;

/// Ratings that travel together at most, so that lines of next to no length take no more memory than others.
pub const PORTION_ITEMS_MAX: usize = 1024;

/// Portions of one stream that wait for their results. The budget above is the limit when many streams share it; alone,
/// a stream can have as many ratings on their way as the slowest cluster needs to be busy.
pub const STREAM_PORTIONS_MAX: usize = 32;

/// Pieces of a stream's answer that wait for its client to read them.
pub const STREAM_ANSWERS_MAX: usize = 4;

/// How long a client may leave the answer to its stream unread. It must be reading while it writes; one that reads only
/// when it has written everything would wait for us as we for it. Shorter than [`WRITE_STALL`], after which there is
/// nobody left to be told.
pub const ANSWER_UNREAD: Duration = Duration::from_secs(20);

/// Bytes that one stream takes at most: [`INGEST_READ_BYTES`], about 64 KiB for what is known of each portion of
/// [`STREAM_PORTIONS_MAX`], and [`STREAM_ANSWERS_MAX`] answers.
pub const STREAM_BYTES: usize = 4 * 1024 * 1024;

/// How long a client may have given no rating to its stream, or read nothing of the answer, before somebody else who
/// needs the seat gets it. Whoever uploads what there is never pauses that long.
pub const STREAM_SILENCE: Duration = Duration::from_secs(5);

/// How long the queue may have been out of reach before a stream ends; until then it waits. Longer than another broker
/// needs to take over.
pub const STREAM_OUTAGE: Duration = Duration::from_secs(10);

/// Bytes that streams take together: 32 of them, as many as the budget above keeps busy many times over.
pub const STREAMS_BYTES: usize = 128 * 1024 * 1024;

/// Bytes that one element of an array takes from when it is read until its answer is taken, besides its text: what is
/// known of it, its result and its outcome. The answer itself is written piece by piece.
pub const ARRAY_ITEM_BYTES: usize = 256;

/// Bytes of a list's answer that are written at once.
pub const ANSWER_PIECE_BYTES: usize = 64 * 1024;

/// How long a client may take to read the answer to an array, which keeps its memory until then:
/// [`ARRAY_BYTES_MAX`] over a line of two Mbit/s, and some more, since an answer can be larger than what it answers.
pub const ARRAY_TAKE: Duration = Duration::from_mins(1);

/// Bytes of an array for which there is to be room when it begins; each time they are used up, twice as many. Most
/// arrays are shorter.
pub const ARRAY_FIRST_BYTES: usize = 64 * 1024;

/// Bytes that lists take together: five of the largest.
pub const LISTS_BYTES: usize = 128 * 1024 * 1024;

/// Bytes that the decoders of single ratings and lists take together: eight windows of zstd. Each is held while a body
/// arrives, which takes a moment.
pub const DECODERS_BYTES: usize = 64 * 1024 * 1024;

/// Bytes that may come out of one compressed body: about 25 million ratings. A body that says nothing takes no memory
/// however large it gets, but seconds of a core; this is where that ends. What is not compressed costs its sender as
/// much as us, and is not limited.
pub const DECODED_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Ids chosen by clients that one producer remembers, with what each was given to: 131,072, as many as the counting
/// compares with, 10 MB.
pub const RECENT_IDS_MAX: usize = 131_072;

/// How long a role waits for requests under way after it stopped accepting: longer than any of
/// them waits for the queue.
pub const DRAIN: Duration = Duration::from_secs(5);

/// The same in the demo. With [`ROLE_FLUSH`] and [`BROKER_STOP`] it stays under the 5 seconds that
/// a person is to wait at most.
pub const DEMO_DRAIN: Duration = Duration::from_millis(1500);

/// How long a role may take to flush and to leave its consumer group.
pub const ROLE_FLUSH: Duration = Duration::from_secs(2);

/// How long a role whose engine cannot go on still says so, on `/livez` and `/readyz`, before it ends. Together with
/// [`FAILED_DRAIN`] and [`RUNTIME_STOP`] it stays under 2 seconds, so that the next start is not far.
pub const FAILED_NOTICE: Duration = Duration::from_millis(500);

/// How long it may finish the requests under way after that.
pub const FAILED_DRAIN: Duration = Duration::from_secs(1);

/// How long the embedded broker may take to close its logs.
pub const BROKER_STOP: Duration = Duration::from_secs(1);

/// How long the demo's roles may take to stop once its broker has failed: they cannot write anything
/// any more, and the process is to end within 2 seconds.
pub const BROKER_GONE: Duration = Duration::from_secs(1);

/// How long the ops port may finish answers after its role has ended.
pub const OPS_DRAIN: Duration = Duration::from_millis(200);

/// How long tasks that are still running at the end get before the process leaves them.
pub const RUNTIME_STOP: Duration = Duration::from_millis(300);

/// Live streams that one service serves at once. Beyond that a browser is asked to come back
/// later, and its page still works by reload.
pub const STREAMS_MAX: usize = 256;

/// Shortest time between two events of one live stream. Ten a second look live; more would only
/// cost the browser.
pub const EVENT_INTERVAL: Duration = Duration::from_millis(100);

/// How often a silent live stream sends a comment, so that proxies keep it open.
pub const EVENT_KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a browser waits before it opens a lost stream again.
pub const EVENT_RECONNECT: Duration = Duration::from_secs(2);

/// How long an answer waits for ratings to be counted where the client did not say.
pub const TOTALS_WAIT: Duration = Duration::from_secs(5);

/// The longest that a client may have an answer wait; it holds a connection meanwhile.
pub const TOTALS_WAIT_MAX: Duration = Duration::from_secs(30);

/// How long sending a batch of spans to the collector of traces may take. Only the thread that sends
/// them waits, and meanwhile a bounded queue fills and overflows.
pub const TRACES_SEND: Duration = Duration::from_secs(5);

/// How long the last spans may take at the end of a process.
pub const TRACES_FLUSH: Duration = Duration::from_secs(1);

/// Bytes of a collector's answer that are read: it says how much it took, in a few bytes.
pub const TRACES_ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// What a client is told to wait before it tries again when the queue is out of reach.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Most ratings that one hit of the producer's page may be set to generate.
pub const RATINGS_PER_HIT_MAX: usize = 1000;
