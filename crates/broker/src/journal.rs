//! A journal is the one queue through which changes reach a store.
//!
//! ```text
//!  request ── reserve ──► lock, decide, enqueue, unlock ──► store.put ──► apply ──► answer
//!                         (order of the queue = order under the lock)    (in the same order)
//! ```
//!
//! A change takes effect in memory only after it is in the store, and in the same order, although
//! no lock is held while the disk is written to. What waits together is written together. A
//! request whose client goes away half-way is still carried out to its end.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::limits::{JOURNAL_BATCH, JOURNAL_QUEUE};
use crate::store::Store;

/// A key and its new value; `None` deletes the key.
pub(crate) type Change = (String, Option<Value>);

/// Whether the changes are in the store.
pub(crate) type Written = Result<(), ResponseError>;

struct Entry {
    changes: Vec<Change>,
    apply: Box<dyn FnOnce(Written) + Send>,
    done: oneshot::Sender<Written>,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    queue: mpsc::Sender<Entry>,
}

/// A place in the queue.
pub(crate) struct Place<'a> {
    permit: mpsc::Permit<'a, Entry>,
}

impl Journal {
    /// Starts the task that writes; it ends when the last clone of the journal is dropped.
    pub(crate) fn start(store: Arc<Store>) -> Self {
        let (queue, entries) = mpsc::channel(JOURNAL_QUEUE);
        tokio::spawn(write(store, entries));
        Self { queue }
    }

    /// Waits until the task that writes is gone: as this holds a clone, only a panic ends it.
    pub(crate) async fn ended(&self) {
        self.queue.closed().await;
    }

    /// Waits for a place in the queue, before any lock is taken.
    pub(crate) async fn reserve(&self) -> Result<Place<'_>, ResponseError> {
        let permit = self.queue.reserve().await;
        Ok(Place { permit: permit.map_err(|_| ResponseError::CoordinatorNotAvailable)? })
    }
}

impl Place<'_> {
    /// Enqueues changes that go into the store together or not at all. `apply` is called with the
    /// outcome, before the receiver gets it.
    pub(crate) fn write(
        self,
        changes: Vec<Change>,
        apply: impl FnOnce(Written) + Send + 'static,
    ) -> oneshot::Receiver<Written> {
        let (done, written) = oneshot::channel();
        self.permit.send(Entry { changes, apply: Box::new(apply), done });
        written
    }
}

/// Waits for the outcome of a write.
pub(crate) async fn outcome(written: oneshot::Receiver<Written>) -> Written {
    // The task is gone only when the broker stops, or has failed.
    written.await.unwrap_or(Err(ResponseError::CoordinatorNotAvailable))
}

async fn write(store: Arc<Store>, mut entries: mpsc::Receiver<Entry>) {
    let mut batch = Vec::new();
    // A full disk is worth one line in the log, not one for every heartbeat and commit.
    let mut failing = false;
    while entries.recv_many(&mut batch, JOURNAL_BATCH).await > 0 {
        let together = batch.iter().flat_map(|entry| entry.changes.iter().cloned()).collect();
        let alone = match store.put(together).await {
            Ok(()) => {
                failing = false;
                false
            }
            // What was wrong with one entry must not fail the others.
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, "could not write the coordinators' journal");
                }
                true
            }
        };
        for entry in batch.drain(..) {
            let written = if alone { store.put(entry.changes).await } else { Ok(()) };
            let written = written.map_err(|_| ResponseError::CoordinatorNotAvailable);
            (entry.apply)(written);
            // Whoever asked may have gone.
            let _ = entry.done.send(written);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::testing::LAZY;

    #[tokio::test]
    async fn a_journal_whose_task_panicked_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(dir.path().to_owned(), LAZY).unwrap();
        let journal = Journal::start(Arc::new(store));
        let failing = journal.reserve().await.unwrap().write(Vec::new(), |_| panic!("a test's"));
        journal.ended().await;
        assert_eq!(outcome(failing).await, Err(ResponseError::CoordinatorNotAvailable));
        assert!(journal.reserve().await.is_err());
    }
}
