//! Machine: the one that numbers come from. Without it they mean nothing.

use std::process::Command;

use crate::start::output;

/// Today's date and the machine, as a report names them: `DATE (PROCESSOR, CORES, MEMORY, KERNEL)`.
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

/// The commit that is tried, if git knows.
pub(crate) fn commit() -> String {
    let said = output(Command::new("git").args(["rev-parse", "--short", "HEAD"]));
    said.unwrap_or_default().trim().to_owned()
}

/// A kernel's name and the first two numbers of its version. What follows says how one host was
/// built.
fn kernel(said: &str) -> String {
    said.trim().split('.').take(2).collect::<Vec<_>>().join(".")
}

/// What stands behind `name` in the first line of the file that begins with it.
fn first_after(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_of_the_kernel_is_told() {
        assert_eq!(kernel("Linux 6.18.44-of-this-host\n"), "Linux 6.18");
        assert_eq!(kernel("Darwin 25.1.0"), "Darwin 25.1");
        assert_eq!(kernel(""), "");
    }
}
