//! A supervisor as OTP describes it, which does one thing after another: what the plan, and the real one, are held to.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;

use super::{Strategy, *};
use crate::supervision::spec::{Rules, Watched};

/// What happens to a supervisor at rest.
#[derive(Debug, Clone)]
pub(in crate::supervision) enum Event {
    Exit(u64, Exit),
    FailNextStarts(u64, u32),
    Hold(u64),
    Release(u64),
    Restart(u64),
    Remove(u64),
    /// Its handler does not come back.
    Hang(u64),
    Add(Restart, bool),
    Pass(u64),
    Stop,
}

pub(in crate::supervision) struct Row {
    pub(in crate::supervision) key: u64,
    pub(in crate::supervision) rules: Rules,
    pub(in crate::supervision) running: bool,
    pub(in crate::supervision) wanted: bool,
    pub(in crate::supervision) proven: bool,
    /// It does not come back from its handler, and nobody watches it.
    pub(in crate::supervision) hung: bool,
}

impl Row {
    /// A child of the table that has not started yet.
    pub(in crate::supervision) fn new(key: u64, rules: Rules) -> Row {
        Row { key, rules, running: false, wanted: true, proven: false, hung: false }
    }
}

/// Children in a list, and plain loops over it. Nothing waits, so there are no phases and no timers.
pub(in crate::supervision) struct Reference {
    pub(in crate::supervision) strategy: Strategy,
    pub(in crate::supervision) intensity: Intensity,
    pub(in crate::supervision) auto: AutoShutdown,
    pub(in crate::supervision) rows: Vec<Row>,
    pub(in crate::supervision) restarts: Vec<Instant>,
    pub(in crate::supervision) failing: BTreeMap<u64, u32>,
    pub(in crate::supervision) now: Instant,
    /// Every child of the table has been up.
    pub(in crate::supervision) ready: bool,
    pub(in crate::supervision) ended: bool,
    pub(in crate::supervision) log: Vec<String>,
}

impl Reference {
    fn say(&mut self, what: &str, key: u64) {
        self.log.push(format!("{what} {}", char::from(b'a' + u8::try_from(key - 1).unwrap())));
    }

    pub(in crate::supervision) fn row(&mut self, key: u64) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| row.key == key)
    }

    fn stop(&mut self, key: u64) {
        let Some(row) = self.row(key) else { return };
        if std::mem::take(&mut row.running) {
            // It does not obey, so its grace passes.
            let what = if std::mem::take(&mut row.hung) { "kill" } else { "stop" };
            self.say(what, key);
        }
    }

    fn remove(&mut self, key: u64) {
        self.rows.retain(|row| row.key != key);
        self.say("removed", key);
    }

    pub(in crate::supervision) fn end(&mut self, how: &str) {
        let keys: Vec<u64> = self.rows.iter().rev().map(|row| row.key).collect();
        keys.into_iter().for_each(|key| self.stop(key));
        self.log.push(format!("end {how}"));
        self.ended = true;
    }

    pub(in crate::supervision) fn start_all(&mut self) {
        while let Some(row) = self.rows.iter_mut().find(|row| row.wanted && !row.running) {
            let (key, proven) = (row.key, row.proven);
            self.say("start", key);
            match self.failing.get_mut(&key).filter(|left| **left > 0) {
                None => {
                    let row = self.row(key).unwrap();
                    (row.running, row.proven) = (true, true);
                }
                Some(left) => {
                    *left -= 1;
                    if proven {
                        return self.failed(key);
                    }
                    if !self.ready {
                        return self.end("Failed(\"broken\")");
                    }
                    self.say("failed", key);
                    let line = self.log.last_mut().unwrap();
                    line.push_str(" (broken)");
                    self.remove(key);
                }
            }
        }
        self.ready = true;
    }

    fn failed(&mut self, key: u64) {
        self.restarts.push(self.now);
        let recent = self.restarts.iter().filter(|time| self.now - **time < self.intensity.period).count();
        if recent > self.intensity.restarts as usize {
            let Intensity { restarts, period } = self.intensity;
            return self.end(&format!("Failed(\"more than {restarts} restarts within {} s\")", period.as_secs_f32()));
        }
        let in_group = |row: &&Row| match self.strategy {
            Strategy::OneForOne => false,
            Strategy::OneForAll => row.key != key,
            Strategy::RestForOne => row.key > key,
        };
        let group: Vec<(u64, bool)> = self
            .rows
            .iter()
            .rev()
            .filter(in_group)
            .filter(|row| row.running)
            .map(|row| (row.key, row.rules.restart == Restart::Temporary))
            .collect();
        for (key, temporary) in group {
            self.stop(key);
            if temporary {
                self.remove(key);
            }
        }
        self.start_all();
    }

    fn exit(&mut self, key: u64, exit: &Exit) {
        let row = self.row(key).unwrap();
        (row.running, row.hung) = (false, false);
        let rules = row.rules;
        let again = match rules.restart {
            Restart::Permanent => true,
            Restart::Transient => !matches!(exit, Exit::Normal | Exit::Stopped),
            Restart::Temporary => false,
        };
        if again {
            return self.failed(key);
        }
        row.wanted = false;
        if rules.restart == Restart::Temporary {
            self.remove(key);
        }
        let others = self.rows.iter().any(|row| row.rules.significant && (row.running || row.wanted));
        let ends = match self.auto {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => !others,
        };
        if rules.significant && ends {
            self.end("Normal");
        }
    }

    pub(in crate::supervision) fn happen(&mut self, event: &Event) {
        match event {
            Event::Exit(key, exit) => self.exit(*key, exit),
            Event::Hang(key) if self.row(*key).is_some_and(|row| row.rules.watch == Watched::AsTree) => {
                self.row(*key).into_iter().for_each(|row| row.hung = true);
            }
            Event::Hang(key) => {
                self.say("kill", *key);
                self.exit(*key, &Exit::Killed);
            }
            Event::FailNextStarts(key, times) => _ = self.failing.insert(*key, *times),
            Event::Hold(key) => {
                self.stop(*key);
                self.row(*key).into_iter().for_each(|row| row.wanted = false);
            }
            Event::Release(key) => {
                self.row(*key).into_iter().for_each(|row| row.wanted = true);
                self.start_all();
            }
            Event::Restart(key) => {
                self.stop(*key);
                self.row(*key).into_iter().for_each(|row| row.wanted = true);
                self.start_all();
            }
            Event::Remove(key) if self.row(*key).is_some() => {
                self.stop(*key);
                self.remove(*key);
            }
            Event::Remove(_) => {}
            Event::Add(..) => self.start_all(),
            Event::Pass(millis) => self.now += Duration::from_millis(*millis),
            Event::Stop => self.end("Stopped"),
        }
    }
}

fn any_restart() -> impl Generator<Value = Restart> {
    prop_oneof![Just(Restart::Permanent), Just(Restart::Transient), Just(Restart::Temporary)]
}

fn any_exit() -> impl Generator<Value = Exit> {
    prop_oneof![Just(Exit::Normal), Just(Exit::Killed), Just(Exit::Failed("broken".to_owned()))]
}

/// Keys up to 8, so that some events concern children that were removed, or are not there yet.
pub(in crate::supervision) fn any_event() -> impl Generator<Value = Event> {
    let key = || 1u64..8;
    prop_oneof![
        8 => (key(), any_exit()).prop_map(|(key, exit)| Event::Exit(key, exit)),
        2 => key().prop_map(Event::Hang),
        3 => (key(), 1u32..4).prop_map(|(key, times)| Event::FailNextStarts(key, times)),
        2 => key().prop_map(Event::Hold),
        2 => key().prop_map(Event::Release),
        2 => key().prop_map(Event::Restart),
        1 => key().prop_map(Event::Remove),
        2 => (any_restart(), any::<bool>()).prop_map(|(restart, significant)| Event::Add(restart, significant)),
        3 => (0u64..1_500).prop_map(Event::Pass),
        1 => Just(Event::Stop),
    ]
}

pub(in crate::supervision) fn any_supervisor()
-> impl Generator<Value = (Strategy, AutoShutdown, u32, Vec<(Restart, bool)>)> {
    let strategy = prop_oneof![Just(Strategy::OneForOne), Just(Strategy::OneForAll), Just(Strategy::RestForOne)];
    let auto =
        prop_oneof![Just(AutoShutdown::Never), Just(AutoShutdown::AnySignificant), Just(AutoShutdown::AllSignificant)];
    (strategy, auto, 0u32..8, prop::collection::vec((any_restart(), any::<bool>()), 0..5))
}
