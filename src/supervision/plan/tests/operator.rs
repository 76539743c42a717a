//! Hold, release, restart, remove and add.

use super::*;

#[test]
fn a_held_child_stays_down_through_the_restarts_of_its_group() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let mut sim = up(strategy, &[worker(); 2]);
        assert_eq!(sim.order(Input::Hold(Key(2))), "stop b");
        assert_eq!(sim.plan.member(Key(2)).unwrap().rest(), Rest::Held);
        assert_eq!(sim.exit('a', crash()), "start a", "{strategy:?}");
        assert_eq!(sim.order(Input::Release(Key(2))), "start b");
        assert_eq!(sim.up(), "ab");
    }
}

#[test]
fn a_release_during_the_stop_starts_again_after_it() {
    let mut sim = up(Strategy::OneForAll, &[worker()]);
    sim.tell(Input::Hold(Key(1)));
    assert_eq!(sim.order(Input::Release(Key(1))), "stop a, start a");
}

#[test]
fn a_release_of_what_runs_changes_nothing() {
    let mut sim = up(Strategy::OneForAll, &[worker()]);
    assert_eq!(sim.order(Input::Release(Key(1))), "");
}

#[test]
fn a_release_ends_the_wait_before_a_restart() {
    let backoff = Backoff { first: 9 * SECOND, most: 9 * SECOND, reset_after: SECOND };
    let mut sim = up(Strategy::OneForOne, &[Rules { backoff, ..worker() }]);
    sim.report_exit(Key(1), crash());
    sim.tell(Input::Release(Key(1)));
    assert_eq!(sim.take_log(), "start a");
    sim.settle();
    assert_eq!((sim.take_log().as_str(), sim.up().as_str()), ("", "a"));
}

#[test]
fn a_finished_child_runs_again_when_released() {
    let mut sim = up(Strategy::OneForOne, &[with_restart(Restart::Transient)]);
    assert_eq!(sim.exit('a', Exit::Normal), "");
    assert_eq!(sim.order(Input::Release(Key(1))), "start a");
}

#[test]
fn an_ordered_restart_is_not_counted() {
    let intensity = Intensity { restarts: 0, period: SECOND };
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let mut sim = Sim::new(strategy, intensity, AutoShutdown::Never, &[worker(); 2]);
        sim.begin();
        sim.take_log();
        for _ in 0..5 {
            assert_eq!(sim.order(Input::Restart(Key(1))), "stop a, start a", "{strategy:?}");
        }
    }
}

#[test]
fn a_restart_of_a_held_child_releases_it() {
    let mut sim = up(Strategy::OneForOne, &[worker()]);
    sim.order(Input::Hold(Key(1)));
    assert_eq!(sim.order(Input::Restart(Key(1))), "start a");
}

#[test]
fn a_removed_child_is_forgotten_whatever_it_did() {
    let mut sim = up(Strategy::OneForOne, &[worker(); 2]);
    assert_eq!(sim.order(Input::Remove(Key(1))), "stop a, removed a");
    sim.order(Input::Hold(Key(2)));
    assert_eq!(sim.order(Input::Remove(Key(2))), "removed b");
    assert!(sim.plan.member(Key(1)).is_none() && sim.plan.member(Key(2)).is_none());
    assert_eq!(sim.order(Input::Restart(Key(1))), "");
    assert_eq!(sim.order(Input::Stop), "end Stopped");
}

#[test]
fn a_removal_wins_over_a_restart_and_a_release() {
    for late in [Input::Restart(Key(1)), Input::Release(Key(1)), Input::Hold(Key(1))] {
        let mut sim = up(Strategy::RestForOne, &[worker()]);
        sim.tell(Input::Remove(Key(1)));
        assert_eq!(sim.order(late), "stop a, removed a");
    }
}

#[test]
fn a_child_that_is_removed_while_it_starts_ends_first() {
    let mut sim = up(Strategy::OneForOne, &[]);
    let key = sim.add(worker());
    assert_eq!(sim.order(Input::Remove(key)), "start a, stop a, removed a");
}

#[test]
fn children_added_to_a_running_one_for_one_start_beside_each_other() {
    let mut sim = up(Strategy::OneForOne, &[worker()]);
    sim.add(worker());
    sim.add(worker());
    assert_eq!(sim.take_log(), "start b, start c");
    let mut sim = up(Strategy::RestForOne, &[worker()]);
    sim.add(worker());
    sim.add(worker());
    assert_eq!(sim.take_log(), "start b");
}

#[test]
fn nothing_starts_after_the_end_was_ordered() {
    let mut sim = up(Strategy::OneForOne, &[worker(); 2]);
    sim.order(Input::Hold(Key(1)));
    sim.tell(Input::Stop);
    sim.tell(Input::Release(Key(1)));
    sim.tell(Input::Restart(Key(2)));
    sim.settle();
    assert_eq!(sim.take_log(), "stop b, end Stopped");
    assert_eq!(sim.order(Input::Release(Key(1))), "");
}
