//! `GET /rate`, `POST /rate`: a person's own rating.
//!
//! ```text
//!  GET /rate ──► a form with a new id
//!  POST /rate ─┬─► 303 to GET /rate?sent=3:1234   acknowledged; reloading that sends nothing
//!              ├─► 422 the form as typed          what to change, at the fields; or it was sent
//!              │                                  before, as another rating
//!              └─► 429/503/504 the form as typed  with the same id: trying again cannot count twice
//! ```
//!
//! The id is made when the form is shown, so that a double click and a repeated POST send the same
//! rating, which is counted once. All of it works without a script.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::typed::{self, Typed};
use crate::producer::Producer;
use crate::producer::forms::{Flaw, Trouble, fields};
use crate::producer::ratings::{self, Outcome};
use crate::queue::Placed;
use crate::rating::{Battle, Invalid, RatingId, Score, catalogue};
use crate::web::kinds::Kind;
use crate::web::{self, Nav, Problem, kinds};

/// The form, with all that its sending has led to.
#[derive(Debug, Template)]
#[template(path = "rate.html")]
struct Page<'a> {
    nav: Nav,
    board_url: Option<&'a str>,
    id: RatingId,
    typed: Typed,
    flaws: Vec<Flaw>,
    trouble: Option<Trouble>,
    /// Whether this is still the rating that was sent before.
    again: bool,
    sent: Option<Placed>,
}

/// One voice in a list to choose from.
struct Choice<'a> {
    voice: &'a str,
    chosen: bool,
}

impl<'a> Page<'a> {
    fn new(producer: &'a Producer, id: RatingId) -> Self {
        let board_url = producer.settings.board_url.as_deref();
        let nav = Nav::of_producer("/rate", board_url);
        let typed = Typed::default();
        let (flaws, trouble, again, sent) = (Vec::new(), None, true, None);
        Self { nav, board_url, id, typed, flaws, trouble, again, sent }
    }

    fn button(&self) -> &'static str {
        match &self.trouble {
            None => "Send the rating",
            // What is tried again keeps its id.
            Some(_) if self.again => "Try again",
            Some(_) => "Send this one too",
        }
    }

    /// The word before the title in the browser's tab, which is what a screen reader reads first.
    fn state(&self) -> &'static str {
        match (&self.trouble, self.flaws.is_empty(), self.sent) {
            (None, true, None) => "",
            (None, true, Some(_)) => "Sent: ",
            (None, false, _) => "Error: ",
            (Some(_), ..) => "Not sent: ",
        }
    }

    fn battles() -> &'static [Battle] {
        catalogue::battles()
    }

    fn scores() -> [Score; 3] {
        Score::ALL
    }

    fn is_chosen(&self, score: Score) -> bool {
        self.typed.chosen() == Some(score)
    }

    /// The voices under research, and the chosen one should it be another.
    fn choices(chosen: &str) -> Vec<Choice<'_>> {
        let known = catalogue::voices().iter();
        let mut choices: Vec<_> = known
            .map(|voice| Choice { voice: voice.as_str(), chosen: voice.as_str() == chosen })
            .collect();
        if !chosen.trim().is_empty() && choices.iter().all(|choice| !choice.chosen) {
            choices.push(Choice { voice: chosen, chosen: true });
        }
        choices
    }
}

/// What a form that was just sent says about itself.
#[derive(Debug, Deserialize)]
pub(in crate::producer) struct Question {
    /// `partition:offset` of the rating.
    sent: Option<String>,
}

impl Question {
    fn place(&self) -> Option<Placed> {
        let (partition, offset) = self.sent.as_deref()?.split_once(':')?;
        // Written by whoever made the link: only what could be a place is shown as one.
        let partition = partition.parse().ok().filter(|number| *number >= 0)?;
        let offset = offset.parse().ok().filter(|number| *number >= 0)?;
        Some(Placed { partition, offset })
    }
}

pub(in crate::producer) async fn show(
    State(producer): State<Producer>,
    question: Result<Query<Question>, QueryRejection>,
) -> Response {
    let mut page = Page::new(&producer, RatingId::new());
    page.sent = question.ok().and_then(|Query(question)| question.place());
    web::html(StatusCode::OK, &page)
}

pub(in crate::producer) async fn send(
    State(producer): State<Producer>,
    request: Request,
) -> Response {
    let (headers, extensions) = (request.headers().clone(), request.extensions().clone());
    let typed = match fields::read(request, "POST /api/v1/ratings").await {
        Ok(pairs) => Typed::new(pairs),
        Err(problem) => return web::error(&headers, problem),
    };
    let (id, rating) = match typed.check() {
        Ok(checked) => checked,
        Err(flaws) => {
            let id = typed.id().unwrap_or_else(|_| RatingId::new());
            let page = Page { typed, flaws, ..Page::new(&producer, id) };
            return refused(kinds::INVALID_RATING, &page);
        }
    };
    let outcome = match ratings::send(&producer, &rating, &extensions).await {
        Ok(outcome) => outcome,
        Err(busy) => return not_sent(&producer, id, typed, Trouble::busy(busy), &busy.into()),
    };
    match outcome {
        Outcome::Created(_, place) => sent(place),
        // Somebody went back to a form that was sent and changed it. Its id belongs to what it was,
        // so this gets one of its own, should they send it as well.
        Outcome::Reused => {
            let trouble = Some(Trouble::changed());
            let page =
                Page { typed, trouble, again: false, ..Page::new(&producer, RatingId::new()) };
            refused(kinds::ID_REUSED, &page)
        }
        Outcome::Invalid(Invalid { field, reason }) => {
            let flaws = vec![typed::flaw(field, &reason)];
            refused(kinds::INVALID_RATING, &Page { typed, flaws, ..Page::new(&producer, id) })
        }
        Outcome::Failed(_, error) => {
            let trouble = Trouble::of_form(&error);
            not_sent(&producer, id, typed, trouble, &ratings::problem(&error))
        }
    }
}

/// The form with all that has to change in it.
fn refused(kind: &'static Kind, page: &Page<'_>) -> Response {
    web::problem_page(&Problem::new(kind, ""), page)
}

/// Sends the browser on to a page of its own, so that a reload asks for that page instead of
/// sending the form again.
fn sent(place: Placed) -> Response {
    let address = format!("/rate?sent={}:{}", place.partition, place.offset);
    Redirect::to(&address).into_response()
}

/// The form once more, with the same id and all that was typed.
fn not_sent(
    producer: &Producer,
    id: RatingId,
    typed: Typed,
    trouble: Trouble,
    problem: &Problem,
) -> Response {
    let page = Page { typed, trouble: Some(trouble), ..Page::new(producer, id) };
    web::problem_page(problem, &page)
}
