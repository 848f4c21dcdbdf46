//! What the process says: its log on standard error, as text for a person at a terminal or as JSON
//! lines for a collector; on standard output what a command has to say; and, if that was built in
//! and is wanted, traces.

use std::io::{IsTerminal as _, Write as _};

use anstream::{AutoStream, ColorChoice};
use anyhow::Context as _;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

#[cfg(feature = "otlp")]
mod otlp;
pub mod spans;

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text on a terminal, JSON elsewhere
    Auto,
    /// One readable line per event
    Text,
    /// One JSON object per line
    Json,
}

/// What is said, and how.
#[derive(Debug)]
pub struct Settings<'a> {
    /// Form of the log.
    pub format: Format,
    /// What is logged.
    pub filter: &'a str,
    /// Where the collector of traces is, if traces are wanted; only with the feature `otlp`.
    pub collector: Option<&'a str>,
    /// The name of the service in its traces.
    pub service: &'a str,
}

/// What was started, to be stopped at the end of the process.
#[must_use]
pub struct Telemetry {
    #[cfg(feature = "otlp")]
    traces: Option<otlp::Traces>,
}

impl Telemetry {
    /// Sends what has not been sent yet, for a limited time.
    pub fn stop(self) {
        #[cfg(feature = "otlp")]
        if let Some(traces) = self.traces {
            traces.stop();
        }
    }
}

/// Starts logging to standard error, and the sending of traces.
///
/// # Errors
/// When the filter is not one, or traces cannot be sent as the settings say.
pub fn start(settings: &Settings<'_>) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::try_new(settings.filter)
        .with_context(|| format!("--log-filter {:?}", settings.filter))?;
    let terminal = std::io::stderr().is_terminal();
    let text = match settings.format {
        Format::Auto => terminal,
        Format::Text => true,
        Format::Json => false,
    };
    // As clap decides it for its own messages: by the terminal, NO_COLOR, TERM=dumb and CLICOLOR_FORCE.
    let colors = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    let log = fmt::layer().with_writer(std::io::stderr).with_ansi(colors);
    // A line that cannot be written would be complained about there as well, by a panic: a service
    // whose log reader has gone would not even stop any more.
    let log = log.log_internal_errors(false);
    let log = if text {
        log.compact().boxed()
    } else {
        // The spans around an event are enough; the innermost one is among them.
        log.json().flatten_event(true).with_current_span(false).boxed()
    };
    // The steps of traces are no part of the log.
    let filter = filter.and(filter_fn(|metadata| metadata.target() != spans::TARGET));
    let subscriber = registry().with(log.with_filter(filter));
    #[cfg(feature = "otlp")]
    {
        let traces = settings.collector.map(|at| otlp::Traces::start(at, settings.service));
        let traces = traces.transpose()?;
        subscriber.with(traces.as_ref().map(otlp::Traces::layer)).init();
        Ok(Telemetry { traces })
    }
    #[cfg(not(feature = "otlp"))]
    {
        subscriber.init();
        Ok(Telemetry {})
    }
}

/// Says something to whoever runs a command. A reader who has heard enough and gone, as `head` does,
/// must not end a broker.
pub fn say(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}
