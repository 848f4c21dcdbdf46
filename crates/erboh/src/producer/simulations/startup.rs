//! Startup: a simulation that starts with the process, for a pod that is nothing but load: it begins when
//! the queue is there, begins again should it fail, and says in the log what it did. Once somebody
//! has stopped it, it stays stopped.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::limits::{REPORT_INTERVAL, RESTART_PAUSE};
use super::order::Order;
use super::rate::Rate;
use super::registry::Registry;
use super::simulation::Simulation;
use super::view::Phase;
use crate::queue::Writer;

/// Time between two looks whether the queue is there.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// Simulates at `rate` until `stop`, or until somebody stops the simulation; at the end it is
/// stopped with all others.
pub(in crate::producer) async fn simulate(
    registry: Registry,
    writer: Writer,
    mut rate: Rate,
    stop: CancellationToken,
) {
    loop {
        let ready = async {
            while writer.health().is_err() {
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        };
        if stop.run_until_cancelled(ready).await.is_none() {
            return;
        }
        match registry.start(Order::until_stopped(rate)) {
            Ok(simulation) => {
                if follow(&simulation).await == Phase::Stopped {
                    // With the process all of them are stopped, and that goes without saying.
                    if !stop.is_cancelled() {
                        tracing::info!("no other simulation is started: this one was stopped");
                    }
                    return;
                }
                // Somebody may have changed it.
                rate = simulation.view().rate;
            }
            Err(error) => tracing::warn!(%error, "the simulation is not started"),
        }
        if stop.run_until_cancelled(tokio::time::sleep(RESTART_PAUSE)).await.is_none() {
            return;
        }
    }
}

/// Says now and then what it did, until it has ended: it was stopped, or it failed.
async fn follow(simulation: &Simulation) -> Phase {
    loop {
        match tokio::time::timeout(REPORT_INTERVAL, simulation.ended()).await {
            Ok(phase) => return phase,
            Err(_) => simulation.report("simulation goes on"),
        }
    }
}
