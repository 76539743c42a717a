//! A table is the one before it and the change between them, whatever changed.

use super::*;

/// Rules under which somebody in place stays, somebody is preferred, and a tenant has routes of its own.
fn lively(margin: u32, tenant: bool) -> Rules {
    let mut rules = scored(|score| {
        score.keep_within = Millionths(margin);
        score.step = Millionths(1_000);
        score.weights.freshness = 5;
    });
    if tenant {
        let (tenant, destination) = (Some("acme".to_owned()), Some("general/*".to_owned()));
        let prefer = vec!["c2".to_owned(), "c1".to_owned()];
        rules.policies.push(Policy { tenant, destination, weights: None, prefer });
    }
    rules
}

fn pinned(candidate: &str, version: u64) -> Governance {
    let action = Action::Pin { candidate: candidate.to_owned(), capability: Some(Capability::new("general")) };
    let one = Override { author: "ada".to_owned(), reason: "a trial".to_owned(), expires: at(60), action };
    let weights = [("c1".to_owned(), 60)].into();
    Governance { version, weights, overrides: vec![one], ..Governance::default() }
}

/// As it comes out of the journal.
fn written<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

fn basis(candidates: Vec<Candidate>, governance: Governance, seconds: i64) -> Basis {
    let mut rib = rib(candidates);
    let runtimes: Vec<String> = rib.candidates.values().take(2).map(|one| one.runtime.clone()).collect();
    for (place, runtime) in runtimes.into_iter().enumerate() {
        rib.runtimes.insert(runtime, Damper { penalty: 900 * place as u64, suppressed: true, updated: NOW });
    }
    Basis { rib, governance, at: at(seconds) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    // R13.
    #[test]
    fn a_table_follows_from_another_one_and_the_change_between_them(
        lives in proptest::collection::vec((any_candidates(), 0u8..6, 0usize..2, any::<bool>()), 2..6),
        margin in 0u32..200_000,
    ) {
        let mut before: Option<(Basis, Fib)> = None;
        let mut line: Option<(Basis, Snapshot)> = None;
        for (number, (candidates, levers, tenant, afresh)) in lives.into_iter().enumerate() {
            let candidates = match &before {
                // Nearly the same as before: one is exchanged, another goes.
                Some((old, _)) if !afresh => {
                    let mut same: Vec<Candidate> = old.rib.candidates.values().map(|one| Candidate::clone(one)).collect();
                    if let (Some(known), Some(new)) = (same.first_mut(), candidates.first()) {
                        *known = Candidate { id: known.id.clone(), runtime: known.runtime.clone(), ..new.clone() };
                    }
                    same.truncate(5);
                    same
                }
                _ => candidates,
            };
            let governance = if levers > 3 { pinned(&format!("c{levers}"), 1) } else { Governance::default() };
            let made_from = basis(candidates, governance, number as i64 * 40);
            let rules = lively(margin, tenant == 1);
            let fib = build(&made_from.rib, &made_from.governance, &rules, before.as_ref().map(|(_, fib)| fib), made_from.at);
            line = Some(match (&before, line) {
                (Some((old_basis, old)), Some((mut known_basis, mut table))) => {
                    written(&FibDelta::between(old, &fib)).apply(&mut table).unwrap();
                    written(&BasisDelta::between(old_basis, &made_from)).apply(&mut known_basis);
                    (known_basis, table)
                }
                _ => (written(&made_from), written(&fib.snapshot())),
            });
            let (known, table) = line.as_ref().unwrap();
            let again = Fib::try_from(table.clone()).unwrap();
            prop_assert_eq!(again.computed_version(), fib.version);
            prop_assert_eq!(&again, &fib);
            prop_assert_eq!(
                serde_json::to_string(&again).unwrap(), serde_json::to_string(&fib).unwrap(), "to the byte"
            );
            prop_assert_eq!(known, &made_from);
            prop_assert_eq!(Digests::default().of(known), Digests::default().of(&made_from));
            before = Some((made_from, fib));
        }
    }
}

#[test]
fn the_hash_of_what_a_table_was_made_from_covers_all_of_it_and_knows_what_changed() {
    let first = basis(vec![local("a", 1), local("b", 2)], Governance::default(), 0);
    let mut digests = Digests::default();
    let one = digests.of(&first);
    assert_eq!(digests.of(&first), one);
    let mut others = vec![first.clone(); 6];
    others[0].rib.observe(&failed("a", Fault::Own), &LIVE, NOW);
    others[1].rib.remove("b");
    others[2].rib.runtimes.clear();
    others[3].governance = pinned("a", 0);
    others[4].at = at(1);
    others[5].rib.version += 1;
    for other in &others {
        let hash = digests.of(other);
        assert_ne!(hash, one);
        assert_eq!(hash, Digests::default().of(other), "what is remembered of others changes nothing");
        assert_eq!(digests.of(&first), one);
    }
}

#[test]
fn a_change_of_another_table_is_refused_or_gives_another_hash() {
    let crowd = |count: u32| (0..count).map(|number| local(&format!("c{number}"), 900_000 - number));
    let (small, large) = (fib(&rib(crowd(2))), fib(&rib(crowd(40))));
    let mut better = rib(crowd(40));
    better.observe(&failed("c3", Fault::Own), &LIVE, NOW);
    better.put(local("late", 800_000)).unwrap();
    better.remove("c9");
    let delta = FibDelta::between(&large, &fib(&better));
    assert_eq!((delta.rows.len(), delta.gone.as_slice()), (2, &["c9".to_owned()][..]));
    assert!(delta.routes.put.is_empty() && delta.routes.changed.len() == 4, "{delta:?}");
    let mut right = large.snapshot();
    delta.clone().apply(&mut right).unwrap();
    assert_eq!(Fib::try_from(right).unwrap(), fib(&better));
    let mut wrong = small.snapshot();
    let refused = delta.apply(&mut wrong).unwrap_err();
    assert!(refused.contains("nobody stands before"), "{refused}");
}
