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
