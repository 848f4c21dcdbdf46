//! What is wrong with a form is said at its fields, and nothing that was typed is lost.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use super::{encoded, post, value};
use crate::support::producer::lonely;
use crate::web::{ask, get, post_json};

const ID: &str = "0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f";
const GOOD: [(&str, &str); 6] = [
    ("id", ID),
    ("battle", "a vs b"),
    ("voice1", "Big Bird"),
    ("voice2", "Macho Man"),
    ("rating", "2"),
    ("rater", ""),
];

/// The good form with one field changed.
fn with(name: &str, text: &str) -> Vec<(&'static str, String)> {
    assert!(GOOD.iter().any(|(field, _)| *field == name), "{name}");
    let change = |(field, old): (&'static str, &str)| {
        (field, if field == name { text.to_owned() } else { old.to_owned() })
    };
    GOOD.into_iter().map(change).collect()
}

fn body(fields: &[(&'static str, String)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    encoded(&fields)
}

/// The fields that a page marks, in their order.
fn marked(html: &str) -> Vec<String> {
    let error =
        |part: &str| Some(part.split_once(r#" id=""#)?.1.split_once("-error")?.0.to_owned());
    html.split(r#"<p class="error""#).skip(1).filter_map(error).collect()
}

#[tokio::test]
async fn every_form_has_an_id_of_its_own() {
    let router = lonely();
    let (one, other) = (get(&router, "/rate").await, get(&router, "/rate").await);
    assert_eq!(one.status, StatusCode::OK);
    assert_ne!(value(&one.text, "id"), value(&other.text, "id"));
    assert_eq!(one.text.matches("<option value=").count(), 63 + 2, "battles, and no voice twice");
    assert!(marked(&one.text).is_empty() && !one.text.contains("notice"), "{}", one.text);
}

#[tokio::test]
async fn what_is_wrong_is_said_at_its_field() {
    let router = lonely();
    let check = async |fields: Vec<(&'static str, String)>, wrong: &[&str]| {
        let answer = post(&router, body(&fields)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields:?}");
        assert_eq!(marked(&answer.text), wrong, "{fields:?}");
        assert_eq!(answer.text.matches(r#"aria-invalid="true""#).count(), wrong.len());
        for field in wrong {
            let link = format!("<a href=\"#{field}\">");
            assert!(answer.text.contains(&link), "{link}: {}", answer.text);
            assert!(answer.text.contains(&format!(r#"aria-describedby="{field}-error"#)));
            assert!(answer.text.contains(&format!(r#" id="{field}""#)));
        }
        assert!(answer.text.contains("<title>Error: "), "{}", answer.text);
        assert_eq!(value(&answer.text, "id"), ID, "the form keeps its id");
    };
    check(with("battle", ""), &["battle"]).await;
    check(with("battle", " \t"), &["battle"]).await;
    check(with("battle", &"a".repeat(101)), &["battle"]).await;
    check(with("battle", "two\nlines"), &["battle"]).await;
    check(with("voice1", ""), &["voice1"]).await;
    check(with("voice2", "Big Bird"), &["voice2"]).await;
    check(with("voice2", " Big Bird "), &["voice2"]).await;
    check(with("voice1", "\u{200b}"), &["voice1"]).await;
    let (nfc, nfd) = ("Ren\u{e9}e", "Rene\u{301}e");
    let itself = with("voice1", nfc).into_iter().zip(with("voice2", nfd));
    let itself = itself.map(|(one, other)| if one.0 == "voice2" { other } else { one });
    check(itself.collect(), &["voice2"]).await;
    check(with("rating", "3"), &["rating"]).await;
    check(with("rating", "1.5"), &["rating"]).await;
    check(with("rating", "02"), &["rating"]).await;
    check(with("rater", &"a".repeat(101)), &["rater"]).await;
    let nothing = vec![("id", ID.to_owned())];
    check(nothing, &["battle", "voice1", "voice2", "rating"]).await;
    let twice = [with("rating", "2"), vec![("rating", "0".to_owned())]].concat();
    check(twice, &["rating"]).await;
}

#[tokio::test]
async fn a_score_is_that_number_in_every_spelling() {
    let router = lonely();
    for spelled in ["1", "1.0", "1e0"] {
        let mut fields = with("rating", spelled);
        fields.retain(|(name, _)| *name != "battle");
        let answer = post(&router, body(&fields)).await;
        assert_eq!(marked(&answer.text), ["battle"], "{spelled}");
        assert!(answer.text.contains(r#"name="rating" value="1" checked>"#), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_form_without_its_id_gets_a_new_one() {
    let router = lonely();
    for id in ["", "7", "00000000-0000-0000-0000-000000000000"] {
        let answer = post(&router, body(&with("id", id))).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.text.contains("has a new one now"), "{}", answer.text);
        assert_eq!(value(&answer.text, "id").len(), ID.len());
        assert_eq!(value(&answer.text, "battle"), "a vs b");
    }
}

#[tokio::test]
async fn what_is_not_utf_8_is_refused_and_not_guessed() {
    let good = body(&with("battle", "a"));
    for bad in ["%FF", "%C3%28", "%ED%A0%80", "\u{fffd}"] {
        let answer = post(&lonely(), good.replace("battle=a", &format!("battle={bad}"))).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
        assert_eq!(marked(&answer.text), ["battle"], "{bad}");
        assert!(answer.text.contains("could not be read"), "{}", answer.text);
    }
}

#[tokio::test]
async fn what_was_typed_comes_back_as_text() {
    let bad = r#""><script>alert("1")</script>'&"#;
    let names = ["battle", "voice1", "voice2", "rater"];
    let mut fields: Vec<_> = names.map(|name| (name, format!("{name}{bad}"))).into();
    fields.push(("id", bad.to_owned()));
    fields.push(("rating", bad.to_owned()));
    let answer = post(&lonely(), body(&fields)).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!answer.text.contains("<script>") && !answer.text.contains("alert(\""));
    let escaped = "&#34;&#62;&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62;&#39;&#38;";
    for name in names {
        assert!(answer.text.contains(&format!("{name}{escaped}")), "{name}: {}", answer.text);
    }
}

#[tokio::test]
async fn fields_that_are_not_known_change_nothing() {
    let fields = [with("battle", ""), vec![("colour", "red".into()), ("colour", "blue".into())]];
    let answer = post(&lonely(), body(&fields.concat())).await;
    assert_eq!(marked(&answer.text), ["battle"]);
}

#[tokio::test]
async fn only_a_form_of_a_sensible_size_is_read() {
    let router = lonely();
    let json = r#"{"battle":"a vs b"}"#;
    post_json(&router, "/rate", json).await.problem(415, "not-a-form");
    let large = body(&with("battle", &"a".repeat(64 * 1024)));
    post(&router, large).await.problem(413, "too-large");
    let request = Request::post("/rate").header("content-type", "text/plain");
    let request = request.header("accept", "text/html").body(Body::from("x"));
    let answer = ask(&router, request.expect("a request")).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(answer.text.starts_with("<!doctype html>"), "{}", answer.text);
}

#[tokio::test]
async fn without_a_broker_the_form_keeps_all_that_was_typed() {
    let fields = [with("rater", "Ann & <b>"), vec![]].concat();
    let answer = post(&lonely(), body(&fields)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text);
    assert_eq!(answer.header("retry-after"), "5");
    assert!(answer.text.contains("The queue is out of reach"), "{}", answer.text);
    assert!(answer.text.contains("Try again</button>"), "{}", answer.text);
    assert_eq!(value(&answer.text, "id"), ID, "trying again cannot count twice");
    assert_eq!(value(&answer.text, "battle"), "a vs b");
    assert_eq!(value(&answer.text, "rater"), "Ann &#38; &#60;b&#62;");
    assert_eq!(answer.text.matches("<option selected>").count(), 2);
    assert!(answer.text.contains("<option selected>Macho Man</option>"), "{}", answer.text);
    assert!(answer.text.contains(r#"value="2" checked"#), "{}", answer.text);
}

#[tokio::test]
async fn a_link_can_only_claim_what_could_be_a_place() {
    let router = lonely();
    let check = async |sent: &str, shown: &str| {
        let answer = get(&router, &format!("/rate?{sent}")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.text.contains("is on the queue"), !shown.is_empty(), "{sent}");
        assert!(answer.text.contains(shown), "{sent}: {}", answer.text);
    };
    check("sent=3:1234567", "offset 1,234,567 of partition 3").await;
    check("sent=3:x", "").await;
    check("sent=-1:4", "").await;
    check("sent=%3Cscript%3E:1", "").await;
    check("sent=1:2&sent=3:4", "").await;
    check("sent", "").await;
}
