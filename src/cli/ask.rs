//! `syzygy ask`: a task, and its answer as it grows.

use std::io::Read;
use std::path::Path;

use serde_json::json;

use super::arguments::Ask;
use super::client::{Client, REQUEST_BYTES_MAX, too_large};
use super::console::Console;
use super::error::Error;
use super::paint::{micros, plain, short};
use super::sse::{Parser, SentEvent};
use super::{Environment, Launcher};
use crate::actors::io::{Answer, Document, Progress, Taken};
use crate::api::{AcceptedRun, Problem, RouteRequest};
use crate::types::RunId;
use crate::ziggy::Value;

/// Gives a task and prints what comes of it.
pub(super) async fn ask(
    asked: Ask,
    environment: &Environment,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<(), Error> {
    let client = Client::connect(&asked.connection, environment, launcher)?;
    let (stream, detach) = (asked.stream || console.stdout_is_terminal(), asked.detach);
    let request = request(asked, console)?;
    if detach {
        let accepted: AcceptedRun = client.post("/route", &request).await?;
        return if console.json { console.out_json(&accepted) } else { console.out(&format!("{}\n", accepted.run_id)) };
    }
    let mut told = Told { console, stream, run: None, chunks: 1, streamed: false, parked: false };
    let answer = tokio::select! {
        answer = follow(&client, &request, &mut told) => Some(answer?),
        () = launcher.interrupted() => None,
    };
    match answer {
        Some(answer) => told.answer(&answer),
        // The connection is closed by now, which stops the run; saying so as well stops it at once.
        None => {
            let run = told.run;
            if let Some(run) = run.filter(|_| told.parked) {
                return Err(Error::Left { run: run.to_string() });
            }
            if let Some(run) = run {
                let _ = client.tell(reqwest::Method::POST, &format!("/runs/{run}/cancel")).await;
            }
            Err(Error::Interrupted { run: run.map(|run| run.to_string()) })
        }
    }
}

/// The task the arguments, the files and stdin make.
fn request(asked: Ask, console: &mut Console) -> Result<RouteRequest, Error> {
    let (dashes, words): (Vec<String>, Vec<String>) = asked.text.into_iter().partition(|word| word == "-");
    let mut prompt = words.join(" ");
    let mut documents = Vec::new();
    if !dashes.is_empty() || (prompt.is_empty() && !console.stdin_is_terminal()) {
        let text = console.read_all()?;
        if prompt.is_empty() {
            prompt = text;
        } else {
            documents.push(Document { name: "stdin".to_owned(), text });
        }
    }
    if prompt.trim().is_empty() {
        return Err(Error::Usage("there is no task: give it as text, or pipe it in".to_owned()));
    }
    for file in &asked.files {
        documents.push(document(file)?);
    }
    Ok(RouteRequest {
        prompt,
        documents,
        privacy: asked.privacy.into(),
        residency: asked.residency,
        agent: asked.agent,
        session: asked.session,
        max_tokens: asked.max_tokens,
        value: Value::Interactive,
        budget: None,
        timeout_s: asked.timeout,
        detach: asked.detach,
    })
}

fn document(path: &Path) -> Result<Document, Error> {
    let unreadable = |cause| Error::File { path: path.to_owned(), cause };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(REQUEST_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() > REQUEST_BYTES_MAX {
        return Err(too_large(&path.display().to_string()));
    }
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    Ok(Document { name, text })
}

/// What was shown of the run so far.
struct Told<'a> {
    console: &'a mut Console,
    stream: bool,
    run: Option<RunId>,
    chunks: usize,
    streamed: bool,
    /// It waits for people, so leaving stops nothing.
    parked: bool,
}

async fn follow(client: &Client, request: &RouteRequest, told: &mut Told<'_>) -> Result<Answer, Error> {
    let mut response = client.stream("/route", request).await?;
    let mut parser = Parser::default();
    while let Some(bytes) = response.chunk().await.map_err(|error| told.broke(client, super::client::why(&error)))? {
        for event in parser.push(&bytes).map_err(|reason| client.broken(reason))? {
            if let Some(answer) = told.event(client, &event)? {
                return Ok(answer);
            }
        }
    }
    Err(told.broke(client, "the stream ended before the answer".to_owned()))
}

impl Told<'_> {
    fn broke(&self, client: &Client, reason: String) -> Error {
        let advice =
            self.run.map(|run| format!("; once it runs again, `syzygy why {run}` tells what became of the run"));
        Error::Broke { url: client.url().to_owned(), reason, advice: advice.unwrap_or_default() }
    }

    /// Shows one event. Returns the answer when it comes.
    fn event(&mut self, client: &Client, event: &SentEvent) -> Result<Option<Answer>, Error> {
        let misread = |error: serde_json::Error| client.broken(error.to_string());
        match event.name.as_str() {
            "answer" => return serde_json::from_str(&event.data).map(Some).map_err(misread),
            "error" => {
                let problem: Problem = serde_json::from_str(&event.data).map_err(misread)?;
                return Err(Error::Problem(Box::new(problem)));
            }
            _ => {}
        }
        // A host of a later version may have news this program does not know.
        if let Ok(progress) = serde_json::from_str(&event.data) {
            self.progress(progress)?;
        }
        Ok(None)
    }

    fn progress(&mut self, progress: Progress) -> Result<(), Error> {
        let many = self.chunks > 1;
        let of = |chunk: usize| if many { format!("chunk {}: ", chunk + 1) } else { String::new() };
        match progress {
            Progress::Accepted { run_id } => self.run = Some(run_id),
            Progress::Classified { intent, privacy, chunks } => {
                self.chunks = chunks;
                let cut = if chunks > 1 { format!(", in {chunks} chunks") } else { String::new() };
                self.console.passing(&format!("{}, {}{cut}", intent.word(), privacy.word()));
            }
            Progress::Hop { chunk, candidate } => self.console.passing(&format!("{}{candidate} works", of(chunk))),
            // In JSON the answer or the error says it, and stderr has nothing else.
            Progress::Fallback { .. } if self.console.json => {}
            Progress::Fallback { chunk, candidate, reason, next } => {
                let columns = self.console.columns();
                let next = next.map_or("nobody is left to try".to_owned(), |next| format!("trying {next}"));
                let line = format!("{}{candidate} failed, {next}: {reason}", of(chunk));
                self.console.remark(&short(&line, columns));
            }
            Progress::Step(_) if self.console.json => {}
            Progress::Step(Taken { chunk, step }) => {
                let words = step.words().into_iter().next().unwrap_or_default();
                self.console.passing(&format!("{}{words}", of(chunk)));
            }
            Progress::Reading { chunk, tokens, total } => {
                self.console.passing(&format!("{}read {tokens} of {total} tokens", of(chunk)));
            }
            Progress::Parked { item, reason, .. } => {
                self.parked = true;
                if !self.console.json {
                    self.console.remark(&format!("{reason}; `syzygy inbox show {item}` shows it"));
                }
            }
            Progress::Resumed { reason, .. } => {
                self.parked = false;
                if !self.console.json {
                    self.console.remark(&format!("it goes on: {reason}"));
                }
            }
            // The answers to several chunks grow side by side; only the whole can be read.
            Progress::Text { text, .. } if self.stream && !many && !self.console.json => {
                let text = if self.console.stdout_is_terminal() { plain(&text) } else { text };
                self.console.out_now(&text)?;
                self.streamed = true;
            }
            Progress::Text { .. } => {}
        }
        Ok(())
    }

    fn answer(self, answer: &Answer) -> Result<(), Error> {
        if self.console.json {
            return self.console.out_json(&answer_json(answer));
        }
        if !self.streamed {
            let terminal = self.console.stdout_is_terminal();
            let text = if terminal { plain(&answer.answer) } else { answer.answer.clone() };
            self.console.out(&text)?;
        }
        self.console.out("\n")?;
        self.console.finish()?;
        if self.console.stderr_is_terminal() {
            let line = format!(
                "{} · {} · {} · {} · syzygy why {}",
                answer.served_by.join(", "),
                answer.privacy.word(),
                answer.cost,
                micros(answer.took_us),
                answer.run_id
            );
            let paint = self.console.paint();
            for (what, facts) in [("recalled", &answer.recalled), ("noted", &answer.learned)] {
                facts.iter().for_each(|fact| self.console.remark(&paint.dim(&format!("{what}: {}", plain(fact)))));
            }
            self.console.remark(&paint.dim(&line));
        }
        Ok(())
    }
}

/// The answer for programs. The cost is in dollars, as bills are; `cost_micro_usd` is exact.
fn answer_json(answer: &Answer) -> serde_json::Value {
    json!({
        "run_id": answer.run_id,
        "answer": answer.answer,
        "served_by": answer.served_by,
        "privacy": answer.privacy,
        "cost": answer.cost.0 as f64 / 1e6,
        "cost_micro_usd": answer.cost,
        "intent": answer.intent,
        "usage": answer.usage,
        "recalled": answer.recalled,
        "learned": answer.learned,
        "citations": answer.citations,
        "chunks": answer.chunks,
        "took_us": answer.took_us,
    })
}
