//! Writing: how the owned partitions get their snapshots and dead letters written, and their offsets
//! committed; all the time, and to the last before they are given up.

use std::time::{Duration, Instant};

use super::counting::Counting;
use super::live::{Flow, Tools};
use super::owned::{Owned, note};
use super::settings::EngineSettings;
use crate::queue::{Member, Writer};

impl Counting {
    /// Writes what is due in every partition, and lets reading pause where writing falls behind.
    pub(super) fn serve_partitions(&mut self) {
        let Some(member) = &self.member else { return };
        let tools = tools(&self.settings, &self.name, &self.totals, &self.dead_letters, member);
        for (partition, owned) in &mut self.owned {
            let Some(live) = owned.writes() else { continue };
            let served = live.serve(&tools, false);
            let settled = live.is_settled();
            live.commit(member);
            let (closed, is_read) = (owned.is_closed(), owned.live().is_some());
            match served {
                // Why it is not read is to be seen until it is again.
                Ok(()) if owned.problem.is_some() && settled && is_read => {
                    owned.problem = None;
                    self.publisher.changed();
                }
                Ok(()) => {}
                Err(problem) => {
                    if note(&mut owned.problem, *partition, problem) {
                        self.publisher.changed();
                    }
                }
            }
            if closed {
                owned.restore(tools.now);
            }
            let Some(live) = owned.live() else { continue };
            let ratings = &self.settings.topics.ratings;
            let done = match live.flow(&self.settings) {
                Flow::Keep => Ok(()),
                Flow::Pause => self.reader.pause(ratings, *partition),
                Flow::Resume => self.reader.resume(ratings, *partition),
            };
            if let Err(error) = done {
                tracing::warn!(partition, %error, "cannot pause or resume");
            }
        }
    }

    /// Writes and commits the newest state of partitions, as far as the time suffices.
    pub(super) fn settle(&mut self, partitions: &[i32], time: Duration) {
        let Some(member) = &self.member else { return };
        let end = Instant::now() + time;
        loop {
            let tools = tools(&self.settings, &self.name, &self.totals, &self.dead_letters, member);
            let mut settled = true;
            for partition in partitions {
                let Some(live) = self.owned.get_mut(partition).and_then(Owned::writes) else {
                    continue;
                };
                if let Err(problem) = live.serve(&tools, true) {
                    tracing::warn!(partition, problem, "trying again");
                }
                settled &= live.is_settled();
            }
            if settled || Instant::now() >= end {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        for partition in partitions {
            if let Some(live) = self.owned.get_mut(partition).and_then(Owned::writes) {
                if !live.is_settled() {
                    tracing::warn!(partition, "no last snapshot; the next owner counts again");
                }
                live.commit(member);
            }
        }
    }
}

fn tools<'a>(
    settings: &'a EngineSettings,
    name: &'a str,
    totals: &'a Writer,
    dead_letters: &'a Writer,
    member: &'a Member,
) -> Tools<'a> {
    Tools { settings, name, totals, dead_letters, member, now: Instant::now() }
}
