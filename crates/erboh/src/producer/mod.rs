//! The producer: the web service that puts ratings on the queue.
//!
//! ```text
//!  GET /                  generate 20 ─┐
//!  POST /api/v1/ratings   one or many ─┼─► Guard ─► ids ─► Intake ─► Writer (acks=all) ─► place of each, or why not
//!  simulations            what is due ─┘            └─ too many bytes in flight ─► Busy
//! ```
//!
//! It answers only what the queue has said. A rating without an acknowledgement is never shown
//! as sent, and an outcome that nobody knows is called unknown.

pub mod access;
mod budget;
mod forms;
mod intake;
mod metrics;
pub mod page;
pub mod ratings;
pub mod run;
pub mod simulations;

use std::sync::{Arc, Mutex, PoisonError};

use axum::routing::get;
use axum::{Extension, Router, middleware};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::access::Guard;
use self::intake::Intake;
use self::metrics::{Metrics, QueueMetrics};
use self::ratings::Ratings;
use self::simulations::Registry;
use crate::ops::{self, Ops, Stopping};
use crate::queue::{Topics, Writer};
use crate::rating::simulate::Researchers;
use crate::rating::{Rating, RatingId};
use crate::spec::{self, Use};
use crate::web::{self, Nav};

const ABOUT: spec::About = spec::About {
    title: "erboh producer",
    description: "Puts ratings on the queue. What it calls created is acknowledged by every \
                  in-sync replica of the topic. It is counted once, also if it is sent again with \
                  the same id within 131,072 offsets of its partition.",
    tags: &[
        ("ratings", "Ratings from people and programs"),
        ("simulations", "Ratings from simulated researchers"),
        spec::SERVICE,
    ],
    uses: &[Use::SendRatings],
};

/// What a producer is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Topic that the ratings go to.
    pub topic: String,
    /// Ratings that one hit of the page generates.
    pub ratings_per_hit: usize,
    /// Where browsers find the board, if the page is to link to it.
    pub board_url: Option<String>,
    /// How the role stops.
    pub stopping: Stopping,
}

/// What the routes share.
#[derive(Clone)]
pub struct Producer {
    settings: Arc<Settings>,
    writer: Writer,
    intake: Intake,
    ratings: Ratings,
    researchers: Arc<Mutex<Researchers>>,
    simulations: Registry,
    metrics: Metrics,
    http: web::requests::Metrics,
    guard: Guard,
}

impl Producer {
    /// A producer that sends through `writer`. Every process has researchers of its own.
    #[must_use]
    pub fn new(writer: Writer, settings: Settings) -> Self {
        let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
        let metrics = Metrics::default();
        let intake = Intake::new(writer.clone(), metrics.clone());
        Self {
            settings: Arc::new(settings),
            simulations: Registry::new(intake.clone(), metrics.simulations.clone()),
            intake,
            writer,
            ratings: Ratings::default(),
            researchers: Arc::new(Mutex::new(Researchers::new(seed))),
            metrics,
            http: web::requests::Metrics::default(),
            guard: Guard::open(),
        }
    }

    /// The same producer, which lets only those write whom `guard` admits.
    #[must_use]
    pub fn with_guard(self, guard: Guard) -> Self {
        Self { guard, ..self }
    }

    /// What simulated researchers thought of `count` performances, each with an id of its own.
    fn simulate(&self, count: usize) -> Vec<(RatingId, Rating)> {
        // Losing a panicked thread's half-made draw does no harm to the next one.
        let mut researchers = self.researchers.lock().unwrap_or_else(PoisonError::into_inner);
        researchers
            .by_ref()
            .take(count)
            .map(|rating| {
                let id = RatingId::new();
                (id, Rating { id: Some(id), ..rating })
            })
            .collect()
    }
}

/// The routes of the service port.
pub fn router(producer: Producer) -> Router {
    let http = producer.http.clone();
    let guard = middleware::from_fn_with_state(producer.guard.clone(), access::check);
    let pages = Router::new()
        .route("/", get(page::hit::show).head(page::hit::head))
        .route("/rate", get(page::form::show).post(page::form::send))
        .merge(simulations::pages())
        .with_state(producer.clone());
    let deployment = spec::Deployment {
        topics: Topics { ratings: producer.settings.topic.clone(), ..Topics::default() },
        nav: Nav::of_producer("/api", producer.settings.board_url.as_deref()),
        guarded: producer.guard.needs_token(),
    };
    let api = ratings::routes().merge(simulations::api()).with_state(producer);
    let routes = spec::publish(api, &ABOUT, deployment).merge(pages).route_layer(guard);
    web::shell(routes, &http)
}

/// Serves until `shutdown`, then stops in order: not ready, wait, stop accepting, drain. What was
/// acknowledged needs no flush, and what was not has been answered as such by then.
pub async fn serve(
    listener: TcpListener,
    ops_listener: Option<TcpListener>,
    producer: Producer,
    shutdown: CancellationToken,
) {
    let writer = producer.writer.clone();
    let registry = ops::registry("producer", &producer.http, |registry| {
        producer.metrics.register(registry);
        producer.guard.register(registry);
        registry.register_collector(Box::new(QueueMetrics(producer.intake.clone())));
    });
    let queue = writer.clone();
    let ready = ops::once(move || queue.health(), move || writer.health().err());
    let ops = Ops::new(registry, ready, shutdown.clone());
    let Stopping { wait, drain } = producer.settings.stopping;
    let guard = producer.guard.clone();
    let (simulations, ratings) = (producer.simulations.clone(), producer.ratings.clone());
    let role = ops::with_ops(ops_listener, ops, async {
        let stop = ops::after(shutdown, wait);
        let stop_others = async {
            stop.cancelled().await;
            ratings.stop();
            // What is in flight is told its outcome by then, or the process does not wait for it.
            drop(tokio::time::timeout(drain, simulations.stop()).await);
        };
        let names = Extension(producer.guard.names(&listener));
        let open = producer.http.connections().clone();
        let router = router(producer).layer(names);
        let server = web::server::serve(listener, router, &open, stop.clone(), drain);
        tokio::join!(server, stop_others);
    });
    tokio::select! {
        () = role => {}
        never = guard.follow() => match never {},
    }
}
