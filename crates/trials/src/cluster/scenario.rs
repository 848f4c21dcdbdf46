//! The scenario: its steps in sequence, the load in parallel, and the audit at the end.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::Flags;
use super::kube::{Kube, QUEUING, must, wait};
use super::load;
use super::node::Nodes;
use super::recount::{ends, recount};
use super::report::{Report, Row, StepResult};
use super::shared::{Shared, StopOnDrop};
use super::steps::{LOADED, QUIET, Step};
use super::tree::Tree;
use super::watch::{BoardClient, watch};
use crate::ratings::rating::Ratings;
use crate::ratings::totals::Totals;
use crate::{machine, start};

/// The Deployments of the application.
pub(super) const CONSUMER: &str = "erboh-consumer";
pub(super) const PRODUCER: &str = "erboh-producer";
/// Limit after a step until a new rating is on the board.
const COUNTED_TIMEOUT: Duration = Duration::from_mins(3);
/// Limit until the board has reached the end of the log, after the load has stopped.
const DRAIN_TIMEOUT: Duration = Duration::from_mins(2);

/// The scenario, with everything that its steps need.
pub(super) struct Scenario<'a> {
    pub(super) flags: &'a Flags,
    pub(super) shared: &'a Shared,
    pub(super) kube: Kube,
    pub(super) tree: Tree,
    pub(super) nodes: Nodes,
    pub(super) client: BoardClient,
    pub(super) erboh: PathBuf,
    /// A unique id of this run.
    pub(super) run: u64,
    rows: Vec<Row>,
    /// Set when the cluster did not become Ready after a step; further steps are skipped.
    stopped: bool,
}

/// Runs the scenario.
///
/// # Errors
/// When it cannot begin, or its result cannot be read.
pub(super) fn run(flags: &Flags) -> anyhow::Result<Report> {
    let run = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default();
    let shared = Shared::new(Ratings::new(run));
    let kube = Kube::new(flags);
    let mut scenario = Scenario {
        flags,
        shared: &shared,
        tree: Tree::open(&kube, &flags.directory, &flags.registry)?,
        kube,
        nodes: Nodes::new(flags),
        client: BoardClient::new(&flags.board_url),
        erboh: start::erboh(flags.erboh.as_deref())?,
        run,
        rows: Vec::new(),
        stopped: false,
    };
    let began = Instant::now();
    scenario.kube.wait_until_ready().context("the scenario requires that everything is Ready")?;
    let text = format!("profile {}, from {}", scenario.tree.profile(), scenario.tree.kind());
    scenario.add_row("everything Ready", began.elapsed(), StepResult::Passed(text));
    let before = scenario.board()?;
    for step in &QUIET {
        scenario.run_step(step, false);
    }
    scenario.under_load()?;
    scenario.finish(&before)
}

impl Scenario<'_> {
    /// The totals of the board.
    pub(super) fn board(&self) -> anyhow::Result<Totals> {
        let url = &self.flags.board_url;
        self.client.totals().with_context(|| format!("the board at {url} does not respond"))
    }

    /// Commits values of the Helm release, and waits until they are rolled out.
    pub(super) fn values(&mut self, values: &Value, message: &str) -> anyhow::Result<()> {
        let patch = json!({"spec": {"values": values}}).to_string();
        self.tree.edit(&self.tree.values(), &patch)?;
        self.tree.commit(&self.kube, message)?;
        self.kube.wait_until_ready()
    }

    /// The committed number of partitions of the ratings.
    pub(super) fn partitions(&self) -> anyhow::Result<u64> {
        let topic = self.kube.get(&format!("kafkatopic erboh-ratings --namespace {QUEUING}"))?;
        topic["spec"]["partitions"].as_u64().context("the topic erboh-ratings has no partitions")
    }

    /// Waits until newly acknowledged ratings are on the board.
    pub(super) fn counts_within(&self, timeout: Duration) -> anyhow::Result<()> {
        let before = self.shared.ledger().acknowledged();
        must(timeout, "a new rating is acknowledged", || {
            Ok(self.shared.ledger().acknowledged() > before)
        })?;
        let newest = self.shared.newest();
        must(timeout, "a new rating is on the board", || Ok(self.shared.is_past(&newest)))
    }

    fn under_load(&mut self) -> anyhow::Result<()> {
        let (shared, flags) = (self.shared, self.flags);
        let url = format!("{}/api/v1/ratings", flags.producer_url.trim_end_matches('/'));
        let interval = Duration::from_secs(1) * load::WORKERS / flags.rate;
        std::thread::scope(|scope| {
            let _stop = StopOnDrop(shared);
            for worker in 0..load::WORKERS {
                // Staggered, so that they do not all send at the same moment.
                let first = Instant::now() + interval * worker / load::WORKERS;
                let url = &url;
                scope.spawn(move || load::work(shared, url, first, interval));
            }
            scope.spawn(|| watch(shared, &flags.board_url));
            self.counts_within(COUNTED_TIMEOUT).context("under load, before any fault")?;
            for step in &LOADED {
                self.run_step(step, true);
            }
            Ok(())
        })
    }

    /// Runs a step, if it was selected and the cluster is usable after the previous steps.
    fn run_step(&mut self, step: &Step, loaded: bool) {
        let only = &self.flags.only;
        let selected = only.is_empty() || only.iter().any(|key| key == step.key);
        // The changes are always reverted.
        let always = step.key == "put-back";
        if !selected && !always {
            return;
        }
        if self.stopped && !always {
            let why = "the cluster was not Ready after an earlier step".to_owned();
            return self.add_row(step.name, Duration::ZERO, StepResult::Skipped(why));
        }
        println!("{} …", step.name);
        let retries = self.shared.ledger().retries;
        self.shared.take_disruption(retries);
        let began = Instant::now();
        let mut outcome = (step.run)(self);
        if loaded && !matches!(outcome, Ok(StepResult::Skipped(_))) {
            let settled =
                self.kube.wait_until_ready().and_then(|()| self.counts_within(COUNTED_TIMEOUT));
            if let Err(error) = settled {
                self.stopped = true;
                outcome = outcome.and(Err(error.context("afterwards")));
            }
        }
        let result = outcome.unwrap_or_else(|error| StepResult::Failed(format!("{error:#}")));
        let disruption = loaded.then(|| self.shared.take_disruption(retries));
        self.rows.push(Row { name: step.name, took: began.elapsed(), disruption, result });
        self.print_last_row();
    }

    fn add_row(&mut self, name: &'static str, took: Duration, result: StepResult) {
        self.rows.push(Row { name, took, disruption: None, result });
        self.print_last_row();
    }

    fn print_last_row(&self) {
        if let Some(row) = self.rows.last() {
            println!("{row}");
        }
    }

    /// Waits until the board has counted everything, then recounts and audits.
    fn finish(mut self, before: &Totals) -> anyhow::Result<Report> {
        println!("load stopped; waiting for the board, then reading the log");
        let brokers = &self.flags.brokers;
        let partitions = i32::try_from(self.partitions()?).context("the number of partitions")?;
        let mut after = Totals::default();
        let drained = wait(DRAIN_TIMEOUT, || {
            after = self.board()?;
            Ok(after.position == ends(brokers, partitions)?)
        })?;
        let recount = recount(brokers, self.shared, before, &after)?;
        let audit = self.audit()?;
        if !drained {
            let why = format!("the board was at {:?} after {DRAIN_TIMEOUT:?}", after.position);
            self.add_row("end of the log on the board", DRAIN_TIMEOUT, StepResult::Failed(why));
        }
        let ran = self.ran()?;
        if self.flags.down {
            self.down();
        }
        let ledger = self.shared.ledger();
        Ok(Report {
            rows: self.rows,
            rate: self.flags.rate,
            sent: ledger.sent(),
            acknowledged: ledger.acknowledged(),
            retries: ledger.retries,
            rejections: self.shared.rejections(),
            recount,
            audit,
            ran,
        })
    }

    /// The output of `erboh audit`, if it failed.
    fn audit(&self) -> anyhow::Result<Option<String>> {
        let mut audit = Command::new(&self.erboh);
        audit.args(["audit", "--brokers", &self.flags.brokers, "--board", &self.flags.board_url]);
        let output = audit.output().context("starting erboh audit")?;
        // Standard error has the progress, or the error if the audit could not begin.
        let bytes = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        println!("{}", text.trim());
        Ok((!output.status.success()).then(|| text.trim().replace('\n', "; ")))
    }

    fn down(&mut self) {
        println!("removing everything …");
        let began = Instant::now();
        let result = match self.kube.cluster("down") {
            Ok((true, _)) => StepResult::Passed("no namespace stuck".to_owned()),
            Ok((false, output)) => StepResult::Failed(output),
            Err(error) => StepResult::Failed(format!("{error:#}")),
        };
        self.add_row("everything removed", began.elapsed(), result);
    }

    /// Versions, machine, commit and date.
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
