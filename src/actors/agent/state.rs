//! The turn loop of one assignment, pure: what the model said, what the tools said, and what comes next.

use super::Outcome;
use super::handle::Error;
use super::message::Results;
use crate::inference::{Completion, Message, Request, Role};
use crate::types::{ToolCall, ToolSpec};
use crate::ziggy::govern::trajectory::{self, Cycle, TIMES, Trajectory};
use crate::ziggy::most_tokens;

/// The limits of one assignment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limits {
    pub(super) turns: u32,
    pub(super) answer_tokens: u32,
    pub(super) tokens: u64,
    pub(super) own_tokenizer: bool,
    pub(super) temperature: f32,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Ask the model.
    Ask(Request),
    /// Call these tools.
    Call(Vec<ToolCall>),
    /// The answer is there.
    Finish,
}

/// One assignment on its way.
#[derive(Debug)]
pub(super) struct Turns {
    limits: Limits,
    tools: Vec<ToolSpec>,
    messages: Vec<Message>,
    trajectory: Trajectory,
    /// The tools of the last turns, for the words about a loop.
    path: Vec<String>,
    pub(super) outcome: Outcome,
}

impl Turns {
    pub(super) fn new(limits: Limits, system: String, prompt: String, tools: Vec<ToolSpec>) -> Turns {
        let messages = vec![Message::new(Role::System, system), Message::new(Role::User, prompt)];
        Turns { limits, tools, messages, trajectory: Trajectory::new(), path: Vec::new(), outcome: Outcome::default() }
    }

    /// The first question.
    pub(super) fn begin(&mut self) -> Result<Step, Error> {
        self.ask()
    }

    fn ask(&mut self) -> Result<Step, Error> {
        let spent = self.outcome.usage.tokens();
        if self.outcome.turns >= self.limits.turns {
            return Err(Error::Turns { limit: self.limits.turns });
        }
        // What is read counts as much as what is written, so a turn that could only be read is not begun.
        let left = self.limits.tokens.saturating_sub(spent.saturating_add(self.asked()));
        if left == 0 {
            return Err(Error::Tokens { spent, limit: self.limits.tokens });
        }
        self.outcome.turns += 1;
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        Ok(Step::Ask(Request {
            messages: self.messages.clone(),
            tools: self.tools.clone(),
            max_tokens: self.limits.answer_tokens.min(left),
            temperature: self.limits.temperature,
            seed: u64::from(self.outcome.turns),
        }))
    }

    /// Tokens of the next question, rather too many than too few.
    fn asked(&self) -> u64 {
        let most = |text: &str| most_tokens(text, self.limits.own_tokenizer);
        let calls = self.messages.iter().flat_map(|message| &message.tool_calls);
        let called: u64 = calls.map(|call| most(&call.name) + most(&call.arguments.to_string())).sum();
        let said: u64 = self.messages.iter().map(|message| most(&message.content)).sum();
        let tools = serde_json::to_string(&self.tools).unwrap_or_default();
        said + called + if self.tools.is_empty() { 0 } else { most(&tools) }
    }

    /// The model answered: with a text, or with calls.
    pub(super) fn answered(&mut self, completion: Completion) -> Result<Step, Error> {
        self.outcome.usage += completion.usage;
        if completion.tool_calls.is_empty() {
            self.outcome.text = completion.text;
            return Ok(Step::Finish);
        }
        self.circles(&completion.tool_calls, &completion.text)?;
        self.outcome.tools.extend(completion.tool_calls.iter().map(|call| call.name.clone()));
        let mut said = Message::new(Role::Assistant, completion.text);
        said.tool_calls.clone_from(&completion.tool_calls);
        self.messages.push(said);
        Ok(Step::Call(completion.tool_calls))
    }

    /// AG2: whether this turn makes it a loop: it closes a cycle of turns for the third time, or holds one call three times.
    fn circles(&mut self, calls: &[ToolCall], text: &str) -> Result<(), Error> {
        let same = |call: &ToolCall| {
            let alike = |other: &&ToolCall| other.name == call.name && other.arguments == call.arguments;
            calls.iter().filter(alike).count()
        };
        // In a turn of fewer calls there is nothing to compare.
        if calls.len() >= TIMES
            && let Some(call) = calls.iter().find(|call| same(call) >= TIMES)
        {
            return Err(Error::Loop { what: call.name.clone(), turns: 1, repeats: same(call) });
        }
        let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
        if self.path.len() >= trajectory::LONGEST {
            self.path.remove(0);
        }
        self.path.push(names.join(" and "));
        match self.trajectory.turn(trajectory::fingerprint(calls, text)) {
            None => Ok(()),
            Some(Cycle { turns, times, .. }) => {
                let what = self.path[self.path.len().saturating_sub(turns)..].join(", then ");
                Err(Error::Loop { what, turns, repeats: times })
            }
        }
    }

    /// The tools answered; an error is an answer the model can read.
    pub(super) fn called(&mut self, results: Results) -> Result<Step, Error> {
        for (id, result) in results {
            let content = match result {
                Ok(value) => value.to_string(),
                Err(reason) => serde_json::json!({ "error": reason }).to_string(),
            };
            let mut told = Message::new(Role::Tool, content);
            told.tool_call_id = Some(id);
            self.messages.push(told);
        }
        self.ask()
    }
}
