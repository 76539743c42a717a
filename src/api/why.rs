//! Why a run went as it did: its events as sentences, each with the data it was made from.
//!
//! Everything follows from the journal alone, so an old run is explained as well as a new one, on any machine.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::actors::io::record::{Accepted, Admitted, Ended, Failed, Hop, Served, kind};
use crate::actors::io::{Answer, RunStatus, Taken};
use crate::store::Event;
use crate::types::{Class, RunId, Timestamp, sensitive};
use crate::ziggy::explain::Explain;
use crate::ziggy::{Admission, Chunk, Classification};

use super::bodies::FeedbackGiven;

/// One thing that happened to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// Number of the event in the journal.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What kind of event, such as `hop.decided`.
    pub kind: String,
    /// What it means, most important first.
    pub words: Vec<String>,
    /// The event's own facts.
    pub data: serde_json::Value,
}

/// A run, explained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// The run.
    pub run_id: RunId,
    /// How it stands.
    pub status: RunStatus,
    /// What happened, in order.
    pub steps: Vec<Step>,
}

/// Explains a run by its events.
pub fn why(run_id: RunId, status: RunStatus, events: &[Event]) -> Why {
    let mut told = Told { tried: tried(events), ended: status != RunStatus::Running, ..Told::default() };
    let steps = events
        .iter()
        .map(|event| Step {
            seq: event.seq,
            at: event.at,
            kind: event.kind.clone(),
            words: told.words(event).unwrap_or_else(|| vec![format!("{} says {}.", event.source, event.kind)]),
            data: event.body.value(),
        })
        .collect();
    Why { run_id, status, steps }
}

/// Who was tried for a chunk, and where the journal says so.
struct Tried {
    seq: u64,
    chunk: usize,
    candidate: String,
}

/// Everybody who was tried, in order.
fn tried(events: &[Event]) -> Vec<Tried> {
    let admitted = events.iter().filter(|event| event.kind == kind::ADMITTED);
    let row = |event: &Event| {
        let Admitted { chunk, candidate, .. } = event.body.parse()?;
        Some(Tried { seq: event.seq, chunk, candidate })
    };
    admitted.filter_map(row).collect()
}

/// What other events of the run say that one is told by.
#[derive(Default)]
struct Told {
    chunks: usize,
    /// Who is to serve a chunk, in order.
    ladders: BTreeMap<usize, Vec<String>>,
    tried: Vec<Tried>,
    /// Whether the run goes on no more.
    ended: bool,
}

impl Told {
    /// What an event means; none if its body is not what its kind promises, as one of a later version may be.
    fn words(&mut self, event: &Event) -> Option<Vec<String>> {
        match event.kind.as_str() {
            kind::ACCEPTED => event.body.parse().map(|accepted| accepted_words(&accepted)),
            kind::CLASSIFIED => event.body.parse::<Classification>().map(|class| class.words()),
            kind::CHUNKED => event.body.parse().map(|chunks: Vec<Chunk>| self.chunked(&chunks)),
            kind::DECIDED => event.body.parse().map(|hop: Hop| self.decided(&hop)),
            kind::ADMITTED => event.body.parse().map(|admitted: Admitted| self.admitted(&admitted, event.seq)),
            kind::STEP => event.body.parse().map(|taken: Taken| self.stepped(&taken)),
            kind::SERVED => event.body.parse().map(|served: Served| self.served(&served)),
            kind::FAILED => event.body.parse().map(|failed: Failed| self.failed(&failed, event.seq)),
            kind::COMPLETED => event.body.parse().map(|answer: Answer| completed(&answer)),
            kind::RUN_FAILED | kind::CANCELLED | kind::INTERRUPTED => {
                event.body.parse().map(|ended: Ended| ended_words(&event.kind, &ended))
            }
            kind::FEEDBACK => event.body.parse().map(|given: FeedbackGiven| feedback(&given)),
            _ => None,
        }
    }

    /// The chunk's name, if there is more than one to tell apart.
    fn of(&self, chunk: usize) -> String {
        if self.chunks > 1 { format!("Chunk {} of {}: ", chunk + 1, self.chunks) } else { String::new() }
    }

    fn chunked(&mut self, chunks: &[Chunk]) -> Vec<String> {
        self.chunks = chunks.len();
        if chunks.len() < 2 {
            return vec!["It fits into one piece, so it was not cut.".to_owned()];
        }
        let mut words = vec![format!("It was cut into {} chunks along its structure.", chunks.len())];
        words.extend(chunks.iter().enumerate().map(|(place, chunk)| {
            let repeated = chunk.start - chunk.overlap_start;
            let repeated = if repeated > 0 { format!(", repeating {repeated} bytes before") } else { String::new() };
            format!("{}: bytes {} to {}, about {} tokens{repeated}.", place + 1, chunk.start, chunk.end, chunk.tokens)
        }));
        words
    }

    fn decided(&mut self, hop: &Hop) -> Vec<String> {
        self.ladders.insert(hop.chunk, hop.decision.ladder.clone());
        let mut words = hop.decision.words();
        if let Some(first) = words.first_mut() {
            first.insert_str(0, &self.of(hop.chunk));
        }
        words
    }

    fn admitted(&self, admitted: &Admitted, seq: u64) -> Vec<String> {
        let Admitted { chunk, candidate, admission } = admitted;
        let mut words = vec![format!("{}{candidate}: {}", self.of(*chunk), admission.words().join(" "))];
        if let Admission::Refused { .. } = admission {
            words.push(self.after(*chunk, candidate, seq));
        }
        words
    }

    /// What came of a chunk after a candidate did not serve it.
    fn after(&self, chunk: usize, candidate: &str, seq: u64) -> String {
        if let Some(next) = self.tried.iter().find(|tried| tried.chunk == chunk && tried.seq > seq) {
            return format!("{} was tried next.", next.candidate);
        }
        let ladder = self.ladders.get(&chunk).map_or(&[][..], Vec::as_slice);
        let next = ladder.iter().skip_while(|one| *one != candidate).nth(1);
        match next {
            Some(next) if self.ended => format!("{next} would have been tried next, but the run had ended."),
            Some(next) => format!("{next} is tried next."),
            None => "Nobody was left to try.".to_owned(),
        }
    }

    fn stepped(&self, taken: &Taken) -> Vec<String> {
        let mut words = taken.step.words();
        if let Some(first) = words.first_mut() {
            first.insert_str(0, &self.of(taken.chunk));
        }
        words
    }

    fn served(&self, served: &Served) -> Vec<String> {
        let Served { chunk, candidate, cost, outcome } = served;
        let mut first = format!(
            "{}{candidate} answered in {} for {cost}: {} tokens read, {} written, {} {}.",
            self.of(*chunk),
            seconds(outcome.took_us),
            outcome.usage.input_tokens,
            outcome.usage.output_tokens,
            outcome.turns,
            if outcome.turns == 1 { "turn" } else { "turns" },
        );
        if let Some(token) = outcome.first_token_us {
            let _ = write!(first, " The first token came after {}.", seconds(token));
        }
        let mut words = vec![first];
        if !outcome.tools.is_empty() {
            words.push(format!("It called {}.", outcome.tools.join(", then ")));
        }
        words.extend(outcome.recalled.iter().map(|fact| format!("It recalled: {fact}")));
        words.extend(outcome.learned.iter().map(|fact| format!("It learned: {fact}")));
        words
    }

    fn failed(&self, failed: &Failed, seq: u64) -> Vec<String> {
        let Failed { chunk, candidate, class, reason } = failed;
        let mut words = vec![format!("{}{candidate} failed ({}): {reason}.", self.of(*chunk), class.word())];
        // Who stops a run wants nobody else to try.
        if *class != Class::Cancelled {
            words.push(self.after(*chunk, candidate, seq));
        }
        words
    }
}

fn accepted_words(accepted: &Accepted) -> Vec<String> {
    let task = &accepted.task;
    let mut words = vec![format!("{} asked: {}", accepted.principal, quoted(&task.prompt))];
    if !accepted.documents.is_empty() {
        let filed = accepted.documents.iter();
        let names: Vec<String> = filed.map(|filed| format!("{} ({} bytes)", filed.name, filed.bytes)).collect();
        words.push(format!("With {}.", names.join(", ")));
    }
    if let Some(agent) = &task.agent {
        words.push(format!("For {agent} by name."));
    }
    if let Some(session) = &task.session {
        words.push(format!("In session {session}."));
    }
    words
}

/// Characters of a request that are repeated: enough to know it again.
const QUOTED: usize = 200;

/// A text of somebody on one line. Personal data and secrets are left out: who needs them reads the step's data.
fn quoted(text: &str) -> String {
    let line = sensitive::redact(text).split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(QUOTED) {
        Some((place, _)) => format!("\"{}...\"", &line[..place]),
        None => format!("\"{line}\""),
    }
}

fn completed(answer: &Answer) -> Vec<String> {
    let mut words = vec![format!(
        "Answered in {} for {} by {}; the task is {}.",
        seconds(answer.took_us),
        answer.cost,
        answer.served_by.join(", "),
        answer.privacy.word(),
    )];
    if answer.chunks > 1 {
        words.push(format!("The answers to {} chunks were put together in their order.", answer.chunks));
    }
    words
}

fn ended_words(kind: &str, ended: &Ended) -> Vec<String> {
    let what = match kind {
        kind::CANCELLED => "It was stopped",
        kind::INTERRUPTED => "It was interrupted",
        _ => "It failed",
    };
    let Ended { class, reason } = ended;
    let mut words = vec![format!("{what} ({}): {reason}.", class.word())];
    words.extend(advice(*class).map(str::to_owned));
    words
}

/// What would help against a failure of this class, where the reason alone does not say it.
fn advice(class: Class) -> Option<&'static str> {
    match class {
        Class::Timeout => Some("A smaller task, fewer max_tokens, or a larger timeout_s would let it finish."),
        Class::Exhausted => Some("It may work later, or with a larger budget or a higher cap."),
        Class::Unavailable => Some("It may work when what is down is back; `syzygy tree` and /alerts show what is."),
        Class::Corrupt => Some("`syzygy audit verify` and `syzygy models list` say what is damaged."),
        Class::Internal => Some("The host's log has the cause; this is worth a report."),
        _ => None,
    }
}

fn feedback(given: &FeedbackGiven) -> Vec<String> {
    let mut words = vec![format!("{} judged the answer {:.2} of 1.", given.principal, given.quality)];
    words.extend(given.comment.iter().map(|comment| format!("They said: {}", quoted(comment))));
    words
}

/// A duration as people say it.
fn seconds(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{:.1} s", micros as f64 / 1e6),
    }
}
