//! Puts an answer together out of the pieces a stream brings.

use serde_json::Value;

use super::wire::{CallPiece, Counts, Part};
use crate::inference::{Completion, Finish, Pacing, Request, Usage};
use crate::types::ToolCall;

/// Bytes of text a token stands for where a server does not count: the usual estimate for English.
const BYTES_PER_TOKEN: u64 = 4;

/// Tokens a message costs beside its text: role and separators.
const TOKENS_PER_MESSAGE: u64 = 4;

/// Tool calls in one answer at the most; an index beyond it is a broken stream and not a plan.
const MOST_CALLS: usize = 128;

/// An answer in the making.
pub(super) struct Answer {
    text: String,
    calls: Vec<Call>,
    finish: Option<Finish>,
    counts: Option<Counts>,
    pieces: u64,
    prompt: u64,
    pacing: Pacing,
}

#[derive(Default)]
struct Call {
    id: String,
    name: String,
    arguments: String,
}

impl Answer {
    pub(super) fn new(request: &Request) -> Answer {
        let bytes: usize = request.messages.iter().map(|message| message.content.len()).sum();
        let prompt = bytes as u64 / BYTES_PER_TOKEN + request.messages.len() as u64 * TOKENS_PER_MESSAGE;
        Answer {
            text: String::new(),
            calls: Vec::new(),
            finish: None,
            counts: None,
            pieces: 0,
            prompt,
            pacing: Pacing::default(),
        }
    }

    /// Keeps what the server said about how much more it takes.
    pub(super) fn paced(&mut self, pacing: Pacing) {
        self.pacing = pacing;
    }

    /// Takes one part; returns its text, or why it makes no sense.
    pub(super) fn take(&mut self, part: Part) -> Result<String, String> {
        if let Some(error) = part.error.filter(|error| !error.is_null()) {
            let message = error.get("message").and_then(Value::as_str).map(ToOwned::to_owned);
            return Err(message.unwrap_or_else(|| error.to_string()));
        }
        self.counts = part.usage.or(self.counts);
        let mut new = String::new();
        for choice in part.choices.into_iter().take(1) {
            if let Some(piece) = choice.delta {
                for call in piece.tool_calls.unwrap_or_default() {
                    self.take_call(call)?;
                }
                new = piece.content.unwrap_or_default();
            }
            if let Some(reason) = choice.finish_reason {
                self.finish = Some(match reason.as_str() {
                    "length" => Finish::Length,
                    "tool_calls" | "function_call" => Finish::ToolCalls,
                    _ => Finish::Stop,
                });
            }
        }
        self.pieces += u64::from(!new.is_empty());
        self.text.push_str(&new);
        Ok(new)
    }

    fn take_call(&mut self, piece: CallPiece) -> Result<(), String> {
        // Servers that send whole calls leave the index out.
        let index = piece.index.unwrap_or(self.calls.len());
        if index >= MOST_CALLS {
            return Err(format!("tool call {index} is beyond the {MOST_CALLS} an answer may have"));
        }
        if self.calls.len() <= index {
            self.calls.resize_with(index + 1, Call::default);
        }
        let call = &mut self.calls[index];
        if let Some(id) = piece.id.filter(|id| !id.is_empty()) {
            call.id = id;
        }
        if let Some(function) = piece.function {
            call.name.push_str(&function.name.unwrap_or_default());
            call.arguments.push_str(&function.arguments.unwrap_or_default());
        }
        Ok(())
    }

    /// Whether the server said that this is the end.
    pub(super) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// What was processed so far: the server's count, or an estimate of four bytes a prompt token and one token a piece.
    pub(super) fn usage(&self) -> Usage {
        match self.counts {
            Some(counts) => Usage { input_tokens: counts.prompt_tokens, output_tokens: counts.completion_tokens },
            None => Usage { input_tokens: self.prompt, output_tokens: self.pieces },
        }
    }

    /// The whole answer. Arguments that are no JSON stay a text, for whoever checks them to tell the model.
    pub(super) fn complete(self) -> Completion {
        let (usage, pacing) = (self.usage(), self.pacing);
        let calls: Vec<ToolCall> =
            self.calls.into_iter().enumerate().map(|(index, call)| call.complete(index)).collect();
        let finish = if calls.is_empty() { self.finish.unwrap_or(Finish::Stop) } else { Finish::ToolCalls };
        Completion { text: self.text, tool_calls: calls, finish, usage, pacing }
    }
}

impl Call {
    fn complete(self, index: usize) -> ToolCall {
        let arguments = if self.arguments.trim().is_empty() { "{}" } else { &self.arguments };
        ToolCall {
            arguments: serde_json::from_str(arguments).unwrap_or_else(|_| Value::String(arguments.to_owned())),
            id: if self.id.is_empty() { format!("call_{index}") } else { self.id },
            name: self.name,
        }
    }
}
