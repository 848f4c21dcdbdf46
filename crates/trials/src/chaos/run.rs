//! A run: the system under load while faults are injected, until it has drained.
//!
//! ```text
//!  ready ─► load, watchers ─► baseline ─► faults, lane by lane ─► recovered ─► load stopped ─► drained
//! ```

use std::sync::Mutex;
use std::thread::Scope;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};

use super::campaign::System;
use super::fault::PRODUCERS;
use super::foreign_client::ForeignClient;
use super::injector::{FaultInjector, Injection};
use super::load;
use super::observer::Observer;
use super::replica::Replica;
use super::report::FaultReport;
use super::schedule::{Event, Schedule};
use super::shared::{Shared, lock};
use super::violation::{Guarantee, Violations};
use super::watch::{BoardClient, CommitHistory, watch};

/// Limit until all processes are ready at the start.
const READY_TIMEOUT: Duration = Duration::from_mins(3);
/// Limit of the open recoveries after the last fault.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(90);
/// Limit until all boards have reached the end of the log, after the load has drained.
const BOARDS_TIMEOUT: Duration = Duration::from_secs(90);
/// Poll interval of a condition.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Poll interval of the committed offsets.
const COMMIT_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Poll interval of unexpected exits.
const EXIT_POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Baseline measurements without a fault.
const BASELINE_RUNS: u64 = 4;
/// Limit of a baseline measurement.
const BASELINE_TIMEOUT: Duration = Duration::from_secs(30);

/// The system under load.
pub(super) struct Run<'a> {
    pub(super) shared: &'a Shared,
    pub(super) system: &'a System,
    urls: [String; PRODUCERS],
    observer: Observer,
    foreign_client: Mutex<ForeignClient>,
    commits: Mutex<CommitHistory>,
    done: Mutex<Vec<Injection>>,
    /// Whether producers return offsets; recovery cannot be measured otherwise.
    has_offsets: bool,
}

impl<'a> Run<'a> {
    /// Connects to the system; the load is started by [`Self::start`].
    pub(super) fn new(
        shared: &'a Shared,
        system: &'a System,
        has_offsets: bool,
    ) -> anyhow::Result<Self> {
        let url = |producer: &Replica| producer.url("/api/v1/ratings");
        let urls: Vec<String> = system.producers.iter().map(url).collect();
        Ok(Self {
            shared,
            system,
            urls: urls.try_into().map_err(|_| anyhow!("expected {PRODUCERS} producers"))?,
            observer: Observer::connect(&system.bootstrap)?,
            foreign_client: Mutex::new(ForeignClient::connect(&system.bootstrap)?),
            commits: Mutex::default(),
            done: Mutex::default(),
            has_offsets,
        })
    }

    fn replicas(&self) -> impl Iterator<Item = &'a Replica> {
        self.system.consumers.iter().chain(&self.system.producers)
    }

    /// Waits until every process is ready.
    pub(super) fn wait_until_ready(&self) -> anyhow::Result<()> {
        let client = BoardClient::new();
        let end = Instant::now() + READY_TIMEOUT;
        for replica in self.replicas() {
            let ready = self.shared.wait(end, || {
                std::thread::sleep(POLL_INTERVAL);
                client.is_ready(replica)
            });
            if !ready && !self.shared.is_stopping() {
                bail!("{} is not ready after {READY_TIMEOUT:?}; see its log", replica.name);
            }
        }
        let mut recoveries = self.shared.recoveries();
        (0..self.system.consumers.len()).for_each(|number| recoveries.running(number, true));
        Ok(())
    }

    /// Starts the load and the watchers.
    pub(super) fn start<'s>(&'s self, scope: &'s Scope<'s, '_>, rate: u32) {
        let interval = Duration::from_secs(1) * load::WORKERS / rate;
        for worker in 0..load::WORKERS {
            // Staggered, so that they do not all send at the same moment.
            let first = Instant::now() + interval * worker / load::WORKERS;
            scope.spawn(move || load::work(self.shared, &self.urls, first, interval));
        }
        for (number, replica) in self.system.consumers.iter().enumerate() {
            scope.spawn(move || watch(self.shared, replica, number, &self.commits));
        }
        scope.spawn(|| self.record_commits());
        scope.spawn(|| self.restart_exited());
    }

    fn record_commits(&self) {
        while self.shared.sleep_until(Instant::now() + COMMIT_POLL_INTERVAL) {
            if let Ok(committed) = self.observer.committed() {
                lock(&self.commits).record(Instant::now(), committed);
            }
        }
    }

    fn restart_exited(&self) {
        while self.shared.sleep_until(Instant::now() + EXIT_POLL_INTERVAL) {
            for proof in self.replicas().filter_map(Replica::restart_if_exited) {
                self.shared.violated(Guarantee::Behaves, proof);
            }
        }
    }

    /// Measures "recoveries" without a fault, to know the duration of the measurement itself.
    pub(super) fn measure_baseline(&self) -> Vec<u64> {
        let measure = |_| {
            let id = self.shared.recoveries().begin(Instant::now());
            let end = Instant::now() + BASELINE_TIMEOUT;
            self.shared.wait(end, || self.shared.recoveries().took(id).is_some());
            id
        };
        if !self.has_offsets {
            return Vec::new();
        }
        // The first one includes one-time work such as connecting.
        measure(0);
        (0..BASELINE_RUNS).map(measure).collect()
    }

    /// Carries out the schedule and waits until the system has recovered.
    ///
    /// # Errors
    /// When a fault could not be injected or healed.
    pub(super) fn inject_faults(
        &self,
        schedule: &Schedule,
        duration: Duration,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        let injector = FaultInjector {
            shared: self.shared,
            cluster: &self.system.cluster,
            consumers: &self.system.consumers,
            producers: &self.system.producers,
            producer_urls: &self.urls,
            observer: &self.observer,
            foreign_client: &self.foreign_client,
            start,
            done: &self.done,
            isolation: &Mutex::default(),
            measures: self.has_offsets,
        };
        std::thread::scope(|scope| {
            let injector = &injector;
            // An error in one lane stops the campaign.
            let run = |events: Vec<Event>| {
                scope.spawn(move || injector.run(&events).inspect_err(|_| self.shared.stop()))
            };
            let threads: Vec<_> = schedule.lanes().into_values().map(run).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, anyhow::Result<()>>| {
                thread.join().map_err(|_| anyhow!("a lane panicked"))?
            };
            let results: Vec<_> = threads.into_iter().map(join).collect();
            results.into_iter().collect::<anyhow::Result<()>>()
        })?;
        self.shared.sleep_until(start + duration);
        let end = Instant::now() + RECOVERY_TIMEOUT;
        self.shared.wait(end, || !self.has_offsets || self.shared.recoveries().open() == 0);
        Ok(())
    }

    /// Stops the load and waits until every board has reached the end of the log.
    pub(super) fn drain(&self) {
        self.shared.stop_load();
        println!("load stopped; waiting for the boards");
        let end = Instant::now() + load::DRAIN_TIMEOUT + BOARDS_TIMEOUT;
        let client = BoardClient::new();
        self.shared.wait(end, || {
            // Checked before the end offsets are read, or the last rating might be behind them.
            let all_sent = self.shared.workers() == 0;
            std::thread::sleep(POLL_INTERVAL);
            let Ok(ends) = self.observer.ends() else { return false };
            let caught_up =
                |replica| client.totals(replica).is_some_and(|totals| totals.position == ends);
            all_sent && self.system.consumers.iter().all(caught_up)
        });
    }

    /// The injected faults with their recovery times. A missing recovery is a violation.
    pub(super) fn injected_faults(
        &self,
        baseline: &[u64],
        violations: &mut Violations,
    ) -> Vec<FaultReport> {
        let recoveries = self.shared.recoveries();
        let without_fault = baseline.iter().map(|id| FaultReport {
            fault: None,
            isolated: true,
            from_begin: recoveries.took(*id),
            from_heal: None,
        });
        let mut all: Vec<FaultReport> = without_fault.collect();
        let done = lock(&self.done);
        let recovered = |done: &Injection| {
            let from_begin = done.began + recoveries.took(done.from_begin).unwrap_or_default();
            from_begin.max(done.healed + recoveries.took(done.from_heal).unwrap_or_default())
        };
        let spans: Vec<_> = done.iter().map(|done| (done.began, recovered(done))).collect();
        for (injection, isolated) in done.iter().zip(isolated(&spans)) {
            let Injection { fault, from_begin, from_heal, .. } = *injection;
            let from_begin = recoveries.took(from_begin);
            let from_heal = recoveries.took(from_heal);
            if self.has_offsets && (from_begin.is_none() || from_heal.is_none()) {
                let proof = format!(
                    "{}: ratings sent after it were not on every board {RECOVERY_TIMEOUT:?} after \
                     the last fault",
                    fault.name()
                );
                violations.add(Guarantee::Recovers, proof);
            }
            all.push(FaultReport { fault: Some(fault), isolated, from_begin, from_heal });
        }
        all
    }
}

/// Which of these spans, each from a fault to the last recovery from it, overlap no other.
fn isolated(spans: &[(Instant, Instant)]) -> Vec<bool> {
    let is_isolated = |index: usize| {
        let (began, recovered) = spans[index];
        let others = spans.iter().enumerate().filter(|(other, _)| *other != index);
        let mut others = others.map(|(_, span)| span);
        others.all(|(start, end)| *end <= began || *start >= recovered)
    };
    (0..spans.len()).map(is_isolated).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_without_overlap_is_isolated() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let spans = [(0, 5), (4, 6), (6, 9), (20, 30), (21, 22)].map(|(a, b)| (at(a), at(b)));
        assert_eq!(isolated(&spans), [false, false, true, false, false]);
    }
}
