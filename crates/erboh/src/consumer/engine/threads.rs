//! Threads: those of the engine, each of which must run for as long as the engine does.
//!
//! ```text
//!   thread ends while it should go on, or panics, or cannot even be started
//!      └─► Health: what failed ─► /livez fails, the process ends with an error, its supervisor starts it again
//! ```
//!
//! A process in which one of them is missing would look well and stand still: the board would keep its last totals,
//! no partition could be taken over, or other replicas would not be heard any more.
//!
//! No way is known from outside of a process to end one thread of it, and no reachable panic is known either. So that
//! a test can end one in the program itself, builds with debug assertions look for the file
//! `$ERBOH_TEST_END_THREADS/<thread>`, and end that thread as the file says: `panic` or `end`. Release builds have
//! nothing of this.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::queue::SettingsError;

/// What the threads should do.
#[derive(Clone)]
pub(super) struct Orders {
    abandoned: Arc<AtomicBool>,
    pub(super) stop: CancellationToken,
}

impl Orders {
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self { abandoned: Arc::default(), stop }
    }

    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_abandoned() || self.stop.is_cancelled()
    }
}

/// A thread of the engine has ended although it should run: the process counts no further and is to be restarted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the counting engine has failed: its thread {thread} {how}. This is a bug, please report it with the log. No rating is \
     lost: after a restart counting resumes from the last snapshots"
)]
pub struct EngineError {
    thread: &'static str,
    how: &'static str,
}

/// Whether all threads of an engine run.
#[derive(Debug, Clone)]
pub struct Health(watch::Receiver<Option<EngineError>>);

impl Health {
    /// Whether they do.
    ///
    /// # Errors
    /// Names the thread that does not.
    pub fn check(&self) -> Result<(), EngineError> {
        self.0.borrow().clone().map_or(Ok(()), Err)
    }

    /// Waits until one does not; without an end, if the engine is stopped first.
    pub async fn failed(&mut self) -> EngineError {
        let failed = self.0.wait_for(Option::is_some).await.ok().and_then(|failed| failed.clone());
        match failed {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }
}

/// Starts the threads of one engine.
pub(super) struct Threads {
    orders: Orders,
    failed: Arc<watch::Sender<Option<EngineError>>>,
}

impl Threads {
    pub(super) fn new(orders: Orders) -> (Self, Health) {
        let (failed, health) = watch::channel(None);
        (Self { orders, failed: Arc::new(failed) }, Health(health))
    }

    /// A thread that is yet to be started. It counts as one that has ended if it never is.
    pub(super) fn add(&self, name: &'static str) -> Thread {
        Thread {
            name,
            orders: self.orders.clone(),
            failed: Arc::clone(&self.failed),
            is_excused: false,
            #[cfg(debug_assertions)]
            fault: fault::of(name),
        }
    }
}

/// A thread of the engine, as it sees itself; dropped when it ends.
pub(super) struct Thread {
    name: &'static str,
    pub(super) orders: Orders,
    failed: Arc<watch::Sender<Option<EngineError>>>,
    is_excused: bool,
    #[cfg(debug_assertions)]
    fault: Option<std::path::PathBuf>,
}

impl Thread {
    /// Runs it.
    pub(super) fn spawn(
        self,
        run: impl FnOnce(Self) + Send + 'static,
    ) -> Result<(), SettingsError> {
        let thread = std::thread::Builder::new().name(self.name.into()).spawn(move || run(self));
        thread.map(|_| ()).map_err(|error| SettingsError(format!("cannot start a thread: {error}")))
    }

    /// Whether it should go on; to be asked all the time.
    pub(super) fn goes_on(&self) -> bool {
        #[cfg(debug_assertions)]
        if let Some(file) = &self.fault
            && fault::ends(file)
        {
            return false;
        }
        !self.orders.is_over()
    }

    /// Ends because another one has, which is what is to be said.
    pub(super) fn ends_with_another(mut self) {
        self.is_excused = true;
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        let how = if std::thread::panicking() {
            "panicked"
        } else if self.is_excused || self.orders.is_over() {
            return;
        } else {
            "has ended"
        };
        // The first one explains those that end because of it.
        self.failed.send_if_modified(|failed| {
            let is_first = failed.is_none();
            failed.get_or_insert(EngineError { thread: self.name, how });
            is_first
        });
    }
}

/// How tests end threads.
#[cfg(debug_assertions)]
mod fault {
    use std::path::{Path, PathBuf};

    /// The file that ends a thread, if this process is one of a test.
    pub(super) fn of(thread: &str) -> Option<PathBuf> {
        // No setting: it is not to be found among what people may set.
        std::env::var_os("ERBOH_TEST_END_THREADS").map(|folder| Path::new(&folder).join(thread))
    }

    /// Whether the thread is to end.
    pub(super) fn ends(file: &Path) -> bool {
        let Ok(how) = std::fs::read_to_string(file) else { return false };
        assert!(how != "panic", "a test asked for this panic");
        how == "end"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads() -> (Orders, Threads, Health) {
        let orders = Orders::new(CancellationToken::new());
        let (threads, health) = Threads::new(orders.clone());
        (orders, threads, health)
    }

    #[tokio::test]
    async fn who_ends_or_panics_fails_the_engine_and_the_first_is_named() {
        let (_, threads, mut health) = threads();
        let other = threads.add("other");
        threads.add("one").spawn(|_thread| panic!("on purpose")).unwrap();
        let failed = health.failed().await;
        assert!(failed.to_string().contains("thread one panicked"), "{failed}");
        drop(other);
        assert_eq!(health.check(), Err(failed));
    }

    #[test]
    fn one_that_was_never_started_fails_the_engine_too() {
        let (_, threads, health) = threads();
        assert_eq!(health.check(), Ok(()));
        drop(threads.add("one"));
        assert!(health.check().unwrap_err().to_string().contains("thread one has ended"));
    }

    #[test]
    fn who_ends_when_told_to_is_well() {
        let (orders, threads, health) = threads();
        let thread = threads.add("one");
        orders.stop.cancel();
        assert!(!thread.goes_on());
        drop(thread);
        assert_eq!(health.check(), Ok(()));
    }
}
