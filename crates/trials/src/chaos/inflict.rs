//! Inflict: carries the schedule out, one thread a lane.
//!
//! ```text
//!  event ─► mark: from its beginning ─► do it ─► wait ─► heal it ─► mark: from its end
//! ```

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use erboh_testbed::{Cluster, Signal};

use super::fault::{BROKERS, CONSUMERS, Fault, PRODUCERS, Target};
use super::observer::Observer;
use super::random::Random;
use super::replica::Replica;
use super::schedule::Event;
use super::shared::{Shared, lock};
use super::stranger::Stranger;
use super::violation::Promise;
use crate::ratings::client::{Answer, Client};
use crate::ratings::ledger::{Place, State};

/// Ratings that come again in one flood, once over HTTP and once from a stranger.
const FLOOD_RATINGS: usize = 1_500;
/// Threads that send them.
const FLOOD_WORKERS: usize = 4;
/// How long they go on at most: with a producer that does not answer it would take minutes.
const FLOOD_WAIT: Duration = Duration::from_secs(8);
/// Records of one lot that are no ratings.
const LITTER_RECORDS: usize = 200;
/// How long the brokers may take to be in sync again; a JVM starts slowly on a busy machine.
const SYNC_WAIT: Duration = Duration::from_mins(3);
/// How often that is looked at.
const SYNC_LOOK_EVERY: Duration = Duration::from_millis(200);

/// A fault that was inflicted, with the names of the measurements of its recovery.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done {
    pub(super) fault: Fault,
    pub(super) began: Instant,
    pub(super) healed: Instant,
    pub(super) from_begin: u64,
    pub(super) from_heal: u64,
}

/// All that can be broken.
pub(super) struct Inflictor<'a> {
    pub(super) shared: &'a Shared,
    pub(super) cluster: &'a Mutex<Cluster>,
    pub(super) consumers: &'a [Replica],
    pub(super) producers: &'a [Replica],
    pub(super) producer_urls: &'a [String; PRODUCERS],
    pub(super) observer: &'a Observer,
    pub(super) stranger: &'a Mutex<Stranger>,
    pub(super) start: Instant,
    pub(super) done: &'a Mutex<Vec<Done>>,
    /// Held by a fault that comes alone, until the whole works again.
    pub(super) solo: &'a Mutex<()>,
    /// Whether recovery can be measured.
    pub(super) measures: bool,
}

impl Inflictor<'_> {
    /// Carries out the events of one lane.
    ///
    /// # Errors
    /// When something cannot be broken or healed; that says nothing about what is tested.
    pub(super) fn run(&self, events: &[Event]) -> anyhow::Result<()> {
        for event in events {
            if !self.shared.sleep_until(self.start + Duration::from_millis(event.at_ms)) {
                return Ok(());
            }
            // Whoever comes among others only waits for one that comes alone. On a slow machine
            // either is late then, which is better than a measurement of something else.
            let solo = Some(lock(self.solo)).filter(|_| event.alone);
            if event.alone {
                self.wait_for_recovery();
            }
            println!("{:>8.1} s  {event}", self.start.elapsed().as_secs_f64());
            let (began, from_begin) = self.mark();
            self.inflict(event).map_err(|error| error.context(event.to_string()))?;
            let (healed, from_heal) = self.mark();
            let fault = event.fault;
            lock(self.done).push(Done { fault, began, healed, from_begin, from_heal });
            if event.alone {
                self.wait_for_recovery();
            }
            if event.target.lane() == super::fault::Lane::Brokers {
                self.wait_for_sync()?;
            }
            drop(solo);
        }
        Ok(())
    }

    fn mark(&self) -> (Instant, u64) {
        let now = Instant::now();
        (now, self.shared.recoveries().begin(now))
    }

    /// Waits until the whole works again after all faults so far; not for ever, because that is
    /// judged at the end.
    fn wait_for_recovery(&self) {
        let end = Instant::now() + SYNC_WAIT;
        self.shared.wait(end, || !self.measures || self.shared.recoveries().open() == 0);
    }

    fn inflict(&self, event: &Event) -> anyhow::Result<()> {
        let lasts = Duration::from_millis(event.lasts_ms);
        match event.target {
            Target::Consumer(number) => {
                self.shared.recoveries().running(number, false);
                self.disturb(&self.consumers[number], event.fault, lasts)?;
                self.shared.recoveries().running(number, true);
                Ok(())
            }
            Target::Producer(number) => self.disturb(&self.producers[number], event.fault, lasts),
            Target::LeaderOf(partition) => {
                let leader = self.observer.leader(partition)?;
                self.kill_broker(leader, lasts)
            }
            Target::Controller => {
                let controller = lock(self.cluster).active_controller().map_err(said)?;
                self.kill_broker(controller, lasts)
            }
            Target::Broker(broker) => {
                lock(self.cluster).pause(broker).map_err(said)?;
                self.last(lasts);
                lock(self.cluster).resume(broker).map_err(said)
            }
            Target::AllBrokers => (1..=BROKERS).try_for_each(|broker| self.restart_broker(broker)),
            Target::Link { client, broker } => {
                self.disturb_link(client, broker, event.fault, lasts);
                Ok(())
            }
            Target::Queue if event.fault == Fault::DuplicateFlood => self.flood(),
            Target::Queue => {
                let mut random = Random::new(event.at_ms);
                lock(self.stranger).litter(&mut random, LITTER_RECORDS)
            }
        }
    }

    /// Lets a fault last; its healing follows also if everything ends.
    fn last(&self, lasts: Duration) {
        self.shared.sleep_until(Instant::now() + lasts);
    }

    fn disturb(&self, replica: &Replica, fault: Fault, lasts: Duration) -> anyhow::Result<()> {
        if matches!(fault, Fault::ConsumerFrozen | Fault::ProducerFrozen) {
            replica.signal(Signal::Stop)?;
            self.last(lasts);
            replica.signal(Signal::Continue)
        } else {
            replica.kill()?;
            self.last(lasts);
            replica.start()
        }
    }

    fn kill_broker(&self, broker: u32, lasts: Duration) -> anyhow::Result<()> {
        lock(self.cluster).kill(broker).map_err(said)?;
        self.last(lasts);
        lock(self.cluster).start_without_waiting(broker).map_err(said)
    }

    fn restart_broker(&self, broker: u32) -> anyhow::Result<()> {
        lock(self.cluster).stop(broker).map_err(said)?;
        lock(self.cluster).start_without_waiting(broker).map_err(said)?;
        self.wait_for_sync()
    }

    fn disturb_link(&self, client: usize, broker: u32, fault: Fault, lasts: Duration) {
        let name = link_name(client);
        if fault == Fault::LinkReset {
            return lock(self.cluster).link(&name, broker).reset();
        }
        lock(self.cluster).link(&name, broker).cut();
        self.last(lasts);
        lock(self.cluster).link(&name, broker).heal();
    }

    /// Sends ratings again that are on the queue: over HTTP, and as a stranger's copies.
    fn flood(&self) -> anyhow::Result<()> {
        let copies: Vec<(u64, Place)> = {
            let ledger = self.shared.ledger();
            let placed = |number: u64| match ledger.state(number) {
                Some(State::Acknowledged(Some(place))) => Some((number, place)),
                _ => None,
            };
            ledger.newest_acknowledged(FLOOD_RATINGS).into_iter().filter_map(placed).collect()
        };
        std::thread::scope(|scope| {
            for share in copies.chunks(copies.len().div_ceil(FLOOD_WORKERS).max(1)) {
                scope.spawn(|| self.send_again(share));
            }
        });
        lock(self.stranger).copy(self.shared.ratings, &copies)
    }

    fn send_again(&self, copies: &[(u64, Place)]) {
        let client = Client::new();
        let end = Instant::now() + FLOOD_WAIT;
        for (number, _) in copies {
            if self.shared.is_over() || Instant::now() >= end {
                return;
            }
            let ratings = self.shared.ratings;
            let (id, rating) = (ratings.id(*number).to_string(), ratings.json(*number));
            let url = &self.producer_urls[*number as usize % PRODUCERS];
            if let Answer::Refused(reason) = client.send(url, &id, &rating) {
                self.shared.violated(Promise::Behaves, format!("rating {id} again: {reason}"));
            }
        }
    }

    /// Waits until all brokers are up and all replicas are in sync: the next broker to fail would
    /// otherwise leave too few.
    fn wait_for_sync(&self) -> anyhow::Result<()> {
        let end = Instant::now() + SYNC_WAIT;
        let synced = self.shared.wait(end, || {
            let whole = self.observer.is_whole();
            if !whole {
                std::thread::sleep(SYNC_LOOK_EVERY);
            }
            whole
        });
        if synced || self.shared.is_over() {
            return Ok(());
        }
        bail!("the brokers are not in sync {SYNC_WAIT:?} after a fault; see their logs")
    }
}

/// The name of the proxies between a client (consumers first) and the brokers.
pub(super) fn link_name(client: usize) -> String {
    match client.checked_sub(CONSUMERS) {
        None => format!("consumer-{client}"),
        Some(producer) => format!("producer-{producer}"),
    }
}

fn said(reason: String) -> anyhow::Error {
    anyhow!(reason)
}
