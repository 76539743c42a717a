//! The laws of routes as properties.

use super::*;

/// Rules under which every step has something to do.
fn lively() -> Rules {
    scored(|score| {
        score.equal_within = Millionths(50_000);
        score.keep_within = Millionths(100_000);
        score.step = Millionths(1_000);
        (score.load_margin, score.ladder_most) = (1, 4);
    })
}

fn load(candidate: &str) -> u32 {
    u32::from(candidate.as_bytes().last().copied().unwrap_or(0)) % 5
}

/// Whether somebody may serve, by the candidate itself and not by a table.
fn may(candidate: &Candidate, decision: &Decision) -> bool {
    let request = &decision.request;
    let worst = candidate.appetite.worst(candidate.price, candidate.context_tokens, &request.wanted());
    decision.destination.privacy.may_go_to(candidate.tier)
        && candidate.capabilities.contains(&decision.destination.capability)
        && worst.money <= request.budget.money
        && request.tokens_in + request.tokens_out_max <= u64::from(candidate.context_tokens)
        && worst.tokens <= request.budget.tokens
        && candidate.enabled
        && candidate.weight > 0
        && candidate.quarantined.is_none()
        && candidate.health == Health::Healthy
        && request.modalities.iter().all(|needed| candidate.modalities.contains(needed))
        && (request.residency.is_empty()
            || candidate.region.as_ref().is_some_and(|region| request.residency.contains(region)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    // R1, R2, R9 and Z2, with every pin and session, with somebody in place and without.
    #[test]
    fn nobody_serves_what_it_may_not_see(
        candidates in any_candidates(), before in any_candidates(), request in any_request(),
    ) {
        let (rib, rules) = (rib(candidates), lively());
        let old = under(&super::rib(before), &rules);
        for old in [None, Some(&old)] {
            let fib = build(&rib, &Governance::default(), &rules, old, NOW);
            let decision = decide_under(&fib, &request, &load);
            let considered = consider(&fib, &request);
            let mut all: Vec<&str> = considered.iter().map(|one| one.candidate.as_str()).collect();
            all.sort_unstable();
            if !matches!(decision.reasons.last(), Some(Reason::NoRoute { .. })) {
                prop_assert_eq!(all, rib.candidates.keys().map(String::as_str).collect::<Vec<_>>());
                let counted: u32 = decision.counts.excluded.values().sum();
                prop_assert_eq!((decision.counts.legal + counted) as usize, rib.candidates.len());
            }
            prop_assert_eq!(decision.winner.as_ref(), decision.ladder.first());
            prop_assert_eq!(decision.destination.privacy, request.destination.privacy);
            prop_assert!(decision.ladder.len() <= 4 && !decision.reasons.is_empty());
            for id in &decision.ladder {
                prop_assert!(may(&rib.candidates[id], &decision), "{} in {:?}", id, decision);
            }
            // Whoever may serve is legal, and is counted as such: nobody is left out for no reason.
            for one in &considered {
                let legal = matches!(one.verdict, Verdict::Legal { .. });
                prop_assert_eq!(legal, may(&rib.candidates[&one.candidate], &decision), "{}", one.candidate);
            }
            let legal = considered.iter().filter(|one| matches!(one.verdict, Verdict::Legal { .. })).count();
            prop_assert_eq!(legal, decision.counts.legal as usize);
            for one in &considered {
                let alone = consider_one(&fib, &request, &one.candidate);
                prop_assert_eq!(alone.as_ref(), Some(one));
            }
        }
    }

    // R3.
    #[test]
    fn a_better_attribute_never_lowers_a_score(
        candidates in any_candidates(), which in 0usize..6, by in 1u32..500_000, step in 1u32..20_000,
    ) {
        let rules = scored(|score| {
            score.step = Millionths(step);
            score.weights.load = 10;
        });
        let score = |candidate: &Candidate| {
            let one = Candidate {
                capabilities: vec![Capability::new("general")],
                tier: TrustTier::Local, weight: 100, enabled: true, health: Health::Healthy, quarantined: None,
                ..candidate.clone()
            };
            let route = under(&rib([one]), &rules).routes.into_values().next().unwrap();
            route.ranked[0].score
        };
        for mut candidate in candidates {
            candidate.live.in_flight = by % 40;
            let mut better = candidate.clone();
            match which {
                0 => better.live.first_token_us = better.live.first_token_us.saturating_sub(u64::from(by)),
                1 => better.live.per_token_us = better.live.per_token_us.saturating_sub(u64::from(by)),
                2 => better.price.output = (better.price.output - i64::from(by)).max(0),
                3 => better.quality = Millionths((better.quality.0 + by).min(1_000_000)),
                4 => better.live.in_flight = better.live.in_flight.saturating_sub(by),
                _ => better.live.reliability = Millionths((better.live.reliability.0 + by).min(1_000_000)),
            }
            prop_assert!(score(&better) >= score(&candidate));
        }
    }

    // Weights are monotone: the more a part counts, the nearer the score is to that part.
    #[test]
    fn a_heavier_part_pulls_the_score_to_itself(parts in [0u32..=1_000_000, 0u32..=1_000_000], more in 1u32..1_000) {
        let [latency, rest] = parts.map(Millionths);
        let parts = ScoreParts {
            latency, cost: rest, truthfulness: rest, reliability: rest, load: rest, freshness: rest,
        };
        let weigh = |latency| parts.weigh(&ScoreWeights { latency, ..SCORE.weights }, 100).0;
        let (less, heavier) = (weigh(25), weigh(25 + more));
        let (low, high) = if latency >= rest { (less, heavier) } else { (heavier, less) };
        prop_assert!(low <= high + 1, "{} and then {}", less, heavier);
    }

    // R4 and R6: another order of insertion, and a copy that went through JSON, decide the same bytes.
    #[test]
    fn decisions_replay_bit_for_bit(candidates in any_candidates(), request in any_request()) {
        let rules = lively();
        let forwards = under(&rib(candidates.clone()), &rules);
        let backwards = under(&rib(candidates.into_iter().rev()), &rules);
        prop_assert_eq!(&forwards.snapshot().routes, &backwards.snapshot().routes);
        prop_assert_eq!(forwards.version, backwards.version);
        prop_assert_eq!(forwards.version, forwards.computed_version());
        let stored = serde_json::to_string(&forwards).unwrap();
        let restored: Fib = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!(&restored, &forwards);
        prop_assert_eq!(restored.computed_version(), forwards.version);
        let decision = decide_under(&forwards, &request, &load);
        let text = serde_json::to_string(&decision).unwrap();
        let again: Decision = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&again, &decision);
        prop_assert_eq!(replay(&restored, &again), None);
        prop_assert_eq!(serde_json::to_string(&super::super::again(&restored, &again)).unwrap(), text);
    }

    // R5: take anybody away, and the others keep their scores and their order.
    #[test]
    fn ranks_do_not_reverse(candidates in any_candidates(), request in any_request(), which in 0usize..8) {
        let request = Request { session: None, pin: None, seed: None, ..request };
        let all = rib(candidates);
        let mut fewer = all.clone();
        let gone = format!("c{which}");
        fewer.remove(&gone);
        let (with, without) = (fib(&all), fib(&fewer));
        let (one, other) = (decide(&with, &request), decide(&without, &request));
        if one.destination == other.destination {
            let legal = |fib: &Fib| -> Vec<(String, Millionths)> {
                let all = consider(fib, &request).into_iter();
                all.filter_map(|one| match one.verdict {
                    Verdict::Legal { score, .. } if one.candidate != gone => Some((one.candidate, score)),
                    _ => None,
                }).collect()
            };
            prop_assert_eq!(legal(&with), legal(&without));
            // Removing a loser never changes the winner.
            if one.winner.as_ref() != Some(&gone) {
                prop_assert_eq!(one.winner, other.winner);
            }
        }
    }

    // R10 and R11: step by step or at once, with what happens to a host: the same but for who is in place.
    #[test]
    fn a_table_from_the_one_before_is_the_one_from_nothing(
        candidates in any_candidates(),
        steps in proptest::collection::vec((0usize..8, 0u8..7, 0i64..400), 1..12),
    ) {
        let (mut rib, mut rules, mut now) = (rib(candidates), rules(), NOW);
        let mut governance = Governance::default();
        let mut fib = build(&rib, &governance, &rules, None, now);
        for (which, what, seconds) in steps {
            let id = format!("c{which}");
            now = Timestamp(now.0 + seconds * SECOND);
            match what {
                0 => { rib.observe(&failed(&id, Fault::Runtime), &rules.live, now); }
                1 => { rib.remove(&id); }
                2 => { rib.put(local(&id, 500_000)).ok(); }
                3 => { rib.runtimes_health(&[(format!("{id}-runtime"), Health::Healthy)].into()); }
                4 => {
                    // It ends by itself, which no version says.
                    let action = Action::Pin { candidate: id, capability: None };
                    let (author, reason) = ("ada".to_owned(), "a trial".to_owned());
                    let expires = Timestamp(now.0 + 200 * SECOND);
                    governance.version += 1;
                    governance.overrides.push(Override { author, reason, expires, action });
                }
                5 => {
                    let (tenant, destination, weights) = (None, None, None);
                    rules.policies = vec![Policy { tenant, destination, weights, prefer: vec![id] }];
                }
                _ => {
                    governance.version += 1;
                    governance.weights.insert(id, u32::from(what) * 10);
                }
            }
            fib = build(&rib, &governance, &rules, Some(&fib), now);
            let anew = build(&rib, &governance, &rules, None, now);
            prop_assert_eq!(&fib, &anew);
        }
    }

    // R10: with a margin, whoever is first is legal there and no more than the margin behind the best of its standing.
    #[test]
    fn who_is_kept_is_close_to_the_best(candidates in any_candidates(), before in any_candidates()) {
        let rules = lively();
        let old = under(&rib(before), &rules);
        let all = rib(candidates);
        let (kept, anew) = (build(&all, &Governance::default(), &rules, Some(&old), NOW), under(&all, &rules));
        for (destination, route) in &kept.routes {
            let best = &anew.routes[destination];
            let (Some(first), Some(best)) = (route.ranked.first(), best.ranked.first()) else { continue };
            prop_assert!(best.score.0 - first.score.0 <= 100_000);
            let sorted = |fib: &Fib| { let mut all = fib.ranked(destination); all.sort_unstable(); all.join(" ") };
            prop_assert_eq!(sorted(&kept), sorted(&anew), "nobody comes or goes for it");
        }
    }
}
