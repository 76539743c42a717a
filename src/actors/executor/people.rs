//! People who are asked about calls: whether one may be made, and what became of one of which nobody knows.

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::watch;

use super::call::Shared;
use super::doubts;
use crate::types::{Class, Cx, RunId};
use crate::ziggy::review::{Item, ItemStatus, Kind, Need};

/// Where people are asked, and what they said.
#[async_trait]
pub trait People: Send + Sync {
    /// What was asked last about this, if anything was.
    async fn newest(&self, subject: RunId) -> Result<Option<Item>, Unheard>;

    /// Asks. There is an item when this returns, also after a crash.
    async fn ask(&self, cx: &Cx, question: Question) -> Result<Item, Unheard>;

    /// Whether an item still waits.
    async fn is_open(&self, item: &str) -> Result<bool, Unheard>;

    /// What an item is about, with everything that people have put in place of it.
    async fn payload(&self, item: &Item) -> Result<Value, Unheard>;

    /// Items about calls that are closed, and on which nobody has acted.
    async fn closed(&self) -> Result<Vec<Item>, Unheard>;

    /// Writes down that it was acted on, durably.
    async fn settle(&self, item: &Item) -> Result<(), Unheard>;

    /// Nobody needs to decide any more, since the principal of the context has done something about it.
    async fn withdraw(&self, cx: &Cx, item: &str) -> Result<(), Unheard>;

    /// Counts up when items are closed.
    fn closings(&self) -> watch::Receiver<u64>;
}

/// Something people are asked.
pub struct Question {
    /// What it is about; the next question about it has another number.
    pub subject: RunId,
    /// Which one that is, from 1.
    pub number: u32,
    /// The run whose story it belongs to; that of its subject if there is none.
    pub run: Option<RunId>,
    /// Why, and on what terms.
    pub need: Need,
    /// What people are shown.
    pub payload: Value,
    /// Pointers to what they may put in place of it.
    pub editable: Vec<String>,
}

/// Why people could not be asked or heard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unheard {
    /// The class of what went wrong.
    pub class: Class,
    /// What did.
    pub reason: String,
}

/// Acts on what people said, and asks about what nobody has been asked about yet.
pub(super) async fn hear(shared: &Shared, cx: &Cx) {
    let Some(people) = &shared.ports.people else { return };
    if let Err(error) = doubts::ask_about_all(shared, cx).await {
        tracing::warn!(%error, "calls in doubt could not be brought before people, and will be again");
    }
    let closed = match people.closed().await {
        Ok(closed) => closed,
        Err(error) => {
            tracing::warn!(%error, "what people said of calls could not be read, and will be again");
            return;
        }
    };
    let now = shared.world.clock.wall();
    for item in closed {
        // An agreement waits for its call as long as it holds.
        let holds = item.kind == Kind::ToolCall && item.status == ItemStatus::Approved && now < item.deadline;
        if holds {
            continue;
        }
        let acted = match item.kind {
            Kind::ToolDoubt => doubts::act(shared, &item, &**people).await,
            _ => Ok(()),
        };
        let settled = match acted {
            Ok(()) => people.settle(&item).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = settled {
            tracing::warn!(
                item = item.id,
                reason,
                "what people said of a call could not be acted on, and will be again"
            );
        }
    }
}
