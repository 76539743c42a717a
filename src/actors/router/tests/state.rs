//! The pure state: what is learned, gathered and built.

use super::{candidate, observed, ranked, ziggy};
use crate::actors::router::Config;
use crate::actors::router::state::{Built, State};
use crate::actors::tests::{BEGIN, SECOND, later};
use crate::inference::Health;
use crate::types::Timestamp;
use crate::ziggy::route::{Candidate, Origin, Rib, build};
use crate::ziggy::{Action, Governance, Override};

const CONFIG: Config = Config { rebuild_every_ms: 1_000, waiting: 64, snapshot_every_s: 60 };

fn state() -> State {
    let rib = Rib::of([candidate("a", 0.9), candidate("b", 0.5)]).unwrap();
    State::new(rib, &CONFIG, &ziggy())
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
    let rib = state.rib().clone();
    let Built { fib, .. } = state.build(&governance, later(SECOND));
    assert_eq!(*fib, build(&rib, &governance, &ziggy().rules(), None, later(SECOND)));
    assert_eq!(ranked(&fib), ["b", "a"], "three failures in a row rank behind everybody");
    assert_eq!((fib.governance, fib.rib), (4, rib.version));
    assert_eq!((state.view().fib.clone(), state.view().routes), (fib.version.to_string(), 4));
}

#[test]
fn a_runtime_that_is_down_withdraws_its_candidates_and_a_cold_one_does_not() {
    let mut state = state();
    let governance = Governance::default();
    state.health("a", &Health::Down { reason: "gone".to_owned() });
    assert_eq!(ranked(&state.build(&governance, BEGIN).fib), ["b"]);
    state.health("a", &Health::Cold);
    assert_eq!(ranked(&state.build(&governance, BEGIN).fib), ["a", "b"]);
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

// RO3.
#[test]
fn a_table_is_written_once_and_again_when_its_time_is_over() {
    let mut state = state();
    let plain = Governance::default();
    let other = Governance { version: 1, weights: [("a".to_owned(), 10)].into(), ..Governance::default() };
    let mut written = |governance: &Governance, seconds: u32| {
        let built = state.build(governance, later(SECOND * seconds));
        (built.writing.is_some(), built.changed.is_some())
    };
    assert_eq!(written(&plain, 0), (true, false));
    assert_eq!(written(&plain, 1), (false, false), "the same");
    assert_eq!(written(&other, 2), (true, false));
    assert_eq!(written(&plain, 3), (false, false), "it was written before");
    assert_eq!(written(&plain, 59), (false, false));
    assert_eq!(written(&plain, 60), (true, false), "what holds it may leave the journal");
}

#[test]
fn what_expired_is_timed_until_it_is_stale_and_until_it_goes() {
    let found = Candidate { origin: Origin::Discovered, expires: Some(later(SECOND * 10)), ..candidate("found", 0.9) };
    let mut state = State::new(Rib::of([found, candidate("b", 0.5)]).unwrap(), &CONFIG, &ziggy());
    let plain = Governance::default();
    let mut seen = Vec::new();
    let mut now = BEGIN;
    loop {
        let Built { fib, .. } = state.build(&plain, now);
        seen.push(ranked(&fib).join(" "));
        state.expired();
        let Some(wait) = state.next_expiry(&plain, now) else { break };
        now = Timestamp(now.0 + i64::try_from(wait.as_micros()).unwrap());
    }
    assert_eq!(seen, ["found b", "b found", "b"]);
    assert_eq!(now, later(SECOND * 370));
}
