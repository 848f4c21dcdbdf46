//! erboh: ratings through a Kafka topic to exact totals.
