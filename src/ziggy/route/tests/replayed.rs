//! Decisions made again, and under another policy.

use super::*;

#[test]
fn a_decision_is_made_again_from_its_record_and_a_forged_one_is_found() {
    let all = ["a", "b", "c"].map(|name| local(name, 700_000));
    let fib = under(&rib(all), &scored(|score| score.equal_within = Millionths(20_000)));
    let request = Request { seed: Some(99), ..public() };
    let decision = decide_under(&fib, &request, &|candidate| u32::from(candidate == "b") * 7);
    assert_eq!(replay(&fib, &decision), None);
    let loser = decision.reasons.iter().find_map(|reason| match reason {
        Reason::TwoChoices { other, .. } => Some(other.clone()),
        _ => None,
    });
    let forged = Decision { winner: loser.clone(), ..decision.clone() };
    let found = replay(&fib, &forged).unwrap();
    assert_eq!((found.at.as_str(), found.recorded), ("/winner", serde_json::json!(loser)));
    let mut idle = decision.clone();
    idle.loads.iter_mut().for_each(|load| load.in_flight += 1);
    assert_eq!(replay(&fib, &idle).map(|found| found.at), None, "one more for both is the same choice");
}

#[test]
fn the_first_difference_has_a_place() {
    let (one, other) = (serde_json::json!({"a": [1, {"b/c": 2}]}), serde_json::json!({"a": [1, {"b/c": 3}], "d": 1}));
    let found = difference(&one, &other).unwrap();
    assert_eq!((found.at.as_str(), found.recorded.as_i64(), found.computed.as_i64()), ("/a/1/b~1c", Some(2), Some(3)));
    assert_eq!(difference(&one, &one), None);
    assert_eq!(difference(&serde_json::json!([1]), &serde_json::json!([1, 2])).unwrap().at, "/1");
}

#[test]
fn another_policy_shows_what_it_would_have_cost() {
    let dear = Candidate { price: Price::new(4_000_000, 4_000_000), ..local("dear", 1_000_000) };
    let cheap = Candidate { price: Price::default(), tier: TrustTier::Private, ..local("cheap", 600_000) };
    let basis = Basis { rib: rib([dear, cheap]), governance: Governance::default(), at: NOW };
    let fib = basis.under(&rules());
    let decision = decide(&fib, &public());
    let weights = ScoreWeights { cost: 100, truthfulness: 1, ..SCORE.weights };
    let compared = compare(&decision, &basis, &basis.under(&scored(|score| score.weights = weights)));
    assert_eq!((compared.before.winner.as_deref(), compared.after.winner.as_deref()), (Some("dear"), Some("cheap")));
    assert_eq!((compared.before.cost_max, compared.after.cost_max), (Money(2_800), Money(0)));
    assert_eq!((compared.before.tier, compared.after.tier), (Some(TrustTier::Local), Some(TrustTier::Private)));
    assert_eq!(compared.before.latency_us, 500_000 + 199 * 20_000);
    let same = compare(&decision, &basis, &fib);
    assert_eq!(same.before, same.after);
}
