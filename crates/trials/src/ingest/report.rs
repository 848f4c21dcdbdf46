//! The benchmark report for the documentation.

use erboh::web::grouped;

use super::latency::Latency;
use super::{COMPRESSION, Flags, PARTITIONS, Series};
use crate::machine;
use crate::stats::median;

/// The results of the last run.
pub(super) fn line(series: &Series) -> String {
    let last = |values: &[f64]| values.last().copied().unwrap_or(f64::NAN);
    let (ours, peer) = (last(&series.ours_per_s), last(&series.peer_per_s));
    let latency = series.latency.last().map(|latency| {
        let Latency { bare, post } = latency;
        format!("p50 {:.2} ms, the broker's own {:.2} ms", post[0], bare[0])
    });
    format!(
        "{} ratings/s over HTTP, {} by kafka-producer-perf-test ({:.2}); {}",
        grouped(ours.round()),
        grouped(peer.round()),
        ours / peer,
        latency.unwrap_or_default()
    )
}

/// The tables with the medians of all runs.
pub(super) fn text(series: &Series, flags: &Flags) -> String {
    let Flags { runs, ratings, singles, .. } = flags;
    let (ours, peer) = (median(&series.ours_per_s), median(&series.peer_per_s));
    let of = |pick: fn(&Latency) -> f64| -> f64 {
        median(&series.latency.iter().map(pick).collect::<Vec<f64>>())
    };
    let [bare, post] =
        [[of(|l| l.bare[0]), of(|l| l.bare[1])], [of(|l| l.post[0]), of(|l| l.post[1])]];
    format!(
        "`cargo xtask bench-ingest --runs {runs} --ratings {ratings} --singles {singles}` on {}, \
         medians of {runs} runs, {PARTITIONS} partitions, {COMPRESSION}:\n\n\
         | acks=all, on one core | erboh, NDJSON over HTTP | kafka-producer-perf-test | ratio |\n\
         |---|---:|---:|---:|\n\
         | ratings/s | {} | {} | {:.2} |\n\n\
         | one rating at low load, ms | the broker's own acknowledgement | POST answered | difference |\n\
         |---|---:|---:|---:|\n\
         | p50 | {:.2} | {:.2} | {:.2} |\n\
         | p99 | {:.2} | {:.2} | {:.2} |\n",
        machine::today(),
        grouped(ours.round()),
        grouped(peer.round()),
        ours / peer,
        bare[0],
        post[0],
        post[0] - bare[0],
        bare[1],
        post[1],
        post[1] - bare[1],
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        flags: Flags,
    }

    #[test]
    fn tables_have_medians_ratio_and_difference() {
        let latency = Latency { bare: [1.0, 2.0], post: [1.5, 4.0] };
        let series = Series {
            ours_per_s: vec![900.0, 300_000.0, 1e9],
            peer_per_s: vec![200_000.0],
            latency: vec![latency; 3],
        };
        let flags = Cli::parse_from(["ingest", "--runs=3"]).flags;
        let text = text(&series, &flags);
        assert!(text.contains("| ratings/s | 300,000 | 200,000 | 1.50 |"), "{text}");
        assert!(text.contains("| p50 | 1.00 | 1.50 | 0.50 |"), "{text}");
        assert!(text.contains("| p99 | 2.00 | 4.00 | 2.00 |"), "{text}");
        assert!(text.contains("--runs 3 "), "{text}");
    }
}
