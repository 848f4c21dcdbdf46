//! A fingerprint: by which one record of a log is recognised later.
//!
//! The hash chains three XXH64s, each seeded with the one before, so that no byte can move from key to value unnoticed:
//!
//! ```text
//! header (32 bytes, little endian)                                     seed 0
//!   offset i64 │ timestamp i64 │ key length i64, -1 none │ value length i64, -1 none
//! key bytes                                                            seed = hash of the header
//! value bytes                                                          seed = hash of the key
//! ```

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use utoipa::ToSchema;

use super::hash::xxh64;

/// Where a record stands in its log, and a hash of everything that is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fingerprint {
    /// The offset of the record.
    pub offset: i64,
    /// Its timestamp in milliseconds since 1970, as the log gives it.
    pub timestamp: i64,
    /// The hash of offset, timestamp, key and value. In JSON 16 hexadecimal digits, because many readers of JSON have
    /// only 53 bits for a number.
    pub hash: Hash,
}

impl Fingerprint {
    /// The fingerprint of a record.
    #[must_use]
    pub fn of(offset: i64, timestamp_ms: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        let length = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
        let mut header = [0; 32];
        let numbers = [offset, timestamp_ms, length(key), length(value)];
        for (bytes, number) in header.as_chunks_mut::<8>().0.iter_mut().zip(numbers) {
            *bytes = number.to_le_bytes();
        }
        let hash = xxh64(&header, 0);
        let hash = xxh64(key.unwrap_or_default(), hash);
        let hash = xxh64(value.unwrap_or_default(), hash);
        Self { offset, timestamp: timestamp_ms, hash: Hash(hash) }
    }
}

/// 64 bits that are read as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, pattern = "^[0-9a-f]{16}$", example = "0123456789abcdef")]
pub struct Hash(pub u64);

impl Hash {
    /// Chains one more cut of the window to those before: at a take-over at `position`, nothing was known of what stands
    /// before `window_from`. XXH64 of both numbers, little endian, seeded with the hash of the earlier cuts, or with 0.
    pub(super) fn of_cut(before: Option<Self>, position: i64, window_from: i64) -> Self {
        let mut cut = [0; 16];
        for (bytes, number) in cut.as_chunks_mut::<8>().0.iter_mut().zip([position, window_from]) {
            *bytes = number.to_le_bytes();
        }
        Self(xxh64(&cut, before.map_or(0, |Self(hash)| hash)))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = if digits { u64::from_str_radix(&text, 16).ok() } else { None };
        number.map(Self).ok_or_else(|| D::Error::custom("a hash has 16 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_record_shows() {
        let some = Fingerprint::of(7, 1_000, Some(b"key"), Some(b"value"));
        assert_eq!(serde_json::to_string(&some).unwrap(), GOLDEN);
        assert_eq!(serde_json::from_str::<Fingerprint>(GOLDEN).unwrap(), some);
        for other in [
            Fingerprint::of(8, 1_000, Some(b"key"), Some(b"value")),
            Fingerprint::of(7, 1_001, Some(b"key"), Some(b"value")),
            Fingerprint::of(7, 1_000, Some(b"keyv"), Some(b"alue")),
            Fingerprint::of(7, 1_000, Some(b""), Some(b"keyvalue")),
            Fingerprint::of(7, 1_000, None, Some(b"keyvalue")),
            Fingerprint::of(7, 1_000, Some(b"key"), Some(b"valuE")),
            Fingerprint::of(7, 1_000, Some(b"key"), Some(b"")),
            Fingerprint::of(7, 1_000, Some(b"key"), None),
        ] {
            assert_ne!(other.hash, some.hash, "{other:?}");
        }
    }

    const GOLDEN: &str = r#"{"offset":7,"timestamp":1000,"hash":"861f31e6035d9967"}"#;

    #[test]
    fn a_hash_is_sixteen_digits() {
        for wrong in [r#""+00000000000000a""#, r#""a""#, r#""g000000000000000""#, "5", r#""""#] {
            assert!(serde_json::from_str::<Hash>(wrong).is_err(), "{wrong}");
        }
    }
}
