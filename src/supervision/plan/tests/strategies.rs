//! Which children stop and start when one of them fails, and in which order.

use super::*;

#[test]
fn the_table_starts_in_order_and_stops_in_reverse() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let mut sim = Sim::new(strategy, MANY, AutoShutdown::Never, &[worker(); 3]);
        sim.begin();
        assert_eq!(sim.take_log(), "start a, start b, start c, ready");
        assert_eq!(sim.order(Input::Stop), "stop c, stop b, stop a, end Stopped");
    }
}

#[test]
fn a_crash_takes_down_what_the_strategy_says() {
    let table = [
        (Strategy::OneForOne, 'a', "start a"),
        (Strategy::OneForOne, 'b', "start b"),
        (Strategy::OneForOne, 'c', "start c"),
        (Strategy::OneForAll, 'a', "stop c, stop b, start a, start b, start c"),
        (Strategy::OneForAll, 'b', "stop c, stop a, start a, start b, start c"),
        (Strategy::OneForAll, 'c', "stop b, stop a, start a, start b, start c"),
        (Strategy::RestForOne, 'a', "stop c, stop b, start a, start b, start c"),
        (Strategy::RestForOne, 'b', "stop c, start b, start c"),
        (Strategy::RestForOne, 'c', "start c"),
    ];
    for (strategy, child, expected) in table {
        let mut sim = up(strategy, &[worker(); 3]);
        assert_eq!(sim.exit(child, crash()), expected, "{strategy:?} {child}");
        assert_eq!(sim.up(), "abc");
    }
}

#[test]
fn a_second_crash_in_a_group_that_goes_down_is_not_counted_again() {
    let intensity = Intensity { restarts: 1, period: 10 * SECOND };
    let mut sim = Sim::new(Strategy::OneForAll, intensity, AutoShutdown::Never, &[worker(); 3]);
    sim.begin();
    sim.take_log();
    sim.report_exit(Key(1), crash());
    sim.report_exit(Key(2), crash());
    sim.report_exit(Key(3), crash());
    sim.settle();
    assert_eq!(sim.take_log(), "stop c, start a, start b, start c");
    assert_eq!(sim.exit('b', crash()), "stop c, stop a, end Failed(\"more than 1 restarts within 10 s\")");
}

#[test]
fn giving_up_stops_everything_in_reverse() {
    let intensity = Intensity { restarts: 2, period: 5 * SECOND };
    let mut sim = Sim::new(Strategy::OneForOne, intensity, AutoShutdown::Never, &[worker(); 3]);
    sim.begin();
    sim.take_log();
    assert_eq!(sim.exit('a', crash()), "start a");
    assert_eq!(sim.exit('b', crash()), "start b");
    assert_eq!(sim.exit('c', crash()), "stop b, stop a, end Failed(\"more than 2 restarts within 5 s\")");
}

#[test]
fn a_slow_stop_of_one_child_does_not_hold_up_its_siblings_under_one_for_one() {
    let mut sim = up(Strategy::OneForOne, &[worker(); 3]);
    sim.tell(Input::Remove(Key(3)));
    sim.report_exit(Key(1), crash());
    sim.fire_next(false);
    assert_eq!(sim.take_log(), "stop c, start a");
    sim.tell(Input::Restart(Key(2)));
    assert_eq!(sim.take_log(), "stop b");
    sim.settle();
    assert_eq!(sim.up(), "ab");
}

#[test]
fn a_child_added_to_a_waiting_group_starts_after_those_before_it() {
    let backoff = Backoff { first: 4 * SECOND, most: 4 * SECOND, reset_after: SECOND };
    let mut sim = up(Strategy::RestForOne, &[Rules { backoff, ..worker() }, worker()]);
    sim.report_exit(Key(1), crash());
    assert!(sim.move_one());
    sim.add(worker());
    assert_eq!(sim.take_log(), "stop b");
    sim.settle();
    assert_eq!(sim.take_log(), "start a, start b, start c");
}

#[test]
fn a_crash_while_the_table_starts_is_restarted_before_those_after_it_start() {
    let mut sim = Sim::new(Strategy::OneForOne, MANY, AutoShutdown::Never, &[worker(); 3]);
    sim.tell(Input::Begin);
    sim.report_started(Key(1));
    sim.report_exit(Key(1), crash());
    sim.settle();
    assert_eq!(sim.take_log(), "start a, start b, start a, start c, ready");
}

#[test]
fn a_stop_while_the_table_starts_ends_what_was_started() {
    let mut sim = Sim::new(Strategy::RestForOne, MANY, AutoShutdown::Never, &[worker(); 3]);
    sim.tell(Input::Begin);
    sim.report_started(Key(1));
    assert_eq!(sim.order(Input::Stop), "start a, start b, stop b, stop a, end Stopped");
    assert!(!sim.ready);
}

#[test]
fn a_kill_ends_all_at_once() {
    let mut sim = up(Strategy::OneForAll, &[worker(); 3]);
    assert_eq!(sim.order(Input::Kill), "kill c, kill b, kill a, end Killed");
}

#[test]
fn a_kill_hurries_a_stop_that_takes_too_long() {
    let mut sim = up(Strategy::OneForAll, &[worker(); 3]);
    sim.tell(Input::Stop);
    assert_eq!(sim.order(Input::Kill), "stop c, kill c, kill b, kill a, end Stopped");
}
