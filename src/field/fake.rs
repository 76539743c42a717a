//! A receiver for tests: it keeps what comes, and answers as it is told to.

use std::collections::VecDeque;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Error, Notice, Outbound};
use crate::types::{Cleared, Cx};

/// Keeps notices. The answers it was given come first, in order; after them everything arrives.
#[derive(Default)]
pub struct Mailroom {
    answers: Mutex<VecDeque<Result<(), Error>>>,
    came: watch::Sender<Vec<Notice>>,
}

impl Mailroom {
    /// One that answers like this first.
    pub fn answering(answers: impl IntoIterator<Item = Result<(), Error>>) -> Mailroom {
        Mailroom { answers: Mutex::new(answers.into_iter().collect()), came: watch::Sender::default() }
    }

    /// Every attempt so far.
    pub fn attempts(&self) -> Vec<Notice> {
        self.came.borrow().clone()
    }

    /// Returns every attempt once there are as many as this.
    pub async fn until(&self, attempts: usize) -> Vec<Notice> {
        let mut came = self.came.subscribe();
        // The sender is part of what is borrowed here, so it cannot be gone.
        match came.wait_for(|came| came.len() >= attempts).await {
            Ok(came) => came.clone(),
            Err(_) => Vec::new(),
        }
    }
}

#[async_trait]
impl Outbound for Mailroom {
    async fn deliver(&self, _cx: &Cx, notice: &Cleared<Notice>) -> Result<(), Error> {
        let answer = self.answers.lock().pop_front().unwrap_or(Ok(()));
        self.came.send_modify(|came| came.push(notice.get().clone()));
        answer
    }
}
