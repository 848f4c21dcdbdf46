//! The machine that numbers come from: without it they mean nothing.

use std::process::Command;

use crate::process;

/// One line: processor, cores, memory, kernel.
pub(crate) fn facts() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = process::capture(Command::new("uname").arg("-sr")).unwrap_or_default();
    let memory = first_after("/proc/meminfo", "MemTotal:").and_then(|text| {
        let kilobytes: f64 = text.split_whitespace().next()?.parse().ok()?;
        Some(format!("{:.0} GB of memory, ", kilobytes / 1024.0 / 1024.0))
    });
    let processor = first_after("/proc/cpuinfo", "model name").unwrap_or_else(|| {
        process::capture(Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"]))
            .unwrap_or_else(|_| "unknown processor".to_owned())
    });
    format!(
        "{}, {cores} cores, {}{}",
        processor.trim_start_matches([':', '\t', ' ']).trim(),
        memory.unwrap_or_default(),
        kernel.trim()
    )
}

/// Today's date, year first.
pub(crate) fn date() -> String {
    process::capture(Command::new("date").arg("+%Y-%m-%d")).unwrap_or_default().trim().to_owned()
}

/// What stands behind `name` in the first line of the file that begins with it.
fn first_after(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().to_owned())
}
