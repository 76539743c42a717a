//! The pure core of a supervisor: (input, now) -> effects. No await, no ractor, no clock.
//!
//! The shell in `supervisor/` carries out the effects and reports back. Two sets drive everything: the children that
//! are doomed (told to end, or about to be) and those that are due (wanted, down, and not held back). Every input
//! changes the sets and then [`Plan::advance`] takes the next steps: stop the last doomed child, else start the first
//! one due. Keys grow with the table, so the order of keys is the starting order.

mod input;
mod member;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use super::spec::{AutoShutdown, Exit, Intensity, Restart, Rules, Shutdown, Strategy};
use super::window::{Verdict, restart_window};

pub(super) use input::{Effect, Input, Key, Life, Token};
use member::Member;
pub(super) use member::{Phase, Rest};

/// The state of one supervisor.
#[derive(Debug)]
pub(super) struct Plan {
    strategy: Strategy,
    intensity: Intensity,
    auto_shutdown: AutoShutdown,
    members: BTreeMap<Key, Member>,
    /// Are to be down before anything starts; beside each other under a running one_for_one.
    doomed: BTreeSet<Key>,
    /// The doomed of this input, not yet told.
    fresh: Vec<Key>,
    /// Wanted, down, and free to start.
    due: BTreeSet<Key>,
    /// Wanted and down, but waiting for a timer.
    waiting: BTreeSet<Key>,
    /// Those whose start hook runs, and those that are being given up.
    starting: BTreeSet<Key>,
    /// Which children wait for which timer.
    timers: BTreeMap<Token, Vec<Key>>,
    restarts: VecDeque<Instant>,
    /// Set once it is to end: how, when all children are down.
    ending: Option<Exit>,
    /// It is to end without waiting for hooks.
    killing: bool,
    ended: bool,
    ready: bool,
    tokens: u64,
    keys: u64,
    chance: fastrand::Rng,
}

impl Plan {
    /// A supervisor without children yet; they come through [`Plan::add`], and [`Input::Begin`] starts them.
    pub(super) fn new(strategy: Strategy, intensity: Intensity, auto_shutdown: AutoShutdown, seed: u64) -> Plan {
        Plan {
            strategy,
            intensity,
            auto_shutdown,
            members: BTreeMap::new(),
            doomed: BTreeSet::new(),
            fresh: Vec::new(),
            due: BTreeSet::new(),
            waiting: BTreeSet::new(),
            starting: BTreeSet::new(),
            timers: BTreeMap::new(),
            restarts: VecDeque::new(),
            ending: None,
            killing: false,
            ended: false,
            ready: false,
            tokens: 0,
            keys: 0,
            chance: fastrand::Rng::with_seed(seed),
        }
    }

    /// Adds a child at the end of the table and says its key. Rules are shared, since the children of a large pool
    /// have the same ones.
    pub(super) fn add(&mut self, rules: impl Into<Arc<Rules>>) -> Key {
        self.keys += 1;
        let key = Key(self.keys);
        self.members.insert(key, Member::new(rules.into()));
        self.note_due(key);
        key
    }

    /// One child.
    pub(super) fn member(&self, key: Key) -> Option<&Member> {
        self.members.get(&key)
    }

    /// Whether anything still waits for this timer.
    pub(super) fn expects(&self, token: Token) -> bool {
        self.timers.contains_key(&token)
    }

    /// How many timers it waits for.
    pub(super) fn timers(&self) -> usize {
        self.timers.len()
    }

    /// Takes one input and says what is to be done.
    pub(super) fn step(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Begin => {}
            Input::Started { key, life } => self.started(key, life, now),
            Input::Exited { key, life, exit } => self.exited(key, life, &exit, now, &mut effects),
            Input::Elapsed(token) => self.elapsed(token, now, &mut effects),
            Input::Stuck(key) => self.stuck(key, &mut effects),
            Input::Stop => self.end(Exit::Stopped),
            Input::Kill => self.kill_all(&mut effects),
            Input::Remove(key) => self.doom(key, |member| {
                (member.wanted, member.removed) = (false, true);
            }),
            Input::Hold(key) => self.doom(key, |member| {
                (member.wanted, member.held) = (false, true);
            }),
            Input::Restart(key) => self.doom(key, |member| {
                (member.wanted, member.held) = (!member.removed, false);
            }),
            Input::Release(key) => self.release(key),
        }
        self.advance(&mut effects);
        effects
    }

    /// Changes what is wanted of a child and has it stopped first.
    fn doom(&mut self, key: Key, change: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.get_mut(&key) {
            change(member);
            member.held_by = None;
            self.doomed.insert(key);
            self.fresh.push(key);
            self.note_due(key);
        }
    }

    fn release(&mut self, key: Key) {
        if let Some(member) = self.members.get_mut(&key) {
            (member.wanted, member.held) = (!member.removed, false);
            (member.held_by, member.attempts) = (None, 0);
            self.note_due(key);
        }
    }

    /// Keeps `due` and `waiting` in step with a child that may have become startable, or no longer is.
    fn note_due(&mut self, key: Key) {
        let held_by = match self.members.get(&key) {
            Some(member) if member.wanted && member.phase == Phase::Down && !self.doomed.contains(&key) => {
                Some(member.held_by)
            }
            _ => None,
        };
        let _ = if held_by == Some(None) { self.due.insert(key) } else { self.due.remove(&key) };
        let _ = if matches!(held_by, Some(Some(_))) { self.waiting.insert(key) } else { self.waiting.remove(&key) };
    }

    fn set_phase(&mut self, key: Key, phase: Phase) {
        if let Some(member) = self.members.get_mut(&key) {
            let before = std::mem::replace(&mut member.phase, phase);
            if let Some(token) = before.timer() {
                self.timers.remove(&token);
            }
        }
        let _ = match phase {
            Phase::Starting(_) => self.starting.insert(key),
            // Killed because its start or its handler took too long: nothing starts until its fate is known.
            Phase::Killing(_) if !self.doomed.contains(&key) => self.starting.insert(key),
            _ => self.starting.remove(&key),
        };
        self.note_due(key);
    }

    fn end(&mut self, exit: Exit) {
        if self.ending.is_none() {
            self.ending = Some(exit);
        }
        self.doomed.extend(self.members.keys().copied());
        self.due.clear();
        self.waiting.clear();
    }

    fn kill_all(&mut self, effects: &mut Vec<Effect>) {
        self.end(Exit::Killed);
        self.killing = true;
        let alive =
            |(key, member): (&Key, &Member)| (!matches!(member.phase, Phase::Down | Phase::Killing(_))).then_some(*key);
        let alive: Vec<Key> = self.members.iter().rev().filter_map(alive).collect();
        alive.into_iter().for_each(|key| self.order_kill(key, effects));
    }

    fn started(&mut self, key: Key, life: Life, now: Instant) {
        let Some(member) = self.members.get_mut(&key) else { return };
        if member.life != life || member.phase == Phase::Down {
            return;
        }
        member.proven = true;
        member.up_since = Some(now);
        if matches!(member.phase, Phase::Starting(_)) {
            self.set_phase(key, Phase::Up);
        }
    }

    fn exited(&mut self, key: Key, life: Life, exit: &Exit, now: Instant, effects: &mut Vec<Effect>) {
        let Some(member) = self.members.get(&key) else { return };
        if member.life != life || member.phase == Phase::Down {
            return;
        }
        let (rules, started) = (Arc::clone(&member.rules), member.up_since.is_some());
        let too_slow = !started && matches!(member.phase, Phase::Killing(_));
        self.set_phase(key, Phase::Down);
        if self.doomed.contains(&key) {
            self.settle_beside(key, effects);
        } else if started {
            self.ended_by_itself(key, &rules, exit, now, effects);
        } else {
            let reason = match exit {
                Exit::Failed(reason) => reason.clone(),
                _ if too_slow => format!("did not start within {} s", rules.start_limit.as_secs_f32()),
                _ => "ended while starting".to_owned(),
            };
            self.start_failed(key, reason, now, effects);
        }
    }

    /// Kills a child that does not come back from its handler; what follows is what follows any end of its own. One that
    /// is about to be stopped is left to its grace.
    fn stuck(&mut self, key: Key, effects: &mut Vec<Effect>) {
        let up = self.members.get(&key).is_some_and(|member| member.phase == Phase::Up);
        if up && !self.doomed.contains(&key) {
            self.order_kill(key, effects);
        }
    }

    /// The start hook of a child nobody told to end did not succeed.
    fn start_failed(&mut self, key: Key, reason: String, now: Instant, effects: &mut Vec<Effect>) {
        if self.members.get(&key).is_some_and(|member| member.proven) {
            self.failed(key, now, effects);
        } else if self.ready {
            effects.push(Effect::AddFailed { key, reason });
            self.discard(key, effects);
        } else {
            self.end(Exit::Failed(reason));
        }
    }

    fn ended_by_itself(&mut self, key: Key, rules: &Rules, exit: &Exit, now: Instant, effects: &mut Vec<Effect>) {
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
            member.wanted = false;
        }
        self.note_due(key);
        // As in OTP, a temporary child leaves the table with its end; a transient one can be released again.
        if rules.restart == Restart::Temporary {
            self.discard(key, effects);
        }
        if rules.significant && self.significant_end() {
            self.end(Exit::Normal);
        }
    }

    /// Whether the end of a significant child is the end of its supervisor. Children that are down for good, or held
    /// by an operator, count as ended.
    fn significant_end(&self) -> bool {
        let lasting = |member: &Member| member.rules.significant && (member.wanted || member.phase != Phase::Down);
        match self.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => !self.members.values().any(lasting),
        }
    }

    /// SU4: counts the restart once, dooms the group, and holds the group back until the wait is over.
    fn failed(&mut self, key: Key, now: Instant, effects: &mut Vec<Effect>) {
        if restart_window(&mut self.restarts, now, self.intensity) == Verdict::GiveUp {
            let Intensity { restarts, period } = self.intensity;
            self.end(Exit::Failed(format!("more than {restarts} restarts within {} s", period.as_secs_f32())));
            return;
        }
        let (token, chance) = (self.token(), self.chance.u64(..));
        let Some(member) = self.members.get_mut(&key) else { return };
        let wait = member.next_wait(now, chance);
        let mut group: Vec<Key> = match self.strategy {
            Strategy::OneForOne => vec![key],
            Strategy::OneForAll => self.members.keys().copied().collect(),
            Strategy::RestForOne => self.members.range(key..).map(|(key, _)| *key).collect(),
        };
        for key in &group {
            let Some(member) = self.members.get_mut(key) else { continue };
            if member.phase != Phase::Down {
                self.doomed.insert(*key);
                // As in OTP, a temporary child that goes down with its group stays down, and leaves the table.
                if member.rules.restart == Restart::Temporary {
                    (member.wanted, member.removed) = (false, true);
                }
            }
            member.held_by = Some(token);
            self.note_due(*key);
        }
        group.shrink_to_fit();
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
                continue;
            }
            match self.members.get(&key).map(|member| member.phase) {
                Some(Phase::Stopping(at) | Phase::Starting(at)) if at == token => self.order_kill(key, effects),
                Some(Phase::Killing(at)) if at == token => {
                    effects.push(Effect::LeftBehind { key });
                    self.exited(key, life, &Exit::Lost, now, effects);
                }
                _ => {}
            }
        }
    }

    /// Whether children neither wait for each other's start nor for each other's end: those of a one_for_one
    /// supervisor depend on nobody, so once the table is up one slow child must not hold up the others.
    fn beside_each_other(&self) -> bool {
        self.ready && self.strategy == Strategy::OneForOne && self.ending.is_none()
    }

    fn advance(&mut self, effects: &mut Vec<Effect>) {
        if self.ended {
            return;
        }
        let settled = self.stop_doomed(effects);
        if let Some(exit) = &self.ending {
            if settled {
                self.ended = true;
                effects.push(Effect::End(exit.clone()));
            }
            return;
        }
        let beside = self.beside_each_other();
        while beside || (settled && self.starting.is_empty()) {
            let Some(key) = self.due.first().copied() else { break };
            if !beside && self.waiting.first().is_some_and(|earlier| *earlier < key) {
                break;
            }
            self.order_start(key, effects);
        }
        let all_up = settled && self.starting.is_empty() && self.due.is_empty() && self.waiting.is_empty();
        if !self.ready && all_up {
            self.ready = true;
            effects.push(Effect::Ready);
        }
    }

    /// SU2: takes the doomed down from the last to the first. True when none is left.
    fn stop_doomed(&mut self, effects: &mut Vec<Effect>) -> bool {
        if self.beside_each_other() {
            // The others are on their way down and settle when they end, so this stays cheap with many of them.
            for key in std::mem::take(&mut self.fresh) {
                self.settle(key, effects);
            }
            return self.doomed.is_empty();
        }
        self.fresh.clear();
        while let Some(key) = self.doomed.last().copied() {
            if !self.settle(key, effects) {
                return false;
            }
        }
        true
    }

    fn settle_beside(&mut self, key: Key, effects: &mut Vec<Effect>) {
        if self.beside_each_other() {
            self.settle(key, effects);
        }
    }

    /// Brings one doomed child a step further. True when it is down and no longer doomed.
    fn settle(&mut self, key: Key, effects: &mut Vec<Effect>) -> bool {
        match self.members.get(&key).map(|member| member.phase) {
            None | Some(Phase::Down) => {
                self.doomed.remove(&key);
                if self.members.get(&key).is_some_and(|member| member.removed) {
                    self.discard(key, effects);
                }
                self.note_due(key);
                true
            }
            Some(Phase::Stopping(_) | Phase::Killing(_)) => false,
            Some(Phase::Starting(_) | Phase::Up) => {
                self.order_stop(key, effects);
                false
            }
        }
    }

    /// Takes a child that is down out of the table.
    fn discard(&mut self, key: Key, effects: &mut Vec<Effect>) {
        if self.members.remove(&key).is_some() {
            self.doomed.remove(&key);
            self.note_due(key);
            effects.push(Effect::Removed { key });
        }
    }

    fn order_start(&mut self, key: Key, effects: &mut Vec<Effect>) {
        let token = self.token();
        let Some(member) = self.members.get_mut(&key) else { return };
        member.life = Life(member.life.0 + 1);
        member.up_since = None;
        let (life, after) = (member.life, member.rules.start_limit);
        self.set_phase(key, Phase::Starting(token));
        self.timers.insert(token, vec![key]);
        effects.push(Effect::Start { key, life });
        effects.push(Effect::Timer { token, after });
    }

    fn order_stop(&mut self, key: Key, effects: &mut Vec<Effect>) {
        let Some(member) = self.members.get(&key) else { return };
        let (grace, drain) = match member.rules.shutdown {
            Shutdown::Kill => return self.order_kill(key, effects),
            Shutdown::After(grace) => (grace, false),
            Shutdown::Drain(grace) => (grace, member.phase == Phase::Up),
        };
        let token = self.token();
        self.set_phase(key, Phase::Stopping(token));
        self.timers.insert(token, vec![key]);
        effects.push(Effect::Stop { key, drain });
        effects.push(Effect::Timer { token, after: grace });
    }

    fn order_kill(&mut self, key: Key, effects: &mut Vec<Effect>) {
        let token = self.token();
        let Some(after) = self.members.get(&key).map(|member| member.rules.kill_grace) else { return };
        self.set_phase(key, Phase::Killing(token));
        self.timers.insert(token, vec![key]);
        effects.push(Effect::Kill { key });
        effects.push(Effect::Timer { token, after });
    }
}
