//! The producer's pages for people.
//!
//! ```text
//!  GET /       hit    20 ratings by simulated researchers, and where each is
//!  GET /rate   form   a rating of one's own ──► POST /rate
//! ```

pub mod form;
pub mod hit;
mod typed;
