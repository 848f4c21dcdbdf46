//! What the process says: its log on standard error, as text for a person at a terminal or as JSON
//! lines for a collector; and on standard output what a command has to say.

use std::io::{IsTerminal as _, Write as _};

use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt;

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

/// Starts logging to standard error.
///
/// # Errors
/// When the filter is not one.
pub fn init(format: Format, filter: &str) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(filter)?;
    let terminal = std::io::stderr().is_terminal();
    let text = match format {
        Format::Auto => terminal,
        Format::Text => true,
        Format::Json => false,
    };
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(terminal);
    // A line that cannot be written would be complained about there as well, by a panic: a service
    // whose log reader has gone would not even stop any more.
    let builder = builder.log_internal_errors(false);
    if text {
        builder.compact().init();
    } else {
        // The spans around an event are enough; the innermost one is among them.
        builder.json().flatten_event(true).with_current_span(false).init();
    }
    Ok(())
}

/// Says something to whoever runs a command. A reader who has heard enough and gone, as `head` does,
/// must not end a broker.
pub fn say(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}
