//! What others may ask of CROWN, and how it is put into the tree.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::actor::Shell;
use super::message::Message;
use super::permit::{Asked, Gates, Permit};
use super::{Alert, Change, Config};
use crate::actors::runtime::Hears;
use crate::inference::{Left, Pacing};
use crate::store::Journal;
use crate::supervision::{Address, Child, Failure, Mailbox, Overflow, Shutdown};
use crate::types::{Class, Cx, World};
use crate::ziggy::limit::{self, Allowance, Heard};
use crate::ziggy::{Admission, Governance, Value};

/// Why CROWN could not do as asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The change makes no sense.
    #[error("could not change the governance: {0}")]
    Invalid(String),
    /// There is no such alert.
    #[error("could not find alert {0}")]
    NoAlert(u64),
    /// The journal did not take it; nothing has changed.
    #[error("could not record the change, so nothing was changed: {0}")]
    Journal(String),
    /// The actor did not answer.
    #[error(transparent)]
    Delivery(#[from] Failure),
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Invalid(_) => Class::Invalid,
            Error::NoAlert(_) => Class::NotFound,
            Error::Journal(_) => Class::Unavailable,
            Error::Delivery(failure) => failure.class(),
        }
    }
}

/// What CROWN publishes, and what permits are counted in: shared by every life of the actor and every handle.
pub(super) struct Published {
    pub(super) governance: ArcSwap<Governance>,
    pub(super) version: watch::Sender<u64>,
    pub(super) gates: Gates,
}

/// Reaches CROWN.
#[derive(Clone)]
pub struct Handle {
    address: Address<Message>,
    published: Arc<Published>,
}

/// Operators' requests that may wait; there are never many.
const WAITING: usize = 64;

impl Handle {
    /// CROWN's actor as a row of the tree, and its handle. The governance in force is read from the journal when the
    /// actor starts.
    pub fn launch(journal: Arc<dyn Journal>, config: Config, world: &World) -> (Handle, Child) {
        let published = Arc::new(Published {
            governance: ArcSwap::from_pointee(Governance::default()),
            version: watch::Sender::new(0),
            gates: Gates::new(world),
        });
        let address = Address::new(Mailbox::new(WAITING, Overflow::Refuse), world);
        let shared = Arc::clone(&published);
        let child =
            Child::actor("governor", &address, move || Shell::new(Arc::clone(&journal), config, Arc::clone(&shared)))
                .shutdown(Shutdown::Drain(Duration::from_secs(5)));
        (Handle { address, published }, child)
    }

    /// The snapshot in force. Never waits.
    pub fn governance(&self) -> Arc<Governance> {
        self.published.governance.load_full()
    }

    /// Versions of the governance as they come into force.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.published.version.subscribe()
    }

    /// Whether a candidate may be given a request now; if so, with the place it takes. Never waits.
    pub fn admit(&self, candidate: &str, cap: Option<u32>, value: Value) -> (Admission, Option<Permit>) {
        self.ask(&Asked { candidate, runtime: "", cap, value, tokens: 0, last_resort: false })
    }

    /// The same, with the limits of the candidate and its provider asked in the same step. Never waits.
    pub fn ask(&self, asked: &Asked<'_>) -> (Admission, Option<Permit>) {
        let governance = self.published.governance.load();
        self.published.gates.take(&governance, asked)
    }

    /// The same handle with these limits in force, from the first request on.
    #[must_use]
    pub fn limited(self, limits: limit::Config) -> Handle {
        self.published.gates.limit(limits);
        self
    }

    /// The limits in force.
    pub fn limits(&self) -> Arc<limit::Config> {
        self.published.gates.limits()
    }

    /// Whether a runtime may be bothered beyond the first attempt.
    pub fn may_retry(&self, runtime: &str) -> bool {
        self.published.gates.may_retry(runtime)
    }

    /// The latency that 95 of 100 of a candidate's answers stay under, in microseconds, once there were enough.
    pub fn p95_us(&self, candidate: &str) -> Option<u64> {
        self.published.gates.p95_us(candidate)
    }

    /// Requests a candidate is sent at a time, for now, if it was ever asked for.
    pub fn limit_of(&self, candidate: &str) -> Option<u32> {
        self.published.gates.limit_of(candidate)
    }

    /// How often a place has become free so far, at any candidate.
    pub fn freed(&self) -> u64 {
        self.published.gates.freed()
    }

    /// Returns when a place has become free more often than this.
    pub async fn freed_since(&self, seen: u64) {
        self.published.gates.freed_since(seen).await;
    }

    /// How many requests a candidate has in flight.
    pub fn in_flight(&self, candidate: &str) -> u32 {
        self.published.gates.in_flight(candidate)
    }

    /// Changes the governance, in the name of the context's principal, and returns the version that is now in force.
    pub async fn change(&self, cx: &Cx, change: Change) -> Result<u64, Error> {
        let author = cx.principal().name.clone();
        let ask = |reply| Message::Change { change, author, reply };
        self.address.call_control(cx, ask).await.map_err(Failure::from)?
    }

    /// The alerts, newest first.
    pub async fn alerts(&self, cx: &Cx) -> Result<Vec<Alert>, Error> {
        Ok(self.address.call_control(cx, |reply| Message::Alerts { reply }).await.map_err(Failure::from)?)
    }

    /// Notes that the context's principal has seen an alert.
    pub async fn acknowledge(&self, cx: &Cx, alert: u64) -> Result<(), Error> {
        let author = cx.principal().name.clone();
        let ask = |reply| Message::Acknowledge { alert, author, reply };
        self.address.call_control(cx, ask).await.map_err(Failure::from)?
    }
}

impl Hears for Handle {
    /// C5.
    fn heard(&self, runtime: &str, refused: Option<Option<Duration>>, pacing: &Pacing) {
        let allowance = |left: Left| Allowance { remaining: left.remaining, resets_us: micros(left.resets_after) };
        let pause = self.limits().pause_ms.saturating_mul(1_000);
        let said = Heard {
            wait_us: refused.map(|wait| wait.map_or(pause, micros)),
            requests: pacing.requests.map(allowance),
            tokens: pacing.tokens.map(allowance),
        };
        self.published.gates.heard(runtime, &said);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
