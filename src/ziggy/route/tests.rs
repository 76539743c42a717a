//! Tables for constraints, pins and feedback, and the laws of routes as properties.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use proptest::prelude::*;

use super::*;
use crate::types::{Budget, Money, Price, PrivacyClass, Timestamp, TrustTier};
use crate::ziggy::admit::{Action, Governance, Override};
use crate::ziggy::fixed::{Millionths, between, halved};

const SECOND: i64 = 1_000_000;
const NOW: Timestamp = Timestamp(1_000 * SECOND);

const LIVE: LiveConfig = LiveConfig {
    latency_half_life_s: 42,
    memory: 20,
    failure_penalty: 1_000,
    penalty_half_life_s: 60,
    suppress: 2_500,
    reuse: 750,
    ceiling: 24_000,
};

const SCORE: ScoreConfig = ScoreConfig {
    weights: ScoreWeights { latency: 25, cost: 20, truthfulness: 40, reliability: 15 },
    anchors: Anchors {
        typical_input_tokens: 600,
        typical_output_tokens: 200,
        latency_good_ms: 2_000,
        latency_bad_ms: 30_000,
        cost_good: 0,
        cost_bad: 5_000,
    },
    equal_within: Millionths(0),
};

fn candidate(id: &str, tier: TrustTier, capabilities: &[&str]) -> Candidate {
    Candidate {
        id: id.to_owned(),
        agent: id.to_owned(),
        runtime: format!("{id}-runtime"),
        capabilities: capabilities.iter().map(|name| Capability::new(name)).collect(),
        tier,
        price: Price { input: 100_000, output: 400_000 },
        context_tokens: 4_096,
        quality: Millionths(700_000),
        live: Live::assumed(500_000, 20_000, Timestamp(0)),
        origin: Origin::Config,
        weight: 100,
        cap: Some(4),
        enabled: true,
        health: Health::Healthy,
        quarantined: None,
    }
}

fn rib(candidates: impl IntoIterator<Item = Candidate>) -> Rib {
    let mut rib = Rib::default();
    candidates.into_iter().for_each(|candidate| rib.put(candidate));
    rib
}

fn fib(rib: &Rib) -> Fib {
    build(rib, &Governance::default(), &SCORE, &LIVE, NOW)
}

fn request(capability: &str, privacy: PrivacyClass) -> Request {
    Request {
        destination: Destination { capability: Capability::new(capability), privacy },
        tokens_in: 500,
        tokens_out_max: 200,
        budget: Budget { money: Money(10_000), tokens: 10_000 },
        session: None,
        pin: None,
        at: NOW,
    }
}

fn excluded(decision: &Decision, id: &str) -> Vec<Constraint> {
    let found = decision.considered.iter().find(|one| one.candidate == id).map(|one| one.verdict.clone());
    match found {
        Some(Verdict::Excluded { constraints }) => constraints,
        _ => Vec::new(),
    }
}

#[test]
fn every_hard_constraint_excludes_and_is_named() {
    let base = || candidate("a", TrustTier::External, &["general"]);
    let ask = || request("general", PrivacyClass::Public);
    let tier = TrustTier::External;
    let down = Health::Unhealthy { reason: "no answer".to_owned() };
    let disabled = Constraint::Disabled { author: None, reason: "the config switches it off".to_owned() };
    let budget = |money, tokens| Budget { money: Money(money), tokens };
    let class = PrivacyClass::Internal;
    let table = [
        (base(), request("general", class), Constraint::Privacy { class, tier }),
        (Candidate { enabled: false, ..base() }, ask(), disabled),
        (Candidate { weight: 0, ..base() }, ask(), Constraint::WeightZero),
        (
            Candidate { quarantined: Some("flaps".to_owned()), ..base() },
            ask(),
            Constraint::Quarantined { reason: "flaps".to_owned() },
        ),
        (Candidate { health: down, ..base() }, ask(), Constraint::Unhealthy { reason: "no answer".to_owned() }),
        (Candidate { context_tokens: 699, ..base() }, ask(), Constraint::Context { needed: 700, has: 699 }),
        (
            base(),
            Request { budget: budget(129, 10_000), ..ask() },
            Constraint::Budget { cost: Money(130), budget: Money(129) },
        ),
        (base(), Request { budget: budget(130, 699), ..ask() }, Constraint::Tokens { needed: 700, budget: 699 }),
    ];
    for (candidate, request, constraint) in table {
        let decision = decide(&fib(&rib([candidate])), &request);
        assert_eq!(decision.winner, None, "{constraint:?}");
        assert_eq!(excluded(&decision, "a"), std::slice::from_ref(&constraint));
        let refused = Reason::Refused { closest: "a".to_owned(), constraints: vec![constraint] };
        assert_eq!(decision.reasons, [refused]);
    }
    let fine = decide(&fib(&rib([base()])), &Request { budget: budget(130, 700), ..ask() });
    assert_eq!((fine.winner.as_deref(), fine.cost_max), (Some("a"), Money(130)));
    assert_eq!(fine.reasons, [Reason::OnlyLegal]);
}

#[test]
fn nobody_is_near_who_would_not_fit_either_once_it_works_again() {
    let health = Health::Unhealthy { reason: "no answer".to_owned() };
    let down = |context_tokens| Candidate {
        health: health.clone(),
        context_tokens,
        ..candidate("a", TrustTier::Local, &["general"])
    };
    let small = Candidate { context_tokens: 600, ..candidate("b", TrustTier::Local, &["general"]) };
    let ask = request("general", PrivacyClass::Public);
    let closest = |down| decide(&fib(&rib([down, small.clone()])), &ask).reasons;
    let context = Constraint::Context { needed: 700, has: 600 };
    let small_only = Reason::Refused { closest: "b".to_owned(), constraints: vec![context] };
    assert_eq!(closest(down(600)), [small_only]);
    let constraints = vec![Constraint::Unhealthy { reason: "no answer".to_owned() }];
    assert_eq!(closest(down(700)), [Reason::Refused { closest: "a".to_owned(), constraints }]);
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
    let nobody = decide(
        &super::build(&Rib::default(), &Governance::default(), &SCORE, &LIVE, NOW),
        &request("x", PrivacyClass::Public),
    );
    assert_eq!(nobody.reasons, [Reason::NoRoute { wanted: Capability::new("x"), offered: Vec::new() }]);
}

#[test]
fn pins_beat_scores_but_never_constraints_and_end_in_time() {
    let best = Candidate { quality: Millionths::ONE, ..candidate("best", TrustTier::Local, &["general"]) };
    let rib = rib([best, candidate("far", TrustTier::External, &["general"])]);
    let pin = Override {
        author: "ada".to_owned(),
        reason: "trial".to_owned(),
        expires: Timestamp(NOW.0 + SECOND),
        action: Action::Pin { candidate: "far".to_owned(), capability: None },
    };
    let governance = Governance { overrides: vec![pin], ..Governance::default() };
    let fib = build(&rib, &governance, &SCORE, &LIVE, NOW);
    let public = decide(&fib, &request("general", PrivacyClass::Public));
    assert_eq!(public.winner.as_deref(), Some("far"));
    assert_eq!(public.ladder, ["far", "best"]);
    let restricted = decide(&fib, &request("general", PrivacyClass::Restricted));
    assert_eq!(restricted.winner.as_deref(), Some("best"));
    assert!(matches!(restricted.reasons[0], Reason::PinExcluded { .. }));
    let later = Request { at: Timestamp(NOW.0 + SECOND), ..request("general", PrivacyClass::Public) };
    assert_eq!(decide(&fib, &later).winner.as_deref(), Some("best"));
    let asked = Request { pin: Some("far".to_owned()), ..later };
    assert_eq!(decide(&fib, &asked).reasons, [Reason::RequestPin]);
    let unknown = Request { pin: Some("nobody".to_owned()), ..asked };
    assert_eq!(decide(&fib, &unknown).winner, None);
}

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
fn sessions_spread_over_equals_and_stay() {
    let names = ["a", "b", "c"];
    let rib = rib(names.map(|name| candidate(name, TrustTier::Local, &["general"])));
    let fib = fib(&rib);
    let mut served = std::collections::BTreeMap::new();
    for session in 0..300 {
        let request = Request { session: Some(session.to_string()), ..request("general", PrivacyClass::Public) };
        let winner = decide(&fib, &request).winner.unwrap();
        assert_eq!(decide(&fib, &request).winner.as_ref(), Some(&winner));
        *served.entry(winner).or_insert(0) += 1;
    }
    // A fair share is 100; far from it means the hash does not spread.
    assert!(names.iter().all(|name| (60..140).contains(&served[*name])), "{served:?}");
    let alone = decide(&fib, &request("general", PrivacyClass::Public));
    assert_eq!(alone.winner.as_deref(), Some("a"));
    let margin = Reason::BestScore { runner_up: "b".to_owned(), margin: Millionths::ZERO };
    assert_eq!(alone.reasons, [margin]);
}

#[test]
fn failures_dampen_until_they_are_forgiven_but_never_leave_nobody() {
    let mut rib = rib([
        Candidate { quality: Millionths::ONE, ..candidate("good", TrustTier::Local, &["general"]) },
        candidate("other", TrustTier::Local, &["general"]),
    ]);
    let failed = Feedback {
        candidate: "good".to_owned(),
        ok: false,
        first_token_us: None,
        per_token_us: None,
        tokens: 0,
        quality: None,
    };
    let at = |seconds: i64| Timestamp(NOW.0 + seconds * SECOND);
    let ladder = |rib: &Rib, now| {
        decide(&build(rib, &Governance::default(), &SCORE, &LIVE, now), &request("general", PrivacyClass::Public))
    };
    assert_eq!(ladder(&rib, at(0)).ladder, ["good", "other"]);
    (0..3).for_each(|second| assert!(rib.observe(&failed, &LIVE, at(second))));
    assert_eq!(ladder(&rib, at(3)).ladder, ["other", "good"]);
    // 2 966 left after the third failure: below 750 after just under two half-lives of 60 s.
    assert_eq!(ladder(&rib, at(110)).ladder, ["other", "good"]);
    assert_eq!(ladder(&rib, at(123)).ladder, ["good", "other"]);
    rib.remove("other").unwrap();
    let last = ladder(&rib, at(3));
    assert_eq!(last.winner.as_deref(), Some("good"));
    assert!(matches!(last.reasons[0], Reason::LastResort { penalty: 2_900.. }), "{:?}", last.reasons);
    assert!(!rib.observe(&Feedback { candidate: "gone".to_owned(), ..failed }, &LIVE, at(4)));
}

#[test]
fn a_peak_counts_at_once_and_fades_with_the_half_life() {
    let mut rib = rib([candidate("a", TrustTier::Local, &["general"])]);
    let mut see = |first: u64, second: i64| {
        let feedback = Feedback {
            candidate: "a".to_owned(),
            ok: true,
            first_token_us: Some(first),
            per_token_us: Some(first / 10),
            tokens: 7,
            quality: Some(Millionths::ONE),
        };
        rib.observe(&feedback, &LIVE, Timestamp(NOW.0 + second * SECOND));
        rib.candidates["a"].clone()
    };
    assert_eq!(see(100_000, 0).live.first_token_us, 100_000, "the first observation replaces the guess");
    assert_eq!(see(900_000, 1).live.first_token_us, 900_000);
    let faded = see(100_000, 43).live;
    assert_eq!((faded.first_token_us, faded.per_token_us, faded.tokens), (500_000, 50_000, 21));
    // Quality moves a twentieth of the way each time and arrives.
    let learnt = (44..400).map(|second| see(100_000, second)).last().unwrap();
    assert_eq!(learnt.quality, Millionths::ONE);
    // A changed config keeps what was learnt.
    rib.put(candidate("a", TrustTier::Local, &["general"]));
    assert_eq!(rib.candidates["a"].live, learnt.live);
}

#[test]
fn halving_is_exact_at_half_lives_and_close_between() {
    assert_eq!(halved(1_000_000, 0, 60), 1_000_000);
    assert_eq!(halved(1_000_000, 120, 60), 250_000);
    assert_eq!(halved(1_000_000, 60 * 64, 60), 0);
    for elapsed in 0..600u32 {
        let exact = 1e9 * (-f64::from(elapsed) / 60.0).exp2();
        let ours = halved(1_000_000_000, u64::from(elapsed), 60) as f64;
        assert!((ours - exact).abs() <= exact * 3e-5 + 1.0, "{elapsed}: {ours} for {exact}");
    }
    assert_eq!(between(5, 10, 20), Millionths::ONE);
    assert_eq!(between(15, 10, 20), Millionths(500_000));
    assert_eq!(between(15, 15, 15), Millionths::ONE);
}

#[test]
fn destinations_survive_their_text() {
    let text = "memory/confidential";
    let destination: Destination = text.parse().unwrap();
    assert_eq!((destination.privacy, destination.to_string().as_str()), (PrivacyClass::Confidential, text));
    assert!("memory".parse::<Destination>().is_err());
    assert!("memory/secret".parse::<Destination>().is_err());
}

const CLASSES: [PrivacyClass; 4] =
    [PrivacyClass::Public, PrivacyClass::Internal, PrivacyClass::Confidential, PrivacyClass::Restricted];
const TIERS: [TrustTier; 4] = [TrustTier::External, TrustTier::Partner, TrustTier::Private, TrustTier::Local];

fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (
        0usize..4,
        proptest::sample::subsequence(vec!["general", "code", "memory"], 0..=3),
        (0i64..2_000_000, 0i64..2_000_000),
        (0u64..20_000_000, 0u64..200_000),
        (0u32..=1_000_000, 0u32..=1_000_000),
        (prop_oneof![Just(0u32), Just(50), Just(100), Just(300)], any::<bool>(), any::<bool>(), 0u64..10_000),
        (500u32..3_000, 0u8..8),
    );
    proptest::collection::vec(one, 0..8).prop_map(|all| {
        let made = all.into_iter().enumerate().map(|(index, one)| {
            let (tier, capabilities, price, times, shares, levers, rest) = one;
            let base = candidate(&format!("c{index}"), TIERS[tier], &capabilities);
            let live = Live {
                reliability: Millionths(shares.1),
                suppressed: levers.2,
                penalty: levers.3,
                ..Live::assumed(times.0, times.1, NOW)
            };
            Candidate {
                price: Price { input: price.0, output: price.1 },
                live,
                quality: Millionths(shares.0),
                weight: levers.0,
                enabled: levers.1 || rest.1 > 2,
                context_tokens: rest.0,
                health: if rest.1 == 0 { Health::Unhealthy { reason: "down".to_owned() } } else { Health::Healthy },
                quarantined: (rest.1 == 1).then(|| "trial".to_owned()),
                ..base
            }
        });
        made.collect()
    })
}

fn any_request() -> impl Strategy<Value = Request> {
    let pin = proptest::option::of((0usize..9).prop_map(|index| format!("c{index}")));
    let session = proptest::option::of("[a-c]");
    (0usize..4, 0usize..3, 0u64..2_000, 0u64..2_000, 0i64..3_000, pin, session).prop_map(
        |(class, capability, tokens_in, tokens_out_max, money, pin, session)| Request {
            tokens_in,
            tokens_out_max,
            budget: Budget { money: Money(money), tokens: 3_500 },
            pin,
            session,
            ..request(["general", "code", "memory"][capability], CLASSES[class])
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    // R1, R2 and Z2, with every pin and session.
    #[test]
    fn nobody_serves_what_it_may_not_see(candidates in any_candidates(), request in any_request()) {
        let rib = rib(candidates);
        let decision = decide(&fib(&rib), &request);
        let mut all: Vec<&str> = decision.considered.iter().map(|one| one.candidate.as_str()).collect();
        all.sort_unstable();
        if !matches!(decision.reasons.last(), Some(Reason::NoRoute { .. })) {
            prop_assert_eq!(all, rib.candidates.keys().map(String::as_str).collect::<Vec<_>>());
        }
        prop_assert_eq!(decision.winner.as_ref(), decision.ladder.first());
        prop_assert_eq!(decision.destination.privacy, request.destination.privacy);
        for id in &decision.ladder {
            let chosen = &rib.candidates[id];
            prop_assert!(request.destination.privacy.may_go_to(chosen.tier));
            prop_assert!(chosen.capabilities.contains(&decision.destination.capability));
            prop_assert!(chosen.price.cost(request.tokens_in, request.tokens_out_max) <= request.budget.money);
            prop_assert!(request.tokens_in + request.tokens_out_max <= u64::from(chosen.context_tokens));
            prop_assert!(chosen.enabled && chosen.weight > 0 && chosen.quarantined.is_none());
            prop_assert_eq!(&chosen.health, &Health::Healthy);
        }
        prop_assert!(!decision.reasons.is_empty());
    }

    // R3.
    #[test]
    fn a_better_attribute_never_lowers_a_score(candidates in any_candidates(), which in 0usize..5, by in 1u32..500_000) {
        let score = |candidate: &Candidate| {
            let one = Candidate {
                capabilities: vec![Capability::new("general")],
                tier: TrustTier::Local, weight: 100, enabled: true, health: Health::Healthy, quarantined: None,
                ..candidate.clone()
            };
            let route = fib(&rib([one])).routes.into_values().next().unwrap();
            route.ranked[0].score
        };
        for candidate in candidates {
            let mut better = candidate.clone();
            match which {
                0 => better.live.first_token_us = better.live.first_token_us.saturating_sub(u64::from(by)),
                1 => better.live.per_token_us = better.live.per_token_us.saturating_sub(u64::from(by)),
                2 => better.price.output = (better.price.output - i64::from(by)).max(0),
                3 => better.quality = Millionths((better.quality.0 + by).min(1_000_000)),
                _ => better.live.reliability = Millionths((better.live.reliability.0 + by).min(1_000_000)),
            }
            prop_assert!(score(&better) >= score(&candidate));
        }
    }

    // R4 and R6: another order of insertion, and a copy that went through JSON, decide the same bytes.
    #[test]
    fn decisions_replay_bit_for_bit(candidates in any_candidates(), request in any_request()) {
        let forwards = fib(&rib(candidates.clone()));
        let backwards = fib(&rib(candidates.into_iter().rev()));
        prop_assert_eq!(&forwards, &backwards);
        prop_assert_eq!(forwards.version, forwards.computed_version());
        let stored = serde_json::to_string(&forwards).unwrap();
        let restored: Fib = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!(&restored, &forwards);
        let decision = serde_json::to_string(&decide(&forwards, &request)).unwrap();
        prop_assert_eq!(&decision, &serde_json::to_string(&decide(&restored, &request)).unwrap());
        let again: Decision = serde_json::from_str(&decision).unwrap();
        prop_assert_eq!(again, decide(&forwards, &request));
    }

    // R5: take anybody away, and the others keep their scores and their order.
    #[test]
    fn ranks_do_not_reverse(candidates in any_candidates(), request in any_request(), which in 0usize..8) {
        let request = Request { session: None, pin: None, ..request };
        let all = rib(candidates);
        let mut fewer = all.clone();
        let gone = format!("c{which}");
        fewer.remove(&gone);
        let (with, without) = (decide(&fib(&all), &request), decide(&fib(&fewer), &request));
        if with.destination == without.destination {
            let legal = |decision: &Decision| -> Vec<Considered> {
                let legal = decision.considered.iter().filter(|one| matches!(one.verdict, Verdict::Legal { .. }));
                legal.filter(|one| one.candidate != gone).cloned().collect()
            };
            prop_assert_eq!(legal(&with), legal(&without));
        }
    }
}
