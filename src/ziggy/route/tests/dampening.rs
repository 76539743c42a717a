//! RFC 2439 in numbers: penalties, suppression, forgiveness, and what never happens.

use super::*;
use crate::ziggy::fixed::{between, halved};

fn ladder(rib: &Rib, now: Timestamp) -> Decision {
    decide(&build(rib, &Governance::default(), &rules(), None, now), &public())
}

#[test]
fn failures_dampen_until_they_are_forgiven_but_never_leave_nobody() {
    let mut rib = rib([local("good", 1_000_000), local("other", 700_000)]);
    assert_eq!(ladder(&rib, at(0)).ladder, ["good", "other"]);
    (0..3).for_each(|second| assert!(rib.observe(&failed("good", Fault::Own), &LIVE, at(second))));
    assert_eq!(ladder(&rib, at(3)).ladder, ["other", "good"]);
    // 2 966 left after the third failure: below 750 after just under two half-lives of 60 s.
    assert_eq!(ladder(&rib, at(110)).ladder, ["other", "good"]);
    assert_eq!(ladder(&rib, at(123)).ladder, ["good", "other"]);
    let until = rib.candidates["good"].live.dampening.dampened_at(at(3), &LIVE).unwrap().until;
    assert!((at(110)..at(123)).contains(&until), "{until:?}");
    assert_eq!(ladder(&rib, Timestamp(until.0 - 1)).ladder, ["other", "good"]);
    assert_eq!(ladder(&rib, until).ladder, ["good", "other"], "the moment that is said is the moment");
    // R7.
    rib.remove("other").unwrap();
    let last = ladder(&rib, at(3));
    assert_eq!(last.winner.as_deref(), Some("good"));
    assert!(matches!(last.reasons[0], Reason::LastResort { penalty: 2_900.., .. }), "{:?}", last.reasons);
    assert!(!rib.observe(&failed("gone", Fault::Own), &LIVE, at(4)));
}

#[test]
fn a_clock_that_was_ahead_and_is_right_again_holds_nobody_back_for_longer() {
    let mut rib = rib([local("good", 1_000_000), local("other", 700_000)]);
    // A day ahead, three failures, and right again.
    let day = 86_400;
    (0..3).for_each(|second| assert!(rib.observe(&failed("good", Fault::Runtime), &LIVE, at(day + second))));
    let version = rib.version;
    rib.set_back(at(day + 2));
    assert_eq!(rib.version, version, "the clock was not set back");
    rib.set_back(at(10));
    assert_eq!(ladder(&rib, at(10)).ladder, ["other", "good"], "what was left stays");
    assert_eq!(ladder(&rib, at(120)).ladder, ["other", "good"]);
    assert_eq!(ladder(&rib, at(135)).ladder, ["good", "other"], "and fades from then on");
    let live = rib.candidates["good"].live;
    assert!(live.reliability_at(at(10), &LIVE) < Millionths::ONE && live.updated == at(10));
}

#[test]
fn a_runtime_that_fails_takes_everybody_on_it_back_and_an_agent_only_itself() {
    let on = |id: &str, runtime: &str| Candidate { runtime: runtime.to_owned(), ..local(id, 900_000) };
    let all = || rib([on("a", "shared"), on("b", "shared"), Candidate { quality: Millionths(1), ..on("c", "own") }]);
    let mut failing = all();
    (0..3).for_each(|second| assert!(failing.observe(&failed("a", Fault::Runtime), &LIVE, at(second))));
    assert_eq!(ladder(&failing, at(3)).ladder, ["c", "b", "a"], "also the one that never failed");
    let copy = Candidate { same_as: "shared".to_owned(), ..on("b", "copy") };
    let mut failing = rib([on("a", "shared"), copy, Candidate { quality: Millionths(1), ..on("c", "own") }]);
    (0..3).for_each(|second| assert!(failing.observe(&failed("a", Fault::Runtime), &LIVE, at(second))));
    assert_eq!(ladder(&failing, at(3)).ladder, ["c", "b", "a"], "the same model and key under another name");
    let mut failing = all();
    (0..3).for_each(|second| assert!(failing.observe(&failed("a", Fault::Own), &LIVE, at(second))));
    assert_eq!(ladder(&failing, at(3)).ladder, ["b", "c", "a"]);
}

#[test]
fn one_dead_endpoint_takes_all_its_routes_and_gives_them_back() {
    let on = |id: &str| Candidate { runtime: "shared".to_owned(), ..candidate(id, TrustTier::Local, &["general", id]) };
    let mut rib = rib([on("a"), on("b"), local("c", 1)]);
    let down = Health::Unhealthy { reason: "connection refused".to_owned() };
    let all = |health: &Health| [("shared".to_owned(), health.clone())].into();
    assert!(rib.runtimes_health(&all(&down)) && !rib.runtimes_health(&all(&down)));
    let dead = fib(&rib);
    for (destination, route) in &dead.routes {
        let left: Vec<&str> = dead.ranked(destination);
        assert_eq!(left, if destination.capability.0 == "general" { vec!["c"] } else { vec![] }, "{destination}");
        assert_eq!(route.ranked.len(), left.len());
    }
    assert!(rib.runtimes_health(&all(&Health::Healthy)));
    assert_eq!(fib(&rib).ranked(&public().destination), ["a", "b", "c"]);
}

#[test]
fn faults_weigh_by_their_kind_and_the_ceiling_holds() {
    let mut rib = rib([local("a", 1)]);
    let penalty = |rib: &Rib| rib.candidates["a"].live.dampening.penalty;
    rib.observe(&failed("a", Fault::Limited), &LIVE, at(0));
    assert_eq!(penalty(&rib), 250);
    rib.observe(&failed("a", Fault::Own), &LIVE, at(0));
    assert_eq!(penalty(&rib), 1_250);
    (0..40).for_each(|_| assert!(rib.observe(&failed("a", Fault::Runtime), &LIVE, at(0))));
    assert_eq!(penalty(&rib), 24_000);
    // The ceiling is five half-lives above reuse: that is the longest anybody stays behind.
    let until = rib.candidates["a"].live.dampening.dampened_at(at(0), &LIVE).unwrap().until;
    assert!((at(299)..=at(301)).contains(&until), "{until:?}");
    let mut often = Damper::default();
    (0..11).for_each(|second| often.strike(LIVE.limited_penalty, at(second), &LIVE));
    assert!(often.suppressed_at(at(11), &LIVE), "being asked too often adds up: {often:?}");
}

// R12.
#[test]
fn a_clock_that_is_set_back_changes_no_penalty() {
    let mut damper = Damper::default();
    (0..3).for_each(|second| damper.strike(1_000, at(second), &LIVE));
    let before = damper;
    for back in [at(1), at(-100_000), Timestamp(i64::MIN), Timestamp(0)] {
        assert_eq!(before.penalty_at(back, &LIVE), before.penalty);
        assert!(before.suppressed_at(back, &LIVE));
        let mut struck = before;
        struck.strike(0, back, &LIVE);
        assert_eq!(struck, before, "looking at it at {back:?} changed it");
    }
    assert_eq!(before.penalty_at(Timestamp(i64::MAX), &LIVE), 0);
}

#[test]
fn sudden_slowness_weighs_once() {
    let mut rib = rib([local("a", 1)]);
    let mut see = |first: u64, second: i64| {
        let feedback = Feedback {
            candidate: "a".to_owned(),
            ok: true,
            first_token_us: Some(first),
            per_token_us: Some(1_000),
            tokens: 1,
            ..Feedback::default()
        };
        rib.observe(&feedback, &LIVE, at(second));
        rib.candidates["a"].live
    };
    // Prompts of different lengths are no change of regime: what is rare among them is inside the tail.
    let mixed = (0..40).map(|number| see(if number % 4 == 0 { 1_600_000 } else { 400_000 }, number)).last().unwrap();
    assert_eq!(mixed.dampening.penalty, 0);
    let slow = see(4_000_000, 41);
    assert_eq!(slow.dampening.penalty, 500);
    let again = see(4_200_000, 42).dampening.penalty;
    assert!(again < 500, "the new regime is one change, not one with each answer: {again}");
}

#[test]
fn the_tail_rests_where_one_in_twenty_is_above() {
    let mut live = Live::assumed(1, 1, NOW);
    let config = LiveConfig { memory: u32::MAX, ..LIVE };
    let (mut above, mut number) = (0, 1u64);
    for round in 0..40_000 {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let seen = 100_000 + (number >> 33) % 900_000;
        above += u32::from(round >= 20_000 && seen > live.tail_first_token_us);
        let feedback = Feedback { ok: true, first_token_us: Some(seen), ..Feedback::default() };
        live.learn(&feedback, &config, NOW);
    }
    // One in twenty of 20 000 is 1 000.
    assert!((700..1_300).contains(&above), "{above}");
}

#[test]
fn a_peak_counts_at_once_and_fades_with_the_half_life() {
    let mut rib = rib([local("a", 700_000)]);
    let mut see = |first: u64, second: i64| {
        let feedback = Feedback {
            candidate: "a".to_owned(),
            ok: true,
            first_token_us: Some(first),
            per_token_us: Some(first / 10),
            tokens: 7,
            quality: Some(Millionths::ONE),
            ..Feedback::default()
        };
        rib.observe(&feedback, &LIVE, at(second));
        Candidate::clone(&rib.candidates["a"])
    };
    assert_eq!(see(100_000, 0).live.first_token_us, 100_000, "the first observation replaces the guess");
    assert_eq!(see(900_000, 1).live.first_token_us, 900_000);
    let faded = see(100_000, 43).live;
    assert_eq!((faded.first_token_us, faded.per_token_us, faded.tokens), (500_000, 50_000, 21));
    // Quality moves a twentieth of the way each time and arrives.
    let learnt = (44..400).map(|second| see(100_000, second)).last().unwrap();
    assert_eq!(learnt.quality, Millionths::ONE);
    // A changed config keeps what was learnt.
    rib.put(local("a", 700_000)).unwrap();
    assert_eq!(rib.candidates["a"].live, learnt.live);
}

// BP2.
#[test]
fn what_expired_is_stale_for_a_while_and_then_gone() {
    let found = Candidate { origin: Origin::Discovered, expires: Some(at(0)), ..local("found", 1_000_000) };
    let mut rib = rib([found, local("known", 100)]);
    assert_eq!(ladder(&rib, at(-1)).ladder, ["found", "known"]);
    assert_eq!(ladder(&rib, at(0)).ladder, ["known", "found"], "stale ranks behind what is known for sure");
    assert!(rib.expire(at(359), &LIVE).is_empty());
    assert_eq!(rib.expire(at(360), &LIVE), ["found"]);
    assert_eq!(ladder(&rib, at(360)).ladder, ["known"]);
    // Found again within the time, it is fresh as before, with what was learnt.
    let again = Candidate { origin: Origin::Discovered, expires: Some(at(900)), ..local("found", 1_000_000) };
    rib.put(again).unwrap();
    assert_eq!(ladder(&rib, at(400)).ladder, ["found", "known"]);
    rib.remove("known");
    let old = ladder(&rib, at(901));
    assert_eq!((old.winner.as_deref(), &old.reasons[0]), (Some("found"), &Reason::Stale));
}

#[test]
fn halving_is_exact_at_half_lives_and_close_between() {
    assert_eq!(halved(1_000_000, 0, 60), 1_000_000);
    assert_eq!(halved(1_000_000, 120, 60), 250_000);
    assert_eq!(halved(1_000_000, 60 * 64, 60), 0);
    assert_eq!(halved(u64::MAX, 1, 1_000_000_000), u64::MAX, "nothing overflows");
    for elapsed in 0..600u32 {
        let exact = 1e9 * (-f64::from(elapsed) / 60.0).exp2();
        let ours = halved(1_000_000_000, u64::from(elapsed), 60) as f64;
        assert!((ours - exact).abs() <= exact * 3e-5 + 1.0, "{elapsed}: {ours} for {exact}");
    }
    assert_eq!(between(5, 10, 20), Millionths::ONE);
    assert_eq!(between(15, 10, 20), Millionths(500_000));
    assert_eq!(between(15, 15, 15), Millionths::ONE);
}

proptest! {
    // The bisection for the moment of reuse stands on this.
    #[test]
    fn halving_never_grows(value in 0u64..1_000_000, elapsed in 0u64..400_000_000, more in 0u64..1_000_000) {
        prop_assert!(halved(value, elapsed + more, 60_000_000) <= halved(value, elapsed, 60_000_000));
    }
}

#[test]
fn what_is_said_of_an_answer_afterwards_moves_its_quality_and_nothing_else() {
    let mut rib = rib([local("a", 1)]);
    rib.observe(&failed("a", Fault::Own), &LIVE, at(0));
    rib.observe(&failed("a", Fault::Own), &LIVE, at(1));
    let before = (*rib.candidates["a"]).clone();
    for second in 2..12 {
        assert!(rib.observe(&Feedback::judged("a", Millionths::ZERO, None), &LIVE, at(second)));
    }
    let after = &rib.candidates["a"];
    assert_eq!(after.live, before.live);
    assert!(after.quality < before.quality, "{} after {}", after.quality, before.quality);
    assert!(!rib.observe(&Feedback::judged("gone", Millionths::ONE, None), &LIVE, at(12)));
}
