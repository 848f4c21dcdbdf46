//! Faults: what can go wrong, whom it meets, and how long it lasts.

use std::fmt;
use std::ops::RangeInclusive;

use super::random::Random;

/// Consumers of a campaign.
pub(super) const CONSUMERS: usize = 3;
/// Producers of a campaign.
pub(super) const PRODUCERS: usize = 2;
/// Brokers of a campaign; each is a controller too.
pub(super) const BROKERS: u32 = 3;
/// Partitions of the ratings.
pub(super) const PARTITIONS: i32 = 12;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Fault {
    /// kill -9 of a consumer, which is started again later.
    ConsumerKilled,
    /// SIGSTOP of a consumer past its session: others take over, then it wakes up and is a zombie.
    ConsumerFrozen,
    /// kill -9 of a producer, which is started again later.
    ProducerKilled,
    /// SIGSTOP of a producer: connections are accepted and nothing is answered.
    ProducerFrozen,
    /// kill -9 of the broker that leads a partition.
    LeaderKilled,
    /// SIGSTOP of a broker until the others have given it up.
    BrokerFrozen,
    /// kill -9 of the node with the active controller.
    ControllerKilled,
    /// Every broker is stopped in order and started again, one after the other.
    RollingRestart,
    /// SIGSTOP of a broker for moments, as a disk would that does not answer.
    SlowDisk,
    /// Nothing passes between one client and one broker, and nobody is told.
    LinkCut,
    /// All connections between one client and one broker are closed at once.
    LinkReset,
    /// Ratings that are on the queue come again by the thousand, over HTTP and from a stranger.
    DuplicateFlood,
    /// A stranger writes what are no ratings.
    MalformedRecords,
}

/// Whom a fault meets. Consumers and producers are counted from 0, brokers from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Consumer(usize),
    Producer(usize),
    /// Whoever leads this partition of the ratings when it happens.
    LeaderOf(i32),
    Broker(u32),
    /// Whoever is the active controller when it happens.
    Controller,
    AllBrokers,
    /// The connections of a client (consumers first, then producers) to one broker.
    Link {
        client: usize,
        broker: u32,
    },
    Queue,
}

/// What must not be met by two faults at once. A second broker that fails leaves fewer replicas
/// than an acknowledgement needs; that proves nothing about erboh and takes the time of faults
/// that do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Lane {
    Brokers,
    Client(usize),
    Queue,
}

impl Fault {
    /// Every kind.
    pub(super) const ALL: [Self; 13] = [
        Self::ConsumerKilled,
        Self::ConsumerFrozen,
        Self::ProducerKilled,
        Self::ProducerFrozen,
        Self::LeaderKilled,
        Self::BrokerFrozen,
        Self::ControllerKilled,
        Self::RollingRestart,
        Self::SlowDisk,
        Self::LinkCut,
        Self::LinkReset,
        Self::DuplicateFlood,
        Self::MalformedRecords,
    ];

    /// What a person calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ConsumerKilled => "consumer killed",
            Self::ConsumerFrozen => "consumer frozen past its session",
            Self::ProducerKilled => "producer killed",
            Self::ProducerFrozen => "producer frozen",
            Self::LeaderKilled => "partition leader killed",
            Self::BrokerFrozen => "broker frozen until fenced",
            Self::ControllerKilled => "active controller killed",
            Self::RollingRestart => "rolling restart of all brokers",
            Self::SlowDisk => "slow disk (broker stopped for seconds)",
            Self::LinkCut => "network cut between a client and a broker",
            Self::LinkReset => "connections reset between a client and a broker",
            Self::DuplicateFlood => "flood of duplicates",
            Self::MalformedRecords => "malformed records",
        }
    }

    /// How long it lasts before it is healed, in milliseconds. What is started again starts after
    /// this time; 0 where it is over as soon as it is done.
    pub(super) fn lasts_ms(self) -> RangeInclusive<u64> {
        match self {
            // Shorter and longer than the session: the same member comes back, or others take over.
            Self::ConsumerKilled => 500..=10_000,
            Self::ConsumerFrozen => 8_000..=12_000,
            Self::ProducerKilled => 200..=4_000,
            Self::ProducerFrozen => 1_000..=8_000,
            Self::LeaderKilled | Self::ControllerKilled => 1_000..=6_000,
            // A controller gives a silent broker up after 9 s.
            Self::BrokerFrozen => 10_000..=13_000,
            Self::SlowDisk => 1_500..=5_000,
            Self::LinkCut => 2_000..=12_000,
            Self::RollingRestart
            | Self::LinkReset
            | Self::DuplicateFlood
            | Self::MalformedRecords => 0..=0,
        }
    }

    /// Time that the lane stays free after the fault was healed, in milliseconds: a broker has to
    /// start and to catch up, and the next fault should find a system that works.
    pub(super) fn settles_ms(self) -> u64 {
        match self {
            Self::RollingRestart => 40_000,
            Self::LeaderKilled | Self::ControllerKilled => 12_000,
            Self::BrokerFrozen => 6_000,
            Self::SlowDisk | Self::DuplicateFlood | Self::MalformedRecords => 4_000,
            _ => 3_000,
        }
    }

    /// Somebody whom it can meet.
    pub(super) fn target(self, random: &mut Random) -> Target {
        let mut broker = || random.within(1..=u64::from(BROKERS)) as u32;
        match self {
            Self::ConsumerKilled | Self::ConsumerFrozen => {
                Target::Consumer(random.place(CONSUMERS))
            }
            Self::ProducerKilled | Self::ProducerFrozen => {
                Target::Producer(random.place(PRODUCERS))
            }
            Self::LeaderKilled => Target::LeaderOf(random.place(PARTITIONS as usize) as i32),
            Self::BrokerFrozen | Self::SlowDisk => Target::Broker(broker()),
            Self::ControllerKilled => Target::Controller,
            Self::RollingRestart => Target::AllBrokers,
            Self::LinkCut | Self::LinkReset => {
                let broker = broker();
                Target::Link { client: random.place(CONSUMERS + PRODUCERS), broker }
            }
            Self::DuplicateFlood | Self::MalformedRecords => Target::Queue,
        }
    }
}

impl Target {
    /// What it must not share with another fault at the same time.
    pub(super) fn lane(self) -> Lane {
        match self {
            Self::Consumer(number) => Lane::Client(number),
            Self::Producer(number) => Lane::Client(CONSUMERS + number),
            Self::Link { client, .. } => Lane::Client(client),
            Self::LeaderOf(_) | Self::Broker(_) | Self::Controller | Self::AllBrokers => {
                Lane::Brokers
            }
            Self::Queue => Lane::Queue,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Consumer(number) => write!(f, "consumer-{number}"),
            Self::Producer(number) => write!(f, "producer-{number}"),
            Self::LeaderOf(partition) => write!(f, "the leader of partition {partition}"),
            Self::Broker(number) => write!(f, "broker {number}"),
            Self::Controller => f.write_str("the active controller"),
            Self::AllBrokers => f.write_str("all brokers"),
            Self::Link { client, broker } => {
                let client = match client.checked_sub(CONSUMERS) {
                    None => Self::Consumer(client),
                    Some(producer) => Self::Producer(producer),
                };
                write!(f, "{client} to broker {broker}")
            }
            Self::Queue => f.write_str("the queue"),
        }
    }
}
