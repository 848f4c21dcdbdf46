//! The process's own numbers, named and measured as Prometheus' client libraries do, so that
//! dashboards made for any other service work for this one. Read from `/proc`, so on Linux only;
//! elsewhere they are left out.

use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Clock ticks a second in `/proc`: the kernel's interface to programs has this number on every
/// architecture that Rust's standard library runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// The collector behind `process_…`.
#[derive(Debug)]
pub(super) struct Process;

/// What `/proc` says now.
struct Reading {
    cpu_seconds: f64,
    start_seconds: f64,
    resident_bytes: i64,
    virtual_bytes: i64,
    threads: i64,
    open_fds: i64,
    max_fds: Option<i64>,
}

impl Reading {
    fn now() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let boot = fs::read_to_string("/proc/stat").ok()?;
        let limits = fs::read_to_string("/proc/self/limits").ok()?;
        // The second field is the program's name in brackets, which may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        let boot_seconds: f64 = number(&boot, "btime")? as f64;
        Some(Self {
            cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS_PER_SECOND,
            start_seconds: boot_seconds + ticks(22)? / TICKS_PER_SECOND,
            resident_bytes: number(&status, "VmRSS:")? * 1024,
            virtual_bytes: number(&status, "VmSize:")? * 1024,
            threads: number(&status, "Threads:")?,
            open_fds: fs::read_dir("/proc/self/fd").ok()?.count() as i64,
            // "unlimited" is no number.
            max_fds: number(&limits, "Max open files"),
        })
    }
}

/// The number that follows a name at the start of a line.
fn number(text: &str, name: &str) -> Option<i64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(reading) = Reading::now() else { return Ok(()) };
        let cpu = ConstCounter::new(reading.cpu_seconds);
        let help = "Processor time that the process has used.";
        let name = "process_cpu";
        cpu.encode(encoder.encode_descriptor(
            name,
            help,
            Some(&Unit::Seconds),
            cpu.metric_type(),
        )?)?;
        let start = ConstGauge::new(reading.start_seconds);
        let help = "When the process started, in seconds since 1970.";
        let (name, kind) = ("process_start_time", start.metric_type());
        start.encode(encoder.encode_descriptor(name, help, Some(&Unit::Seconds), kind)?)?;
        let gauges = [
            (
                "process_resident_memory",
                "Memory in use.",
                Some(Unit::Bytes),
                reading.resident_bytes,
            ),
            ("process_virtual_memory", "Address space.", Some(Unit::Bytes), reading.virtual_bytes),
            ("process_threads", "Threads of the process.", None, reading.threads),
            ("process_open_fds", "Files and sockets that are open.", None, reading.open_fds),
        ];
        let max = reading.max_fds.map(|max| {
            ("process_max_fds", "Files and sockets that may be open at once.", None, max)
        });
        for (name, help, unit, value) in gauges.into_iter().chain(max) {
            let gauge = ConstGauge::new(value);
            let kind = gauge.metric_type();
            gauge.encode(encoder.encode_descriptor(name, help, unit.as_ref(), kind)?)?;
        }
        Ok(())
    }
}
