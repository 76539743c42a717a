//! What waits for people, and what they say of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::auth::Caller;
use super::extract::{Body, Path, Query};
use super::problem::{Code, Problem, Problems};
use super::tokens::Scope;
use crate::actors::inbox;
use crate::ziggy::review::{Item, ItemStatus};

/// Items of a list if its caller names no number: a screenful.
const LIST: usize = 20;

/// Items of a list at the most: about half a megabyte.
const LIST_MOST: usize = 500;

/// Which items.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only items that stand so.
    #[serde(default)]
    status: Option<ItemStatus>,
    /// At most so many, up to 500; 20 if none is named.
    #[serde(default)]
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// Only items after this one, in the order of the list.
    #[serde(default)]
    after: Option<String>,
}

/// Items, newest run first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ReviewItems)]
pub struct Items {
    /// The items, without what they are about.
    pub items: Vec<Item>,
    /// What to send as `after` to see the next ones; none if there are no more.
    pub next: Option<String>,
}

/// An item with what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ReviewShown)]
pub struct Shown {
    /// The item.
    pub item: Item,
    /// What it is about, with everything that people have changed. `item.editable` points into it.
    #[schema(value_type = Object)]
    pub payload: Value,
}

/// What somebody says of an item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReviewSaid)]
pub struct Said {
    /// In words; whoever gave the task reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096)]
    pub comment: Option<String>,
    /// What is to stand in the payload instead, by JSON pointer; only to approve.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub edits: BTreeMap<String, String>,
    /// The revision of the item they have seen: another one is refused. The present one if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
}

/// Who is asked to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReviewDelegated)]
pub struct Delegated {
    /// The name of their token, which has the scope `review`.
    #[schema(min_length = 1, max_length = 64)]
    pub to: String,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096)]
    pub comment: Option<String>,
}

impl From<Said> for inbox::Said {
    fn from(said: Said) -> inbox::Said {
        let Said { comment, edits, revision } = said;
        inbox::Said { comment, edits, seen: revision }
    }
}

/// What waits for people, and what they have decided; newest run first.
#[utoipa::path(get, path = "/hitl", tag = "hitl", params(ListQuery),
    responses((status = 200, body = Items), Problems))]
pub(super) async fn list(State(app): State<Arc<App>>, Query(query): Query<ListQuery>) -> Result<Json<Items>, Problem> {
    let limit = query.limit.unwrap_or(LIST);
    if limit == 0 || limit > LIST_MOST {
        return Err(Problem::new(Code::InvalidRequest, format!("limit is from 1 to {LIST_MOST}")));
    }
    let page = app.parts.inbox.list(query.status, query.after.as_deref(), limit).await?;
    Ok(Json(Items { items: page.items, next: page.next }))
}

/// An item with what it is about.
#[utoipa::path(get, path = "/hitl/{id}", tag = "hitl", params(("id" = String, Path)),
    responses((status = 200, body = Shown), Problems))]
pub(super) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Shown>, Problem> {
    let item = app.parts.inbox.item(&id).await?;
    let payload = app.parts.inbox.shown(&item).await?;
    Ok(Json(Shown { item, payload }))
}

/// Approves an item, in the name of the token, after changing it if there are edits. It is closed when as many different
/// people as its quorum have approved it as it is; an edit makes a new revision, which those before have not approved.
#[utoipa::path(post, path = "/hitl/{id}/approve", tag = "hitl", params(("id" = String, Path)), request_body = Said,
    responses((status = 200, description = "the item after that", body = Item), Problems))]
pub(super) async fn approve(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(said): Body<Said>,
) -> Result<Json<Item>, Problem> {
    Ok(Json(app.parts.inbox.approve(&caller.cx, &id, said.into()).await?))
}

/// Denies an item, in the name of the token, which closes it and ends its run.
#[utoipa::path(post, path = "/hitl/{id}/deny", tag = "hitl", params(("id" = String, Path)), request_body = Said,
    responses((status = 200, description = "the item after that", body = Item), Problems))]
pub(super) async fn deny(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(said): Body<Said>,
) -> Result<Json<Item>, Problem> {
    Ok(Json(app.parts.inbox.deny(&caller.cx, &id, said.into()).await?))
}

/// Asks somebody else to decide, who has a token with the scope `review`. It takes nobody's right away.
#[utoipa::path(post, path = "/hitl/{id}/delegate", tag = "hitl", params(("id" = String, Path)),
    request_body = Delegated, responses((status = 200, description = "the item after that", body = Item), Problems))]
pub(super) async fn delegate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(Delegated { to, comment }): Body<Delegated>,
) -> Result<Json<Item>, Problem> {
    may_decide(&app, &to)?;
    Ok(Json(app.parts.inbox.delegate(&caller.cx, &id, &to, comment).await?))
}

/// Refuses to ask somebody who could not answer: the item would wait for them until its deadline.
fn may_decide(app: &App, name: &str) -> Result<(), Problem> {
    let tokens = app.tokens();
    let refused =
        |why: String| Err(Problem::new(Code::InvalidRequest, format!("nobody can be asked as {name:?}: {why}")));
    match tokens.tokens.iter().find(|token| token.name == name) {
        None => refused("there is no token of this name".to_owned()),
        Some(token) if !token.scopes.contains(&Scope::Review) => {
            refused("their token has not the scope `review`".to_owned())
        }
        Some(token) => match token.expires.filter(|expires| *expires <= app.parts.world.clock.wall()) {
            Some(expires) => refused(format!("their token has expired at {}", expires.rfc3339())),
            None => Ok(()),
        },
    }
}

/// Ends the time of an item, in the name of the token: its run ends. That approves nothing, also where the rule says
/// `on_expiry = "approve"`: only the deadline does.
#[utoipa::path(post, path = "/hitl/{id}/expire", tag = "hitl", params(("id" = String, Path)),
    responses((status = 200, description = "the item after that", body = Item), Problems))]
pub(super) async fn expire(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Item>, Problem> {
    Ok(Json(app.parts.inbox.expire(&caller.cx, &id).await?))
}
