//! The plan against an independent model: a supervisor as OTP describes it, which does one thing after another.

use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;

use super::sim::Doing;
use super::{Strategy, *};
use crate::supervision::tests::cases;
use crate::supervision::tests::reference::{Event, Reference, Row, any_event, any_supervisor};

/// Tells the plan the same, and lets its children obey in an order of their own.
fn happen(sim: &mut Sim, event: &Event) {
    match event {
        Event::Exit(key, exit) => sim.report_exit(Key(*key), exit.clone()),
        Event::FailNextStarts(key, times) => _ = sim.failing.insert(Key(*key), *times),
        Event::Hang(key) => sim.tell(Input::Stuck(Key(*key))),
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

/// The sim has its handlers watched: the plan hears when one is stuck.
fn rules(restart: Restart, significant: bool) -> Rules {
    let watch = Watched::Own(Some(Watch { limit: SECOND, then: Stuck::Restart }));
    Rules { significant, watch, ..with_restart(restart) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(2_000), ..ProptestConfig::default() })]

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
            Row { running: true, proven: true, ..Row::new(index as u64 + 1, *rules) }
        };
        let mut reference = Reference {
            strategy, intensity, auto,
            rows: table.iter().enumerate().map(row).collect(),
            restarts: Vec::new(), failing: BTreeMap::new(), now: sim.now, ready: true, ended: false, log: Vec::new(),
        };
        for event in events {
            match &event {
                Event::Exit(key, _) | Event::Hang(key) if !reference.row(*key).is_some_and(|row| row.running) => continue,
                Event::FailNextStarts(..) if restarts == 0 => continue,
                Event::Add(restart, significant) => {
                    let (key, rules) = (sim.keys.len() as u64 + 1, rules(*restart, *significant));
                    reference.rows.push(Row::new(key, rules));
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
    #![proptest_config(ProptestConfig { cases: cases(2_000), ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: one life of a child at a time and the orders of SU2 (checked by the sim at
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
        prop_assert!(counted <= causes + too_slow, "SU4: {} counted for {} causes", counted, causes);
        if strategy == Strategy::OneForOne {
            prop_assert!(counted >= causes, "SU4: {} counted for {} causes", counted, causes);
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
