//! The wire: how requests come off a socket and answers go onto it.
//!
//! ```text
//!  frame     = length:i32 ‖ payload[length]
//!  request   = api_key:i16 ‖ api_version:i16 ‖ correlation_id:i32 ‖ client_id ‖ [tagged fields] ‖ body
//!  answer    = correlation_id:i32 ‖ [tagged fields] ‖ body
//!
//!  socket ─► frame (as its bytes arrive) ─► header ─► shape (counts checked) ─► kafka-protocol's decoder
//! ```
//!
//! Nothing before the decoder allocates by a number that a client wrote, and nothing after it
//! sees a number larger than the bytes that came with it.

pub(crate) mod answer;
pub(crate) mod budget;
pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod reader;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod shape;
