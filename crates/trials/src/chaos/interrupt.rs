//! Interrupt: Ctrl-C ends a campaign in order, so that no process is left behind.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::shared::Shared;

/// How often it is looked whether the campaign has ended by itself.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Ends everything at SIGINT or SIGTERM; returns when everything has ended anyway.
pub(super) fn watch(shared: &Shared) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    // Without this Ctrl-C ends the process at once, and the brokers notice that by themselves.
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else { return };
        while !shared.is_over() {
            tokio::select! {
                _ = interrupt.recv() => shared.interrupt(),
                _ = terminate.recv() => shared.interrupt(),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    });
}
