//! Inference runtimes: whatever turns a prompt into text, and texts into vectors.
//!
//! What it is for: one trait over models in this process, on this machine and far away.
//! What it owns: model files once loaded, connections to endpoints.
//! What it never does: choose between runtimes (the router does) or retry (its callers hold the budget).
//!
//! Invariants:
//! - IF1: a dropped or cancelled call stops the work under it, within one token, one piece of the prompt or one network read.
//! - IF2: what was streamed, concatenated, is the text of the completion.
//! - IF3: usage is what was really processed, also when the call ends early ([`Error::usage`]).

mod child;
mod config;
mod embedded;
mod embedding;
mod error;
mod http;
pub mod leftovers;
pub mod models;
mod news;
mod openai;
mod pacing;
mod provider;
mod scripted;

#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "fuzzing"))]
pub use embedded::fuzz::gguf as fuzz_gguf;
#[cfg(any(test, feature = "fuzzing"))]
pub use openai::fuzz::stream as fuzz_stream;

use std::ops::AddAssign;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::types::{Cleared, Cx, Modality, Money, Place, Price, ToolCall, ToolSpec, TrustTier};

pub use child::{ChildCommand, Process};
pub use config::{
    Config, EmbeddedConfig, EmbeddedRuntime, EmbedderChoice, OpenaiConfig, OpenaiRuntime, RuntimeConfig,
    ScriptedRuntime,
};
pub use embedded::Embedded;
pub use embedding::{Lexical, MiniLm, WordLlama};
pub use error::Error;
pub use openai::Openai;
pub use pacing::{Left, Pacing};
pub use provider::{Account, Provider, accounts};
pub use scripted::{Scripted, Step};

/// Who said a message in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Standing instructions.
    System,
    /// The person or program that asks.
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// The text.
    pub content: String,
    /// What the assistant wants called; empty for all others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Which call this is the result of; only for [`Role::Tool`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl Message {
    /// A plain message.
    pub fn new(role: Role, content: impl Into<String>) -> Message {
        Message { role, content: content.into(), tool_calls: Vec::new(), tool_call_id: None }
    }
}

/// What to generate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// Tools the model may call; empty for none. A runtime that says it has no tools leaves them out.
    #[serde(default)]
    pub tools: Vec<ToolSpec>,
    /// Tokens to generate at the most.
    pub max_tokens: u32,
    /// 0 picks the likeliest token each time and is repeatable.
    pub temperature: f32,
    /// Seed of the sampler.
    pub seed: u64,
}

/// A piece of news while a runtime works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Delta {
    /// Part of a long prompt was read.
    Reading {
        /// Prompt tokens read so far.
        tokens: u64,
        /// Prompt tokens in all.
        total: u64,
    },
    /// More of the answer.
    Text {
        /// What to append.
        text: String,
    },
}

/// Tokens processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Usage {
    /// Prompt tokens.
    pub input_tokens: u64,
    /// Those of them that the provider had cached, which may be cheaper.
    #[serde(default, skip_serializing_if = "crate::types::is_default")]
    pub cached_tokens: u64,
    /// Generated tokens.
    pub output_tokens: u64,
}

impl Usage {
    /// So many tokens read and written, none of them cached.
    pub const fn new(input_tokens: u64, output_tokens: u64) -> Usage {
        Usage { input_tokens, cached_tokens: 0, output_tokens }
    }

    /// Tokens read and written together.
    pub fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// What they cost at this price.
    pub fn cost(&self, price: Price) -> Money {
        price.charge(self.input_tokens, self.cached_tokens, self.output_tokens)
    }
}

impl AddAssign for Usage {
    /// A runtime may claim anything, so a sum stops at the largest number instead of wrapping.
    fn add_assign(&mut self, more: Usage) {
        self.input_tokens = self.input_tokens.saturating_add(more.input_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(more.cached_tokens);
        self.output_tokens = self.output_tokens.saturating_add(more.output_tokens);
    }
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model was done.
    Stop,
    /// The token limit was reached.
    Length,
    /// The model wants tools called.
    ToolCalls,
}

/// A finished generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// The whole text.
    pub text: String,
    /// What the model wants called.
    #[serde(default)]
    pub tool_calls: Vec<ToolCall>,
    /// Why it ended.
    pub finish: Finish,
    /// What it took.
    pub usage: Usage,
    /// How much more the provider takes, if it said so.
    #[serde(default, skip_serializing_if = "Pacing::is_silent")]
    pub pacing: Pacing,
}

/// What a runtime can do and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Its name in the config.
    pub name: String,
    /// The model it serves.
    pub model: String,
    /// Whose endpoint it asks; none if it runs in this process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// How far the place it runs in is trusted.
    pub tier: TrustTier,
    /// Where in the world that is, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What it can read.
    #[serde(default)]
    pub modalities: Vec<Modality>,
    /// Whether it generates text.
    pub chat: bool,
    /// Whether it can be offered tools.
    pub tools: bool,
    /// Whether it counts with a tokenizer of its own, of which only one thing is known: no tokenizer makes more tokens of
    /// a text than it has bytes.
    #[serde(default)]
    pub own_tokenizer: bool,
    /// Whether it turns texts into vectors.
    pub embed: bool,
    /// Tokens it can hold, prompt and answer together.
    pub context_tokens: u32,
    /// What its tokens cost.
    pub price: Price,
}

/// Tokens that a server's template may put around a message at the most: several times what the widest known ones take.
/// What an endpoint claims beyond that is not believed, and that much is reserved.
pub const TEMPLATE_TOKENS_MOST: u64 = 128;

impl Capabilities {
    /// Where what it is sent goes.
    pub fn place(&self) -> Place {
        Place { tier: self.tier, region: self.region.clone() }
    }
}

/// Whether a runtime can be given work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Health {
    /// It answers.
    Ready,
    /// It can be used, but the model is not in memory yet; the first call loads it.
    Cold,
    /// It cannot be used, and why, with what would help.
    Down {
        /// For the operator.
        reason: String,
    },
    /// Nobody answers at its address, so no other runtime there can be used either.
    Unreachable {
        /// For the operator.
        reason: String,
    },
}

impl Health {
    /// Why it cannot be used, if it cannot.
    pub fn fault(&self) -> Option<&str> {
        match self {
            Health::Ready | Health::Cold => None,
            Health::Down { reason } | Health::Unreachable { reason } => Some(reason),
        }
    }
}

/// Something that generates text. The suite in `tests/` runs over every backend.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// What it can do. Never waits.
    fn capabilities(&self) -> Capabilities;
    /// Whether it can be given work. Bounded by the context's deadline.
    async fn health(&self, cx: &Cx) -> Health;
    /// Generates from what was cleared for its place ([`Capabilities::place`]), sending news as it goes; a receiver that is gone or full never stops the generation, but text is
    /// only dropped when the receiver is gone.
    async fn generate(
        &self,
        cx: &Cx,
        request: Cleared<Request>,
        news: mpsc::Sender<Delta>,
    ) -> Result<Completion, Error>;
    /// Repairs what it owns and found damaged, such as the file of a model. Says whether there was anything to repair;
    /// what was never there is not damaged.
    async fn repair(&self, _cx: &Cx) -> Result<bool, Error> {
        Ok(false)
    }
}

/// Something that turns texts into unit vectors of one fixed length.
#[async_trait]
pub trait Embedder: Send + Sync + 'static {
    /// Name for records: vectors of different names are not comparable.
    fn name(&self) -> &str;
    /// Length of the vectors.
    fn dimensions(&self) -> usize;
    /// One unit vector for each text.
    async fn embed(&self, cx: &Cx, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Error>;
}
