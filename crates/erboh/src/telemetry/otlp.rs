//! OTLP: how spans reach a collector.
//!
//! ```text
//!  spans ──► queue (2,048; what does not fit is dropped) ──► a thread ──► POST …/v1/traces, protobuf
//! ```
//!
//! Nothing that serves requests ever waits for the collector. One that is away is said once, and
//! once more when it is back. Batches, sampling, further headers and attributes are set by the
//! variables of OpenTelemetry's specification (`OTEL_TRACES_SAMPLER`, `OTEL_BSP_…`,
//! `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`), which the SDK
//! reads itself.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::spans;
use crate::limits;

/// The sending of traces, until it is stopped.
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// Sends the traces of `service` to the collector at this address.
    ///
    /// # Errors
    /// When the SDK does not take its settings.
    pub(super) fn start(collector: &str, service: &str) -> anyhow::Result<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{}/v1/traces", collector.trim_end_matches('/')))
            .with_http_client(Collector::new(collector))
            .build()
            .context("the sending of traces")?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource(service))
            .build();
        Ok(Self(provider))
    }

    /// What takes spans out of the program.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        // Where in the code a span began, and on which thread, says nothing about a trace.
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("erboh"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_filter(filter_fn(|metadata| metadata.target() == spans::TARGET))
    }

    /// Sends what is left, for as long as a stop may take.
    pub(super) fn stop(self) {
        if let Err(error) = self.0.shutdown_with_timeout(limits::TRACES_FLUSH) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Who sends the traces. Whoever has given the service a name keeps it.
fn resource(service: &str) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let builder = || Resource::builder().with_attribute(version.clone());
    let given = builder().build();
    let name = given.get(&"service.name".into()).map(|name| name.to_string());
    if name.is_none_or(|name| name.starts_with("unknown_service")) {
        return builder().with_service_name(service.to_owned()).build();
    }
    given
}

/// The collector, reached by the HTTP client that this program has anyway. Only the SDK's own thread
/// is here, so that waiting holds nothing up.
#[derive(Debug)]
struct Collector {
    address: String,
    agent: ureq::Agent,
    failing: AtomicBool,
}

impl Collector {
    fn new(address: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(limits::TRACES_SEND))
            .http_status_as_error(false)
            // A trace names what is asked here; it goes nowhere but where the setting says.
            .proxy(None)
            .max_redirects(0);
        let agent = config.build().into();
        Self { address: address.to_owned(), agent, failing: AtomicBool::new(false) }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let answer = self.agent.run(Request::from_parts(parts, &body[..]))?;
        let (parts, mut body) = answer.into_parts();
        let body = body.with_config().limit(limits::TRACES_ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(Response::from_parts(parts, body.into()))
    }

    /// Says that the collector is away or back, when that is new.
    fn note(&self, answer: &Result<Response<Bytes>, HttpError>) {
        let collector = &*self.address;
        let problem = match answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answered {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        let was_failing = self.failing.swap(problem.is_some(), Ordering::Relaxed);
        match problem {
            Some(problem) if !was_failing => {
                tracing::warn!(
                    collector,
                    problem,
                    "traces are lost: the collector does not take them"
                );
            }
            None if was_failing => tracing::info!(collector, "the collector takes traces again"),
            _ => {}
        }
    }
}

impl HttpClient for Collector {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let answer = self.send(request);
            self.note(&answer);
            answer
        })
    }
}
