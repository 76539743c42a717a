//! Restart types, first starts and later ones, significant children.

use super::*;

#[test]
fn a_restart_type_decides_which_end_is_followed_by_a_start() {
    let table = [
        (Restart::Permanent, Exit::Normal, "start a"),
        (Restart::Permanent, Exit::Stopped, "start a"),
        (Restart::Permanent, Exit::Killed, "start a"),
        (Restart::Permanent, crash(), "start a"),
        (Restart::Transient, Exit::Normal, ""),
        (Restart::Transient, Exit::Stopped, ""),
        (Restart::Transient, Exit::Killed, "start a"),
        (Restart::Transient, crash(), "start a"),
        (Restart::Temporary, Exit::Normal, "removed a"),
        (Restart::Temporary, Exit::Killed, "removed a"),
        (Restart::Temporary, crash(), "removed a"),
    ];
    for (restart, exit, expected) in table {
        let mut sim = up(Strategy::OneForOne, &[with_restart(restart), worker()]);
        assert_eq!(sim.exit('a', exit.clone()), expected, "{restart:?} {exit:?}");
    }
}

#[test]
fn a_temporary_child_that_goes_down_with_its_group_stays_down() {
    let mut sim =
        up(Strategy::OneForAll, &[worker(), with_restart(Restart::Temporary), with_restart(Restart::Transient)]);
    assert_eq!(sim.exit('a', crash()), "stop c, stop b, removed b, start a, start c");
}

#[test]
fn a_finished_transient_child_stays_down_with_its_group() {
    let mut sim = up(Strategy::OneForAll, &[worker(), with_restart(Restart::Transient)]);
    assert_eq!(sim.exit('b', Exit::Normal), "");
    assert_eq!(sim.plan.member(Key(2)).unwrap().rest(), Rest::Ended);
    assert_eq!(sim.exit('a', crash()), "start a");
}

#[test]
fn a_first_start_that_fails_ends_the_supervisor() {
    let mut sim = Sim::new(Strategy::OneForOne, MANY, AutoShutdown::Never, &[worker(); 3]);
    sim.failing.insert(Key(2), 1);
    sim.begin();
    assert_eq!(sim.take_log(), "start a, start b, stop a, end Failed(\"broken\")");
}

#[test]
fn an_added_child_that_cannot_start_leaves_the_table() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let mut sim = up(strategy, &[worker()]);
        sim.failing.insert(Key(2), 1);
        let added = sim.add(worker());
        sim.settle();
        assert_eq!(sim.take_log(), "start b, failed b (broken), removed b", "{strategy:?}");
        assert!(sim.plan.member(added).is_none());
        assert_eq!(sim.up(), "a");
    }
}

#[test]
fn a_later_start_that_fails_counts_like_a_crash() {
    let intensity = Intensity { restarts: 3, period: 60 * SECOND };
    let mut sim = Sim::new(Strategy::RestForOne, intensity, AutoShutdown::Never, &[worker(); 2]);
    sim.begin();
    sim.take_log();
    sim.failing.insert(Key(2), 2);
    assert_eq!(sim.exit('a', crash()), "stop b, start a, start b, start b, start b");
    assert_eq!(sim.up(), "ab");
    let end = "stop b, end Failed(\"more than 3 restarts within 60 s\")";
    assert_eq!(sim.exit('a', crash()), end);
}

#[test]
fn significant_children_end_their_supervisor_as_told() {
    let significant = Rules { significant: true, ..with_restart(Restart::Transient) };
    let rules = [worker(), significant, significant];
    let run = |auto| {
        let mut sim = Sim::new(Strategy::OneForOne, MANY, auto, &rules);
        sim.begin();
        sim.take_log();
        (sim.exit('b', Exit::Normal), if sim.ended.is_none() { sim.exit('c', Exit::Normal) } else { String::new() })
    };
    let quiet = String::new;
    assert_eq!(run(AutoShutdown::Never), (quiet(), quiet()));
    assert_eq!(run(AutoShutdown::AnySignificant), ("stop c, stop a, end Normal".to_owned(), quiet()));
    assert_eq!(run(AutoShutdown::AllSignificant), (quiet(), "stop a, end Normal".to_owned()));
}

#[test]
fn a_significant_child_that_is_held_does_not_keep_its_supervisor() {
    let significant = Rules { significant: true, ..with_restart(Restart::Transient) };
    let mut sim = Sim::new(Strategy::OneForOne, MANY, AutoShutdown::AllSignificant, &[significant; 2]);
    sim.begin();
    sim.take_log();
    assert_eq!(sim.order(Input::Hold(Key(1))), "stop a");
    assert_eq!(sim.exit('b', Exit::Normal), "end Normal");
}

#[test]
fn a_significant_child_that_crashes_and_is_restarted_is_no_end() {
    let significant = Rules { significant: true, ..with_restart(Restart::Transient) };
    let mut sim = Sim::new(Strategy::OneForOne, MANY, AutoShutdown::AnySignificant, &[significant]);
    sim.begin();
    sim.take_log();
    assert_eq!(sim.exit('a', crash()), "start a");
    let temporary = Rules { significant: true, ..with_restart(Restart::Temporary) };
    let mut sim = Sim::new(Strategy::OneForOne, MANY, AutoShutdown::AnySignificant, &[temporary]);
    sim.begin();
    sim.take_log();
    assert_eq!(sim.exit('a', crash()), "removed a, end Normal");
}

#[test]
fn reports_of_an_old_life_are_ignored() {
    let mut sim = up(Strategy::OneForOne, &[worker()]);
    let old = sim.alive[&Key(1)].0;
    assert_eq!(sim.exit('a', crash()), "start a");
    sim.tell(Input::Exited { key: Key(1), life: old, exit: crash() });
    sim.tell(Input::Started { key: Key(1), life: old });
    assert_eq!((sim.take_log().as_str(), sim.up().as_str()), ("", "a"));
}

#[test]
fn an_empty_table_is_ready_at_once_and_can_end() {
    let mut sim = Sim::new(Strategy::OneForOne, MANY, AutoShutdown::Never, &[]);
    sim.begin();
    assert_eq!(sim.take_log(), "ready");
    assert_eq!(sim.order(Input::Stop), "end Stopped");
}
