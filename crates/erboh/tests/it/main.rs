//! The integration tests of the `erboh` crate: one binary, because each binary is linked anew.

mod tidy;
