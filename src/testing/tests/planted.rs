//! Bugs planted in the host, and what finds them: a simulation whose promises cannot fail proves nothing.

use crate::testing::{Faults, Simulation, Soak};
use crate::types::planted::{Bug, with};

/// Seeds that are tried for each bug before it counts as not found.
const SEEDS: u64 = 200;

/// Rough weather on a slow disk, which widens the moment between an acknowledgement and its commit.
const FAULTS: Faults = Faults { commit_ms: 40, ..Faults::rough() };

const SOAK: Soak = Soak { callers: 5, tasks_each: 5 };

/// The promise of keys.
const ONCE: &str = "under one key nothing is done twice";

const CROWD: Soak = Soak { callers: 16, tasks_each: 5 };

/// The first seed that finds a planted bug, and the promise it breaks.
fn found(bug: Bug) -> Option<(u64, &'static str)> {
    found_within(bug, SEEDS)
}

fn found_within(bug: Bug, seeds: u64) -> Option<(u64, &'static str)> {
    found_in(bug, (FAULTS, SOAK), seeds)
}

fn found_in(bug: Bug, (faults, soak): (Faults, Soak), seeds: u64) -> Option<(u64, &'static str)> {
    with(bug, || {
        (0..seeds).find_map(|seed| {
            let simulation = Simulation::new(seed).unwrap().faults(faults);
            let report = simulation.soak(soak).unwrap();
            report.violations.first().map(|violation| (seed, violation.promise))
        })
    })
}

fn breaks(bug: Bug, promises: &[&str]) {
    let (seed, promise) = found(bug).unwrap_or((SEEDS, "nothing"));
    assert!(promises.contains(&promise), "{bug:?}: seed {seed} found {promise:?}");
}

#[test]
fn a_permit_that_leaks_is_found() {
    breaks(Bug::PermitLeaks, &["every permit comes back"]);
}

#[test]
fn a_reply_that_is_lost_is_found() {
    breaks(Bug::ReplyIsLost, &["whoever waits hears of the end"]);
}

#[test]
fn a_run_that_ends_twice_is_found() {
    breaks(Bug::EndsTwice, &["every accepted run ends exactly once"]);
}

// TS2.
#[test]
fn an_acknowledgement_before_the_disk_is_found() {
    breaks(Bug::AcknowledgedTooSoon, &["a run whose id was handed out is on disk"]);
}

#[test]
fn a_host_that_ignores_the_tier_is_found() {
    breaks(Bug::AnywhereCleared, &["nobody is shown what it may not see"]);
}

/// What routes wrongly is stopped where it would leave the host.
#[test]
fn a_router_that_ignores_the_tier_lets_nothing_out() {
    assert_eq!(found_within(Bug::TierIgnored, 20), None);
}

#[test]
fn a_restart_that_is_not_counted_is_found() {
    breaks(Bug::RestartUncounted, &["every restart is counted"]);
}

#[test]
fn a_run_that_nobody_marks_after_a_crash_is_found() {
    breaks(Bug::UnfinishedUnmarked, &["every accepted run ends exactly once"]);
}

#[test]
fn a_run_that_went_down_with_its_io_actor_is_found() {
    breaks(Bug::LeftBehind, &["every accepted run ends exactly once"]);
}

#[test]
fn a_line_that_is_stuck_is_found() {
    // A run that a person has let go on may be the one that stands in it.
    let undone = "what people decided is acted on once";
    let promises = ["what was taken is given back", "every permit comes back", undone];
    // A line is made by a crowd.
    let (seed, promise) = found_in(Bug::LineStuck, (FAULTS, CROWD), SEEDS).unwrap_or((SEEDS, "nothing"));
    assert!(promises.contains(&promise), "seed {seed} found {promise:?}");
}

#[test]
fn a_reservation_that_leaks_is_found() {
    breaks(Bug::ReservationLeaks, &["what was reserved is given back"]);
}

#[test]
fn a_charge_that_is_written_twice_is_found() {
    breaks(Bug::ChargedTwice, &["what was reserved is charged once"]);
}

#[test]
fn an_item_that_is_acted_on_twice_is_found() {
    breaks(Bug::SettledTwice, &["what people decided is acted on once", "every accepted run ends exactly once"]);
}

#[test]
fn a_notice_that_is_forgotten_is_found() {
    breaks(Bug::NoticeForgotten, &["who is said to have been told was told"]);
}

#[test]
fn a_notice_that_is_overtaken_is_found() {
    breaks(Bug::NoticeOvertaken, &["notices come in the order of what happened"]);
}

#[test]
fn a_notice_that_is_left_behind_is_found() {
    breaks(Bug::NoticeLeftBehind, &["every notice is delivered or given up"]);
}

// IS1.
#[test]
fn an_item_that_waits_for_the_clock_on_the_wall_is_found() {
    breaks(Bug::WaitsOnTheWall, &["what people decided is acted on once", "what was taken is given back"]);
}

#[test]
fn a_measure_by_the_clock_on_the_wall_is_found() {
    breaks(Bug::TookOnTheWall, &["what is measured does not move with the clock on the wall"]);
}

// TR2.
#[test]
fn a_window_that_opens_twice_is_found() {
    // Costs are held against budgets where no runtime lies, and a clock that is often set by days and by years comes back
    // into a window that it has left.
    let often = Faults { runtime_lies: 0, clock_set_ms: 2_000, clock_set_by_ms: 2_000 * 86_400_000, ..FAULTS };
    let (seed, promise) = found_in(Bug::WindowReopens, (often, SOAK), SEEDS).unwrap_or((SEEDS, "nothing"));
    // What it opens again is overrun with it, and either may be seen first.
    assert!(["a window opens once", "no budget is overrun"].contains(&promise), "seed {seed}: {promise}");
}

#[test]
fn a_call_that_is_made_before_the_disk_knows_it_is_found() {
    breaks(Bug::BegunBehind, &[ONCE]);
}

#[test]
fn a_call_in_doubt_that_is_made_again_is_found() {
    breaks(Bug::DoubtMadeAgain, &[ONCE]);
}

#[test]
fn a_lost_answer_that_is_taken_for_none_is_found() {
    breaks(Bug::LostTakenForNotMade, &[ONCE]);
}

#[test]
fn a_call_in_doubt_that_nobody_is_asked_about_is_found() {
    breaks(Bug::DoubtUnasked, &["of every call it is known what became of it, or people are asked"]);
}

#[test]
fn a_result_that_is_not_given_again_is_found() {
    breaks(Bug::ResultMislaid, &["who was told a result is told the same under its key"]);
}

/// What is found is the bug, and not what it was planted in.
#[test]
fn a_host_without_a_bug_is_found_to_have_none() {
    let often = Faults { runtime_lies: 0, clock_set_ms: 2_000, clock_set_by_ms: 2_000 * 86_400_000, ..FAULTS };
    for (faults, soak) in [(FAULTS, SOAK), (FAULTS, CROWD), (often, SOAK)] {
        for seed in 0..12 {
            let report = Simulation::new(seed).unwrap().faults(faults).soak(soak).unwrap();
            assert_eq!(report.violations, [], "seed {seed}");
        }
    }
}
