//! Tools: which there are, what one is, and calls of them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::auth::Caller;
use super::extract::{Body, Path, Query, Wants};
use super::follow::event;
use super::problem::{Code, Problem, Problems};
use crate::actors::executor::{self, Answer, Entry, How, Like, Pulse, Request, Stage};
use crate::lap;
use crate::sandbox::{Change, Exit, Line};
use crate::tds::tool::Range;
use crate::types::sensitive;
use crate::types::{Cx, Hash, Money, PrivacyClass, Residency, RunId};

/// Tools of one answer at the most.
const TOOLS_MOST: usize = 500;

/// Tools of an answer to who looks for what is like a text: further down there is what is hardly like it.
const LIKE_SHOWN: usize = 20;

/// Lines that may wait for a slow client before the tool waits with it.
const LINES_WAITING: usize = 64;

/// A tool in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToolRow {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// The version that is called if a caller does not say which.
    pub version: String,
    /// What it does and when to use it.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// What it offers.
    pub capabilities: Vec<String>,
    /// What a call does to the world: `none`, `idempotent` or `non_idempotent`.
    pub side_effects: String,
    /// What a caller must have been granted.
    pub scopes: Vec<String>,
    /// Why this machine cannot run it, if it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

/// A list of tools.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tools {
    /// One row for each, by id; the best first if they were to be like a text.
    pub tools: Vec<ToolRow>,
    /// Tools there are beyond these.
    pub more: usize,
    /// What judged how like a text they are, beside the words: the name of the embedder. Vectors of `lexical-512` know
    /// spelling and no meaning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Which tools.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ToolsQuery {
    /// Only tools with this word in their id, name, description or tags.
    #[serde(default)]
    q: Option<String>,
    /// Only tools with this tag.
    #[serde(default)]
    tag: Option<String>,
    /// Only tools that offer this: `action`, `query`, `stream`, `subscription` or `batch`.
    #[serde(default)]
    capability: Option<String>,
    /// Only tools that ask for this scope.
    #[serde(default)]
    scope: Option<String>,
    /// Tools that do what this text asks for, the best first: by what it means and by the words it shares with them.
    #[serde(default)]
    #[param(max_length = 2000)]
    like: Option<String>,
}

/// Which version.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct VersionQuery {
    /// Such as `^1.2`; the newest without it.
    #[serde(default)]
    version: Option<String>,
}

/// A tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToolShown {
    /// Its description, as TDS has it.
    pub tool: Value,
    /// What the description and the files beside it are.
    #[schema(value_type = String)]
    pub hash: Hash,
    /// All versions there are, oldest first.
    pub versions: Vec<String>,
    /// How each of them stands, in the same order.
    pub standing: Vec<ToolStanding>,
}

/// How a version stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToolStanding {
    /// The version.
    pub version: String,
    /// Whom it serves.
    #[serde(flatten)]
    pub stage: Stage,
    /// How good it was lately; nothing if it was not called since the host started.
    pub health: Option<Pulse>,
}

/// A call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Invoke {
    /// What the tool's input schema asks for.
    #[schema(value_type = Object)]
    pub arguments: Value,
    /// Which versions the caller takes, such as `^1.2`; the newest without it.
    #[serde(default)]
    pub version: Option<String>,
    /// The call happens once under this key; the same key again gets the same result.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 255)]
    pub idempotency_key: Option<String>,
    /// The folder that is granted, by its name in `[tools]` of the configuration; takes the scope `control`.
    #[serde(default)]
    pub workspace: Option<String>,
    /// How private the arguments are at least; what is found in them may say more.
    #[serde(default)]
    pub privacy: Option<PrivacyClass>,
    /// The regions in which they may be worked on; anywhere without any.
    #[serde(default)]
    pub residency: Vec<String>,
    /// Seconds it may take; the host's own limit holds if it is lower.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 18_446_744_073_709_551_615usize)]
    pub timeout_s: Option<u64>,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Invoked {
    /// The result, as the tool's output schema says.
    #[schema(value_type = Value)]
    pub value: Value,
    /// Id of the call, as the journal has it.
    pub invocation: String,
    /// The tool.
    pub tool: String,
    /// The version that answered.
    pub version: String,
    /// Whether it was performed now, repeated from an earlier call of its key, or taken from the cache.
    pub how: How,
    /// In which tier it ran, if it ran.
    pub tier: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// What callers of this version should know.
    pub warnings: Vec<String>,
    /// What the tool said before its answer.
    #[schema(value_type = Vec<Object>)]
    pub lines: Vec<Line>,
    /// What it did.
    pub effects: InvokedEffects,
    /// What it used.
    pub usage: InvokedUsage,
    /// What it cost, in millionths of a dollar.
    #[schema(value_type = i64)]
    pub cost: Money,
}

/// What a call did to the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InvokedEffects {
    /// Hosts that were connected to.
    pub hosts: Vec<String>,
    /// Secrets that were used, by path.
    pub secrets: Vec<String>,
    /// Files of granted folders that were created, changed or removed: `created workspace/a.txt`.
    pub written: Vec<String>,
    /// Whether `written` is all of it.
    pub written_all: bool,
    /// How the program ended, if it was one.
    pub exit: Option<String>,
}

/// What a call used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InvokedUsage {
    /// Microseconds from the call to the answer.
    pub wall_us: u64,
    /// Microseconds on processors; 0 where nobody counts.
    pub cpu_us: u64,
    /// The most bytes of memory that were seen.
    pub memory_peak_bytes: u64,
    /// Bytes that went in.
    pub input_bytes: u64,
    /// Bytes that came out.
    pub output_bytes: u64,
}

impl From<Answer> for Invoked {
    fn from(answer: Answer) -> Invoked {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let change = |change: Change| match change {
            Change::Created => "created",
            Change::Changed => "changed",
            Change::Removed => "removed",
        };
        let written = answer.effects.written.iter().map(|one| format!("{} {}", change(one.change), one.path));
        Invoked {
            value: answer.value,
            invocation: answer.invocation,
            tool: answer.tool,
            version: answer.version,
            how: answer.how,
            tier: answer.tier.map(|tier| tier.word().to_owned()),
            attempts: answer.attempts,
            warnings: answer.warnings,
            lines: answer.lines,
            effects: InvokedEffects {
                written: written.collect(),
                hosts: answer.effects.hosts,
                secrets: answer.effects.secrets,
                written_all: answer.effects.written_all,
                exit: answer.effects.exit.as_ref().map(Exit::to_string),
            },
            usage: InvokedUsage {
                wall_us: micros(answer.usage.wall),
                cpu_us: micros(answer.usage.cpu),
                memory_peak_bytes: answer.usage.memory_peak,
                input_bytes: answer.usage.stdin,
                output_bytes: answer.usage.stdout,
            },
            cost: answer.cost,
        }
    }
}

impl From<executor::Error> for Problem {
    fn from(error: executor::Error) -> Problem {
        match error {
            broken @ executor::Error::Broken { .. } => Problem::new(Code::ToolFailed, broken.to_string()),
            other => Problem::of(other.class(), &other),
        }
    }
}

fn row(entry: &Entry) -> ToolRow {
    let tool = &entry.ready.tool;
    ToolRow {
        id: tool.id.to_string(),
        name: tool.name.to_string(),
        version: tool.version.to_string(),
        description: tool.description.clone(),
        tags: tool.tags.iter().map(ToString::to_string).collect(),
        capabilities: tool.capabilities.iter().map(word).collect(),
        side_effects: word(&tool.side_effects),
        scopes: tool.auth.scopes.iter().map(ToString::to_string).collect(),
        unavailable: entry.unavailable.as_deref().map(str::to_owned),
    }
}

/// A word of TDS as its files have it.
fn word(choice: &impl Serialize) -> String {
    serde_json::to_value(choice).ok().and_then(|word| word.as_str().map(ToOwned::to_owned)).unwrap_or_default()
}

/// The tools there are, each in the version that is called if nobody says which.
#[utoipa::path(get, path = "/tools", tag = "tools", params(ToolsQuery),
    responses((status = 200, body = Tools), Problems))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ToolsQuery>,
) -> Result<Json<Tools>, Problem> {
    let own = lap::Caller::of(caller.cx.principal());
    let (found, by, most) = match &query.like {
        None => (app.parts.tools.list(&own), None, TOOLS_MOST),
        Some(text) => {
            let Like { by, tools } = app.parts.tools.like(&caller.cx, &own, text).await?;
            (tools, Some(by), LIKE_SHOWN)
        }
    };
    let mut tools: Vec<ToolRow> = found.iter().map(row).filter(|row| query.takes(row)).collect();
    let more = tools.len().saturating_sub(most);
    tools.truncate(most);
    Ok(Json(Tools { tools, more, by }))
}

impl ToolsQuery {
    fn takes(&self, row: &ToolRow) -> bool {
        let has = |wanted: &Option<String>, words: &[String]| wanted.as_ref().is_none_or(|word| words.contains(word));
        let texts = [&row.id, &row.name, &row.description].map(|text| text.to_lowercase());
        let named = |word: &String| {
            let word = word.to_lowercase();
            texts.iter().chain(&row.tags).any(|text| text.contains(word.as_str()))
        };
        has(&self.tag, &row.tags)
            && has(&self.capability, &row.capabilities)
            && has(&self.scope, &row.scopes)
            && self.q.as_ref().is_none_or(named)
    }
}

fn range(text: Option<&str>) -> Result<Option<Range>, Problem> {
    let read = |text: &str| {
        let wrong = |why: String| Problem::new(Code::InvalidRequest, format!("version {text:?}: {why}"));
        text.parse::<Range>().map_err(wrong)
    };
    text.map(read).transpose()
}

/// One tool: its description, its hash, its versions. Who may not call a tool is not shown it.
#[utoipa::path(get, path = "/tools/{id}", tag = "tools", params(("id" = String, Path, description = "its id"), VersionQuery),
    responses((status = 200, body = ToolShown), Problems))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<VersionQuery>,
) -> Result<Json<ToolShown>, Problem> {
    let required = range(query.version.as_deref())?;
    let own = lap::Caller::of(caller.cx.principal());
    let entry = app.parts.tools.find(&own, &id, required.as_ref())?;
    let mut pulses = app.parts.tools.pulses(&caller.cx, &id).await?;
    let standing = |entry: &Entry| {
        let version = entry.ready.tool.version.to_string();
        let health = pulses.remove(&version);
        ToolStanding { version, stage: entry.stage.clone(), health }
    };
    let standing: Vec<ToolStanding> = app.parts.tools.versions(&own, &id).iter().map(standing).collect();
    let versions = standing.iter().map(|one| one.version.clone()).collect();
    let tool = serde_json::to_value(&*entry.ready.tool).unwrap_or_default();
    Ok(Json(ToolShown { tool, hash: entry.ready.hash, versions, standing }))
}

/// Calls a tool.
///
/// Answers with what came of it; with `Accept: text/event-stream` as a stream of what the tool says while it works
/// (`chunk`, `log`, `memory_delta`, `noise`) that ends in an event `answer` or `error`. A client that leaves ends the call.
#[utoipa::path(post, path = "/tools/{id}/invoke", tag = "tools", request_body = Invoke,
    params(("id" = String, Path, description = "its id"),
        ("Accept" = Option<String>, Header, description = "`text/event-stream` streams"),
        ("traceparent" = Option<String>, Header, description = "W3C trace context")),
    responses((status = 200, description = "what came of it, or a stream of events", content(
        (Invoked = "application/json"), (String = "text/event-stream"))), Problems))]
pub(super) async fn invoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    wants: Wants,
    Body(asked): Body<Invoke>,
) -> Result<Response, Problem> {
    let (cx, request) = call(&app, &caller, id, asked)?;
    if wants.stream {
        return stream(app, cx, request);
    }
    let answer = app.parts.tools.invoke(&cx, request).await?;
    Ok(Json(Invoked::from(answer)).into_response())
}

/// What is asked of the executor, under the context of this caller and these data.
fn call(app: &App, caller: &Caller, id: String, asked: Invoke) -> Result<(Cx, Request), Problem> {
    let required = range(asked.version.as_deref())?;
    if asked.timeout_s == Some(0) {
        return Err(Problem::new(Code::InvalidRequest, "timeout_s is at least 1"));
    }
    if let Some(key) = asked.idempotency_key.as_ref().filter(|key| key.is_empty() || key.len() > lap::KEY_BYTES_MAX) {
        let detail = format!("idempotency_key has 1 to {} bytes, not {}", lap::KEY_BYTES_MAX, key.len());
        return Err(Problem::new(Code::InvalidRequest, detail));
    }
    let workspace = match &asked.workspace {
        None => None,
        Some(_) if !caller.may(super::Scope::Control) => {
            return Err(Problem::new(Code::InsufficientScope, "to grant a folder takes the scope `control`"));
        }
        Some(name) => Some(app.parts.folders.workspace(name).ok_or_else(|| {
            let known = app.parts.folders.workspaces().join(", ");
            let detail = format!("there is no folder {name:?} in [tools] of the configuration; there are: {known}");
            Problem::new(Code::NotFound, detail)
        })?),
    };
    let text = asked.arguments.to_string();
    let found = sensitive::find(&text).iter().map(|finding| finding.kind.class()).max();
    let class = found.max(asked.privacy).unwrap_or(PrivacyClass::Public);
    let now = app.parts.world.clock.now();
    let most = now + asked.timeout_s.map_or(Duration::MAX, Duration::from_secs).min(app.config().request_timeout());
    // A call by itself is a run of its own, by which its events can be found.
    let cx = caller.cx.with_run(RunId::new(&app.parts.world)).with_deadline(most).with_privacy(class);
    let cx = cx.with_residency(&Residency::within(&asked.residency));
    let cx = cx.with_residency(&app.parts.privacy.of(cx.principal().tenant()));
    let request = Request {
        tool: id,
        required,
        arguments: asked.arguments,
        key: asked.idempotency_key,
        workspace,
        ..Request::default()
    };
    Ok((cx, request))
}

/// A call and whoever listens to it. Dropping it is leaving, which ends the call.
struct Listening {
    app: Arc<App>,
    work: Option<futures::future::BoxFuture<'static, Result<Answer, executor::Error>>>,
    lines: mpsc::Receiver<Line>,
    ended: Option<Result<Answer, executor::Error>>,
}

impl Listening {
    async fn next(&mut self) -> Option<axum::response::sse::Event> {
        if let Some(work) = &mut self.work {
            let cutting = self.app.cutting.load_full();
            tokio::select! {
                biased;
                Some(line) = self.lines.recv() => return Some(said(&line)),
                ended = work => {
                    (self.work, self.ended) = (None, Some(ended));
                }
                () = cutting.cancelled() => {
                    self.work = None;
                    return Some(event("error", &Problem::new(Code::Unavailable, "the host stops, and ended the call")));
                }
            }
        }
        // The call is over, so whatever it had to say is in the channel by now.
        if let Ok(line) = self.lines.try_recv() {
            return Some(said(&line));
        }
        Some(match self.ended.take()? {
            Ok(answer) => event("answer", &Invoked { lines: Vec::new(), ..Invoked::from(answer) }),
            Err(error) => event("error", &Problem::from(error)),
        })
    }
}

fn said(line: &Line) -> axum::response::sse::Event {
    let name = match line {
        Line::Chunk { .. } => "chunk",
        Line::Log { .. } => "log",
        Line::MemoryDelta { .. } => "memory_delta",
        Line::Noise { .. } => "noise",
    };
    event(name, line)
}

fn stream(app: Arc<App>, cx: Cx, request: Request) -> Result<Response, Problem> {
    // What is refused before anything is done is refused with its own status.
    app.parts.tools.known(&lap::Caller::of(cx.principal()), &request.tool, request.required.as_ref())?;
    let (sender, lines) = mpsc::channel(LINES_WAITING);
    let tools = app.parts.tools.clone();
    let request = Request { lines: Some(sender), ..request };
    let work: futures::future::BoxFuture<'static, _> = Box::pin(async move { tools.invoke(&cx, request).await });
    let every = Duration::from_secs(app.config().keep_alive_s);
    let listening = Listening { app, work: Some(work), lines, ended: None };
    let shown = Sse::new(events(listening)).keep_alive(KeepAlive::new().interval(every).text(""));
    Ok(shown.into_response())
}

fn events(listening: Listening) -> impl Stream<Item = Result<axum::response::sse::Event, Infallible>> {
    stream::unfold(listening, async |mut listening| {
        let event = listening.next().await?;
        Some((Ok(event), listening))
    })
}
