//! What all requests share, across every life of the listener.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::follow::Work;
use super::meter::Meter;
use super::peers::Peers;
use super::tokens::{Token, Tokens};
use super::{Config, Error, Parts, Scope, gate};
use crate::types::Timestamp;

/// What all requests share.
pub(super) struct App {
    pub(super) parts: Parts,
    /// Counts what the journal and the tree tell.
    pub(super) meter: Meter,
    /// Places for requests; a permit is held until the last byte of the answer.
    pub(super) places: Arc<Semaphore>,
    /// Places that only requests take which steer or look.
    pub(super) steering: Arc<Semaphore>,
    /// Places of those who follow runs, which take one of the others besides.
    pub(super) watching: Arc<Semaphore>,
    /// Bytes of bodies that may still be read at the same time.
    pub(super) room: Arc<Semaphore>,
    /// Who is at the other end of connections.
    pub(super) peers: Arc<Peers>,
    /// Where it is bound, kept across lives so that a restart comes back to the same port.
    pub(super) bound: watch::Sender<Option<SocketAddr>>,
    /// Cancelled while the listener of this life is stopping.
    pub(super) stopping: ArcSwap<CancellationToken>,
    /// Cancelled when the time of this life's requests is over: from then on they answer that, and no more.
    pub(super) cutting: ArcSwap<CancellationToken>,
    /// The work of runs whose clients had to be left. Dropping it would stop them, as if their clients had gone.
    pub(super) left: Mutex<Vec<Work>>,
    tokens: ArcSwap<Tokens>,
    /// Held while tokens are changed, so that two changes do not lose one of them.
    changing: Mutex<()>,
}

impl App {
    pub(super) fn new(parts: Parts, bound: watch::Sender<Option<SocketAddr>>) -> App {
        let room = Arc::new(Semaphore::new(parts.config.bodies_bytes_max.min(Semaphore::MAX_PERMITS)));
        let places = Arc::new(Semaphore::new(parts.config.requests_max.min(Semaphore::MAX_PERMITS)));
        let steering = Arc::new(Semaphore::new(gate::STEERING));
        let watching =
            Arc::new(Semaphore::new(gate::watchers_most(parts.config.requests_max).min(Semaphore::MAX_PERMITS)));
        let meter = Meter::new(Arc::clone(&parts.metrics));
        let peers = Arc::new(Peers::new(&parts.config));
        App {
            parts,
            meter,
            places,
            steering,
            watching,
            room,
            peers,
            bound,
            stopping: ArcSwap::from_pointee(CancellationToken::new()),
            cutting: ArcSwap::from_pointee(CancellationToken::new()),
            left: Mutex::default(),
            tokens: ArcSwap::default(),
            changing: Mutex::new(()),
        }
    }

    pub(super) fn config(&self) -> &Config {
        &self.parts.config
    }

    /// Whether only this machine can reach it; before it is bound, what the config says.
    pub(super) fn loopback(&self) -> bool {
        self.bound.borrow().map_or(self.config().listen, |bound| bound).ip().is_loopback()
    }

    /// Reads the tokens again, as a start does.
    pub(super) fn load_tokens(&self) -> Result<(), Error> {
        let _one_at_a_time = self.changing.lock();
        self.tokens.store(Arc::new(Tokens::open(&self.parts.data_dir)?));
        Ok(())
    }

    pub(super) fn tokens(&self) -> Arc<Tokens> {
        self.tokens.load_full()
    }

    pub(super) fn make_token(&self, name: &str, scopes: &[Scope], expires: Option<Timestamp>) -> Result<String, Error> {
        let _one_at_a_time = self.changing.lock();
        let mut tokens = Tokens::clone(&self.tokens.load());
        let token = tokens.create(&self.parts.data_dir, name, scopes, expires)?;
        self.tokens.store(Arc::new(tokens));
        Ok(token)
    }

    pub(super) fn revoke_token(&self, name: &str) -> Result<Option<Token>, Error> {
        let _one_at_a_time = self.changing.lock();
        let mut tokens = Tokens::clone(&self.tokens.load());
        let revoked = tokens.revoke(&self.parts.data_dir, name, self.parts.world.clock.wall())?;
        self.tokens.store(Arc::new(tokens));
        Ok(revoked)
    }
}
