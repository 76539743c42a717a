//! Who asks: the token of a request, and what it may be used for.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

use super::app::App;
use super::connection::Peer;
use super::gate::Trace;
use super::problem::{Code, Problem};
use super::tokens::{Found, Scope, Token, Tokens};
use crate::types::{Budget, Cx, Money, Principal};

/// Paths that answer anybody: whether a host lives is no secret, and what asks has no token.
pub(super) const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// The one who asks, as far as the token tells, with the context everything below derives from.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) cx: Cx,
    scopes: Vec<Scope>,
}

impl Caller {
    pub(super) fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Caller, Problem> {
        // Only a route outside the gate has no caller, and none of those asks for one.
        parts.extensions.get::<Caller>().cloned().ok_or_else(|| Problem::new(Code::Unauthenticated, MISSING))
    }
}

const MISSING: &str = "send `authorization: Bearer TOKEN`; the operator's token is in the file operator.token of the \
                       host's data directory";

/// API1, first half: knows the caller or refuses, before anything is said about what exists.
pub(super) async fn authenticate(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if OPEN.contains(&request.uri().path()) {
        return Ok(next.run(request).await);
    }
    if request.headers().get(AUTHORIZATION).is_none() {
        return Err(Problem::new(Code::Unauthenticated, MISSING));
    }
    let tokens = app.tokens();
    let token = known(&app, &request, &tokens)?;
    let world = &app.parts.world;
    let words: Vec<&str> = token.scopes.iter().map(|scope| scope.word()).collect();
    let config = app.config();
    let budget = Budget { money: Money(config.request_cost_max), tokens: config.request_tokens_max };
    let trace = Trace::of(request.extensions());
    let deadline = world.clock.now() + config.request_timeout();
    let cx = Cx::new(trace.0, Principal::new(&token.name, &words), deadline, budget);
    let scopes = token.scopes.clone();
    request.extensions_mut().insert(Caller { cx, scopes });
    Ok(next.run(request).await)
}

/// The token of a request, if it is good.
///
/// A peer that guesses is told to wait, but a right token is let in whoever else guesses from there: behind a proxy, or
/// one gateway, everybody has one address, and after a restart nobody is known, so a limit that right tokens fall under
/// is a way to lock the owner out. It would protect nothing either: every token is 256 bits of chance that the host drew,
/// which no rate of guesses finds, and it is compared, in the same time whatever it is (TK2), before anything else is
/// looked at, so that neither the answer nor its time says how near a wrong one was.
fn known<'a>(app: &App, request: &Request, tokens: &'a Tokens) -> Result<&'a Token, Problem> {
    let clock = &app.parts.world.clock;
    match bearer(request.headers()).and_then(|said| tokens.find(said)) {
        Some(Found::Given(token)) => match token.expires.filter(|expires| *expires <= clock.wall()) {
            Some(expired) => {
                let detail = format!("it expired at {}; an admin can make another", expired.rfc3339());
                Err(Problem::new(Code::TokenExpired, detail))
            }
            None => Ok(token),
        },
        Some(Found::Revoked(token)) => {
            let detail = format!("it was taken back at {}; an admin can make another", token.at.rfc3339());
            Err(Problem::new(Code::TokenRevoked, detail))
        }
        None => Err(wrong(app, request)),
    }
}

/// What a token is answered that nobody was given.
fn wrong(app: &App, request: &Request) -> Problem {
    // Requests that came over no connection are those of tests.
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0);
    let now = app.parts.world.clock.now();
    if let Some(wait) = app.peers.barred(peer, now) {
        let most = app.config().token_failures_max;
        let detail = format!("this token is wrong, as {most} others from this address were (api.token_failures_max)");
        return Problem::new(Code::TokenGuesses, detail).after(wait);
    }
    if app.peers.failed(peer, now) {
        tracing::warn!(%peer, "too many wrong tokens: this address is told to wait");
    }
    Problem::new(Code::Unauthenticated, "this host has given out no such token")
}

/// API1, second half: the scope of the route.
pub(super) async fn require(
    State(scope): State<Scope>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if caller.may(scope) {
        return Ok(next.run(request).await);
    }
    let has: Vec<&str> = caller.scopes.iter().map(|scope| scope.word()).collect();
    let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
    let detail = format!("this takes the scope `{}`; the token has {has}", scope.word());
    Err(Problem::new(Code::InsufficientScope, detail))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
