//! The tools over HTTP, below `/openai`, behind whoever found out who asks: what a request to a model has as `tools`, and the
//! `tool` messages that answer the `tool_calls` it came back with.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use futures::future::join_all;
use serde_json::{Value, json};

use super::super::{Answer, Call, Caller, Question, Refusal, Reply, Toolbox, Wishes};
use crate::types::{Class, Cx};

/// Tools of one list, and calls of one request, at the most: what the API takes of each.
const TOOLS_MAX: usize = 128;
const CALLS_MAX: usize = 128;

type Tools = State<Arc<dyn Toolbox>>;

/// The routes. Requests have a [`Cx`] among their extensions, and a body that somebody kept within limits.
pub fn router(toolbox: &Arc<dyn Toolbox>) -> Router {
    let routes = Router::new().route("/openai/tools", get(tools)).route("/openai/calls", post(calls));
    routes.layer(DefaultBodyLimit::disable()).with_state(Arc::clone(toolbox))
}

/// An error as clients of that API read it.
struct Wrong(Refusal);

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        let Refusal { class, reason, .. } = self.0;
        let error = json!({ "message": reason, "type": class, "param": null, "code": class });
        let status = StatusCode::from_u16(class.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(json!({ "error": error }))).into_response()
    }
}

fn invalid(reason: impl Into<String>) -> Wrong {
    Wrong(Refusal::new(Class::Invalid, reason))
}

fn asked(address: &Uri, headers: &HeaderMap) -> Result<(Caller, Wishes), Wrong> {
    let program = headers.get("user-agent").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let wishes = Wishes::of(address).map_err(Wrong)?;
    let workspace = wishes.workspace.clone();
    Ok((Caller { protocol: "openai".to_owned(), program, workspace, ..Caller::default() }, wishes))
}

/// `GET /openai/tools`: those this caller may call, or those it names.
async fn tools(
    State(toolbox): Tools,
    Extension(cx): Extension<Cx>,
    address: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, Wrong> {
    let (caller, wishes) = asked(&address, &headers)?;
    let mut listed = toolbox.list(&cx, &caller).await;
    if let Some(names) = &wishes.names {
        let named: Vec<&str> = names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        let has = |name: &&str| listed.iter().any(|tool| tool.id.as_str() == *name);
        if let Some(unknown) = named.iter().find(|name| !has(name)) {
            return Err(Wrong(Refusal::unknown(unknown)));
        }
        listed.retain(|tool| named.contains(&tool.id.as_str()));
    }
    if listed.len() > TOOLS_MAX {
        let count = listed.len();
        return Err(invalid(format!(
            "could not list {count} tools: a model is offered {TOOLS_MAX} at the most; name some: ?names=ID,ID"
        )));
    }
    let tools: Vec<Value> = listed.iter().map(|tool| super::tool(tool)).collect();
    Ok(Json(json!({ "tools": tools })))
}

/// `POST /openai/calls`: a message of the assistant with its `tool_calls`, answered by a message for each, in their order.
async fn calls(
    State(toolbox): Tools,
    Extension(cx): Extension<Cx>,
    address: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Wrong> {
    let (caller, _) = asked(&address, &headers)?;
    let message: Value =
        serde_json::from_slice(&body).map_err(|error| invalid(format!("could not read the body as JSON: {error}")))?;
    let none = Vec::new();
    let entries = match message.get("tool_calls") {
        Some(Value::Array(entries)) => entries,
        // A model that calls nothing has answered, and whoever sends that on need not look first.
        None | Some(Value::Null) if message.get("role").is_some_and(|role| role == "assistant") => &none,
        _ => return Err(invalid("could not find `tool_calls` in the body: send the message a model answered with")),
    };
    if entries.len() > CALLS_MAX {
        let count = entries.len();
        return Err(invalid(format!("could not make {count} calls in one request: there may be {CALLS_MAX}")));
    }
    let key = match headers.get("idempotency-key").map(|value| value.to_str()) {
        None => None,
        Some(Ok(key)) if !key.is_empty() => Some(key),
        Some(_) => return Err(invalid("could not read the header `idempotency-key`: it is no text")),
    };
    // Who leaves has given up the calls.
    let cx = cx.child();
    let _leaving = cx.cancel_token().clone().drop_guard();
    let answered = entries.iter().map(async |entry| {
        let done = called(&*toolbox, (&cx, &caller), entry, key).await;
        super::message(entry, &done)
    });
    Ok(Json(json!({ "messages": join_all(answered).await })))
}

async fn called(
    toolbox: &dyn Toolbox,
    (cx, caller): (&Cx, &Caller),
    entry: &Value,
    key: Option<&str>,
) -> Result<Answer, Refusal> {
    let name = super::named(entry)?;
    let tool = toolbox.find(cx, caller, &name, None).await.ok_or_else(|| Refusal::unknown(&name))?;
    // The entries of one request have ids of their own, so each of them happens once under the request's key.
    let id = entry.get("id").and_then(Value::as_str).unwrap_or_default();
    let idempotency_key = key.map(|key| format!("{key}/{id}"));
    let call = Call { idempotency_key, ..super::call(entry, &tool)? };
    match toolbox.call(cx, caller, call, None).await? {
        Reply::Answer(answer) => Ok(answer),
        Reply::Asks(asks) => {
            let lacking = asks.questions.values().map(Question::needs).collect();
            let reason = format!("could not call {name}: it asks something first, and nobody can be asked this way");
            Err(Refusal { lacking, ..Refusal::new(Class::Invalid, reason) })
        }
    }
}
