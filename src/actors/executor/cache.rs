//! Answers that may be used again, and locks by which equal calls wait for each other.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::Instant;

use crate::types::Hash;

/// Answers by the hash of everything that can change them. The one that was used longest ago goes first.
pub(super) struct Cache {
    /// Bytes of all answers at the most; 0 keeps none.
    most: usize,
    inner: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    answers: HashMap<Hash, Answer>,
    /// By the number of its last use.
    order: BTreeMap<u64, Hash>,
    uses: u64,
    bytes: usize,
}

struct Answer {
    value: Arc<Value>,
    bytes: usize,
    until: Instant,
    used: u64,
}

impl Cache {
    pub(super) fn new(most: usize) -> Cache {
        Cache { most, inner: Mutex::default() }
    }

    /// The answer, if it is still good.
    pub(super) fn get(&self, key: Hash, now: Instant) -> Option<Arc<Value>> {
        let kept = &mut *self.inner.lock();
        let good = kept.answers.get(&key)?.until > now;
        if !good {
            kept.remove(key);
            return None;
        }
        kept.uses += 1;
        let answer = kept.answers.get_mut(&key)?;
        kept.order.remove(&answer.used);
        answer.used = kept.uses;
        kept.order.insert(kept.uses, key);
        Some(Arc::clone(&answer.value))
    }

    /// Keeps an answer of so many bytes for so long. One that is larger than everything that may be kept is not.
    pub(super) fn put(&self, key: Hash, value: Arc<Value>, bytes: usize, keep: Duration, now: Instant) {
        if bytes > self.most {
            return;
        }
        let kept = &mut *self.inner.lock();
        kept.remove(key);
        while kept.bytes + bytes > self.most {
            let Some((_, oldest)) = kept.order.first_key_value() else { break };
            let oldest = *oldest;
            kept.remove(oldest);
        }
        kept.uses += 1;
        let used = kept.uses;
        kept.order.insert(used, key);
        kept.bytes += bytes;
        kept.answers.insert(key, Answer { value, bytes, until: now + keep, used });
    }

    /// Answers that are kept now.
    pub(super) fn len(&self) -> usize {
        self.inner.lock().answers.len()
    }
}

impl Kept {
    fn remove(&mut self, key: Hash) {
        if let Some(answer) = self.answers.remove(&key) {
            self.order.remove(&answer.used);
            self.bytes -= answer.bytes;
        }
    }
}

/// One lock for each name that somebody holds or waits for, and none for the others.
#[derive(Default)]
pub(super) struct Locks {
    known: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

/// Names without a holder are looked for each time so many more are known.
const SWEEP_EVERY: usize = 1_024;

impl Locks {
    /// The lock of a name.
    pub(super) fn of(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut known = self.known.lock();
        if let Some(lock) = known.get(name).and_then(Weak::upgrade) {
            return lock;
        }
        if known.len() >= SWEEP_EVERY && known.len().is_multiple_of(SWEEP_EVERY) {
            known.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        known.insert(name.to_owned(), Arc::downgrade(&lock));
        lock
    }
}
