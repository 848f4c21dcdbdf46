//! Processes, Apache Kafka clusters and TCP proxies for tests and trials.
//!
//! ```text
//!  a test, a trial, xtask
//!    ├─ Child     any process ◄── sh, which watches a pipe from the owner
//!    ├─ Cluster   Apache Kafka, 1 to 9 brokers ──► sh, which watches a pipe from the owner ──► java
//!    └─ Link      a loopback proxy in front of one address, which can be cut
//! ```
//!
//! Only the standard library is used, because `xtask` depends on this crate and must build in
//! seconds. Everything is stopped when its owner drops it and when its owner is killed: what a
//! failed test left behind would take memory, ports and CPU from all later tests.

mod child;
mod kafka;
mod link;
mod ports;
mod random;
mod reaper;

pub use child::{Child, Signal};
pub use kafka::{Cluster, ClusterSettings, Door, Tuning, java, share_classes};
pub use link::Link;
pub use ports::free as free_ports;
