//! Values of topic configuration: from text to what they mean, or what they must be.

use std::fmt::Display;
use std::str::FromStr;

use crate::partition::LogConfig;

/// What batches may be compressed with, as Kafka writes it.
const CODECS: [&str; 6] = ["gzip", "lz4", "producer", "snappy", "uncompressed", "zstd"];

/// A number between `least` and `most`, both included.
pub(super) fn number<T>(text: &str, least: T, most: T) -> Result<T, String>
where
    T: Copy + FromStr + PartialOrd + Display,
{
    match text.parse() {
        Ok(value) if value >= least && value <= most => Ok(value),
        _ => Err(format!("must be a number from {least} to {most}")),
    }
}

/// Sets a field to a number between `least` and `most`, both included.
pub(super) fn set<T>(field: &mut T, text: &str, least: T, most: T) -> Result<(), String>
where
    T: Copy + FromStr + PartialOrd + Display,
{
    *field = number(text, least, most)?;
    Ok(())
}

/// A number of at least 0, or a negative one of at least `least` for no limit.
pub(super) fn unlimited(text: &str, least: i64) -> Result<Option<i64>, String> {
    Ok(Some(number(text, least, i64::MAX)?).filter(|value| *value >= 0))
}

pub(super) fn boolean(text: &str) -> Result<(), String> {
    let is_one = |word: &str| text.eq_ignore_ascii_case(word);
    if is_one("true") || is_one("false") { Ok(()) } else { Err("must be true or false".into()) }
}

/// Tiered storage, which this broker does not have.
pub(super) fn only_false(text: &str) -> Result<(), String> {
    boolean(text)?;
    if text.eq_ignore_ascii_case("false") {
        return Ok(());
    }
    Err("must be false: this broker has no tiered storage".into())
}

pub(super) fn codec(text: &str) -> Result<(), String> {
    if CODECS.contains(&text) {
        return Ok(());
    }
    let [others @ .., last] = &CODECS;
    Err(format!("must be {} or {last}", others.join(", ")))
}

pub(super) fn gzip_level(text: &str) -> Result<(), String> {
    match number(text, -1, 9) {
        Ok(level) if level != 0 => Ok(()),
        _ => Err("must be -1 or a number from 1 to 9".into()),
    }
}

/// Replicas as `partition:broker`, or `*` for all; none at all too.
pub(super) fn throttled_replicas(text: &str) -> Result<(), String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_replica = |item: &str| {
        let item = item.trim();
        let pair = item.split_once(':');
        item.is_empty() || pair.is_some_and(|(index, id)| is_number(index) && is_number(id))
    };
    if text == "*" || text.split(',').all(is_replica) {
        return Ok(());
    }
    Err("must be * or a list of partition:broker, such as 0:1,1:1".into())
}

/// An empty list keeps everything, as in Kafka.
pub(super) fn set_cleanup_policy(log: &mut LogConfig, text: &str) -> Result<(), String> {
    let (mut delete, mut compact) = (false, false);
    for policy in text.split(',').map(str::trim) {
        match policy {
            "delete" => delete = true,
            "compact" => compact = true,
            "" if text.is_empty() => {}
            _ => return Err("must be delete, compact, compact,delete, or nothing".into()),
        }
    }
    (log.delete, log.compact) = (delete, compact);
    Ok(())
}

pub(super) fn set_timestamp_type(log: &mut LogConfig, text: &str) -> Result<(), String> {
    log.log_append_time = match text {
        "CreateTime" => false,
        "LogAppendTime" => true,
        _ => return Err("must be CreateTime or LogAppendTime".into()),
    };
    Ok(())
}
