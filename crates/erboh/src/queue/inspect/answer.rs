//! Answer: what a cluster said about itself, or why it did not.

use std::collections::BTreeMap;

use crate::queue::rights::Right;

/// A question that was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What was asked for.
    pub what: String,
    /// Why there is no answer.
    pub reason: String,
    /// The right that is missing, if that is why.
    pub missing: Option<Right>,
}

/// Where a setting's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It was set on the topic.
    Topic,
    /// It was set on this broker while it ran.
    Broker,
    /// It was set for all brokers while they ran.
    AllBrokers,
    /// It stands in the broker's file.
    File,
    /// Nobody has set it.
    Default,
    /// The broker does not say.
    Unknown,
}

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The value, as text.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
}

/// The settings of a topic or a broker, by name. Those without a visible value are left out.
pub type Settings = BTreeMap<String, Setting>;

/// Where the copies of a partition are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// The partition.
    pub partition: i32,
    /// The broker that serves it, if there is one.
    pub leader: Option<i32>,
    /// The brokers that should have a copy.
    pub replicas: Vec<i32>,
    /// Those whose copy is complete.
    pub in_sync: Vec<i32>,
}

/// The brokers of a cluster, as it advertises them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    /// The cluster's id.
    pub cluster: Option<String>,
    /// Number, host and port of every broker.
    pub brokers: Vec<(i32, String, u16)>,
}

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Kafka's name for its state, for example `Stable`.
    pub state: String,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// A member of a consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// The id that the coordinator gave it.
    pub id: String,
    /// What its client calls itself.
    pub client: String,
    /// Where it is.
    pub host: String,
}
