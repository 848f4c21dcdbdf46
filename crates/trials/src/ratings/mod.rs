//! The ratings of the trials, their acknowledgements, and the totals of boards and snapshots.
//!
//! ```text
//!  rating ─► client ─► 201 ─► ledger        totals ◄─ a board, a snapshot
//! ```

pub(crate) mod client;
pub(crate) mod ledger;
pub(crate) mod rating;
pub(crate) mod totals;
