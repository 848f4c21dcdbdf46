//! Memory: what a process takes, looked at while it works.

use std::fmt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use crate::start::output;

/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Resident megabytes, in the order in which they were seen.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Memory(Vec<f64>);

/// Looks until it is told to stop.
pub(crate) struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Memory>,
}

impl Memory {
    pub(crate) fn watch(pid: u32) -> Watch {
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                seen.extend(resident_mb(pid));
                std::thread::sleep(EVERY);
            }
            Memory(seen)
        });
        Watch { over, thread }
    }

    /// The most of the first and of the second half.
    pub(crate) fn halves(&self) -> [f64; 2] {
        let (first, second) = self.0.split_at(self.0.len() / 2);
        [first, second].map(|half| half.iter().copied().fold(0.0, f64::max))
    }
}

impl Watch {
    pub(crate) fn finish(self) -> anyhow::Result<Memory> {
        self.over.store(true, Ordering::Relaxed);
        let memory = self.thread.join().map_err(|_| anyhow!("the thread that looks at memory"))?;
        // What was never seen would pass every bound.
        (memory.0.len() >= 2).then_some(memory).context("the memory of the producer is not known")
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.halves();
        write!(f, "at most {first:.0} MB in the first half, {second:.0} MB in the second")
    }
}

/// What a process takes in MB: `VmRSS:   12345 kB`, as Linux says it, or what `ps` says elsewhere.
pub(crate) fn resident_mb(pid: u32) -> Option<f64> {
    let said = match std::fs::read_to_string(format!("/proc/{pid}/status")) {
        Ok(status) => status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.to_owned(),
        Err(_) => output(Command::new("ps").args(["-o", "rss=", "-p", &pid.to_string()])).ok()?,
    };
    let kilobytes: f64 = said.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_halves_are_apart() {
        let check = |seen, expected: &str| {
            assert_eq!(format!("{:?}", Memory(seen).halves()), expected);
        };
        check(vec![1.0, 5.0, 2.0, 3.0], "[5.0, 3.0]");
        check(vec![], "[0.0, 0.0]");
    }

    #[test]
    fn this_very_process_takes_memory() {
        assert!(resident_mb(std::process::id()).is_some_and(|mb| mb > 0.0));
    }
}
