//! One attached run: the work and its news, as one answer or as a stream of events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use futures::stream::{self, Stream};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::app::App;
use super::bodies::AcceptedRun;
use super::gate::Ran;
use super::parked::{Told, Watching};
use super::problem::{Code, Problem};
use super::work::accepted;
use crate::actors::io::{Answer, Error, Progress, RunsProjection, Task, Waiting};
use crate::supervision::Failure;
use crate::types::{Cx, RunId};

/// News that may wait for a slow client before the work waits with it.
const NEWS_WAITING: usize = 256;

/// A run on its way to its answer. Dropping it stops the run.
pub(super) type Work = BoxFuture<'static, Result<Answer, Error>>;

/// The answer alone. Nobody is told the run's id before it has ended, so its beginning need not be on disk before that.
pub(super) async fn answer(app: &Arc<App>, cx: Cx, task: Task) -> Result<Response, Problem> {
    let (news, _) = mpsc::channel(1);
    let (run, work) = app.parts.io.begin(&cx, task, news)?;
    tracing::Span::current().record("run", tracing::field::display(run));
    let (mut work, cutting): (Work, _) = (Box::pin(work), app.cutting.load_full());
    let result = tokio::select! {
        biased;
        result = &mut work => Some(result),
        () = cutting.cancelled() => None,
    };
    Ok(match result {
        Some(Ok(answer)) => ran(Some(run), Json(answer).into_response()),
        // It goes on without its client.
        Some(Err(Error::Parked(waiting))) => {
            let Waiting { run_id, item, .. } = *waiting;
            accepted(AcceptedRun { run_id, item: Some(item) })
        }
        // What found no room never began.
        Some(Err(error @ (Error::Busy { .. } | Error::Crowded { .. } | Error::Delivery(Failure::Busy)))) => {
            return Err(error.into());
        }
        Some(Err(error)) => {
            let run = on_record(app, run).await;
            ran(run, Problem::from(error).in_run(run).into_response())
        }
        None => {
            app.left.lock().push(work);
            let run = on_record(app, run).await;
            ran(run, cut(app, run).into_response())
        }
    })
}

/// Time to find out whether the journal has a run. A disk that is slower than this is in trouble, and so is the answer.
const LOOK_WITHIN: Duration = Duration::from_secs(5);

/// The run, if its beginning is on disk by now.
async fn on_record(app: &App, run: RunId) -> Option<RunId> {
    let journal = &app.parts.journal;
    let look = async {
        journal.flush().await.ok()?;
        journal.row(RunsProjection::NAME, &run.to_string()).await.ok()?
    };
    let row = tokio::time::timeout(LOOK_WITHIN, look).await.ok().flatten();
    row.map(|_| run)
}

fn ran(run: Option<RunId>, mut response: Response) -> Response {
    if let Some(run) = run {
        response.extensions_mut().insert(Ran(run));
    }
    response
}

/// A run and whoever follows it. Dropping this is leaving, which stops the run (API4).
pub(super) struct Following {
    app: Arc<App>,
    cutting: Arc<CancellationToken>,
    work: Option<Work>,
    news: mpsc::Receiver<Progress>,
    run: Option<RunId>,
    /// What was received but not yet shown.
    seen: VecDeque<Progress>,
    result: Option<Result<Answer, Error>>,
    /// What becomes of it while it waits for people.
    watching: Option<Watching>,
}

enum Next {
    News(Progress),
    Ended(Result<Answer, Error>),
    /// It had been parked, and ended without an answer.
    Failed(Problem),
    /// The interface stops and cannot wait any longer; the run goes on without it.
    Cut,
}

/// What whoever follows a run is told when the interface stops before the run has ended.
pub(super) fn cut(app: &App, run: Option<RunId>) -> Problem {
    let waited = app.config().drain_s;
    let detail = format!(
        "the host stops, and has waited {waited} s (api.drain_s) for the run; the run's record tells how it ends once \
         the host runs again"
    );
    Problem::new(Code::Unavailable, detail).in_run(run)
}

impl Following {
    pub(super) fn begin(app: &Arc<App>, cx: Cx, task: Task) -> Following {
        let (sender, news) = mpsc::channel(NEWS_WAITING);
        let io = app.parts.io.clone();
        let work: Work = Box::pin(async move { io.route(&cx, task, sender).await });
        let (app, cutting, seen) = (Arc::clone(app), app.cutting.load_full(), VecDeque::new());
        Following { app, cutting, work: Some(work), news, run: None, seen, result: None, watching: None }
    }

    /// What happens next: news in their order, then the result, then nothing.
    async fn next(&mut self) -> Option<Next> {
        if let Some(progress) = self.seen.pop_front() {
            return Some(Next::News(progress));
        }
        if let Some(work) = &mut self.work {
            let progress = tokio::select! {
                biased;
                Some(progress) = self.news.recv() => Some(progress),
                result = work => {
                    match result {
                        Err(Error::Parked(waiting)) => self.watching = Some(Watching::begin(&self.app, *waiting)),
                        result => self.result = Some(result),
                    }
                    None
                }
                () = self.cutting.cancelled() => {
                    self.app.left.lock().extend(self.work.take());
                    return Some(Next::Cut);
                }
            };
            if let Some(progress) = progress {
                self.note(&progress);
                return Some(Next::News(progress));
            }
            self.work = None;
            // The run is over, so whatever it had to say is in the channel by now.
            while let Ok(progress) = self.news.try_recv() {
                self.note(&progress);
                self.seen.push_back(progress);
            }
        }
        match self.seen.pop_front() {
            Some(progress) => Some(Next::News(progress)),
            None if self.watching.is_some() => self.watch().await,
            None => self.result.take().map(Next::Ended),
        }
    }

    /// What happens next to a run that was parked.
    async fn watch(&mut self) -> Option<Next> {
        let watching = self.watching.as_mut()?;
        let told = tokio::select! {
            biased;
            told = watching.next() => told?,
            () = self.cutting.cancelled() => {
                self.watching = None;
                return Some(Next::Cut);
            }
        };
        let next = match told {
            Told::News(progress) => return Some(Next::News(progress)),
            Told::Answered(answer) => Next::Ended(Ok(*answer)),
            Told::Failed(problem) => Next::Failed(problem),
        };
        self.watching = None;
        Some(next)
    }

    fn note(&mut self, progress: &Progress) {
        if let Progress::Accepted { run_id } = progress {
            self.run = Some(*run_id);
            tracing::Span::current().record("run", tracing::field::display(run_id));
        }
    }

    /// Everything as it happens. A run that is refused before anything happened is refused with its own status.
    pub(super) async fn stream(mut self) -> Result<Response, Problem> {
        match self.next().await {
            Some(Next::News(first)) => self.seen.push_front(first),
            Some(Next::Ended(Err(error))) => return Err(error.into()),
            Some(Next::Ended(Ok(answer))) => self.result = Some(Ok(answer)),
            Some(Next::Failed(problem)) => return Err(problem),
            Some(Next::Cut) => return Err(cut(&self.app, self.run)),
            None => {}
        }
        let every = Duration::from_secs(self.app.config().keep_alive_s);
        let run = self.run;
        let shown = Sse::new(events(self)).keep_alive(KeepAlive::new().interval(every).text(""));
        Ok(ran(run, shown.into_response()))
    }
}

fn events(following: Following) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(following, async |mut following| {
        let event = match following.next().await? {
            Next::News(progress) => event(name(&progress), &progress),
            Next::Ended(Ok(answer)) => event("answer", &answer),
            Next::Ended(Err(error)) => event("error", &Problem::from(error).in_run(following.run)),
            Next::Failed(problem) => event("error", &problem),
            Next::Cut => event("error", &cut(&following.app, following.run)),
        };
        Some((Ok(event), following))
    })
}

/// An event of this name with these facts.
pub(super) fn event(name: &str, facts: &impl Serialize) -> Event {
    // Our own types always have a JSON form on one line; the text of a failure would be one too.
    let text = serde_json::to_string(facts).unwrap_or_else(|error| serde_json::json!(error.to_string()).to_string());
    Event::default().event(name).data(text)
}

fn name(progress: &Progress) -> &'static str {
    match progress {
        Progress::Accepted { .. } => "accepted",
        Progress::Classified { .. } => "classified",
        Progress::Hop { .. } => "hop",
        Progress::Fallback { .. } => "fallback",
        Progress::Step(_) => "step",
        Progress::Reading { .. } => "reading",
        Progress::Parked { .. } => "parked",
        Progress::Resumed { .. } => "resumed",
        Progress::Text { .. } => "text",
    }
}
