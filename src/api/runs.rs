//! Runs: which there were, how they stand, what they left in the journal, and why they went as they did.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use serde::Deserialize;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

use super::app::App;
use super::auth::Caller;
use super::bodies::{RunEvents, Runs};
use super::extract::{Path, Query, Wants};
use super::follow::{cut, event};
use super::problem::{Code, Problem, Problems};
use super::tokens::Scope;
use super::why::{Step, Tables, Why, tables_of, why};
use crate::actors::inbox;
use crate::actors::io::{RunRow, RunStatus, RunsProjection, record};
use crate::actors::router;
use crate::store::{COMPACTED, Event, RowQuery};
use crate::types::RunId;

/// Runs of a list if its caller names no number: a screenful.
const LIST: usize = 20;

/// Runs of a list at the most: about a megabyte.
const LIST_MOST: usize = 500;

/// Runs that are looked through for a status before the list is cut short: some ten milliseconds of reading.
const LOOK_THROUGH: usize = 5_000;

/// Events of a run that are read at the most. A run of 64 chunks with fallbacks leaves some hundred.
pub(super) const EVENTS_MOST: usize = 10_000;

/// Which runs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// At most so many, up to 500; 20 if none is named.
    #[serde(default)]
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// Only runs older than this one.
    #[serde(default)]
    after: Option<RunId>,
    /// Only runs that stand so.
    #[serde(default)]
    status: Option<RunStatus>,
    /// Only runs whose id begins so.
    #[serde(default)]
    prefix: Option<String>,
}

/// The runs, newest first.
#[utoipa::path(get, path = "/runs", tag = "runs", params(ListQuery),
    responses((status = 200, body = Runs),
        Problems))]
pub(super) async fn list(State(app): State<Arc<App>>, Query(query): Query<ListQuery>) -> Result<Json<Runs>, Problem> {
    let limit = query.limit.unwrap_or(LIST);
    if limit == 0 || limit > LIST_MOST {
        return Err(Problem::new(Code::InvalidRequest, format!("limit is from 1 to {LIST_MOST}")));
    }
    // Whoever asks right after an answer expects to see its run.
    app.parts.journal.flush().await?;
    let (mut runs, mut looked) = (Vec::new(), 0);
    let mut after = query.after.map(|run| run.to_string());
    let prefix = query.prefix.unwrap_or_default();
    loop {
        let page = RowQuery {
            projection: RunsProjection::NAME,
            prefix: &prefix,
            reverse: true,
            after: after.as_deref(),
            limit: LIST_MOST.min(if query.status.is_some() { LIST_MOST } else { limit + 1 }),
        };
        let rows = app.parts.journal.rows(page).await?;
        let last_page = rows.len() < page.limit;
        for (key, row) in rows {
            looked += 1;
            let Ok(mut row) = serde_json::from_value::<RunRow>(row) else { continue };
            if query.status.is_some_and(|wanted| wanted != row.status) {
                after = Some(key);
                continue;
            }
            if runs.len() == limit {
                return Ok(Json(Runs { next: runs.last().map(|row: &RunRow| row.run_id), runs }));
            }
            row.answer = None;
            after = Some(key);
            runs.push(row);
        }
        if last_page {
            return Ok(Json(Runs { runs, next: None }));
        }
        if looked >= LOOK_THROUGH {
            let next = after.and_then(|key| key.parse().ok());
            return Ok(Json(Runs { runs, next }));
        }
    }
}

/// The row of a run. What is still on its way to the disk is waited for.
async fn row(app: &App, run: RunId) -> Result<RunRow, Problem> {
    let key = run.to_string();
    let journal = &app.parts.journal;
    let read = async || -> Result<Option<RunRow>, Problem> {
        let row = journal.row(RunsProjection::NAME, &key).await?;
        Ok(row.and_then(|row| serde_json::from_value(row).ok()))
    };
    match read().await? {
        Some(row) if row.status.is_over() => Ok(row),
        _ => {
            journal.flush().await?;
            read().await?.ok_or_else(|| Problem::new(Code::UnknownRun, format!("there is no run {run}")))
        }
    }
}

/// The row of a run that has ended.
pub(super) async fn finished_row(app: &App, run: RunId) -> Result<RunRow, Problem> {
    let row = row(app, run).await?;
    if !row.status.is_over() {
        return Err(Problem::new(Code::Conflict, "the run is still under way").in_run(Some(run)));
    }
    Ok(row)
}

/// A path segment as a run id.
fn run_id(text: &str) -> Result<RunId, Problem> {
    text.parse().map_err(|reason: String| Problem::new(Code::UnknownRun, reason))
}

/// How a run stands, with its answer if it has one.
#[utoipa::path(get, path = "/runs/{id}", tag = "runs", params(("id" = RunId, Path)),
    responses((status = 200, body = RunRow),
        Problems))]
pub(super) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<RunRow>, Problem> {
    Ok(Json(row(&app, run_id(&id)?).await?))
}

/// Stops a run. Somebody else's takes the scope `control`.
#[utoipa::path(post, path = "/runs/{id}/cancel", tag = "runs", params(("id" = RunId, Path)),
    responses((status = 202, description = "it was told to stop"),
        Problems))]
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let run = run_id(&id)?;
    let row = row(&app, run).await?;
    if row.principal != caller.cx.principal().name && !caller.may(Scope::Control) {
        let detail = format!("it is a run of {:?}; stopping it takes the scope `control`", row.principal);
        return Err(Problem::new(Code::InsufficientScope, detail).in_run(Some(run)));
    }
    if app.parts.io.cancel(&caller.cx, run).await? {
        return Ok(axum::http::StatusCode::ACCEPTED.into_response());
    }
    if row.status == RunStatus::Parked {
        // Closing what it waits for is what ends it.
        app.parts.inbox.cancel(&caller.cx, run).await.map_err(|error| match error {
            inbox::Error::NotOpen(_) => {
                Problem::new(Code::Conflict, "people have just decided on the run").in_run(Some(run))
            }
            other => other.into(),
        })?;
        return Ok(axum::http::StatusCode::ACCEPTED.into_response());
    }
    Err(Problem::new(Code::Conflict, "the run has ended").in_run(Some(run)))
}

/// How many events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// At most so many, up to 10000; all of those if none is named.
    #[serde(default)]
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<usize>,
}

/// What a run left in the journal; with `Accept: text/event-stream` as it happens, until the run has ended.
#[utoipa::path(get, path = "/runs/{id}/events", tag = "runs", params(("id" = RunId, Path), EventsQuery),
    responses(
        (status = 200, description = "the events so far, or a stream of them", content(
            (RunEvents = "application/json"), (String = "text/event-stream"))),
        Problems))]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<EventsQuery>,
    wants: Wants,
) -> Result<Response, Problem> {
    let run = run_id(&id)?;
    let limit = query.limit.unwrap_or(EVENTS_MOST);
    if limit == 0 || limit > EVENTS_MOST {
        return Err(Problem::new(Code::InvalidRequest, format!("limit is from 1 to {EVENTS_MOST}")));
    }
    let news = app.parts.journal.subscribe();
    let status = row(&app, run).await?.status;
    let mut events = read_events(&app, run).await?;
    if wants.stream {
        let every = Duration::from_secs(app.config().keep_alive_s);
        // A run that has ended and left nothing is in an archive: nothing more comes of it.
        let ended = status.is_over() && events.is_empty();
        let cutting = app.cutting.load_full();
        let live = Live { app, cutting, run, news, waiting: events.into(), shown: 0, ended };
        return Ok(Sse::new(stream_of(live)).keep_alive(KeepAlive::new().interval(every).text("")).into_response());
    }
    let more = events.len() > limit;
    events.truncate(limit);
    Ok(Json(RunEvents { events, more }).into_response())
}

async fn read_events(app: &App, run: RunId) -> Result<Vec<Event>, Problem> {
    row(app, run).await?;
    Ok(app.parts.journal.read_run(run, EVENTS_MOST + 1).await?)
}

/// What a client that follows a run sees next.
enum Shown {
    Event(Box<Event>),
    /// The interface stops before the run has ended.
    Cut,
}

/// The events of a run as they reach the disk.
struct Live {
    app: Arc<App>,
    cutting: Arc<CancellationToken>,
    run: RunId,
    news: broadcast::Receiver<Arc<Event>>,
    waiting: std::collections::VecDeque<Event>,
    /// Number of the last event that was shown; what comes twice is shown once.
    shown: u64,
    ended: bool,
}

impl Live {
    async fn next(&mut self) -> Option<Shown> {
        while !self.ended {
            if let Some(event) = self.waiting.pop_front() {
                if event.seq <= self.shown {
                    continue;
                }
                self.shown = event.seq;
                self.ended = ends(&event);
                return Some(Shown::Event(Box::new(event)));
            }
            let news = tokio::select! {
                biased;
                news = self.news.recv() => news,
                () = self.cutting.cancelled() => {
                    self.ended = true;
                    return Some(Shown::Cut);
                }
            };
            match news {
                Ok(event) if event.run == Some(self.run) => self.waiting.push_back(Event::clone(&event)),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => {
                    let events = self.app.parts.journal.read_run(self.run, EVENTS_MOST + 1).await.ok()?;
                    self.waiting.extend(events);
                }
                Err(RecvError::Closed) => return None,
            }
        }
        None
    }
}

fn ends(event: &Event) -> bool {
    use record::kind;
    [kind::COMPLETED, kind::RUN_FAILED, kind::CANCELLED, kind::INTERRUPTED].contains(&event.kind.as_str())
}

fn stream_of(live: Live) -> impl Stream<Item = Result<SseEvent, Infallible>> {
    stream::unfold(live, async |mut live| {
        let shown = match live.next().await? {
            Shown::Event(next) => event(&next.kind, &next).id(next.seq.to_string()),
            Shown::Cut => event("error", &cut(&live.app, Some(live.run))),
        };
        Some((Ok(shown), live))
    })
}

/// Why a run went as it did, in sentences and as data.
#[utoipa::path(get, path = "/runs/{id}/why", tag = "runs", params(("id" = RunId, Path)),
    responses((status = 200, body = Why),
        Problems))]
pub(super) async fn explain(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Why>, Problem> {
    let run = run_id(&id)?;
    let row = row(&app, run).await?;
    let events = app.parts.journal.read_run(run, EVENTS_MOST).await?;
    let mut tables = Tables::new();
    for version in tables_of(&events) {
        let table = router::record::table(&*app.parts.journal, version).await?;
        tables.extend(table.map(|table| (version, table)));
    }
    let mut told = why(run, row.status, &events, &tables);
    if events.first().is_none_or(|first| first.kind != record::kind::ACCEPTED) {
        told.steps.insert(0, archived(&row));
    }
    Ok(Json(told))
}

/// What stands in for the events of a run that have left the journal.
fn archived(row: &RunRow) -> Step {
    let words = "What the run left before this is in an archive, in the data directory of the host.";
    let (seq, at, kind) = (0, row.accepted_at, COMPACTED.to_owned());
    Step { seq, at, kind, words: vec![words.to_owned()], data: serde_json::Value::Null }
}
