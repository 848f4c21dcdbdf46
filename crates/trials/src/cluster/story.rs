//! Story: the steps one after the other, the load beside them, and the audit at the end.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::Flags;
use super::books::{Books, EndOnDrop};
use super::kube::{Kube, QUEUING, must, wait};
use super::load;
use super::node::Nodes;
use super::recount::{ends, recount};
use super::report::{Report, Row, Verdict};
use super::steps::{LOADED, QUIET, Step};
use super::tree::Tree;
use super::watch::{Browser, watch};
use crate::ratings::rating::Ratings;
use crate::ratings::totals::Totals;
use crate::{machine, start};

/// The Deployments of the application.
pub(super) const CONSUMER: &str = "erboh-consumer";
pub(super) const PRODUCER: &str = "erboh-producer";
/// How long it may take after a step until a rating that is sent then is on the board.
const COUNTED_WAIT: Duration = Duration::from_mins(3);
/// How long the board may take to reach the end of the log when the load has ended.
const REST_WAIT: Duration = Duration::from_mins(2);

/// What the steps work with.
pub(super) struct Stage<'a> {
    pub(super) flags: &'a Flags,
    pub(super) books: &'a Books,
    pub(super) kube: Kube,
    pub(super) tree: Tree,
    pub(super) nodes: Nodes,
    pub(super) browser: Browser,
    pub(super) erboh: PathBuf,
    /// The number of this story, as no other has it.
    pub(super) run: u64,
    rows: Vec<Row>,
    /// Why no more steps are tried.
    stopped: bool,
}

/// Tells the story.
///
/// # Errors
/// When it cannot begin, or what came of it cannot be read.
pub(super) fn run(flags: &Flags) -> anyhow::Result<Report> {
    let run = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default();
    let books = Books::new(Ratings::new(run));
    let kube = Kube::new(flags);
    let mut stage = Stage {
        flags,
        books: &books,
        tree: Tree::open(&kube, &flags.directory, &flags.registry)?,
        kube,
        nodes: Nodes::new(flags),
        browser: Browser::new(&flags.board_url),
        erboh: start::erboh(flags.erboh.as_deref())?,
        run,
        rows: Vec::new(),
        stopped: false,
    };
    let began = Instant::now();
    stage.kube.wait_until_ready().context("the story begins when everything is Ready")?;
    let text = format!("profile {}, from {}", stage.tree.profile(), stage.tree.kind());
    stage.note("everything Ready", began.elapsed(), Verdict::Kept(text));
    let before = stage.board()?;
    for step in &QUIET {
        stage.take(step, false);
    }
    stage.under_load()?;
    stage.end(&before)
}

impl Stage<'_> {
    /// What the board shows.
    pub(super) fn board(&self) -> anyhow::Result<Totals> {
        let url = &self.flags.board_url;
        self.browser.totals().with_context(|| format!("the board at {url} does not answer"))
    }

    /// Commits values of the release, and waits until they are rolled out.
    pub(super) fn values(&mut self, values: &Value, message: &str) -> anyhow::Result<()> {
        let patch = json!({"spec": {"values": values}}).to_string();
        self.tree.edit(&self.tree.values(), &patch)?;
        self.tree.commit(&self.kube, message)?;
        self.kube.wait_until_ready()
    }

    /// Partitions of the ratings, as committed.
    pub(super) fn partitions(&self) -> anyhow::Result<u64> {
        let topic = self.kube.get(&format!("kafkatopic erboh-ratings --namespace {QUEUING}"))?;
        topic["spec"]["partitions"].as_u64().context("the topic erboh-ratings has no partitions")
    }

    /// Waits until ratings that are acknowledged from now on are on the board.
    pub(super) fn counts_within(&self, at_most: Duration) -> anyhow::Result<()> {
        let now = self.books.ledger().acknowledged();
        must(at_most, "a new rating is acknowledged", || {
            Ok(self.books.ledger().acknowledged() > now)
        })?;
        let newest = self.books.newest();
        must(at_most, "a new rating is on the board", || Ok(self.books.is_past(&newest)))
    }

    fn under_load(&mut self) -> anyhow::Result<()> {
        let (books, flags) = (self.books, self.flags);
        let url = format!("{}/api/v1/ratings", flags.producer_url.trim_end_matches('/'));
        let interval = Duration::from_secs(1) * load::WORKERS / flags.rate;
        std::thread::scope(|scope| {
            let _end = EndOnDrop(books);
            for worker in 0..load::WORKERS {
                // Spread out, so that they do not all send at the same moment.
                let first = Instant::now() + interval * worker / load::WORKERS;
                let url = &url;
                scope.spawn(move || load::work(books, url, first, interval));
            }
            scope.spawn(|| watch(books, &flags.board_url));
            self.counts_within(COUNTED_WAIT).context("under load, before anything is broken")?;
            for step in &LOADED {
                self.take(step, true);
            }
            Ok(())
        })
    }

    /// Takes one step, if it was asked for and the ones before it have left something to try it on.
    fn take(&mut self, step: &Step, loaded: bool) {
        let only = &self.flags.only;
        // What was changed is put back, whatever was asked for.
        let asked = only.is_empty() || only.iter().any(|key| key == step.key);
        if !asked && step.key != "put-back" {
            return;
        }
        if self.stopped && step.key != "put-back" {
            let why = "after an earlier step not everything was Ready again".to_owned();
            return self.note(step.name, Duration::ZERO, Verdict::NotRun(why));
        }
        println!("{} …", step.name);
        let retries = self.books.ledger().retries;
        self.books.take(retries);
        let began = Instant::now();
        let mut outcome = (step.run)(self);
        if loaded && !matches!(outcome, Ok(Verdict::NotRun(_))) {
            let settled =
                self.kube.wait_until_ready().and_then(|()| self.counts_within(COUNTED_WAIT));
            if let Err(error) = settled {
                self.stopped = true;
                outcome = outcome.and(Err(error.context("afterwards")));
            }
        }
        let verdict = outcome.unwrap_or_else(|error| Verdict::Failed(format!("{error:#}")));
        let seen = loaded.then(|| self.books.take(retries));
        self.rows.push(Row { name: step.name, took: began.elapsed(), disturbance: seen, verdict });
        self.tell();
    }

    fn note(&mut self, name: &'static str, took: Duration, verdict: Verdict) {
        self.rows.push(Row { name, took, disturbance: None, verdict });
        self.tell();
    }

    /// Prints the newest line.
    fn tell(&self) {
        if let Some(row) = self.rows.last() {
            println!("{row}");
        }
    }

    /// Waits until the board has counted everything, and holds everything against everything.
    fn end(mut self, before: &Totals) -> anyhow::Result<Report> {
        println!("no more load; waiting for the board, then reading the log");
        let brokers = &self.flags.brokers;
        let partitions = i32::try_from(self.partitions()?).context("the number of partitions")?;
        let mut after = Totals::default();
        let at_rest = wait(REST_WAIT, || {
            after = self.board()?;
            Ok(after.position == ends(brokers, partitions)?)
        })?;
        let found = recount(brokers, self.books, before, &after)?;
        let audit = self.audit()?;
        if !at_rest {
            let why = format!("the board was at {:?} after {REST_WAIT:?}", after.position);
            self.note("the end of the log on the board", REST_WAIT, Verdict::Failed(why));
        }
        let ran = self.ran()?;
        if self.flags.down {
            self.down();
        }
        let ledger = self.books.ledger();
        Ok(Report {
            rows: self.rows,
            rate: self.flags.rate,
            sent: ledger.sent(),
            acknowledged: ledger.acknowledged(),
            retries: ledger.retries,
            refusals: self.books.refusals(),
            found,
            audit,
            ran,
        })
    }

    /// What the product's own recount finds to complain about.
    fn audit(&self) -> anyhow::Result<Option<String>> {
        let mut audit = Command::new(&self.erboh);
        audit.args(["audit", "--brokers", &self.flags.brokers, "--board", &self.flags.board_url]);
        let output = audit.output().context("starting erboh audit")?;
        // On standard error is how far it has come, unless it could not begin.
        let words = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        let said = String::from_utf8_lossy(&words).into_owned();
        println!("{}", said.trim());
        Ok((!output.status.success()).then(|| said.trim().replace('\n', "; ")))
    }

    fn down(&mut self) {
        println!("taking everything down …");
        let began = Instant::now();
        let verdict = match self.kube.cluster("down") {
            Ok((true, _)) => Verdict::Kept("no namespace stuck".to_owned()),
            Ok((false, said)) => Verdict::Failed(said),
            Err(error) => Verdict::Failed(format!("{error:#}")),
        };
        self.note("everything taken down", began.elapsed(), verdict);
    }

    /// Date, versions, and what it ran on.
    fn ran(&self) -> anyhow::Result<String> {
        let version = self.kube.kubectl("version --output json")?;
        let version: Value = serde_json::from_str(&version).context("kubectl version")?;
        let kafka = self.kube.get(&format!("kafka kafka --namespace {QUEUING}"))?;
        let flux = self.kube.get("namespace flux-system")?;
        let nodes = self.kube.get("nodes")?;
        let nodes = nodes["items"].as_array().map_or(0, Vec::len);
        let text = |value: &Value| value.as_str().unwrap_or("of unknown version").to_owned();
        let on = self.flags.on.as_ref().map(|on| format!(" ({on})")).unwrap_or_default();
        Ok(format!(
            "Kubernetes {}, Flux {}, Strimzi {}, Kafka {}; nodes: {nodes}{on}; commit {}, {}",
            text(&version["serverVersion"]["gitVersion"]),
            text(&flux["metadata"]["labels"]["app.kubernetes.io/version"]),
            text(&kafka["status"]["operatorLastSuccessfulVersion"]),
            text(&kafka["status"]["kafkaVersion"]),
            machine::commit(),
            machine::today()
        ))
    }
}
