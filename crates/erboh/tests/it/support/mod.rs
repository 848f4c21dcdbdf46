//! Support: the parts of the system that many tests start, each in one place.
//!
//! ```text
//!   Broker ──► producer: a router or a role on it
//!      ├─────► Board: the engine that counts it, and the board's router
//!      └ files: segment::Batch, to be damaged
//! ```

pub(crate) mod board;
pub(crate) mod broker;
pub(crate) mod producer;
pub(crate) mod segment;
pub(crate) mod wait;
