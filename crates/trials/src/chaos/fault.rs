//! The kinds of faults, their targets and their durations.

use std::fmt;
use std::ops::RangeInclusive;

use super::random::Random;

/// Number of consumers.
pub(super) const CONSUMERS: usize = 3;
/// Number of producers.
pub(super) const PRODUCERS: usize = 2;
/// Number of brokers; each is a controller too.
pub(super) const BROKERS: u32 = 3;
/// Partitions of the ratings topic.
pub(super) const PARTITIONS: i32 = 12;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Fault {
    /// SIGKILL of a consumer, which is restarted later.
    ConsumerKilled,
    /// SIGSTOP of a consumer beyond its session timeout: its partitions are reassigned, then it
    /// resumes as a zombie.
    ConsumerFrozen,
    /// SIGKILL of a producer, which is restarted later.
    ProducerKilled,
    /// SIGSTOP of a producer: the kernel accepts connections, but nothing responds.
    ProducerFrozen,
    /// SIGKILL of the leader of a partition.
    LeaderKilled,
    /// SIGSTOP of a broker until the controller fences it.
    BrokerFrozen,
    /// SIGKILL of the active controller.
    ControllerKilled,
    /// Controlled shutdown and restart of every broker in turn.
    RollingRestart,
    /// SIGSTOP of a broker for seconds, which resembles a stalled disk.
    SlowDisk,
    /// Nothing passes between one client and one broker, and no connection is closed.
    LinkCut,
    /// All connections between one client and one broker are closed at once.
    LinkReset,
    /// Ratings already in the log are sent again by the thousand, over HTTP and by a foreign
    /// client.
    DuplicateFlood,
    /// A foreign client writes records that are not ratings.
    MalformedRecords,
}

/// The target of a fault. Consumers and producers are numbered from 0, brokers from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Consumer(usize),
    Producer(usize),
    /// The leader of this partition of the ratings at the time of the fault.
    LeaderOf(i32),
    Broker(u32),
    /// The active controller at the time of the fault.
    Controller,
    AllBrokers,
    /// The connections of a client (consumers first, then producers) to one broker.
    Link {
        client: usize,
        broker: u32,
    },
    Queue,
}

/// A resource that only one fault may affect at a time. A second failed broker would leave fewer
/// in-sync replicas than acks=all requires, which says nothing about erboh and takes time from
/// other faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Lane {
    Brokers,
    Client(usize),
    Queue,
}

impl Fault {
    /// All kinds.
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

    /// The name in schedules and reports.
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

    /// Duration before the fault is healed, in milliseconds. A killed process is restarted after
    /// it. 0 for faults that end by themselves.
    pub(super) fn duration_ms(self) -> RangeInclusive<u64> {
        match self {
            // Below and above the session timeout: the member returns, or its partitions are
            // reassigned.
            Self::ConsumerKilled => 500..=10_000,
            Self::ConsumerFrozen => 8_000..=12_000,
            Self::ProducerKilled => 200..=4_000,
            Self::ProducerFrozen => 1_000..=8_000,
            Self::LeaderKilled | Self::ControllerKilled => 1_000..=6_000,
            // The controller fences a silent broker after 9 s.
            Self::BrokerFrozen => 10_000..=13_000,
            Self::SlowDisk => 1_500..=5_000,
            Self::LinkCut => 2_000..=12_000,
            Self::RollingRestart
            | Self::LinkReset
            | Self::DuplicateFlood
            | Self::MalformedRecords => 0..=0,
        }
    }

    /// Idle time of the lane after the fault is healed, in milliseconds: a broker has to start and
    /// catch up before the next fault.
    pub(super) fn settle_ms(self) -> u64 {
        match self {
            Self::RollingRestart => 40_000,
            Self::LeaderKilled | Self::ControllerKilled => 12_000,
            Self::BrokerFrozen => 6_000,
            Self::SlowDisk | Self::DuplicateFlood | Self::MalformedRecords => 4_000,
            _ => 3_000,
        }
    }

    /// A random target of this fault.
    pub(super) fn target(self, random: &mut Random) -> Target {
        let mut broker = || random.within(1..=u64::from(BROKERS)) as u32;
        match self {
            Self::ConsumerKilled | Self::ConsumerFrozen => {
                Target::Consumer(random.index(CONSUMERS))
            }
            Self::ProducerKilled | Self::ProducerFrozen => {
                Target::Producer(random.index(PRODUCERS))
            }
            Self::LeaderKilled => Target::LeaderOf(random.index(PARTITIONS as usize) as i32),
            Self::BrokerFrozen | Self::SlowDisk => Target::Broker(broker()),
            Self::ControllerKilled => Target::Controller,
            Self::RollingRestart => Target::AllBrokers,
            Self::LinkCut | Self::LinkReset => {
                let broker = broker();
                Target::Link { client: random.index(CONSUMERS + PRODUCERS), broker }
            }
            Self::DuplicateFlood | Self::MalformedRecords => Target::Queue,
        }
    }
}

impl Target {
    /// The lane in which no other fault may run at the same time.
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
