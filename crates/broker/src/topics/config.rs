//! Topic configuration: which keys there are, what they may be set to, what they mean to a log.
//!
//! A topic keeps only what somebody set, as text, under Kafka's names. Keys that would promise
//! something a single broker cannot do (more replicas, other codecs) are shown with the one value
//! that is true here, and can be set to that value only.

use std::collections::BTreeMap;

use crate::limits::CONFIG_VALUE_BYTES;
use crate::partition::LogConfig;

/// What somebody set, by key.
pub(crate) type Overrides = BTreeMap<String, String>;

/// A value's type, as `DescribeConfigs` numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Boolean = 1,
    String = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

/// What a key does.
#[derive(Clone, Copy)]
enum Effect {
    /// Changes how the log behaves.
    Set(fn(&mut LogConfig, &str) -> Result<(), String>),
    /// Is always the default here.
    Fixed,
}

/// One key of a topic's configuration.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    /// The topic's key.
    pub(crate) name: &'static str,
    /// The broker's key for the default of all topics, under Kafka's name.
    pub(crate) broker_name: &'static str,
    pub(crate) kind: Type,
    pub(crate) default: &'static str,
    pub(crate) documentation: &'static str,
    effect: Effect,
}

impl Key {
    pub(crate) fn is_fixed(&self) -> bool {
        matches!(self.effect, Effect::Fixed)
    }
}

const fn key(
    name: &'static str,
    broker_name: &'static str,
    kind: Type,
    default: &'static str,
    effect: Effect,
    documentation: &'static str,
) -> Key {
    Key { name, broker_name, kind, default, documentation, effect }
}

/// All keys, in alphabetical order. The defaults are Kafka's, except `segment.bytes`, which also has
/// a least value so that a partition cannot open a file for each batch.
pub(crate) const KEYS: &[Key] = &[
    key(
        "cleanup.policy",
        "log.cleanup.policy",
        Type::List,
        "delete",
        Effect::Set(set_cleanup_policy),
        "delete: old segments go; compact: the newest record of each key stays; or both.",
    ),
    key(
        "compression.type",
        "compression.type",
        Type::String,
        "producer",
        Effect::Fixed,
        "Batches are stored as the producer compressed them.",
    ),
    key(
        "delete.retention.ms",
        "log.cleaner.delete.retention.ms",
        Type::Long,
        "86400000",
        Effect::Set(|log, text| set(&mut log.delete_retention_ms, text, 0, i64::MAX)),
        "How long a compacted topic keeps a deletion (a record without a value).",
    ),
    key(
        "max.message.bytes",
        "message.max.bytes",
        Type::Int,
        "1048588",
        Effect::Set(|log, text| set(&mut log.max_message_bytes, text, 0, i32::MAX as usize)),
        "Largest batch that is accepted, as compressed.",
    ),
    key(
        "message.timestamp.type",
        "log.message.timestamp.type",
        Type::String,
        "CreateTime",
        Effect::Set(set_timestamp_type),
        "CreateTime: the producer's time; LogAppendTime: the broker's.",
    ),
    key(
        "min.cleanable.dirty.ratio",
        "log.cleaner.min.cleanable.ratio",
        Type::Double,
        "0.5",
        Effect::Set(|log, text| set(&mut log.min_cleanable_dirty_ratio, text, 0.0, 1.0)),
        "Share of a compacted log that is not compacted yet at which compaction runs.",
    ),
    key(
        "min.compaction.lag.ms",
        "log.cleaner.min.compaction.lag.ms",
        Type::Long,
        "0",
        Effect::Set(|log, text| set(&mut log.min_compaction_lag_ms, text, 0, i64::MAX)),
        "Records younger than this are not compacted.",
    ),
    key(
        "min.insync.replicas",
        "min.insync.replicas",
        Type::Int,
        "1",
        Effect::Fixed,
        "There is one broker, so there is one replica.",
    ),
    key(
        "retention.bytes",
        "log.retention.bytes",
        Type::Long,
        "-1",
        Effect::Set(|log, text| unlimited(text).map(|v| log.retention_bytes = v.map(|v| v as u64))),
        "Size of a partition beyond which its oldest segments go; -1: no limit.",
    ),
    key(
        "retention.ms",
        "log.retention.ms",
        Type::Long,
        "604800000",
        Effect::Set(|log, text| unlimited(text).map(|v| log.retention_ms = v)),
        "Age beyond which segments go; -1: no limit.",
    ),
    key(
        "segment.bytes",
        "log.segment.bytes",
        Type::Int,
        "134217728",
        Effect::Set(|log, text| set(&mut log.segment_bytes, text, 16_384, i32::MAX as u64)),
        "Size at which a new segment begins.",
    ),
    key(
        "segment.ms",
        "log.roll.ms",
        Type::Long,
        "604800000",
        Effect::Set(|log, text| set(&mut log.segment_ms, text, 1, i64::MAX)),
        "Age at which a new segment begins, so that retention and compaction can take the old one.",
    ),
    key(
        "unclean.leader.election.enable",
        "unclean.leader.election.enable",
        Type::Boolean,
        "false",
        Effect::Fixed,
        "There is one broker, so nobody is elected.",
    ),
];

/// The key of that name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// What the overrides mean to a log, or why one of them cannot be.
pub(crate) fn log_config(overrides: &Overrides) -> Result<LogConfig, String> {
    let mut log = LogConfig::default();
    for (name, value) in overrides {
        let key = find(name)
            .ok_or_else(|| format!("{name}: this broker has no such topic configuration"))?;
        match key.effect {
            _ if value.len() > CONFIG_VALUE_BYTES => {
                Err(format!("a value has at most {CONFIG_VALUE_BYTES} bytes"))
            }
            Effect::Set(set) => set(&mut log, value.trim()),
            Effect::Fixed if value.trim() == key.default => Ok(()),
            Effect::Fixed => {
                Err(format!("only {} is possible. {}", key.default, key.documentation))
            }
        }
        .map_err(|reason| format!("{name}={value}: {reason}"))?;
    }
    Ok(log)
}

fn set<T>(field: &mut T, text: &str, least: T, most: T) -> Result<(), String>
where
    T: Copy + std::str::FromStr + PartialOrd + std::fmt::Display,
{
    match text.parse() {
        Ok(value) if value >= least && value <= most => {
            *field = value;
            Ok(())
        }
        _ => Err(format!("must be a number from {least} to {most}")),
    }
}

/// A number of at least 0, or -1 for none.
fn unlimited(text: &str) -> Result<Option<i64>, String> {
    let mut value = 0i64;
    set(&mut value, text, -1, i64::MAX)?;
    Ok(Some(value).filter(|value| *value >= 0))
}

fn set_cleanup_policy(log: &mut LogConfig, text: &str) -> Result<(), String> {
    let (mut delete, mut compact) = (false, false);
    for policy in text.split(',').map(str::trim) {
        match policy {
            "delete" => delete = true,
            "compact" => compact = true,
            _ => return Err("must be delete, compact, or compact,delete".into()),
        }
    }
    (log.delete, log.compact) = (delete, compact);
    Ok(())
}

fn set_timestamp_type(log: &mut LogConfig, text: &str) -> Result<(), String> {
    log.log_append_time = match text {
        "CreateTime" => false,
        "LogAppendTime" => true,
        _ => return Err("must be CreateTime or LogAppendTime".into()),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(set: &[(&str, &str)]) -> Overrides {
        set.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    }

    #[test]
    fn every_default_may_be_set_and_changes_nothing() {
        let all = KEYS.iter().map(|key| (key.name.to_owned(), key.default.to_owned())).collect();
        let set = log_config(&all).expect("defaults are valid");
        assert_eq!(format!("{set:?}"), format!("{:?}", LogConfig::default()));
    }

    #[test]
    fn keys_are_in_order() {
        assert!(KEYS.is_sorted_by_key(|key| key.name));
    }

    #[test]
    fn says_what_is_wrong() {
        let check = |name, value: &str, expected: &str| {
            let error = log_config(&overrides(&[(name, value)])).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("no.such.key", "1", "no such topic configuration");
        check("retention.ms", "week", "from -1 to");
        check("segment.bytes", "14", "from 16384 to");
        check("min.cleanable.dirty.ratio", "NaN", "from 0 to 1");
        check("cleanup.policy", "", "compact,delete");
        check("cleanup.policy", &["delete"; 40].join(","), "at most 256 bytes");
        check("min.insync.replicas", "2", "only 1 is possible");
        check("compression.type", "gzip", "only producer is possible");
    }

    #[test]
    fn reads_what_is_right() {
        let log = log_config(&overrides(&[
            ("cleanup.policy", "compact, delete"),
            ("retention.ms", "-1"),
            ("retention.bytes", "1000"),
            ("message.timestamp.type", "LogAppendTime"),
        ]))
        .expect("valid");
        assert!(log.compact && log.delete && log.log_append_time);
        assert_eq!((log.retention_ms, log.retention_bytes), (None, Some(1000)));
    }
}
