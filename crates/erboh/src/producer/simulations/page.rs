//! `/simulations`: the page on which people start, watch and stop simulated researchers.
//!
//! ```text
//!  GET  /simulations             the form, and all that is remembered; live by simulations.js
//!  POST /simulations             starts, then 303 to the page: reloading that starts nothing
//!  POST /simulations/{id}/stop   stops, then 303
//!  POST /simulations/{id}/rate   another rate, then 303
//! ```
//!
//! All of it works without a script; the numbers then change by reload. The script sends the same
//! forms, so that whoever may use one may use the other.

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use uuid::Uuid;

use super::api::find;
use super::counts::Counts;
use super::form::{self, Typed};
use super::limits;
use super::rate::Rate;
use super::view::{Phase, View};
use crate::producer::Producer;
use crate::producer::forms::{Flaw, Trouble, fields};
use crate::web::{self, Nav, Problem, grouped, kinds};

/// Where a program belongs that sends a form.
const PROGRAMS_USE: &str = "POST /api/v1/simulations";

/// The page.
#[derive(Debug, Template)]
#[template(path = "simulations.html")]
struct Page {
    nav: Nav,
    typed: Typed,
    flaws: Vec<Flaw>,
    /// Why nothing was started, though the form is well.
    trouble: Option<Trouble>,
    cards: Vec<Card>,
}

/// One simulation as the page shows it.
#[derive(Debug)]
struct Card {
    view: View,
}

impl Page {
    fn new(producer: &Producer, typed: Typed) -> Self {
        let all = producer.simulations.all();
        Self {
            nav: Nav::of_producer("/simulations", producer.settings.board_url.as_deref()),
            typed,
            flaws: Vec::new(),
            trouble: None,
            cards: all.iter().map(|simulation| Card { view: simulation.view() }).collect(),
        }
    }

    /// Fields that are out of sight are shown when there is something in them, or to be changed.
    fn shows_more(&self) -> bool {
        let Typed { researchers, seed, .. } = &self.typed;
        !(researchers.is_empty() && seed.is_empty())
    }

    fn rate_max() -> f64 {
        limits::RATE_MAX
    }

    fn rate_min() -> f64 {
        limits::RATE_MIN
    }
}

impl Card {
    /// The pattern from which the script makes cards of simulations that were not there before.
    fn blank() -> Self {
        let view = View {
            id: Uuid::nil(),
            state: Phase::Running,
            count: None,
            duration_ms: None,
            rate: Rate::SLOWEST,
            seed: 0,
            researchers: None,
            sent: 0,
            counts: Counts::default(),
            started_ms: 0,
            elapsed_ms: 0,
            actual_rate: 0.0,
            last_error: None,
        };
        Self { view }
    }

    /// What was ordered, in a few words.
    fn title(&self) -> String {
        match (self.view.count, self.view.duration_ms) {
            (Some(1), _) => "1 rating".to_owned(),
            (Some(count), _) => format!("{} ratings", grouped(count)),
            (None, Some(duration)) => format!("For {} s", duration as f64 / 1_000.0),
            (None, None) => "Until stopped".to_owned(),
        }
    }

    /// How much of it is done, and how much that is in all; none where nobody can tell.
    fn share(&self) -> Option<(u64, u64)> {
        let of_count = self.view.count.map(|count| (self.view.sent, count));
        of_count.or(self
            .view
            .duration_ms
            .map(|duration| (self.view.elapsed_ms.min(duration), duration)))
    }

    fn is_running(&self) -> bool {
        self.view.state == Phase::Running
    }

    /// Where the ratings come from, for whoever wants the same again.
    fn origin(&self) -> String {
        let researchers = match self.view.researchers {
            None => String::new(),
            Some(1) => "1 researcher, ".to_owned(),
            Some(count) => format!("{} researchers, ", grouped(count)),
        };
        format!("{researchers}seed {}", self.view.seed)
    }
}

pub(super) async fn show(State(producer): State<Producer>) -> Response {
    web::html(StatusCode::OK, &Page::new(&producer, Typed::fresh()))
}

pub(super) async fn start(State(producer): State<Producer>, request: Request) -> Response {
    let headers = request.headers().clone();
    let typed = match fields::read(request, PROGRAMS_USE).await {
        Ok(pairs) => Typed::new(pairs),
        Err(problem) => return web::error(&headers, problem),
    };
    let (key, order) = match typed.check() {
        Ok(checked) => checked,
        Err(flaws) => {
            let lost_its_key = flaws.iter().any(|flaw| flaw.field == "key");
            let key = if lost_its_key { Typed::fresh().key } else { typed.key.clone() };
            let page = Page { flaws, ..Page::new(&producer, Typed { key, ..typed }) };
            return web::problem_page(&invalid("The form has to be changed."), &page);
        }
    };
    match producer.simulations.start_once(key, order) {
        Ok(()) => back(None),
        Err(reason) => {
            let trouble = Some(Trouble {
                title: "Nothing was started",
                cause: format!("{reason}."),
                way_out: "All that you entered is still here.",
            });
            let page = Page { trouble, ..Page::new(&producer, typed) };
            web::problem_page(&reason.into(), &page)
        }
    }
}

pub(super) async fn stop(
    State(producer): State<Producer>,
    headers: HeaderMap,
    id: Result<Path<Uuid>, PathRejection>,
) -> Response {
    match find(&producer.simulations, id) {
        Ok(simulation) => {
            simulation.stop.cancel();
            simulation.ended().await;
            back(Some(simulation.id))
        }
        Err(problem) => web::error(&headers, problem),
    }
}

pub(super) async fn change(
    State(producer): State<Producer>,
    id: Result<Path<Uuid>, PathRejection>,
    request: Request,
) -> Response {
    let headers = request.headers().clone();
    match changed(&producer, id, request).await {
        Ok(id) => back(Some(id)),
        Err(problem) => web::error(&headers, problem),
    }
}

/// Gives the simulation that a path names another rate.
async fn changed(
    producer: &Producer,
    id: Result<Path<Uuid>, PathRejection>,
    request: Request,
) -> Result<Uuid, Problem> {
    let simulation = find(&producer.simulations, id)?;
    let pairs = fields::read(request, PROGRAMS_USE).await?;
    let rate = pairs.iter().find(|(name, _)| name == "rate");
    let rate = rate.and_then(|(_, text)| form::rate(text)).ok_or_else(|| {
        invalid(format!("The rate {}. Go back and change it.", Rate::expected())).field("rate")
    })?;
    // One that has just ended keeps the rate that it had, and the page shows that it has ended.
    simulation.change(rate);
    Ok(simulation.id)
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(kinds::INVALID_SIMULATION, detail)
}

/// Sends the browser to the page, so that a reload asks for that page and sends no form again.
fn back(to: Option<Uuid>) -> Response {
    let place = to.map_or("/simulations".to_owned(), |id| format!("/simulations#s-{id}"));
    Redirect::to(&place).into_response()
}
