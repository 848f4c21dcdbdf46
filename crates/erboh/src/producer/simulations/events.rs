//! Simulations live: a stream of events for one or for all of them.
//!
//! ```text
//!  event: simulation   data: a simulation that runs, whenever it has changed
//!  event: end          data: a simulation that has ended; the stream of one ends with it
//!  event: history      data: the last minutes of all together, once a second while it changes
//! ```
//!
//! Events are at least [`limits::EVENT_INTERVAL`] apart and show the newest state: whoever reads
//! slowly skips some.

use std::collections::{HashMap, VecDeque};

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::response::sse::Event;
use futures_util::stream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use utoipa::ToSchema;
use uuid::Uuid;

use super::api::find;
use super::history::Chart;
use super::limits::HISTORY_INTERVAL;
use super::registry::Registry;
use super::simulation::{Progress, Simulation};
use super::view::{Phase, View};
use crate::limits;
use crate::producer::Producer;
use crate::web::{Problem, live};

/// The data of an event: of `simulation` and `end` the first, of `history` the second.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is the schema of what is written event by event")]
enum News {
    Simulation(View),
    History(Chart),
}

/// Follow all simulations
///
/// Events `simulation`, `end` and `history`; each carries JSON.
#[utoipa::path(
    get, path = "/api/v1/simulations/events", tag = "simulations",
    operation_id = "follow_simulations",
    responses((status = 200, description = "A stream that does not end",
               body = inline(News), content_type = "text/event-stream")),
)]
pub(super) async fn of_all(State(producer): State<Producer>) -> Result<Response, Problem> {
    let registry = producer.simulations;
    let place = registry.streams.place()?;
    let mut news = registry.news.subscribe();
    news.mark_changed();
    let all = All { seen: HashMap::new(), charted: None, chart_at: Instant::now(), news, registry };
    let stopping = all.registry.stopping.clone();
    let events =
        stream::unfold((all, VecDeque::new(), place), move |(mut all, mut ready, place)| {
            let stopping = stopping.clone();
            async move {
                while ready.is_empty() {
                    ready = stopping.run_until_cancelled(all.next()).await?;
                }
                Some((ready.pop_front()?, (all, ready, place)))
            }
        });
    Ok(live::answer(events))
}

/// Follow one simulation
///
/// Events `simulation`, and at last `end`; each carries JSON.
#[utoipa::path(
    get, path = "/api/v1/simulations/{id}/events", tag = "simulations",
    operation_id = "follow_simulation",
    params(("id" = Uuid, Path, description = "As it was answered at the start")),
    responses((status = 200, description = "A stream that ends with the simulation",
               body = View, content_type = "text/event-stream")),
)]
pub(super) async fn of_one(
    State(producer): State<Producer>,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Response, Problem> {
    let simulation = find(&producer.simulations, id)?;
    let place = producer.simulations.streams.place()?;
    let mut progress = simulation.watch();
    progress.mark_changed();
    let start = Some((simulation, progress, place, false));
    let events = stream::unfold(start, |state| async move {
        let (simulation, mut progress, place, again) = state?;
        let (event, ended) = next(&simulation, &mut progress, again).await?;
        let rest = (!ended).then_some((simulation, progress, place, true));
        Some((event, rest))
    });
    Ok(live::answer(events))
}

/// The newest state of one simulation, and whether that is its last one.
async fn next(
    simulation: &Simulation,
    progress: &mut watch::Receiver<Progress>,
    again: bool,
) -> Option<(Event, bool)> {
    if again {
        tokio::time::sleep(limits::EVENT_INTERVAL).await;
    }
    progress.changed().await.ok()?;
    progress.mark_unchanged();
    event(simulation)
}

/// An event about a simulation, and whether it has ended.
fn event(simulation: &Simulation) -> Option<(Event, bool)> {
    let view = simulation.view();
    let ended = view.state != Phase::Running;
    let name = if ended { "end" } else { "simulation" };
    Some((live::event(name, &view)?, ended))
}

/// What one stream of all simulations has told.
struct All {
    registry: Registry,
    news: watch::Receiver<()>,
    /// The revision of each simulation that was told last.
    seen: HashMap<Uuid, u64>,
    charted: Option<Chart>,
    /// When the history may be told again.
    chart_at: Instant,
}

impl All {
    /// Waits for something new and tells all that is.
    async fn next(&mut self) -> VecDeque<Event> {
        if self.charted.is_some() {
            tokio::time::sleep(limits::EVENT_INTERVAL).await;
        }
        tokio::select! {
            _ = self.news.changed() => self.news.mark_unchanged(),
            () = sleep_until(self.chart_at) => {}
        }
        let mut events = VecDeque::new();
        let all = self.registry.all();
        self.seen.retain(|id, _| all.iter().any(|simulation| simulation.id == *id));
        // The oldest first, so that whoever shows the newest on top can put each above the others.
        for simulation in all.iter().rev() {
            let revision = simulation.watch().borrow().revision;
            if self.seen.insert(simulation.id, revision) != Some(revision) {
                events.extend(event(simulation).map(|(event, _)| event));
            }
        }
        if Instant::now() >= self.chart_at {
            self.chart_at = Instant::now() + HISTORY_INTERVAL;
            let chart = self.registry.history.chart();
            if self.charted.as_ref() != Some(&chart) {
                events.extend(live::event("history", &chart));
                self.charted = Some(chart);
            }
        }
        events
    }
}
