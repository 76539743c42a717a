//! Logs, traces and metrics of the host.
//!
//! What it is for: one place that decides what leaves the process about its own work.
//! What it owns: the form of log lines, the export of spans, the table of metrics, and the gate that hides personal data
//! and secrets in all of them.
//! What it never does: decide anything. Nothing above reads telemetry back.
//!
//! Invariants:
//! - TE1: every text of a log line or an exported span passes the gate; there is no other way out.
//! - TE2: a slow or missing receiver costs a bounded queue and never waits a caller.
//! - TE3: metrics belong to a host: two hosts in one process do not count into each other. The log is the process's.

mod clean;
mod config;
mod error;
mod export;
mod lines;
mod metrics;
mod span;
mod table;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Dispatch;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::types::Clock;

pub use config::{Config, Format};
pub use error::Error;
pub use metrics::{Counter, Gauge, Histogram, Metrics};
pub use span::{root_span_for, span_for, traceparent};
pub use table::{
    ACTOR_RESTARTS, ADMISSIONS, ALERTS, ALERTS_FIRING, BUDGET_BURN, BUDGET_BURN_RATE, BUDGET_LIMIT, BUDGET_OVER,
    BUDGET_REFUSED, BUDGET_RESERVED, BUDGET_SPENT, Buckets, CANDIDATE_IN_WORK, COST_DOLLARS, CROWN_ACTIONS,
    CounterSpec, FIB_REBUILDS, GaugeSpec, HANDLER_SECONDS, HTTP_CONNECTIONS_CLOSED, HTTP_REQUEST_SECONDS,
    HTTP_REQUESTS, HistogramSpec, JOURNAL_COMMIT_SECONDS, JOURNAL_EVENTS, JOURNAL_QUEUED, LOOPS, MAILBOX_DEPTH,
    MAILBOX_OLDEST_SECONDS, MAILBOX_REFUSED, MESSAGES, QUARANTINED, RUN_SECONDS, RUNS, RUNS_ACTIVE,
    RUNTIME_REQUEST_SECONDS, RUNTIME_REQUESTS, RUNTIME_TOKENS, WEBHOOK_MESSAGES, WEBHOOK_WAITING,
};

/// Keeps the export of spans going; close it when the host has stopped.
#[derive(Debug)]
#[must_use = "spans are lost if the guard is not closed"]
pub struct Guard {
    provider: Option<SdkTracerProvider>,
}

impl Guard {
    /// Sends what is left, for at most `limit`.
    ///
    /// # Errors
    /// The receiver did not take the last spans in time.
    pub async fn close(self, limit: Duration) -> Result<(), Error> {
        let Some(provider) = self.provider else { return Ok(()) };
        // The SDK's shutdown blocks its thread until the exporter's task is done, so it gets a thread that may block.
        let closing = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(limit));
        match tokio::time::timeout(limit, closing).await {
            Err(_) => Err(Error::Flush(format!("not done within {} ms", limit.as_millis()))),
            Ok(Err(error)) => Err(Error::Flush(error.to_string())),
            Ok(Ok(result)) => result.map_err(|error| Error::Flush(error.to_string())),
        }
    }
}

/// Makes this process log and trace as configured: lines to stderr, spans to the OTLP endpoint if there is one. For a
/// program's `main`; a host embedded in another program uses what that program installed.
///
/// # Errors
/// The filter or the endpoint cannot be used, or the process has a subscriber already. Must be called inside a tokio
/// runtime if there is an endpoint.
pub fn init(config: &Config, clock: Arc<dyn Clock>) -> Result<Guard, Error> {
    let (dispatch, guard) = build(config, clock, std::io::stderr)?;
    tracing::dispatcher::set_global_default(dispatch).map_err(|_| Error::Taken)?;
    Ok(guard)
}

/// The same without installing it, with lines going to this writer.
fn build<W>(config: &Config, clock: Arc<dyn Clock>, writer: W) -> Result<(Dispatch, Guard), Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|error| Error::Filter { filter: config.log.clone(), reason: error.to_string() })?;
    let provider = if config.otlp_endpoint.is_empty() { None } else { Some(export::provider(config)?) };
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .fmt_fields(lines::Fields(config.format))
        .event_format(lines::Lines { format: config.format, clock })
        .with_writer(writer)
        .with_filter(filter);
    // Our own spans only: those of the HTTP client that exports them would feed themselves.
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), LevelFilter::INFO);
    let traces = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_tracer(provider.tracer(env!("CARGO_CRATE_NAME")))
            .with_filter(ours)
    });
    let dispatch = Dispatch::new(Registry::default().with(lines).with(traces));
    Ok((dispatch, Guard { provider }))
}
