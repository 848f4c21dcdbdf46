//! The state of a cluster, as far as the doctor could see it. The rules read nothing else.

use std::collections::BTreeMap;

use crate::queue::inspect::{Copies, Group, Setting, Settings, Trouble};
use crate::queue::probe::Probe;

/// What was asked for, or why there is no answer.
pub(crate) type Look<T> = Result<T, Trouble>;

/// What erboh brings along.
#[derive(Debug, Clone)]
pub(crate) struct Ours {
    /// The bootstrap addresses as given.
    pub brokers: String,
    /// `security.protocol` in small letters.
    pub security: String,
    /// Who the brokers take us for.
    pub user: String,
    /// The client's properties that the user has set; secret values are not in here.
    pub properties: Vec<(String, String)>,
    /// The time, in milliseconds, after which the group takes a silent consumer for dead.
    pub session_timeout_ms: u64,
    /// The consumers' group.
    pub group: String,
}

/// What a topic is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The ratings.
    Ratings,
    /// The snapshots of the totals.
    Totals,
    /// The records that are no ratings.
    DeadLetters,
}

/// One of the three topics.
#[derive(Debug, Clone)]
pub(crate) struct Topic {
    /// What it is for.
    pub role: Role,
    /// Its name.
    pub name: String,
    /// Its partitions; `None` if there is no such topic.
    pub copies: Look<Option<Vec<Copies>>>,
    /// Its settings; empty if there is no such topic.
    pub settings: Look<Settings>,
}

/// One broker.
#[derive(Debug, Clone)]
pub(crate) struct Broker {
    /// Its number.
    pub id: i32,
    /// The host that it advertises.
    pub host: String,
    /// The port that it advertises.
    pub port: u16,
    /// What listens there.
    pub probe: Probe,
    /// Its settings.
    pub settings: Look<Settings>,
}

/// How far the group is in one partition of the ratings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The partition.
    pub partition: i32,
    /// The first offset of the log.
    pub start: i64,
    /// The offset after its last.
    pub end: i64,
    /// What the group has committed.
    pub committed: Option<i64>,
    /// The timestamp, in milliseconds, of the oldest record that is not counted.
    pub oldest_ms: Option<i64>,
}

/// Everything that was seen.
#[derive(Debug, Clone)]
pub(crate) struct ClusterState {
    /// What erboh brings along.
    pub ours: Ours,
    /// The bootstrap addresses and what listens there.
    pub bootstrap: Vec<(String, Probe)>,
    /// The cluster's id.
    pub cluster: Option<String>,
    /// Its brokers; none if they could not be listed, then `trouble` says why.
    pub brokers: Vec<Broker>,
    /// Why the cluster could not be looked at, if it could not.
    pub trouble: Option<Trouble>,
    /// The three topics; none if the cluster could not be looked at.
    pub topics: Vec<Topic>,
    /// Copies of the partitions of the group's own topic; `None` if it does not exist yet.
    pub offsets_topic: Look<Option<Vec<Copies>>>,
    /// The group; `None` if nobody has joined it.
    pub group: Look<Option<Group>>,
    /// How far it is.
    pub progress: Look<Vec<Progress>>,
    /// When this was seen, in milliseconds since 1970.
    pub now_ms: i64,
}

impl Ours {
    /// The value of a property, if the user has set it.
    #[must_use]
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        let set = self.properties.iter().rev().find(|(set, _)| set == name);
        set.map(|(_, value)| value.as_str())
    }

    /// The SASL mechanism, librdkafka's own choice where the user made none.
    #[must_use]
    pub(crate) fn mechanism(&self) -> &str {
        let set = self.property("sasl.mechanism").or_else(|| self.property("sasl.mechanisms"));
        set.unwrap_or("GSSAPI")
    }
}

impl Topic {
    /// Its partitions, if it exists and could be seen.
    #[must_use]
    pub(crate) fn partitions(&self) -> Option<&[Copies]> {
        self.copies.as_ref().ok()?.as_deref()
    }

    /// A setting, if it could be seen.
    #[must_use]
    pub(crate) fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.as_ref().ok()?.get(name)
    }

    /// A setting that is a number, if it could be seen.
    #[must_use]
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.setting(name)?.value.parse().ok()
    }

    /// The smallest number of copies of any partition.
    #[must_use]
    pub(crate) fn replication(&self) -> Option<usize> {
        self.partitions()?.iter().map(|copies| copies.replicas.len()).min()
    }

    /// How findings name it.
    #[must_use]
    pub(crate) fn subject(&self) -> String {
        format!("topic {}", self.name)
    }
}

impl ClusterState {
    /// The topic with this role, if topics could be looked at.
    #[must_use]
    pub(crate) fn topic(&self, role: Role) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.role == role)
    }

    /// Whether some topic is not there yet, so that the brokers' defaults will shape it.
    #[must_use]
    pub(crate) fn will_create(&self) -> bool {
        self.topics.iter().any(|topic| topic.copies == Ok(None))
    }

    /// The values of a setting among the brokers, each with the numbers of those that have it.
    #[must_use]
    pub(crate) fn on_brokers(&self, name: &str) -> Vec<(&Setting, Vec<i32>)> {
        let mut found: BTreeMap<&str, (&Setting, Vec<i32>)> = BTreeMap::new();
        for broker in &self.brokers {
            let setting = broker.settings.as_ref().ok().and_then(|settings| settings.get(name));
            if let Some(setting) = setting {
                let entry = found.entry(&setting.value).or_insert((setting, Vec::new()));
                entry.1.push(broker.id);
            }
        }
        found.into_values().collect()
    }
}
