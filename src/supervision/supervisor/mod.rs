//! The ractor shell of a supervisor: carries out what the plan orders, and reports what becomes of it.
//!
//! It never waits: start hooks run as jobs, stops are orders, and every outcome comes back as a message or as ractor's
//! supervision event.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use ractor::{ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};

use super::actor::StartChild;
use super::plan::{Effect, Input, Key, Life, Phase, Plan};
use super::registry::{Entry, Registry, Status};
use super::spec::{AutoShutdown, Child, Exit, Intensity, Restart, Start, Strategy, Tree};
use crate::types::World;

mod handle;
mod subtree;

pub(super) use handle::Link;
use handle::{Ask, Pending};
pub use handle::{Error, Handle, Root};
use subtree::Subtree;

/// What every actor of a host gets from it.
#[derive(Clone)]
pub(super) struct Kernel {
    pub(super) world: World,
    pub(super) registry: Arc<Registry>,
}

/// Which incarnation of which child an actor id is.
type Births = Arc<Mutex<HashMap<ActorId, (Key, Life, ActorCell)>>>;

/// What a child's start needs, and where it is noted that the child exists: before it can end.
pub(super) struct Birth {
    pub(super) entry: Arc<Entry>,
    pub(super) kernel: Kernel,
    births: Births,
    key: Key,
    life: Life,
}

impl Birth {
    pub(super) fn note(&self, cell: ActorCell) {
        self.births.lock().insert(cell.get_id(), (self.key, self.life, cell));
    }
}

/// A child that is up: what kills it, and what asks it to end (after its mail if true).
pub(super) struct Running {
    pub(super) cell: ActorCell,
    pub(super) stop: Box<dyn Fn(bool) + Send + Sync>,
}

/// What a supervisor is told.
pub(super) enum Message {
    /// A job or timer of its own reports.
    Input(Input),
    /// A start hook returned.
    Started { key: Key, life: Life, running: Running },
    /// Somebody wants something through the handle.
    Ask(Ask),
}

/// One child of a running supervisor.
pub(super) struct Slot {
    id: String,
    start: Arc<dyn StartChild>,
    entry: Arc<Entry>,
    running: Option<Running>,
    starting: Option<AbortHandle>,
    /// It ended before the report of its start was read.
    early: Option<(Life, Exit)>,
}

/// The fixed part of a supervisor, shared by its incarnations.
#[derive(Clone)]
pub(super) struct Table {
    pub(super) path: String,
    strategy: Strategy,
    intensity: Intensity,
    auto_shutdown: AutoShutdown,
    rows: Arc<Vec<Row>>,
    link: Arc<Link>,
}

pub(super) struct Row {
    id: String,
    rules: super::spec::Rules,
    start: Arc<dyn StartChild>,
    supervisor: bool,
    policy: &'static str,
}

/// A start hook may take a minute: opening a store verifies it, but nothing loads a model here.
pub(super) const START_LIMIT: Duration = Duration::from_secs(60);

/// A subtree starts its children one after another, so it gets the time of several.
const TREE_START_LIMIT: Duration = Duration::from_secs(300);

impl Table {
    pub(super) fn new(tree: Tree, parent: &str) -> Table {
        let path = if parent.is_empty() { tree.id.clone() } else { format!("{parent}/{}", tree.id) };
        let rows = tree.children.into_iter().map(|child| Row::new(child, &path)).collect();
        Table {
            path,
            strategy: tree.strategy,
            intensity: tree.intensity,
            auto_shutdown: tree.auto_shutdown,
            rows: Arc::new(rows),
            link: tree.link,
        }
    }

    fn policy(&self) -> &'static str {
        match self.strategy {
            Strategy::OneForOne => "one_for_one",
            Strategy::OneForAll => "one_for_all",
            Strategy::RestForOne => "rest_for_one",
        }
    }
}

impl Row {
    fn new(child: Child, parent: &str) -> Row {
        let policy = match child.rules.restart {
            Restart::Permanent => "permanent",
            Restart::Transient => "transient",
            Restart::Temporary => "temporary",
        };
        match child.start {
            Start::Actor(start) => {
                Row { id: child.id, rules: child.rules, start: start.into(), supervisor: false, policy }
            }
            Start::Tree(tree) => {
                let table = Table::new(*tree, parent);
                let policy = table.policy();
                let start = Arc::new(Subtree { table });
                Row { id: child.id, rules: child.rules, start, supervisor: true, policy }
            }
        }
    }
}

/// The ractor actor; its state is [`Live`].
pub(super) struct Supervise {
    pub(super) table: Table,
}

pub(super) struct Live {
    plan: Plan,
    slots: BTreeMap<Key, Slot>,
    names: HashMap<String, Key>,
    births: Births,
    kernel: Kernel,
    path: String,
    entry: Arc<Entry>,
    jobs: JoinSet<()>,
    pending: Vec<Pending>,
    ready: Option<oneshot::Sender<Result<(), String>>>,
    myself: ActorRef<Message>,
}

impl ractor::Actor for Supervise {
    type Msg = Message;
    type State = Live;
    type Arguments = (Birth, oneshot::Sender<Result<(), String>>);

    async fn pre_start(
        &self,
        myself: ActorRef<Message>,
        (birth, ready): Self::Arguments,
    ) -> Result<Live, ActorProcessingErr> {
        birth.note(myself.get_cell());
        let Table { path, strategy, intensity, auto_shutdown, rows, link } = self.table.clone();
        let seed = birth.kernel.world.random.next();
        let mut live = Live {
            plan: Plan::new(strategy, intensity, auto_shutdown, seed),
            slots: BTreeMap::new(),
            names: HashMap::new(),
            births: Births::default(),
            kernel: birth.kernel,
            path,
            entry: birth.entry,
            jobs: JoinSet::new(),
            pending: Vec::new(),
            ready: Some(ready),
            myself: myself.clone(),
        };
        for row in rows.iter() {
            live.adopt(row);
        }
        link.set(Some(myself.clone()));
        let _ = myself.send_message(Message::Input(Input::Begin));
        Ok(live)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Message>,
        message: Message,
        live: &mut Live,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Input(input) => live.drive(input),
            Message::Started { key, life, running } => live.started(key, life, running),
            Message::Ask(ask) => live.ask(ask),
        }
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Message>,
        event: SupervisionEvent,
        live: &mut Live,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(cell, state, reason) => {
                let exit = match (state, reason.as_deref()) {
                    (Some(_), Some(STOPPED_BY_ORDER)) => Exit::Stopped,
                    (Some(_), _) => Exit::Normal,
                    (None, _) => Exit::Killed,
                };
                live.exited(&cell, exit)
            }
            SupervisionEvent::ActorFailed(cell, cause) => live.exited(&cell, Exit::Failed(cause.to_string())),
            _ => Ok(()),
        }
    }

    async fn post_stop(&self, _myself: ActorRef<Message>, live: &mut Live) -> Result<(), ActorProcessingErr> {
        live.entry.set_status(Status::Ended);
        Ok(())
    }
}

/// The reason a supervisor gives ractor when it ends because it was told to.
const STOPPED_BY_ORDER: &str = "stopped by order";

impl Live {
    fn adopt(&mut self, row: &Row) -> Key {
        let path = format!("{}/{}", self.path, row.id);
        let entry = self.kernel.registry.entry(&path, row.supervisor, row.policy);
        let key = self.plan.add(row.rules);
        let (id, start) = (row.id.clone(), Arc::clone(&row.start));
        self.names.insert(id.clone(), key);
        self.slots.insert(key, Slot { id, start, entry, running: None, starting: None, early: None });
        key
    }

    fn started(&mut self, key: Key, life: Life, running: Running) -> Result<(), ActorProcessingErr> {
        let Some(slot) = self.slots.get_mut(&key) else { return Ok(()) };
        if self.plan.member(key).is_none_or(|member| member.life != life) {
            running.cell.kill();
            return Ok(());
        }
        slot.starting = None;
        slot.running = Some(running);
        slot.entry.set_up(self.kernel.world.clock.wall().0);
        let early = slot.early.take();
        // A stop that was ordered while the start hook ran could not reach the child yet.
        if let (Some(Phase::Stopping(_)), Some(running)) =
            (self.plan.member(key).map(|member| member.phase), &slot.running)
        {
            (running.stop)(false);
        }
        self.drive(Input::Started { key, life })?;
        match early {
            Some((born, exit)) if born == life => self.ended(key, life, exit),
            _ => Ok(()),
        }
    }

    fn exited(&mut self, cell: &ActorCell, exit: Exit) -> Result<(), ActorProcessingErr> {
        let Some((key, life, _)) = self.births.lock().remove(&cell.get_id()) else { return Ok(()) };
        if let Some(slot) = self.slots.get_mut(&key) {
            if slot.starting.is_some() {
                slot.early = Some((life, exit));
                return Ok(());
            }
        }
        self.ended(key, life, exit)
    }

    fn ended(&mut self, key: Key, life: Life, exit: Exit) -> Result<(), ActorProcessingErr> {
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.running = None;
            slot.start.suspend();
            if let Exit::Failed(cause) = &exit {
                slot.entry.note_failure(cause);
                tracing::warn!(actor = slot.entry.path(), cause, "actor failed");
            }
        }
        self.drive(Input::Exited { key, life, exit })
    }

    /// Takes one input and everything that follows from it. An error ends this supervisor as failed.
    fn drive(&mut self, input: Input) -> Result<(), ActorProcessingErr> {
        while self.jobs.try_join_next().is_some() {}
        let mut inputs = VecDeque::from([input]);
        let mut end = None;
        while let Some(input) = inputs.pop_front() {
            let touched = input.key();
            for effect in self.plan.step(input, self.kernel.world.clock.now()) {
                match effect {
                    Effect::End(exit) => end = Some(exit),
                    other => self.perform(other, &mut inputs),
                }
            }
            if let Some(key) = touched {
                self.show(key);
            }
        }
        self.answer_pending();
        match end {
            Some(exit) => self.end(exit),
            None => Ok(()),
        }
    }

    fn perform(&mut self, effect: Effect, inputs: &mut VecDeque<Input>) {
        match effect {
            Effect::Start { key, life } => self.start(key, life),
            Effect::Stop { key, life, drain } => self.stop(key, life, drain, inputs),
            Effect::Kill { key, life } => self.kill(key, life, inputs),
            Effect::LeftBehind { key, .. } => {
                if let Some(slot) = self.slots.get_mut(&key) {
                    slot.running = None;
                    slot.entry.count_left_behind();
                    tracing::error!(
                        actor = slot.entry.path(),
                        "killed actor does not end; its handler blocks a thread"
                    );
                }
            }
            Effect::Timer { token, after } => {
                let myself = self.myself.clone();
                self.jobs.spawn(async move {
                    tokio::time::sleep(after).await;
                    let _ = myself.send_message(Message::Input(Input::Elapsed(token)));
                });
            }
            Effect::Ready => {
                self.entry.set_up(self.kernel.world.clock.wall().0);
                if let Some(ready) = self.ready.take() {
                    let _ = ready.send(Ok(()));
                }
            }
            Effect::AddFailed { key, reason } => self.fail_pending(key, reason),
            Effect::Removed { key } => {
                if let Some(slot) = self.slots.remove(&key) {
                    self.names.remove(&slot.id);
                    slot.start.close();
                    self.kernel.registry.remove(slot.entry.path());
                }
            }
            Effect::End(_) => {}
        }
    }

    fn start(&mut self, key: Key, life: Life) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        slot.entry.set_status(Status::Starting);
        if life > Life(1) {
            slot.entry.count_restart();
        }
        let births = Arc::clone(&self.births);
        let birth = Birth { entry: Arc::clone(&slot.entry), kernel: self.kernel.clone(), births, key, life };
        let (start, myself) = (Arc::clone(&slot.start), self.myself.clone());
        let limit = start.start_limit();
        slot.early = None;
        slot.starting = Some(self.jobs.spawn(async move {
            let started = tokio::time::timeout(limit, start.start(birth, myself.get_cell())).await;
            let report = match started {
                Ok(Ok(running)) => Message::Started { key, life, running },
                Ok(Err(reason)) => Message::Input(Input::StartFailed { key, life, reason }),
                Err(_) => {
                    let reason = format!("did not start within {} s", limit.as_secs());
                    Message::Input(Input::StartFailed { key, life, reason })
                }
            };
            let _ = myself.send_message(report);
        }));
    }

    fn stop(&mut self, key: Key, life: Life, drain: bool, inputs: &mut VecDeque<Input>) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        slot.entry.set_status(Status::Stopping);
        match &slot.running {
            Some(running) => (running.stop)(drain),
            // A subtree that is starting stops what it has started; an actor in its start hook has nothing yet.
            None if slot.start.stop_starting() => {}
            None => self.kill(key, life, inputs),
        }
    }

    fn kill(&mut self, key: Key, life: Life, inputs: &mut VecDeque<Input>) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        if let Some(starting) = slot.starting.take() {
            starting.abort();
            self.births.lock().retain(|_, (born, of, cell)| {
                let ours = (*born, *of) == (key, life);
                if ours {
                    cell.kill();
                }
                !ours
            });
            inputs.push_back(Input::StartFailed { key, life, reason: "stopped while starting".to_owned() });
        } else if let Some(running) = &slot.running {
            running.cell.kill();
        }
    }

    /// Shows in the registry where a child is after an input that concerned it.
    fn show(&mut self, key: Key) {
        let (Some(slot), Some(member)) = (self.slots.get_mut(&key), self.plan.member(key)) else { return };
        if member.phase != Phase::Down {
            return;
        }
        slot.starting = None;
        if member.wanted {
            slot.entry.set_status(Status::Restarting);
            slot.start.suspend();
        } else {
            slot.entry.set_status(Status::Ended);
            slot.start.close();
        }
    }

    fn end(&mut self, exit: Exit) -> Result<(), ActorProcessingErr> {
        self.jobs.abort_all();
        for slot in self.slots.values() {
            slot.start.suspend();
        }
        let failure = match exit {
            Exit::Stopped => {
                self.myself.stop(Some(STOPPED_BY_ORDER.to_owned()));
                None
            }
            Exit::Normal => {
                self.myself.stop(None);
                None
            }
            Exit::Failed(cause) => Some(cause),
            Exit::Killed | Exit::Lost => Some("killed".to_owned()),
        };
        if let Some(ready) = self.ready.take() {
            let _ = ready.send(Err(failure.clone().unwrap_or_else(|| "stopped while starting".to_owned())));
        }
        match failure {
            None => Ok(()),
            Some(cause) => {
                self.entry.note_failure(&cause);
                tracing::error!(supervisor = self.path, cause, "supervisor gives up");
                Err(cause.into())
            }
        }
    }
}
