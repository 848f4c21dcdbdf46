//! Trio: the three-broker cluster that tests break, one after the other. Each gets it with all brokers up.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use erboh_testbed::{Cluster, ClusterSettings};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::roles::Roles;
use crate::support::wait::eventually;

/// All of its brokers.
pub(super) const BROKERS: [u32; 3] = [1, 2, 3];

/// Longest wait for one answer about a topic; it is asked again.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

static CLUSTER: Mutex<Option<Cluster>> = Mutex::new(None);

/// The cluster, for as long as one test has it.
pub(super) struct Trio(MutexGuard<'static, Option<Cluster>>);

/// Who has a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placement {
    /// None while nobody leads.
    pub(super) leader: Option<u32>,
    pub(super) replicas: Vec<u32>,
    pub(super) in_sync: Vec<u32>,
}

impl Trio {
    /// Waits for the tests before this one, and starts what does not run.
    pub(super) fn enter() -> Self {
        // A test that failed meanwhile is no reason for the next ones to fail.
        let mut cluster = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
        if cluster.is_none() {
            // A stale replica is elected, where the topic allows that, as soon as it is there.
            let unclean = ("unclean.leader.election.interval.ms".to_owned(), "500".to_owned());
            let settings = ClusterSettings {
                brokers: BROKERS.len() as u32,
                properties: vec![unclean],
                ..ClusterSettings::default()
            };
            *cluster = Some(Cluster::start(&settings).unwrap());
        }
        let mut trio = Self(cluster);
        trio.all_up();
        trio
    }

    /// The cluster.
    pub(super) fn cluster(&mut self) -> &mut Cluster {
        self.0.as_mut().unwrap()
    }

    /// Starts every broker that is down and waits until all serve.
    pub(super) fn all_up(&mut self) {
        let down: Vec<u32> =
            BROKERS.into_iter().filter(|broker| !self.cluster().is_up(*broker)).collect();
        for broker in &down {
            self.cluster().start_without_waiting(*broker).unwrap();
        }
        for broker in down {
            self.cluster().wait_until_serving(broker).unwrap();
        }
    }

    /// Topics with this many partitions on all brokers, empty, and a group that nobody has used.
    pub(super) fn roles(&mut self, partitions: i32) -> Roles {
        Roles::set_up(&self.cluster().bootstrap(), partitions, BROKERS.len() as i32)
    }

    /// Waits until a partition is placed as expected.
    #[track_caller]
    pub(super) fn until_placed(
        &mut self,
        topic: &str,
        partition: i32,
        expected: impl Fn(&Placement) -> bool,
    ) -> Placement {
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.cluster().bootstrap())
            .create()
            .unwrap();
        let mut last = None;
        eventually("a partition is placed as expected", || {
            let placement = placement(&client, topic, partition)?;
            let fits = expected(&placement);
            if last.as_ref() != Some(&placement) {
                eprintln!("{topic} {partition}: {placement:?}");
                last = Some(placement.clone());
            }
            fits.then_some(placement)
        })
    }
}

fn placement(client: &BaseConsumer, topic: &str, partition: i32) -> Option<Placement> {
    let metadata = client.fetch_metadata(Some(topic), ANSWER_WAIT).ok()?;
    let of = metadata.topics().first()?.partitions().iter().find(|of| of.id() == partition)?;
    let numbers = |ids: &[i32]| ids.iter().filter_map(|id| u32::try_from(*id).ok()).collect();
    Some(Placement {
        leader: u32::try_from(of.leader()).ok(),
        replicas: numbers(of.replicas()),
        in_sync: numbers(of.isr()),
    })
}
