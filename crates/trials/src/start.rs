//! Helpers to start trials and processes.

use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use erboh_testbed::Child;

/// Limit of an operation that should be fast.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);
/// Poll interval of a process, and the resolution of times measured from outside.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Starts a process whose output is appended to a file.
pub(crate) fn spawn(program: &Path, arguments: &[String], log: &Path) -> anyhow::Result<Child> {
    let file = OpenOptions::new().create(true).append(true).open(log);
    let file = file.with_context(|| format!("opening {}", log.display()))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.stdout(file.try_clone()?).stderr(file);
    Child::spawn(command).map_err(|reason| anyhow!(reason))
}

/// Runs a program to completion and returns its standard output.
///
/// # Errors
/// When it cannot be started or fails, with its standard error.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("starting `{program}`"))?;
    if !output.status.success() {
        bail!("`{program}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The erboh binary: the given one, or the one next to this program.
pub(crate) fn erboh(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let beside = || {
        let own = std::env::current_exe().context("the path of this program")?;
        Ok(own.with_file_name("erboh"))
    };
    let path = given.map_or_else(beside, |path| anyhow::Ok(path.to_owned()))?;
    if !path.is_file() {
        bail!("{} does not exist: build it, or name another one with --erboh", path.display());
    }
    Ok(path)
}

/// Creates an empty directory, or empties an existing one.
pub(crate) fn empty(directory: &Path) -> anyhow::Result<()> {
    let shown = directory.display();
    if directory.exists() {
        std::fs::remove_dir_all(directory).with_context(|| format!("removing {shown}"))?;
    }
    std::fs::create_dir_all(directory).with_context(|| format!("creating {shown}"))
}

/// Free addresses on the loopback interface.
pub(crate) fn free_addresses<const N: usize>() -> anyhow::Result<[SocketAddr; N]> {
    let ports = erboh_testbed::free_ports(N).map_err(|reason| anyhow!(reason))?;
    Ok(std::array::from_fn(|nth| SocketAddr::from((Ipv4Addr::LOCALHOST, ports[nth]))))
}
