//! The consumer: the web service that shows what the queue's ratings add up to.
//!
//! ```text
//!  engine (counts) ──► watch: the newest BoardView ─┬─► GET /                    the board
//!                                                   ├─► GET /api/v1/totals       JSON
//!                                                   ├─► GET /api/v1/partitions   JSON
//!                                                   ├─► GET …/partitions/3/totals  of one partition
//!                                                   └─► GET /api/v1/events       live
//! ```
//!
//! Nothing here can hold the engine up: who looks takes the newest view, at its own pace.

mod api;
pub mod engine;
mod metrics;
pub mod page;
pub mod run;
pub mod view;

use std::sync::Arc;

use axum::routing::get;
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::metrics::Metrics;
use self::view::BoardView;
use crate::ops::{self, LiveCheck, Ops, Stopping};
use crate::queue::Topics;
use crate::spec::{self, Use};
use crate::web::host::Names;
use crate::web::live::Streams;
use crate::web::{self, Nav};

const ABOUT: spec::About = spec::About {
    title: "erboh consumer",
    description: "What the ratings add up to, counted exactly once. Any replica answers; what \
                  differs between two is only how far they have counted.",
    tags: &[("board", "The totals, whole or by partition, and live"), spec::SERVICE],
    uses: &[Use::ReceiveRatings, Use::SendTotals, Use::ReceiveTotals, Use::SendDeadLetters],
};

/// Where the newest view is.
pub type View = watch::Receiver<Arc<BoardView>>;

/// What the board's service is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Topic that the ratings come from.
    pub topic: String,
    /// Where browsers find the producer, if the board is to link to it.
    pub producer_url: Option<String>,
    /// How the role stops.
    pub stopping: Stopping,
}

/// What the routes share.
#[derive(Clone)]
pub struct Consumer {
    settings: Arc<Settings>,
    view: View,
    streams: Streams,
    stopping: CancellationToken,
    http: web::requests::Metrics,
}

impl Consumer {
    /// A service that shows `view` until `stopping` is cancelled; its streams end then.
    #[must_use]
    pub fn new(view: View, settings: Settings, stopping: CancellationToken) -> Self {
        Self {
            settings: Arc::new(settings),
            view,
            streams: Streams::default(),
            stopping,
            http: web::requests::Metrics::default(),
        }
    }

    fn view(&self) -> Arc<BoardView> {
        Arc::clone(&self.view.borrow())
    }
}

/// The routes of the service port.
pub fn router(consumer: Consumer) -> Router {
    let http = consumer.http.clone();
    let pages = Router::new().route("/", get(page::show)).with_state(consumer.clone());
    let deployment = spec::Deployment {
        topics: Topics { ratings: consumer.settings.topic.clone(), ..Topics::default() },
        nav: Nav::of_board("/api", consumer.settings.producer_url.as_deref()),
        guarded: false,
    };
    let api = api::routes().with_state(consumer);
    web::shell(spec::publish(api, &ABOUT, deployment).merge(pages), &http)
}

/// Alive for as long as the engine can count.
#[must_use]
pub fn alive(engine: engine::Health) -> LiveCheck {
    Arc::new(move || engine.check().map_err(|error| error.to_string()))
}

/// Serves the board until `shutdown`, then stops in order: not ready, wait, stop accepting, drain.
/// The engine goes on meanwhile; whoever started it stops it afterwards.
pub async fn serve(
    listener: TcpListener,
    ops_listener: Option<TcpListener>,
    settings: Settings,
    view: View,
    alive: LiveCheck,
    shutdown: CancellationToken,
) {
    let Stopping { wait, drain } = settings.stopping;
    let stop = ops::after(shutdown.clone(), wait);
    let consumer = Consumer::new(view.clone(), settings, stop.clone());
    let registry = ops::registry("consumer", &consumer.http, |registry| {
        registry.register_collector(Box::new(Metrics(consumer.clone())));
    });
    // While partitions move between replicas or the cluster is away, the board shows the last totals
    // and says so, which is better than no answer.
    let newest = view.clone();
    let ready = ops::once(move || view.borrow().readiness(), move || newest.borrow().trouble());
    let ops = Ops::new(registry, ready, shutdown).while_alive(alive);
    ops::with_ops(ops_listener, ops, async {
        let names = Extension(Names::of(&listener));
        let open = consumer.http.connections().clone();
        web::server::serve(listener, router(consumer).layer(names), &open, stop, drain).await;
    })
    .await;
}
