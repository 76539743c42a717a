//! A shell without ractor: carries out what the plan orders with children that do as the test says.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// What a child is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Starting,
    Running,
    Stopping,
    Dying,
}

pub(super) struct Sim {
    pub(super) plan: Plan,
    pub(super) now: Instant,
    strategy: Strategy,
    pub(super) keys: Vec<Key>,
    /// What lives, by child. SU1 holds as there is one place for each, and taking a taken one fails the test.
    pub(super) alive: BTreeMap<Key, (Life, Doing)>,
    timers: BTreeMap<Token, Instant>,
    pub(super) log: Vec<String>,
    pub(super) ended: Option<Exit>,
    pub(super) ready: bool,
    pub(super) starts: u64,
    /// Start hooks that will fail, counted down.
    pub(super) failing: BTreeMap<Key, u32>,
    /// Do not obey a stop.
    pub(super) stubborn: BTreeSet<Key>,
    /// Do not end even when killed.
    pub(super) frozen: BTreeSet<Key>,
    pub(super) chance: fastrand::Rng,
}

impl Sim {
    pub(super) fn new(strategy: Strategy, intensity: Intensity, auto: AutoShutdown, rules: &[Rules]) -> Sim {
        let mut plan = Plan::new(strategy, intensity, auto, 1);
        let keys = rules.iter().map(|rules| plan.add(*rules)).collect();
        Sim {
            plan,
            now: Instant::now(),
            strategy,
            keys,
            alive: BTreeMap::new(),
            timers: BTreeMap::new(),
            log: Vec::new(),
            ended: None,
            ready: false,
            starts: 0,
            failing: BTreeMap::new(),
            stubborn: BTreeSet::new(),
            frozen: BTreeSet::new(),
            chance: fastrand::Rng::with_seed(7),
        }
    }

    /// Starts the table and lets everything come to rest.
    pub(super) fn begin(&mut self) {
        self.tell(Input::Begin);
        self.settle();
    }

    pub(super) fn add(&mut self, rules: Rules) -> Key {
        let key = self.plan.add(rules);
        self.keys.push(key);
        self.tell(Input::Begin);
        key
    }

    pub(super) fn name(&self, key: Key) -> char {
        char::from(b'a' + u8::try_from(key.0 - 1).unwrap())
    }

    pub(super) fn key(&self, name: char) -> Key {
        Key(u64::from(u32::from(name) - u32::from('a')) + 1)
    }

    /// The log so far, as one line, and empties it.
    pub(super) fn take_log(&mut self) -> String {
        std::mem::take(&mut self.log).join(", ")
    }

    /// A child ends by itself, and everything that follows comes to rest.
    pub(super) fn exit(&mut self, name: char, exit: Exit) -> String {
        self.report_exit(self.key(name), exit);
        self.settle();
        self.take_log()
    }

    /// An operator or the level above says something, and everything that follows comes to rest.
    pub(super) fn order(&mut self, input: Input) -> String {
        self.tell(input);
        self.settle();
        self.take_log()
    }

    pub(super) fn up(&self) -> String {
        self.alive.iter().filter(|(_, (_, doing))| *doing == Doing::Running).map(|(key, _)| self.name(*key)).collect()
    }

    pub(super) fn report_exit(&mut self, key: Key, exit: Exit) {
        let (life, _) = self.alive.remove(&key).unwrap();
        self.tell(Input::Exited { key, life, exit });
    }

    pub(super) fn report_started(&mut self, key: Key) {
        let (life, doing) = self.alive.get_mut(&key).unwrap();
        let life = *life;
        // A child that was told to end while it started does so after its hook.
        if *doing == Doing::Starting {
            *doing = Doing::Running;
        }
        self.tell(Input::Started { key, life });
    }

    pub(super) fn tell(&mut self, input: Input) {
        for effect in self.plan.step(input, self.now) {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        assert_eq!(self.ended, None, "an order after the end: {effect:?}");
        match effect {
            Effect::Start { key, life } => {
                self.check_start(key);
                assert_eq!(self.alive.insert(key, (life, Doing::Starting)), None, "SU1: two lives of one child");
                self.starts += 1;
                self.log.push(format!("start {}", self.name(key)));
            }
            Effect::Stop { key, drain } => {
                self.check_stop(key);
                self.log.push(format!("{} {}", if drain { "drain" } else { "stop" }, self.name(key)));
                self.alive.get_mut(&key).unwrap().1 = Doing::Stopping;
            }
            Effect::Kill { key } => {
                self.log.push(format!("kill {}", self.name(key)));
                self.alive.get_mut(&key).unwrap().1 = Doing::Dying;
            }
            Effect::LeftBehind { key } => {
                self.log.push(format!("left {}", self.name(key)));
                self.alive.remove(&key).unwrap();
            }
            Effect::Timer { token, after } => _ = self.timers.insert(token, self.now + after),
            Effect::Ready => {
                self.ready = true;
                self.log.push("ready".to_owned());
            }
            Effect::AddFailed { key, reason } => self.log.push(format!("failed {} ({reason})", self.name(key))),
            Effect::Removed { key } => {
                assert!(!self.alive.contains_key(&key), "removed while it lives");
                self.log.push(format!("removed {}", self.name(key)));
            }
            Effect::End(exit) => {
                assert!(self.alive.is_empty(), "orphans at the end: {:?}", self.alive);
                self.log.push(format!("end {exit:?}"));
                self.ended = Some(exit);
            }
        }
    }

    /// SU2: whatever else lives is up, and what comes before it in the table is not on its way down or up.
    fn check_start(&self, key: Key) {
        if self.strategy == Strategy::OneForOne && self.ready {
            return;
        }
        let settled = self.alive.values().all(|(_, doing)| *doing == Doing::Running);
        let earlier_up = self.plan.members.range(..key).all(|(_, member)| !member.wanted || member.phase == Phase::Up);
        assert!(settled && earlier_up, "SU2: {} starts while another is on its way: {:?}", self.name(key), self.alive);
    }

    /// SU2: whatever behind it is to end has ended.
    fn check_stop(&self, key: Key) {
        if self.strategy == Strategy::OneForOne && self.plan.ending.is_none() {
            return;
        }
        let last = self.plan.doomed.range(key..).all(|other| *other == key || !self.alive.contains_key(other));
        assert!(last, "SU2: {} is told to stop too early: {:?}", self.name(key), self.alive);
    }

    /// Lets children do as they were told, in any order, and timers fire when nothing else moves, until all is quiet.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            if !(self.move_one() || self.fire_next(true)) {
                return;
            }
        }
        panic!("does not come to rest: {:?}", self.log);
    }

    /// One child does what it was told. False if none has anything to do.
    pub(super) fn move_one(&mut self) -> bool {
        let can_move = |(key, (_, doing)): (&Key, &(Life, Doing))| match doing {
            Doing::Running => None,
            Doing::Starting | Doing::Stopping => (!self.stubborn.contains(key)).then_some(*key),
            Doing::Dying => (!self.frozen.contains(key)).then_some(*key),
        };
        let movable: Vec<Key> = self.alive.iter().filter_map(can_move).collect();
        let Some(key) = self.chance.choice(movable) else { return false };
        match self.alive[&key].1 {
            Doing::Starting => match self.failing.get_mut(&key).filter(|left| **left > 0) {
                Some(left) => {
                    *left -= 1;
                    self.report_exit(key, crash());
                }
                None => self.report_started(key),
            },
            Doing::Stopping => self.report_exit(key, Exit::Stopped),
            Doing::Dying => self.report_exit(key, Exit::Killed),
            Doing::Running => {}
        }
        true
    }

    /// The next timer fires, and time with it if `wait`. False if none is expected, or none is due.
    pub(super) fn fire_next(&mut self, wait: bool) -> bool {
        self.timers.retain(|token, _| self.plan.expects(*token));
        let Some((token, at)) = self.timers.iter().map(|(token, at)| (*token, *at)).min_by_key(|(_, at)| *at) else {
            return false;
        };
        if !wait && at > self.now {
            return false;
        }
        self.now = self.now.max(at);
        self.timers.remove(&token);
        self.tell(Input::Elapsed(token));
        true
    }
}
