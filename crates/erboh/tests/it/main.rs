//! The integration tests of the `erboh` crate: one binary, because each binary is linked anew.

mod cli;
mod pages;
mod producer;
mod tidy;
mod web;
