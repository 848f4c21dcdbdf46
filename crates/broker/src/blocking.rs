//! File work of requests, on the threads that serve them.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs work that may wait for the disk, or that takes long. The other tasks of this thread go on on
/// another one meanwhile; the work itself stays where it is, since nearly always the page cache has
/// what it needs (ADR 19). Where there is no other thread, as in most tests, it just runs.
pub(crate) fn may_block<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
