//! Tables for hard constraints, pins and what a RIB refuses.

use super::*;

// BP1.
#[test]
fn every_hard_constraint_excludes_and_is_named() {
    let base = || candidate("a", TrustTier::External, &["general"]);
    let tier = TrustTier::External;
    let down = Health::Unhealthy { reason: "no answer".to_owned() };
    let disabled = Constraint::Disabled { author: None, reason: "the config switches it off".to_owned() };
    let budget = |money, tokens| Budget { money: Money(money), tokens };
    let class = PrivacyClass::Internal;
    let eu = || vec!["eu".to_owned()];
    let us = Some("us".to_owned());
    let table = [
        (base(), request("general", class), Constraint::Privacy { class, tier }),
        (
            base(),
            Request { modalities: vec![Modality::Image], ..public() },
            Constraint::Modality { needed: Modality::Image },
        ),
        (base(), Request { residency: eu(), ..public() }, Constraint::Residency { allowed: eu(), region: None }),
        (
            Candidate { region: us.clone(), ..base() },
            Request { residency: eu(), ..public() },
            Constraint::Residency { allowed: eu(), region: us },
        ),
        (Candidate { enabled: false, ..base() }, public(), disabled),
        (Candidate { weight: 0, ..base() }, public(), Constraint::WeightZero),
        (
            Candidate { quarantined: Some("flaps".to_owned()), ..base() },
            public(),
            Constraint::Quarantined { reason: "flaps".to_owned() },
        ),
        (Candidate { health: down, ..base() }, public(), Constraint::Unhealthy { reason: "no answer".to_owned() }),
        (Candidate { context_tokens: 699, ..base() }, public(), Constraint::Context { needed: 700, has: 699 }),
        (
            base(),
            Request { budget: budget(129, 10_000), ..public() },
            Constraint::Budget { cost: Money(130), budget: Money(129) },
        ),
        (base(), Request { budget: budget(130, 699), ..public() }, Constraint::Tokens { needed: 700, budget: 699 }),
    ];
    for (candidate, request, constraint) in table {
        let fib = fib(&rib([candidate]));
        let decision = decide(&fib, &request);
        assert_eq!(decision.winner, None, "{constraint:?}");
        assert_eq!(excluded(&fib, &request, "a"), std::slice::from_ref(&constraint));
        assert_eq!(decision.counts, Counts { legal: 0, excluded: [(constraint.rule(), 1)].into() });
        let refused = Reason::Refused { closest: "a".to_owned(), constraints: vec![constraint] };
        assert_eq!(decision.reasons, [refused]);
    }
    let fine = decide(&fib(&rib([base()])), &Request { budget: budget(130, 700), ..public() });
    assert_eq!((fine.winner.as_deref(), fine.cost_max), (Some("a"), Money(130)));
    assert_eq!((fine.reasons, fine.counts.legal), (vec![Reason::OnlyLegal], 1));
}

#[test]
fn the_general_capability_stands_in_only_where_nobody_is_better() {
    let both =
        [candidate("general", TrustTier::Local, &["general"]), candidate("coder", TrustTier::External, &["code"])];
    let fib = fib(&rib(both));
    let wanted = decide(&fib, &request("translate", PrivacyClass::Public));
    assert_eq!(wanted.winner.as_deref(), Some("general"));
    assert_eq!(wanted.reasons[0], Reason::Substituted { wanted: Capability::new("translate") });
    // Somebody codes, but may not see this: that is a refusal, not a reason to ask whoever is there.
    let refused = decide(&fib, &request("code", PrivacyClass::Restricted));
    assert_eq!(refused.winner, None);
    let nobody = decide(&under(&Rib::default(), &rules()), &request("x", PrivacyClass::Public));
    assert_eq!(nobody.reasons, [Reason::NoRoute { wanted: Capability::new("x"), offered: Vec::new() }]);
}

#[test]
fn pins_beat_scores_but_never_constraints_and_end_in_time() {
    let best = Candidate { quality: Millionths::ONE, ..candidate("best", TrustTier::Local, &["general"]) };
    let rib = rib([best, candidate("far", TrustTier::External, &["general"])]);
    let pin = Override {
        author: "ada".to_owned(),
        reason: "trial".to_owned(),
        expires: at(1),
        action: Action::Pin { candidate: "far".to_owned(), capability: None },
    };
    let governance = Governance { overrides: vec![pin], ..Governance::default() };
    let fib = build(&rib, &governance, &rules(), None, NOW);
    let open = decide(&fib, &public());
    assert_eq!(open.winner.as_deref(), Some("far"));
    assert_eq!(open.ladder, ["far", "best"]);
    let restricted = decide(&fib, &request("general", PrivacyClass::Restricted));
    assert_eq!(restricted.winner.as_deref(), Some("best"));
    assert!(matches!(restricted.reasons[0], Reason::PinExcluded { .. }));
    let later = Request { at: at(1), ..public() };
    assert_eq!(decide(&fib, &later).winner.as_deref(), Some("best"));
    let asked = Request { pin: Some("far".to_owned()), ..later };
    assert_eq!(decide(&fib, &asked).reasons, [Reason::RequestPin]);
    let unknown = Request { pin: Some("nobody".to_owned()), ..asked };
    assert_eq!(decide(&fib, &unknown).winner, None);
}

// BP3.
#[test]
fn where_the_newest_pin_cannot_serve_the_one_before_it_counts() {
    let best = Candidate { quality: Millionths::ONE, ..candidate("best", TrustTier::Local, &["general"]) };
    let others = [("near", TrustTier::Local), ("far", TrustTier::External)];
    let rib = rib(std::iter::once(best).chain(others.map(|(id, tier)| candidate(id, tier, &["general"]))));
    let pin = |candidate: &str, until: i64| Override {
        author: "ada".to_owned(),
        reason: "trial".to_owned(),
        expires: at(until),
        action: Action::Pin { candidate: candidate.to_owned(), capability: None },
    };
    let governance = Governance { overrides: vec![pin("near", 2), pin("far", 1)], ..Governance::default() };
    let fib = build(&rib, &governance, &rules(), None, NOW);
    assert_eq!(decide(&fib, &public()).winner.as_deref(), Some("far"), "the newest");
    let restricted = decide(&fib, &request("general", PrivacyClass::Restricted));
    assert_eq!(restricted.winner.as_deref(), Some("near"), "and not whoever scores best");
    assert!(
        matches!(&restricted.reasons[..], [Reason::PinExcluded { pin, .. }, Reason::OperatorPin { .. }] if pin == "far"),
        "{:?}",
        restricted.reasons
    );
    let later = Request { at: at(1), ..public() };
    assert_eq!(decide(&fib, &later).winner.as_deref(), Some("near"), "the newest has expired");
}

// R8.
// BP3.
#[test]
fn whom_the_caller_asked_for_by_name_no_pin_of_an_operator_displaces() {
    let rib =
        rib([candidate("near", TrustTier::Local, &["general"]), candidate("far", TrustTier::External, &["general"])]);
    let pin = Override {
        author: "ada".to_owned(),
        reason: "trial".to_owned(),
        expires: at(1),
        action: Action::Pin { candidate: "far".to_owned(), capability: None },
    };
    let governance = Governance { overrides: vec![pin], ..Governance::default() };
    let fib = build(&rib, &governance, &rules(), None, NOW);
    let asked = |name: &str| decide(&fib, &Request { pin: Some(name.to_owned()), ..public() });
    assert_eq!((asked("near").ladder, asked("near").reasons), (vec!["near".to_owned()], vec![Reason::RequestPin]));
    // Where both mean the same, the operator is named.
    assert_eq!(asked("far").ladder, ["far"]);
    assert!(matches!(&asked("far").reasons[..], [Reason::OperatorPin { author, .. }] if author == "ada"));
    assert_eq!(asked("nobody").winner, None);
}

// R8.
#[test]
fn nobody_stands_in_for_whom_the_caller_asked_for() {
    let rib =
        rib([candidate("near", TrustTier::Local, &["general"]), candidate("far", TrustTier::External, &["general"])]);
    let fib = fib(&rib);
    let asked = |privacy| Request { pin: Some("far".to_owned()), ..request("general", privacy) };
    assert_eq!(decide(&fib, &asked(PrivacyClass::Public)).ladder, ["far"]);
    let refused = decide(&fib, &asked(PrivacyClass::Restricted));
    assert_eq!((refused.winner, refused.ladder), (None, Vec::new()));
    assert!(matches!(&refused.reasons[..], [Reason::PinExcluded { pin, constraints }]
        if pin == "far" && matches!(constraints[..], [Constraint::Privacy { .. }])));
}

#[test]
fn a_rib_refuses_what_cannot_be_in_words() {
    let said = |candidates: Vec<Candidate>| Rib::of(candidates).unwrap_err().join("; ");
    let negative = Candidate { price: Price::new(-1, 0), ..local("a", 0) };
    assert!(said(vec![negative]).contains("a has a negative price"));
    let cached = Candidate { price: Price { cached_input: Some(-1), ..local("a", 0).price }, ..local("a", 0) };
    assert!(said(vec![cached, local("", 0)]).contains("negative price; nobody pays for being asked; it has no id"));
    assert!(said(vec![local("a", 1_000_001)]).contains("quality above 1"));
    let twice = said(vec![local("a", 1), Candidate { runtime: "other".to_owned(), ..local("a", 2) }]);
    assert_eq!(twice, "a is the id of a on a-runtime (from config) and cannot be that of a on other (from config) too");
    // The same agent on the same runtime is the same candidate, known better.
    let mut rib = rib([local("a", 1)]);
    rib.put(local("a", 2)).unwrap();
    assert_eq!(rib.candidates["a"].quality, Millionths(2));
    assert!(rib.put(Candidate { origin: Origin::Discovered, ..local("a", 3) }).is_err());
}

#[test]
fn as_many_candidates_as_there_may_be_are_ranked_and_the_record_stays_small() {
    let many = (0..10_000).map(|number| local(&format!("c{number:05}"), 500_000 + 50 * number));
    let fib = fib(&rib(many));
    let request = Request { seed: Some(7), ..public() };
    assert_eq!(fib.ranked(&request.destination).len(), 10_000);
    let decision = decide(&fib, &request);
    assert_eq!((decision.counts.legal, decision.winner.as_deref()), (10_000, Some("c09999")));
    assert!(serde_json::to_string(&decision).unwrap().len() < 2_000);
}

#[test]
fn destinations_survive_their_text() {
    let text = "memory/confidential";
    let destination: Destination = text.parse().unwrap();
    assert_eq!((destination.privacy, destination.to_string().as_str()), (PrivacyClass::Confidential, text));
    assert!("memory".parse::<Destination>().is_err());
    assert!("memory/secret".parse::<Destination>().is_err());
}
