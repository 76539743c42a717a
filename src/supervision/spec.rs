//! Child specs as data: the whole tree is one table that can be read on one screen.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::actor::{Actor, Fault, Shell, StartChild};
use super::address::Address;
use super::context::Context;
use super::mailbox::Envelope;
use super::supervisor::{Handle, Link};
use super::watch::{Stuck, Watch};

/// Which children are restarted when one of them ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Only the one that ended.
    OneForOne,
    /// All of them: each depends on every other.
    OneForAll,
    /// The one that ended and all that were started after it: each depends on those before it.
    RestForOne,
}

/// How many restarts are allowed in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    /// Restarts allowed within the period; one more and the supervisor gives up.
    pub restarts: u32,
    /// The sliding window they are counted in.
    pub period: Duration,
}

/// When a child that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// Only when it failed.
    Transient,
    /// Never: it leaves the table when it ends.
    Temporary,
}

/// How a child is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// At its next await, without its stop hook. Of a tree: every child in it, at once.
    Kill,
    /// After its start hook or the message it is handling, with its stop hook; killed if that takes longer.
    After(Duration),
    /// After all mail it already has, with its stop hook; killed if that takes longer.
    Drain(Duration),
}

/// How long to wait before a restart: exponential with full jitter, so that what failed together does not return
/// together (Exponential Backoff and Jitter, AWS Architecture Blog, 2015).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Ceiling of the first wait; doubled with each restart in a row.
    pub first: Duration,
    /// The ceiling never grows beyond this.
    pub most: Duration,
    /// A child that stayed up this long starts again from the first wait.
    pub reset_after: Duration,
}

impl Backoff {
    /// No wait at all.
    pub const NONE: Backoff =
        Backoff { first: Duration::ZERO, most: Duration::ZERO, reset_after: Duration::from_secs(1) };

    /// The wait before restart number `attempt` (from 0), with `chance` spread over the upper half of the ceiling, so
    /// that some wait is always kept.
    pub fn wait(self, attempt: u32, chance: u64) -> Duration {
        let ceiling = self.first.saturating_mul(1u32.checked_shl(attempt.min(31)).unwrap_or(u32::MAX)).min(self.most);
        let half = ceiling / 2;
        let spread = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).saturating_add(1);
        half + Duration::from_micros(chance % spread)
    }
}

/// Whether a supervisor ends when its significant children have ended by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoShutdown {
    /// It stays.
    Never,
    /// It ends with the first of them.
    AnySignificant,
    /// It ends with the last of them.
    AllSignificant,
}

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// By its own decision.
    Normal,
    /// Because it was told to.
    Stopped,
    /// Its handler or hook failed or panicked, with this message.
    Failed(String),
    /// It was killed, by its supervisor or from outside.
    Killed,
    /// It was killed but did not end: its handler blocks a thread. It is left behind and counted.
    Lost,
}

impl Exit {
    /// Whether a transient child is restarted after this.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Exit::Normal | Exit::Stopped)
    }
}

/// The rules of one child, without what starts it. What the pure plan works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) restart: Restart,
    pub(super) shutdown: Shutdown,
    pub(super) significant: bool,
    pub(super) backoff: Backoff,
    /// How long its start may take before it is killed.
    pub(super) start_limit: Duration,
    /// How long it may take to end after it was killed before it is left behind.
    pub(super) kill_grace: Duration,
    /// How long its handler may take; as its tree says if it says nothing itself.
    pub(super) watch: Watched,
}

/// Whether the handler of a child is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watched {
    /// As the tree says that it is launched in.
    AsTree,
    /// By this rule, or not at all.
    Own(Option<Watch>),
}

impl Watched {
    /// The rule for a child of a tree with this one.
    pub(super) fn within(self, tree: Option<Watch>) -> Option<Watch> {
        match self {
            Watched::AsTree => tree,
            Watched::Own(own) => own,
        }
    }
}

/// One row of the table: a child, how it is started, restarted and stopped.
pub struct Child {
    pub(super) id: String,
    pub(super) rules: Rules,
    pub(super) start: Start,
}

pub(super) enum Start {
    Actor(Arc<dyn StartChild>),
    Tree(Box<Tree>),
}

/// A worker has five seconds to finish its message and its stop hook, as in OTP.
const WORKER_SHUTDOWN: Duration = Duration::from_secs(5);

/// A subtree has a minute, since its own children are stopped one after another within it.
const TREE_SHUTDOWN: Duration = Duration::from_secs(60);

/// A start hook may take a minute: opening a store verifies it, but nothing loads a model here.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A subtree starts its children one after another, so it gets the time of several.
const TREE_START_LIMIT: Duration = Duration::from_secs(300);

/// How long a killed child may take to end before it is left behind: a handler that never awaits cannot be stopped,
/// and one such handler must not hold up the shutdown of a host. A subtree kills its own children within its grace,
/// so each level adds as much.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// A first wait that a person does not notice, doubling to half a minute.
const DEFAULT_BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(20), most: Duration::from_secs(30), reset_after: Duration::from_secs(60) };

/// The actor of [`Child::from_fn`].
struct Small<M, S, H> {
    state: S,
    handle: Arc<H>,
    message: PhantomData<fn(M)>,
}

impl<M, S, H> Actor for Small<M, S, H>
where
    M: Send + 'static,
    S: Send + Sync + 'static,
    H: Fn(&mut S, M) + Send + Sync + 'static,
{
    type Message = M;

    async fn handle(&mut self, envelope: Envelope<M>, _context: &mut Context<M>) -> Result<(), Fault> {
        (self.handle)(&mut self.state, envelope.message);
        Ok(())
    }
}

impl Child {
    /// A child that runs this actor behind this address. `make` is called for every incarnation.
    pub fn actor<A: Actor>(
        id: impl Into<String>,
        address: &Address<A::Message>,
        make: impl Fn() -> A + Send + Sync + 'static,
    ) -> Child {
        let shell = Shell { address: address.clone(), make: Arc::new(make) };
        Child { id: id.into(), rules: Rules::worker(), start: Start::Actor(Arc::new(shell)) }
    }

    /// A child that is a small actor: a value, made anew for every incarnation, and what each message does to it.
    /// For an actor with hooks, jobs or faults of its own implement [`Actor`].
    pub fn from_fn<M: Send + 'static, S: Send + Sync + 'static>(
        id: impl Into<String>,
        address: &Address<M>,
        make: impl Fn() -> S + Send + Sync + 'static,
        handle: impl Fn(&mut S, M) + Send + Sync + 'static,
    ) -> Child {
        let handle = Arc::new(handle);
        Child::actor(id, address, move || Small { state: make(), handle: Arc::clone(&handle), message: PhantomData })
    }

    /// A child that is a supervisor with its own children.
    pub fn tree(tree: Tree) -> Child {
        let deepest = tree.children.iter().map(|child| child.rules.kill_grace).max().unwrap_or_default();
        let rules = Rules {
            shutdown: Shutdown::After(TREE_SHUTDOWN),
            start_limit: TREE_START_LIMIT,
            kill_grace: deepest + KILL_GRACE,
            ..Rules::worker()
        };
        Child { id: tree.id.clone(), rules, start: Start::Tree(Box::new(tree)) }
    }

    /// When it is restarted; permanent unless said otherwise.
    pub fn restart(mut self, restart: Restart) -> Child {
        self.rules.restart = restart;
        self
    }

    /// How it is stopped; `After(5 s)` unless said otherwise, `After(60 s)` for a tree.
    pub fn shutdown(mut self, shutdown: Shutdown) -> Child {
        self.rules.shutdown = shutdown;
        self
    }

    /// How long its start hook may take before it is killed; a minute unless said otherwise, five for a tree.
    pub fn start_limit(mut self, limit: Duration) -> Child {
        self.rules.start_limit = limit;
        self
    }

    /// That its own end matters to [`AutoShutdown`].
    pub fn significant(mut self) -> Child {
        self.rules.significant = true;
        self
    }

    /// How long its handler may take with one message before it is reported, killed and restarted. As its tree says
    /// unless said otherwise.
    pub fn handle_limit(self, limit: Duration) -> Child {
        self.watch(Some(Watch { limit, then: Stuck::Restart }))
    }

    /// How its handler is watched: by this rule, or not at all. Of a tree: all in it that say nothing themselves.
    pub fn watch(mut self, watch: Option<Watch>) -> Child {
        self.rules.watch = Watched::Own(watch);
        self
    }

    /// How long to wait before its restarts.
    pub fn backoff(mut self, backoff: Backoff) -> Child {
        self.rules.backoff = backoff;
        self
    }

    /// Its id among its siblings.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Rules {
    fn worker() -> Rules {
        Rules {
            restart: Restart::Permanent,
            shutdown: Shutdown::After(WORKER_SHUTDOWN),
            significant: false,
            backoff: DEFAULT_BACKOFF,
            start_limit: START_LIMIT,
            kill_grace: KILL_GRACE,
            watch: Watched::AsTree,
        }
    }
}

/// A supervisor and its children, in starting order.
pub struct Tree {
    pub(super) id: String,
    pub(super) strategy: Strategy,
    pub(super) intensity: Intensity,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) children_most: usize,
    pub(super) children: Vec<Child>,
    pub(super) link: Arc<Link>,
    pub(super) watch: Watched,
}

/// Children of a supervisor that says nothing else, at the most: a million take 8 GB, which is what one host may have.
const CHILDREN_MOST: usize = 1_000_000;

impl Tree {
    /// A supervisor with this id and strategy, OTP's intensity of one restart in five seconds, and no children yet.
    pub fn new(id: impl Into<String>, strategy: Strategy) -> Tree {
        Tree {
            id: id.into(),
            strategy,
            intensity: Intensity { restarts: 1, period: Duration::from_secs(5) },
            auto_shutdown: AutoShutdown::Never,
            children_most: CHILDREN_MOST,
            children: Vec::new(),
            link: Arc::default(),
            watch: Watched::AsTree,
        }
    }

    /// A handle that can change this supervisor's table while it runs.
    pub fn handle(&self) -> Handle {
        Handle { link: Arc::clone(&self.link) }
    }

    /// How many restarts are allowed in which time.
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Tree {
        self.intensity = Intensity { restarts, period };
        self
    }

    /// Whether it ends with its significant children.
    pub fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Tree {
        self.auto_shutdown = auto_shutdown;
        self
    }

    /// How many children it may have, those of its table and those added later; one more is refused.
    pub fn children_most(mut self, most: usize) -> Tree {
        self.children_most = most;
        self
    }

    /// How the handlers of all in it are watched that say nothing themselves. Nobody is watched unless said otherwise
    /// here or above.
    pub fn watch(mut self, watch: Option<Watch>) -> Tree {
        self.watch = Watched::Own(watch);
        self
    }

    /// One more child, started after those before it.
    pub fn child(mut self, child: Child) -> Tree {
        self.children.push(child);
        self
    }

    /// More children, in this order.
    pub fn children(mut self, children: impl IntoIterator<Item = Child>) -> Tree {
        self.children.extend(children);
        self
    }
}
