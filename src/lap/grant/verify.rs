//! Tokens that came in: checked once, then known by their hash.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use biscuit_auth::{Biscuit, PublicKey};
use parking_lot::Mutex;

use crate::types::{Hash, Timestamp};

use super::{BLOCKS_MAX, Bounds, Refusal, Root, TOKEN_BYTES_MAX, Token, Use, block};

/// The version of a block that has nothing but facts and plain checks: the first that Biscuit has. Later ones are for what no
/// bound needs, such as trusting other blocks.
const PLAIN: u32 = 3;

/// What a verified token proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The service account it was issued to.
    pub account: String,
    /// What is left of what it was issued for.
    pub bounds: Bounds,
    /// The token's hash, for records.
    pub hash: Hash,
}

impl Grant {
    /// Whether it is good for this call.
    ///
    /// # Errors
    /// The first thing that stands against it.
    pub fn check(&self, call: &Use<'_>) -> Result<(), Refusal> {
        self.bounds.check(call)
    }
}

/// Checks tokens of one root, and remembers those it found to be good. Bad ones are not remembered: a flood of them would
/// push out the good.
pub struct Verifier {
    root: PublicKey,
    most: usize,
    known: Mutex<Known>,
}

/// Grants by their tokens' hashes, and in the order in which they came.
#[derive(Default)]
struct Known {
    grants: HashMap<Hash, Arc<Grant>>,
    order: VecDeque<Hash>,
}

impl Verifier {
    /// A verifier of this root's tokens that remembers so many of them.
    pub fn new(root: &Root, most: usize) -> Verifier {
        Verifier { root: root.public(), most: most.max(1), known: Mutex::default() }
    }

    /// What the token proves at this time.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn verify(&self, token: &Token, now: Timestamp) -> Result<Arc<Grant>, Refusal> {
        // Before it is hashed, since hashing is what a huge one would cost.
        if token.bytes().len() > TOKEN_BYTES_MAX {
            return Err(Refusal::TooLarge);
        }
        let hash = token.hash();
        let known = self.known.lock().grants.get(&hash).cloned();
        let grant = match known {
            Some(grant) => grant,
            None => {
                let grant = Arc::new(self.open(token, hash)?);
                self.remember(&grant, now);
                grant
            }
        };
        match grant.bounds.until {
            Some(until) if now >= until => Err(Refusal::Expired { until }),
            _ => Ok(grant),
        }
    }

    /// How many tokens it remembers.
    pub fn remembered(&self) -> usize {
        self.known.lock().grants.len()
    }

    fn open(&self, token: &Token, hash: Hash) -> Result<Grant, Refusal> {
        let opened = Biscuit::from(token.bytes(), self.root).map_err(|error| match error {
            biscuit_auth::error::Token::Format(
                biscuit_auth::error::Format::Signature(_)
                | biscuit_auth::error::Format::SealedSignature
                | biscuit_auth::error::Format::UnknownPublicKey
                | biscuit_auth::error::Format::InvalidKey(_),
            ) => Refusal::Tampered,
            _ => Refusal::Malformed,
        })?;
        if opened.block_count() > BLOCKS_MAX {
            return Err(Refusal::TooLarge);
        }
        let mut account = None;
        let mut bounds = Bounds::default();
        for (place, foreign) in opened.external_public_keys().iter().enumerate() {
            // A block that somebody else signed speaks for them, and the host trusts nobody but itself.
            if foreign.is_some() {
                return Err(Refusal::Unknown { block: place });
            }
            // What else a block trusts is not in its source; its version tells.
            if opened.block_version(place).map_err(|_| Refusal::Malformed)? != PLAIN {
                return Err(Refusal::Unknown { block: place });
            }
            let source = opened.print_block_source(place).map_err(|_| Refusal::Malformed)?;
            let (own, name) = block::read(&source, place)?;
            bounds = bounds.and(&own);
            account = account.or(name);
        }
        let account = account.ok_or(Refusal::Unknown { block: 0 })?;
        Ok(Grant { account, bounds, hash })
    }

    fn remember(&self, grant: &Arc<Grant>, now: Timestamp) {
        let mut known = self.known.lock();
        let Known { grants, order } = &mut *known;
        if grants.contains_key(&grant.hash) {
            return;
        }
        while grants.len() >= self.most {
            let Some(oldest) = order.pop_front() else { break };
            grants.remove(&oldest);
        }
        // What has ended at the front is only in the way; the rest goes when its turn comes.
        let ended = |grants: &HashMap<Hash, Arc<Grant>>, hash: &Hash| {
            grants.get(hash).and_then(|grant| grant.bounds.until).is_some_and(|until| now >= until)
        };
        while order.front().is_some_and(|hash| ended(grants, hash)) {
            if let Some(hash) = order.pop_front() {
                grants.remove(&hash);
            }
        }
        order.push_back(grant.hash);
        grants.insert(grant.hash, Arc::clone(grant));
    }
}
