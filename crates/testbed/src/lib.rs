//! Testbed: what tests and trials start, break and end.
//!
//! ```text
//!  a test, a trial, xtask
//!    ├─ Child     any process ◄── sh, which watches a pipe from us
//!    ├─ Cluster   Apache Kafka, 1 to 9 brokers ──► sh, which watches a pipe from us ──► java
//!    └─ Link      a loopback proxy in front of one address, that can be cut
//! ```
//!
//! Only Rust's own library is used, because `xtask` builds this too and must build in seconds.
//! Each ends when its owner drops it, and when its owner is killed: what is left over from a failed
//! test would take its memory, its port and its core from every test after it.

mod child;
mod kafka;
mod keeper;
mod link;
mod ports;
mod random;

pub use child::{Child, Signal};
pub use kafka::{Cluster, ClusterSettings, Door, Tuning, java, share_classes};
pub use link::Link;
pub use ports::free as free_ports;
