//! Run: a system under load, watched and broken, until it has come to rest.
//!
//! ```text
//!  ready ─► load, watches ─► undisturbed ─► faults, lane by lane ─► recovered ─► no more load ─► at rest
//! ```

use std::sync::Mutex;
use std::thread::Scope;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};

use super::campaign::System;
use super::fault::PRODUCERS;
use super::inflict::{Done, Inflictor};
use super::load;
use super::observer::Observer;
use super::replica::Replica;
use super::report::Inflicted;
use super::schedule::{Event, Schedule};
use super::shared::{Shared, lock};
use super::stranger::Stranger;
use super::violation::{Promise, Violations};
use super::watch::{Browser, Floors, watch};

/// How long processes may take to be ready at first; nothing is tried yet.
const READY_WAIT: Duration = Duration::from_mins(3);
/// How long recoveries that are still open are waited for at the end.
const RECOVERY_WAIT: Duration = Duration::from_secs(90);
/// How long boards may take to reach the end of the log when the load has ended.
const END_WAIT: Duration = Duration::from_secs(90);
/// Time between two looks at something that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often the group's offsets are read.
const FLOOR_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether a process has ended by itself.
const ALIVE_EVERY: Duration = Duration::from_millis(500);
/// Measurements without a fault, for comparison.
const UNDISTURBED: u64 = 4;
/// How long each of them may take.
const UNDISTURBED_WAIT: Duration = Duration::from_secs(30);

/// A system under load.
pub(super) struct Run<'a> {
    pub(super) shared: &'a Shared,
    pub(super) system: &'a System,
    urls: [String; PRODUCERS],
    observer: Observer,
    stranger: Mutex<Stranger>,
    floors: Mutex<Floors>,
    done: Mutex<Vec<Done>>,
    /// Whether producers say where ratings are; recovery cannot be measured otherwise.
    places: bool,
}

impl<'a> Run<'a> {
    /// Nothing is under load yet.
    pub(super) fn new(
        shared: &'a Shared,
        system: &'a System,
        places: bool,
    ) -> anyhow::Result<Self> {
        let url = |producer: &Replica| producer.url("/api/v1/ratings");
        let urls: Vec<String> = system.producers.iter().map(url).collect();
        Ok(Self {
            shared,
            system,
            urls: urls.try_into().map_err(|_| anyhow!("not {PRODUCERS} producers"))?,
            observer: Observer::connect(&system.bootstrap)?,
            stranger: Mutex::new(Stranger::connect(&system.bootstrap)?),
            floors: Mutex::default(),
            done: Mutex::default(),
            places,
        })
    }

    fn replicas(&self) -> impl Iterator<Item = &'a Replica> {
        self.system.consumers.iter().chain(&self.system.producers)
    }

    /// Waits until every process says that it is ready.
    pub(super) fn wait_until_ready(&self) -> anyhow::Result<()> {
        let browser = Browser::new();
        let end = Instant::now() + READY_WAIT;
        for replica in self.replicas() {
            let ready = self.shared.wait(end, || {
                std::thread::sleep(LOOK_EVERY);
                browser.is_ready(replica)
            });
            if !ready && !self.shared.is_over() {
                bail!("{} is not ready after {READY_WAIT:?}; see its log", replica.name);
            }
        }
        let mut recoveries = self.shared.recoveries();
        (0..self.system.consumers.len()).for_each(|number| recoveries.running(number, true));
        Ok(())
    }

    /// Starts the load and everybody who watches.
    pub(super) fn start<'s>(&'s self, scope: &'s Scope<'s, '_>, rate: u32) {
        let interval = Duration::from_secs(1) * load::WORKERS / rate;
        for worker in 0..load::WORKERS {
            // Spread out, so that they do not all send at the same moment.
            let first = Instant::now() + interval * worker / load::WORKERS;
            scope.spawn(move || load::work(self.shared, &self.urls, first, interval));
        }
        for (number, replica) in self.system.consumers.iter().enumerate() {
            scope.spawn(move || watch(self.shared, replica, number, &self.floors));
        }
        scope.spawn(|| self.note_floors());
        scope.spawn(|| self.look_after_processes());
    }

    fn note_floors(&self) {
        while self.shared.sleep_until(Instant::now() + FLOOR_EVERY) {
            if let Ok(committed) = self.observer.committed() {
                lock(&self.floors).note(Instant::now(), committed);
            }
        }
    }

    fn look_after_processes(&self) {
        while self.shared.sleep_until(Instant::now() + ALIVE_EVERY) {
            for proof in self.replicas().filter_map(Replica::revive) {
                self.shared.violated(Promise::Behaves, proof);
            }
        }
    }

    /// Measures "recoveries" from nothing, to know what the measurement itself takes.
    pub(super) fn measure_undisturbed(&self) -> Vec<u64> {
        let measure = |_| {
            let name = self.shared.recoveries().begin(Instant::now());
            let end = Instant::now() + UNDISTURBED_WAIT;
            self.shared.wait(end, || self.shared.recoveries().took(name).is_some());
            name
        };
        if !self.places {
            return Vec::new();
        }
        // The first one includes what only happens once, such as connecting.
        measure(0);
        (0..UNDISTURBED).map(measure).collect()
    }

    /// Carries the schedule out, and waits until everything has recovered from it.
    ///
    /// # Errors
    /// When something could not be broken or healed.
    pub(super) fn break_it(&self, schedule: &Schedule, lasts: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        let inflictor = Inflictor {
            shared: self.shared,
            cluster: &self.system.cluster,
            consumers: &self.system.consumers,
            producers: &self.system.producers,
            producer_urls: &self.urls,
            observer: &self.observer,
            stranger: &self.stranger,
            start,
            done: &self.done,
            solo: &Mutex::default(),
            measures: self.places,
        };
        std::thread::scope(|scope| {
            let inflictor = &inflictor;
            // A campaign that cannot go on in one lane ends in all of them.
            let run = |events: Vec<Event>| {
                scope.spawn(move || inflictor.run(&events).inspect_err(|_| self.shared.end()))
            };
            let threads: Vec<_> = schedule.lanes().into_values().map(run).collect();
            let end = |thread: std::thread::ScopedJoinHandle<'_, anyhow::Result<()>>| {
                thread.join().map_err(|_| anyhow!("a lane panicked"))?
            };
            let ends: Vec<_> = threads.into_iter().map(end).collect();
            ends.into_iter().collect::<anyhow::Result<()>>()
        })?;
        self.shared.sleep_until(start + lasts);
        let end = Instant::now() + RECOVERY_WAIT;
        self.shared.wait(end, || !self.places || self.shared.recoveries().open() == 0);
        Ok(())
    }

    /// Ends the load and waits until every board has reached the end of the log.
    pub(super) fn come_to_rest(&self) {
        self.shared.end_load();
        println!("no more load; waiting for the boards");
        let end = Instant::now() + load::LAST_TRIES + END_WAIT;
        let browser = Browser::new();
        self.shared.wait(end, || {
            // Looked at before the ends are, or the last rating might come behind them.
            let all_sent = self.shared.workers() == 0;
            std::thread::sleep(LOOK_EVERY);
            let Ok(ends) = self.observer.ends() else { return false };
            let arrived =
                |replica| browser.totals(replica).is_some_and(|totals| totals.position == ends);
            all_sent && self.system.consumers.iter().all(arrived)
        });
    }

    /// What was inflicted and how long recovery took; what never recovered is a violation.
    pub(super) fn inflicted(
        &self,
        undisturbed: &[u64],
        violations: &mut Violations,
    ) -> Vec<Inflicted> {
        let recoveries = self.shared.recoveries();
        let without = undisturbed.iter().map(|name| Inflicted {
            fault: None,
            alone: true,
            from_begin: recoveries.took(*name),
            from_heal: None,
        });
        let mut all: Vec<Inflicted> = without.collect();
        let done = lock(&self.done);
        let over = |done: &Done| {
            let from_begin = done.began + recoveries.took(done.from_begin).unwrap_or_default();
            from_begin.max(done.healed + recoveries.took(done.from_heal).unwrap_or_default())
        };
        let spans: Vec<_> = done.iter().map(|done| (done.began, over(done))).collect();
        for (Done { fault, from_begin, from_heal, .. }, alone) in done.iter().zip(alone(&spans)) {
            let from_begin = recoveries.took(*from_begin);
            let from_heal = recoveries.took(*from_heal);
            if self.places && (from_begin.is_none() || from_heal.is_none()) {
                let proof = format!(
                    "{}: ratings sent after it were not on every board {RECOVERY_WAIT:?} after \
                     the last fault",
                    fault.name()
                );
                violations.add(Promise::Recovers, proof);
            }
            all.push(Inflicted { fault: Some(*fault), alone, from_begin, from_heal });
        }
        all
    }
}

/// Which of these spans of time, each from a fault to the last recovery from it, overlap no other.
fn alone(spans: &[(Instant, Instant)]) -> Vec<bool> {
    let is_alone = |place: usize| {
        let (began, over) = spans[place];
        let others = spans.iter().enumerate().filter(|(other, _)| *other != place);
        others.map(|(_, span)| span).all(|(other, its_end)| *its_end <= began || *other >= over)
    };
    (0..spans.len()).map(is_alone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_overlaps_nobody_is_alone() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let spans = [(0, 5), (4, 6), (6, 9), (20, 30), (21, 22)].map(|(a, b)| (at(a), at(b)));
        assert_eq!(alone(&spans), [false, false, true, false, false]);
    }
}
