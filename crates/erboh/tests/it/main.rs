//! The integration tests of the `erboh` crate: one binary, because each binary is linked anew.

mod board;
mod cli;
mod crash;
mod demo;
mod game;
mod pages;
mod producer;
mod tidy;
mod web;
