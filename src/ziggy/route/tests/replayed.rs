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
    let used = crate::inference::Usage::new(100, 50);
    let other = basis.under(&scored(|score| score.weights = weights));
    let compared = compare(&decision, &basis, &decision, (&basis, &other), Some(&used));
    assert_eq!((compared.before.winner.as_deref(), compared.after.winner.as_deref()), (Some("dear"), Some("cheap")));
    assert_eq!((compared.before.cost_max, compared.after.cost_max), (Money(2_800), Money(0)));
    assert_eq!((compared.before.tier, compared.after.tier), (Some(TrustTier::Local), Some(TrustTier::Private)));
    assert_eq!(compared.before.latency_us, 500_000 + 199 * 20_000);
    let same = compare(&decision, &basis, &decision, (&basis, &fib), None);
    assert_eq!((same.before, same.took), (same.after, None));
    // The answer that came had fifty tokens, and not the two hundred it might have had.
    let (before, after) = compared.took.unwrap();
    assert_eq!((before.cost, after.cost), (Money(600), Money(0)));
    assert_eq!(before.latency_us, 500_000 + 49 * 20_000);
}

fn proposed(rules: Rules, candidates: impl IntoIterator<Item = Candidate>) -> Proposed {
    let own = candidates.into_iter().map(|one| (one.id.clone(), one)).collect();
    Proposed { rules, company: Some(Company { own, ..Company::default() }) }
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
    assert_eq!(Proposed { rules: rules(), company: None }.basis(&basis), basis);
}

/// A basis of a model `m` at each runtime, of which `a` and `b` have answered.
fn told() -> Basis {
    let modelled = |id: &str, quality| Candidate { model: "m".to_owned(), ..local(id, quality) };
    let mut rib = rib([modelled("a", 900_000), modelled("b", 500_000), modelled("idle", 1_000)]);
    for id in ["a", "b"] {
        let first_token_us = Some(100_000);
        rib.observe(
            &Feedback { candidate: id.to_owned(), ok: true, first_token_us, ..Feedback::default() },
            &LIVE,
            NOW,
        );
    }
    Basis { rib, governance: Governance::default(), at: at(60) }
}

/// The recorded candidates as files say they are: nothing is known of them.
fn files(basis: &Basis) -> Vec<Candidate> {
    let fresh =
        |one: &Arc<Candidate>| Candidate { live: Live::assumed(500_000, 20_000, at(900)), ..Candidate::clone(one) };
    basis.rib.candidates.values().map(fresh).collect()
}

#[test]
fn who_has_no_runtime_any_more_cannot_serve_and_another_model_was_never_seen() {
    let mut basis = told();
    basis.rib.observe(&failed("b", Fault::Runtime), &LIVE, NOW);
    assert!(basis.rib.runtimes.contains_key("b-runtime"));
    let mut own = files(&basis);
    // What a host makes of an agent whose runtime is not configured.
    (own[0].model, own[0].tier) = ("a".to_owned(), TrustTier::External);
    own[0].health = Health::Unhealthy { reason: "not configured".to_owned() };
    own[1].model = "another".to_owned();
    let other = proposed(rules(), own).basis(&basis);
    let table = other.under(&rules());
    assert_eq!(table.ranked(&public().destination), ["b", "idle"], "a cannot work");
    let b = &other.rib.candidates["b"];
    assert_eq!((b.live.samples, b.live.first_token_us, b.live.updated, b.since), (0, 500_000, at(60), at(60)));
    assert!(!other.rib.runtimes.contains_key("b-runtime"), "another model has not failed");
    let mut same = files(&basis);
    same[1].tier = TrustTier::Partner;
    let same = proposed(rules(), same).basis(&basis);
    let (b, known) = (&same.rib.candidates["b"], &basis.rib.candidates["b"]);
    assert_eq!((b.tier, b.live), (TrustTier::Partner, known.live), "who is trusted less is as quick");
    assert_eq!(same.rib.runtimes, basis.rib.runtimes);
    assert_eq!(same.rib.candidates["idle"].live, basis.rib.candidates["idle"].live, "what is assumed is as old");
}

#[test]
fn prices_are_those_of_the_time() {
    let basis = told();
    let (cheap, dear) = (Price::new(1, 1), Price::new(9_000_000, 9_000_000));
    let dated = |from| BTreeMap::from([(Timestamp(i64::MIN), cheap), (from, dear)]);
    let mut other = proposed(rules(), files(&basis));
    let company = other.company.as_mut().unwrap();
    company.prices = [("a-runtime".to_owned(), dated(at(60))), ("b-runtime".to_owned(), dated(at(61)))].into();
    let prices = other.basis(&basis).rib.candidates.into_iter().map(|(id, one)| (id, one.price));
    let expected = [("a", dear), ("b", cheap), ("idle", Price::new(100_000, 400_000))];
    assert!(prices.eq(expected.map(|(id, price)| (id.to_owned(), price))));
}

#[test]
fn who_was_announced_is_there_if_it_could_be_announced() {
    let mut basis = told();
    let said = Candidate { origin: Origin::Operator, expires: Some(at(500)), weight: 7, ..local("c", 1) };
    basis.rib.put(Candidate { model: "m".to_owned(), quality: Millionths(123_456), ..said.clone() }).unwrap();
    let code = Candidate { origin: Origin::Code, agent: "b".to_owned(), ..local("b2", 3) };
    basis.rib.put(code.clone()).unwrap();
    let mut other = proposed(rules(), files(&told()));
    let ids = |basis: &Basis| basis.rib.candidates.keys().cloned().collect::<Vec<_>>();
    assert_eq!(ids(&other.basis(&basis)), ["a", "b2", "idle"], "code goes before the files, and nobody offers c");
    let offer = Candidate { model: "m".to_owned(), tier: TrustTier::Partner, expires: None, weight: 100, ..said };
    other.company.as_mut().unwrap().offers = [("c".to_owned(), offer)].into();
    let made = other.basis(&basis);
    let c = &made.rib.candidates["c"];
    assert_eq!((c.tier, c.expires, c.weight, c.quality), (TrustTier::Partner, Some(at(500)), 7, Millionths(123_456)));
    assert_eq!(*made.rib.candidates["b2"], code);
}

#[test]
fn who_is_in_place_in_the_other_world_stays_there_until_somebody_beats_it_by_the_margin() {
    let rules = scored(|score| score.keep_within = Millionths(50_000));
    let step = |a: u32, b: u32| {
        let basis = Basis { rib: rib([local("a", a), local("b", b)]), governance: Governance::default(), at: NOW };
        let fib = Arc::new(basis.under(&rules));
        (fib, basis)
    };
    let steps = [step(900_000, 500_000), step(700_000, 750_000), step(500_000, 900_000), step(750_000, 700_000)];
    let mut walk = Walk::default();
    let mut first = |(fib, basis): &(Arc<Fib>, Basis)| {
        let (_, table) = walk.table(fib, basis, &Proposed { rules: rules.clone(), company: None });
        table.ranked(&public().destination)[0].to_owned()
    };
    let alone = |(fib, _): &(Arc<Fib>, Basis)| fib.ranked(&public().destination)[0].to_owned();
    assert_eq!(steps.each_ref().map(alone), ["a", "b", "b", "a"]);
    assert_eq!(steps.each_ref().map(&mut first), ["a", "b", "b", "a"], "where both worlds agree, theirs goes on");
    // Their world prefers a by a policy that ours drops.
    let preferring = Policy { tenant: None, destination: None, weights: None, prefer: vec!["a".to_owned()] };
    let parted = Rules { policies: vec![preferring], ..rules.clone() };
    let under = |(_, basis): &(Arc<Fib>, Basis)| (Arc::new(basis.under(&parted)), basis.clone());
    let theirs = steps.each_ref().map(under);
    assert!(theirs.iter().all(|one| alone(one) == "a"));
    let mut walk = Walk::default();
    let own = [1, 2, 3].map(|step| {
        let (fib, basis): &(Arc<Fib>, Basis) = &theirs[step];
        let (_, table) = walk.table(fib, basis, &Proposed { rules: rules.clone(), company: None });
        table.ranked(&public().destination)[0].to_owned()
    });
    assert_eq!(own, ["a", "b", "b"], "a is kept within the margin, beaten beyond it, and then b is kept");
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
                let found = compare(&decision, &basis, &decision, (&own, &table), None);
                prop_assert_eq!(&found.before, &found.after);
            }
            before = Some(fib);
        }
    }
}
