//! What others may ask of the router, and how it is put into the tree.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Config;
use super::actor::Shell;
use super::message::Message;
use super::offer::offer;
use super::record::{Lines, Registry, Scribe};
use crate::actors::{crown, runtime};
use crate::inference::Capabilities;
use crate::store::Journal;
use crate::supervision::{Address, Child, Failure, Mailbox, Overflow};
use crate::types::{Class, Cx, Hash, Timestamp, World};
use crate::ziggy::route::{Candidate, Feedback, Fib, Rib, build};
use crate::ziggy::{self, Governance, privacy};

/// Why the router could not do as asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// What is to be announced does not exist.
    #[error("could not announce {id:?} as AGENT@RUNTIME: there is no {what} that it can be; there is {known}")]
    NoOffer {
        /// The id.
        id: String,
        /// What is missing.
        what: String,
        /// What there is instead.
        known: String,
    },
    /// What is to be announced is there already.
    #[error("could not announce {0:?}: it stands in the configuration; a weight, a cap or an override changes it")]
    Configured(String),
    /// The actor did not answer.
    #[error(transparent)]
    Delivery(#[from] Failure),
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::NoOffer { .. } => Class::NotFound,
            Error::Configured(_) => Class::Conflict,
            Error::Delivery(failure) => failure.class(),
        }
    }
}

/// The tables in force: shared by every life of the actor and every handle.
pub(super) struct Published {
    pub(super) fib: ArcSwap<Fib>,
    pub(super) rib: ArcSwap<Rib>,
}

/// What the router works with.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) config: Config,
    pub(super) registry: Arc<Registry>,
    pub(super) crown: crown::Handle,
    pub(super) runtimes: Vec<runtime::Handle>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) published: Arc<Published>,
    pub(super) places: Places,
    pub(super) scribe: Arc<Scribe>,
}

/// What runtimes offer and where they are, by name.
type Places = Arc<BTreeMap<String, Capabilities>>;

/// Reaches the router. Lookups read the published tables and never wait.
#[derive(Clone)]
pub struct Handle {
    address: Address<Message>,
    published: Arc<Published>,
    crown: crown::Handle,
    places: Places,
    stale_s: u32,
    lines: Lines,
}

impl Handle {
    /// The router as a row of the tree, and its handle.
    pub fn launch(
        candidates: Vec<Candidate>,
        runtimes: Vec<runtime::Handle>,
        crown: crown::Handle,
        journal: Arc<dyn Journal>,
        (config, ziggy, privacy): (Config, &ziggy::Config, &privacy::Config),
        world: &World,
    ) -> (Handle, Child) {
        let mut rib = Rib::default();
        for candidate in candidates {
            // Whoever puts a host together asks first with `Rib::of`; what comes here all the same stays out.
            if let Err(reason) = rib.put(candidate) {
                tracing::error!(reason, "a candidate was not taken into the table");
            }
        }
        let fib = build(&rib, &Governance::default(), &ziggy.rules(), None, Timestamp::default());
        let published = Arc::new(Published { fib: ArcSwap::from_pointee(fib), rib: ArcSwap::from_pointee(rib) });
        let address = Address::new(Mailbox::new(config.waiting.max(1), Overflow::DropOldest), world);
        let place = |runtime: &runtime::Handle| (runtime.name().to_owned(), runtime.capabilities());
        let places: Places = Arc::new(runtimes.iter().map(place).collect());
        let (shared, stale_s) = (Arc::clone(&published), ziggy.live.stale_s);
        let lines = Lines::default();
        let parts = Parts {
            config,
            registry: Arc::new(Registry {
                providers: (*places).clone(),
                rules: ziggy.rules(),
                privacy: privacy.clone(),
            }),
            crown: crown.clone(),
            runtimes,
            journal,
            published: shared,
            places: Arc::clone(&places),
            scribe: Arc::new(Scribe::new(&config, lines.clone())),
        };
        let child = Child::actor("router", &address, move || Shell::new(parts.clone()));
        (Handle { address, published, crown, places, stale_s, lines }, child)
    }

    /// Where the journal may be cut without taking from any table what it is a change of.
    pub fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// The FIB in force. Never waits.
    pub fn fib(&self) -> Arc<Fib> {
        self.published.fib.load_full()
    }

    /// The RIB as of the last build. Never waits.
    pub fn rib(&self) -> Arc<Rib> {
        self.published.rib.load_full()
    }

    /// The candidate of this id as a person can announce it.
    ///
    /// # Errors
    /// There is no such agent or runtime, or it stands in the configuration.
    pub fn offer(&self, id: &str) -> Result<Candidate, Error> {
        offer(&self.published.rib.load(), &self.places, id)
    }

    /// When a row is gone that expires at this time.
    pub fn gone(&self, expires: Timestamp) -> Timestamp {
        Timestamp(expires.0.saturating_add(i64::from(self.stale_s) * 1_000_000))
    }

    /// What candidates have in flight at this moment: what a choice between equals looks at.
    pub fn in_flight(&self, candidate: &str) -> u32 {
        self.crown.in_flight(candidate)
    }

    /// Tells what became of a hop. Never waits; under overload the oldest observations go.
    pub fn observe(&self, cx: &Cx, feedback: Feedback) {
        let _ = self.address.try_cast(&cx.detached(), Message::Observe(feedback));
    }

    /// Builds the table now and returns its version.
    pub async fn rebuild(&self, cx: &Cx) -> Result<Hash, Error> {
        let ask = |reply| Message::Rebuild { reply };
        Ok(self.address.call_control(cx, ask).await.map_err(Failure::from)?)
    }
}
