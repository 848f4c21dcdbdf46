//! A campaign: starts the system, injects faults, and verifies the result.
//!
//! ```text
//!                    ┌ producer-0 ┐ own link to each   ┌ broker 1 ┐   own link to each ┌ consumer-0 ┐
//!  load, 16 threads ─┤            ├────────────────────┤ broker 2 ├────────────────────┤ consumer-1 ├─ 3 watches
//!                    └ producer-1 ┘                    └ broker 3 ┘                    └ consumer-2 ┘
//!        └──────────────────────── ledger ── verdict ── log, totals, boards ─────────────────┘
//! ```

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use erboh_testbed::{Cluster, ClusterSettings};

use super::fault::{BROKERS, CONSUMERS, Fault, PARTITIONS, PRODUCERS};
use super::injector::link_name;
use super::observer::GROUP;
use super::replica::{Program, Replica};
use super::report::Report;
use super::run::Run;
use super::schedule::Schedule;
use super::shared::{Shared, StopOnDrop};
use super::violation::{Guarantee, Violations};
use super::watch::BoardClient;
use super::{NegativeControl, verdict};
use crate::ratings::rating::Ratings;

/// The default of `group.min.session.timeout.ms`.
const SESSION_MS: u32 = 6_000;
/// Session timeout of a naive consumer in a run without faults: a stalled machine must not look
/// like a fault.
const CONTROL_SESSION_MS: u32 = 30_000;
/// `broker.session.timeout.ms`, Kafka's default.
const BROKER_SESSION_MS: u32 = 9_000;
/// `broker.heartbeat.interval.ms`, Kafka's default.
const BROKER_HEARTBEAT_MS: u32 = 2_000;
/// Heap of each broker.
const HEAP_MB: u32 = 384;

/// The settings of a campaign.
pub(super) struct Campaign {
    pub(super) erboh: PathBuf,
    pub(super) directory: PathBuf,
    pub(super) seed: u64,
    pub(super) duration: Duration,
    pub(super) rate: u32,
    pub(super) control: Option<NegativeControl>,
    /// The kinds of faults to inject.
    pub(super) kinds: Vec<Fault>,
}

/// The running system.
pub(super) struct System {
    pub(super) cluster: Mutex<Cluster>,
    /// The bootstrap servers without a link.
    pub(super) bootstrap: String,
    pub(super) consumers: Vec<Replica>,
    pub(super) producers: Vec<Replica>,
}

impl Campaign {
    /// Runs the campaign.
    ///
    /// # Errors
    /// When the campaign could not be carried out. Violated guarantees are not an error.
    pub(super) fn run(&self) -> anyhow::Result<(Report, Violations)> {
        let shared = Shared::new(Ratings::new(self.seed));
        let system = self.set_up()?;
        let run = Run::new(&shared, &system, self.control != Some(NegativeControl::Acks0))?;
        let baseline = std::thread::scope(|scope| {
            let _stop = StopOnDrop(&shared);
            scope.spawn(|| super::interrupt::watch(&shared));
            run.wait_until_ready()?;
            println!("all ready; {} ratings/s, seed {}", self.rate, self.seed);
            run.start(scope, self.rate);
            let baseline = run.measure_baseline();
            let schedule = Schedule::new(self.seed, self.duration, &self.kinds);
            run.inject_faults(&schedule, self.duration)?;
            run.drain();
            Ok::<_, anyhow::Error>(baseline)
        })?;
        if shared.was_interrupted() {
            bail!("interrupted");
        }
        self.verify(&run, &baseline)
    }

    /// Starts the cluster and all replicas.
    fn set_up(&self) -> anyhow::Result<System> {
        let clients = 0..CONSUMERS + PRODUCERS;
        let settings = ClusterSettings {
            brokers: BROKERS,
            links: clients.clone().map(link_name).collect(),
            properties: vec![
                ("broker.session.timeout.ms".to_owned(), BROKER_SESSION_MS.to_string()),
                ("broker.heartbeat.interval.ms".to_owned(), BROKER_HEARTBEAT_MS.to_string()),
            ],
            heap_mb: HEAP_MB,
            directory: Some(self.directory.join("cluster")),
            ..ClusterSettings::default()
        };
        println!("starting {BROKERS} brokers; logs are in {}", self.directory.display());
        let cluster = Cluster::start(&settings).map_err(|reason| anyhow!(reason))?;
        let ports =
            erboh_testbed::free_ports(2 * clients.len()).map_err(|reason| anyhow!(reason))?;
        let replica = |client: usize| {
            let ports = [ports[2 * client], ports[2 * client + 1]];
            let bootstrap = cluster.bootstrap_via(&link_name(client));
            let program = self.program(client, ports, &bootstrap)?;
            let replica = Replica::new(&link_name(client), ports, program, &self.directory);
            replica.start().map(|()| replica)
        };
        Ok(System {
            consumers: clients
                .clone()
                .take(CONSUMERS)
                .map(replica)
                .collect::<anyhow::Result<_>>()?,
            producers: clients.skip(CONSUMERS).map(replica).collect::<anyhow::Result<_>>()?,
            bootstrap: cluster.bootstrap(),
            cluster: Mutex::new(cluster),
        })
    }

    /// The command line of one client.
    fn program(
        &self,
        client: usize,
        [port, ops_port]: [u16; 2],
        bootstrap: &str,
    ) -> anyhow::Result<Program> {
        let is_consumer = client < CONSUMERS;
        let mut words = vec![
            format!("--listen=127.0.0.1:{port}"),
            format!("--ops-listen=127.0.0.1:{ops_port}"),
            format!("--brokers={bootstrap}"),
        ];
        if is_consumer {
            words.push(format!("--group={GROUP}"));
        }
        let naive = match self.control {
            Some(NegativeControl::AutoCommit) if is_consumer => {
                words.push(format!("--directory={}", self.directory.join("naive").display()));
                let without_faults = self.kinds.is_empty();
                let session_ms = if without_faults { CONTROL_SESSION_MS } else { SESSION_MS };
                words.push(format!("--session-ms={session_ms}"));
                Some("naive-consumer")
            }
            Some(NegativeControl::Acks0) if !is_consumer => Some("naive-producer"),
            _ => None,
        };
        let role = naive.unwrap_or(if is_consumer { "consumer" } else { "producer" });
        if naive.is_none() {
            words.push(format!("--partitions={PARTITIONS}"));
            words.push(format!("--replication={BROKERS}"));
            words.push("--log-format=text".to_owned());
            if is_consumer {
                words.push(format!("--instance-id={}", link_name(client)));
                words.push(format!("--kafka-property=session.timeout.ms={SESSION_MS}"));
            }
        }
        let path = match naive {
            Some(_) => std::env::current_exe().context("the path of this program")?,
            None => self.erboh.clone(),
        };
        let arguments = std::iter::once(role.to_owned()).chain(words);
        Ok(Program { path, arguments: arguments.map(OsString::from).collect() })
    }

    /// Verifies the log, the boards and the audit, stops the replicas, and reports.
    fn verify(&self, run: &Run<'_>, baseline: &[u64]) -> anyhow::Result<(Report, Violations)> {
        println!("reading the whole log");
        let Run { shared, system, .. } = run;
        let naive_consumers = self.control == Some(NegativeControl::AutoCommit);
        let ledger = shared.ledger();
        let evidence =
            verdict::verify_log(&system.bootstrap, shared.ratings, &ledger, naive_consumers)?;
        let mut violations = shared.violations();
        violations.extend(evidence.violations);
        let client = BoardClient::new();
        for replica in &system.consumers {
            match client.totals(replica) {
                Some(board) => {
                    verdict::check_board(&replica.name, &board, &evidence.totals, &mut violations);
                }
                None => violations.add(
                    Guarantee::CountedOnce,
                    format!("the board of {} does not respond", replica.name),
                ),
            }
        }
        let audit = match self.control {
            None => super::audit::run(&self.erboh, system, &mut violations)?,
            Some(_) => "skipped for naive services".to_owned(),
        };
        for replica in system.consumers.iter().chain(&system.producers) {
            if let Err(error) = replica.stop() {
                violations.add(Guarantee::Behaves, error.to_string());
            }
        }
        let report = Report {
            faults: run.injected_faults(baseline, &mut violations),
            seed: self.seed,
            minutes: self.duration.as_secs_f64() / 60.0,
            rate: self.rate,
            sent: ledger.sent(),
            acknowledged: ledger.acknowledged(),
            retries: ledger.retries,
            records: evidence.records,
            counted: evidence.totals.counted,
            duplicates: evidence.totals.duplicates,
            dead: evidence.totals.dead,
            snapshots: evidence.snapshots,
            polls: shared.polls.load(std::sync::atomic::Ordering::Relaxed),
            audit,
            violations: violations.guarantees(),
            ..Report::default()
        };
        Ok((report, violations))
    }
}
