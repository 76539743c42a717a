//! Sends news to whoever listens to a generation, and never lets a slow listener hold the generation up.
//!
//! A full channel makes text wait here and go out with the next piece, so no text is lost; progress of reading is
//! only of use when fresh and is dropped instead.

use tokio::sync::mpsc::{Sender, error::TrySendError};

use super::Delta;

/// One generation's line to its listener. What waits in it is bounded by the answer itself.
pub(super) struct News {
    listener: Sender<Delta>,
    waiting: String,
}

impl News {
    pub(super) fn new(listener: Sender<Delta>) -> News {
        News { listener, waiting: String::new() }
    }

    /// Says how much of the prompt was read.
    pub(super) fn reading(&self, tokens: u64, total: u64) {
        // A full or closed channel is fine: the next report replaces this one.
        let _ = self.listener.try_send(Delta::Reading { tokens, total });
    }

    /// Says that the answer goes on with this text.
    pub(super) fn text(&mut self, text: &str) {
        self.waiting.push_str(text);
        if self.waiting.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.waiting);
        if let Err(TrySendError::Full(Delta::Text { text })) = self.listener.try_send(Delta::Text { text }) {
            self.waiting = text;
        }
    }

    /// Hands over what still waits, without making the caller wait for a listener that reads only afterwards.
    pub(super) fn finish(self) {
        if self.waiting.is_empty() {
            return;
        }
        let News { listener, waiting } = self;
        #[expect(clippy::disallowed_methods, reason = "ends by itself when the listener reads or leaves")]
        tokio::spawn(async move {
            // The listener left: nobody is there to miss the text.
            let _ = listener.send(Delta::Text { text: waiting }).await;
        });
    }
}
