//! Exposition: the two formats of `/metrics`, and which of them a scraper gets.
//!
//! ```text
//!  Accept                                        answered
//!  application/openmetrics-text                  OpenMetrics 1.0.0
//!  text/plain, text/*, */*, others, or nothing   the text format 0.0.4, which every scraper reads
//! ```
//!
//! The one that the client wants most is taken, and of equals the one that it names first.

use std::fmt::{Error, Write as _};

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// How the metrics are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// The text format 0.0.4 of Prometheus.
    Text,
}

impl Format {
    /// The format that `Accept` asks for (RFC 9110, 12.5.1).
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let wanted = ranges.flat_map(|value| value.split(',')).filter_map(wish);
        // Of equals `max_by` takes the last.
        let wanted = wanted.rev().max_by(|(_, one), (_, other)| one.total_cmp(other));
        wanted.map_or(Self::Text, |(format, _)| format)
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    pub(super) fn write(self, registry: &Registry) -> Result<String, Error> {
        let mut open_metrics = String::new();
        encode(&mut open_metrics, registry)?;
        match self {
            Self::OpenMetrics => Ok(open_metrics),
            Self::Text => text(&open_metrics),
        }
    }
}

/// The format that one range of `Accept` asks for, and how much it is wanted.
fn wish(range: &str) -> Option<(Format, f32)> {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next()?.to_ascii_lowercase();
    let (mut version, mut quality) = (None, 1.0);
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name.trim().to_ascii_lowercase().as_str() {
            "version" => version = Some(value.trim().trim_matches('"')),
            "q" => quality = value.trim().parse().ok()?,
            _ => {}
        }
    }
    let format = match (kind.as_str(), version) {
        ("application/openmetrics-text", None | Some("1.0.0")) => Format::OpenMetrics,
        ("text/plain", None | Some("0.0.4")) | ("text/*" | "*/*", _) => Format::Text,
        _ => return None,
    };
    (quality > 0.0).then_some((format, quality))
}

/// OpenMetrics as the text format. It names a counter as its series are named, and has neither units
/// nor an end.
fn text(open_metrics: &str) -> Result<String, Error> {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = "";
    for line in open_metrics.lines() {
        if let Some(about) = line.strip_prefix("# HELP ") {
            help = about.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|about| about.split_once(' '))
        {
            let ending = if kind == "counter" { "_total" } else { "" };
            writeln!(text, "# HELP {name}{ending} {help}")?;
            writeln!(text, "# TYPE {name}{ending} {kind}")?;
        } else if !line.starts_with('#') {
            writeln!(text, "{line}")?;
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::Format::{OpenMetrics, Text};
    use super::*;

    #[test]
    fn the_format_is_the_one_that_is_wanted_most() {
        let check = |accept: &[&str], expected: Format| {
            let lines = accept.iter().map(|line| (ACCEPT, line.parse().unwrap()));
            assert_eq!(Format::accepted(&lines.collect()), expected, "{accept:?}");
        };
        check(&[], Text);
        for accept in
            ["", "*/*", "text/plain", "text/html", "text/plain;version=0.0.4", "a;;q", ",,"]
        {
            check(&[accept], Text);
        }
        check(&["application/openmetrics-text"], OpenMetrics);
        check(&["Application/OpenMetrics-Text; Version=\"1.0.0\""], OpenMetrics);
        check(&["application/openmetrics-text;version=0.0.1"], Text);
        check(&["application/openmetrics-text;q=0"], Text);
        check(&["application/openmetrics-text;q=0.5,text/plain;q=0.6"], Text);
        check(&["text/plain;q=0.5,application/openmetrics-text;q=0.6"], OpenMetrics);
        check(&["text/plain;q=0.5", "application/openmetrics-text;q=0.6"], OpenMetrics);
        check(&["text/plain,application/openmetrics-text"], Text);
        check(&["application/openmetrics-text,text/plain"], OpenMetrics);
        // Prometheus 3, VictoriaMetrics' agent and Telegraf.
        check(
            &["application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
               application/openmetrics-text;version=0.0.1;q=0.5,\
               text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"],
            OpenMetrics,
        );
        check(&["text/plain;version=0.0.4;q=1,*/*;q=0.1"], Text);
        check(&["text/plain;version=0.0.4"], Text);
    }
}
