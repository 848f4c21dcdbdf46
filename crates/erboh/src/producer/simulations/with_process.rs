//! A simulation that starts with the process, for a pod that is nothing but load: it begins when
//! the queue is there, begins again should it fail, and says in the log what it did.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::limits::{REPORT_INTERVAL, RESTART_PAUSE};
use super::order::Order;
use super::rate::Rate;
use super::registry::Registry;
use super::simulation::Simulation;
use crate::queue::Writer;

/// Time between two looks whether the queue is there.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// Simulates at `rate` until `stop`.
pub(in crate::producer) async fn simulate(
    registry: Registry,
    writer: Writer,
    rate: Rate,
    stop: CancellationToken,
) {
    let simulating = async {
        loop {
            while writer.health().is_err() {
                tokio::time::sleep(LOOK_PAUSE).await;
            }
            match registry.start(Order::until_stopped(rate)) {
                Ok(simulation) => follow(&simulation).await,
                Err(error) => tracing::warn!(%error, "the simulation is not started"),
            }
            tokio::time::sleep(RESTART_PAUSE).await;
        }
    };
    stop.run_until_cancelled(simulating).await;
}

/// Says what it did until the simulation has ended, which it does not unless it fails or is stopped.
async fn follow(simulation: &Arc<Simulation>) {
    tracing::info!(simulation = %simulation.id, rate = %simulation.order.rate, "simulating researchers");
    while tokio::time::timeout(REPORT_INTERVAL, simulation.ended()).await.is_err() {
        report(simulation);
    }
    report(simulation);
}

fn report(simulation: &Simulation) {
    let view = simulation.view();
    tracing::info!(
        simulation = %view.id,
        state = view.state.name(),
        sent = view.sent,
        acknowledged = view.acknowledged,
        failed = view.failed,
        unknown = view.unknown,
        refused = view.refused,
        ratings_per_s = view.actual_rate,
        last_error = view.last_error,
        "simulated researchers"
    );
}
