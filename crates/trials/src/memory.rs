//! The resident memory of a process, sampled while it runs.

use std::fmt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use crate::start::output;

/// Sampling interval.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(250);

/// Samples of resident memory in MB, in order.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Memory(Vec<f64>);

/// Samples until [`Sampler::finish`].
pub(crate) struct Sampler {
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<Memory>,
}

impl Memory {
    /// Starts sampling the memory of a process.
    pub(crate) fn sample(pid: u32) -> Sampler {
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        let thread = std::thread::spawn(move || {
            let mut samples = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                samples.extend(resident_mb(pid));
                std::thread::sleep(SAMPLE_INTERVAL);
            }
            Memory(samples)
        });
        Sampler { stopped, thread }
    }

    /// The maxima of the first and of the second half.
    pub(crate) fn maxima(&self) -> [f64; 2] {
        let (first, second) = self.0.split_at(self.0.len() / 2);
        [first, second].map(|half| half.iter().copied().fold(0.0, f64::max))
    }
}

impl Sampler {
    pub(crate) fn finish(self) -> anyhow::Result<Memory> {
        self.stopped.store(true, Ordering::Relaxed);
        let memory = self.thread.join().map_err(|_| anyhow!("the memory sampler panicked"))?;
        // Without samples every limit would hold.
        (memory.0.len() >= 2).then_some(memory).context("the memory of the producer is unknown")
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.maxima();
        write!(f, "at most {first:.0} MB in the first half, {second:.0} MB in the second")
    }
}

/// The resident memory of a process in MB, from Linux's `VmRSS:   12345 kB` or from `ps`.
pub(crate) fn resident_mb(pid: u32) -> Option<f64> {
    let rss = match std::fs::read_to_string(format!("/proc/{pid}/status")) {
        Ok(status) => status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.to_owned(),
        Err(_) => output(Command::new("ps").args(["-o", "rss=", "-p", &pid.to_string()])).ok()?,
    };
    let kilobytes: f64 = rss.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maxima_are_per_half() {
        let check = |seen, expected: &str| {
            assert_eq!(format!("{:?}", Memory(seen).maxima()), expected);
        };
        check(vec![1.0, 5.0, 2.0, 3.0], "[5.0, 3.0]");
        check(vec![], "[0.0, 0.0]");
    }

    #[test]
    fn own_memory_is_measured() {
        assert!(resident_mb(std::process::id()).is_some_and(|mb| mb > 0.0));
    }
}
