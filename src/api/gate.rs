//! What every request passes before it is anybody's: its trace, the name it was sent to, a free place.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CONTENT_ENCODING, HOST, ORIGIN};
use axum::http::{Extensions, HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

use super::app::App;
use super::problem::{Code, Problem};
use crate::telemetry;
use crate::types::{Budget, Cx, Money, Principal, RunId, TraceId};

/// The trace of a request: the caller's, or a new one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trace(pub(super) TraceId);

impl Trace {
    /// What the gate found. A request that has not passed it has none; its trace is the first there is.
    pub(super) fn of(extensions: &Extensions) -> Trace {
        extensions.get::<Trace>().copied().unwrap_or(Trace(TraceId(1)))
    }
}

/// The run a request led to; a handler leaves it in the answer, and the gate puts it into the header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ran(pub(super) RunId);

/// Puts the request into a span of its trace, counts it, and names trace and run in the answer.
pub(super) async fn observe(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let world = &app.parts.world;
    let trace = traceparent(request.headers()).unwrap_or_else(|| TraceId::new(world));
    request.extensions_mut().insert(Trace(trace));
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let began = world.clock.now();
    let nobody = Budget { money: Money::ZERO, tokens: 0 };
    let cx = Cx::new(trace, Principal::new("", &[]), began, nobody);
    let span = telemetry::root_span_for(&cx, &format!("{} {route}", request.method()));
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    let took = world.clock.now().saturating_duration_since(began);
    app.meter.answered(&route, status.as_u16(), took);
    let run = response.extensions().get::<Ran>().map(|ran| ran.0);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&telemetry::traceparent(trace)) {
        headers.insert("traceparent", value);
    }
    if let Some(run) = run {
        span.record("run", tracing::field::display(run));
        if let Ok(value) = HeaderValue::from_str(&run.to_string()) {
            headers.insert("x-run-id", value);
        }
    }
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::debug!(status = status.as_u16(), micros, "a request was answered"));
    response
}

/// The trace id of a W3C `traceparent`, if there is a valid one (<https://www.w3.org/TR/trace-context/>). Of two none
/// counts, and the request is served all the same: a trace is for those who look, and decides nothing.
fn traceparent(headers: &HeaderMap) -> Option<TraceId> {
    let mut said = headers.get_all("traceparent").iter();
    let (only, None) = (said.next()?, said.next()) else { return None };
    let mut parts = only.to_str().ok()?.split('-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    if !hex(version, 2) || version == "ff" || !hex(trace, 32) || !hex(span, 16) {
        return None;
    }
    u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0).map(TraceId)
}

/// Refuses requests that were sent to another name, or by a page of another place. A page in a browser can make its own
/// name mean 127.0.0.1 (DNS rebinding), or send a request to ours, but it cannot change what the browser says of that.
pub(super) async fn host(State(app): State<Arc<App>>, request: Request, next: Next) -> Result<Response, Problem> {
    let text = |value: Option<&HeaderValue>| value.map(|value| value.to_str().unwrap_or_default().to_owned());
    let said = text(request.headers().get(HOST)).unwrap_or_default();
    let config = app.config();
    if (app.loopback() || !config.allowed_hosts.is_empty()) && !is_ours(&app, &said) {
        let detail = "this interface answers to its address, `localhost`, and the names in api.allowed_hosts only";
        return Err(Problem::new(Code::WrongHost, detail));
    }
    if let Some(origin) = text(request.headers().get(ORIGIN)) {
        let scheme = if config.tls.is_on() { "https" } else { "http" };
        let own = origin.eq_ignore_ascii_case(&format!("{scheme}://{said}"));
        if !own && !config.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(&origin)) {
            let detail = "only pages of this interface and of the places in api.allowed_origins may send requests";
            return Err(Problem::new(Code::WrongOrigin, detail));
        }
    }
    Ok(next.run(request).await)
}

/// Whether this name, with a port or without, is one of the interface.
fn is_ours(app: &App, host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let address = name.parse::<IpAddr>().ok();
    let local = name.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| address.is_loopback());
    let bound = app.bound.borrow().map(|bound| bound.ip());
    let allowed = |known: &String| known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(host);
    (local && app.loopback())
        || (address.is_some() && address == bound)
        || app.config().allowed_hosts.iter().any(allowed)
}

/// Refuses bodies that would have to be unpacked first: a few kilobytes can become gigabytes.
pub(super) async fn plain(request: Request, next: Next) -> Result<Response, Problem> {
    let codings = request.headers().get_all(CONTENT_ENCODING).iter();
    let packed = codings.filter(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")).count();
    if packed > 0 {
        return Err(Problem::new(Code::WrongEncoding, "the body is compressed; send it as it is"));
    }
    Ok(next.run(request).await)
}

/// Requests that steer or look and are served at a time whatever else is: people and their scripts have few at a time.
pub(super) const STEERING: usize = 16;

/// How many may follow runs at a time, of so many requests: the other half is for whoever brings work.
pub(super) fn watchers_most(requests_max: usize) -> usize {
    (requests_max / 2).max(1)
}

/// Whether it follows a run for as long as that takes.
fn watches(request: &Request) -> bool {
    let path = request.uri().path();
    path.starts_with("/runs/") && path.ends_with("/events")
}

/// Whether it is of those by which an operator sees and steers, and is answered at once.
fn steers(request: &Request) -> bool {
    const OWN: [&str; 9] =
        ["/tree", "/metrics", "/runs", "/control/", "/overrides", "/alerts", "/hitl", "/budgets", "/effects/"];
    let path = request.uri().path();
    OWN.iter().any(|own| path.starts_with(own)) && !watches(request)
}

/// Takes a place for the request, or says that there is none. Health is answered all the same: a full host lives.
pub(super) async fn place(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if super::auth::OPEN.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let full = |detail: String| Problem::new(Code::Overloaded, detail).into_response();
    let most = app.config().requests_max;
    let watching = match watches(&request).then(|| Arc::clone(&app.watching).try_acquire_owned()) {
        None => None,
        Some(Ok(watching)) => Some(watching),
        Some(Err(_)) => {
            let half = watchers_most(most);
            return full(format!("{half} runs are being watched, and no more may be (half of api.requests_max)"));
        }
    };
    let place = || Arc::clone(&app.places).try_acquire_owned();
    let permit = if steers(&request) {
        // Of its own, so that work and watchers never keep an operator out; and of the others if there is one.
        Arc::clone(&app.steering).try_acquire_owned().or_else(|_| place())
    } else {
        place()
    };
    let Ok(permit) = permit else {
        return full(format!("{most} requests are being served (api.requests_max); try again in a moment"));
    };
    let permit = (permit, watching);
    next.run(request).await.map(|body| Body::new(Held { body, _permit: permit }))
}

/// A body that keeps its request's place until it is sent or dropped.
struct Held {
    body: Body,
    _permit: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}

/// The answer to a handler that panicked.
pub(super) fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(panic = text, "a handler panicked");
    Problem::new(Code::Internal, "the cause is in the host's log, under the trace id of this request").into_response()
}
