//! A topic: a name, an id, partitions, and what is set about it.

use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::partition::LogConfig;
use crate::partition::Partition;
use crate::topics::config::Overrides;

/// What the store remembers of a topic.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) id: Uuid,
    pub(super) partitions: i32,
    #[serde(default)]
    pub(super) config: Overrides,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    partitions: RwLock<Vec<Arc<Partition>>>,
    overrides: RwLock<Overrides>,
}

impl Topic {
    pub(super) fn new(
        name: &str,
        id: Uuid,
        partitions: Vec<Arc<Partition>>,
        overrides: Overrides,
    ) -> Self {
        Self {
            name: name.to_owned(),
            id,
            partitions: RwLock::new(partitions),
            overrides: RwLock::new(overrides),
        }
    }

    pub(crate) fn partition(&self, index: i32) -> Option<Arc<Partition>> {
        let index = usize::try_from(index).ok()?;
        self.partitions.read().unwrap_or_else(PoisonError::into_inner).get(index).cloned()
    }

    pub(crate) fn partitions(&self) -> Vec<Arc<Partition>> {
        self.partitions.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn partition_count(&self) -> i32 {
        self.partitions.read().unwrap_or_else(PoisonError::into_inner).len() as i32
    }

    /// What somebody set about this topic.
    pub(crate) fn overrides(&self) -> Overrides {
        self.overrides.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn add(&self, mut new: Vec<Arc<Partition>>) {
        self.partitions.write().unwrap_or_else(PoisonError::into_inner).append(&mut new);
    }

    pub(super) fn configure(&self, overrides: Overrides, log: &LogConfig) {
        for partition in self.partitions() {
            partition.set_config(log.clone());
        }
        *self.overrides.write().unwrap_or_else(PoisonError::into_inner) = overrides;
    }
}
