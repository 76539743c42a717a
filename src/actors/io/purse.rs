//! The purse of a run: what it may still take, shared by all its pieces and every attempt at them (IO8).
//!
//! A share of it is the worst case of one attempt. Whoever finds too little only because other pieces of the same run
//! have shares waits until one of these is settled; nobody else is kept waiting by that, since a purse belongs to one
//! run, and no attempt that has its share waits for another's.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::types::Budget;
use crate::ziggy::budget::{Amounts, Caps, Once, Portion, Refusal, Room};

/// What a run may take in all.
pub(super) struct Purse {
    once: Mutex<Once>,
    settled: Notify,
}

/// The share of one attempt. Dropping it settles it: in full from the moment somebody may have been asked under it, and
/// not at all before that.
#[must_use = "dropping it gives the share back"]
pub(super) struct Share {
    purse: Arc<Purse>,
    portion: Option<Portion>,
    asked: bool,
}

impl Purse {
    pub(super) fn new(most: Budget) -> Arc<Purse> {
        Arc::new(Purse { once: Mutex::new(Once::new(most)), settled: Notify::new() })
    }

    /// What is left of what the caller allowed.
    pub(super) fn left(&self) -> Budget {
        self.once.lock().left()
    }

    /// A share of this size, once there is room for it; a refusal if there will be none.
    pub(super) async fn take(
        self: &Arc<Self>,
        limits: &[(String, Caps)],
        amounts: Amounts,
    ) -> Result<Share, Box<Refusal>> {
        loop {
            let mut settled = std::pin::pin!(self.settled.notified());
            // What is settled between the look and the wait counts.
            settled.as_mut().enable();
            let room = self.once.lock().reserve(limits.to_vec(), amounts);
            match room {
                Room::Reserved(portion) => {
                    return Ok(Share { purse: Arc::clone(self), portion: Some(portion), asked: false });
                }
                Room::Never(refusal) => return Err(Box::new(refusal)),
                Room::Later => settled.await,
            }
        }
    }
}

impl Share {
    /// From now on somebody may be asked under it.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }

    /// The most that may be taken under it.
    pub(super) fn amounts(&self) -> Amounts {
        self.portion.as_ref().map_or(Amounts::ZERO, Portion::amounts)
    }

    /// Counts what was really taken.
    pub(super) fn settle(mut self, actual: Amounts) {
        self.end(actual);
    }

    fn end(&mut self, actual: Amounts) {
        if let Some(portion) = self.portion.take() {
            self.purse.once.lock().settle(portion, actual);
            self.purse.settled.notify_waiters();
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let taken = if self.asked { self.amounts() } else { Amounts::ZERO };
        self.end(taken);
    }
}
