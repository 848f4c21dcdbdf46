//! An embedded broker that speaks the Kafka protocol.
//!
//! ```text
//!  socket ──► connection ──► wire (frames, shape check) ──► handlers/<one file per API>
//!                                                              │
//!                   ┌──────────────┬───────────────────────────┼──────────────┐
//!                   ▼              ▼                           ▼              ▼
//!                topics         groups                   transactions     partition
//!                   │              │                           │              │
//!                   └──────────────┴───────── store ───────────┘              │
//!                              (what the broker remembers)                    │
//!                                     └───────────────► log ◄─────────────────┘
//!                                          (segments, index, recovery)
//! ```

mod background;
mod blocking;
mod broker;
mod connection;
mod data_lock;
#[doc(hidden)]
pub mod fuzzing;
mod groups;
mod handlers;
mod journal;
mod limits;
mod log;
mod maintenance;
mod partition;
mod settings;
mod store;
mod time;
mod topics;
mod transactions;
mod wire;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use crate::broker::{Broker, Error};
pub use crate::settings::Settings;

/// Opens a broker and serves it on `listener` until `shutdown`. The caller binds, so that port 0
/// works and a busy port is the caller's to report.
///
/// # Errors
/// What [`Broker::open`] and [`Broker::serve`] say.
pub async fn serve(
    listener: TcpListener,
    settings: Settings,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    Broker::open(settings).await?.serve(listener, shutdown).await
}
