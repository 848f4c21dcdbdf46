//! A key: what a client sends in `Idempotency-Key` to make a whole request safe to repeat without choosing ids itself.
//!
//! ```text
//!  item i ─► id = UUID version 8 of SHA-256(KEY_SPACE, caller, 0, key, 0, i as 8 bytes)   the same for every repetition
//!                                           └ with tokens only ┘
//!  a single rating whose key is a UUID ─► that UUID
//! ```
//!
//! Two callers who both number their requests from 1 do not know of each other. Were their ids the same, one's rating
//! would be dropped as the duplicate of the other's after it was acknowledged.

use axum::http::HeaderMap;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::producer::access::Caller;
use crate::rating::{Invalid, RatingId};
use crate::web::{Problem, kinds};

/// The header's name.
const NAME: &str = "idempotency-key";

/// Bytes in a key: as long as other services of this kind allow, so that their clients need no change.
const KEY_BYTES_MAX: usize = 255;

/// Hashed before everything else, so that an id made here is not also what somebody else makes from the same key.
const KEY_SPACE: &[u8] = b"erboh rating of idempotency key\0";

/// A client's name for one request, the same each time it is repeated.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// What the key has been hashed to so far; only the item's number is missing.
    seed: Sha256,
    own: Option<RatingId>,
}

impl Key {
    /// The key of a request, if it has one, apart from the same key of other callers. Quotes around it, as in the header's draft standard, are left out.
    pub(super) fn of(
        headers: &HeaderMap,
        caller: Option<&Caller>,
    ) -> Result<Option<Self>, Problem> {
        let mut keys = headers.get_all(NAME).iter();
        let Some(key) = keys.next() else { return Ok(None) };
        let text = key.as_bytes();
        let text =
            text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
        let fits =
            (1..=KEY_BYTES_MAX).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
        match (fits, keys.next()) {
            (true, None) => Ok(Some(Self::new(text, caller.map(Caller::name)))),
            _ => Err(Problem::new(
                kinds::BAD_IDEMPOTENCY_KEY,
                format!(
                    "Idempotency-Key is one header with 1 to {KEY_BYTES_MAX} visible ASCII characters; a UUID is best."
                ),
            )),
        }
    }

    fn new(text: &[u8], caller: Option<&str>) -> Self {
        let own = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        let mut seed = Sha256::new_with_prefix(KEY_SPACE);
        // Neither a caller nor a key has a zero byte, so no two pairs are hashed alike.
        for part in caller.map(str::as_bytes).into_iter().chain([text]) {
            seed.update(part);
            seed.update(b"\0");
        }
        Self { seed, own }
    }

    /// The id of the only rating of a request.
    pub(super) fn id(&self) -> RatingId {
        self.own.unwrap_or_else(|| self.id_of_item(0))
    }

    /// The id of an item of a list, by its place from 0.
    pub(super) fn id_of_item(&self, index: u64) -> RatingId {
        let digest = self.seed.clone().chain_update(index.to_be_bytes()).finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        RatingId::from_uuid(Uuid::new_v8(bytes)).expect("a UUID with a version is not nil")
    }
}

/// Where ids come from that the ratings do not bring.
#[derive(Debug, Clone)]
pub(super) enum Naming {
    /// They are made.
    Fresh,
    /// From the key of a request with one rating.
    One(Key),
    /// From the key of a request with many.
    Many(Key),
}

impl Naming {
    /// What a client is to do whose lines were taken up to this one.
    pub(super) fn go_on(&self, line: u64) -> String {
        match self {
            Self::Many(_) => {
                format!("{}, or the lines after line {line} with another one", self.again())
            }
            _ => format!("go on after line {line}"),
        }
    }

    /// What a client is to do that does not know what became of its lines. Ids that come from a key follow from
    /// places, so that a part of the lines would have those of others.
    pub(super) fn again(&self) -> &'static str {
        match self {
            Self::Many(_) => "send the whole upload again with the same Idempotency-Key",
            _ => "send them again with the same ids",
        }
    }

    /// The id of the item at `index`, and whether its sender can name it again.
    pub(super) fn id(
        &self,
        index: u64,
        own: Option<RatingId>,
        fresh: &mut Option<RatingId>,
    ) -> Result<(RatingId, bool), Invalid> {
        match (self, own) {
            (Self::One(key), Some(own)) if own != key.id() => Err(Invalid::new(
                "id",
                "is not the id that Idempotency-Key stands for; send one of the two",
            )),
            (_, Some(own)) => Ok((own, true)),
            (Self::One(key), None) => Ok((key.id(), true)),
            (Self::Many(key), None) => Ok((key.id_of_item(index), true)),
            (Self::Fresh, None) => {
                let id = fresh.map_or_else(RatingId::new, RatingId::next);
                *fresh = Some(id);
                Ok((id, false))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f";

    fn key(values: &[&str]) -> Result<Option<Key>, &'static str> {
        let values = values
            .iter()
            .map(|value| (NAME.parse().expect("a name"), value.parse().expect("a value")));
        Key::of(&values.collect(), None).map_err(|problem| problem.kind.code)
    }

    fn some(value: &str) -> Key {
        key(&[value]).expect("a good key").expect("a key")
    }

    #[test]
    fn a_key_is_one_header_of_visible_text() {
        assert!(matches!(key(&[]), Ok(None)));
        for bad in [&["a", "b"][..], &[""], &["a b"], &["ä"], &["\"\""], &[&"x".repeat(256)]] {
            assert_eq!(key(bad).err(), Some("bad-idempotency-key"), "{bad:?}");
        }
        assert!(key(&[&"x".repeat(255)]).is_ok());
    }

    #[test]
    fn ids_follow_from_the_key_for_ever() {
        assert_eq!(some("order-17").id().to_string(), "ee3645df-ee4c-8354-99a1-ce99443c5718");
        assert_eq!(
            some("order-17").id_of_item(1).to_string(),
            "a00b027f-b6df-83b8-9e5b-749405ab2247"
        );
        assert_eq!(some("\"order-17\"").id(), some("order-17").id());
        assert_ne!(some("order-1").id_of_item(7), some("order-17").id());
    }

    #[test]
    fn callers_do_not_share_their_keys() {
        let of = |caller| Key::new(b"1", caller).id_of_item(0);
        assert_eq!(of(None), some("1").id());
        assert_ne!(of(Some("lab")), of(Some("lib")));
        assert_ne!(of(Some("lab")), of(None));
    }

    #[test]
    fn a_uuid_is_the_id_of_a_single_rating_only() {
        assert_eq!(some(UUID).id().to_string(), UUID);
        assert_ne!(some(UUID).id_of_item(0), some(UUID).id());
        assert_ne!(some("00000000-0000-0000-0000-000000000000").id().as_bytes(), &[0; 16]);
    }
}
