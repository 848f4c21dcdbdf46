//! The broker's own tasks: those that it cannot do without.
//!
//! ```text
//!  serve ──► spawn: flush, maintenance, group timers, transactions, journals
//!    ▲                      │
//!    └────── ended ◄────────┘ a task ended or panicked before the broker stopped
//! ```
//!
//! A broker that went on without one of them would look healthy while records are not flushed, members
//! do not expire or offsets are not written. So it ends with an error, for its supervisor to see.

use std::future::Future;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

/// See the module. The tasks are aborted when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Background {
    tasks: JoinSet<()>,
    names: Vec<(AbortHandle, &'static str)>,
}

/// A task that ended although the broker needs it.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) task: &'static str,
    /// Its panic, if it had one.
    pub(crate) reason: String,
}

impl Background {
    /// Starts a task that ends only when the broker stops.
    pub(crate) fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = self.tasks.spawn(task);
        self.names.push((task, name));
    }

    /// Waits for the first task that ends.
    pub(crate) async fn ended(&mut self) -> Ended {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.describe(ended),
            None => std::future::pending().await,
        }
    }

    /// Waits for all tasks, once the broker has asked them to end.
    ///
    /// # Errors
    /// The first that failed over it.
    pub(crate) async fn join(mut self) -> Result<(), Ended> {
        let mut failed = Ok(());
        while let Some(ended) = self.tasks.join_next_with_id().await {
            if ended.is_err() && failed.is_ok() {
                failed = Err(self.describe(ended));
            }
        }
        failed
    }

    fn describe(&self, ended: Result<(Id, ()), JoinError>) -> Ended {
        let (id, reason) = match ended {
            Ok((id, ())) => (id, "it ended by itself".to_owned()),
            Err(error) => (error.id(), error.to_string()),
        };
        let name = self.names.iter().find(|(task, _)| task.id() == id).map(|(_, name)| *name);
        Ended { task: name.unwrap_or("unnamed"), reason }
    }

    /// Every task's name, and what ends it.
    #[cfg(test)]
    pub(crate) fn handles(&self) -> &[(AbortHandle, &'static str)] {
        &self.names
    }
}
