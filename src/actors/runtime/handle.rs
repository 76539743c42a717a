//! What others may ask of a runtime, and how one is put into the tree.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::actor::Shell;
use super::message::{Message, Work};
use super::{Config, View};
use crate::inference::{
    self, Capabilities, ChildCommand, Completion, Delta, Health, Message as Said, Pacing, Request, Role, Runtime,
};
use crate::supervision::{Address, Backoff, Child, Failure, Mailbox, Overflow, Shutdown};
use crate::types::{Class, Classified, Cx, World};

/// Why a generation failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The runtime said why.
    #[error(transparent)]
    Runtime(#[from] inference::Error),
    /// The runtime has as much work as it may hold.
    #[error("could not use {runtime}: {waiting} requests wait already")]
    Full {
        /// Which runtime.
        runtime: String,
        /// How many wait.
        waiting: usize,
    },
    /// The actor did not answer.
    #[error(transparent)]
    Delivery(#[from] Failure),
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Runtime(error) => error.class(),
            Error::Full { .. } => Class::Exhausted,
            Error::Delivery(failure) => failure.class(),
        }
    }
}

/// What a runtime actor is made of.
pub struct Launch {
    /// The runtime it drives.
    pub runtime: Arc<dyn Runtime>,
    /// The process to start before it can be used, if it has one of its own.
    pub child: Option<ChildCommand>,
}

/// Who is told what providers say about how much more they take, in an answer or a refusal.
pub trait Hears: Send + Sync + 'static {
    /// A runtime's provider said what is left, or refused for overload and may have said for how long. Never waits.
    fn heard(&self, runtime: &str, refused: Option<Option<Duration>>, pacing: &Pacing);
}

/// Reaches one runtime.
#[derive(Clone)]
pub struct Handle {
    address: Address<Message>,
    shown: Arc<Shown>,
    name: Arc<str>,
}

/// What a runtime shows: shared by every life of the actor and every handle.
pub(super) struct Shown {
    pub(super) view: watch::Sender<View>,
    pub(super) health: watch::Sender<Health>,
    pub(super) hears: OnceLock<Arc<dyn Hears>>,
}

/// News that may wait for a slow reader before the generation waits with it.
const NEWS_WAITING: usize = 256;

/// A model that is loaded again and again costs seconds each time, so failures in a row wait longer and longer.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(200), most: Duration::from_secs(30), reset_after: Duration::from_secs(60) };

impl Handle {
    /// A runtime actor as a row of the tree, and its handle.
    pub fn launch(launch: Launch, config: Config, world: &World) -> (Handle, Child) {
        let capabilities = launch.runtime.capabilities();
        let name: Arc<str> = Arc::from(capabilities.name.as_str());
        let address =
            Address::new(Mailbox::new(config.waiting + config.concurrency.max(1) as usize, Overflow::Refuse), world);
        let view = View::of(capabilities);
        let health = watch::Sender::new(view.health.clone());
        let shown = Arc::new(Shown { view: watch::Sender::new(view), health, hears: OnceLock::new() });
        let (launch, shared) = (Arc::new(launch), Arc::clone(&shown));
        let child =
            Child::actor(&*name, &address, move || Shell::new(Arc::clone(&launch), config, Arc::clone(&shared)))
                .backoff(BACKOFF)
                .shutdown(Shutdown::After(Duration::from_secs(10)));
        (Handle { address, shown, name }, child)
    }

    /// Names who is told what the runtime's provider says of itself. The first one stays.
    pub fn tell(&self, hears: Arc<dyn Hears>) {
        let _ = self.shown.hears.set(hears);
    }

    /// Its name in the config.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it can do.
    pub fn capabilities(&self) -> Capabilities {
        self.shown.view.borrow().capabilities.clone()
    }

    /// What it last showed of itself.
    pub fn view(&self) -> View {
        self.shown.view.borrow().clone()
    }

    /// Its health as it changes.
    pub fn watch_health(&self) -> watch::Receiver<Health> {
        self.shown.health.subscribe()
    }

    /// Generates, sending news as it goes, if the place it runs in may see the request.
    pub async fn generate(
        &self,
        cx: &Cx,
        request: Classified<Request>,
        news: mpsc::Sender<Delta>,
    ) -> Result<Completion, Error> {
        let work_cx = cx.child();
        let _stop_with_caller = work_cx.cancel_token().clone().drop_guard();
        let ask = |reply| Message::Generate(Box::new(Work { cx: work_cx.clone(), request, news, reply }));
        self.address.call(cx, ask).await.map_err(Failure::from)?
    }

    /// Generates an answer to one prompt and returns its text: what an agent in code needs most.
    pub async fn complete(&self, cx: &Cx, system: &str, prompt: &str, max_tokens: u32) -> Result<String, Error> {
        let (news, mut unread) = mpsc::channel(NEWS_WAITING);
        let request = Request {
            messages: vec![Said::new(Role::System, system), Said::new(Role::User, prompt)],
            tools: Vec::new(),
            max_tokens,
            temperature: 0.0,
            seed: 0,
        };
        unread.close();
        Ok(self.generate(cx, Classified::under(cx, request), news).await?.text)
    }
}
