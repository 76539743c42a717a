//! People of a host: questions about calls of tools become items of the inbox.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::watch;

use crate::actors::executor::{People, Question, Unheard};
use crate::actors::inbox::{self, Opening};
use crate::store::{Durability, Journal};
use crate::types::{Cx, RunId};
use crate::ziggy::review::{Item, ItemStatus};

/// Who acts on what people said, in records.
const SOURCE: &str = "tools";

/// The inbox, for whoever makes calls.
pub(super) struct Desk {
    pub(super) inbox: inbox::Handle,
    pub(super) journal: Arc<dyn Journal>,
}

fn unheard(error: inbox::Error) -> Unheard {
    Unheard { class: error.class(), reason: error.to_string() }
}

/// Whether somebody has still to act on it.
fn is_due(item: &Item) -> bool {
    item.status != ItemStatus::Open && !item.settled
}

impl Desk {
    /// Items about calls that are closed, and on which nobody has acted as far as the disk knows.
    async fn due(&self) -> Result<Vec<Item>, Unheard> {
        let mut closed = self.inbox.unsettled().await.map_err(unheard)?;
        closed.retain(|item| item.kind.is_of_a_call());
        Ok(closed)
    }

    /// Waits for what is on its way to the disk: an executor that failed may have acted on an item, and what it said of that
    /// is not to be read yet.
    async fn caught_up(&self) -> Result<(), Unheard> {
        self.journal.flush().await.map_err(|error| Unheard { class: error.class(), reason: error.to_string() })
    }
}

#[async_trait]
impl People for Desk {
    async fn newest(&self, subject: RunId) -> Result<Option<Item>, Unheard> {
        let newest = self.inbox.newest(subject).await.map_err(unheard)?;
        if !newest.as_ref().is_some_and(is_due) {
            return Ok(newest);
        }
        self.caught_up().await?;
        self.inbox.newest(subject).await.map_err(unheard)
    }

    async fn ask(&self, cx: &Cx, question: Question) -> Result<Item, Unheard> {
        let Question { subject, number, run, need, payload, editable } = question;
        // As wide as any number, so that items about one subject are ordered as their numbers are.
        let opening =
            Opening { id: format!("{subject}-{number:010}"), run: run.unwrap_or(subject), need, payload, editable };
        self.inbox.open(cx, opening, |_| Vec::new()).await.map_err(unheard)
    }

    async fn is_open(&self, item: &str) -> Result<bool, Unheard> {
        Ok(self.inbox.item(item).await.map_err(unheard)?.status == ItemStatus::Open)
    }

    async fn payload(&self, item: &Item) -> Result<Value, Unheard> {
        self.inbox.payload(item).await.map_err(unheard)
    }

    async fn closed(&self) -> Result<Vec<Item>, Unheard> {
        if self.due().await?.is_empty() {
            return Ok(Vec::new());
        }
        self.caught_up().await?;
        self.due().await
    }

    async fn settle(&self, item: &Item) -> Result<(), Unheard> {
        let stored = self.journal.append(vec![inbox::settled(item, SOURCE)], Durability::Durable).await;
        stored.map(drop).map_err(|error| Unheard { class: error.class(), reason: error.to_string() })
    }

    async fn withdraw(&self, cx: &Cx, item: &str) -> Result<(), Unheard> {
        self.inbox.withdraw(cx, item).await.map(drop).map_err(unheard)
    }

    fn closings(&self) -> watch::Receiver<u64> {
        self.inbox.call_closings()
    }
}
