//! Stream: lines of ratings that are answered while more of them arrive.
//!
//! ```text
//!  body ─► Source: lines ─► portion ─► Intake ─► FIFO (STREAM_PORTIONS_MAX) ─► outcomes ─► lines ─► client
//!     └── waits ◄── when the budget is spent ◄── when the FIFO is full ◄── when the client does not read ──┘
//! ```
//!
//! Nothing here grows with the length of the upload. Before anything is sent a fault is answered as a problem; after
//! that the status is out, and the last line says how it ended.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::stream::poll_fn;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::answer::{At, Counts, Last};
use super::body::{Body, Broken};
use super::dispatch::{Dispatch, Portion, Sent};
use super::key::Naming;
use super::lines::Lines;
use super::media::{self, NDJSON};
use super::seats::Seat;
use crate::limits;
use crate::web::Problem;

/// Room for the answer to a portion of usual size.
const ANSWER_BYTES: usize = limits::INGEST_READ_BYTES;

/// The lines of an upload, portion by portion.
pub(super) struct Source {
    body: Body,
    lines: Lines,
    stopping: CancellationToken,
    seat: Arc<Seat>,
    end: Option<Result<(), Broken>>,
    /// The first line that was read and not taken, if there is one.
    untaken: Option<u64>,
}

/// Why an answer is not told to its end.
enum Unheard {
    /// The client is gone.
    Gone,
    /// The client does not read, for too long or while somebody else needs the seat. What was counted until then, and the first line whose answer it does not get.
    Unread(Counts, u64),
}

/// The client's end of the answer.
struct Answers {
    pieces: mpsc::Sender<Bytes>,
    seat: Arc<Seat>,
    buffer: BytesMut,
    minimal: bool,
    counts: Counts,
    unread_max: Duration,
}

/// Answers an upload of lines.
pub(super) async fn answer(
    mut source: Source,
    dispatch: Dispatch,
    minimal: bool,
) -> Result<Response, Problem> {
    // Nothing is sent yet, so that both a bad body and a lack of room are answered by a status.
    let first = match source.next(&dispatch).await {
        Some(portion) => Some(dispatch.send(portion).await?),
        None => None,
    };
    if let (None, Some(Err(broken))) = (&first, &source.end) {
        return Err(broken.clone().into());
    }
    let (pieces, mut answer) = mpsc::channel(limits::STREAM_ANSWERS_MAX);
    let answers = Answers::new(pieces, Arc::clone(&source.seat), minimal);
    tokio::spawn(run(source, first, dispatch, answers));
    let pieces = poll_fn(move |context| {
        answer.poll_recv(context).map(|piece| piece.map(Ok::<_, Infallible>))
    });
    let kind = [(CONTENT_TYPE, HeaderValue::from_static(NDJSON))];
    Ok(media::applied(minimal, (kind, body::Body::from_stream(pieces)).into_response()))
}

impl Source {
    /// The lines of `body`, until `stopping` or until somebody else needs the seat.
    pub(super) fn new(body: Body, stopping: CancellationToken, seat: Seat) -> Self {
        let (lines, seat) = (Lines::default(), Arc::new(seat));
        Self { body, lines, stopping, seat, end: None, untaken: None }
    }

    /// The next portion that the queue is there for; none at the end.
    async fn next(&mut self, dispatch: &Dispatch) -> Option<Portion> {
        self.seat.asks();
        let portion = self.read(dispatch).await?;
        if portion.has_ratings() {
            self.seat.is_told();
        }
        if !portion.has_records() || dispatch.intake.is_connected() {
            return Some(portion);
        }
        // A broker that is away for a moment costs time and nothing else.
        let waiting = dispatch.intake.reach(limits::STREAM_OUTAGE);
        let Err(broken) = self
            .stopping
            .run_until_cancelled(waiting)
            .await
            .map_or(Err(Broken::Stopping), |reached| reached.map_err(Broken::Unreachable))
        else {
            return Some(portion);
        };
        (self.end, self.untaken) = (Some(Err(broken)), portion.first_line());
        None
    }

    /// All whole lines that have arrived, if there are any; none at the end.
    async fn read(&mut self, dispatch: &Dispatch) -> Option<Portion> {
        loop {
            // What is left of a body that broke is not a line, even if it looks like one.
            let ended = matches!(self.end, Some(Ok(())));
            let lines = self.lines.cut(ended).take(limits::PORTION_ITEMS_MAX);
            let portion = dispatch.read(lines.map(|(line, content)| (line - 1, content)));
            if !portion.is_empty() {
                return Some(portion);
            }
            if self.end.is_some() {
                return None;
            }
            let (buffer, room) = self.lines.room();
            let reading = self.seat.leave().run_until_cancelled(self.body.read(buffer, room));
            self.end = match self.stopping.run_until_cancelled(reading).await.flatten() {
                Some(Ok(0)) => Some(Ok(())),
                Some(Err(broken)) => Some(Err(broken)),
                _ => self.why_leave().map(Err),
            };
        }
    }

    /// Why nothing more is to be read, if that is so.
    fn why_leave(&self) -> Option<Broken> {
        if self.stopping.is_cancelled() {
            return Some(Broken::Stopping);
        }
        self.seat.leave().is_cancelled().then_some(Broken::SentAway)
    }

    /// How many lines were taken, blank ones too.
    fn taken(&self) -> u64 {
        self.untaken.map_or(self.lines.taken(), |line| line - 1)
    }
}

/// Sends what arrives and answers what was sent, both at once, until one of them ends.
async fn run(mut source: Source, first: Option<Sent>, dispatch: Dispatch, mut answers: Answers) {
    // Kept for the last line, so that it can be said also where nothing else can.
    let Ok(last) = answers.pieces.clone().reserve_owned().await else { return };
    let (queue, mut sent) = mpsc::channel(limits::STREAM_PORTIONS_MAX);
    let reading = async {
        let mut next = first;
        loop {
            let portion = match next.take() {
                Some(first) => first,
                None => match source.next(&dispatch).await {
                    Some(portion) => dispatch.send_waiting(portion).await,
                    None => break,
                },
            };
            if queue.send(portion).await.is_err() {
                break;
            }
        }
        drop(queue);
        Ok::<_, Unheard>(())
    };
    let answering = async {
        while let Some(portion) = sent.recv().await {
            answers.give(dispatch.outcomes(portion).await).await?;
        }
        Ok(answers.counts)
    };
    let ended = tokio::try_join!(reading, answering);
    let line = match (ended, &source.end) {
        (Ok(((), counts)), Some(Err(broken))) => {
            let lines = source.taken();
            let reason = format!("{broken}; {}", dispatch.naming.go_on(lines));
            Last::Aborted { reason, counts, lines }
        }
        (Ok(((), counts)), _) => Last::Done { counts, lines: source.taken() },
        (Err(Unheard::Unread(counts, from)), _) => {
            let reason = unread(from, &dispatch.naming, source.seat.leave().is_cancelled());
            Last::Aborted { reason, counts, lines: from - 1 }
        }
        (Err(Unheard::Gone), _) => return,
    };
    let mut piece = BytesMut::new();
    write(&line, &mut piece);
    last.send(piece.freeze());
}

fn unread(from: u64, naming: &Naming, sent_away: bool) -> String {
    let unread = if sent_away {
        "another upload needed its place, and the answer was not read".to_owned()
    } else {
        format!("the answer was not read for {} s", limits::ANSWER_UNREAD.as_secs())
    };
    format!(
        "{unread}, so that it ends before line {from}; what became of that line and those after it is not told: {}, \
         and read while you write, or ask for less with `Prefer: return=minimal`",
        naming.again(),
    )
}

impl Answers {
    fn new(pieces: mpsc::Sender<Bytes>, seat: Arc<Seat>, minimal: bool) -> Self {
        let (buffer, counts) = (BytesMut::new(), Counts::default());
        Self { pieces, seat, buffer, minimal, counts, unread_max: limits::ANSWER_UNREAD }
    }

    /// Tells what became of the lines of a portion.
    async fn give(&mut self, outcomes: Vec<(u64, super::answer::Outcome)>) -> Result<(), Unheard> {
        let Some((first, _)) = outcomes.first() else { return Ok(()) };
        let before = self.counts;
        self.buffer.reserve(ANSWER_BYTES);
        for (index, outcome) in &outcomes {
            let item = outcome.item(At::Line(index + 1));
            self.counts.add(&item);
            if !(self.minimal && outcome.is_created()) {
                write(&item, &mut self.buffer);
            }
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = match self.pieces.try_send(self.buffer.split().freeze()) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(Unheard::Gone),
            Err(TrySendError::Full(piece)) => piece,
        };
        self.seat.is_unread();
        let sending = timeout(self.unread_max, self.pieces.send(piece));
        let sent = self.seat.leave().run_until_cancelled(sending).await;
        self.seat.is_read();
        match sent {
            Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(_))) => Err(Unheard::Gone),
            Some(Err(_)) | None => Err(Unheard::Unread(before, first + 1)),
        }
    }
}

/// Appends a line of JSON.
fn write(line: &impl Serialize, to: &mut BytesMut) {
    serde_json::to_writer(to.writer(), line).expect("answers always serialize into memory");
    to.put_u8(b'\n');
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::stream::{self, StreamExt as _};
    use serde_json::Value;

    use super::super::dispatch::tests::dispatch;
    use super::super::media::Coding;
    use super::super::seats::Seats;
    use super::*;

    /// An upload of so many times these lines, which are no ratings: nothing of them is sent.
    fn source(lines: &str, times: usize) -> Source {
        let piece = Bytes::from(lines.to_owned());
        let pieces = stream::repeat(piece).take(times).map(Ok::<_, Infallible>);
        let body = Body::new(body::Body::from_stream(pieces), Coding::Identity);
        let seat = Seats::default().take(1).now_or_never().flatten().expect("there is room");
        Source::new(body, CancellationToken::new(), seat)
    }

    fn answers(source: &Source, pieces: mpsc::Sender<Bytes>, minimal: bool) -> Answers {
        Answers::new(pieces, Arc::clone(&source.seat), minimal)
    }

    async fn lines(mut pieces: mpsc::Receiver<Bytes>) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(piece) = pieces.recv().await {
            all.extend_from_slice(&piece);
        }
        let lines = all.split_inclusive(|byte| *byte == b'\n');
        lines.map(|line| serde_json::from_slice(line).expect("JSON")).collect()
    }

    #[tokio::test]
    async fn an_answer_that_nobody_reads_ends_the_upload_and_says_where() {
        let (pieces, answer) = mpsc::channel(limits::STREAM_ANSWERS_MAX);
        let endless = source(&"no\n".repeat(1000), usize::MAX);
        let mut answers = answers(&endless, pieces, false);
        answers.unread_max = Duration::from_millis(10);
        run(endless, None, dispatch(), answers).await;
        let found = lines(answer).await;
        let (last, items) = found.split_last().expect("a last line");
        assert_eq!(last["status"], "aborted");
        assert_eq!(last["invalid"], items.len(), "what is counted is what is told");
        let next = format!("before line {};", items.len() + 1);
        assert!(last["reason"].as_str().expect("text").contains(&next), "{last}");
        assert_eq!(last["lines"], items.len(), "each line that counts as taken has its answer");
    }

    #[tokio::test]
    async fn an_answer_that_nobody_reads_gives_way_to_another_upload() {
        let (pieces, answer) = mpsc::channel(limits::STREAM_ANSWERS_MAX);
        let endless = source(&"no\n".repeat(1000), usize::MAX);
        let answers = answers(&endless, pieces, false);
        let seat = Arc::clone(&endless.seat);
        let needed = async {
            // One piece is kept for the last line.
            while answer.len() < limits::STREAM_ANSWERS_MAX - 1 {
                tokio::task::yield_now().await;
            }
            seat.leave().cancel();
        };
        tokio::join!(run(endless, None, dispatch(), answers), needed);
        let found = lines(answer).await;
        let (last, items) = found.split_last().expect("a last line");
        let reason = last["reason"].as_str().expect("text");
        assert!(reason.starts_with("another upload needed its place, and the answer"), "{last}");
        assert_eq!(last["lines"], items.len(), "each line that counts as taken has its answer");
    }

    #[tokio::test]
    async fn a_client_that_is_gone_ends_the_upload() {
        let (pieces, answer) = mpsc::channel(limits::STREAM_ANSWERS_MAX);
        drop(answer);
        let endless = source("no\n", usize::MAX);
        let answers = answers(&endless, pieces, false);
        run(endless, None, dispatch(), answers).await;
    }

    #[tokio::test]
    async fn a_stop_ends_the_upload_after_what_has_arrived() {
        let (pieces, answer) = mpsc::channel(limits::STREAM_ANSWERS_MAX);
        let endless = source("no\n", usize::MAX);
        let stopping = endless.stopping.clone();
        let answers = answers(&endless, pieces, true);
        let running = run(endless, None, dispatch(), answers);
        let reading = async {
            let mut answer = answer;
            let first = answer.recv().await.expect("a piece");
            stopping.cancel();
            (first, lines(answer).await)
        };
        let ((), (_, found)) = tokio::join!(running, reading);
        let last = found.last().expect("a last line");
        assert_eq!((&last["status"], &last["invalid"]), (&"aborted".into(), &last["lines"]));
        assert!(last["reason"].as_str().expect("text").contains("stopping"), "{last}");
    }
}
