//! Spans that belong to a call: a span a hop, all hops of a call in the trace its context names.
//!
//! A context travels between actors and machines and knows its trace, but not which span it left. So every trace has an
//! anchor, a span id computed from the trace id: the first hop takes it as its own, and later hops name it as their
//! parent, whoever they run on. Nothing has to be carried along, and the backend shows one tree.

use std::cell::Cell;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceState};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::types::{Cx, TraceId};

/// The span of one hop of a call, such as `router.place`. It carries the run and the trace, and its parent is the span
/// around it if that belongs to the same call, else the call's first hop.
pub fn span_for(cx: &Cx, name: &str) -> Span {
    let span = open(cx, name);
    let around = Span::current().context().span().span_context().trace_id();
    if around != otel_trace(cx.trace()) {
        // Fails only where nothing exports, and then no parent is needed.
        let _ = span.set_parent(anchor(cx.trace()));
    }
    span
}

/// The span of a call's first hop, which all later ones stand under. For the edge that made the context.
pub fn root_span_for(cx: &Cx, name: &str) -> Span {
    let span = open(cx, name);
    if span.set_parent(anchor(cx.trace())).is_ok() {
        FORCED.set(Some(anchor_id(cx.trace())));
        // Asking for the context is what makes the exporter's side of the span, and with it its id.
        let _ = span.context();
        FORCED.set(None);
    }
    span
}

fn open(cx: &Cx, name: &str) -> Span {
    let span = tracing::info_span!("hop", otel.name = name, run = tracing::field::Empty, trace = %cx.trace());
    if let Some(run) = cx.run() {
        span.record("run", tracing::field::display(run));
    }
    span
}

fn otel_trace(trace: TraceId) -> opentelemetry::trace::TraceId {
    opentelemetry::trace::TraceId::from_bytes(trace.0.to_be_bytes())
}

/// The low half of the trace id; 1 if that is zero, which means "none".
fn anchor_id(trace: TraceId) -> SpanId {
    let [_, _, _, _, _, _, _, _, low @ ..] = trace.0.to_be_bytes();
    SpanId::from_bytes(u64::from_be_bytes(low).max(1).to_be_bytes())
}

/// The W3C `traceparent` that names this trace and its first hop, for whoever called and for those that are called.
pub fn traceparent(trace: TraceId) -> String {
    format!("00-{trace}-{}-01", anchor_id(trace))
}

fn anchor(trace: TraceId) -> Context {
    let (id, state) = (anchor_id(trace), TraceState::default());
    Context::new().with_remote_span_context(SpanContext::new(otel_trace(trace), id, TraceFlags::SAMPLED, true, state))
}

thread_local! {
    /// The id the next span made on this thread gets, while [`root_span_for`] makes one.
    static FORCED: Cell<Option<SpanId>> = const { Cell::new(None) };
}

/// Ids by chance, except the one [`root_span_for`] asks for.
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> opentelemetry::trace::TraceId {
        self.0.new_trace_id()
    }

    fn new_span_id(&self) -> SpanId {
        FORCED.take().unwrap_or_else(|| self.0.new_span_id())
    }
}
