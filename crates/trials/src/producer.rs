//! A process of `erboh producer`.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};
use erboh_testbed::Child;

use crate::start::{POLL_INTERVAL, TIMEOUT, free_addresses, spawn};

/// A process of `erboh producer`, stopped when this is dropped.
pub(crate) struct Producer {
    pub(crate) process: Child,
    /// The address of its HTTP service.
    pub(crate) address: SocketAddr,
}

impl Producer {
    /// Starts it and waits until it is ready. `program` is the binary, optionally after a command
    /// prefix.
    pub(crate) fn start(
        program: &[&str],
        bootstrap: &str,
        partitions: u32,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let [address, ops] = free_addresses()?;
        let (program, before) = program.split_first().context("no program")?;
        let mut arguments: Vec<String> = before.iter().map(ToString::to_string).collect();
        arguments.extend([
            "producer".to_owned(),
            format!("--brokers={bootstrap}"),
            format!("--listen={address}"),
            format!("--ops-listen={ops}"),
            format!("--partitions={partitions}"),
        ]);
        let log = directory.join("producer.log");
        let process = spawn(Path::new(program), &arguments, &log)?;
        let ready = format!("http://{ops}/readyz");
        let end = Instant::now() + TIMEOUT;
        while ureq::get(&ready).call().is_err() {
            if Instant::now() >= end {
                bail!("the producer was not ready within {TIMEOUT:?}; see {}", log.display());
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(Self { process, address })
    }
}
