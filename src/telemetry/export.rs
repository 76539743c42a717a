//! Export of finished spans as OTLP over HTTP. What leaves passes the gate in `clean`, because the exporter is wrapped.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::{SpanId, Status};
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::span_processor_with_async_runtime::BatchSpanProcessor;
use opentelemetry_sdk::trace::{BatchConfigBuilder, SdkTracerProvider, SpanData, SpanExporter};

use super::span::Ids;
use super::{Config, Error, clean};

/// The name under which backends list us.
const SERVICE: &str = "syzygy";

/// A provider that sends spans to the configured endpoint. Must be called inside a tokio runtime.
pub(super) fn provider(config: &Config) -> Result<SdkTracerProvider, Error> {
    let failed = |reason: String| Error::Exporter { endpoint: config.otlp_endpoint.clone(), reason };
    // Refused if somebody installed a provider before, and then theirs is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let timeout = Duration::from_secs(config.otlp_timeout_s);
    let client = reqwest::Client::builder()
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(&config.otlp_endpoint)
        .with_timeout(timeout)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(config.otlp_queue_spans)
        .with_max_export_batch_size(config.otlp_batch_spans)
        .with_scheduled_delay(Duration::from_millis(config.otlp_delay_ms))
        .with_max_export_timeout(timeout)
        .build();
    let exporter = Redacting { inner: exporter, failing: AtomicBool::new(false) };
    let processor =
        BatchSpanProcessor::builder(exporter, opentelemetry_sdk::runtime::Tokio).with_batch_config(batches).build();
    let resource = Resource::builder_empty()
        .with_service_name(SERVICE)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_id_generator(Ids::default())
        .with_resource(resource)
        .build())
}

/// An exporter that hides personal data and secrets first, and says in the log when the receiver goes away and returns.
#[derive(Debug)]
struct Redacting<E> {
    inner: E,
    failing: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Redacting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.inner.export(batch.into_iter().map(redact_span).collect()).await;
        let before = self.failing.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !before => {
                tracing::warn!(%error, spans, "could not export spans; more failures are not logged")
            }
            Ok(()) if before => tracing::info!("spans are exported again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

fn redact_span(mut span: SpanData) -> SpanData {
    // The first hop of a call names itself as its parent, see `span`: it has none.
    if span.parent_span_id == span.span_context.span_id() {
        span.parent_span_id = SpanId::INVALID;
        span.parent_span_is_remote = false;
    }
    redact_cow(&mut span.name);
    redact_attributes(&mut span.attributes);
    for event in &mut span.events.events {
        redact_cow(&mut event.name);
        redact_attributes(&mut event.attributes);
    }
    for link in &mut span.links.links {
        redact_attributes(&mut link.attributes);
    }
    if let Status::Error { description } = &mut span.status {
        redact_cow(description);
    }
    span
}

fn redact_cow(text: &mut Cow<'static, str>) {
    if let Cow::Owned(clean) = clean::text(text) {
        *text = Cow::Owned(clean);
    }
}

fn redact_attributes(attributes: &mut [KeyValue]) {
    for attribute in attributes {
        let name = attribute.key.as_str();
        let string = |text: &StringValue| StringValue::from(clean::field(name, text.as_str()).into_owned());
        let redacted = match &attribute.value {
            Value::String(text) => Some(Value::String(string(text))),
            Value::Array(Array::String(texts)) => Some(Value::Array(Array::String(texts.iter().map(string).collect()))),
            Value::I64(number) => clean::number(name, number.unsigned_abs()).map(Value::from),
            _ => None,
        };
        if let Some(redacted) = redacted {
            attribute.value = redacted;
        }
    }
}
