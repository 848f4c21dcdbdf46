//! The `erboh` command.

fn main() {}
