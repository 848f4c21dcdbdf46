//! The engine against two brokers, the embedded one and Apache Kafka: exact through stops, crashes,
//! take-overs and strange logs.

mod bench;
mod broker;
mod hardship;
mod logs;
mod records;
mod replicas;
mod snapshots;
mod stranded;
mod writer;
