//! erboh: ratings through a Kafka topic to exact totals.
//!
//! ```text
//!  browser/curl ──POST──► producer ──► queue::Writer ══[ erboh-ratings ]══► queue::Reader
//!                       (check, send,    (acks=all,                          (offset order)
//!                        wait for acks)   idempotent)                             │
//!                                                                                 ▼
//!  browser ◄─SSE/JSON─ consumer ◄── watch (newest only) ◄── Board ◄────────── totals (pure fold)
//!                       (board)                               ▲                   │ snapshot
//!                                                             └═[ erboh-totals ]══┘
//!                              what cannot be counted ══[ erboh-dead-letters ]
//! ```
//!
//! Data goes one way: nothing reads totals in order to write a rating, and a slow browser cannot
//! slow the counting. Imports go one way too: `rating` < `totals`, `queue`, `web` < `ops`, `spec` <
//! `producer`, `consumer` < the commands (`demo`, `smoke`, ...) < `main`. Only `demo` and `broker`
//! know that there is an embedded broker; the roles cannot tell it from any other Kafka cluster.

pub mod audit;
pub mod broker;
pub mod cli;
pub mod consumer;
pub mod demo;
pub mod doctor;
pub mod limits;
pub mod ops;
pub mod producer;
pub mod queue;
pub mod rating;
pub mod smoke;
pub mod spec;
pub mod telemetry;
pub mod totals;
pub mod web;
