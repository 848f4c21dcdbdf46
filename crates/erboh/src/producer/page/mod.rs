//! The producer's pages for people.

pub mod hit;
