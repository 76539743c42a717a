//! Weights and preferences by tenant and destination, and which of several counts.

use super::*;

const CHEAP: ScoreWeights =
    ScoreWeights { latency: 0, cost: 1, truthfulness: 0, reliability: 0, load: 0, freshness: 0 };

fn policy(tenant: Option<&str>, destination: Option<&str>, prefer: &[&str]) -> Policy {
    let text = |text: Option<&str>| text.map(str::to_owned);
    let prefer = prefer.iter().map(ToString::to_string).collect();
    Policy { tenant: text(tenant), destination: text(destination), weights: None, prefer }
}

/// A dear one that is good, a cheap one that is not, and one that is neither.
fn table(policies: Vec<Policy>) -> Fib {
    let dear = Candidate { price: Price::new(9_000_000, 9_000_000), ..local("dear", 1_000_000) };
    let cheap = Candidate { price: Price::default(), ..local("cheap", 300_000) };
    let far = Candidate {
        region: Some("eu".to_owned()),
        tier: TrustTier::External,
        capabilities: vec![Capability::new("general"), Capability::new("code")],
        ..local("far", 0)
    };
    under(&rib([dear, cheap, far]), &Rules { policies, ..rules() })
}

fn winner(fib: &Fib, tenant: &str, destination: &str) -> String {
    let budget = Budget { money: Money(1_000_000), tokens: 10_000 };
    let request =
        Request { tenant: Some(tenant.to_owned()), destination: destination.parse().unwrap(), budget, ..public() };
    decide(fib, &request).winner.unwrap()
}

// BP4.
#[test]
fn a_tenant_has_its_own_weights_and_preferences() {
    let saving = Policy { weights: Some(CHEAP), ..policy(Some("saver"), None, &[]) };
    let abroad = policy(Some("abroad"), Some("*/public"), &["region:eu"]);
    let fib = table(vec![saving, abroad]);
    assert_eq!(winner(&fib, "anybody", "general/public"), "dear");
    assert_eq!(winner(&fib, "saver", "general/public"), "cheap");
    assert_eq!(winner(&fib, "abroad", "general/public"), "far");
    assert_eq!(winner(&fib, "abroad", "general/internal"), "dear", "it prefers nobody there");
    let request = Request { tenant: Some("abroad".to_owned()), ..public() };
    assert!(matches!(decide(&fib, &request).reasons[0], Reason::Preferred { .. }));
    assert_eq!(fib.version, fib.computed_version());
    let read: Fib = serde_json::from_str(&serde_json::to_string(&fib).unwrap()).unwrap();
    assert_eq!(read, fib);
}

#[test]
fn a_decision_says_by_which_weights_it_was_made() {
    let fib = table(vec![Policy { weights: Some(CHEAP), ..policy(Some("saver"), Some("general/*"), &[]) }]);
    let of = |tenant: &str| decide(&fib, &Request { tenant: Some(tenant.to_owned()), ..public() });
    assert_eq!((of("saver").weights, of("anybody").weights), (Some(CHEAP), Some(rules().score.weights)));
    // They are part of what is made again, and of what a table is.
    let forged = Decision { weights: Some(CHEAP), ..of("anybody") };
    assert_ne!(replay(&fib, &forged), None);
    assert_eq!(replay(&fib, &of("saver")), None);
    let other = table(vec![Policy { weights: Some(CHEAP), ..policy(Some("saver"), Some("code/*"), &[]) }]);
    assert_ne!(fib.version, other.version);
    let read: Fib = serde_json::from_str(&serde_json::to_string(&fib).unwrap()).unwrap();
    assert_eq!(read.weights, fib.weights);
}

#[test]
fn the_closest_policy_counts() {
    let all = [
        (None, Some("general/*"), "dear"),
        (None, Some("*/public"), "cheap"),
        (None, Some("general/restricted"), "cheap"),
        (Some("ada"), None, "far"),
    ];
    let fib = table(all.map(|(tenant, destination, one)| policy(tenant, destination, &[one])).to_vec());
    assert_eq!(winner(&fib, "bob", "general/public"), "dear", "a capability counts more than a class");
    assert_eq!(winner(&fib, "bob", "general/restricted"), "cheap");
    assert_eq!(winner(&fib, "ada", "general/public"), "far", "a tenant counts more than a destination");
    assert_eq!(winner(&fib, "ada", "general/restricted"), "dear", "no preference carries anybody over a constraint");
}

#[test]
fn policies_that_contradict_each_other_or_say_nothing_are_refused() {
    let none = ScoreWeights { cost: 0, ..CHEAP };
    let wrong = [
        policy(None, Some("code/*"), &["a"]),
        Policy { weights: Some(CHEAP), ..policy(None, Some("code/*"), &[]) },
        Policy { weights: Some(none), ..policy(Some("ada"), None, &[]) },
        policy(Some("bob"), None, &[]),
        policy(Some("cay"), Some("code"), &["a", "a"]),
        policy(Some("dan"), Some("code/secret"), &["tier:moon"]),
    ];
    let found = Rules::impossible(&wrong);
    let said: Vec<String> = found.iter().map(|(key, expected)| format!("{key}: {expected}")).collect();
    assert_eq!(
        said,
        [
            "1: one policy for this tenant and destination; another one contradicts it",
            "2.weights: at least one that is not 0",
            "3: weights, or somebody to prefer",
            "4.destination: capability/class, where either may be `*`",
            "4.prefer: \"a\" once",
            "5.destination: capability/class, where either may be `*`",
            "5.prefer: an id, an agent, runtime:NAME, tier:NAME or region:NAME instead of \"tier:moon\"",
        ]
    );
    assert!(Rules::impossible(&[policy(None, None, &["tier:local"]), policy(Some("a"), None, &["b"])]).is_empty());
}

#[test]
fn quality_counts_for_the_capability_it_is_known_for() {
    let general = ["general", "code"];
    let coder = Candidate {
        qualities: [(Capability::new("code"), Millionths::ONE)].into(),
        quality: Millionths(100_000),
        ..candidate("coder", TrustTier::Local, &general)
    };
    let fib = fib(&rib([coder, candidate("talker", TrustTier::Local, &general)]));
    assert_eq!(winner(&fib, "x", "general/public"), "talker");
    assert_eq!(winner(&fib, "x", "code/public"), "coder");
}

// BP5.
#[test]
fn load_freshness_tail_and_cached_prompts_move_scores() {
    let weights = |load, freshness| ScoreWeights { load, freshness, ..SCORE.weights };
    let score = |candidate: &Candidate, rules: &Rules| {
        let fib = under(&rib([candidate.clone()]), rules);
        fib.routes[&public().destination].ranked[0].score
    };
    let plain = local("a", 500_000);
    let mut busy = plain.clone();
    busy.live.in_flight = 16;
    let loaded = scored(|score| score.weights = weights(10, 0));
    assert!(score(&busy, &loaded) < score(&plain, &loaded));
    assert_eq!(score(&busy, &rules()), score(&plain, &rules()), "with a weight of zero it counts for nothing");
    let old = Candidate { origin: Origin::Discovered, since: Timestamp(0), expires: Some(at(99)), ..plain.clone() };
    let fresh = scored(|score| score.weights = weights(0, 10));
    assert!(score(&old, &fresh) < score(&plain, &fresh));
    let mut uneven = plain.clone();
    (uneven.live.tail_first_token_us, uneven.live.updated) = (20_000_000, NOW);
    let tail = scored(|score| score.latency = Latency::Tail);
    assert!(score(&uneven, &tail) < score(&plain, &tail));
    assert_eq!(score(&uneven, &rules()), score(&plain, &rules()));
    let cached = Candidate { price: Price { cached_input: Some(0), ..plain.price }, ..plain.clone() };
    let often = scored(|score| score.anchors.typical_cached_percent = 80);
    assert!(score(&cached, &often) > score(&plain, &often));
}
