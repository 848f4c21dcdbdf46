//! The audit: an independent recount of the ratings' log, and what boards and snapshots say of it.
//!
//! ```text
//!  boards: GET /api/v1/totals, …/partitions ─┐
//!  totals topic: all slots ──────────────────┴─► statements (position N, totals up to N)
//!                                                     │ compared at exactly N
//!  ratings topic, from its start ─► decode ─► recount ┘ ─► verdict: exact │ not exact │ could not tell
//! ```
//!
//! It shares no code with the counting but the reader of the queue and the fingerprint of a record:
//! the rules stand in `decode` and `recount` a second time, written as plainly as possible.

mod board;
mod decode;
mod examine;
mod limits;
mod partition;
mod progress;
mod recount;
mod report;
mod statement;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use self::board::{Board, Served, States};
use self::examine::{Examined, differences};
use self::partition::Task;
use self::progress::Progress;
use self::recount::Totals;
use crate::queue::{KafkaSettings, Reader, Topics};

pub use self::report::{
    BoardReport, Checked, Difference, Finding, PartitionReport, Report, Verdict,
};

/// What was found does not hold.
const NOT_EXACT: u8 = 1;
/// It could not be told.
const UNKNOWN: u8 = 2;
/// Ended by Ctrl-C: 128 + the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// What brokers call the reader; it joins no group.
const NAME: &str = "erboh-audit";

/// What the audit is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The cluster.
    pub kafka: KafkaSettings,
    /// The topics.
    pub topics: Topics,
    /// Addresses of boards to compare with; without any only the snapshots are.
    pub boards: Vec<String>,
    /// Partitions to look at; without any all are.
    pub partitions: Vec<i32>,
    /// When to give up.
    pub time_limit: Option<Duration>,
    /// Whether the report is to be JSON.
    pub json: bool,
}

/// When to stop.
struct Orders {
    stop: CancellationToken,
    deadline: Option<Instant>,
}

impl Orders {
    /// # Errors
    /// The reason why the audit should stop now.
    fn check(&self) -> Result<(), String> {
        if self.stop.is_cancelled() {
            return Err("the audit was stopped".to_owned());
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err("the time limit (--time-limit-ms) was reached".to_owned());
        }
        Ok(())
    }
}

/// A board and what it answered at first.
struct Asked {
    board: Board,
    served: Result<Served, String>,
    states: Result<States, String>,
}

impl Asked {
    fn is_there(&self) -> bool {
        self.served.is_ok() && self.states.is_ok()
    }
}

/// What all threads share.
struct Audit<'a> {
    settings: &'a Settings,
    orders: Orders,
    boards: Vec<Asked>,
    progress: Progress,
    /// Until when the audit waits for others to count what is in the log.
    patience: Instant,
}

impl Audit<'_> {
    /// Why a partition is halted, if a board says so.
    fn halted(&self, partition: i32) -> Option<&str> {
        self.boards.iter().find_map(|asked| asked.states.as_ref().ok()?.halted(partition))
    }

    /// Where the sums of every board stand in a partition.
    fn positions(&self, partition: i32) -> BTreeMap<usize, i64> {
        let position =
            |asked: &Asked| asked.served.as_ref().ok()?.position.get(&partition).copied();
        let boards = self.boards.iter().enumerate();
        boards.filter_map(|(board, asked)| Some((board, position(asked)?))).collect()
    }
}

/// Audits, prints the report, and says how it ended: 0 exact, 1 not exact, 2 could not tell, 130
/// stopped. Settings that cannot be used are a reason why nothing could be told.
pub async fn run(settings: anyhow::Result<Settings>, stop: CancellationToken) -> ExitCode {
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("erboh: {error:#}");
            return ExitCode::from(UNKNOWN);
        }
    };
    let json = settings.json;
    let stopped = stop.clone();
    // Readers block their threads.
    let report = match tokio::task::spawn_blocking(move || audit(&settings, stop)).await {
        Ok(report) => report,
        Err(error) => {
            eprintln!("erboh: the audit broke off: {error}");
            return ExitCode::from(UNKNOWN);
        }
    };
    if json {
        report.print_json();
    } else {
        report.print();
    }
    match report.verdict {
        Verdict::Exact => ExitCode::SUCCESS,
        Verdict::NotExact => ExitCode::from(NOT_EXACT),
        Verdict::Unknown if stopped.is_cancelled() => ExitCode::from(INTERRUPTED),
        Verdict::Unknown => ExitCode::from(UNKNOWN),
    }
}

fn audit(settings: &Settings, stop: CancellationToken) -> Report {
    let started = Instant::now();
    let orders = Orders { stop, deadline: settings.time_limit.map(|limit| started + limit) };
    let ask = |url: &String| {
        let board = Board::new(url);
        let (served, states) = (board.totals(), board.states());
        Asked { board, served, states }
    };
    let audit = Audit {
        settings,
        orders,
        boards: settings.boards.iter().map(ask).collect(),
        progress: Progress::default(),
        patience: started + limits::BEHIND_WAIT,
    };
    let mut report = Report {
        verdict: Verdict::Unknown,
        topic: settings.topics.ratings.clone(),
        elapsed_ms: 0,
        partitions: Vec::new(),
        boards: Vec::new(),
        reasons: Vec::new(),
        notes: Vec::new(),
    };
    let mut examined = Vec::new();
    match audit.tasks() {
        Ok(tasks) => examined = audit.examine(&tasks),
        Err(reason) => report.reasons.push(reason),
    }
    for (index, asked) in audit.boards.iter().enumerate() {
        report.boards.push(audit.check_sums(index, asked, &examined));
        if let Some(alarm) = asked.states.as_ref().ok().and_then(|states| states.alarm.as_ref()) {
            report.notes.push(format!("the board {} raised an alarm: {alarm}", asked.board.url));
        }
    }
    report.partitions = examined.into_iter().map(|examined| examined.report).collect();
    let verdicts = report.partitions.iter().map(|of| of.verdict);
    let all = verdicts.chain(report.boards.iter().map(|of| of.verdict)).max();
    let untold = report::verdict(false, !report.reasons.is_empty());
    report.verdict = all.unwrap_or(Verdict::Exact).max(untold);
    report.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    report
}

impl Audit<'_> {
    /// What is to be examined.
    ///
    /// # Errors
    /// Why nothing can be.
    fn tasks(&self) -> Result<Vec<Task>, String> {
        let topics = &self.settings.topics;
        let failed = |error: crate::queue::LookupError| error.to_string();
        let reader = Reader::for_ranges(&self.settings.kafka, NAME).map_err(|e| e.to_string())?;
        let partitions = reader.partitions(&topics.ratings).map_err(failed)?;
        let totals = reader.partitions(&topics.totals).map_err(failed)?;
        if partitions == 0 {
            return Err(format!("topic {} does not exist", topics.ratings));
        }
        let wanted = match &self.settings.partitions[..] {
            [] => (0..partitions).collect(),
            some => some.to_vec(),
        };
        let mut tasks = Vec::new();
        for partition in wanted {
            if partition >= partitions {
                return Err(format!(
                    "topic {} has {partitions} partition(s), but partition {partition} was asked for",
                    topics.ratings
                ));
            }
            self.orders.check()?;
            let (start, end) = reader.watermarks(&topics.ratings, partition).map_err(failed)?;
            self.progress.expect(end - start);
            tasks.push(Task { partition, log: [start, end], has_slots: partition < totals });
        }
        Ok(tasks)
    }

    /// Examines all, several at once, while the progress is shown.
    fn examine(&self, tasks: &[Task]) -> Vec<Examined> {
        let found = Mutex::new(BTreeMap::new());
        let next = AtomicUsize::new(0);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let work = |_end: Sender<()>| {
            let reader = Reader::for_ranges(&self.settings.kafka, NAME);
            while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                let examined = match (&reader, self.orders.check()) {
                    (_, Err(reason)) => partition::untold(*task, format!("not begun: {reason}")),
                    (Err(error), _) => partition::untold(*task, error.to_string()),
                    (Ok(reader), Ok(())) => partition::examine(self, reader, *task),
                };
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                found.insert(task.partition, examined);
            }
        };
        std::thread::scope(|scope| {
            // The progress ends when the last thread has dropped its side.
            let (end, ended) = channel();
            for _ in 0..limits::THREADS_MAX.min(cores).min(tasks.len()) {
                let end = end.clone();
                scope.spawn(|| work(end));
            }
            drop(end);
            self.progress.show(&ended);
        });
        found.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
    }

    /// Compares the sums that a board shows to people with those of the recount.
    fn check_sums(&self, index: usize, asked: &Asked, examined: &[Examined]) -> BoardReport {
        let mut reasons = Vec::new();
        let mut differing = Vec::new();
        let topic = &self.settings.topics.ratings;
        match (&asked.served, &asked.states) {
            (Err(reason), _) | (_, Err(reason)) => reasons.push(reason.clone()),
            (Ok(_), Ok(states)) if states.topic != *topic => {
                reasons.push(format!("it counts topic {}, not {topic}", states.topic));
            }
            // The sums are of all partitions.
            (Ok(_), Ok(_)) if !self.settings.partitions.is_empty() => {}
            (Ok(served), Ok(_)) => match add_up(index, served, examined) {
                Ok(counted) => {
                    differing = differences(&served.totals(), &counted);
                    differing.extend(served.crooked_rows());
                }
                Err(reason) => reasons.push(reason),
            },
        }
        BoardReport {
            board: asked.board.url.clone(),
            verdict: report::verdict(!differing.is_empty(), !reasons.is_empty()),
            differences: differing,
            reasons,
        }
    }
}

/// What all partitions add up to at the positions that a board had.
fn add_up(index: usize, served: &Served, examined: &[Examined]) -> Result<Totals, String> {
    let mut sum = Totals::default();
    for (partition, position) in &served.position {
        let of = examined.iter().find(|of| of.report.partition == *partition);
        let Some(of) = of else {
            return Err(format!(
                "it has ratings of partition {partition}, which the topic does not have"
            ));
        };
        let Some(totals) = of.sums.get(&index) else {
            return Err(format!(
                "partition {partition} could not be recounted up to offset {position}"
            ));
        };
        sum = sum.plus(totals);
    }
    Ok(sum)
}
