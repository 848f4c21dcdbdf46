//! Simulations as data: start, look, change, stop.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest as _, Path, Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

use super::history::Chart;
use super::order::{Change, Invalid, Order};
use super::registry::{NotStarted, Registry};
use super::simulation::Simulation;
use super::view::View;
use crate::limits;
use crate::producer::Producer;
use crate::web::body::{in_time, media_type};
use crate::web::byte_order_mark::without_mark;
use crate::web::{Problem, kinds};

/// The answer of `GET /api/v1/simulations`.
#[derive(Serialize, ToSchema)]
pub(super) struct Simulations {
    /// Those that run and the last that have ended, the newest first.
    simulations: Vec<View>,
    /// What became of simulated ratings in the last minutes.
    history: Chart,
}

/// Start simulated researchers
///
/// They rate until `count` ratings are sent, until `duration_ms` is over, or until they are stopped.
#[utoipa::path(
    post, path = "/api/v1/simulations", tag = "simulations",
    operation_id = "start_simulation", request_body = Order,
    responses((status = 201, description = "It runs", body = View,
               headers(("Location" = String, description = "Where it is found")))),
)]
pub(super) async fn start(
    State(producer): State<Producer>,
    request: Request,
) -> Result<Response, Problem> {
    let order = Order::from_json(read(request).await?).map_err(|invalid| problem(&invalid))?;
    let simulation = producer.simulations.start(order)?;
    let place = HeaderValue::try_from(format!("/api/v1/simulations/{}", simulation.id));
    let mut answer = (StatusCode::CREATED, Json(simulation.view())).into_response();
    answer.headers_mut().extend(place.ok().map(|place| (LOCATION, place)));
    Ok(answer)
}

/// All simulations that are remembered
#[utoipa::path(
    get, path = "/api/v1/simulations", tag = "simulations", operation_id = "list_simulations",
    responses((status = 200, description = "The newest first", body = Simulations)),
)]
pub(super) async fn list(State(producer): State<Producer>) -> Json<Simulations> {
    let all = producer.simulations.all();
    let simulations = all.iter().map(|simulation| simulation.view()).collect();
    Json(Simulations { simulations, history: producer.simulations.history.chart() })
}

/// One simulation
#[utoipa::path(
    get, path = "/api/v1/simulations/{id}", tag = "simulations", operation_id = "get_simulation",
    params(("id" = Uuid, Path, description = "As it was answered at the start")),
    responses((status = 200, description = "How far it is", body = View)),
)]
pub(super) async fn one(
    State(producer): State<Producer>,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Json<View>, Problem> {
    Ok(Json(find(&producer.simulations, id)?.view()))
}

/// Give a running simulation another rate
#[utoipa::path(
    patch, path = "/api/v1/simulations/{id}", tag = "simulations",
    operation_id = "change_simulation", request_body = Change,
    params(("id" = Uuid, Path, description = "As it was answered at the start")),
    responses((status = 200, description = "It goes on at this rate", body = View)),
)]
pub(super) async fn change(
    State(producer): State<Producer>,
    id: Result<Path<Uuid>, PathRejection>,
    request: Request,
) -> Result<Json<View>, Problem> {
    let simulation = find(&producer.simulations, id)?;
    let change = Change::from_json(read(request).await?).map_err(|invalid| problem(&invalid))?;
    if !simulation.change(change.rate) {
        return Err(Problem::new(
            kinds::NOT_RUNNING,
            "This simulation has ended, so its rate cannot be changed. Start another one.",
        ));
    }
    Ok(Json(simulation.view()))
}

/// Stop a simulation
///
/// The answer comes when nothing of it is in flight any more: these are its final numbers. One that
/// has ended is answered as it is.
#[utoipa::path(
    delete, path = "/api/v1/simulations/{id}", tag = "simulations",
    operation_id = "stop_simulation",
    params(("id" = Uuid, Path, description = "As it was answered at the start")),
    responses((status = 200, description = "It has ended", body = View)),
)]
pub(super) async fn stop(
    State(producer): State<Producer>,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Json<View>, Problem> {
    let simulation = find(&producer.simulations, id)?;
    simulation.stop.cancel();
    simulation.ended().await;
    Ok(Json(simulation.view()))
}

/// The simulation that a path names.
pub(super) fn find(
    registry: &Registry,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Arc<Simulation>, Problem> {
    let found = id.ok().and_then(|Path(id)| registry.find(id));
    found.ok_or_else(|| {
        Problem::new(
            kinds::NO_SIMULATION,
            "There is no such simulation here. Only the last ones are remembered, and only by the \
             process that ran them; /api/v1/simulations lists them.",
        )
    })
}

impl From<NotStarted> for Problem {
    fn from(reason: NotStarted) -> Self {
        let detail = format!("No simulation was started: {reason}.");
        match reason {
            NotStarted::TooMany => Self::new(kinds::TOO_MANY_SIMULATIONS, detail),
            NotStarted::Stopping => {
                Self::new(kinds::STOPPING, detail).retry_after(limits::RETRY_AFTER)
            }
        }
    }
}

fn problem(invalid: &Invalid) -> Problem {
    Problem::new(kinds::INVALID_SIMULATION, invalid.to_string()).field(&invalid.field)
}

/// The JSON of a request. Only what is named as JSON is read: a browser asks before it sends that
/// to another site.
async fn read(request: Request) -> Result<Value, Problem> {
    let kind = media_type(request.headers());
    if !kind.eq_ignore_ascii_case("application/json") {
        let kind = if kind.is_empty() { "none" } else { kind };
        let detail = format!("Send it with content-type: application/json; this is {kind}.");
        return Err(Problem::new(kinds::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let body = in_time(limits::BODY_READ, Bytes::from_request(request, &())).await?;
    // A client that breaks off does not read the answer, so the reason is the size.
    let body = body.map_err(|_| {
        let detail = format!("The body has at most {} bytes.", limits::RATING_BYTES_MAX);
        Problem::new(kinds::TOO_LARGE, detail)
    })?;
    serde_json::from_slice(without_mark(&body))
        .map_err(|error| Problem::new(kinds::NOT_JSON, format!("This is not JSON: {error}.")))
}
