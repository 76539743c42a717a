//! Why a run went as it did: its events as sentences, each with the data it was made from.
//!
//! Everything follows from the journal alone, so an old run is explained as well as a new one, on any machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::actors::inbox;
use crate::actors::io::record::{Accepted, Admitted, Ended, Failed, Hop, Parked, Resumed, Served, kind};
use crate::actors::io::{self, Answer, RunStatus, Taken};
use crate::store::Event;
use crate::types::{Class, Hash, RunId, Timestamp, sensitive};
use crate::ziggy::budget::Settlement;
use crate::ziggy::explain::{Explain, considered_words};
use crate::ziggy::review::Stage;
use crate::ziggy::route::{Fib, consider};
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

/// The tables that a run's decisions were made from, as far as the journal still has them.
pub type Tables = BTreeMap<Hash, Fib>;

/// The versions of the tables that these events name.
pub fn tables_of(events: &[Event]) -> BTreeSet<Hash> {
    let decided = events.iter().filter(|event| event.kind == kind::DECIDED);
    decided.filter_map(|event| event.body.parse::<Hop>()).map(|hop| hop.decision.fib).collect()
}

/// Explains a run by its events, and by the tables its decisions were made from.
pub fn why(run_id: RunId, status: RunStatus, events: &[Event], tables: &Tables) -> Why {
    let ended = status.is_over();
    let mut told = Told { chunks: 0, ladders: BTreeMap::new(), tried: tried(events), ended, tables };
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

/// Body of `trajectory.repeated`.
#[derive(Deserialize)]
struct Circles {
    agent: String,
    what: String,
    repeats: u64,
}

fn circled(circles: &Circles) -> Vec<String> {
    let Circles { agent, what, repeats } = circles;
    vec![format!("{agent} went round in circles and was stopped: {what}, {repeats} times with the same arguments.")]
}

/// What other events of the run say that one is told by.
struct Told<'a> {
    tables: &'a Tables,
    chunks: usize,
    /// Who is to serve a chunk, in order.
    ladders: BTreeMap<usize, Vec<String>>,
    tried: Vec<Tried>,
    /// Whether the run goes on no more.
    ended: bool,
}

impl Told<'_> {
    /// What an event means; none if its body is not what its kind promises, as one of a later version may be.
    fn words(&mut self, event: &Event) -> Option<Vec<String>> {
        match event.kind.as_str() {
            kind::ACCEPTED => event.body.parse().map(|accepted| accepted_words(&accepted)),
            kind::CLASSIFIED => event.body.parse::<Classification>().map(|class| class.words()),
            kind::CHUNKED => event.body.parse().map(|chunks: Vec<Chunk>| self.chunked(&chunks)),
            kind::DECIDED => event.body.parse().map(|hop: Hop| self.decided(&hop)),
            kind::TRIED => event.body.parse().map(|tried: io::Tried| self.on_trial(&tried)),
            "trajectory.repeated" => event.body.parse().map(|circles: Circles| circled(&circles)),
            kind::ADMITTED => event.body.parse().map(|admitted: Admitted| self.admitted(&admitted, event.seq)),
            kind::STEP => event.body.parse().map(|taken: Taken| self.stepped(&taken)),
            kind::SERVED => event.body.parse().map(|served: Served| self.served(&served)),
            kind::FAILED => event.body.parse().map(|failed: Failed| self.failed(&failed, event.seq)),
            kind::COMPLETED => event.body.parse().map(|answer: Answer| completed(&answer)),
            kind::RUN_FAILED | kind::CANCELLED | kind::INTERRUPTED => {
                event.body.parse().map(|ended: Ended| ended_words(&event.kind, &ended))
            }
            kind::CHARGED => event.body.parse().map(|settlement: Settlement| settlement.words()),
            kind::PARKED => event.body.parse().map(|parked: Parked| parked_words(&parked)),
            kind::RESUMED => event
                .body
                .parse()
                .map(|resumed: Resumed| vec![format!("{}, so it goes on.", first_large(&resumed.words))]),
            told if told.starts_with("hitl.") => {
                event.body.parse().map(|record: inbox::Record| record.happened.words())
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
        match self.tables.get(&hop.decision.fib) {
            Some(fib) => words.extend(considered_words(&consider(fib, &hop.decision.request))),
            None => words.push("That table has left the journal, so who else was considered is not known.".to_owned()),
        }
        words
    }

    fn on_trial(&self, tried: &io::Tried) -> Vec<String> {
        let io::Tried { chunk, candidate, share, successes, needed } = tried;
        vec![format!(
            "{}{candidate} is on trial after quarantine, and goes first here: {share} % of runs take part. It has \
             {successes} of {needed} successes in a row.",
            self.of(*chunk)
        )]
    }

    fn admitted(&self, admitted: &Admitted, seq: u64) -> Vec<String> {
        let Admitted { chunk, candidate, admission, reserved } = admitted;
        let mut words = vec![format!("{}{candidate}: {}", self.of(*chunk), admission.words().join(" "))];
        if let Admission::Refused { .. } = admission {
            words.push(self.after(*chunk, candidate, seq));
        }
        words.extend(reserved.iter().flat_map(Explain::words));
        words
    }

    /// What came of a chunk after a candidate did not serve it.
    fn after(&self, chunk: usize, candidate: &str, seq: u64) -> String {
        if let Some(next) = self.tried.iter().find(|tried| tried.chunk == chunk && tried.seq > seq) {
            let again = if next.candidate == candidate { "again" } else { "next" };
            return format!("{} was tried {again}.", next.candidate);
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
        let Served { chunk, candidate, cost, outcome, spent } = served;
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
        words.extend(spent.iter().flat_map(Explain::words));
        words
    }

    fn failed(&self, failed: &Failed, seq: u64) -> Vec<String> {
        let Failed { chunk, candidate, class, reason, spent } = failed;
        let mut words = vec![format!("{}{candidate} failed ({}): {reason}.", self.of(*chunk), class.word())];
        // Who stops a run wants nobody else to try.
        if *class != Class::Cancelled {
            words.push(self.after(*chunk, candidate, seq));
        }
        words.extend(spent.iter().flat_map(Explain::words));
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

fn parked_words(parked: &Parked) -> Vec<String> {
    let waits = match parked.stage {
        Stage::Before => "Nobody works on it before people have approved it.",
        Stage::After => "Its answer is withheld until people have approved it.",
    };
    vec![waits.to_owned()]
}

/// A sentence that begins with a large letter.
fn first_large(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
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
