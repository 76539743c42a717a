//! The turn loop of one assignment, pure: what the model said, what the tools said, and what comes next.

use std::collections::HashMap;

use super::Outcome;
use super::handle::Error;
use super::message::Results;
use crate::inference::{Completion, Message, Request, Role, Usage};
use crate::types::{Hash, ToolCall, ToolSpec};
use crate::ziggy::estimate_tokens;

/// The limits of one assignment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limits {
    pub(super) turns: u32,
    pub(super) answer_tokens: u32,
    pub(super) tokens: u64,
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

/// A call made for the third time with the same arguments is a loop: the second may be an honest retry.
const REPEATS_MOST: u32 = 2;

/// One assignment on its way.
#[derive(Debug)]
pub(super) struct Turns {
    limits: Limits,
    tools: Vec<ToolSpec>,
    messages: Vec<Message>,
    trajectory: HashMap<Hash, u32>,
    pub(super) outcome: Outcome,
}

impl Turns {
    pub(super) fn new(limits: Limits, system: String, prompt: String, tools: Vec<ToolSpec>) -> Turns {
        let messages = vec![Message::new(Role::System, system), Message::new(Role::User, prompt)];
        Turns { limits, tools, messages, trajectory: HashMap::new(), outcome: Outcome::default() }
    }

    /// The first question.
    pub(super) fn begin(&mut self) -> Result<Step, Error> {
        self.ask()
    }

    fn ask(&mut self) -> Result<Step, Error> {
        let Usage { input_tokens, output_tokens } = self.outcome.usage;
        let spent = input_tokens.saturating_add(output_tokens);
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
        let calls = self.messages.iter().flat_map(|message| &message.tool_calls);
        let called: u64 =
            calls.map(|call| estimate_tokens(&call.name) + estimate_tokens(&call.arguments.to_string())).sum();
        let said: u64 = self.messages.iter().map(|message| estimate_tokens(&message.content)).sum();
        let tools = serde_json::to_string(&self.tools).unwrap_or_default();
        said + called + if self.tools.is_empty() { 0 } else { estimate_tokens(&tools) }
    }

    /// The model answered: with a text, or with calls.
    pub(super) fn answered(&mut self, completion: Completion) -> Result<Step, Error> {
        self.outcome.usage += completion.usage;
        if completion.tool_calls.is_empty() {
            self.outcome.text = completion.text;
            return Ok(Step::Finish);
        }
        for call in &completion.tool_calls {
            let repeats = self.trajectory.entry(fingerprint(call)).or_default();
            *repeats += 1;
            if *repeats > REPEATS_MOST {
                return Err(Error::Loop { tool: call.name.clone(), repeats: *repeats });
            }
            self.outcome.tools.push(call.name.clone());
        }
        let mut said = Message::new(Role::Assistant, completion.text);
        said.tool_calls.clone_from(&completion.tool_calls);
        self.messages.push(said);
        Ok(Step::Call(completion.tool_calls))
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

/// The identity of a call in the trajectory: tool and arguments, whatever id the model gave it. JSON objects print
/// with sorted keys, so the order the model wrote them in does not matter.
fn fingerprint(call: &ToolCall) -> Hash {
    Hash::of(format!("{}\n{}", call.name, call.arguments).as_bytes())
}
