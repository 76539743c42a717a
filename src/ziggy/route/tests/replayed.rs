//! Decisions made again, and under another policy.

use std::sync::Arc;

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
    let other = basis.under(&scored(|score| score.weights = weights));
    let compared = compare(&decision, &basis, &decision, (&basis, &other));
    assert_eq!((compared.before.winner.as_deref(), compared.after.winner.as_deref()), (Some("dear"), Some("cheap")));
    assert_eq!((compared.before.cost_max, compared.after.cost_max), (Money(2_800), Money(0)));
    assert_eq!((compared.before.tier, compared.after.tier), (Some(TrustTier::Local), Some(TrustTier::Private)));
    assert_eq!(compared.before.latency_us, 500_000 + 199 * 20_000);
    let same = compare(&decision, &basis, &decision, (&basis, &fib));
    assert_eq!(same.before, same.after);
}

fn proposed(rules: Rules, candidates: impl IntoIterator<Item = Candidate>) -> Proposed {
    let candidates = candidates.into_iter().map(|one| (one.id.clone(), one)).collect();
    Proposed { rules, candidates: Some(candidates) }
}

#[test]
fn another_configuration_removes_adds_and_reprices_and_keeps_what_was_learned() {
    let mut recorded = rib([local("a", 900_000), local("b", 500_000)]);
    let served = |id: &str| Feedback {
        candidate: id.to_owned(),
        ok: true,
        first_token_us: Some(100_000),
        per_token_us: Some(1_000),
        tokens: 10,
        ..Feedback::default()
    };
    (0..9).for_each(|second| assert!(recorded.observe(&served("b"), &LIVE, at(second))));
    let found = Candidate { origin: Origin::Discovered, ..local("found", 100_000) };
    recorded.put(found.clone()).unwrap();
    let basis = Basis { rib: recorded.clone(), governance: Governance::default(), at: NOW };
    let free = Candidate { price: Price::default(), quality: Millionths(1), ..local("b", 1) };
    let other = proposed(rules(), [free, local("c", 990_000)]).basis(&basis);
    assert_eq!(other.rib.candidates.keys().collect::<Vec<_>>(), ["b", "c", "found"], "a is gone, c is new");
    let (before, after) = (&recorded.candidates["b"], &other.rib.candidates["b"]);
    assert_eq!((after.price, after.live, after.quality), (Price::default(), before.live, before.quality));
    assert_eq!(other.rib.candidates["c"].live.samples, 0);
    assert_eq!(*other.rib.candidates["found"], found, "whom research found no file knows");
    assert_eq!(Proposed { rules: rules(), candidates: None }.basis(&basis), basis);
}

#[test]
fn regions_that_remain_decide_who_may_be_asked() {
    let in_region = |id: &str, region: &str| Candidate { region: Some(region.to_owned()), ..local(id, 700_000) };
    let basis =
        Basis { rib: rib([in_region("a", "eu"), in_region("b", "us")]), governance: Governance::default(), at: NOW };
    let fib = basis.under(&rules());
    let decision = decide(&fib, &public());
    let winner = |residency: Option<Vec<String>>| {
        let asked = asked_again(&decision, residency);
        compare(&decision, &basis, &asked, (&basis, &fib)).after.winner
    };
    assert_eq!(winner(None), decision.winner);
    assert_eq!(winner(Some(vec!["us".to_owned()])).as_deref(), Some("b"));
    assert_eq!(winner(Some(vec!["ch".to_owned()])), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    // The same configuration changes nothing, however the tables came to be and whichever of them were asked.
    #[test]
    fn the_same_configuration_decides_the_same(
        candidates in any_candidates(),
        steps in proptest::collection::vec((0usize..8, any::<bool>(), any::<bool>(), 0i64..200), 1..12),
        margin in 0u32..200_000,
        request in any_request(),
    ) {
        let rules = scored(|score| score.keep_within = Millionths(margin));
        let own: Vec<Candidate> = candidates.clone();
        let (mut rib, mut now, mut before) = (rib(candidates), NOW, None);
        let (mut walk, same) = (Walk::default(), proposed(rules.clone(), own));
        for (which, ok, asked, seconds) in steps {
            now = Timestamp(now.0 + seconds * SECOND);
            rib.observe(&Feedback { candidate: format!("c{which}"), ok, ..Feedback::default() }, &rules.live, now);
            let basis = Basis { rib: rib.clone(), governance: Governance::default(), at: now };
            let fib = Arc::new(build(&basis.rib, &basis.governance, &rules, before.as_deref(), now));
            if asked {
                let decision = decide(&fib, &Request { at: now, ..request.clone() });
                let (own, table) = walk.table(&fib, &basis, &same);
                let found = compare(&decision, &basis, &decision, (&own, &table));
                prop_assert_eq!(&found.before, &found.after);
            }
            before = Some(fib);
        }
    }
}
