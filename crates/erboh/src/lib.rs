//! erboh: ratings through a Kafka topic to exact totals.

pub mod queue;
