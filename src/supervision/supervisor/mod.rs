//! The ractor shell of a supervisor: carries out what the plan orders, and reports what becomes of it.
//!
//! It never waits: starts and stops are orders, timers are one sleeping job, and every outcome comes back as a message.
//! ractor's own links and supervision events are not used (see `life.rs` and `docs/decisions/0002`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ractor::{ActorCell, ActorProcessingErr, ActorRef};
use tokio::time::Instant;

use super::actor::StartChild;
use super::life::{Birth, Kernel, Mourner, Tombstone, endure};
use super::plan::{Effect, Input, Key, Life, Phase, Plan, Rest};
use super::registry::{Entry, Status};
use super::spec::{Exit, Rules};
use super::watch::Watch;
use crate::types::Hindrance;
use crate::types::planted::{Bug, planted};

mod alarms;
mod handle;
mod patrol;
mod root;
mod subtree;
mod table;

use alarms::Alarms;
pub(super) use handle::Link;
use handle::{Ask, Pending};
pub use handle::{Error, Handle};
pub use root::Root;
use table::{Row, Table};

/// What a supervisor is told.
pub(super) enum Message {
    /// A child, or the level above, reports.
    Input(Input),
    /// The time of the first alarm has come.
    Alarm,
    /// Somebody wants something through the handle.
    Ask(Ask),
}

/// One child of a running supervisor.
pub(super) struct Slot {
    start: Arc<dyn StartChild>,
    entry: Arc<Entry>,
    /// How its handler is watched.
    watch: Option<Watch>,
    /// The ractor actor of its present life.
    cell: Option<ActorCell>,
    /// It joined while the supervisor ran, and does not outlive it.
    added: bool,
}

/// The ractor actor; its state is [`Live`].
pub(super) struct Supervise {
    table: Table,
}

pub(super) struct Live {
    plan: Plan,
    slots: BTreeMap<Key, Slot>,
    names: HashMap<Arc<str>, Key>,
    children_most: usize,
    /// In order, so that those who still wait when it ends hear of it in the same order each time.
    pending: BTreeMap<Key, Vec<Pending>>,
    alarms: Alarms,
    /// Those of the child that joined last: the next one probably has the same, and then shares them.
    last_rules: Option<Arc<Rules>>,
    /// How children that say nothing themselves are watched.
    watch: Option<Watch>,
    /// When it looks at its children's handlers again.
    look_at: Option<Instant>,
    kernel: Arc<Kernel>,
    entry: Arc<Entry>,
    myself: ActorRef<Message>,
    tombstone: Option<Tombstone>,
}

impl ractor::Actor for Supervise {
    type Msg = Message;
    type State = Live;
    type Arguments = Birth;

    async fn pre_start(&self, myself: ActorRef<Message>, birth: Birth) -> Result<Live, ActorProcessingErr> {
        let Birth { entry, kernel, tombstone } = birth;
        let Table { strategy, intensity, auto_shutdown, children_most, rows, link, watch, .. } = &self.table;
        let seed = kernel.world.random.next();
        let mut live = Live {
            plan: Plan::new(*strategy, *intensity, *auto_shutdown, seed),
            slots: BTreeMap::new(),
            names: HashMap::new(),
            children_most: *children_most,
            pending: BTreeMap::new(),
            alarms: Alarms::default(),
            last_rules: None,
            watch: *watch,
            look_at: None,
            kernel,
            entry,
            myself: myself.clone(),
            tombstone: Some(tombstone),
        };
        for row in rows.iter() {
            live.adopt(row, false);
        }
        live.entry.reached_by(link);
        link.open(myself.clone());
        let _ = myself.send_message(Message::Input(Input::Begin));
        Ok(live)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Message>,
        message: Message,
        live: &mut Live,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(hindrance @ (Hindrance::Yield | Hindrance::Wait(_))) = live.kernel.world.clock.hinder() {
            // A supervisor is late at the worst: what would make an actor fail passes it by.
            let _ = endure(hindrance).await;
        }
        match message {
            Message::Input(input) => live.drive([input]),
            Message::Alarm => {
                let now = live.kernel.world.clock.now();
                let due = live.alarms.due(now);
                let stuck = live.look(now);
                live.drive(due.into_iter().map(Input::Elapsed).chain(stuck));
            }
            Message::Ask(ask) => live.ask(ask),
        }
        Ok(())
    }
}

/// A supervisor that is dropped before it has ended takes its children with it.
impl Drop for Live {
    fn drop(&mut self) {
        for slot in self.slots.values() {
            if let Some(cell) = &slot.cell {
                slot.start.kill(cell);
            }
        }
    }
}

impl Live {
    fn adopt(&mut self, row: &Row, added: bool) -> Key {
        let path = format!("{}/{}", self.entry.path(), row.id);
        let entry = self.kernel.registry.entry(&path, row.supervisor, row.policy);
        let last = self.last_rules.as_ref().filter(|last| **last == row.rules);
        let rules = Arc::clone(last.unwrap_or(&row.rules));
        self.last_rules = Some(Arc::clone(&rules));
        let key = self.plan.add(rules);
        self.names.insert(Arc::clone(&row.id), key);
        let watch = row.rules.watch.within(None).filter(|_| !row.supervisor);
        self.slots.insert(key, Slot { start: Arc::clone(&row.start), entry, watch, cell: None, added });
        self.look_by(watch);
        key
    }

    /// Takes inputs and everything that follows from them.
    fn drive(&mut self, inputs: impl IntoIterator<Item = Input>) {
        let now = self.kernel.world.clock.now();
        for input in inputs {
            self.heed(&input);
            let touched = input.key();
            let effects = self.plan.step(input, now);
            touched.into_iter().for_each(|key| self.show(key));
            effects.into_iter().for_each(|effect| self.perform(effect));
            touched.into_iter().for_each(|key| self.answer_pending(key));
        }
        let plan = &self.plan;
        let expects = |token| token == patrol::TOKEN || plan.expects(token);
        self.alarms.arm(now, &self.myself, expects, plan.timers() + 1);
    }

    /// What a report means for the shell, before the plan hears of it.
    fn heed(&mut self, input: &Input) {
        match input {
            // Said before any child is told, so that nobody who looks takes what ends in order for a failure. Nobody else
            // says it of a root.
            Input::Stop => self.entry.set_status(Status::Stopping),
            Input::Started { key, life } => {
                let Some(slot) = self.slots.get(key) else { return };
                let phase = self.plan.member(*key).filter(|member| member.life == *life).map(|member| member.phase);
                if matches!(phase, Some(Phase::Starting(_))) {
                    slot.entry.set_up(self.kernel.world.clock.wall().0);
                }
            }
            Input::Exited { key, life, exit: Exit::Failed(cause) } => {
                let Some(slot) = self.slots.get(key) else { return };
                if self.plan.member(*key).is_some_and(|member| member.life == *life) {
                    slot.entry.note_failure(cause);
                    tracing::warn!(actor = slot.entry.path(), cause, "actor failed");
                }
            }
            _ => {}
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Start { key, life } => self.start(key, life),
            Effect::Stop { key, drain } => {
                let Some(slot) = self.slots.get(&key) else { return };
                slot.entry.set_status(Status::Stopping);
                slot.cell.iter().for_each(|cell| slot.start.stop(cell, drain));
            }
            Effect::Kill { key } => {
                let Some(slot) = self.slots.get(&key) else { return };
                slot.entry.set_status(Status::Stopping);
                slot.cell.iter().for_each(|cell| slot.start.kill(cell));
            }
            Effect::LeftBehind { key } => {
                if let Some(slot) = self.slots.get(&key) {
                    slot.entry.count_left_behind();
                    tracing::error!(
                        actor = slot.entry.path(),
                        "killed actor does not end: its handler blocks a thread"
                    );
                }
                self.show(key);
                self.answer_pending(key);
            }
            Effect::Timer { token, after } => self.alarms.set(self.kernel.world.clock.now() + after, token),
            Effect::Ready => {
                self.entry.set_up(self.kernel.world.clock.wall().0);
                self.tombstone.iter_mut().for_each(Tombstone::is_up);
            }
            Effect::AddFailed { key, reason } => self.fail_pending(key, &reason),
            Effect::Removed { key } => self.forget(key),
            Effect::End(exit) => self.end(exit),
        }
    }

    fn start(&mut self, key: Key, life: Life) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        slot.entry.set_status(Status::Starting);
        if life > Life(1) && !planted(Bug::RestartUncounted) {
            slot.entry.count_restart();
        }
        let parent = self.myself.clone();
        let tombstone = Tombstone::new(Mourner::Supervisor { parent, key, life });
        let birth = Birth { entry: Arc::clone(&slot.entry), kernel: Arc::clone(&self.kernel), tombstone };
        slot.cell = slot.start.start(birth);
    }

    fn forget(&mut self, key: Key) {
        if let Some(slot) = self.slots.remove(&key) {
            self.names.remove(slot.entry.id());
            slot.start.close();
            self.kernel.registry.remove(slot.entry.path());
        }
        self.answer_pending(key);
    }

    /// Shows in the registry and at its door where a child is, if it is down.
    fn show(&mut self, key: Key) {
        if let (Some(slot), Some(member)) = (self.slots.get_mut(&key), self.plan.member(key))
            && member.phase == Phase::Down
        {
            slot.cell = None;
            match member.rest() {
                Rest::Coming => slot.entry.set_status(Status::Restarting),
                Rest::Held => slot.entry.set_status(Status::Held),
                Rest::Ended => slot.entry.set_status(Status::Ended),
            }
            if member.rest() == Rest::Ended {
                slot.start.close();
            } else {
                slot.start.suspend();
            }
        }
    }

    /// All children are down.
    fn end(&mut self, exit: Exit) {
        for slot in self.slots.values() {
            slot.entry.set_status(Status::Ended);
            // Those of the table may return with the supervisor; those that were added are gone with this life of it.
            if slot.added {
                slot.start.close();
                self.kernel.registry.remove(slot.entry.path());
            } else {
                slot.start.suspend();
            }
        }
        self.entry.set_status(Status::Ended);
        if let Exit::Failed(cause) = &exit {
            self.entry.note_failure(cause);
            tracing::error!(supervisor = self.entry.path(), cause, "supervisor gives up");
        }
        if let Some(mut tombstone) = self.tombstone.take() {
            tombstone.carve(exit);
        }
        self.myself.stop(None);
    }
}
