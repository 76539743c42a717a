//! The plan against an independent model: a supervisor as OTP describes it, which does one thing after another.

use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;

use super::sim::Doing;
use super::{Strategy, *};

/// What happens to a supervisor at rest.
#[derive(Debug, Clone)]
enum Event {
    Exit(u64, Exit),
    FailNextStarts(u64, u32),
    Hold(u64),
    Release(u64),
    Restart(u64),
    Remove(u64),
    Add(Restart, bool),
    Pass(u64),
    Stop,
}

struct Row {
    key: u64,
    rules: Rules,
    running: bool,
    wanted: bool,
    proven: bool,
}

/// Children in a list, and plain loops over it. Nothing waits, so there are no phases and no timers.
struct Reference {
    strategy: Strategy,
    intensity: Intensity,
    auto: AutoShutdown,
    rows: Vec<Row>,
    restarts: Vec<Instant>,
    failing: BTreeMap<u64, u32>,
    now: Instant,
    ended: bool,
    log: Vec<String>,
}

impl Reference {
    fn say(&mut self, what: &str, key: u64) {
        self.log.push(format!("{what} {}", char::from(b'a' + u8::try_from(key - 1).unwrap())));
    }

    fn row(&mut self, key: u64) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| row.key == key)
    }

    fn stop(&mut self, key: u64) {
        if self.row(key).is_some_and(|row| std::mem::take(&mut row.running)) {
            self.say("stop", key);
        }
    }

    fn remove(&mut self, key: u64) {
        self.rows.retain(|row| row.key != key);
        self.say("removed", key);
    }

    fn end(&mut self, how: &str) {
        let keys: Vec<u64> = self.rows.iter().rev().map(|row| row.key).collect();
        keys.into_iter().for_each(|key| self.stop(key));
        self.log.push(format!("end {how}"));
        self.ended = true;
    }

    fn start_all(&mut self) {
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
                    self.say("failed", key);
                    let line = self.log.last_mut().unwrap();
                    line.push_str(" (broken)");
                    self.remove(key);
                }
            }
        }
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
        row.running = false;
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

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Exit(key, exit) => self.exit(*key, exit),
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

/// Tells the plan the same, and lets its children obey in an order of their own.
fn happen(sim: &mut Sim, event: &Event) {
    match event {
        Event::Exit(key, exit) => sim.report_exit(Key(*key), exit.clone()),
        Event::FailNextStarts(key, times) => _ = sim.failing.insert(Key(*key), *times),
        Event::Hold(key) => sim.tell(Input::Hold(Key(*key))),
        Event::Release(key) => sim.tell(Input::Release(Key(*key))),
        Event::Restart(key) => sim.tell(Input::Restart(Key(*key))),
        Event::Remove(key) => sim.tell(Input::Remove(Key(*key))),
        Event::Add(restart, significant) => {
            sim.add(rules(*restart, *significant));
        }
        Event::Pass(millis) => sim.now += Duration::from_millis(*millis),
        Event::Stop => sim.tell(Input::Stop),
    }
}

fn rules(restart: Restart, significant: bool) -> Rules {
    Rules { significant, ..with_restart(restart) }
}

fn any_restart() -> impl Generator<Value = Restart> {
    prop_oneof![Just(Restart::Permanent), Just(Restart::Transient), Just(Restart::Temporary)]
}

fn any_exit() -> impl Generator<Value = Exit> {
    prop_oneof![Just(Exit::Normal), Just(Exit::Killed), Just(crash())]
}

/// Keys up to 8, so that some events concern children that were removed, or are not there yet.
fn any_event() -> impl Generator<Value = Event> {
    let key = || 1u64..8;
    prop_oneof![
        8 => (key(), any_exit()).prop_map(|(key, exit)| Event::Exit(key, exit)),
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

fn any_supervisor() -> impl Generator<Value = (Strategy, AutoShutdown, u32, Vec<(Restart, bool)>)> {
    let strategy = prop_oneof![Just(Strategy::OneForOne), Just(Strategy::OneForAll), Just(Strategy::RestForOne)];
    let auto =
        prop_oneof![Just(AutoShutdown::Never), Just(AutoShutdown::AnySignificant), Just(AutoShutdown::AllSignificant)];
    (strategy, auto, 0u32..8, prop::collection::vec((any_restart(), any::<bool>()), 0..5))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// At rest, every event leads to the same stops and starts in the same order as in the reference.
    #[test]
    fn does_what_a_supervisor_of_otp_does(
        (strategy, auto, restarts, table) in any_supervisor(),
        events in prop::collection::vec(any_event(), 1..40),
        seed in any::<u64>(),
    ) {
        let intensity = Intensity { restarts, period: 2 * SECOND };
        let table: Vec<Rules> = table.into_iter().map(|(restart, significant)| rules(restart, significant)).collect();
        let mut sim = Sim::new(strategy, intensity, auto, &table);
        sim.chance = fastrand::Rng::with_seed(seed);
        sim.begin();
        sim.take_log();
        let row = |(index, rules): (usize, &Rules)| {
            Row { key: index as u64 + 1, rules: *rules, running: true, wanted: true, proven: true }
        };
        let mut reference = Reference {
            strategy, intensity, auto,
            rows: table.iter().enumerate().map(row).collect(),
            restarts: Vec::new(), failing: BTreeMap::new(), now: sim.now, ended: false, log: Vec::new(),
        };
        for event in events {
            match &event {
                Event::Exit(key, _) if !reference.row(*key).is_some_and(|row| row.running) => continue,
                Event::FailNextStarts(..) if restarts == 0 => continue,
                Event::Add(restart, significant) => {
                    let (key, rules) = (sim.keys.len() as u64 + 1, rules(*restart, *significant));
                    reference.rows.push(Row { key, rules, running: false, wanted: true, proven: false });
                }
                _ => {}
            }
            reference.happen(&event);
            happen(&mut sim, &event);
            sim.settle();
            prop_assert_eq!(sim.take_log(), std::mem::take(&mut reference.log).join(", "), "after {:?}", event);
            prop_assert_eq!(sim.ended.is_some(), reference.ended);
            if reference.ended {
                break;
            }
        }
    }
}

/// What happens while a supervisor is busy.
#[derive(Debug, Clone)]
enum Chaos {
    Event(Event),
    Move,
    Time,
    Stubborn(u64),
    Frozen(u64),
    Kill,
}

fn any_chaos() -> impl Generator<Value = Chaos> {
    prop_oneof![
        8 => any_event().prop_map(Chaos::Event),
        12 => Just(Chaos::Move),
        3 => Just(Chaos::Time),
        1 => (1u64..8).prop_map(Chaos::Stubborn),
        1 => (1u64..8).prop_map(Chaos::Frozen),
    ]
}

/// Whether this end, coming now, is one the supervisor did not order and has to answer with a restart.
fn causes_restart(sim: &Sim, key: Key, exit: &Exit) -> bool {
    let Some(member) = sim.plan.member(key) else { return false };
    let again = match member.rules.restart {
        Restart::Permanent => true,
        Restart::Transient => exit.is_failure(),
        Restart::Temporary => false,
    };
    sim.plan.ending.is_none() && sim.alive[&key].1 == Doing::Running && again
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: one life of a child at a time and the orders of S2 (checked by the sim at
    /// every order), one restart counted for each end that caused it, all that should run does in the end, and nothing
    /// is left when the supervisor has ended.
    #[test]
    fn keeps_its_promises_under_chaos(
        (strategy, auto, _, table) in any_supervisor(),
        chaos in prop::collection::vec(any_chaos(), 1..80),
        kills in prop::option::weighted(0.2, 0usize..80),
        seed in any::<u64>(),
    ) {
        let table: Vec<Rules> = table.into_iter().map(|(restart, significant)| rules(restart, significant)).collect();
        let for_ever = Intensity { restarts: 100_000, period: Duration::from_secs(1_000_000) };
        let mut sim = Sim::new(strategy, for_ever, auto, &table);
        sim.chance = fastrand::Rng::with_seed(seed);
        sim.tell(Input::Begin);
        let mut causes = 0;
        for (step, chaos) in chaos.into_iter().enumerate() {
            if sim.ended.is_some() {
                break;
            }
            let chaos = if kills == Some(step) { Chaos::Kill } else { chaos };
            match chaos {
                Chaos::Event(Event::Exit(key, exit)) => {
                    let key = Key(key);
                    if sim.alive.get(&key).is_some_and(|(_, doing)| *doing == Doing::Running) {
                        causes += usize::from(causes_restart(&sim, key, &exit));
                        sim.report_exit(key, exit);
                    }
                }
                // A start that fails by itself is not counted here, so that the causes are known exactly.
                Chaos::Event(Event::FailNextStarts(..)) => {}
                Chaos::Event(event) => happen(&mut sim, &event),
                Chaos::Move => _ = sim.move_one(),
                Chaos::Time => _ = sim.fire_next(true),
                Chaos::Stubborn(key) => _ = sim.stubborn.insert(Key(key)),
                Chaos::Frozen(key) => _ = sim.frozen.insert(Key(key)),
                Chaos::Kill => sim.tell(Input::Kill),
            }
        }
        sim.stubborn.clear();
        let counted = sim.plan.restarts.len();
        let too_slow = sim.log.iter().filter(|line| line.starts_with("kill")).count();
        prop_assert!(counted <= causes + too_slow, "S4: {} counted for {} causes", counted, causes);
        if strategy == Strategy::OneForOne {
            prop_assert!(counted >= causes, "S4: {} counted for {} causes", counted, causes);
        }
        sim.settle();
        if sim.ended.is_none() {
            for (key, member) in &sim.plan.members {
                prop_assert_eq!(member.wanted, member.phase == Phase::Up, "{:?} {:?}", key, member);
                prop_assert_eq!(member.phase == Phase::Up, sim.alive.contains_key(key));
            }
            prop_assert!(sim.ready && sim.plan.doomed.is_empty());
            sim.tell(Input::Stop);
            sim.settle();
        }
        prop_assert!(sim.ended.is_some());
    }
}
