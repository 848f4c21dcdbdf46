//! Fields: what a browser sends of a form, read for as long as it may take.
//!
//! ```text
//!  rate=2&battle=… ──► [("rate", "2"), ("battle", …)]     in the order of the form
//!                  ──► 408 / 413 / 415 / 400              the request is at fault
//! ```

use std::time::Duration;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, FromRequest as _, Request};
use axum::http::StatusCode;

use crate::limits;
use crate::web::body::in_time;
use crate::web::{Problem, kinds};

/// The names and values of a form, as HTML's forms send them. `programs_use` is where a program
/// belongs that has come here.
pub(in crate::producer) async fn read(
    request: Request,
    programs_use: &str,
) -> Result<Vec<(String, String)>, Problem> {
    read_within(limits::BODY_READ, request, programs_use).await
}

async fn read_within(
    time: Duration,
    request: Request,
    programs_use: &str,
) -> Result<Vec<(String, String)>, Problem> {
    let read = in_time(time, Form::from_request(request, &())).await?;
    read.map(|Form(pairs)| pairs).map_err(|rejection| match rejection {
        FormRejection::InvalidFormContentType(_) => Problem::new(
            kinds::NOT_A_FORM,
            format!(
                "Send the form as application/x-www-form-urlencoded; programs use {programs_use}."
            ),
        ),
        rejection if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            kinds::TOO_LARGE,
            format!("A form has at most {} bytes.", limits::RATING_BYTES_MAX),
        ),
        rejection => Problem::new(kinds::BODY_NOT_READ, rejection.body_text()),
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use futures_util::stream::{self, StreamExt as _};

    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    async fn check(kind: &str, body: Body, expected: Result<Vec<(&str, &str)>, &str>) {
        let request = Request::post("/").header("content-type", kind);
        let request = request.body(body).expect("a request");
        let found = read_within(Duration::from_millis(10), request, "POST /x").await;
        let found = found.map_err(|problem| problem.kind.code);
        let expected = expected
            .map(|pairs| pairs.into_iter().map(|(name, value)| (name.into(), value.into())));
        assert_eq!(found, expected.map(Iterator::collect));
    }

    #[tokio::test]
    async fn a_form_arrives_in_time_or_is_refused() {
        check(FORM, "a=1&a=+2".into(), Ok(vec![("a", "1"), ("a", " 2")])).await;
        check("application/json", "{}".into(), Err("not-a-form")).await;
        let piece = stream::iter([Ok::<_, Infallible>("a=1&b")]);
        let slow = Body::from_stream(piece.chain(stream::pending()));
        check(FORM, slow, Err("body-too-slow")).await;
    }
}
