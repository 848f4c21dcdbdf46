//! Producer: one process of `erboh producer`.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};
use erboh_testbed::Child;

use crate::start::{LOOK_EVERY, PATIENCE, free_addresses, spawn};

/// One process of `erboh producer`; it ends when this is dropped.
pub(crate) struct Producer {
    pub(crate) process: Child,
    /// Where it serves HTTP.
    pub(crate) address: SocketAddr,
}

impl Producer {
    /// Starts it and waits until it is ready. The command is `program` and what it needs to be told
    /// before its own arguments.
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
        let end = Instant::now() + PATIENCE;
        while ureq::get(&ready).call().is_err() {
            if Instant::now() >= end {
                bail!("the producer was never ready; see {}", log.display());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(Self { process, address })
    }
}
