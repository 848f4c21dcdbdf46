//! The broker of a bench: one suite, two brokers.
//!
//! ```text
//!   On::Embedded ─► a broker in this process, one for each bench
//!   On::Kafka ────► Apache Kafka, one node: shared by the benches of this process,
//!                   or a node of its own for a bench that stops its broker
//! ```
//!
//! Names of topics and groups are unique to a bench, so that those that share a node do not meet.

use std::path::PathBuf;
use std::sync::OnceLock;

use erboh_testbed::{Cluster, ClusterSettings};
use tokio::task::block_in_place;

use crate::support::broker::Broker as Embedded;

/// Which broker a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    /// The broker of this project.
    Embedded,
    /// Apache Kafka.
    Kafka,
}

/// Makes of each `async fn name(on: On)` the tests `embedded::name` and `kafka::name`. A function
/// that is left out is dead code, which clippy refuses.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        $crate::engine::broker::on_embedded!($($name),+);
        $crate::engine::broker::on_kafka!($($name),+);
    };
}

/// Makes of each `async fn name(on: On)` the test `embedded::name`.
macro_rules! on_embedded {
    ($($name:ident),+ $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name($crate::engine::broker::On::Embedded).await;
                }
            )+
        }
    };
}

/// Makes of each `async fn name(on: On)` the test `kafka::name`.
macro_rules! on_kafka {
    ($($name:ident),+ $(,)?) => {
        mod kafka {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "needs Apache Kafka: run by cargo xtask test"]
                async fn $name() {
                    super::$name($crate::engine::broker::On::Kafka).await;
                }
            )+
        }
    };
}

pub(super) use {on_both, on_embedded, on_kafka};

/// A broker that listens on an address of its own.
pub(super) enum Broker {
    Embedded(Embedded),
    /// The node that the benches of this process share. It must not be stopped.
    Shared(&'static Cluster),
    /// A node of one bench.
    Own(Box<Cluster>),
}

impl Broker {
    /// A broker that a test may use but not stop.
    pub(super) async fn start(on: On) -> Self {
        match on {
            On::Embedded => Self::Embedded(Embedded::empty().await),
            On::Kafka => Self::Shared(block_in_place(shared)),
        }
    }

    /// A broker that a test may stop.
    pub(super) async fn start_own(on: On) -> Self {
        match on {
            On::Embedded => Self::Embedded(Embedded::empty().await),
            On::Kafka => {
                let cluster = block_in_place(|| Cluster::start(&settings()));
                Self::Own(Box::new(cluster.unwrap()))
            }
        }
    }

    /// Where clients find it; the same for as long as it exists.
    pub(super) fn address(&self) -> String {
        match self {
            Self::Embedded(broker) => broker.kafka.brokers.clone(),
            Self::Shared(cluster) => cluster.bootstrap(),
            Self::Own(cluster) => cluster.bootstrap(),
        }
    }

    /// The directory of a partition.
    pub(super) fn partition(&self, topic: &str, partition: i32) -> PathBuf {
        let name = format!("{topic}-{partition}");
        match self {
            Self::Embedded(broker) => broker.data().join("topics").join(name),
            Self::Shared(cluster) => cluster.data_directory(1).join(name),
            Self::Own(cluster) => cluster.data_directory(1).join(name),
        }
    }

    /// Stops in order; data and port stay.
    pub(super) async fn halt(&mut self) {
        match self {
            Self::Embedded(broker) => broker.halt().await,
            Self::Shared(_) => panic!("other tests use this broker: take one with `start_own`"),
            Self::Own(cluster) => block_in_place(|| cluster.stop(1)).unwrap(),
        }
    }

    /// Serves again after [`Broker::halt`].
    pub(super) async fn serve(&mut self) {
        match self {
            Self::Embedded(broker) => broker.serve().await,
            Self::Shared(_) => {}
            Self::Own(cluster) => block_in_place(|| cluster.restart(1)).unwrap(),
        }
    }
}

/// One node, in which a transaction that hangs is ended soon.
fn settings() -> ClusterSettings {
    let check = "transaction.abort.timed.out.transaction.cleanup.interval.ms";
    ClusterSettings { properties: vec![(check.into(), "500".into())], ..ClusterSettings::default() }
}

/// The shared node. Should it not start, every test fails with the reason; the supervisor of the
/// cluster ends it with this process.
fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Result<Cluster, String>> = OnceLock::new();
    match SHARED.get_or_init(|| Cluster::start(&settings())) {
        Ok(cluster) => cluster,
        Err(reason) => panic!("the Apache Kafka that these tests share did not start: {reason}"),
    }
}
