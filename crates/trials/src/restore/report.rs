//! The benchmark report for the documentation.

use std::fmt::Write as _;
use std::time::Duration;

use erboh::queue::KafkaSettings;
use erboh::web::grouped;

use super::measure::Row;
use crate::machine;
use crate::stats::{median, ms};

/// The default session timeout of `erboh consumer`.
fn session() -> Duration {
    Duration::from_millis(KafkaSettings::new("").session_timeout_ms())
}

/// The table: medians, and their ratio to the shortest log on the same broker.
pub(super) fn table(rows: &[Row], runs: u32, partitions: u32) -> String {
    let mut text = format!(
        "`cargo xtask bench-restore --runs {runs} --partitions {partitions}` on {}, \
         medians in milliseconds, in brackets the ratio to the shortest log:\n\n\
         | broker | ratings in the log | start of the only consumer | clean stop of one of two | SIGKILL \
         of one of two, beyond its session of {} s |\n|---|---:|---:|---:|---:|\n",
        machine::today(),
        session().as_secs()
    );
    for row in rows {
        let first = rows.iter().find(|other| other.kind == row.kind).unwrap_or(row);
        let cell = |of: fn(&Row) -> f64| format!("{:.0} ({:.2})", of(row), of(row) / of(first));
        let cells = [cell(started), cell(stopped), cell(killed)];
        let (broker, ratings) = (row.kind.name(), grouped(row.ratings));
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {broker} | {ratings} | {} |", cells.join(" | "));
    }
    text
}

fn started(row: &Row) -> f64 {
    median_ms(&row.times.started)
}

fn stopped(row: &Row) -> f64 {
    median_ms(&row.times.stopped)
}

/// Without the session timeout, which is the same for every log and would hide the differences.
fn killed(row: &Row) -> f64 {
    let beyond: Vec<_> =
        row.times.killed.iter().map(|took| took.saturating_sub(session())).collect();
    median_ms(&beyond)
}

fn median_ms(times: &[Duration]) -> f64 {
    median(&times.iter().copied().map(ms).collect::<Vec<f64>>())
}

#[cfg(test)]
mod tests {
    use super::super::measure::Times;
    use super::*;
    use crate::broker::Kind;

    #[test]
    fn table_has_medians_and_ratios_per_broker() {
        let row = |kind, ratings, ms: [u64; 3]| {
            let of = |ms: u64| [ms, 9 * ms, 1].map(Duration::from_millis).to_vec();
            let killed = vec![session() + Duration::from_millis(ms[2])];
            let times = Times { started: of(ms[0]), stopped: of(ms[1]), killed };
            Row { kind, ratings, times }
        };
        let rows = [
            row(Kind::Embedded, 100_000, [100, 200, 300]),
            row(Kind::Embedded, 10_000_000, [110, 190, 300]),
            row(Kind::Kafka, 100_000, [400, 500, 600]),
        ];
        let table = table(&rows, 3, 1);
        assert!(table.contains("| embedded | 100,000 | 100 (1.00) | 200 (1.00) | 300 (1.00) |"));
        assert!(table.contains("| embedded | 10,000,000 | 110 (1.10) | 190 (0.95) | 300 (1.00) |"));
        assert!(table.contains("| Apache Kafka | 100,000 | 400 (1.00) |"), "{table}");
    }
}
