//! The engine against two brokers, the embedded one and Apache Kafka: exact through stops, crashes,
//! take-overs and strange logs.

mod bench;
pub(crate) mod broker;
mod client_log;
mod damage;
mod foreign;
mod hardship;
mod logs;
mod members;
mod reader;
mod records;
mod refusal;
mod replicas;
mod retention;
mod snapshots;
mod stranded;
mod transactions;
mod voices;
mod writer;
