//! The pure core of a supervisor: (input, now) -> effects. No await, no ractor, no clock.
//!
//! The shell in `supervisor.rs` carries out the effects and reports back. Two sets drive everything: the children that
//! are doomed (must end before anything else starts) and those that are due (wanted, down, and not held back). Every
//! input changes the sets and then [`Plan::advance`] takes the next steps: stop the last doomed child, else start the
//! first one due. Keys grow with the table, so the order of keys is the starting order.

mod input;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::spec::{AutoShutdown, Exit, Intensity, Restart, Rules, Shutdown, Strategy};
use super::window::{Verdict, restart_window};

pub(super) use input::{Effect, Input, Key, Life, Token};

/// How long a killed child may take to end before it is left behind: a handler that never awaits cannot be stopped,
/// and one such handler must not hold up the shutdown of a host.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// Where a child is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not running.
    Down,
    /// Its start hook runs.
    Starting,
    /// It takes messages.
    Up,
    /// It was told to end; the timer kills it.
    Stopping(Token),
    /// It was killed; the timer leaves it behind.
    Killing(Token),
}

/// What the plan knows of one child.
#[derive(Debug)]
pub(super) struct Member {
    rules: Rules,
    pub(super) phase: Phase,
    pub(super) life: Life,
    /// Whether it should run. False when it ended for good or is held by an operator.
    pub(super) wanted: bool,
    /// It may not start before this timer has fired.
    held_by: Option<Token>,
    /// It leaves the table once it is down.
    removed: bool,
    /// It was up at least once; a first start that fails is the caller's to know, not a restart.
    proven: bool,
    /// It ended by itself and is not restarted, which is what a significant child reports.
    done: bool,
    attempts: u32,
    up_since: Option<Instant>,
}

/// The state of one supervisor.
#[derive(Debug)]
pub(super) struct Plan {
    strategy: Strategy,
    intensity: Intensity,
    auto_shutdown: AutoShutdown,
    members: BTreeMap<Key, Member>,
    /// Must be down before anything starts.
    doomed: BTreeSet<Key>,
    /// Wanted, down, and not held back.
    due: BTreeSet<Key>,
    /// Those whose start hook runs.
    starting: BTreeSet<Key>,
    /// Which children wait for which timer.
    timers: BTreeMap<Token, Vec<Key>>,
    restarts: VecDeque<Instant>,
    /// Set once it is to end: how, when all children are down.
    ending: Option<Exit>,
    ended: bool,
    ready: bool,
    tokens: u64,
    keys: u64,
    chance: fastrand::Rng,
}

impl Plan {
    /// A supervisor without children yet; they come as [`Input::Add`] before [`Input::Begin`].
    pub(super) fn new(strategy: Strategy, intensity: Intensity, auto_shutdown: AutoShutdown, seed: u64) -> Plan {
        Plan {
            strategy,
            intensity,
            auto_shutdown,
            members: BTreeMap::new(),
            doomed: BTreeSet::new(),
            due: BTreeSet::new(),
            starting: BTreeSet::new(),
            timers: BTreeMap::new(),
            restarts: VecDeque::new(),
            ending: None,
            ended: false,
            ready: false,
            tokens: 0,
            keys: 0,
            chance: fastrand::Rng::with_seed(seed),
        }
    }

    /// Adds a child at the end of the table and says its key.
    pub(super) fn add(&mut self, rules: Rules) -> Key {
        self.keys += 1;
        let key = Key(self.keys);
        let member = Member {
            rules,
            phase: Phase::Down,
            life: Life(0),
            wanted: true,
            held_by: None,
            removed: false,
            proven: false,
            done: false,
            attempts: 0,
            up_since: None,
        };
        self.members.insert(key, member);
        self.due.insert(key);
        key
    }

    /// One child.
    pub(super) fn member(&self, key: Key) -> Option<&Member> {
        self.members.get(&key)
    }

    /// Takes one input and says what is to be done.
    pub(super) fn step(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Begin => {}
            Input::Started { key, life } => self.started(key, life, now),
            Input::StartFailed { key, life, reason } => self.start_failed(key, life, reason, now, &mut effects),
            Input::Exited { key, life, exit } => self.exited(key, life, &exit, now, &mut effects),
            Input::Elapsed(token) => self.elapsed(token, now, &mut effects),
            Input::Stop => self.end(Exit::Stopped),
            Input::Remove(key) => self.doom(key, |member| (member.wanted, member.removed) = (false, true)),
            Input::Hold(key) => self.doom(key, |member| member.wanted = false),
            Input::Restart(key) => self.doom(key, |member| member.wanted = true),
            Input::Release(key) => self.release(key),
        }
        self.advance(now, &mut effects);
        effects
    }

    /// Changes what is wanted of a child and has it stopped first.
    fn doom(&mut self, key: Key, change: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.get_mut(&key) {
            change(member);
            member.held_by = None;
            self.doomed.insert(key);
        }
    }

    fn release(&mut self, key: Key) {
        if let Some(member) = self.members.get_mut(&key) {
            member.wanted = !member.removed;
            (member.done, member.held_by, member.attempts) = (false, None, 0);
            self.note_due(key);
        }
    }

    /// Keeps `due` in step with a child that may have become startable, or no longer is.
    fn note_due(&mut self, key: Key) {
        let due = self
            .members
            .get(&key)
            .is_some_and(|member| member.wanted && member.phase == Phase::Down && member.held_by.is_none());
        if due {
            self.due.insert(key);
        } else {
            self.due.remove(&key);
        }
    }

    fn set_phase(&mut self, key: Key, phase: Phase) {
        if let Some(member) = self.members.get_mut(&key) {
            member.phase = phase;
        }
        if phase == Phase::Starting {
            self.starting.insert(key);
        } else {
            self.starting.remove(&key);
        }
        self.note_due(key);
    }

    fn end(&mut self, exit: Exit) {
        if self.ending.is_none() {
            self.ending = Some(exit);
        }
        self.doomed.extend(self.members.keys().copied());
    }

    fn started(&mut self, key: Key, life: Life, now: Instant) {
        let Some(member) = self.members.get_mut(&key) else { return };
        if member.life != life {
            return;
        }
        member.proven = true;
        member.up_since = Some(now);
        if member.phase == Phase::Starting {
            self.set_phase(key, Phase::Up);
        }
    }

    fn start_failed(&mut self, key: Key, life: Life, reason: String, now: Instant, effects: &mut Vec<Effect>) {
        let Some(member) = self.members.get(&key) else { return };
        let proven = member.proven;
        if member.life != life || member.phase == Phase::Down {
            return;
        }
        self.set_phase(key, Phase::Down);
        if self.doomed.contains(&key) {
            return;
        }
        if proven {
            self.failed(key, now, effects);
        } else if self.ready {
            self.doom(key, |member| (member.wanted, member.removed) = (false, true));
            effects.push(Effect::AddFailed { key, reason });
        } else {
            self.end(Exit::Failed(reason));
        }
    }

    fn exited(&mut self, key: Key, life: Life, exit: &Exit, now: Instant, effects: &mut Vec<Effect>) {
        let Some(member) = self.members.get(&key) else { return };
        if member.life != life || member.phase == Phase::Down {
            return;
        }
        let rules = member.rules;
        self.set_phase(key, Phase::Down);
        if self.doomed.contains(&key) {
            return;
        }
        let again = match rules.restart {
            Restart::Permanent => true,
            Restart::Transient => exit.is_failure(),
            Restart::Temporary => false,
        };
        if again {
            self.failed(key, now, effects);
            return;
        }
        if let Some(member) = self.members.get_mut(&key) {
            (member.wanted, member.done) = (false, true);
        }
        self.note_due(key);
        if rules.significant && self.significant_end() {
            self.end(Exit::Normal);
        }
    }

    fn significant_end(&self) -> bool {
        match self.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => {
                self.members.values().filter(|member| member.rules.significant).all(|member| member.done)
            }
        }
    }

    /// S4: counts the restart once, dooms the group, and holds the group back until the wait is over.
    fn failed(&mut self, key: Key, now: Instant, effects: &mut Vec<Effect>) {
        if restart_window(&mut self.restarts, now, self.intensity) == Verdict::GiveUp {
            let Intensity { restarts, period } = self.intensity;
            self.end(Exit::Failed(format!("more than {restarts} restarts within {} s", period.as_secs_f32())));
            return;
        }
        let (token, chance) = (self.token(), self.chance.u64(..));
        let Some(member) = self.members.get_mut(&key) else { return };
        let backoff = member.rules.backoff;
        let rested = member.up_since.take().is_some_and(|since| now - since >= backoff.reset_after);
        member.attempts = if rested { 0 } else { member.attempts };
        let wait = backoff.wait(member.attempts, chance);
        member.attempts = member.attempts.saturating_add(1);
        let group: Vec<Key> = match self.strategy {
            Strategy::OneForOne => vec![key],
            Strategy::OneForAll => self.members.keys().copied().collect(),
            Strategy::RestForOne => self.members.range(key..).map(|(key, _)| *key).collect(),
        };
        for key in &group {
            let Some(member) = self.members.get_mut(key) else { continue };
            if member.phase != Phase::Down {
                self.doomed.insert(*key);
                // As in OTP, a temporary child that goes down with its group stays down.
                member.wanted &= member.rules.restart != Restart::Temporary;
            }
            member.held_by = Some(token);
            self.note_due(*key);
        }
        self.timers.insert(token, group);
        effects.push(Effect::Timer { token, after: wait });
    }

    fn token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }

    fn elapsed(&mut self, token: Token, now: Instant, effects: &mut Vec<Effect>) {
        for key in self.timers.remove(&token).unwrap_or_default() {
            let Some(member) = self.members.get_mut(&key) else { continue };
            let life = member.life;
            if member.held_by == Some(token) {
                member.held_by = None;
                self.note_due(key);
            }
            match self.members.get(&key).map(|member| member.phase) {
                Some(Phase::Stopping(kills)) if kills == token => self.order_kill(key, life, effects),
                Some(Phase::Killing(leaves)) if leaves == token => {
                    effects.push(Effect::LeftBehind { key, life });
                    self.exited(key, life, &Exit::Lost, now, effects);
                }
                _ => {}
            }
        }
    }

    fn advance(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.ended || !self.stop_doomed(effects) {
            return;
        }
        if let Some(exit) = &self.ending {
            self.ended = true;
            effects.push(Effect::End(exit.clone()));
            return;
        }
        // Children that were added to a running one_for_one supervisor depend on nobody and start side by side.
        let side_by_side = self.ready && self.strategy == Strategy::OneForOne;
        while side_by_side || self.starting.is_empty() {
            let Some(key) = self.due.first().copied() else { break };
            let Some(member) = self.members.get_mut(&key) else { break };
            member.life = Life(member.life.0 + 1);
            member.up_since = Some(now);
            effects.push(Effect::Start { key, life: member.life });
            self.set_phase(key, Phase::Starting);
        }
        if !self.ready && self.starting.is_empty() && self.due.is_empty() {
            self.ready = true;
            effects.push(Effect::Ready);
        }
    }

    /// S2: takes the doomed down from the last to the first. True when none is left.
    fn stop_doomed(&mut self, effects: &mut Vec<Effect>) -> bool {
        while let Some(key) = self.doomed.last().copied() {
            match self.members.get(&key).map(|member| member.phase) {
                None | Some(Phase::Down) => {
                    self.doomed.remove(&key);
                    if self.members.get(&key).is_some_and(|member| member.removed) {
                        self.members.remove(&key);
                        self.due.remove(&key);
                        effects.push(Effect::Removed { key });
                    }
                    self.note_due(key);
                }
                Some(Phase::Stopping(_) | Phase::Killing(_)) => return false,
                Some(Phase::Starting | Phase::Up) => {
                    self.order_stop(key, effects);
                    return false;
                }
            }
        }
        true
    }

    fn order_stop(&mut self, key: Key, effects: &mut Vec<Effect>) {
        let Some(member) = self.members.get(&key) else { return };
        let (life, shutdown) = (member.life, member.rules.shutdown);
        let grace = match shutdown {
            Shutdown::Kill => return self.order_kill(key, life, effects),
            Shutdown::After(grace) | Shutdown::Drain(grace) => grace,
        };
        let token = self.token();
        self.timers.insert(token, vec![key]);
        self.set_phase(key, Phase::Stopping(token));
        effects.push(Effect::Stop { key, life, drain: matches!(shutdown, Shutdown::Drain(_)) });
        effects.push(Effect::Timer { token, after: grace });
    }

    fn order_kill(&mut self, key: Key, life: Life, effects: &mut Vec<Effect>) {
        let token = self.token();
        self.timers.insert(token, vec![key]);
        self.set_phase(key, Phase::Killing(token));
        effects.push(Effect::Kill { key, life });
        effects.push(Effect::Timer { token, after: KILL_GRACE });
    }
}
