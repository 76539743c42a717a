//! Cassettes: model calls recorded once, with a real runtime, and replayed in tests ever after.
//!
//! A cassette is a file of JSON lines: a header with what the runtime could do, then one call a line, with the hash of
//! its canonical request, the request, what was streamed and when, and how it ended. A request is found by its hash;
//! one that is not there fails, and the error shows the nearest recording and the first place where the two differ.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::Error;
use crate::inference::{self, Capabilities, Completion, Delta, Health, Request, Runtime, Usage};
use crate::types::{Cleared, Clock, Cx, Hash, World};

/// What the first line says the file is.
const FORMAT: &str = "syzygy.cassette/2";

/// News that may wait between the runtime that is recorded and its listener.
const NEWS_WAITING: usize = 64;

/// Characters of a differing text that a miss shows, from shortly before the difference on.
const SHOWN: usize = 60;

/// Characters shown before the difference, to find the place by.
const SHOWN_BEFORE: usize = 16;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    capabilities: Capabilities,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recording {
    /// Of the canonical request.
    hash: Hash,
    request: Request,
    news: Vec<Heard>,
    ending: Ending,
}

/// One piece of news.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Heard {
    /// Milliseconds since the call began.
    after_ms: u64,
    delta: Delta,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Ending {
    Completed(Completion),
    Failed(Failure),
}

/// A failure as it was, so that whoever is tested with it goes the same way: waits, tries again, or does not.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Failure {
    RateLimited {
        retry_after_ms: Option<u64>,
    },
    TooLong {
        prompt: u64,
        limit: u64,
    },
    Refused {
        status: u16,
        message: String,
    },
    Prompt {
        model: String,
        reason: String,
    },
    Cut {
        reason: String,
        usage: Usage,
    },
    Protocol {
        reason: String,
    },
    Busy {
        waiting: usize,
    },
    TimedOut {
        usage: Usage,
    },
    Cancelled {
        usage: Usage,
    },
    Internal(String),
    /// Every other: a runtime that is not to be used now, in its words.
    Unavailable(String),
}

impl Failure {
    fn of(error: &inference::Error) -> Failure {
        match error.clone() {
            inference::Error::RateLimited { retry_after, .. } => Failure::RateLimited {
                retry_after_ms: retry_after.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            },
            inference::Error::TooLong { prompt, limit } => Failure::TooLong { prompt, limit },
            inference::Error::Refused { status, message, .. } => Failure::Refused { status, message },
            inference::Error::Prompt { model, reason } => Failure::Prompt { model, reason },
            inference::Error::Cut { reason, usage, .. } => Failure::Cut { reason, usage },
            inference::Error::Protocol { reason, .. } => Failure::Protocol { reason },
            inference::Error::Busy { waiting, .. } => Failure::Busy { waiting },
            inference::Error::TimedOut { usage } => Failure::TimedOut { usage },
            inference::Error::Cancelled { usage } => Failure::Cancelled { usage },
            inference::Error::Internal(reason) => Failure::Internal(reason),
            inference::Error::Unavailable { reason, .. } => Failure::Unavailable(reason),
            other => Failure::Unavailable(other.to_string()),
        }
    }

    fn error(self, runtime: &str) -> inference::Error {
        let runtime = runtime.to_owned();
        match self {
            Failure::RateLimited { retry_after_ms } => inference::Error::RateLimited {
                runtime,
                retry_after: retry_after_ms.map(Duration::from_millis),
                pacing: inference::Pacing::default(),
            },
            Failure::TooLong { prompt, limit } => inference::Error::TooLong { prompt, limit },
            Failure::Refused { status, message } => inference::Error::Refused { runtime, status, message },
            Failure::Prompt { model, reason } => inference::Error::Prompt { model, reason },
            Failure::Cut { reason, usage } => inference::Error::Cut { runtime, reason, usage },
            Failure::Protocol { reason } => inference::Error::Protocol { runtime, reason },
            Failure::Busy { waiting } => inference::Error::Busy { runtime, waiting },
            Failure::TimedOut { usage } => inference::Error::TimedOut { usage },
            Failure::Cancelled { usage } => inference::Error::Cancelled { usage },
            Failure::Internal(reason) => inference::Error::Internal(reason),
            Failure::Unavailable(reason) => inference::Error::Unavailable { runtime, reason },
        }
    }
}

/// A runtime that records another one, or replays what was recorded.
///
/// To be recorded with real time and real I/O, and to be replayed anywhere, best in a [`Simulation`](super::Simulation),
/// where the pauses of the model pass at once. The file is meant to be read and to be kept with the tests; it holds
/// the prompts as they are, so record nothing that is not for everybody who may read the tests.
pub struct Cassette {
    path: PathBuf,
    capabilities: Capabilities,
    mode: Mode,
}

enum Mode {
    Record { inner: Arc<dyn Runtime>, clock: Arc<dyn Clock>, file: Mutex<File> },
    Replay { recordings: Vec<Recording>, played: Mutex<BTreeMap<Hash, usize>> },
}

impl Cassette {
    /// Records what is asked of this runtime, and what it answers, in a new file. An old one of that name is replaced.
    ///
    /// # Errors
    /// [`Error::Cassette`] if the file cannot be written.
    pub fn record(path: impl AsRef<Path>, runtime: impl Runtime, world: &World) -> Result<Cassette, Error> {
        let (path, capabilities) = (path.as_ref().to_owned(), runtime.capabilities());
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path);
        let mut file = file.map_err(|error| unusable(&path, error))?;
        let header = Header { format: FORMAT.to_owned(), capabilities: capabilities.clone() };
        write_line(&mut file, &header).map_err(|error| unusable(&path, error))?;
        let mode = Mode::Record { inner: Arc::new(runtime), clock: Arc::clone(&world.clock), file: Mutex::new(file) };
        Ok(Cassette { path, capabilities, mode })
    }

    /// Replays a file. A request that was recorded several times gets its answers in the order of the recording, and
    /// the last one again from then on.
    ///
    /// # Errors
    /// [`Error::Cassette`] if the file cannot be read, or is no cassette, with the line that is wrong.
    pub fn replay(path: impl AsRef<Path>) -> Result<Cassette, Error> {
        let path = path.as_ref().to_owned();
        let text = std::fs::read_to_string(&path).map_err(|error| unusable(&path, error))?;
        let mut lines = text.lines().enumerate();
        let first = lines.next().map(|(_, line)| line).unwrap_or_default();
        let header: Header =
            serde_json::from_str(first).map_err(|error| unusable(&path, format!("line 1: {error}")))?;
        if header.format != FORMAT {
            return Err(unusable(
                &path,
                format!("its format is {:?}, this program reads {FORMAT:?}; record it again", header.format),
            ));
        }
        let mut recordings = Vec::new();
        for (index, line) in lines {
            let wrong = |reason: String| unusable(&path, format!("line {}: {reason}", index + 1));
            let recording: Recording = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
            if recording.hash != hash(&recording.request) {
                return Err(wrong("its hash is not that of its request; it was changed by hand".to_owned()));
            }
            recordings.push(recording);
        }
        let mode = Mode::Replay { recordings, played: Mutex::default() };
        Ok(Cassette { path, capabilities: header.capabilities, mode })
    }
}

fn unusable(path: &Path, reason: impl ToString) -> Error {
    Error::Cassette { path: path.display().to_string(), reason: reason.to_string() }
}

fn write_line(file: &mut File, record: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.flush()
}

/// The request without what differs from one run to the next and means nothing: the ids of tool calls, which become
/// their place in the conversation.
fn canonical(request: &Request) -> Request {
    let mut request = request.clone();
    // JSON is kept as it came, and recordings know requests by what they say.
    let calls = request.messages.iter_mut().flat_map(|message| &mut message.tool_calls);
    calls.for_each(|call| call.arguments.sort_all_objects());
    for tool in &mut request.tools {
        Arc::make_mut(&mut tool.parameters).sort_all_objects();
    }
    let mut places: BTreeMap<String, String> = BTreeMap::new();
    for message in &mut request.messages {
        for call in &mut message.tool_calls {
            let place = format!("call-{}", places.len() + 1);
            call.id.clone_from(places.entry(call.id.clone()).or_insert(place));
        }
        if let Some(place) = message.tool_call_id.as_ref().and_then(|id| places.get(id)) {
            message.tool_call_id = Some(place.clone());
        }
    }
    request
}

fn hash(request: &Request) -> Hash {
    Hash::of(&serde_json::to_vec(&canonical(request)).unwrap_or_default())
}

/// A path to a value, such as `messages[1].content`: by place in lists, so that the second comes before the tenth.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Index(usize),
    Key(String),
}

type Leaves = BTreeMap<Vec<Step>, String>;

fn shown_path(path: &[Step]) -> String {
    path.iter().fold(String::new(), |path, step| match step {
        Step::Index(index) => format!("{path}[{index}]"),
        Step::Key(key) if path.is_empty() => key.clone(),
        Step::Key(key) => format!("{path}.{key}"),
    })
}

/// Every value of a request under its path.
fn leaves(value: &Value, path: &mut Vec<Step>, all: &mut Leaves) {
    let mut inside = |step: Step, value: &Value| {
        path.push(step);
        leaves(value, path, all);
        path.pop();
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| inside(Step::Key(key.clone()), value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, value)| inside(Step::Index(index), value)),
        Value::String(text) => _ = all.insert(path.clone(), text.clone()),
        other => _ = all.insert(path.clone(), other.to_string()),
    }
}

fn leaves_of(request: &Request) -> Leaves {
    let mut all = BTreeMap::new();
    leaves(&serde_json::to_value(canonical(request)).unwrap_or_default(), &mut Vec::new(), &mut all);
    all
}

/// Where two requests first differ, and how much they have in common: values that are the same, and then characters
/// before the first difference.
fn compare(asked: &Leaves, known: &Leaves) -> (usize, usize, String) {
    let same = asked.iter().filter(|(path, value)| known.get(*path) == Some(value)).count();
    let paths: std::collections::BTreeSet<&Vec<Step>> = asked.keys().chain(known.keys()).collect();
    let Some(path) = paths.into_iter().find(|path| asked.get(*path) != known.get(*path)) else {
        return (same, 0, "nothing".to_owned());
    };
    let nothing = String::new();
    let (new, old) = (asked.get(path).unwrap_or(&nothing), known.get(path).unwrap_or(&nothing));
    let common = new.chars().zip(old.chars()).take_while(|(new, old)| new == old).count();
    let from = common.saturating_sub(SHOWN_BEFORE);
    let shown = |text: &String| text.chars().skip(from).take(SHOWN).collect::<String>();
    let path = shown_path(path);
    (same, common, format!("{path}, character {common}: recorded {:?}, asked {:?}", shown(old), shown(new)))
}

/// Why a request has no answer: the recording that is nearest to it, and where it first differs.
fn miss(path: &Path, recordings: &[Recording], request: &Request) -> String {
    let asked = leaves_of(request);
    let compared = recordings.iter().enumerate().map(|(index, known)| {
        let (same, common, difference) = compare(&asked, &leaves_of(&known.request));
        ((same, common), index + 1, difference)
    });
    let path = path.display();
    // Of two that are equally near, the first.
    match compared.reduce(|best, next| if next.0 > best.0 { next } else { best }) {
        Some((_, number, difference)) => format!(
            "the request is not on the cassette {path}; the nearest is recording {number}, which differs first in \
             {difference}; record it again if the change is meant"
        ),
        None => format!("the request is not on the cassette {path}, which has no recordings"),
    }
}

/// Passes news on and notes when each came.
async fn note(mut seen: mpsc::Receiver<Delta>, out: mpsc::Sender<Delta>, clock: &dyn Clock) -> Vec<Heard> {
    let began = clock.now();
    let mut news = Vec::new();
    while let Some(delta) = seen.recv().await {
        let after_ms = u64::try_from((clock.now() - began).as_millis()).unwrap_or(u64::MAX);
        news.push(Heard { after_ms, delta: delta.clone() });
        let _ = out.send(delta).await;
    }
    news
}

/// Says again what was heard, at the same pace.
async fn play(recording: Recording, runtime: &str, out: &mpsc::Sender<Delta>) -> Result<Completion, inference::Error> {
    let mut now = 0;
    for Heard { after_ms, delta } in recording.news {
        tokio::time::sleep(Duration::from_millis(after_ms.saturating_sub(now))).await;
        now = after_ms;
        let _ = out.send(delta).await;
    }
    match recording.ending {
        Ending::Completed(completion) => Ok(completion),
        Ending::Failed(failure) => Err(failure.error(runtime)),
    }
}

#[async_trait]
impl Runtime for Cassette {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn health(&self, cx: &Cx) -> Health {
        match &self.mode {
            Mode::Record { inner, .. } => inner.health(cx).await,
            Mode::Replay { .. } => Health::Ready,
        }
    }

    async fn generate(
        &self,
        cx: &Cx,
        request: Cleared<Request>,
        out: mpsc::Sender<Delta>,
    ) -> Result<Completion, inference::Error> {
        match &self.mode {
            Mode::Record { inner, clock, file } => {
                let (news, seen) = mpsc::channel(NEWS_WAITING);
                let (result, news) = tokio::join!(inner.generate(cx, request.clone(), news), note(seen, out, &**clock));
                let ending = match &result {
                    Ok(completion) => Ending::Completed(completion.clone()),
                    Err(error) => Ending::Failed(Failure::of(error)),
                };
                let request = request.into_inner();
                let recording = Recording { hash: hash(&request), request, news, ending };
                let written = write_line(&mut file.lock(), &recording);
                let failed = |error| inference::Error::Internal(unusable(&self.path, error).to_string());
                written.map_err(failed)?;
                result
            }
            Mode::Replay { recordings, played } => {
                let wanted = hash(request.get());
                let takes: Vec<&Recording> = recordings.iter().filter(|known| known.hash == wanted).collect();
                let take = {
                    let mut played = played.lock();
                    let count = played.entry(wanted).or_default();
                    *count += 1;
                    *count - 1
                };
                let Some(recording) = takes.get(take).or(takes.last()) else {
                    return Err(inference::Error::Internal(miss(&self.path, recordings, request.get())));
                };
                let usage = Usage::default();
                tokio::select! {
                    biased;
                    () = cx.cancelled() => Err(inference::Error::Cancelled { usage }),
                    played = timeout_at(cx.deadline(), play(Recording::clone(recording), &self.capabilities.name, &out)) => {
                        played.unwrap_or(Err(inference::Error::TimedOut { usage }))
                    }
                }
            }
        }
    }
}
