//! Waits: until there is something to see, and no longer than a broken build takes.

use std::time::{Duration, Instant};

use crate::WAIT_MAX;

/// Before something is looked at again.
const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// The same where another process is asked.
const PROCESS_LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Looks until there is something to see.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    };
    let Ok(found) = tokio::time::timeout(WAIT_MAX, looking).await else { panic!("never: {what}") };
    found
}

/// The same for a test of processes, whose threads may wait.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {WAIT_MAX:?}: {what}");
        std::thread::sleep(PROCESS_LOOK_PAUSE);
    }
}

/// The same where there is nothing to see but a yes.
#[track_caller]
pub(crate) fn becomes(what: &str, mut is_so: impl FnMut() -> bool) {
    eventually(what, || is_so().then_some(()));
}
