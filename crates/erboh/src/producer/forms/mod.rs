//! Forms: what the pages that people fill in have in common.
//!
//! ```text
//!  POST ─► fields ─► as typed ─┬─► what was asked for
//!                              └─► every Flaw at once ─► the form again, as templates/flaws.html marks it
//! ```

pub(super) mod fields;
mod flaw;

pub(super) use self::flaw::{Flaw, advice};
