//! Puts an answer together out of the pieces a stream brings.

use serde_json::Value;

use super::wire::{CallPiece, Counts, Part};
use crate::inference::{Completion, Finish, Pacing, Request, TEMPLATE_TOKENS_MOST, Usage};
use crate::types::ToolCall;

/// Bytes of text a token stands for where a server does not count: the usual estimate for English.
const BYTES_PER_TOKEN: u64 = 4;

/// Characters of ordinary text that a token stands for at the most, over a whole prompt. It has three to six in any
/// language, and a tokenizer with a token for every word would come to about ten.
const CHARS_PER_TOKEN_MOST: u64 = 16;

/// The same of an answer. It can be short, and then it can be one of the few long words that are a token.
const CHARS_PER_TOKEN_SAID_MOST: u64 = 32;

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
    /// Tokens of the prompt in any tokenizer, at the least.
    prompt_least: u64,
    most: Usage,
    pacing: Pacing,
}

#[derive(Default)]
struct Call {
    id: String,
    name: String,
    arguments: String,
}

impl Answer {
    /// An answer to this request, of which the server was asked for so many tokens.
    pub(super) fn new(request: &Request, max_tokens: u32) -> Answer {
        let messages = request.messages.len() as u64;
        let bytes = bytes(request);
        Answer {
            text: String::new(),
            calls: Vec::new(),
            finish: None,
            counts: None,
            pieces: 0,
            prompt: bytes / BYTES_PER_TOKEN + messages * TOKENS_PER_MESSAGE,
            // Templates leave tools out for models that know none, so that their text may never have been read.
            prompt_least: request.messages.iter().map(|message| varied(&message.content)).sum::<u64>()
                / CHARS_PER_TOKEN_MOST,
            // No tokenizer makes more tokens of a text than it has bytes.
            most: Usage::new(bytes + messages * TEMPLATE_TOKENS_MOST, u64::from(max_tokens)),
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
    /// A count of nothing for something is no count, and nobody is charged for less or for more than there can have been.
    pub(super) fn usage(&self) -> Usage {
        let least = Usage::new(self.prompt_least, self.said_least());
        // A server that sends its answer in one piece has not made one token of it.
        let estimate = Usage::new(self.prompt, self.pieces.max(least.output_tokens));
        let Some(counts) = self.counts else { return estimate };
        let believed = |claimed: u64, of: fn(&Usage) -> u64| match claimed {
            0 => of(&estimate),
            claimed => claimed.max(of(&least)).min(of(&self.most).max(of(&estimate))),
        };
        let input_tokens = believed(counts.prompt_tokens, |usage| usage.input_tokens);
        let cached = counts.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0);
        Usage {
            input_tokens,
            cached_tokens: cached.min(input_tokens),
            output_tokens: believed(counts.completion_tokens, |usage| usage.output_tokens),
        }
    }

    /// Tokens of what was said so far in any tokenizer, at the least, and no more than were asked for.
    fn said_least(&self) -> u64 {
        let calls = self.calls.iter().map(|call| varied(&call.arguments)).sum::<u64>();
        ((varied(&self.text) + calls) / CHARS_PER_TOKEN_SAID_MOST).min(self.most.output_tokens)
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

/// Characters of a text, a run of the same one counted once: tokenizers have long tokens for blanks and dashes.
fn varied(text: &str) -> u64 {
    let mut last = None;
    text.chars().filter(|next| last.replace(*next) != Some(*next)).count() as u64
}

/// Bytes of everything a server reads of a request.
fn bytes(request: &Request) -> u64 {
    let messages = request.messages.iter().map(|message| {
        let calls = message.tool_calls.iter();
        message.content.len() + calls.map(|call| call.name.len() + call.arguments.to_string().len()).sum::<usize>()
    });
    let tools =
        request.tools.iter().map(|tool| tool.name.len() + tool.description.len() + tool.parameters.to_string().len());
    messages.chain(tools).sum::<usize>() as u64
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
