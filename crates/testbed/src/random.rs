//! Random numbers and names: from the hash keys that Rust's library gets from the system.

use std::hash::{BuildHasher as _, RandomState};

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// 64 bits that nobody can foresee.
pub(crate) fn number() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// Sixteen bytes in Kafka's own form for ids: base64 for URLs, 22 characters.
///
/// The first is never `-`, which tools would take for an option. Ids that begin with `AAAA` are
/// not made either: Kafka keeps some of them for itself.
pub(crate) fn kafka_id() -> String {
    let mut id: Vec<u8> = (0..22).map(|_| BASE64_URL[(number() % 62) as usize]).collect();
    id[0] = b'e';
    // The last two bits of 128 come first in the last character; its other four are no data.
    id[21] = b"AQgw"[(number() % 4) as usize];
    String::from_utf8_lossy(&id).into_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn ids_differ_and_have_kafkas_form() {
        let ids: BTreeSet<String> = (0..1000).map(|_| super::kafka_id()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            assert_eq!(id.len(), 22);
            assert!(!id.starts_with('-') && id.ends_with(['A', 'Q', 'g', 'w']), "{id}");
        }
    }
}
