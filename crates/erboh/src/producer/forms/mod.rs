//! Forms: what the pages that people fill in have in common; and, for these and for the page of a hit,
//! what went wrong with the queue.
//!
//! ```text
//!  POST ─► fields ─► as typed ─┬─► what was asked for
//!                              └─► every Flaw at once ─► the form again, as templates/flaws.html marks it
//! ```

pub(super) mod fields;
mod flaw;
mod trouble;

pub(super) use self::flaw::{Flaw, advice};
pub(super) use self::trouble::Trouble;
