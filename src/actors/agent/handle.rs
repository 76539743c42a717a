//! What others may ask of an agent, and how one is put into the tree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::actor::Shell;
use super::definition::{Definition, Profile};
use super::message::{Message, Work};
use super::{Assignment, Outcome};
use crate::actors::{executor, runtime};
use crate::inference::{self, Embedder, Usage};
use crate::lap::Workspace;
use crate::memory;
use crate::store::Journal;
use crate::supervision::{Address, Child, Failure, Mailbox, Overflow, Shutdown, Tree};
use crate::types::{Class, Cx, World};

/// Why an assignment has no outcome.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The model could not answer.
    #[error(transparent)]
    Runtime(#[from] runtime::Error),
    /// The agent's runtime is not in the config.
    #[error("could not work: runtime {runtime:?} is not configured; add [inference.runtimes.{runtime}]")]
    NoRuntime {
        /// The name it looks for.
        runtime: String,
    },
    /// The model was asked as often as allowed.
    #[error("could not finish within {limit} turns")]
    Turns {
        /// The limit.
        limit: u32,
    },
    /// The tokens are spent.
    #[error("could not finish within {limit} tokens: {spent} are spent")]
    Tokens {
        /// Spent so far.
        spent: u64,
        /// The limit.
        limit: u64,
    },
    /// The model goes round in circles.
    #[error("could not finish: it went round in circles: {what}, {repeats} times with the same arguments")]
    Loop {
        /// Which tools, in the order of the turns that repeat.
        what: String,
        /// Turns of the cycle.
        turns: usize,
        /// Times it came round.
        repeats: usize,
    },
    /// What was to be remembered could not be written down.
    #[error("could not remember: {0}")]
    Memory(String),
    /// The answer is longer than anybody is given.
    #[error("could not use the answer of {bytes} bytes: at most {limit} are taken (io.answer_bytes_max)")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The agent's own code failed.
    #[error("could not work: {0}")]
    Code(String),
    /// The agent has as much work as it may hold.
    #[error("could not give {agent} more work: {waiting} assignments wait already")]
    Full {
        /// Which agent.
        agent: String,
        /// How many wait.
        waiting: u32,
    },
    /// The actor did not answer.
    #[error(transparent)]
    Delivery(#[from] Failure),
    /// It failed after turns that took tokens.
    #[error("{error}")]
    Spent {
        /// What those turns took.
        usage: Usage,
        /// Why it failed.
        error: Box<Error>,
    },
}

impl Error {
    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Runtime(error) => error.class(),
            Error::NoRuntime { .. } | Error::Memory(_) => Class::Unavailable,
            Error::Turns { .. } | Error::Tokens { .. } | Error::Loop { .. } | Error::Full { .. } => Class::Exhausted,
            // As a candidate that fails in another way: the next one may be brief.
            Error::TooLong { .. } => Class::Unavailable,
            Error::Code(_) => Class::Internal,
            Error::Delivery(failure) => failure.class(),
            Error::Spent { error, .. } => error.class(),
        }
    }

    /// What went wrong, whatever had been spent by then.
    pub fn cause(&self) -> &Error {
        match self {
            Error::Spent { error, .. } => error.cause(),
            cause => cause,
        }
    }

    /// What was processed before it failed; none if nobody knows.
    pub fn usage(&self) -> Option<Usage> {
        match self {
            Error::Spent { usage, error } => error.usage().map(|more| {
                let mut all = *usage;
                all += more;
                all
            }),
            Error::Runtime(runtime::Error::Runtime(error)) => match error {
                inference::Error::Internal(_) | inference::Error::Protocol { .. } => None,
                // IF3 of `inference`.
                known => Some(known.usage()),
            },
            // What was refused at the door was not begun.
            Error::Runtime(runtime::Error::Full { .. } | runtime::Error::Delivery(Failure::Busy))
            | Error::Full { .. }
            | Error::NoRuntime { .. }
            | Error::Delivery(Failure::Busy) => Some(Usage::default()),
            // What the turns took stands around it.
            Error::Turns { .. } | Error::Tokens { .. } | Error::Loop { .. } => Some(Usage::default()),
            Error::Runtime(runtime::Error::Delivery(_))
            | Error::Memory(_)
            | Error::TooLong { .. }
            | Error::Code(_)
            | Error::Delivery(_) => None,
        }
    }
}

/// What an agent works with.
#[derive(Clone)]
pub struct Parts {
    /// Its runtime, if it is configured.
    pub runtime: Option<runtime::Handle>,
    /// Every runtime by name: a person may announce it on others than its own.
    pub runtimes: Arc<BTreeMap<String, runtime::Handle>>,
    /// The host's tools.
    pub executor: executor::Handle,
    /// The folder its tools are granted.
    pub workspace: Option<Workspace>,
    /// What makes vectors of texts.
    pub embedder: Arc<dyn Embedder>,
    /// Where memories are written.
    pub journal: Arc<dyn Journal>,
    /// Limits of a memory.
    pub memory: memory::Config,
    /// Bytes of an answer at the most.
    pub answer_bytes_max: usize,
}

/// Reaches one agent.
#[derive(Clone)]
pub struct Handle {
    address: Address<Message>,
    profile: Arc<Profile>,
}

impl Handle {
    /// An agent as a row of the tree (a subtree if it has actors of its own), and its handle.
    pub fn launch(definition: Definition, parts: Parts, world: &World) -> (Handle, Child) {
        let Definition { profile, brain, children, strategy } = definition;
        let profile = Arc::new(profile);
        let address =
            Address::new(Mailbox::new(profile.waiting + profile.concurrency.max(1) as usize, Overflow::Refuse), world);
        let (shared, id) = (Arc::clone(&profile), profile.name.clone());
        let alone = children.is_empty();
        let own_id = if alone { id.clone() } else { "self".to_owned() };
        let child =
            Child::actor(own_id, &address, move || Shell::new(Arc::clone(&shared), brain.clone(), parts.clone()))
                .shutdown(Shutdown::After(AGENT_GRACE));
        let child = if alone {
            child
        } else {
            let tree = Tree::new(id, strategy).intensity(AGENT_RESTARTS, AGENT_PERIOD);
            Child::tree(tree.children(children).child(child))
        };
        (Handle { address, profile }, child)
    }

    /// Its profile.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Does one assignment. Giving up on the answer stops the work.
    pub async fn work(&self, cx: &Cx, assignment: Assignment) -> Result<Outcome, Error> {
        let within = Duration::from_secs(self.profile.work_within_s);
        let work_cx = cx.child().with_deadline(self.address.now() + within);
        let _stop_with_caller = work_cx.cancel_token().clone().drop_guard();
        let ask = |reply| Message::Work(Box::new(Work { cx: work_cx.clone(), assignment, reply }));
        self.address.call(&work_cx, ask).await.map_err(Failure::from)?
    }
}

/// Time for an agent to answer what it is about to answer when the host stops.
const AGENT_GRACE: Duration = Duration::from_secs(10);

/// An agent with actors of its own may have them restarted five times in ten seconds before the level above decides:
/// enough for a fault that passes, and over before anybody waits for long.
const AGENT_RESTARTS: u32 = 5;
const AGENT_PERIOD: Duration = Duration::from_secs(10);
