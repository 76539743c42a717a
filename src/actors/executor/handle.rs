//! What others may ask of an executor, and how one is put into the tree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::Config;
use super::actor::Shell;
use super::agreed::decided;
use super::health::Pulse;
use super::ledger::Row;
use super::library::{Entry, Library};
use super::likeness::{LIKE_MOST, Near, key};
use super::message::{Message, Work};
use super::people::People;
use super::ports::Ports;
use super::publishing::Publication;
use super::request::{Answer, Request};
use super::stage::{Asker, Stage};
use super::tools::Tool;
use crate::lap::{self, Caller, Denial, Mismatches, Package, Rules};
use crate::sandbox;
use crate::store::Journal;
use crate::supervision::{Address, Child, Failure, Mailbox, Overflow, Shutdown};
use crate::tds::tool::{Date, Range, Version};
use crate::types::{Class, Clock, Cx, Money, Timestamp, ToolCall, ToolSpec, World};

/// Why a tool call has no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no such tool.
    #[error("could not call {name:?}: there is no such tool; {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// There is such a tool, and no version of it that the caller takes.
    #[error("could not call {name:?}: no version of it is {required}; there are {known}")]
    Unsatisfied {
        /// What was asked for.
        name: String,
        /// Which versions.
        required: String,
        /// What there is.
        known: String,
    },
    /// Its day has come.
    #[error("could not call {name}: it is not called any more since {day}{instead}")]
    Gone {
        /// Which tool.
        name: String,
        /// Since when.
        day: Date,
        /// What is to be used instead, as the end of the sentence.
        instead: String,
    },
    /// The tool failed, or said what it does not promise: its fault and not the host's, so whoever called may know it all.
    #[error("could not call {name}: {reason}")]
    Broken {
        /// Which tool.
        name: String,
        /// What it did.
        reason: String,
    },
    /// Its tenant has called it too often.
    #[error("could not call {name}: it may be called {most} times in a minute; there is room again in {wait_ms} ms")]
    Quota {
        /// Which tool.
        name: String,
        /// How often.
        most: u64,
        /// Until when.
        wait_ms: u64,
    },
    /// Two tools have one name.
    #[error("could not register {name:?}: there is a tool of this name already")]
    Twice {
        /// The name.
        name: String,
    },
    /// What is said of a tool makes none.
    #[error("could not register {name:?}: {reason}")]
    Description {
        /// The name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The arguments are not what the tool takes.
    #[error("could not call {name}: the arguments do not fit: {wrong}")]
    Arguments {
        /// Which tool.
        name: String,
        /// Where they do not.
        wrong: Mismatches,
    },
    /// The arguments are too long.
    #[error("could not call {name}: the arguments have {bytes} bytes, and it takes {most} at the most")]
    TooLarge {
        /// Which tool.
        name: String,
        /// How long they are.
        bytes: u64,
        /// How long they may be.
        most: u64,
    },
    /// The caller may not make it, or not with these data.
    #[error("could not call {name}: {denial}")]
    Denied {
        /// Which tool.
        name: String,
        /// Why not.
        denial: Denial,
    },
    /// A person has to agree, and has not yet.
    #[error(
        "could not call {name}: a person has to agree first; it waits as item {item} of the inbox until {}. Once it is \
         approved there, the same call may be made", .until.rfc3339()
    )]
    Waits {
        /// Which tool.
        name: String,
        /// The item of the inbox.
        item: String,
        /// How long people have.
        until: Timestamp,
    },
    /// Something the call needs cannot be had from this caller.
    #[error("could not call {name}: {reason}")]
    Impossible {
        /// Which tool.
        name: String,
        /// What is missing.
        reason: String,
    },
    /// The call may cost more than is left.
    #[error("could not call {name}: it may cost {needed}, and {left} is left")]
    Budget {
        /// Which tool.
        name: String,
        /// What it may cost.
        needed: Money,
        /// What may be spent.
        left: Money,
    },
    /// The key was used for another call.
    #[error("could not call {name}: the key {key:?} was used with other arguments; use a new one for a new call")]
    KeyReused {
        /// Which tool.
        name: String,
        /// The key.
        key: String,
    },
    /// Nobody knows whether the call was made.
    #[error(
        "could not call {name}: under the key {key:?} it may have been done already: {reason}; it is not done again until \
         somebody says what became of it (`syzygy tool doubts`)"
    )]
    InDoubt {
        /// Which tool.
        name: String,
        /// The key.
        key: String,
        /// Why nobody knows.
        reason: String,
    },
    /// It was handed in and did not pass.
    #[error("could not publish {name}: {}", reasons.join("; "))]
    NotPublished {
        /// Which tool.
        name: String,
        /// Everything that is wrong with it.
        reasons: Vec<String>,
    },
    /// Somebody must be served by something.
    #[error("could not change whom {name} serves: {reason}")]
    NotStaged {
        /// Which version.
        name: String,
        /// Why not.
        reason: String,
    },
    /// No call of this id is in doubt.
    #[error("could not find the call {0} among those in doubt")]
    NoDoubt(String),
    /// Tools could not be looked for by likeness.
    #[error("could not look for tools that are like this: {reason}")]
    Unlike {
        /// What kind of failure.
        class: Class,
        /// Why not.
        reason: String,
    },
    /// The journal did not take it.
    #[error("could not record the call of {name}: {reason}")]
    Unrecorded {
        /// Which tool.
        name: String,
        /// The class of the journal's error.
        class: Class,
        /// What it said.
        reason: String,
    },
    /// The tool said no, or could not be run.
    #[error("could not call {name}: {reason}")]
    Failed {
        /// Which tool.
        name: String,
        /// What kind of failure.
        class: Class,
        /// What it said.
        reason: String,
    },
    /// The executor has as many calls as it may hold.
    #[error("could not call {name}: the executor is full")]
    Full {
        /// Which tool.
        name: String,
    },
    /// The executor did not answer.
    #[error(transparent)]
    Delivery(#[from] Failure),
}

impl Error {
    /// What a failure of this tool is to its caller.
    pub(super) fn of_tool(name: String, failure: sandbox::Failure) -> Error {
        let sandbox::Failure { class, message: reason } = failure;
        if class == Class::Internal { Error::Broken { name, reason } } else { Error::Failed { name, class, reason } }
    }

    /// The class this error belongs to.
    pub fn class(&self) -> Class {
        match self {
            Error::Unknown { .. } | Error::Unsatisfied { .. } | Error::Gone { .. } | Error::NoDoubt(_) => {
                Class::NotFound
            }
            Error::Twice { .. } | Error::NotStaged { .. } | Error::KeyReused { .. } | Error::InDoubt { .. } => {
                Class::Conflict
            }
            Error::NotPublished { .. }
            | Error::Description { .. }
            | Error::Arguments { .. }
            | Error::Impossible { .. }
            | Error::TooLarge { .. } => Class::Invalid,
            Error::Denied { .. } | Error::Waits { .. } => Class::Denied,
            Error::Broken { .. } => Class::Internal,
            Error::Failed { class, .. } | Error::Unrecorded { class, .. } | Error::Unlike { class, .. } => *class,
            Error::Full { .. } | Error::Budget { .. } | Error::Quota { .. } => Class::Exhausted,
            Error::Delivery(failure) => failure.class(),
        }
    }
}

/// Tools that are like a text.
#[derive(Clone)]
pub struct Like {
    /// What judged it, beside the words: the name of an embedder.
    pub by: String,
    /// The best first.
    pub tools: Vec<Entry>,
}

/// Reaches one executor.
#[derive(Clone)]
pub struct Handle {
    address: Address<Message>,
    library: Arc<Library>,
    rules: Arc<Rules>,
    clock: Arc<dyn Clock>,
    within: Duration,
    people: Option<Arc<dyn People>>,
    patience: Duration,
}

impl Handle {
    /// An executor as a row of the tree, and its handle.
    pub fn launch(id: &str, library: Arc<Library>, ports: Ports, config: Config, world: &World) -> (Handle, Child) {
        let address =
            Address::new(Mailbox::new(config.waiting + config.concurrency.max(1) as usize, Overflow::Refuse), world);
        let (shared, rules, people) = (Arc::clone(&library), Arc::clone(&ports.rules), ports.people.clone());
        let child = Child::actor(id, &address, move || Shell::new(Arc::clone(&shared), ports.clone(), config))
            .shutdown(Shutdown::Drain(Duration::from_secs(config.call_within_s)));
        let (clock, within) = (Arc::clone(&world.clock), Duration::from_secs(config.call_within_s));
        let patience = Duration::from_secs(config.approval_wait_s);
        (Handle { address, library, rules, clock, within, people, patience }, child)
    }

    /// An executor of functions of the host that may wait, and of nothing else.
    ///
    /// # Errors
    /// Two have one name, or what is said of one makes no tool.
    pub fn of_functions(
        id: &str,
        tools: Vec<Tool>,
        journal: Arc<dyn Journal>,
        config: Config,
        world: &World,
    ) -> Result<(Handle, Child), Error> {
        let library = Arc::new(Library::of(tools)?);
        Ok(Handle::launch(id, library, Ports::bare(journal), config, world))
    }

    /// What a model of this agent is told of these tools, each named as `id` or `id@range`. Unknown names are left out, and
    /// so are tools the agent may not call (LAP4).
    pub fn specs(&self, cx: &Cx, agent: &str, names: &[String]) -> Vec<ToolSpec> {
        let caller = Caller { agent: Some(agent.to_owned()), ..Caller::of(cx.principal()) };
        self.library.specs(names, |entry| entry.unavailable.is_none() && self.shows(entry, &caller))
    }

    /// The newest version of each tool that this caller may call, by id.
    pub fn list(&self, caller: &Caller) -> Vec<Entry> {
        let mut newest = self.library.newest();
        newest.retain(|entry| self.shows(entry, caller));
        newest
    }

    /// The tools this caller may call that fit a text, best first: by what they mean and by the words they share with it.
    ///
    /// # Errors
    /// This host cannot tell what texts mean, or not now.
    pub async fn like(&self, cx: &Cx, caller: &Caller, text: &str) -> Result<Like, Error> {
        let length = text.chars().count();
        if length > LIKE_MOST {
            let reason = format!("a text of {length} characters is too long; {LIKE_MOST} is the most");
            return Err(Error::Unlike { class: Class::Invalid, reason });
        }
        let ask = |reply| Message::Near { cx: cx.clone(), text: text.to_owned(), reply };
        let Near { by, cosines } = self.address.call(cx, ask).await.map_err(Failure::from)??;
        let all = self.list(caller);
        let score = |entry: &Entry| {
            let tool = &entry.ready.tool;
            // What points elsewhere is not like it at all.
            let cosine = cosines.get(&key(&lap::about(tool))).copied().filter(|cosine| *cosine > 0.0);
            (lap::words(tool, text), cosine)
        };
        let places = lap::fused(&all.iter().map(score).collect::<Vec<_>>());
        Ok(Like { by, tools: places.into_iter().map(|at| all[at].clone()).collect() })
    }

    fn shows(&self, entry: &Entry, caller: &Caller) -> bool {
        entry.shows(caller, &self.rules, self.clock.wall())
    }

    /// The version of a tool that a caller is shown if it asks for it by name.
    ///
    /// # Errors
    /// There is none, or none that the caller may be told of; which of them is not said (LAP4).
    pub fn find(&self, caller: &Caller, id: &str, required: Option<&Range>) -> Result<Entry, Error> {
        let shows = |entry: &Entry| self.shows(entry, caller);
        let entry = self.library.find_for(id, required, None, &shows);
        match entry {
            Ok(entry) if shows(&entry) => Ok(entry),
            // Versions of what is not shown are not either.
            Err(Error::Unsatisfied { .. }) if !self.library.versions(id).iter().any(shows) => {
                Err(self.library.unknown(id, &shows))
            }
            Ok(_) => Err(self.library.unknown(id, &shows)),
            Err(error) => Err(error),
        }
    }

    /// Every version of a tool that a caller may be shown, oldest first.
    pub fn versions(&self, caller: &Caller, id: &str) -> Vec<Entry> {
        let mut versions = self.library.versions(id);
        versions.retain(|entry| self.shows(entry, caller));
        versions
    }

    /// Whether a call of this name finds a tool at all, with the words of a call if it does not.
    ///
    /// # Errors
    /// There is no such tool or version.
    pub fn known(&self, caller: &Caller, id: &str, required: Option<&Range>) -> Result<(), Error> {
        self.library.find_for(id, required, None, &|entry| self.shows(entry, caller)).map(drop)
    }

    /// A value of a call as it may be on record: without what the tool's description says is to be hidden. `part` is
    /// `input` or `output`. Of a tool that nobody knows nothing is hidden.
    pub fn shown(&self, tool: &str, part: &str, value: &Value) -> Value {
        match self.library.find(tool, None) {
            Ok(entry) => lap::shown(&entry.ready.tool, part, value),
            Err(_) => value.clone(),
        }
    }

    /// All tools.
    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }

    /// The names of all tools.
    pub fn names(&self) -> Vec<String> {
        self.library.ids()
    }

    /// Publishes a tool, if it passes its own tests and its number says what changed. May take as long as its caller lets it.
    pub async fn publish(&self, cx: &Cx, package: Package) -> Result<Publication, Error> {
        self.publish_as(cx, package, Stage::Active).await
    }

    /// The same for a version that serves only some at first.
    pub async fn publish_as(&self, cx: &Cx, package: Package, stage: Stage) -> Result<Publication, Error> {
        let work_cx = cx.child();
        let _stop_with_caller = work_cx.cancel_token().clone().drop_guard();
        let ask = |reply| Message::Publish { cx: work_cx.clone(), package: Box::new(package), stage, reply };
        self.address.call(cx, ask).await.map_err(Failure::from)?
    }

    /// Says whom a version serves from now on.
    pub async fn stage(&self, cx: &Cx, id: &str, version: Version, stage: Stage) -> Result<(), Error> {
        let ask = |reply| Message::Stage { cx: cx.clone(), id: id.to_owned(), version, stage, reply };
        self.address.call(cx, ask).await.map_err(Failure::from)?
    }

    /// How good each version of a tool was lately, by version; nothing of one that was not called in this life.
    pub async fn pulses(&self, cx: &Cx, id: &str) -> Result<BTreeMap<String, Pulse>, Error> {
        self.address
            .call(cx, |reply| Message::Pulses { id: id.to_owned(), reply })
            .await
            .map_err(Failure::from)
            .map_err(Error::from)
    }

    /// Runs the tests of a package and publishes nothing. Returns the tests that passed.
    pub async fn test(&self, cx: &Cx, package: Package) -> Result<Vec<String>, Error> {
        let work_cx = cx.child();
        let _stop_with_caller = work_cx.cancel_token().clone().drop_guard();
        let ask = |reply| Message::Test { cx: work_cx.clone(), package: Box::new(package), reply };
        self.address.call(cx, ask).await.map_err(Failure::from)?
    }

    /// Takes a version of a tool back.
    pub async fn retire(&self, cx: &Cx, id: &str, version: Version) -> Result<(), Error> {
        let ask = |reply| Message::Retire { cx: cx.clone(), id: id.to_owned(), version, reply };
        self.address.call(cx, ask).await.map_err(Failure::from)?
    }

    /// Calls of which nobody knows whether they were made, oldest first: those in doubt, and those that are on the way.
    pub async fn doubts(&self, cx: &Cx) -> Result<Vec<Row>, Error> {
        self.address.call(cx, |reply| Message::Doubts { cx: cx.clone(), reply }).await.map_err(Failure::from)?
    }

    /// Says what became of a call in doubt: it was done, and this came of it; or it was not, and may be made again.
    pub async fn settle(&self, cx: &Cx, invocation: &str, done: Option<Value>) -> Result<(), Error> {
        let ask = |reply| Message::Settle { cx: cx.clone(), invocation: invocation.to_owned(), done, reply };
        self.address.call(cx, ask).await.map_err(Failure::from)?
    }

    /// Makes a call as a model wishes it, and returns its result.
    pub async fn call(&self, cx: &Cx, call: ToolCall) -> Result<Value, Error> {
        Ok(self.invoke(cx, Request::of(call)).await?.value)
    }

    /// Makes a call and returns its answer. One that a person has to agree to waits a while for that, and then says for what
    /// it waits; no more than half of the caller's time, since the call itself is to be made in the rest.
    pub async fn invoke(&self, cx: &Cx, mut request: Request) -> Result<Answer, Error> {
        // The same call in another order of its keys is the same in every word that a program or a person gets to see.
        request.arguments.sort_all_objects();
        let Some(people) = self.people.as_ref().filter(|_| self.patience > Duration::ZERO) else {
            return self.invoke_once(cx, request).await;
        };
        let closings = people.closings();
        let answer = self.invoke_once(cx, request.clone()).await;
        let Err(Error::Waits { item, .. }) = &answer else { return answer };
        let left = cx.deadline().saturating_duration_since(self.address.now());
        if decided(&**people, cx, item, closings, self.patience.min(left / 2)).await {
            return self.invoke_once(cx, request).await;
        }
        answer
    }

    async fn invoke_once(&self, cx: &Cx, request: Request) -> Result<Answer, Error> {
        let run = cx.run().map(|run| run.to_string());
        let caller = Caller { agent: request.agent.clone(), ..Caller::of(cx.principal()) };
        let asker = Asker {
            agent: request.agent.as_deref(),
            scopes: &lap::granted(&caller, &self.rules),
            seat: run.as_deref().unwrap_or(&cx.principal().name),
            flags: &self.rules.flags,
        };
        let shows = |entry: &Entry| self.shows(entry, &caller);
        let entry = self.library.find_for(&request.tool, request.required.as_ref(), Some(&asker), &shows)?;
        let work_cx = cx.child().with_deadline(self.address.now() + self.within);
        let _stop_with_caller = work_cx.cancel_token().clone().drop_guard();
        let ask = |reply| Message::Call(Box::new(Work { cx: work_cx.clone(), entry, request, reply }));
        self.address.call(cx, ask).await.map_err(Failure::from)?
    }
}
