//! Ratings: what trials send, what they were answered, and what boards make of it.
//!
//! ```text
//!  rating ─► client ─► 201 ─► ledger        totals ◄─ a board, a snapshot
//! ```

pub(crate) mod client;
pub(crate) mod ledger;
pub(crate) mod rating;
pub(crate) mod totals;
