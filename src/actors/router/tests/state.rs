//! The pure state: what is learned, gathered and built.

use super::{candidate, observed, ranked, ziggy};
use crate::actors::router::state::State;
use crate::actors::tests::{BEGIN, SECOND, later};
use crate::inference::Health;
use crate::types::Timestamp;
use crate::ziggy::route::{Rib, build};
use crate::ziggy::{Action, Governance, Override};

fn state() -> State {
    let mut rib = Rib::default();
    rib.put(candidate("a", 0.9));
    rib.put(candidate("b", 0.5));
    State::new(rib, &ziggy())
}

#[test]
fn one_timer_gathers_what_is_observed_until_the_next_build() {
    let mut state = state();
    assert!(!state.observe(&observed("stranger", true), BEGIN), "nobody knows it");
    assert!(state.observe(&observed("a", true), BEGIN));
    assert!(!state.observe(&observed("b", true), BEGIN), "the timer runs already");
    state.build(&Governance::default(), BEGIN);
    assert!(state.observe(&observed("a", true), BEGIN));
    assert_eq!((state.view().observed, state.view().built), (3, 1));
}

#[test]
fn a_table_is_what_ziggy_makes_of_the_rib_and_the_governance() {
    let mut state = state();
    for _ in 0..3 {
        state.observe(&observed("a", false), BEGIN);
    }
    let governance = Governance { version: 4, weights: [("b".to_owned(), 80)].into(), ..Governance::default() };
    let (rib, config) = (state.rib().clone(), ziggy());
    let fib = state.build(&governance, later(SECOND));
    assert_eq!(fib, build(&rib, &governance, &config.score, &config.live, later(SECOND)));
    assert_eq!(ranked(&fib), ["b", "a"], "three failures in a row rank behind everybody");
    assert_eq!((fib.governance, fib.rib), (4, rib.version));
    assert_eq!((state.view().fib.clone(), state.view().routes), (fib.version.to_string(), 4));
}

#[test]
fn a_runtime_that_is_down_withdraws_its_candidates_and_a_cold_one_does_not() {
    let mut state = state();
    let governance = Governance::default();
    state.health("a", &Health::Down { reason: "gone".to_owned() });
    assert_eq!(ranked(&state.build(&governance, BEGIN)), ["b"]);
    state.health("a", &Health::Cold);
    assert_eq!(ranked(&state.build(&governance, BEGIN)), ["a", "b"]);
}

fn disable(candidate: &str, expires: Timestamp) -> Override {
    let action = Action::Disable { candidate: candidate.to_owned() };
    Override { author: "ada".to_owned(), reason: "maintenance".to_owned(), expires, action }
}

#[test]
fn the_next_expiry_of_an_override_is_timed_once() {
    let mut state = state();
    let overrides = vec![disable("a", later(9 * SECOND)), disable("b", later(5 * SECOND))];
    let governance = Governance { overrides, ..Governance::default() };
    assert_eq!(state.next_expiry(&Governance::default(), BEGIN), None);
    assert_eq!(state.next_expiry(&governance, BEGIN), Some(5 * SECOND));
    assert_eq!(state.next_expiry(&governance, later(SECOND)), None, "its timer runs already");
    state.expired();
    assert_eq!(state.next_expiry(&governance, later(5 * SECOND)), Some(4 * SECOND));
    state.expired();
    assert_eq!(state.next_expiry(&governance, later(9 * SECOND)), None, "nothing is left to expire");
}
