//! Giving out tokens and taking them back.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::app::App;
use super::auth::Caller;
use super::bodies::{NewToken, TokenInfo, TokenMade, TokenNames};
use super::control::later;
use super::extract::{Body, Path};
use super::problem::{Code, Problem, Problems};
use super::tokens::{NAME_BYTES_MAX, OPERATOR, is_name};
use crate::store::{Durability, NewEvent};

/// The tokens that were given out, without the tokens themselves.
#[utoipa::path(get, path = "/tokens", tag = "tokens", responses((status = 200, body = TokenNames), Problems))]
pub(super) async fn list(State(app): State<Arc<App>>) -> Json<TokenNames> {
    let info = |token: &super::Token| TokenInfo {
        name: token.name.clone(),
        scopes: token.scopes.clone(),
        expires: token.expires,
    };
    Json(TokenNames { tokens: app.tokens().tokens.iter().map(info).collect() })
}

/// Makes a token. It is shown once and kept nowhere.
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, body = TokenMade), Problems))]
pub(super) async fn make(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(wanted): Body<NewToken>,
) -> Result<Response, Problem> {
    let NewToken { name, scopes, expires_in_s } = wanted;
    if !is_name(&name) {
        let detail = format!(
            "a name has 1 to {NAME_BYTES_MAX} letters, digits, and any of - _ . @, and one slash at the most, between \
             the tenant it belongs to and its own name: acme/anna"
        );
        return Err(Problem::new(Code::InvalidRequest, detail));
    }
    if scopes.is_empty() {
        return Err(Problem::new(Code::InvalidRequest, "a token without scopes opens nothing"));
    }
    if expires_in_s == Some(0) {
        return Err(Problem::new(
            Code::InvalidRequest,
            "expires_in_s is at least 1: a token that is over opens nothing",
        ));
    }
    let expires = expires_in_s.map(|seconds| later(app.parts.world.clock.wall(), seconds));
    let token = app.make_token(&name, &scopes, expires).map_err(|error| Problem::of(error.class(), &error))?;
    let by = &caller.cx.principal().name;
    let body = serde_json::json!({ "name": name, "scopes": scopes, "expires": expires, "by": by });
    record(&app, "token.made", &body).await?;
    Ok((StatusCode::CREATED, Json(TokenMade { name, token })).into_response())
}

/// Takes a token back: it opens nothing from now on. The operator's own stays, or nobody could make another. A slash in
/// the name is written `%2F`.
#[utoipa::path(delete, path = "/tokens/{name}", tag = "tokens", params(("name" = String, Path)),
    responses((status = 204, description = "revoked"), Problems))]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    if name == OPERATOR {
        return Err(Problem::new(Code::Conflict, "the operator's token cannot be revoked"));
    }
    let revoked = app.revoke_token(&name).map_err(|error| Problem::of(error.class(), &error))?;
    if revoked.is_none() {
        return Err(Problem::new(Code::NotFound, format!("there is no token named {name:?}")));
    }
    let body = serde_json::json!({ "name": name, "by": caller.cx.principal().name });
    record(&app, "token.revoked", &body).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn record(app: &App, kind: &str, body: &serde_json::Value) -> Result<(), Problem> {
    app.parts.journal.append(vec![NewEvent::new(kind, None, "api", body)], Durability::Durable).await?;
    Ok(())
}
