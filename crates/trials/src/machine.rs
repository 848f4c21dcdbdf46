//! The machine and the commit of a measurement.

use std::process::Command;

use crate::start::output;

/// Date and machine for a report: `DATE (PROCESSOR, CORES, MEMORY, KERNEL)`.
pub(crate) fn today() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = first_after("/proc/meminfo", "MemTotal:").and_then(|text| {
        let kilobytes: f64 = text.split_whitespace().next()?.parse().ok()?;
        Some(format!("{:.0} GB of memory, ", kilobytes / 1024.0 / 1024.0))
    });
    let processor = first_after("/proc/cpuinfo", "model name")
        .or_else(|| output(Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"])).ok());
    format!(
        "{} ({}, {cores} cores, {}{})",
        jiff::Zoned::now().date(),
        processor.as_deref().unwrap_or("unknown processor").trim_start_matches(':').trim(),
        memory.unwrap_or_default(),
        kernel(&output(Command::new("uname").arg("-sr")).unwrap_or_default())
    )
}

/// The short hash of the current commit; empty without git.
pub(crate) fn commit() -> String {
    let hash = output(Command::new("git").args(["rev-parse", "--short", "HEAD"]));
    hash.unwrap_or_default().trim().to_owned()
}

/// The name and the major and minor version of a kernel. The rest identifies a particular build.
fn kernel(uname: &str) -> String {
    uname.trim().split('.').take(2).collect::<Vec<_>>().join(".")
}

/// The rest of the first line that begins with `name`.
fn first_after(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_has_name_and_version_only() {
        assert_eq!(kernel("Linux 6.18.44-of-this-host\n"), "Linux 6.18");
        assert_eq!(kernel("Darwin 25.1.0"), "Darwin 25.1");
        assert_eq!(kernel(""), "");
    }
}
