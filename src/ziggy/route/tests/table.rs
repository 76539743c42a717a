//! Tables: their versions, how one is built from the one before, and what changed between them.

use super::*;

#[test]
fn noise_below_the_step_makes_no_new_table() {
    let rules = scored(|score| score.step = Millionths(10_000));
    let with = |first_token_us| {
        let mut one = local("a", 700_000);
        (one.live.first_token_us, one.live.updated) = (first_token_us, NOW);
        under(&rib([one, local("b", 600_000)]), &rules).version
    };
    assert_eq!(with(5_000_000), with(5_010_000));
    assert_ne!(with(5_000_000), with(9_000_000));
}

#[test]
fn who_was_slow_and_gets_no_work_is_tried_again_by_and_by() {
    let mut rib = rib([local("quick", 700_000), local("steady", 660_000)]);
    let answered = |first_token_us| Feedback {
        candidate: "quick".to_owned(),
        ok: true,
        first_token_us: Some(first_token_us),
        ..Feedback::default()
    };
    let first = |rib: &Rib, now| {
        build(rib, &Governance::default(), &rules(), None, now).ranked(&public().destination)[0].to_owned()
    };
    rib.observe(&answered(500_000), &LIVE, at(0));
    assert_eq!(first(&rib, at(0)), "quick");
    rib.observe(&answered(25_000_000), &LIVE, at(1));
    assert_eq!(first(&rib, at(1)), "steady");
    let again = (1..3_600).find(|second| first(&rib, at(*second)) == "quick").unwrap();
    let half_life = i64::from(LIVE.latency_half_life_s);
    assert!((half_life..8 * half_life).contains(&again), "after {again} s");
    rib.observe(&answered(25_000_000), &LIVE, at(again));
    assert_eq!(first(&rib, at(again)), "steady", "it is still slow");
}

#[test]
fn a_penalty_that_only_decays_makes_no_new_table() {
    let mut rib = rib([local("a", 700_000), local("b", 600_000)]);
    (0..3).for_each(|second| assert!(rib.observe(&failed("a", Fault::Own), &LIVE, at(second))));
    let version = |now| build(&rib, &Governance::default(), &rules(), None, now).version;
    assert_eq!(version(at(3)), version(at(60)));
    assert_ne!(version(at(60)), version(at(200)), "it was forgiven");
}

#[test]
fn the_version_covers_everything_that_decides() {
    let base = || local("a", 700_000);
    let version = |one: Candidate| fib(&rib([one, local("b", 1)])).version;
    let plain = version(base());
    let others = [
        Candidate { price: Price::new(1, 2), ..base() },
        Candidate { region: Some("eu".to_owned()), ..base() },
        Candidate { region: Some(String::new()), ..base() },
        Candidate { modalities: vec![Modality::Text, Modality::Audio], ..base() },
        Candidate { context_tokens: 1, ..base() },
        Candidate { agent: "other".to_owned(), ..base() },
        Candidate { runtime: "other".to_owned(), ..base() },
        Candidate { tier: TrustTier::Private, ..base() },
        Candidate { cap: None, ..base() },
        Candidate { weight: 99, ..base() },
        Candidate { enabled: false, ..base() },
        Candidate { expires: Some(at(-1)), ..base() },
        Candidate { qualities: [(Capability::new("x"), Millionths(1))].into(), ..base() },
        Candidate { capabilities: vec![Capability::new("general"), Capability::new("x")], ..base() },
    ];
    let mut seen = vec![plain];
    for one in others {
        let version = version(one.clone());
        assert!(!seen.contains(&version), "{one:?}");
        seen.push(version);
    }
    let wide = under(&rib([base(), local("b", 1)]), &scored(|score| score.load_margin = 5)).version;
    assert!(!seen.contains(&wide));
}

#[test]
fn a_table_that_was_changed_or_makes_no_sense_is_noticed() {
    let fib = fib(&rib([local("a", 1), local("b", 2)]));
    let mut stored = serde_json::to_value(&fib).unwrap();
    stored["routes"]["general/public"]["ranked"][0]["score"] = 7.into();
    let changed: Fib = serde_json::from_value(stored.clone()).unwrap();
    assert_ne!(changed.version, changed.computed_version());
    stored["routes"]["general/public"]["ranked"][0]["candidate"] = "nobody".into();
    assert!(serde_json::from_value::<Fib>(stored).unwrap_err().to_string().contains("nobody is ranked and has no row"));
}

#[test]
fn what_changed_is_said_in_words() {
    let before = fib(&rib([local("a", 1), local("b", 2), local("c", 3), local("e", 5)]));
    let mut b = local("b", 2);
    b.live.dampening = Damper { penalty: 3_000, suppressed: true, updated: NOW };
    let down = Health::Unhealthy { reason: "no answer".to_owned() };
    let c = Candidate { health: down, ..local("c", 3) };
    let e = Candidate { expires: Some(NOW), ..local("e", 5) };
    let after = fib(&rib([b, c, local("d", 4), e]));
    let words: Vec<String> = changes(&before, &after, 10).iter().map(Change::words).collect();
    assert_eq!(
        words,
        [
            "a was removed.",
            "b ranks behind everybody else for its failures (penalty 3000) until 1970-01-01T00:18:40.000916Z.",
            "c left its routes: it cannot work: no answer.",
            "d was added.",
            "What is known of e has expired; it ranks behind the rest.",
        ]
    );
    let back: Vec<String> = changes(&after, &before, 10).iter().map(Change::words).collect();
    assert_eq!(back, ["a was added.", "b ranks by its score again.", "c is back in its routes.", "d was removed."]);
    assert!(changes(&before, &before, 10).is_empty());
    assert_eq!(changes(&before, &after, 2).len(), 2);
}

#[test]
fn a_judgement_moves_the_quality_of_what_was_judged_where_it_is_known_and_else_the_general_one() {
    let code = Capability::new("code");
    let known = Candidate { qualities: [(code.clone(), Millionths(800_000))].into(), ..local("a", 500_000) };
    let mut rib = rib([known.clone()]);
    let mut judged = |capability: Option<&str>| {
        let capability = capability.map(Capability::new);
        let quality = Some(Millionths::ZERO);
        let feedback = Feedback { candidate: "a".to_owned(), ok: true, quality, capability, ..Feedback::default() };
        rib.observe(&feedback, &LIVE, at(1));
        (rib.candidates["a"].quality.0, rib.candidates["a"].qualities[&code].0)
    };
    let (general, single) = judged(Some("code"));
    assert!(general == 500_000 && single < 800_000, "{general}, {single}");
    let (after, same) = judged(Some("write"));
    assert!(after < general && same == single, "{after}, {same}");
    let (last, same) = judged(None);
    assert!(last < after && same == single, "{last}, {same}");
    // What was learned outlives what the config says anew.
    rib.put(known).unwrap();
    assert_eq!((rib.candidates["a"].quality.0, rib.candidates["a"].qualities[&code].0), (last, single));
}
