//! What others may ask of an executor, and how one is put into the tree.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::Config;
use super::actor::Shell;
use super::message::{Message, Work};
use super::tools::{Table, Tool, table};
use crate::supervision::{Address, Child, Failure, Mailbox, Overflow, Shutdown};
use crate::types::{Class, Cx, ToolCall, ToolSpec, World};

/// Why a tool call has no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no such tool.
    #[error("could not call {name:?}: there is no such tool; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Two tools have one name.
    #[error("could not register {name:?}: there is a tool of this name already")]
    Twice {
        /// The name.
        name: String,
    },
    /// The tool said no.
    #[error("could not call {name}: {reason}")]
    Failed {
        /// Which tool.
        name: String,
        /// What it said.
        reason: String,
    },
    /// The executor has as many calls as it may hold.
    #[error("could not call {name}: the executor is full")]
    Full {
        /// Which tool.
        name: String,
    },
    /// The executor did not answer.
    #[error(transparent)]
    Delivery(#[from] Failure),
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Unknown { .. } => Class::NotFound,
            Error::Twice { .. } => Class::Conflict,
            Error::Failed { .. } => Class::Invalid,
            Error::Full { .. } => Class::Exhausted,
            Error::Delivery(failure) => failure.class(),
        }
    }
}

/// Reaches one executor.
#[derive(Clone)]
pub struct Handle {
    address: Address<Message>,
    tools: Arc<Table>,
    within: Duration,
}

impl Handle {
    /// An executor as a row of the tree, and its handle.
    pub fn launch(id: &str, tools: Vec<Tool>, config: Config, world: &World) -> Result<(Handle, Child), Error> {
        let tools = Arc::new(table(tools)?);
        let address =
            Address::new(Mailbox::new(config.waiting + config.concurrency.max(1) as usize, Overflow::Refuse), world);
        let shared = Arc::clone(&tools);
        let child = Child::actor(id, &address, move || Shell::new(Arc::clone(&shared), config))
            .shutdown(Shutdown::Drain(Duration::from_secs(config.call_within_s)));
        Ok((Handle { address, tools, within: Duration::from_secs(config.call_within_s) }, child))
    }

    /// What a model is told of these tools; unknown names are left out.
    pub fn specs(&self, names: &[String]) -> Vec<ToolSpec> {
        names.iter().filter_map(|name| self.tools.get(name)).map(|tool| tool.spec().clone()).collect()
    }

    /// The names of all tools.
    pub fn names(&self) -> Vec<String> {
        self.tools.keys().cloned().collect()
    }

    /// Runs a tool and returns its result.
    pub async fn call(&self, cx: &Cx, call: ToolCall) -> Result<Value, Error> {
        let work_cx = cx.child().with_deadline(self.address.now() + self.within);
        let _stop_with_caller = work_cx.cancel_token().clone().drop_guard();
        let ask = |reply| Message::Call(Box::new(Work { cx: work_cx.clone(), call, reply }));
        self.address.call(cx, ask).await.map_err(Failure::from)?
    }
}
