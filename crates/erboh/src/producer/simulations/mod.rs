//! Simulated researchers as a service: load that people and programs order, watch and stop.
//!
//! ```text
//!  POST order ─► Registry ─► Simulation: a task ─ what is due by its Pace ─► batches ─► Intake ─► queue
//!                   │             ▲ stop, rate        at most IN_FLIGHT ──┘                │
//!  page, GET, SSE ◄─┴── Progress: phase and counts (newest only) ◄── results of each batch ┘
//!                       History: acknowledged and failed of each second ◄──┘
//! ```
//!
//! The books are exact. `sent = acknowledged + failed + unknown + refused + in flight`, and nothing
//! is in flight once a simulation has ended. What is acknowledged is on the queue, once; what failed
//! or was refused is not; an unknown rating may be. Unknown ones are **not** sent again: a retry
//! that comes later than the board's duplicate window would be counted twice, and then the sums
//! would lie. So `acknowledged ≤ counted by the board ≤ acknowledged + unknown`, always.

mod api;
mod counts;
mod events;
mod form;
mod history;
pub mod limits;
mod order;
mod pace;
mod page;
mod rate;
mod registry;
mod running;
mod simulation;
pub(super) mod startup;
mod view;

use axum::Router;
use axum::routing::{get, post};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::order::Order;
pub use self::rate::Rate;
pub(super) use self::registry::Registry;
use super::Producer;
use crate::spec::problems;
use crate::web::kinds;

/// The API.
pub(super) fn api() -> OpenApiRouter<Producer> {
    let body = [
        kinds::NOT_JSON,
        kinds::BODY_TOO_SLOW,
        kinds::TOO_LARGE,
        kinds::UNSUPPORTED_MEDIA_TYPE,
        kinds::INVALID_SIMULATION,
    ];
    let started = [kinds::TOO_MANY_SIMULATIONS, kinds::STOPPING];
    let changed = [kinds::NO_SIMULATION, kinds::NOT_RUNNING];
    let streamed = kinds::TOO_MANY_STREAMS;
    OpenApiRouter::new()
        .routes(routes!(api::list))
        .routes(problems(routes!(api::start), &[&body[..], &started].concat()))
        .routes(problems(routes!(api::one), &[kinds::NO_SIMULATION]))
        .routes(problems(routes!(api::change), &[&body[..], &changed].concat()))
        .routes(problems(routes!(api::stop), &[kinds::NO_SIMULATION]))
        .routes(problems(routes!(events::of_all), &[streamed]))
        .routes(problems(routes!(events::of_one), &[kinds::NO_SIMULATION, streamed]))
}

/// The page, and what its forms send.
pub(super) fn pages() -> Router<Producer> {
    Router::new()
        .route("/simulations", get(page::show).post(page::start))
        .route("/simulations/{id}/stop", post(page::stop))
        .route("/simulations/{id}/rate", post(page::change))
}
