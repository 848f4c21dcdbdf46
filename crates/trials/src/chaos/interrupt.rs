//! Ctrl-C stops a campaign in order, so that no process is left behind.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::shared::Shared;

/// How often the end of the campaign is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Stops the campaign on SIGINT or SIGTERM; returns when the campaign has stopped.
pub(super) fn watch(shared: &Shared) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    // Without a handler, Ctrl-C kills this process, and the children are killed with it.
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else { return };
        while !shared.is_stopping() {
            tokio::select! {
                _ = interrupt.recv() => shared.interrupt(),
                _ = terminate.recv() => shared.interrupt(),
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
        }
    });
}
