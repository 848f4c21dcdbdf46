//! Random numbers and ids, seeded from the hash keys that the standard library gets from the
//! system.

use std::hash::{BuildHasher as _, RandomState};

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// 64 unpredictable bits.
pub(crate) fn number() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// A random UUID in Kafka's format: 22 characters of URL-safe base64.
///
/// The first character is never `-`, which tools would parse as an option, and the id never starts
/// with `AAAA`, which Kafka reserves.
pub(crate) fn kafka_id() -> String {
    let mut id: Vec<u8> = (0..22).map(|_| BASE64_URL[(number() % 62) as usize]).collect();
    id[0] = b'e';
    // The last character encodes only the last two of 128 bits; its other four bits are zero.
    id[21] = b"AQgw"[(number() % 4) as usize];
    String::from_utf8_lossy(&id).into_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_unique_and_in_kafkas_format() {
        let ids: BTreeSet<String> = (0..1000).map(|_| super::kafka_id()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            assert_eq!(id.len(), 22);
            assert!(!id.starts_with('-') && id.ends_with(['A', 'Q', 'g', 'w']), "{id}");
        }
    }
}
