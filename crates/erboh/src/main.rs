//! The `erboh` command: reads settings, starts logging, runs one command, says how it ended.

use std::process::ExitCode;

use erboh::cli::{Cli, Command, Unusable};
use erboh::{audit, broker, consumer, demo, doctor, limits, producer, smoke, telemetry};
use tokio_util::sync::CancellationToken;

/// Wrong settings, as other Unix tools report them; clap uses the same number.
const USAGE: u8 = 2;
/// Ended by Ctrl-C before there was an answer: 128 + the number of SIGINT.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // Help that cannot be printed has nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let telemetry = match telemetry::start(&cli.telemetry()) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("erboh: {error:#}");
            return ExitCode::from(USAGE);
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("erboh: the runtime cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(cli.command));
    runtime.shutdown_timeout(limits::RUNTIME_STOP);
    telemetry.stop();
    ended.unwrap_or_else(|error| {
        eprintln!("erboh: {error:#}");
        if error.is::<Unusable>() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
    })
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let shutdown = CancellationToken::new();
    tokio::spawn(stop_on_signal(shutdown.clone()));
    match command {
        Command::Audit(flags) => return Ok(audit::run(flags.settings(), shutdown).await),
        // All roles in one: too large for the stack of whoever waits for it.
        Command::Demo(flags) => Box::pin(demo::run(flags.settings()?, shutdown)).await?,
        Command::Broker(flags) => broker::run(flags.listen, flags.settings()?, shutdown).await?,
        Command::Consumer(flags) => consumer::run::run(flags.role()?, shutdown).await?,
        Command::Smoke(flags) => {
            let test = smoke::run(flags.settings()?);
            let passed = shutdown.run_until_cancelled(test).await == Some(true);
            return Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Doctor(flags) => {
            let settings = match flags.settings() {
                Ok(settings) => settings,
                // 1 would say that the cluster endangers exactness.
                Err(error) => {
                    eprintln!("erboh: {error:#}");
                    return Ok(ExitCode::from(USAGE));
                }
            };
            let looked = shutdown.run_until_cancelled(doctor::run(settings)).await;
            return Ok(looked.transpose()?.map_or(INTERRUPTED, doctor::Verdict::exit_code).into());
        }
        Command::Producer(flags) => producer::run::run(flags.role()?, shutdown).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The first signal asks everything to stop in order; a second Ctrl-C does not wait for that.
async fn stop_on_signal(shutdown: CancellationToken) {
    signal().await;
    tracing::info!("stopping; press Ctrl-C again to stop at once");
    shutdown.cancel();
    signal().await;
    #[expect(clippy::disallowed_methods, reason = "the person at the terminal has asked twice")]
    std::process::exit(INTERRUPTED.into());
}

async fn signal() {
    use tokio::signal::{ctrl_c, unix, unix::SignalKind};
    // Without a handler for SIGTERM, Ctrl-C still works.
    let Ok(mut terminate) = unix::signal(SignalKind::terminate()) else {
        return drop(ctrl_c().await);
    };
    tokio::select! {
        _ = ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
