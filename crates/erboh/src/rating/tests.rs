//! What is a rating and what is not.

use proptest::prelude::*;

use super::*;
use crate::limits;

const ID: &str = "0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f";

fn json(rest: &str) -> String {
    format!(r#"{{"id":"{ID}","battle":"Adam vs Eve",{rest}}}"#)
}

/// The rating read from `value`, written again; or the field at fault.
fn check(value: impl AsRef<[u8]>, expected: Result<&str, &str>) {
    let value = value.as_ref();
    let found = Rating::parse(value).map(|rating| String::from_utf8(rating.to_json()).unwrap());
    let found = found.as_deref().map_err(|invalid| invalid.field);
    assert_eq!(found, expected, "{}", String::from_utf8_lossy(value));
}

#[test]
fn json_on_the_queue() {
    let plain = json(r#""voice1":"Big Bird","voice2":"Macho Man","rating":2"#);
    check(&plain, Ok(&plain));
    let rater = json(r#""voice1":"Big Bird","voice2":"Macho Man","rating":0,"rater":"Ann""#);
    check(&rater, Ok(&rater));
    for same in [
        json(r#""voice1":" Big Bird\t","voice2":"Macho\u0020Man","rating":2"#),
        json(r#""voice1":"Big Bird","voice2":"Macho Man","rating":2,"rater":" ""#),
        json(r#""new":{"a":[1,{"id":2}]},"voice1":"Big Bird","voice2":"Macho Man","rating":2"#),
        format!("\r\n {plain} \n"),
        plain.replace(ID, &ID.to_uppercase()),
    ] {
        check(&same, Ok(&plain));
    }
}

#[test]
fn json_at_fault_names_the_field() {
    let voices = r#""voice1":"Big Bird","voice2":"Macho Man""#;
    let long = format!(r#""voice1":"{}","voice2":"b","rating":0"#, "ä".repeat(101));
    for (rest, field) in [
        (voices, "rating"),
        (r#""voice1":"Big Bird","rating":2"#, "voice2"),
        (r#""voice1":null,"voice2":"a","rating":2"#, "voice1"),
        (r#""voice1":7,"voice2":"a","rating":2"#, "voice1"),
        (r#""voice1":["a"],"voice2":"a","rating":2"#, "voice1"),
        (r#""voice1":{"a":1},"voice2":"a","rating":2"#, "voice1"),
        (r#""voice1":"","voice2":"a","rating":2"#, "voice1"),
        (r#""voice1":" \n ","voice2":"a","rating":2"#, "voice1"),
        (r#""voice1":"a\u0000b","voice2":"a","rating":2"#, "voice1"),
        (r#""voice1":"a","voice2":"a","rating":2"#, "voice2"),
        (r#""voice1":"a","voice2":" a ","rating":2"#, "voice2"),
        (r#""voice1":"a","voice2":"b","rating":3"#, "rating"),
        (r#""voice1":"a","voice2":"b","rating":-1"#, "rating"),
        (r#""voice1":"a","voice2":"b","rating":1.0"#, "rating"),
        (r#""voice1":"a","voice2":"b","rating":"2""#, "rating"),
        (r#""voice1":"a","voice2":"b","rating":99999999999999999999"#, "rating"),
        (r#""voice1":"a","voice2":"b","rating":2,"rating":1"#, "value"),
        (r#""voice1":"a","voice2":"b","rating":2,"rater":5"#, "rater"),
        (r#""voice1":"a","voice2":"b","rating":2,"#, "value"),
        (long.as_str(), "voice1"),
    ] {
        check(json(rest), Err(field));
    }
    let fits = long.replacen('ä', "", 1);
    assert!(Rating::parse(json(&fits).as_bytes()).is_ok());
}

#[test]
fn only_what_is_no_object_is_called_none() {
    let reason = |value: &str| Rating::from_request(value.as_bytes()).unwrap_err().reason;
    let twice = json(r#""voice1":"a","voice2":"b","rating":2,"rating":1"#);
    assert!(reason(&twice).starts_with("is not a rating: duplicate field `rating`"));
    assert_eq!(reason("7"), "is not a JSON object");
    assert_eq!(reason("a|b|c|1"), "is not a JSON object");
    assert!(reason("{").starts_with("is not a JSON object: EOF"));
}

#[test]
fn an_id_on_the_queue_is_a_hyphenated_uuid() {
    let with = |id: &str| {
        format!(r#"{{"id":{id},"battle":"b","voice1":"Big Bird","voice2":"Macho Man","rating":2}}"#)
    };
    assert!(Rating::parse(with(&format!("{ID:?}")).as_bytes()).is_ok());
    for id in [
        "null".to_owned(),
        "7".to_owned(),
        r#""""#.to_owned(),
        r#""x""#.to_owned(),
        format!("{:?}", ID.replace('-', "")),
        format!("\"{{{ID}}}\""),
        format!("\"urn:uuid:{ID}\""),
        r#""00000000-0000-0000-0000-000000000000""#.to_owned(),
    ] {
        check(with(&id), Err("id"));
    }
    check(r#"{"battle":"b","voice1":"a","voice2":"c","rating":2}"#, Err("id"));
}

#[test]
fn a_request_may_leave_out_the_id() {
    for body in [
        r#"{"battle":"b","voice1":"a","voice2":"c","rating":2}"#,
        r#"{"id":null,"battle":"b","voice1":"a","voice2":"c","rating":2}"#,
    ] {
        let rating = Rating::from_request(body.as_bytes()).unwrap();
        assert_eq!(rating.id, None);
    }
    let body = json(r#""voice1":"a","voice2":"b","rating":2"#);
    assert_eq!(Rating::from_request(body.as_bytes()).unwrap().id.unwrap().to_string(), ID);
    for (body, field) in [
        ("a|b|c|1", "value"),
        ("[1,2,3,4,5,6]", "value"),
        (r#"[null,"b","a","c",2,null]"#, "value"),
        (r#"{"battle":"b","voice1":"a","voice2":"c","rating":5}"#, "rating"),
        (r#"{"id":"5","battle":"b","voice1":"a","voice2":"c","rating":1}"#, "id"),
    ] {
        assert_eq!(Rating::from_request(body.as_bytes()).unwrap_err().field, field, "{body}");
    }
    let error = Rating::from_request(b"{}").unwrap_err().to_string();
    assert_eq!(error, "rating: is missing");
}

/// What a request may spell in other ways, the log may not: what is accepted there is part of the fold.
#[test]
fn a_request_is_normalized_and_the_log_is_read_to_the_letter() {
    let (nfc, nfd) = ("Ren\u{e9}e", "Rene\u{301}e");
    let of = |voice1: &str, score: &str| {
        json(&format!(r#""voice1":"{voice1}","voice2":"Macho Man","rating":{score}"#))
    };
    for score in ["2.0", "2e0", "0.02E+2", "20e-1"] {
        check(of("Joan", score), Err("rating"));
        let rating = Rating::from_request(of("Joan", score).as_bytes()).unwrap();
        assert_eq!(rating.score, Score::Liked, "{score}");
    }
    assert_eq!(Rating::from_request(of("Joan", "-0").as_bytes()).unwrap().score, Score::Hated);
    for score in
        ["2.5", "1e-9", "-1", "-0.5", "3.0", "1e300", "18446744073709551616", "null", "\"2\""]
    {
        let invalid = Rating::from_request(of("Joan", score).as_bytes()).unwrap_err();
        assert_eq!(invalid.field, "rating", "{score}");
    }

    let rating = Rating::from_request(of(nfd, "2").as_bytes()).unwrap();
    assert_eq!(rating.voice1.as_str(), nfc);
    assert_eq!(Rating::parse(of(nfd, "2").as_bytes()).unwrap().voice1.as_str(), nfd);
    // This one has no composed form, so it takes two characters.
    let longer = "\u{958}".repeat(51);
    assert_eq!(Rating::from_request(of(&longer, "2").as_bytes()).unwrap_err().field, "voice1");
    assert!(Rating::parse(of(&longer, "2").as_bytes()).is_ok());

    for invisible in ["\u{200b}", "\u{202e}", " \u{feff} \u{3164}", "\u{e0041}"] {
        let error = Rating::from_request(of(invisible, "2").as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "voice1: has no visible character");
        assert!(Rating::parse(of(invisible, "2").as_bytes()).is_ok());
        let rater = of("Joan", &format!(r#"2,"rater":"{invisible}""#));
        assert_eq!(Rating::from_request(rater.as_bytes()).unwrap().rater, None);
    }
    // What is invisible by itself makes others what they are.
    let family = "\u{1f468}\u{200d}\u{1f469}";
    assert_eq!(Rating::from_request(of(family, "2").as_bytes()).unwrap().voice1.as_str(), family);
}

#[test]
fn the_old_text_form() {
    let old = Rating::parse(b"Moses vs Santa Claus| Big Bird |Macho Man|2\n").unwrap();
    assert_eq!(old.id, None);
    assert_eq!((old.voice1.as_str(), old.voice2.as_str()), ("Big Bird", "Macho Man"));
    assert_eq!((old.battle.as_str(), old.score), ("Moses vs Santa Claus", Score::Liked));
    for (value, field) in [
        ("b|Big Bird|Macho Man|3", "rating"),
        ("b|Big Bird|Macho Man|02", "rating"),
        ("b|Big Bird|Macho Man|liked", "rating"),
        ("b|Big Bird|Macho Man|", "rating"),
        ("|Big Bird|Macho Man|1", "battle"),
        ("b||Macho Man|1", "voice1"),
        ("b|a|a|1", "voice2"),
        ("b|a|c|1|", "value"),
        ("b|a|1", "value"),
        ("hello", "value"),
        ("", "value"),
        ("\"text\"", "value"),
        ("[]", "value"),
        ("{b|a|c|1", "value"),
    ] {
        check(value, Err(field));
    }
}

#[test]
fn bytes_that_are_not_text_or_too_many() {
    check(b"b|\xff|c|1", Err("value"));
    check(vec![b' '; limits::RATING_BYTES_MAX + 1], Err("value"));
    check("[".repeat(limits::RATING_BYTES_MAX), Err("value"));
    check(format!("{{\"a\":{}", "[".repeat(10_000)), Err("value"));
    // The largest rating there can be fits.
    let name = "\\ud83d\\ude00".repeat(99);
    let largest = format!(
        r#"{{"id":"{ID}","battle":"{name}","voice1":"{name}1","voice2":"{name}2","rating":2,"rater":"{name}"}}"#
    );
    let rating = Rating::parse(largest.as_bytes()).unwrap();
    assert!(rating.voice1.as_str().ends_with("😀1"));
    assert_eq!(Rating::parse(&rating.to_json()).unwrap(), rating);
}

#[test]
fn an_error_reads_as_a_sentence() {
    let error = Rating::parse(br#"{"id":"1","rating":4}"#).unwrap_err();
    assert_eq!(error.to_string(), "id: is not a UUID such as 0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f");
    let error = Rating::from_request(br#"{"rating":4}"#).unwrap_err();
    assert_eq!(error.to_string(), "rating: 4 is not 0 (hated), 1 (meh) or 2 (liked)");
}

fn names() -> impl Strategy<Value = String> {
    r#"[ -~äß∂😀\t"\\|]{0,105}"#
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Rating::parse(&bytes);
        let _ = Rating::from_request(&bytes);
    }

    /// Near misses reach deeper than noise does.
    #[test]
    fn damaged_ratings_are_read_without_panic(at in 0_usize..110, byte in any::<u8>(), cut in 0_usize..110) {
        let mut bytes = json(r#""voice1":"Big Bird","voice2":"Macho Man","rating":2"#).into_bytes();
        let at = at.min(bytes.len() - 1);
        bytes[at] = byte;
        let _ = Rating::parse(&bytes);
        bytes.truncate(cut);
        prop_assert!(Rating::parse(&bytes).is_err());
    }

    /// Whatever is read can be written and read again, and the view that counting uses says the same.
    #[test]
    fn what_is_read_is_read_again(battle in names(), voice1 in names(), voice2 in names(), score in 0_u8..4, rater in names()) {
        let value = serde_json::json!({
            "id": ID, "battle": battle, "voice1": voice1, "voice2": voice2, "rating": score, "rater": rater,
        }).to_string();
        let view = RatingView::parse(value.as_bytes());
        prop_assert_eq!(view.clone().map(Rating::from), Rating::parse(value.as_bytes()));
        if let Ok(view) = view {
            prop_assert_ne!(&view.voice1, &view.voice2);
            let mut written = Vec::new();
            view.write_json(ID.parse().unwrap(), &mut written);
            let rating = Rating::from(view);
            prop_assert_eq!(written, rating.to_json());
            prop_assert_eq!(Rating::from(RatingView::from(&rating)), rating.clone());
            prop_assert_eq!(Rating::parse(&rating.to_json()), Ok(rating.clone()));
            prop_assert_eq!(Voice::parse(&voice1), Ok(rating.voice1));
            prop_assert_eq!(score, rating.score.value());
        } else {
            let fine = score < 3 && Battle::parse(&battle).is_ok() && Voice::parse(&voice1).is_ok()
                && Voice::parse(&voice2).is_ok() && voice1.trim() != voice2.trim()
                && (rater.trim().is_empty() || Voice::parse(&rater).is_ok());
            prop_assert!(!fine);
        }
    }
}
