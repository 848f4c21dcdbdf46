//! The queue: Kafka topics, seen as a writer, a reader and little else.
//!
//! ```text
//!   Writer ──records, acks=all──► topic ──offset order──► Reader
//!     │ one Countdown per batch                            (explicit partitions)
//!     └ health: is a broker reachable?
//! ```
//!
//! This is the only folder that names the Kafka client. Everything above it speaks of records,
//! partitions and offsets, so that the client can be replaced in one place.

mod absent;
mod admin;
mod batch;
pub mod inspect;
mod limits;
mod log;
mod member;
pub mod probe;
mod progress;
mod reader;
mod record;
mod refusal;
mod rights;
mod security;
mod settings;
mod stranded;
mod topics;
mod writer;

pub use absent::Absent;
pub use admin::{Admin, AdminError};
pub use batch::Batch;
pub use member::{GroupEvent, Member};
pub use progress::Position;
pub use reader::{Event, Fault, LookupError, Reader};
pub use record::Record;
pub use refusal::Refusal;
pub use rights::{Resource, Right};
pub use security::{Mechanism, Security};
pub use settings::{KafkaSettings, SettingsError};
pub use topics::{TopicSetting, Topics};
pub use writer::{OutRecord, Pending, Placed, SendError, SendResult, Writer};
