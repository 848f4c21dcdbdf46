//! Stage: the one-broker cluster that the tests of this folder use one after the other.
//!
//! The roles' topics have fixed names, so that two tests cannot use one cluster at the same time.
//! A test that breaks a broker beyond a pause starts a cluster of its own.

use std::sync::{Mutex, MutexGuard, PoisonError};

use erboh_testbed::{Cluster, ClusterSettings};

use super::roles::Roles;

/// The only broker.
const BROKER: u32 = 1;

/// The client that reaches the cluster over a link, which a test may cut.
pub(super) const LINKED: &str = "linked";

static CLUSTER: Mutex<Option<Cluster>> = Mutex::new(None);

/// The cluster, for as long as one test has it.
pub(super) struct Stage(MutexGuard<'static, Option<Cluster>>);

impl Stage {
    /// Waits for the tests before this one, and starts the cluster if there is none yet.
    pub(super) fn enter() -> Self {
        // A test that failed meanwhile is no reason for the next ones to fail.
        let mut cluster = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
        if cluster.is_none() {
            let links = vec![LINKED.to_owned()];
            let settings = ClusterSettings { links, ..ClusterSettings::default() };
            *cluster = Some(Cluster::start(&settings).unwrap());
        }
        Self(cluster)
    }

    /// Topics with this many partitions, empty, and a group that nobody has used.
    pub(super) fn roles(&self, partitions: i32) -> Roles {
        Roles::set_up(&self.cluster().bootstrap(), partitions, 1)
    }

    /// The cluster.
    pub(super) fn cluster(&self) -> &Cluster {
        self.0.as_ref().unwrap()
    }

    /// The broker stands still while `act` runs: nothing is closed, and nothing is answered.
    pub(super) fn while_paused<T>(&mut self, act: impl FnOnce() -> T) -> T {
        struct Resume<'a>(&'a mut Cluster);
        impl Drop for Resume<'_> {
            fn drop(&mut self) {
                self.0.resume(BROKER).unwrap();
            }
        }
        let cluster = self.0.as_mut().unwrap();
        cluster.pause(BROKER).unwrap();
        let _resume = Resume(cluster);
        act()
    }
}
