//! The engine against a broker: exact through stops, crashes, take-overs and strange logs.

mod bench;
mod hardship;
mod logs;
mod records;
mod replicas;
mod snapshots;
mod writer;
