//! JSON: one rating, or an array of them, read whole before anything is sent.
//!
//! ```text
//!  first byte  [   array:  413 above ARRAY_BYTES_MAX; 400 if it is no JSON; else 200, an item for each element
//!              other  one: 413 above RATING_BYTES_MAX; 400, 422; 201
//! ```

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::de::IgnoredAny;
use tokio::time::{Instant, timeout_at};

use super::answer::{Created, Outcome, REUSED};
use super::body::Body;
use super::dispatch::{Dispatch, Sent};
use super::lines::Line;
use super::list;
use super::media::Coding;
use super::uploads::{Place, Uploads};
use crate::limits;
use crate::limits::{ARRAY_BYTES_MAX, ARRAY_ITEMS_MAX, RATING_BYTES_MAX};
use crate::web::byte_order_mark::BYTE_ORDER_MARK;
use crate::web::{Problem, kinds};

/// What most bodies fit into; larger ones grow.
const FIRST_BYTES: usize = 2048;

/// The first byte of an array.
const ARRAY: u8 = b'[';

/// A body of JSON, read.
pub(super) enum Document {
    One(Vec<u8>),
    /// With its memory, which is held until the client has taken the answer.
    Array(Vec<u8>, Place),
}

impl Document {
    /// Reads one rating, or an array as far as there is room for one.
    pub(super) async fn read(
        mut body: Body,
        coding: Coding,
        uploads: &Uploads,
    ) -> Result<Self, Problem> {
        // Of a rating only the decoder is large enough to be counted.
        let _decoder = uploads.decoder(coding).await?;
        let mut bytes = Vec::with_capacity(FIRST_BYTES);
        let started = Instant::now();
        let one = read(&mut body, &mut bytes, RATING_BYTES_MAX, true);
        if timed(one, started + limits::BODY_READ).await? {
            return Ok(Self::One(bytes));
        }
        if first_byte(&bytes) != Some(ARRAY) {
            return Err(too_large(&bytes));
        }
        let rest = read_array(&mut body, &mut bytes, uploads);
        let place = timed(rest, started + limits::ARRAY_READ).await?;
        Ok(Self::Array(bytes, place))
    }
}

/// Reads the rest of an array. Its memory is taken as it arrives, so that whoever only begins one holds little of it.
async fn read_array(
    body: &mut Body,
    bytes: &mut Vec<u8>,
    uploads: &Uploads,
) -> Result<Place, Problem> {
    let mut most = limits::ARRAY_FIRST_BYTES;
    let mut place = uploads.list(most).await?;
    loop {
        bytes.reserve_exact(most + 1 - bytes.len());
        if read(body, bytes, most, false).await? {
            bytes.shrink_to_fit();
            return Ok(place);
        }
        if most >= ARRAY_BYTES_MAX {
            return Err(too_large(bytes));
        }
        let twice = ARRAY_BYTES_MAX.min(2 * most);
        place.merge(uploads.list(twice - most).await?);
        most = twice;
    }
}

/// Reads to the end, or until there are more than `max` bytes, or until it is seen to be an array, if that matters;
/// whether it was the end.
async fn read(
    body: &mut Body,
    bytes: &mut Vec<u8>,
    max: usize,
    one: bool,
) -> Result<bool, Problem> {
    while bytes.len() <= max && !(one && first_byte(bytes) == Some(ARRAY)) {
        let room = max + 1 - bytes.len();
        if body.read(bytes, room).await? == 0 {
            return Ok(true);
        }
        if bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
    }
    Ok(false)
}

async fn timed<T>(
    reading: impl Future<Output = Result<T, Problem>>,
    deadline: Instant,
) -> Result<T, Problem> {
    let late = |_| {
        Problem::new(
            kinds::BODY_TOO_SLOW,
            format!(
                "Nothing was sent: the body takes too long; one rating may take {} s, an array {} s.",
                limits::BODY_READ.as_secs(),
                limits::ARRAY_READ.as_secs()
            ),
        )
    };
    timeout_at(deadline, reading).await.map_err(late)?
}

fn first_byte(bytes: &[u8]) -> Option<u8> {
    bytes.trim_ascii_start().first().copied()
}

fn too_large(bytes: &[u8]) -> Problem {
    let limit = if first_byte(bytes) == Some(ARRAY) {
        format!(
            "An array has at most {ARRAY_BYTES_MAX} bytes; send more as lines ({})",
            super::media::NDJSON
        )
    } else {
        format!("A rating has at most {RATING_BYTES_MAX} bytes")
    };
    Problem::new(kinds::TOO_LARGE, format!("{limit}. Nothing was sent."))
}

/// Sends one rating.
pub(super) async fn one(bytes: &[u8], dispatch: &Dispatch) -> Result<Response, Problem> {
    match dispatch.send_one(bytes).await? {
        Outcome::Created(id, place) => {
            let created = Created { id, partition: place.partition, offset: place.offset };
            Ok((StatusCode::CREATED, Json(created)).into_response())
        }
        Outcome::Failed(id, error) => Err(super::problem(&error).id(id)),
        Outcome::Invalid(invalid) => {
            let kind = if serde_json::from_slice::<IgnoredAny>(bytes).is_err() {
                kinds::NOT_JSON
            } else {
                kinds::INVALID_RATING
            };
            Err(Problem::new(kind, invalid.to_string()).field(invalid.field))
        }
        Outcome::Reused => {
            let detail = format!("id: {REUSED}");
            Err(Problem::new(kinds::ID_REUSED, detail).field("id"))
        }
    }
}

/// Sends the ratings of an array. What is wrong with one does not fail the others.
pub(super) async fn many(
    bytes: Vec<u8>,
    place: Place,
    uploads: &Uploads,
    dispatch: &Dispatch,
    minimal: bool,
) -> Result<Response, Problem> {
    serde_json::from_slice::<IgnoredAny>(&bytes).map_err(|error| {
        let detail = format!("Nothing was sent: the array is no JSON: {error}.");
        Problem::new(kinds::NOT_JSON, detail)
    })?;
    let count = elements(&bytes).take(ARRAY_ITEMS_MAX + 1).count();
    if count > ARRAY_ITEMS_MAX {
        let detail = format!("Nothing was sent: an array has at most {ARRAY_ITEMS_MAX} ratings.");
        return Err(Problem::new(kinds::TOO_LARGE, detail));
    }
    let place = uploads.list_of(place, bytes.len(), count).await?;
    let sent = send(&bytes, dispatch).await?;
    drop(bytes);
    let mut outcomes = Vec::with_capacity(count);
    for sent in sent {
        outcomes.extend(dispatch.outcomes(sent).await);
    }
    Ok(list::answer(outcomes, minimal, place))
}

/// Sends the elements of an array, portion by portion.
async fn send(array: &[u8], dispatch: &Dispatch) -> Result<Vec<Sent>, Problem> {
    let elements: Vec<&[u8]> = elements(array).collect();
    let mut sent = Vec::new();
    for range in portions(&elements) {
        let items = range.map(|index| (index as u64, line(elements[index])));
        let portion = dispatch.read(items);
        // After the first part has been taken there is no way back.
        sent.push(if sent.is_empty() {
            dispatch.send(portion).await?
        } else {
            dispatch.send_waiting(portion).await
        });
    }
    Ok(sent)
}

fn line(element: &[u8]) -> Line<'_> {
    if element.len() > RATING_BYTES_MAX { Line::TooLong } else { Line::Bytes(element) }
}

/// Cuts elements into parts that travel together: not too many, and not too many bytes.
fn portions(elements: &[&[u8]]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |element: &&&[u8]| {
            bytes += element.len();
            bytes <= limits::INGEST_READ_BYTES
        };
        let rest = elements.get(start..).filter(|rest| !rest.is_empty())?;
        let count = rest.iter().take(limits::PORTION_ITEMS_MAX).take_while(fits).count().max(1);
        let range = start..start + count;
        start = range.end;
        Some(range)
    })
}

/// The elements of an array that is known to be JSON.
fn elements(array: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = array.trim_ascii().strip_prefix(b"[").unwrap_or_default();
    std::iter::from_fn(move || {
        let end = element_end(rest)?;
        let element = rest[..end].trim_ascii();
        rest = &rest[(end + 1).min(rest.len())..];
        (!element.is_empty()).then_some(element)
    })
}

/// Where the first element ends: at a comma or a bracket that is in no string, object or array of its own.
fn element_end(text: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0, false, false);
    text.iter().position(|byte| {
        if in_string {
            in_string = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            return false;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth > 0 => depth -= 1,
            b']' | b',' => return depth == 0,
            _ => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn check(array: &str, expected: &[&str]) {
        let found: Vec<_> = elements(array.as_bytes()).collect();
        assert_eq!(
            found,
            expected.iter().map(|text| text.as_bytes()).collect::<Vec<_>>(),
            "{array}"
        );
    }

    #[test]
    fn an_array_has_elements() {
        check("[]", &[]);
        check(" [ ] ", &[]);
        check("[1]", &["1"]);
        check("[ 1 ,{\"a\":[2,{}]} , [[],[3]]\n]\n", &["1", "{\"a\":[2,{}]}", "[[],[3]]"]);
        check(
            r#"["a,]b", "\"", "\\", "\\\",[{"]"#,
            &[r#""a,]b""#, r#""\"""#, r#""\\""#, r#""\\\",[{""#],
        );
    }

    #[test]
    fn portions_are_short_and_leave_nothing_out() {
        let check = |sizes: &[usize], expected: &[std::ops::Range<usize>]| {
            let bytes = vec![b'x'; limits::INGEST_READ_BYTES + 1];
            let elements: Vec<_> = sizes.iter().map(|size| &bytes[..*size]).collect();
            assert_eq!(portions(&elements).collect::<Vec<_>>(), expected);
        };
        let all = limits::INGEST_READ_BYTES;
        check(&[], &[]);
        check(&[1, 2, all - 3, 1], &[0..3, 3..4]);
        check(&[all + 1, all, 1, all - 1, 1], &[0..1, 1..2, 2..4, 4..5]);
        let most = limits::PORTION_ITEMS_MAX;
        check(&vec![1; most + 1], &[0..most, most..most + 1]);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            r#"[\[\]{},:"\\a ä]{0,6}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(r#"[a"\\\]]{0,3}"#, inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn elements_are_those_of_a_json_reader(values in proptest::collection::vec(json(), 0..5), pretty: bool) {
            let array = Value::from(values.clone());
            let text = if pretty { serde_json::to_string_pretty(&array) } else { serde_json::to_string(&array) };
            let text = text.expect("JSON");
            let found: Result<Vec<Value>, _> = elements(text.as_bytes()).map(serde_json::from_slice).collect();
            prop_assert_eq!(found.expect("each is JSON"), values);
        }
    }
}
