//! erboh: ratings through a Kafka topic to exact totals.

pub mod limits;
pub mod queue;
pub mod rating;
pub mod totals;
