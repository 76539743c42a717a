//! The pure state: what is learned, gathered and built.

use std::collections::BTreeMap;

use super::{candidate, observed, ranked, ziggy};
use crate::actors::router::Config;
use crate::actors::router::record::Registry;
use crate::actors::router::state::{Built, State};
use crate::actors::tests::{BEGIN, SECOND, later};
use crate::inference::{Capabilities, Health, Provider, Runtime, Scripted};
use crate::types::{Timestamp, TrustTier};
use crate::ziggy::route::{Candidate, Origin, Rib, build};
use crate::ziggy::{Action, Announced, Capability, Governance, Millionths, Override, privacy};

const CONFIG: Config =
    Config { rebuild_every_ms: 1_000, waiting: 64, snapshot_every_s: 60, candidates_most: 100, deltas_most: 8 };

fn registry() -> Registry {
    Registry { providers: BTreeMap::new(), rules: ziggy().rules(), privacy: privacy::Config::default() }
}

fn state() -> State {
    let rib = Rib::of([candidate("a", 0.9), candidate("b", 0.5)]).unwrap();
    State::new(rib, &CONFIG, registry())
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
    let shown = |health| [(Scripted::saying("a", "").capabilities(), health)];
    state.health(&shown(Health::Down { reason: "gone".to_owned() }));
    assert_eq!(ranked(&state.build(&governance, BEGIN).fib), ["b"]);
    state.health(&shown(Health::Cold));
    assert_eq!(ranked(&state.build(&governance, BEGIN).fib), ["a", "b"]);
}

// RO6.
#[test]
fn where_nobody_answers_every_runtime_loses_its_routes_at_once() {
    let mut state = state();
    let at = |name: &str, address: &str, key: &str, health: Health| {
        let provider = Some(Provider { address: address.to_owned(), key: Some(key.to_owned()) });
        (Capabilities { provider, ..Scripted::saying(name, "").capabilities() }, health)
    };
    let (here, there) = ("http://127.0.0.1:1", "http://127.0.0.1:2");
    let mut served = |a: Health, b: (&str, Health)| {
        state.health(&[at("a", here, "ONE", a), at("b", b.0, "OTHER", b.1)]);
        ranked(&state.build(&Governance::default(), BEGIN).fib).join(" ")
    };
    let gone = || Health::Unreachable { reason: "connection refused".to_owned() };
    let ill = || Health::Down { reason: "status 500".to_owned() };
    assert_eq!(served(gone(), (here, Health::Ready)), "", "another key at the same address");
    assert_eq!(served(gone(), (there, Health::Ready)), "b");
    assert_eq!(served(ill(), (here, Health::Cold)), "b", "who answers badly is there");
    assert_eq!(served(Health::Ready, (here, gone())), "");
    assert_eq!(served(Health::Ready, (here, Health::Cold)), "a b");
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
    let mut state = State::new(Rib::of([found, candidate("b", 0.5)]).unwrap(), &CONFIG, registry());
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

#[test]
fn who_is_announced_takes_the_place_and_the_price_of_the_runtime_and_ends_in_two_steps() {
    let mut state = state();
    let field = Scripted::saying("field", "").in_tier(TrustTier::External).in_region("eu").capabilities();
    let deaf = Capabilities { chat: false, ..field.clone() };
    let places: BTreeMap<String, Capabilities> =
        [("field".to_owned(), field.clone()), ("deaf".to_owned(), deaf)].into();
    let (expires, gone) = (later(SECOND * 10), later(SECOND * 370));
    let said = Announced {
        author: "ada".to_owned(),
        reason: "a trial".to_owned(),
        since: BEGIN,
        expires,
        gone,
        weight: Some(150),
        quality: Some(Millionths(950_000)),
        qualities: [(Capability::new("general"), Millionths::ONE)].into(),
    };
    let governance = |ids: &[&str]| Governance {
        announced: ids.iter().map(|id| ((*id).to_owned(), said.clone())).collect(),
        ..Governance::default()
    };
    let wrong = state.announce(&governance(&["b@field", "b@moon", "b@deaf", "nobody@field"]), &places, BEGIN);
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    assert!(wrong.iter().all(|reason| reason.starts_with("could not announce ")), "{wrong:?}");
    let found = state.rib().candidates["b@field"].clone();
    assert_eq!((found.tier, found.region.clone(), found.price), (field.tier, field.region, field.price));
    assert_eq!((found.origin, found.weight, found.expires), (Origin::Operator, 150, Some(expires)));
    assert_eq!((found.quality.0, found.qualities.len()), (950_000, 1));
    let stands = governance(&["b@field"]);
    assert!(state.announce(&stands, &places, BEGIN).is_empty());
    let (mut seen, mut now) = (Vec::new(), BEGIN);
    loop {
        assert!(state.announce(&stands, &places, now).is_empty());
        seen.push(ranked(&state.build(&stands, now).fib).join(" "));
        state.expired();
        let Some(wait) = state.next_expiry(&stands, now) else { break };
        now = Timestamp(now.0 + i64::try_from(wait.as_micros()).unwrap());
    }
    assert_eq!(seen, ["b@field a b", "a b b@field", "a b"]);
    assert_eq!(now, gone);
    // RO5: withdrawn is gone at once, and a life that begins anew finds who stands.
    let mut again = self::state();
    again.announce(&stands, &places, BEGIN);
    assert!(again.rib().candidates.contains_key("b@field"));
    again.announce(&Governance::default(), &places, BEGIN);
    assert!(!again.rib().candidates.contains_key("b@field"));
    assert!(self::state().announce(&stands, &places, gone).is_empty());
}
