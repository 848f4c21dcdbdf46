//! Fault injection: carries out the schedule with one thread per lane.
//!
//! ```text
//!  event ─► mark the start ─► inject ─► wait ─► heal ─► mark the end
//! ```

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Error, bail};
use erboh_testbed::{Cluster, Signal};

use super::fault::{BROKERS, CONSUMERS, Fault, PRODUCERS, Target};
use super::foreign_client::ForeignClient;
use super::observer::Observer;
use super::random::Random;
use super::replica::Replica;
use super::schedule::Event;
use super::shared::{Shared, lock};
use super::violation::Guarantee;
use crate::ratings::client::{Client, SendOutcome};
use crate::ratings::ledger::{RecordLocation, State};

/// Ratings that one flood sends again over HTTP, and again from a foreign client.
const FLOOD_RATINGS: usize = 1_500;
/// Threads of a flood.
const FLOOD_WORKERS: usize = 4;
/// Limit of a flood: with an unresponsive producer it would take minutes.
const FLOOD_TIMEOUT: Duration = Duration::from_secs(8);
/// Malformed records per fault.
const MALFORMED_RECORDS: usize = 200;
/// Limit until all replicas are in sync again; a JVM starts slowly on a loaded machine.
const SYNC_TIMEOUT: Duration = Duration::from_mins(3);
/// Poll interval of the in-sync replicas.
const SYNC_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// A fault that was injected, with the ids of its recovery measurements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Injection {
    pub(super) fault: Fault,
    pub(super) began: Instant,
    pub(super) healed: Instant,
    pub(super) from_begin: u64,
    pub(super) from_heal: u64,
}

/// Injects faults into a running system.
pub(super) struct FaultInjector<'a> {
    pub(super) shared: &'a Shared,
    pub(super) cluster: &'a Mutex<Cluster>,
    pub(super) consumers: &'a [Replica],
    pub(super) producers: &'a [Replica],
    pub(super) producer_urls: &'a [String; PRODUCERS],
    pub(super) observer: &'a Observer,
    pub(super) foreign_client: &'a Mutex<ForeignClient>,
    pub(super) start: Instant,
    pub(super) done: &'a Mutex<Vec<Injection>>,
    /// Held during an isolated fault, until the system has recovered.
    pub(super) isolation: &'a Mutex<()>,
    /// Whether recovery can be measured.
    pub(super) measures: bool,
}

impl FaultInjector<'_> {
    /// Injects the faults of one lane.
    ///
    /// # Errors
    /// When a fault cannot be injected or healed. This says nothing about the system under test.
    pub(super) fn run(&self, events: &[Event]) -> anyhow::Result<()> {
        for event in events {
            if !self.shared.sleep_until(self.start + Duration::from_millis(event.at_ms)) {
                return Ok(());
            }
            // A concurrent fault only waits for the end of an isolated one. On a slow machine both
            // start late, which is better than a wrong measurement.
            let isolation = Some(lock(self.isolation)).filter(|_| event.isolated);
            if event.isolated {
                self.wait_for_recovery();
            }
            println!("{:>8.1} s  {event}", self.start.elapsed().as_secs_f64());
            let (began, from_begin) = self.mark();
            self.inject(event).map_err(|error| error.context(event.to_string()))?;
            let (healed, from_heal) = self.mark();
            let fault = event.fault;
            lock(self.done).push(Injection { fault, began, healed, from_begin, from_heal });
            if event.isolated {
                self.wait_for_recovery();
            }
            if event.target.lane() == super::fault::Lane::Brokers {
                self.wait_for_sync()?;
            }
            drop(isolation);
        }
        Ok(())
    }

    fn mark(&self) -> (Instant, u64) {
        let now = Instant::now();
        (now, self.shared.recoveries().begin(now))
    }

    /// Waits with a limit until the system has recovered from all faults so far. A missing recovery
    /// is reported at the end.
    fn wait_for_recovery(&self) {
        let end = Instant::now() + SYNC_TIMEOUT;
        self.shared.wait(end, || !self.measures || self.shared.recoveries().open() == 0);
    }

    fn inject(&self, event: &Event) -> anyhow::Result<()> {
        let duration = Duration::from_millis(event.duration_ms);
        match event.target {
            Target::Consumer(number) => {
                self.shared.recoveries().running(number, false);
                self.disturb(&self.consumers[number], event.fault, duration)?;
                self.shared.recoveries().running(number, true);
                Ok(())
            }
            Target::Producer(number) => {
                self.disturb(&self.producers[number], event.fault, duration)
            }
            Target::LeaderOf(partition) => {
                let leader = self.observer.leader(partition)?;
                self.kill_broker(leader, duration)
            }
            Target::Controller => {
                let controller = lock(self.cluster).active_controller().map_err(Error::msg)?;
                self.kill_broker(controller, duration)
            }
            Target::Broker(broker) => {
                lock(self.cluster).pause(broker).map_err(Error::msg)?;
                self.hold(duration);
                lock(self.cluster).resume(broker).map_err(Error::msg)
            }
            Target::AllBrokers => (1..=BROKERS).try_for_each(|broker| self.restart_broker(broker)),
            Target::Link { client, broker } => {
                self.disturb_link(client, broker, event.fault, duration);
                Ok(())
            }
            Target::Queue if event.fault == Fault::DuplicateFlood => self.flood(),
            Target::Queue => {
                let mut random = Random::new(event.at_ms);
                lock(self.foreign_client).write_malformed(&mut random, MALFORMED_RECORDS)
            }
        }
    }

    /// Keeps a fault active. It returns early when the campaign stops, so that the fault is healed.
    fn hold(&self, duration: Duration) {
        self.shared.sleep_until(Instant::now() + duration);
    }

    fn disturb(&self, replica: &Replica, fault: Fault, duration: Duration) -> anyhow::Result<()> {
        if matches!(fault, Fault::ConsumerFrozen | Fault::ProducerFrozen) {
            replica.signal(Signal::Stop)?;
            self.hold(duration);
            replica.signal(Signal::Continue)
        } else {
            replica.kill()?;
            self.hold(duration);
            replica.start()
        }
    }

    fn kill_broker(&self, broker: u32, duration: Duration) -> anyhow::Result<()> {
        lock(self.cluster).kill(broker).map_err(Error::msg)?;
        self.hold(duration);
        lock(self.cluster).start_without_waiting(broker).map_err(Error::msg)
    }

    fn restart_broker(&self, broker: u32) -> anyhow::Result<()> {
        lock(self.cluster).stop(broker).map_err(Error::msg)?;
        lock(self.cluster).start_without_waiting(broker).map_err(Error::msg)?;
        self.wait_for_sync()
    }

    fn disturb_link(&self, client: usize, broker: u32, fault: Fault, duration: Duration) {
        let name = link_name(client);
        if fault == Fault::LinkReset {
            return lock(self.cluster).link(&name, broker).reset();
        }
        lock(self.cluster).link(&name, broker).cut();
        self.hold(duration);
        lock(self.cluster).link(&name, broker).heal();
    }

    /// Sends ratings again that are in the log: over HTTP, and as copies by the foreign client.
    fn flood(&self) -> anyhow::Result<()> {
        let copies: Vec<(u64, RecordLocation)> = {
            let ledger = self.shared.ledger();
            let located = |number: u64| match ledger.state(number) {
                Some(State::Acknowledged(Some(location))) => Some((number, location)),
                _ => None,
            };
            ledger.newest_acknowledged(FLOOD_RATINGS).into_iter().filter_map(located).collect()
        };
        std::thread::scope(|scope| {
            for share in copies.chunks(copies.len().div_ceil(FLOOD_WORKERS).max(1)) {
                scope.spawn(|| self.resend(share));
            }
        });
        lock(self.foreign_client).copy(self.shared.ratings, &copies)
    }

    fn resend(&self, copies: &[(u64, RecordLocation)]) {
        let client = Client::new();
        let end = Instant::now() + FLOOD_TIMEOUT;
        for (number, _) in copies {
            if self.shared.is_stopping() || Instant::now() >= end {
                return;
            }
            let ratings = self.shared.ratings;
            let (id, rating) = (ratings.id(*number).to_string(), ratings.json(*number));
            let url = &self.producer_urls[*number as usize % PRODUCERS];
            if let SendOutcome::Rejected(reason) = client.send(url, &id, &rating) {
                self.shared.violated(Guarantee::Behaves, format!("resent rating {id}: {reason}"));
            }
        }
    }

    /// Waits until all brokers are up and all replicas are in sync. The next failed broker would
    /// otherwise leave too few in-sync replicas.
    fn wait_for_sync(&self) -> anyhow::Result<()> {
        let end = Instant::now() + SYNC_TIMEOUT;
        let synced = self.shared.wait(end, || {
            let in_sync = self.observer.is_in_sync();
            if !in_sync {
                std::thread::sleep(SYNC_POLL_INTERVAL);
            }
            in_sync
        });
        if synced || self.shared.is_stopping() {
            return Ok(());
        }
        bail!(
            "under-replicated partitions {SYNC_TIMEOUT:?} after a fault; see the logs of the brokers"
        )
    }
}

/// The name of the links between a client (consumers first) and the brokers.
pub(super) fn link_name(client: usize) -> String {
    match client.checked_sub(CONSUMERS) {
        None => format!("consumer-{client}"),
        Some(producer) => format!("producer-{producer}"),
    }
}
