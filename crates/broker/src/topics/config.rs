//! Topic configuration: which keys there are, what they may be set to, what they mean to a log.
//!
//! A topic keeps only what was set, as text, under Kafka's names. Every key of Apache Kafka can be set,
//! because scripts and operators set the same keys everywhere. Those that change nothing on a single
//! broker are held to Kafka's values, kept and shown, and their documentation says so.

mod keys;
mod values;

use std::collections::BTreeMap;

pub(crate) use self::keys::KEYS;
use crate::limits::CONFIG_VALUE_BYTES;
use crate::partition::LogConfig;

/// What was set, by key.
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
    /// Changes nothing on this broker: held to Kafka's values, kept and shown.
    Kept(fn(&str) -> Result<(), String>),
}

/// One key of a topic's configuration.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    /// The topic's key.
    pub(crate) name: &'static str,
    /// The broker's key for the default of all topics, under Kafka's name, where Kafka has one.
    pub(crate) broker_name: Option<&'static str>,
    pub(crate) kind: Type,
    pub(crate) default: &'static str,
    pub(crate) documentation: &'static str,
    effect: Effect,
}

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
            Effect::Kept(check) => check(value.trim()),
        }
        .map_err(|reason| format!("{name}={value}: {reason}"))?;
    }
    check_compaction_lags(&log, overrides)?;
    Ok(log)
}

/// Kafka refuses this pair, too: a record could be neither compacted nor left alone.
fn check_compaction_lags(log: &LogConfig, overrides: &Overrides) -> Result<(), String> {
    const MOST: &str = "max.compaction.lag.ms";
    let least_ms = log.min_compaction_lag_ms;
    let most_ms = overrides.get(MOST).and_then(|text| text.trim().parse().ok());
    match most_ms {
        Some(most_ms) if least_ms > most_ms => Err(format!(
            "min.compaction.lag.ms={least_ms}: must not be more than {MOST}, which is {most_ms}"
        )),
        _ => Ok(()),
    }
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
        check("cleanup.policy", "shrink", "compact,delete");
        check("cleanup.policy", &["delete"; 40].join(","), "at most 256 bytes");
        check("min.insync.replicas", "0", "from 1 to 2147483647");
        check("compression.type", "none", "gzip, lz4, producer, snappy, uncompressed or zstd");
        check("compression.gzip.level", "0", "-1 or a number from 1 to 9");
        check("preallocate", "yes", "true or false");
        check("remote.storage.enable", "true", "must be false");
        check("leader.replication.throttled.replicas", "0:1,*", "0:1,1:1");
    }

    #[test]
    fn compaction_lags_must_leave_room_for_each_other() {
        let lags = |least, most| {
            overrides(&[("min.compaction.lag.ms", least), ("max.compaction.lag.ms", most)])
        };
        assert_eq!(log_config(&lags("5", " 5 ")).map(|log| log.min_compaction_lag_ms), Ok(5));
        let error = log_config(&lags("6", "5")).unwrap_err();
        assert!(error.contains("max.compaction.lag.ms, which is 5"), "{error}");
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
        let log = log_config(&overrides(&[("cleanup.policy", ""), ("retention.bytes", "-7")]));
        let log = log.expect("an empty list keeps everything, as in Kafka");
        assert!(!log.compact && !log.delete);
        assert_eq!(log.retention_bytes, None);
    }
}
