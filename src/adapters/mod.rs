//! Tools in the protocols of others, made of their descriptions.
//!
//! What it is for: whoever speaks MCP, or calls tools as OpenAI's models do, reaches the same tools by the same rules as
//! everybody else.
//! What it owns: how a tool, a call and an answer are written in each protocol. Nothing else: each adapter is thin.
//! What it never does: check arguments, decide, run or record a call. That is behind [`Toolbox`].
//!
//! Invariants:
//! - AD1: a call that comes through any adapter is the call its caller meant: same tool, same arguments, same key.
//! - AD2: a refusal keeps its class, whatever form a protocol gives it.
//! - AD3: an adapter shows what the toolbox lists for its caller, and nothing else.

pub mod mcp;
pub mod openai;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::Uri;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::sandbox::Line;
use crate::tds::Tool;
use crate::tds::tool::{Range, Version};
use crate::types::{Class, Cx};

/// The tools of a host, as adapters see them.
#[async_trait]
pub trait Toolbox: Send + Sync + 'static {
    /// The tools this caller may see, the newest version of each that it may use.
    async fn list(&self, cx: &Cx, caller: &Caller) -> Vec<Arc<Tool>>;

    /// The tool of this id that a call would reach, if the caller may see it.
    async fn find(&self, cx: &Cx, caller: &Caller, id: &str, required: Option<&Range>) -> Option<Arc<Tool>> {
        let listed = self.list(cx, caller).await;
        listed
            .into_iter()
            .find(|tool| tool.id.as_str() == id && required.is_none_or(|range| range.takes(&tool.version)))
    }

    /// Does a call: checked, decided, done and recorded. What the tool says meanwhile goes to `lines`.
    async fn call(
        &self,
        cx: &Cx,
        caller: &Caller,
        call: Call,
        lines: Option<mpsc::Sender<Line>>,
    ) -> Result<Reply, Refusal>;

    /// News that another list would be answered now.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// By which way somebody calls. Who they are is in the context.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The protocol, such as `mcp`.
    pub protocol: String,
    /// The program, as it calls itself. For records only: anybody can say anything.
    pub program: Option<String>,
    /// What it can be asked in the middle of a call.
    pub can: BTreeSet<Ability>,
    /// The folder it wants granted to the tools it calls, by its name in the configuration.
    #[serde(default)]
    pub workspace: Option<String>,
}

/// What a way over HTTP takes in the query of its address.
#[derive(Debug, Default, Deserialize)]
struct Wishes {
    /// The folder that is granted, by its name in the configuration.
    #[serde(default)]
    workspace: Option<String>,
    /// Ids of tools, with commas between, where a list of them is asked for.
    #[serde(default)]
    names: Option<String>,
}

impl Wishes {
    /// What the address of a request says.
    #[expect(
        clippy::disallowed_types,
        reason = "it only reads here, and what is refused is said as the protocol has it"
    )]
    fn of(address: &Uri) -> Result<Wishes, Refusal> {
        let read = axum::extract::Query::try_from_uri(address);
        let wrong =
            |error| Refusal::new(Class::Invalid, format!("could not read the query of {}: {error}", address.path()));
        read.map(|wishes| wishes.0).map_err(wrong)
    }
}

/// What a caller can be asked in the middle of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ability {
    /// Has a person fill in a form.
    Form,
    /// Has its model write something.
    Write,
    /// Says in which places it works.
    Places,
}

/// A call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Call {
    /// The tool's id.
    pub name: String,
    /// Which versions of it; any, if nothing is said.
    pub required: Option<Range>,
    /// What the model filled in.
    pub arguments: Value,
    /// The key under which it happens once.
    pub idempotency_key: Option<String>,
    /// What the caller answered, if the tool asked something before.
    pub told: Told,
}

/// What a caller answered to [`Asks`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// What the tool wanted to be given back.
    pub state: Option<Value>,
    /// Answers by the keys of their questions. There may be fewer than were asked, and others.
    pub answers: BTreeMap<String, Said>,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// It is done.
    Answer(Answer),
    /// The tool has to know more first, and is called again with what it asked for.
    Asks(Asks),
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The value, as the tool's output describes it.
    pub value: Value,
    /// What the caller should know besides, such as that the tool will be gone soon.
    pub warnings: Vec<String>,
    /// The version that answered.
    pub version: Version,
    /// Under which number the decision to do it is recorded.
    pub decision: String,
}

/// What a tool has to know first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asks {
    /// Questions by keys of the tool's choice.
    pub questions: BTreeMap<String, Question>,
    /// What it wants to be given back with the answers.
    pub state: Option<Value>,
}

/// A question to a caller.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// For a person: a form.
    Form {
        /// What is wanted and why.
        message: String,
        /// JSON Schema of what is filled in: an object of plain values.
        schema: Value,
    },
    /// For the caller's model: something to write.
    Write {
        /// What it is asked.
        prompt: String,
        /// Tokens at the most.
        tokens_max: u32,
    },
    /// For the caller itself: where it works.
    Places,
}

impl Question {
    /// What a caller has to be able to do to be asked this.
    pub fn needs(&self) -> Ability {
        match self {
            Question::Form { .. } => Ability::Form,
            Question::Write { .. } => Ability::Write,
            Question::Places => Ability::Places,
        }
    }
}

/// The answer to one question.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// A form was filled in.
    Filled(Value),
    /// Somebody said no.
    Declined,
    /// Somebody left without an answer.
    Left,
    /// What a model wrote.
    Written(String),
    /// Where the caller works: URIs.
    Places(Vec<String>),
}

/// Why a call was not done, or failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// What kind of failure.
    pub class: Class,
    /// What could not be done, in words for whoever called.
    pub reason: String,
    /// What the caller would have to be able to do.
    pub lacking: BTreeSet<Ability>,
    /// Under which number the decision is recorded, if one was made.
    pub decision: Option<String>,
    /// Whether it is the tool that failed, and not the host: whoever called may know how.
    pub tools: bool,
}

impl Refusal {
    /// A refusal of this class.
    pub fn new(class: Class, reason: impl Into<String>) -> Refusal {
        Refusal { class, reason: reason.into(), lacking: BTreeSet::new(), decision: None, tools: false }
    }

    /// There is no such tool, or the caller may not know of it.
    pub fn unknown(name: &str) -> Refusal {
        Refusal::new(Class::NotFound, format!("could not find a tool {name:?}"))
    }
}
