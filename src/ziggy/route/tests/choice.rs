//! Who of several equals: sessions, chance and load, and who was there before.

use super::*;

/// Three equals of these weights.
fn three(weights: [u32; 3]) -> Fib {
    let names = ["a", "b", "c"].into_iter().zip(weights);
    // The weight multiplies the score too, so that only a wide margin makes them equal.
    let all = names.map(|(name, weight)| Candidate { weight, ..local(name, 700_000) });
    under(&rib(all), &scored(|score| score.equal_within = Millionths(4_000_000)))
}

fn of_session(session: u32) -> Request {
    Request { session: Some(session.to_string()), ..public() }
}

fn served(fib: &Fib, requests: impl Iterator<Item = Request>) -> BTreeMap<String, u32> {
    let mut served = BTreeMap::new();
    for request in requests {
        let winner = decide(fib, &request).winner.unwrap();
        assert_eq!(decide(fib, &request).winner.as_ref(), Some(&winner));
        *served.entry(winner).or_insert(0) += 1;
    }
    served
}

#[test]
fn sessions_spread_over_equals_and_stay() {
    let fib = three([100, 100, 100]);
    let counted = served(&fib, (0..300).map(of_session));
    // A fair share is 100; far from it means the hash does not spread.
    assert!(["a", "b", "c"].iter().all(|name| (60..140).contains(&counted[*name])), "{counted:?}");
    // BP9.
    let alone = decide(&fib, &public());
    assert_eq!(alone.winner.as_deref(), Some("a"));
    let margin = Reason::BestScore { runner_up: "b".to_owned(), margin: Millionths::ZERO };
    assert_eq!(alone.reasons, [margin]);
}

#[test]
fn sessions_and_chance_follow_the_weights() {
    let fib = three([300, 100, 100]);
    let sessions = served(&fib, (0..2_000).map(of_session));
    // Three fifths of 2000 are 1200; six standard deviations are 131.
    assert!((1_069..1_331).contains(&sessions["a"]), "{sessions:?}");
    let seed = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let drawn = served(&fib, (1..2_001).map(|number| Request { seed: Some(seed(number)), ..public() }));
    // It is among the two nine times in ten, and with nothing to do the heavier one is the lighter loaded.
    assert!((1_720..1_880).contains(&drawn["a"]) && drawn.len() == 3, "{drawn:?}");
}

#[test]
fn a_candidate_that_leaves_moves_only_its_own_sessions() {
    let fib = three([100, 100, 100]);
    let without = ["a", "b"].map(|name| local(name, 700_000));
    let fewer = under(&rib(without), &scored(|score| score.equal_within = Millionths(4_000_000)));
    for session in 0..200 {
        let before = decide(&fib, &of_session(session)).winner.unwrap();
        let after = decide(&fewer, &of_session(session)).winner.unwrap();
        assert!(before == "c" || before == after, "session {session}: {before} and then {after}");
    }
}

// BP7.
#[test]
fn a_session_moves_only_beyond_the_load_margin() {
    let fib = three([100, 100, 100]);
    let request = of_session(7);
    let own = decide(&fib, &request).winner.unwrap();
    let under = |load: u32| decide_under(&fib, &request, &|candidate| if candidate == own { load } else { 1 });
    let patient = under(5);
    assert_eq!(
        (patient.winner.as_ref(), patient.reasons.as_slice()),
        (Some(&own), [Reason::Session { equal: 3 }].as_slice())
    );
    assert_eq!(patient.loads.len(), 3);
    let moved = under(6);
    assert_ne!(moved.winner.as_ref(), Some(&own));
    let why = Reason::SessionMoved { from: own.clone(), in_flight: 6, least: 1 };
    assert_eq!(moved.reasons, [Reason::Session { equal: 3 }, why]);
    assert!(moved.ladder.contains(&own), "{:?}", moved.ladder);
}

// BP8.
#[test]
fn of_two_drawn_the_less_loaded_serves() {
    let fib = three([100, 100, 100]);
    let loads = |candidate: &str| if candidate == "a" { 9 } else { 2 };
    let mut seen = BTreeMap::new();
    for seed in 0..200u64 {
        let request = Request { seed: Some(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)), ..public() };
        let decision = decide_under(&fib, &request, &loads);
        assert_eq!(decision.loads.len(), 2, "two are looked at, whatever the number of equals");
        assert_ne!(decision.loads[0].candidate, decision.loads[1].candidate);
        *seen.entry(decision.winner.unwrap()).or_insert(0) += 1;
    }
    assert_eq!(seen.get("a"), None, "it is never the lighter of two");
    assert!(seen["b"] > 60 && seen["c"] > 60, "{seen:?}");
}

#[test]
fn only_so_many_are_equal_and_only_so_many_on_the_ladder() {
    let all = (0..50).map(|number| local(&format!("c{number:02}"), 700_000));
    let fib = under(&rib(all), &rules());
    let decision = decide(&fib, &of_session(1));
    assert_eq!(decision.reasons, [Reason::Session { equal: 8 }]);
    assert_eq!((decision.ladder.len(), decision.counts.legal), (8, 50));
    // R9: the record does not grow with the table.
    assert!(serde_json::to_string(&decision).unwrap().len() < 2_000);
}

// BP6.
#[test]
fn who_is_in_place_stays_until_somebody_is_better_by_the_margin() {
    let rules = scored(|score| score.keep_within = Millionths(20_000));
    let table = |qualities: [u32; 2], before: Option<&Fib>| {
        let rib = rib([local("a", qualities[0]), local("b", qualities[1])]);
        build(&rib, &Governance::default(), &rules, before, NOW)
    };
    let ranked = |fib: &Fib| fib.ranked(&public().destination).join(" ");
    let first = table([700_000, 650_000], None);
    assert_eq!(ranked(&first), "a b");
    // Truthfulness counts two fifths: 0.04 more of it are 0.016 of the score, 0.06 are 0.024.
    let close = table([700_000, 740_000], Some(&first));
    assert_eq!(ranked(&close), "a b");
    let why = Reason::Kept { challenger: "b".to_owned(), margin: Millionths(16_000) };
    assert_eq!(decide(&close, &public()).reasons, [why]);
    assert_eq!(ranked(&table([700_000, 760_000], Some(&close))), "b a");
    assert_eq!(ranked(&table([700_000, 740_000], None)), "b a", "only because it was in place");
}

#[test]
fn who_is_in_place_is_not_kept_against_a_rule_or_a_fault() {
    let rules = scored(|score| score.keep_within = Millionths(1_000_000));
    let before = build(&rib([local("a", 700_000), local("b", 690_000)]), &Governance::default(), &rules, None, NOW);
    let winner = |first: Candidate| {
        let rib = rib([first, local("b", 690_000)]);
        let fib = build(&rib, &Governance::default(), &rules, Some(&before), NOW);
        decide(&fib, &public()).winner.unwrap()
    };
    assert_eq!(winner(local("a", 100_000)), "a");
    assert_eq!(winner(Candidate { enabled: false, ..local("a", 700_000) }), "b");
    assert_eq!(winner(Candidate { expires: Some(NOW), ..local("a", 700_000) }), "b");
    let mut failing = local("a", 700_000);
    failing.live.dampening = Damper { penalty: 3_000, suppressed: true, updated: NOW };
    assert_eq!(winner(failing), "b");
}
