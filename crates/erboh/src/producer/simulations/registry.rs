//! Registry: the simulations that run and the last ones that have ended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::history::History;
use super::order::Order;
use super::simulation::Simulation;
use super::view::Phase;
use super::{limits, running};
use crate::producer::intake::Intake;
use crate::web::live::Streams;

/// All simulations of one producer. Clones share them.
#[derive(Clone)]
pub(in crate::producer) struct Registry {
    intake: Intake,
    kept: Arc<Mutex<Kept>>,
    running: Gauge,
    pub(super) history: History,
    /// Changes whenever any simulation does.
    pub(super) news: watch::Sender<()>,
    /// Places for live streams.
    pub(super) streams: Streams,
    /// Cancelled when the service stops.
    pub(super) stopping: CancellationToken,
}

#[derive(Default)]
struct Kept {
    /// The oldest first; at most [`limits::KEPT_MAX`].
    simulations: VecDeque<Arc<Simulation>>,
    /// Forms that have been sent, the oldest first; at most [`limits::KEYS_MAX`].
    keys: VecDeque<Uuid>,
}

/// Why a simulation was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotStarted {
    /// As many run as may.
    #[error(
        "{} simulations run already, which is the limit; stop one or wait for its end",
        limits::RUNNING_MAX
    )]
    TooMany,
    /// The service stops.
    #[error("the service is stopping; start it where the service runs on")]
    Stopping,
}

impl Registry {
    /// No simulations yet; they will send by `intake`. `running` shows how many run.
    pub(in crate::producer) fn new(intake: Intake, running: Gauge) -> Self {
        Self {
            intake,
            kept: Arc::default(),
            running,
            history: History::new(),
            news: watch::Sender::new(()),
            streams: Streams::default(),
            stopping: CancellationToken::new(),
        }
    }

    /// Starts a simulation.
    pub(super) fn start(&self, order: Order) -> Result<Arc<Simulation>, NotStarted> {
        self.start_in(&mut self.kept(), order)
    }

    /// Starts a simulation once for each `key`: a form that arrives a second time starts nothing,
    /// and that is no error.
    pub(super) fn start_once(&self, key: Uuid, order: Order) -> Result<(), NotStarted> {
        let mut kept = self.kept();
        if kept.keys.contains(&key) {
            return Ok(());
        }
        self.start_in(&mut kept, order)?;
        if kept.keys.len() == limits::KEYS_MAX {
            kept.keys.pop_front();
        }
        kept.keys.push_back(key);
        Ok(())
    }

    fn start_in(&self, kept: &mut Kept, order: Order) -> Result<Arc<Simulation>, NotStarted> {
        if self.stopping.is_cancelled() {
            return Err(NotStarted::Stopping);
        }
        let running = kept.simulations.iter().filter(|one| one.is_running()).count();
        if running >= limits::RUNNING_MAX {
            return Err(NotStarted::TooMany);
        }
        if kept.simulations.len() >= limits::KEPT_MAX
            && let Some(oldest) = kept.simulations.iter().position(|one| !one.is_running())
        {
            kept.simulations.remove(oldest);
        }
        let simulation = Arc::new(Simulation::new(order, self.news.clone(), &self.stopping));
        kept.simulations.push_back(Arc::clone(&simulation));
        tokio::spawn(self.clone().carry_out(Arc::clone(&simulation)));
        self.news.send_replace(());
        Ok(simulation)
    }

    /// A task of its own carries it out, so that even a panic there ends as a failed simulation and
    /// not as one that seems to run for ever.
    async fn carry_out(self, simulation: Arc<Simulation>) {
        self.running.inc();
        simulation.report("simulation started");
        let (intake, history) = (self.intake.clone(), self.history.clone());
        let run = tokio::spawn(running::run(Arc::clone(&simulation), intake, history));
        if let Err(error) = run.await {
            let reason = format!("the simulation broke off, which is a fault of erboh: {error}");
            tracing::error!(simulation = %simulation.id, reason);
            simulation.end(Phase::Failed, Some(reason));
        }
        simulation.report("simulation ended");
        self.running.dec();
    }

    pub(super) fn find(&self, id: Uuid) -> Option<Arc<Simulation>> {
        self.kept().simulations.iter().find(|one| one.id == id).cloned()
    }

    /// All of them, the newest first.
    pub(super) fn all(&self) -> Vec<Arc<Simulation>> {
        self.kept().simulations.iter().rev().cloned().collect()
    }

    /// Stops all of them and starts no more; waits until nothing of them is in flight.
    pub(in crate::producer) async fn stop(&self) {
        self.stopping.cancel();
        for simulation in self.all() {
            simulation.ended().await;
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing in here panics half way; a list that lacks the newest would still be a list.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
