//! What others may ask of CROWN, and how it is put into the tree.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::actor::Shell;
use super::message::Message;
use super::permit::{Permit, Places};
use super::treasury::Treasury;
use super::{Alert, Change, Config, Severity};
use crate::store::Journal;
use crate::supervision::{Address, Child, Failure, Mailbox, Overflow, Shutdown};
use crate::types::{Class, Clock, Cx, World};
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
    pub(super) places: Places,
    pub(super) treasury: Arc<Treasury>,
}

/// Reaches CROWN.
#[derive(Clone)]
pub struct Handle {
    address: Address<Message>,
    published: Arc<Published>,
    clock: Arc<dyn Clock>,
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
            places: Places::default(),
            treasury: Arc::new(Treasury::new(Arc::clone(&world.clock))),
        });
        let address = Address::new(Mailbox::new(WAITING, Overflow::Refuse), world);
        let shared = Arc::clone(&published);
        let child =
            Child::actor("governor", &address, move || Shell::new(Arc::clone(&journal), config, Arc::clone(&shared)))
                .shutdown(Shutdown::Drain(Duration::from_secs(5)));
        (Handle { address, published, clock: Arc::clone(&world.clock) }, child)
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
        let governance = self.published.governance.load();
        self.published.places.take(&governance, candidate, cap, value, self.clock.wall())
    }

    /// Budgets and prices.
    pub fn treasury(&self) -> &Arc<Treasury> {
        &self.published.treasury
    }

    /// How many requests a candidate has in flight.
    pub fn in_flight(&self, candidate: &str) -> u32 {
        self.published.places.in_flight(candidate)
    }

    /// Changes the governance, in the name of the context's principal, and returns the version that is now in force.
    pub async fn change(&self, cx: &Cx, change: Change) -> Result<u64, Error> {
        let author = cx.principal().name.clone();
        let ask = |reply| Message::Change { change, author, reply };
        self.address.call_control(cx, ask).await.map_err(Failure::from)?
    }

    /// Raises an alert of this kind about this subject. Waits for room only.
    pub async fn raise(
        &self,
        cx: &Cx,
        severity: Severity,
        kind: &str,
        subject: &str,
        message: &str,
    ) -> Result<(), Error> {
        let (kind, subject, message) = (kind.to_owned(), subject.to_owned(), message.to_owned());
        let raise = Message::Raise { severity, kind, subject, message };
        Ok(self.address.cast(cx, raise).await.map_err(Failure::from)?)
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
