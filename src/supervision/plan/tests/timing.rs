//! Backoff, grace, kill, and the limit of a start.

use super::*;

const BACKOFF: Backoff = Backoff { first: SECOND, most: Duration::from_secs(10), reset_after: Duration::from_secs(30) };

#[test]
fn the_wait_doubles_up_to_its_ceiling_and_keeps_at_least_half() {
    for (attempt, ceiling) in [1_000_000, 2_000_000, 4_000_000, 8_000_000, 10_000_000, 10_000_000].iter().enumerate() {
        let (attempt, half) = (u32::try_from(attempt).unwrap(), ceiling / 2);
        assert_eq!(BACKOFF.wait(attempt, 0), Duration::from_micros(half), "shortest of {attempt}");
        assert_eq!(BACKOFF.wait(attempt, half), Duration::from_micros(*ceiling), "longest of {attempt}");
    }
    assert_eq!(BACKOFF.wait(u32::MAX, 0), Duration::from_secs(5));
    assert_eq!(Backoff::NONE.wait(9, u64::MAX), Duration::ZERO);
}

#[test]
fn waits_grow_with_restarts_in_a_row_and_shrink_after_a_long_life() {
    let rules = Rules { backoff: BACKOFF, ..worker() };
    let mut sim = up(Strategy::OneForOne, &[rules]);
    let mut wait = |lived: Duration| {
        sim.now += lived;
        let before = sim.now;
        sim.exit('a', crash());
        sim.now - before
    };
    let within = |wait: Duration, ceiling: u64| {
        assert!((ceiling * 500..=ceiling * 1_000).contains(&(wait.as_millis() as u64)), "{wait:?} of {ceiling} s");
    };
    within(wait(SECOND), 1);
    within(wait(SECOND), 2);
    within(wait(SECOND), 4);
    within(wait(30 * SECOND), 1);
    within(wait(SECOND), 2);
}

#[test]
fn a_start_that_fails_slowly_is_no_long_life() {
    let rules = Rules { backoff: BACKOFF, ..worker() };
    let mut sim = up(Strategy::OneForOne, &[rules]);
    sim.report_exit(Key(1), crash());
    let mut waits = Vec::new();
    for _ in 0..3 {
        let before = sim.now;
        assert!(sim.fire_next(true));
        waits.push(sim.now - before);
        sim.now += 50 * SECOND;
        sim.report_exit(Key(1), crash());
    }
    assert!(waits[1] >= SECOND && waits[2] >= 2 * SECOND, "{waits:?}");
}

#[test]
fn a_group_waits_as_long_as_the_child_that_failed() {
    let mut sim = up(Strategy::OneForAll, &[worker(), Rules { backoff: BACKOFF, ..worker() }]);
    let before = sim.now;
    assert_eq!(sim.exit('b', crash()), "stop a, start a, start b");
    assert!(sim.now - before >= SECOND / 2);
}

#[test]
fn a_child_that_does_not_stop_in_time_is_killed_and_then_left_behind() {
    let rules = [Rules { shutdown: Shutdown::Drain(2 * SECOND), ..worker() }; 2];
    let mut sim = up(Strategy::OneForAll, &rules);
    let before = sim.now;
    sim.stubborn.insert(Key(2));
    assert_eq!(sim.order(Input::Stop), "drain b, kill b, drain a, end Stopped");
    assert_eq!(sim.now - before, 2 * SECOND);

    let mut sim = up(Strategy::OneForAll, &rules);
    let before = sim.now;
    sim.stubborn.insert(Key(2));
    sim.frozen.insert(Key(2));
    assert_eq!(sim.order(Input::Stop), "drain b, kill b, left b, drain a, end Stopped");
    assert_eq!(sim.now - before, 7 * SECOND);
}

#[test]
fn a_child_that_is_killed_by_rule_gets_no_stop() {
    let mut sim = up(Strategy::OneForOne, &[Rules { shutdown: Shutdown::Kill, ..worker() }]);
    assert_eq!(sim.order(Input::Stop), "kill a, end Stopped");
}

#[test]
fn a_child_in_its_start_hook_is_stopped_not_drained() {
    let rules = Rules { shutdown: Shutdown::Drain(SECOND), ..worker() };
    let mut sim = Sim::new(Strategy::OneForOne, MANY, AutoShutdown::Never, &[rules]);
    sim.tell(Input::Begin);
    assert_eq!(sim.order(Input::Stop), "start a, stop a, end Stopped");
}

#[test]
fn a_start_that_takes_too_long_is_killed_and_failed() {
    let mut sim = Sim::new(Strategy::OneForOne, MANY, AutoShutdown::Never, &[worker(); 2]);
    sim.stubborn.insert(Key(1));
    sim.begin();
    assert_eq!(sim.take_log(), "start a, kill a, end Failed(\"did not start within 60 s\")");

    let mut sim = up(Strategy::OneForAll, &[worker()]);
    sim.stubborn.insert(Key(2));
    sim.frozen.insert(Key(2));
    sim.add(worker());
    sim.settle();
    assert_eq!(sim.take_log(), "start b, kill b, left b, failed b (did not start within 60 s), removed b");
}

#[test]
fn those_after_a_start_that_is_given_up_wait_for_its_fate() {
    let mut sim = up(Strategy::RestForOne, &[worker(); 2]);
    sim.stubborn.insert(Key(1));
    sim.report_exit(Key(1), crash());
    while !sim.log.contains(&"kill a".to_owned()) {
        assert!(sim.move_one() || sim.fire_next(true));
    }
    assert_eq!(sim.take_log(), "stop b, start a, kill a");
    sim.stubborn.clear();
    sim.settle();
    assert_eq!(sim.take_log(), "start a, start b");
}

#[test]
fn timers_nobody_waits_for_are_forgotten() {
    let mut sim = up(Strategy::OneForOne, &[worker(); 3]);
    assert_eq!(sim.plan.timers(), 0);
    sim.exit('a', crash());
    sim.order(Input::Remove(Key(2)));
    assert_eq!(sim.plan.timers(), 0);
}
