//! The consumer's numbers, read from the newest view when somebody asks: where the counting of
//! each partition stands, and what became of its records.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::Consumer;
use super::view::{BoardView, PartitionState, PartitionView};
use crate::totals::Snapshot;

/// The collector behind `/metrics`.
pub(super) struct Metrics(pub(super) Consumer);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

type Result = std::result::Result<(), std::fmt::Error>;
type OfSnapshot = (&'static str, &'static str, fn(&Snapshot) -> u64);
type OfPartition = (&'static str, &'static str, fn(&PartitionView) -> i64);

const OF_SNAPSHOTS: [OfSnapshot; 3] = [
    ("ratings_counted", "Ratings that are in the totals.", |of| of.counted),
    ("ratings_duplicate", "Ratings that were dropped as second copies.", |of| of.duplicates),
    ("dead_letters", "Records that are no ratings.", |of| of.dead),
];

const OF_PARTITIONS: [OfPartition; 6] = [
    ("position_offset", "Everything before this offset is counted.", |of| of.position),
    ("end_offset", "Offset that the next rating will get.", |of| of.end_offset),
    ("lag_records", "Offsets that are still to be counted.", |of| of.lag),
    ("owned", "1 where this replica counts.", |of| i64::from(of.state == PartitionState::Owned)),
    ("stalled", "1 if the next records cannot be read and are retried.", |of| {
        i64::from(matches!(of.state, PartitionState::Stalled(_)))
    }),
    ("halted", "1 where nobody may go on before a person decides.", |of| {
        i64::from(matches!(of.state, PartitionState::Halted(_)))
    }),
];

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result {
        let view = self.0.view();
        for (name, help, of) in OF_SNAPSHOTS {
            let numbers = view.board.snapshots().iter().map(|(partition, s)| (*partition, of(s)));
            let numbers = numbers.map(|(partition, number)| (partition, ConstCounter::new(number)));
            family(encoder.encode_descriptor(name, help, None, MetricType::Counter)?, numbers)?;
        }
        for (name, help, of) in OF_PARTITIONS {
            let numbers =
                view.partitions.iter().map(|view| (view.partition, ConstGauge::new(of(view))));
            family(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?, numbers)?;
        }
        let written = view.written.iter();
        let offsets = written.clone().map(|(p, of)| (*p, ConstGauge::new(of.next_offset)));
        let (name, help) = ("snapshot_offset", "Everything before this offset is in a snapshot.");
        family(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?, offsets)?;
        let times = written.map(|(p, of)| (*p, ConstGauge::new(of.timestamp_ms as f64 / 1000.0)));
        let (name, help) = ("snapshot_timestamp", "When the newest snapshot was written.");
        let unit = Some(&Unit::Seconds);
        family(encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?, times)?;
        for (name, help, number) in self.wholes(&view) {
            let encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(number).encode(encoder)?;
        }
        Ok(())
    }
}

impl Metrics {
    fn wholes(&self, view: &BoardView) -> [(&'static str, &'static str, i64); 4] {
        let streams = self.0.streams.open();
        [
            ("connected", "1 while the cluster is reachable.", view.connected.into()),
            (
                "exact",
                "1 while no rating was lost before it was counted.",
                view.board.exact().into(),
            ),
            ("alarm", "1 when two counts of the same ratings differ.", view.alarm.is_some().into()),
            ("live_streams", "Live pages that are open.", streams as i64),
        ]
    }
}

/// Writes one number per partition.
fn family(
    mut encoder: MetricEncoder<'_>,
    numbers: impl Iterator<Item = (i32, impl EncodeMetric)>,
) -> Result {
    for (partition, number) in numbers {
        number.encode(encoder.encode_family(&[("partition", partition)])?)?;
    }
    Ok(())
}
