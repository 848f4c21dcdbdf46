//! Hazards: what happens to real processes on a real Apache Kafka, and what must be true afterwards.
//!
//! ```text
//!   stage   the one-broker cluster, one test after the other
//!   roles   starts `erboh producer` and `erboh consumer` on a cluster, ends them with the test
//!   trio    the three-broker cluster that tests break, one test after the other
//!   recount what the log that is there adds up to
//!   unreadable  a batch is damaged on disk; on the embedded broker too
//!   watch   asks a board all the time: it must never go back
//!   kafka/  the tests, one file for each kind of hazard
//! ```

mod kafka;
mod recount;
pub(crate) mod roles;
mod stage;
mod trio;
mod unreadable;
mod watch;
