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

use super::app::App;
use super::gate::Ran;
use super::problem::Problem;
use crate::actors::io::{Answer, Error, Progress, Task};
use crate::types::{Cx, RunId};

/// News that may wait for a slow client before the work waits with it.
const NEWS_WAITING: usize = 256;

/// A run and whoever follows it. Dropping this is leaving, which stops the run (API4).
pub(super) struct Following {
    work: Option<BoxFuture<'static, Result<Answer, Error>>>,
    news: mpsc::Receiver<Progress>,
    run: Option<RunId>,
    /// What was received but not yet shown.
    seen: VecDeque<Progress>,
    result: Option<Result<Answer, Error>>,
}

enum Next {
    News(Progress),
    Ended(Result<Answer, Error>),
}

impl Following {
    pub(super) fn begin(app: &App, cx: Cx, task: Task) -> Following {
        let (sender, news) = mpsc::channel(NEWS_WAITING);
        let io = app.parts.io.clone();
        let work = Box::pin(async move { io.route(&cx, task, sender).await });
        Following { work: Some(work), news, run: None, seen: VecDeque::new(), result: None }
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
                    self.result = Some(result);
                    None
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
            None => self.result.take().map(Next::Ended),
        }
    }

    fn note(&mut self, progress: &Progress) {
        if let Progress::Accepted { run_id } = progress {
            self.run = Some(*run_id);
            tracing::Span::current().record("run", tracing::field::display(run_id));
        }
    }

    fn ran(&self, mut response: Response) -> Response {
        if let Some(run) = self.run {
            response.extensions_mut().insert(Ran(run));
        }
        response
    }

    /// The answer alone.
    pub(super) async fn answer(mut self) -> Result<Response, Problem> {
        let mut result = None;
        while let Some(next) = self.next().await {
            if let Next::Ended(ended) = next {
                result = Some(ended);
            }
        }
        let run = self.run;
        Ok(self.ran(match result {
            Some(Ok(answer)) => Json(answer).into_response(),
            Some(Err(error)) => Problem::from(error).in_run(run).into_response(),
            None => Problem::from(Error::Broken("the run ended without a result".to_owned())).into_response(),
        }))
    }

    /// Everything as it happens. A run that is refused before anything happened is refused with its own status.
    pub(super) async fn stream(mut self, app: &Arc<App>) -> Result<Response, Problem> {
        match self.next().await {
            Some(Next::News(first)) => self.seen.push_front(first),
            Some(Next::Ended(Err(error))) => return Err(error.into()),
            Some(Next::Ended(Ok(answer))) => self.result = Some(Ok(answer)),
            None => {}
        }
        let every = Duration::from_secs(app.config().keep_alive_s);
        let run = self.run;
        let mut response = Sse::new(events(self)).keep_alive(KeepAlive::new().interval(every).text("")).into_response();
        if let Some(run) = run {
            response.extensions_mut().insert(Ran(run));
        }
        Ok(response)
    }
}

fn events(following: Following) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(following, async |mut following| {
        let event = match following.next().await? {
            Next::News(progress) => event(name(&progress), &progress),
            Next::Ended(Ok(answer)) => event("answer", &answer),
            Next::Ended(Err(error)) => event("error", &Problem::from(error).in_run(following.run)),
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
        Progress::Reading { .. } => "reading",
        Progress::Text { .. } => "text",
    }
}
