//! `cargo xtask`: every check of this repository, defined once.

fn main() {}
