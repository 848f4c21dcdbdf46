//! One partition: what is said of it, and its log, read once from the start.
//!
//! ```text
//! slots, boards ─► statements ─► all past what was in the log at first? ─no─► look again, a while
//!                                   ▼ yes
//!                       log, start to the furthest statement ─► examination
//! ```

use std::collections::BTreeMap;
use std::time::Instant;

use super::examine::{Examination, Examined};
use super::limits::{ATTEMPTS, LOOK_PAUSE, POLL, SILENCE};
use super::report::PartitionReport;
use super::statement::{Statement, in_slots};
use super::{Audit, Orders};
use crate::queue::{Event, Reader};
use crate::totals::Record;

/// What is to be examined.
#[derive(Clone, Copy)]
pub(super) struct Task {
    pub(super) partition: i32,
    /// The offsets that the log had when the audit began.
    pub(super) log: [i64; 2],
    /// Whether the totals topic has this partition.
    pub(super) has_slots: bool,
}

/// Why reading ended early.
enum Trouble {
    /// The log is not where it was, or came damaged; reading it can begin again.
    Moved(String),
    /// It cannot be read.
    Failed(String),
}

/// Statements, and what is to be said about them.
#[derive(Default)]
struct Gathered {
    statements: Vec<Statement>,
    reasons: Vec<String>,
    notes: Vec<String>,
    /// Who has not counted everything yet that was in the log at first.
    behind: Vec<String>,
}

/// Examines one partition.
pub(super) fn examine(audit: &Audit<'_>, reader: &Reader, task: Task) -> Examined {
    let gathered = match gather(audit, reader, task) {
        Ok(gathered) => gathered,
        Err(reason) => return untold(task, reason),
    };
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        match recount(audit, reader, task, &gathered.statements) {
            Ok(mut examined) => {
                examined.report.reasons.extend(gathered.reasons);
                examined.report.reasons.extend(gathered.behind);
                examined.report.notes.extend(gathered.notes);
                examined.report = examined.report.judged();
                return examined;
            }
            Err(Trouble::Moved(reason)) => last = reason,
            Err(Trouble::Failed(reason)) => return untold(task, reason),
        }
    }
    untold(task, last)
}

/// The report of a partition of which nothing can be told.
pub(super) fn untold(task: Task, reason: String) -> Examined {
    let Task { partition, log: [start, _], .. } = task;
    let report =
        PartitionReport { reasons: vec![reason], ..PartitionReport::new(partition, start) };
    Examined { report, sums: BTreeMap::new() }
}

/// Everything that is said of the partition, once that covers what was in its log at first or the
/// wait for that is over.
fn gather(audit: &Audit<'_>, reader: &Reader, task: Task) -> Result<Gathered, String> {
    loop {
        let gathered = look(audit, reader, task)?;
        let halted = audit.halted(task.partition);
        if gathered.behind.is_empty() || halted.is_some() || Instant::now() >= audit.patience {
            return Ok(gathered);
        }
        audit.orders.check()?;
        std::thread::sleep(LOOK_PAUSE);
    }
}

fn look(audit: &Audit<'_>, reader: &Reader, task: Task) -> Result<Gathered, String> {
    let Task { partition, log: [start, end], has_slots } = task;
    let mut gathered = Gathered::default();
    if has_slots {
        let topic = &audit.settings.topics.totals;
        let (found, strange) =
            in_slots(reader, topic, partition).map_err(|error| error.to_string())?;
        gathered.statements = found;
        if strange > 0 {
            gathered.notes.push(format!("{strange} record(s) in topic {topic} are no snapshots"));
        }
    }
    let position = |of: Option<&Statement>| of.map(|of| of.snapshot.next_offset);
    let mut positions = Vec::new();
    if audit.boards.is_empty() {
        let newest = gathered.statements.iter();
        let newest = newest.max_by_key(|of| (of.snapshot.epoch, of.snapshot.next_offset));
        positions.push(("the snapshots".to_owned(), position(newest)));
    }
    for asked in audit.boards.iter().filter(|asked| asked.is_there()) {
        match asked.board.of_partition(partition) {
            Ok(statement) => {
                let who = format!("the board {}", asked.board.url);
                positions.push((who, position(statement.as_ref())));
                gathered.statements.extend(statement);
            }
            Err(reason) => gathered.reasons.push(reason),
        }
    }
    let why = audit.halted(partition).map(|why| format!("; halted: {why}")).unwrap_or_default();
    for (who, position) in positions {
        match position {
            Some(position) if position < end => gathered
                .behind
                .push(format!("{who}: offsets {position}..{end} were not counted yet{why}")),
            None if start < end => {
                gathered.behind.push(format!("{who}: there are no totals of this partition{why}"));
            }
            _ => {}
        }
    }
    Ok(gathered)
}

fn recount(
    audit: &Audit<'_>,
    reader: &Reader,
    task: Task,
    statements: &[Statement],
) -> Result<Examined, Trouble> {
    let topic = &audit.settings.topics.ratings;
    let failed = |error: crate::queue::LookupError| Trouble::Failed(error.to_string());
    let (start, end) = reader.watermarks(topic, task.partition).map_err(failed)?;
    let positions = audit.positions(task.partition);
    let mut examination =
        Examination::new(task.partition, [start, end], statements.to_vec(), &positions);
    let end = examination.end();
    let mut done = 0;
    audit.progress.expect((end - start) - (task.log[1] - task.log[0]));
    let mut advance = |offset: i64| {
        audit.progress.advance(offset - start - done);
        done = offset - start;
    };
    let read =
        read(reader, (topic, task.partition), [start, end], &audit.orders, |step| match step {
            Step::Record(record) => examination.take(record),
            Step::At(offset) => advance(offset),
        });
    if read.is_err() {
        // Whatever comes next begins anew.
        advance(start);
        audit.progress.expect((task.log[1] - task.log[0]) - (end - start));
    }
    read.map(|()| {
        advance(end);
        examination.finish()
    })
}

/// What reading brings.
enum Step<'a> {
    Record(Record<'a>),
    /// Everything before this offset was read.
    At(i64),
}

/// Records between two looks at the clock and at the orders.
const STRIDE: u32 = 4096;

/// Reads a partition from the first of the offsets to before the second.
fn read(
    reader: &Reader,
    (topic, partition): (&str, i32),
    [start, end]: [i64; 2],
    orders: &Orders,
    mut each: impl FnMut(Step<'_>),
) -> Result<(), Trouble> {
    if start >= end {
        return Ok(());
    }
    let failed = |error: crate::queue::LookupError| Trouble::Failed(error.to_string());
    reader.add(topic, partition, start).map_err(failed)?;
    let (mut next, mut at_end, mut whole, mut records) = (start, false, false, 0_u32);
    let mut heard = Instant::now();
    let result = loop {
        if next >= end {
            break Ok(());
        }
        let event = reader.poll(POLL);
        if let Some(Event::Record(record)) = &event {
            next = record.offset() + 1;
            (at_end, whole) = (false, false);
            if record.offset() < end {
                each(Step::Record(Record {
                    offset: record.offset(),
                    timestamp_ms: record.timestamp_ms(),
                    key: record.key(),
                    value: record.value(),
                }));
            }
            records = records.wrapping_add(1);
            if !records.is_multiple_of(STRIDE) {
                continue;
            }
            heard = Instant::now();
            each(Step::At(next.min(end)));
        }
        match event {
            None if whole => break Ok(()),
            Some(Event::End(_)) => at_end = true,
            Some(Event::Lost(reason) | Event::OutOfRange(reason)) => {
                break Err(Trouble::Moved(reason));
            }
            Some(Event::Unreadable(reason)) => {
                break Err(Trouble::Moved(format!(
                    "offset {next} of {end} cannot be read: {reason}"
                )));
            }
            Some(Event::Interrupted) => {
                // A record may have been fetched and thrown away.
                reader.remove(topic, partition);
                reader.add(topic, partition, next).map_err(failed)?;
                (at_end, whole) = (false, false);
            }
            _ => {}
        }
        // The last offsets may be control records, which are never delivered. A new leader may not
        // know yet how far the log goes, so that an end alone proves nothing.
        let reached = reader.progress(topic).and_then(|mut of| of.remove(&partition));
        // And the report overtakes records, so that the reader must have nothing more after it.
        whole |= at_end && reached.is_some_and(|position| position.reached_end >= end);
        if let Err(reason) = orders.check() {
            break Err(Trouble::Failed(format!("{reason}, at offset {next}")));
        }
        if heard.elapsed() > SILENCE {
            let cause = reader.down().unwrap_or_else(|| "nothing comes".into());
            break Err(Trouble::Failed(format!("offset {next} of {end} cannot be read: {cause}")));
        }
    };
    reader.remove(topic, partition);
    result
}
