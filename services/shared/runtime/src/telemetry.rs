//! Logs, traces and metrics of the process.

#[cfg(feature = "console")]
mod console;
mod text;
mod traces;

use std::fmt;
use std::net::SocketAddr;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, TraceId, TracerProvider as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::{Deserialize, Serialize};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{Format, JsonFields, Writer};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};
use types::BoxError;

pub use traces::Process;

/// How lines of the log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how. Logs go to stderr.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    /// The form of a line.
    pub format: LogFormat,
    /// What is logged, in the syntax of `tracing`'s `EnvFilter`: `info`, or `info,millrace_catalog=debug`.
    pub filter: String,
}

impl Logging {
    /// Everything that is wrong with these settings.
    pub fn problems(&self) -> Vec<String> {
        let error = EnvFilter::try_new(&self.filter).err();
        error.map(|error| format!("`logging.filter`: {error}")).into_iter().collect()
    }
}

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("the log filter `{0}` cannot be read")]
    Filter(String, #[source] BoxError),
    /// The exporter of traces cannot be made.
    #[error("cannot export traces to `{0}`")]
    Exporter(String, #[source] BoxError),
    /// It was started before in this process.
    #[error("telemetry was started before in this process")]
    Twice(#[source] BoxError),
}

/// Keeps telemetry running; call [`Guard::flush`] last, so that the last spans are not lost.
#[must_use]
pub struct Guard {
    provider: Option<SdkTracerProvider>,
}

impl Guard {
    /// Sends what is left and ends the export.
    pub async fn flush(mut self) {
        if let Some(provider) = self.provider.take() {
            crate::blocking(move || end(&provider)).await;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take() {
            // The exporter's connection may live on this very thread, so the wait is left to another one.
            let _ = std::thread::spawn(move || end(&provider));
        }
    }
}

fn end(provider: &SdkTracerProvider) {
    if let Err(error) = provider.shutdown() {
        tracing::warn!(%error, "the last traces may be lost");
    }
}

/// Whether this binary can serve `tokio-console`: the feature `console`, and Tokio built so that it tells of its tasks.
pub const CONSOLE: bool = cfg!(all(feature = "console", tokio_unstable));

/// Where what a process tells goes, besides its log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outlets<'a> {
    /// The collector of traces, `http://host:4317`.
    pub otlp_endpoint: Option<&'a str>,
    /// Where `tokio-console` is served, which needs [`CONSOLE`].
    pub console: Option<SocketAddr>,
}

/// Starts logs to stderr and, where `outlets` names a collector, the export of traces of `process`.
///
/// Calls have trace ids, which errors and lines of the log carry, and trace contexts travel in the W3C form, with or
/// without a collector. Must run within Tokio when there is one.
pub fn init(logging: &Logging, outlets: Outlets<'_>, process: &Process) -> Result<Guard, TelemetryError> {
    init_to(logging, outlets, process, BoxMakeWriter::new(std::io::stderr))
}

/// Like [`init`], with logs to `writer`: one that keeps clear of progress bars.
pub fn init_to(
    logging: &Logging,
    outlets: Outlets<'_>,
    process: &Process,
    writer: BoxMakeWriter,
) -> Result<Guard, TelemetryError> {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let provider = traces::provider(outlets.otlp_endpoint, process)?;
    let traces = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("millrace"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_filter(LevelFilter::INFO);
    let registry = tracing_subscriber::registry().with(log_layer(logging, writer)?).with(traces);
    #[cfg(feature = "console")]
    let registry = registry.with(console::layer(outlets.console));
    registry.try_init().map_err(|error| TelemetryError::Twice(error.into()))?;
    Ok(Guard { provider: Some(provider) })
}

fn log_layer(
    logging: &Logging,
    writer: BoxMakeWriter,
) -> Result<Box<dyn Layer<Registry> + Send + Sync>, TelemetryError> {
    let filter = EnvFilter::try_new(&logging.filter)
        .map_err(|error| TelemetryError::Filter(logging.filter.clone(), error.into()))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    Ok(match logging.format {
        LogFormat::Text => {
            let lines = lines.fmt_fields(text::TextFields);
            lines.event_format(Traced { format: Format::default(), end: text_end }).with_filter(filter).boxed()
        }
        LogFormat::Json => {
            let format = Format::default().json().flatten_event(true);
            let lines = lines.fmt_fields(JsonFields::new());
            lines.event_format(Traced { format, end: json_end }).with_filter(filter).boxed()
        }
    })
}

/// Adds the trace id, where there is one, to the end of a line.
struct Traced<F> {
    format: F,
    end: fn(&str, TraceId) -> String,
}

impl<S, N, F> FormatEvent<S, N> for Traced<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let trace = Context::map_current(|context| context.span().span_context().trace_id());
        if trace == TraceId::INVALID {
            return self.format.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.format.format_event(context, Writer::new(&mut line), event)?;
        writer.write_str(&(self.end)(line.trim_end(), trace))
    }
}

fn text_end(line: &str, trace: TraceId) -> String {
    format!("{line} trace_id={trace}\n")
}

fn json_end(line: &str, trace: TraceId) -> String {
    format!("{},\"trace_id\":\"{trace}\"}}\n", line.strip_suffix('}').unwrap_or(line))
}

/// Reads the metrics of the process.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// All metrics in the text format of Prometheus.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

/// Starts to collect metrics; once in a process.
pub fn metrics() -> Result<Metrics, TelemetryError> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .map_err(|error| TelemetryError::Twice(error.into()))?;
    builder.install_recorder().map(Metrics).map_err(|error| TelemetryError::Twice(error.into()))
}

/// From a call within the process to a crawl of half an hour.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0, 300.0, 1800.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_a_problem() {
        let logging = |filter: &str| Logging { format: LogFormat::Text, filter: filter.to_owned() };
        assert!(logging("info,millrace_catalog=debug").problems().is_empty());
        assert_eq!(logging("info,a=loud").problems().len(), 1);
    }

    #[test]
    fn metrics_render_as_prometheus_reads_them() {
        let metrics = metrics().unwrap();
        metrics::counter!("loop_runs_total", "loop" => "catalog.indexer").increment(2);
        metrics::histogram!("loop_duration_seconds", "loop" => "catalog.indexer").record(0.02);
        let text = metrics.render();
        assert!(text.contains("loop_runs_total{loop=\"catalog.indexer\"} 2"), "{text}");
        assert!(text.contains("loop_duration_seconds_bucket{loop=\"catalog.indexer\",le=\"0.025\"} 1"), "{text}");
    }
}
