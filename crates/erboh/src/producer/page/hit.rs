//! `GET /`: each hit generates ratings, puts them on the queue and shows what became of each.
//!
//! The page shows what was sent, nothing else: each row is the rating whose bytes were handed to
//! the queue, with the place the broker gave it or the reason why it has none.

use std::borrow::Cow;

use askama::Template;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, VARY};
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::producer::forms::Trouble;
use crate::producer::intake::Busy;
use crate::producer::{Producer, ratings};
use crate::queue::{Batch, Placed, SendError, SendResult};
use crate::rating::{Rating, RatingId};
use crate::web::{self, Nav, Problem, kinds, requests};

/// One rating as the page shows it.
#[derive(Debug)]
pub struct Row {
    /// The rating that was handed to the queue, and its id.
    pub rating: (RatingId, Rating),
    /// What the queue answered.
    pub result: SendResult,
}

impl Row {
    fn place(&self) -> Result<Placed, &'static str> {
        self.result.clone().map_err(|error| match error {
            SendError::Unknown(_) => "unknown: not acknowledged in time",
            _ => "not sent",
        })
    }
}

/// The page of one hit.
#[derive(Debug, Template)]
#[template(path = "hit.html")]
pub struct Page<'a> {
    nav: Nav,
    rows: &'a [Row],
    topic: &'a str,
    board_url: Option<&'a str>,
}

impl<'a> Page<'a> {
    /// The page for `rows`, which stand in the order of their sending.
    #[must_use]
    pub fn new(rows: &'a [Row], topic: &'a str, board_url: Option<&'a str>) -> Self {
        let nav = Nav::of_producer("/", board_url);
        Self { nav, rows, topic, board_url }
    }

    fn newest_first(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().rev()
    }

    fn acknowledged(&self) -> usize {
        self.rows.iter().filter(|row| row.result.is_ok()).count()
    }

    fn headline(&self) -> String {
        match (self.acknowledged(), self.rows.len()) {
            (sent, all) if sent == all => format!("{all} ratings sent"),
            (0, _) => "No rating sent".to_owned(),
            (sent, all) => format!("{sent} of {all} ratings sent"),
        }
    }

    fn explanation(&self) -> Cow<'static, str> {
        match self.acknowledged() {
            0 => "The researchers have rated, but the queue has not taken their ratings.".into(),
            sent if sent == self.rows.len() => {
                "The queue has acknowledged every one of them; here is where they are.".into()
            }
            sent => format!("The queue has acknowledged {sent}; the others are marked.").into(),
        }
    }

    /// The worst that happened: an unknown outcome matters more than a certain one.
    fn worst(&self) -> Option<&SendError> {
        let errors = || self.rows.iter().filter_map(|row| row.result.as_ref().err());
        errors().find(|error| matches!(error, SendError::Unknown(_))).or_else(|| errors().next())
    }

    fn trouble(&self) -> Option<Trouble> {
        self.worst().map(Trouble::of_hit)
    }

    /// None when anything was acknowledged, since that cannot be undone by an error status.
    fn problem(&self) -> Option<Problem> {
        self.worst().filter(|_| self.acknowledged() == 0).map(ratings::problem)
    }
}

pub(in crate::producer) async fn show(
    State(producer): State<Producer>,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response {
    if is_prefetch(&headers) {
        return answer_prefetch();
    }
    if is_embedded(&headers) {
        return web::error(
            &headers,
            Problem::new(
                kinds::CROSS_SITE,
                "Another site embeds this page; open it instead. Only an opened page rates.",
            ),
        );
    }
    let settings = &producer.settings;
    let ratings = producer.simulate(settings.ratings_per_hit);
    let results = match send(&producer, &ratings, &extensions).await {
        Ok(results) => results,
        Err(busy) => return web::error(&headers, busy.into()),
    };
    let rows: Vec<Row> =
        ratings.into_iter().zip(results).map(|(rating, result)| Row { rating, result }).collect();
    let page = Page::new(&rows, &settings.topic, settings.board_url.as_deref());
    match page.problem() {
        Some(problem) => web::problem_page(&problem, &page),
        None => web::html(StatusCode::OK, &page),
    }
}

/// Sends the ratings and waits for the results, which stand in their order. The records carry the
/// request's trace.
async fn send(
    producer: &Producer,
    ratings: &[(RatingId, Rating)],
    request: &Extensions,
) -> Result<Vec<SendResult>, Busy> {
    let mut batch = Batch::new();
    for (id, rating) in ratings {
        batch.push(id.to_string().as_bytes(), &rating.to_json());
    }
    for (name, value) in requests::headers(request) {
        batch.header(name, &value);
    }
    Ok(producer.intake.accept(batch).await?.results().await)
}

/// HEAD asks about the page without wanting it, so it generates nothing.
pub(in crate::producer) async fn head() -> Response {
    [(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))].into_response()
}

/// Whether a browser only guesses that somebody may want the page. Nobody has seen it then, so
/// nobody has rated.
fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-moz"]
        .iter()
        .filter_map(|name| headers.get(*name)?.to_str().ok())
        .any(|value| value.contains("prefetch") || value.contains("preview"))
}

/// Whether a browser loads the page as a part of another site, for example as an image: then its
/// owner never asked for ratings. Another port of this machine is another site too. Programs that are no browsers do not send these headers.
fn is_embedded(headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
    (is("sec-fetch-site", "cross-site") || is("sec-fetch-site", "same-site"))
        && !(is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document"))
}

/// A browser throws away a prefetch that was answered by an error, and asks again when somebody
/// really opens the page.
fn answer_prefetch() -> Response {
    let reason = "A prefetch generates no ratings; open the page.\n";
    let vary = HeaderValue::from_static("sec-purpose");
    (StatusCode::SERVICE_UNAVAILABLE, [(VARY, vary)], reason).into_response()
}
