//! A dead letter: a record that is no rating, as it is kept for a person to look at.
//!
//! ```text
//!  key      log|partition|offset      of the record, so that a letter written twice replaces itself
//!  headers  reason, source, fold, length, and the trace that the record had
//!  value    the record's own bytes, at most BYTES_MAX of them
//! ```

use utoipa::ToSchema;

use super::{FOLD, Record};
use crate::rating::Invalid;

/// Bytes of a bad record that its dead letter keeps. The offset in its key leads to the rest.
pub const BYTES_MAX: usize = 64 * 1024;

/// A dead letter, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter<'a> {
    /// Its key.
    pub key: String,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its value; never none, which a compacted topic would take for a deletion.
    pub value: &'a [u8],
}

/// The headers of a dead letter, each as text.
#[derive(ToSchema)]
pub struct DeadLetterHeaders {
    /// Which field of the record is wrong, and why.
    #[schema(example = "rating: is missing")]
    reason: String,
    /// Where the record stands: `topic/partition/offset`.
    #[schema(example = "erboh-ratings/0/17")]
    source: String,
    /// The version of the fold that could not count it.
    #[schema(pattern = "^[0-9]+$", example = "1")]
    fold: String,
    /// The bytes of the record's value, where the letter does not keep all of them.
    #[schema(nullable = false, pattern = "^[0-9]+$")]
    length: Option<String>,
}

impl<'a> DeadLetter<'a> {
    /// The letter of a record that stands in this partition of the topic `source`, whose log is `log`.
    #[must_use]
    pub fn new(
        source: &str,
        log: &str,
        partition: i32,
        record: &Record<'a>,
        invalid: &Invalid,
    ) -> Self {
        let Record { offset, value, .. } = *record;
        let value = value.unwrap_or_default();
        let headers = DeadLetterHeaders {
            reason: invalid.to_string(),
            source: format!("{source}/{partition}/{offset}"),
            fold: FOLD.to_string(),
            length: (value.len() > BYTES_MAX).then(|| value.len().to_string()),
        };
        Self {
            key: format!("{log}|{partition}|{offset}"),
            headers: headers.pairs(),
            value: &value[..value.len().min(BYTES_MAX)],
        }
    }
}

impl DeadLetterHeaders {
    /// Names and values, as Kafka carries them.
    fn pairs(self) -> Vec<(String, Vec<u8>)> {
        let Self { reason, source, fold, length } = self;
        let given = [("reason", reason), ("source", source), ("fold", fold)].into_iter();
        let all = given.chain(length.map(|length| ("length", length)));
        all.map(|(name, value)| (name.to_owned(), value.into_bytes())).collect()
    }
}

#[cfg(test)]
mod tests {
    use utoipa::PartialSchema as _;

    use super::*;

    #[test]
    fn what_is_written_is_what_is_documented() {
        let value = vec![b'x'; BYTES_MAX + 1];
        let record = Record { offset: 17, timestamp_ms: 0, key: None, value: Some(&value) };
        let letter =
            DeadLetter::new("ratings", "c0ff", 3, &record, &Invalid::new("value", "is bad"));
        assert_eq!((&*letter.key, letter.value.len()), ("c0ff|3|17", BYTES_MAX));
        let schema = serde_json::to_value(DeadLetterHeaders::schema()).unwrap();
        let mut written: Vec<&str> = letter.headers.iter().map(|(name, _)| name.as_str()).collect();
        written.sort_unstable();
        let documented: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(written, documented);
    }
}
