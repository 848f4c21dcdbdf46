//! Waits: until there is something to see, and no longer than a broken build takes.

use std::time::Duration;

use crate::WAIT_MAX;

/// Before something is looked at again.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

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
