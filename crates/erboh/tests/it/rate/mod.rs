//! The form for people: what it refuses, what it keeps, and that it cannot count twice.

mod counted;
mod fields;

use axum::Router;
use axum::body::Body;
use axum::http::Request;

use crate::web::{Answer, ask};

/// The value of a form's field, as the page has it.
fn value(html: &str, name: &str) -> String {
    let field = html.split(&format!(r#"name="{name}""#)).nth(1).expect("the field");
    let value = field.split(r#"value=""#).nth(1).expect("its value");
    value.split('"').next().expect("its end").to_owned()
}

/// The fields as a browser sends them.
fn encoded(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b' ' => "+".to_owned(),
                _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect()
    };
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

async fn post(router: &Router, body: impl Into<Body>) -> Answer {
    let request =
        Request::post("/rate").header("content-type", "application/x-www-form-urlencoded");
    ask(router, request.body(body.into()).expect("a request")).await
}
