//! Tables of situations and their steps, and the laws of the ladder over random ones.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use proptest::prelude::*;

use super::*;

fn config() -> Config {
    Config {
        order: vec![
            Rung::Local,
            Rung::Private,
            Rung::Partner,
            Rung::External,
            Rung::Retry,
            Rung::Wait,
            Rung::Smaller,
            Rung::Cached,
            Rung::Human,
            Rung::Refuse,
        ],
        off: vec![Rung::Cached],
        wait_most: 2,
        wait_within_ms: 1_000,
        smaller_below: Millionths(100_000),
        cache_entries: 10,
        cache_ttl_s: 60,
        hedge: false,
        destinations: BTreeMap::new(),
    }
}

fn to(text: &str) -> Destination {
    text.parse().unwrap()
}

fn standing(candidate: &str, tier: TrustTier, quality: u32) -> Standing {
    let (candidate, quality) = (candidate.to_owned(), Millionths(quality));
    Standing { candidate, tier, quality, cost_max: Money(10), dampened: false }
}

fn situation(legal: Vec<Standing>) -> Situation {
    Situation {
        legal,
        chosen: None,
        came: BTreeMap::new(),
        privacy: PrivacyClass::Public,
        money: Money(100),
        attempts_most: 2,
        waiting: 0,
        waited_us: 0,
        left_us: 60_000_000,
        cached: true,
        human: false,
    }
}

fn of_three() -> Situation {
    situation(vec![
        standing("far", TrustTier::External, 800_000),
        standing("near", TrustTier::Local, 790_000),
        standing("tiny", TrustTier::Local, 200_000),
    ])
}

const FAILED: Came = Came::Failed { attempts: 1, again: false };

fn walked(config: &Config, mut situation: Situation, came: impl Fn(&str) -> Came) -> Vec<String> {
    let mut walk = Vec::new();
    loop {
        let step = next(config, &to("general/public"), &situation);
        let Some(candidate) = step.candidate else {
            walk.push(step.rung.word().to_owned());
            return walk;
        };
        walk.push(format!("{} {candidate}", step.rung.word()));
        situation.came.insert(candidate.clone(), came(&candidate));
    }
}

#[test]
fn down_the_ladder_from_the_first_choice() {
    let failing = walked(&config(), of_three(), |_| FAILED);
    assert_eq!(failing, ["external far", "local near", "smaller tiny", "refuse"]);
    let busy = walked(&config(), of_three(), |_| Came::Busy { again_us: None });
    assert_eq!(busy, ["external far", "local near", "wait"], "waiting comes before a worse answer");
}

#[test]
fn a_destination_has_its_own_order_and_switches() {
    let own = Own { order: Some(vec![Rung::Smaller, Rung::Local, Rung::Cached]), off: Some(vec![Rung::Local]) };
    let config = Config { destinations: BTreeMap::from([("general/public".to_owned(), own)]), ..config() };
    // LA3: the first choice is external, which is not named, and the local rung is off.
    let walk = walked(&config, of_three(), |_| FAILED);
    assert_eq!(walk, ["smaller tiny", "cached"]);
    let elsewhere = next(&config, &to("code/public"), &of_three());
    assert_eq!(elsewhere.candidate.as_deref(), Some("far"));
    let mut none = of_three();
    none.cached = false;
    none.came = ["far", "near", "tiny"].map(|name| (name.to_owned(), FAILED)).into();
    let refused = next(&config, &to("general/public"), &none);
    assert_eq!(refused.rung, Rung::Refuse);
    let off = refused.passed.iter().find(|one| one.rung == Rung::Local).unwrap();
    assert_eq!(off.reason, "it is switched off");
    assert!(refused.words()[0].starts_with("Step to refuse: "), "{:?}", refused.words());
}

#[test]
fn a_rung_where_only_smaller_ones_are_left_says_so() {
    let mut now = of_three();
    now.came = [("far".to_owned(), FAILED), ("near".to_owned(), FAILED)].into();
    let step = next(&config(), &to("general/public"), &now);
    assert_eq!((step.rung, step.candidate.as_deref()), (Rung::Smaller, Some("tiny")));
    let why = |rung| step.passed.iter().find(|one| one.rung == rung).map(|one| one.reason.as_str());
    assert_eq!(why(Rung::Local), Some("who is left there is smaller than the first choice"));
    assert_eq!(why(Rung::External), Some("nobody who may serve it is left there"));
}

#[test]
fn waiting_has_limits() {
    let busy = |again_us| {
        let mut situation = of_three();
        situation.came = ["far", "near"].map(|name| (name.to_owned(), Came::Busy { again_us })).into();
        situation
    };
    let rung = |situation: &Situation| next(&config(), &to("general/public"), situation).rung;
    let step = next(&config(), &to("general/public"), &busy(Some(250_000)));
    assert_eq!((step.rung, step.again_us), (Rung::Wait, Some(250_000)));
    assert_eq!(rung(&busy(Some(1_000_001))), Rung::Smaller, "it may wait for a second");
    assert_eq!(rung(&Situation { waiting: 2, ..busy(None) }), Rung::Smaller, "the line is full");
    assert_eq!(rung(&Situation { waited_us: 1_000_000, ..busy(None) }), Rung::Smaller, "it has waited");
    assert_eq!(rung(&Situation { left_us: 0, ..busy(None) }), Rung::Smaller, "there is no time");
    let step = next(&config(), &to("general/public"), &Situation { left_us: 400, ..busy(None) });
    assert_eq!((step.rung, step.again_us), (Rung::Wait, Some(400)));
}

#[test]
fn who_failed_in_passing_is_tried_again_before_anything_worse() {
    let mut situation = of_three();
    situation.came =
        BTreeMap::from([("far".to_owned(), FAILED), ("near".to_owned(), Came::Failed { attempts: 1, again: true })]);
    let step = next(&config(), &to("general/public"), &situation);
    assert_eq!((step.rung, step.candidate.as_deref()), (Rung::Retry, Some("near")));
    situation.came.insert("near".to_owned(), Came::Failed { attempts: 2, again: true });
    assert_eq!(next(&config(), &to("general/public"), &situation).rung, Rung::Smaller);
}

#[test]
fn who_is_left_alone_is_asked_once_when_nobody_else_is_left() {
    let asked = std::cell::Cell::new(0);
    let far = || if asked.replace(asked.get() + 1) == 0 { Came::Out } else { FAILED };
    let walk = walked(&config(), of_three(), |name| if name == "far" { far() } else { FAILED });
    assert_eq!(asked.get(), 2, "{walk:?}");
    assert_eq!(walk[..3], ["external far", "local near", "smaller tiny"], "others come first");
    let mut alone = situation(vec![standing("far", TrustTier::External, 800_000)]);
    alone.came.insert("far".to_owned(), Came::Out);
    let step = next(&config(), &to("general/public"), &alone);
    assert_eq!((step.rung, step.candidate.as_deref()), (Rung::Retry, Some("far")), "LA5");
    alone.came.insert("far".to_owned(), Came::Failed { attempts: 1, again: false });
    assert_eq!(next(&config(), &to("general/public"), &alone).rung, Rung::Refuse);
}

#[test]
fn who_failed_too_often_lately_comes_last_whatever_its_tier() {
    let mut situation = of_three();
    situation.legal = vec![
        standing("first", TrustTier::External, 800_000),
        standing("other", TrustTier::External, 800_000),
        Standing { dampened: true, ..standing("bad", TrustTier::Local, 800_000) },
    ];
    let walk = walked(&config(), situation, |_| FAILED);
    assert_eq!(walk, ["external first", "external other", "local bad", "refuse"]);
}

#[test]
fn what_cannot_work_is_found() {
    let twice = Config { order: vec![Rung::Wait, Rung::Wait], ..config() };
    assert_eq!(twice.impossible()[0].0, "order");
    let nowhere = Config { destinations: BTreeMap::from([("general".to_owned(), Own::default())]), ..config() };
    assert_eq!(nowhere.impossible()[0].0, "destinations.general");
    assert_eq!(config().impossible(), []);
}

fn tier(number: u8) -> TrustTier {
    [TrustTier::External, TrustTier::Partner, TrustTier::Private, TrustTier::Local][usize::from(number % 4)]
}

fn class(number: u8) -> PrivacyClass {
    let all = [PrivacyClass::Public, PrivacyClass::Internal, PrivacyClass::Confidential, PrivacyClass::Restricted];
    all[usize::from(number % 4)]
}

proptest! {
    /// LA1, LA2 and LA4 on random ladders, whatever comes of the candidates.
    #[test]
    fn every_ladder_ends_and_no_step_is_unlawful(
        legal in prop::collection::vec((0_u8..4, 0_u32..1_000_000, 0_i64..200, any::<bool>()), 0..8),
        privacy in 0_u8..4,
        fates in prop::collection::vec((0_u8..5, 0_u64..400_000), 64),
        shuffle in Just(config().order).prop_shuffle(),
        off in prop::collection::vec(0_usize..10, 0..4),
        cached in any::<bool>(),
        human in any::<bool>(),
    ) {
        let config = Config { off: off.iter().map(|place| shuffle[*place]).collect(), order: shuffle, ..config() };
        let legal: Vec<Standing> = legal.into_iter().enumerate().map(|(place, (place_tier, quality, cost, dampened))| {
            Standing { cost_max: Money(cost), dampened, ..standing(&place.to_string(), tier(place_tier), quality) }
        }).collect();
        let mut now = Situation { privacy: class(privacy), cached, human, ..situation(legal) };
        let mut attempts: BTreeMap<String, u32> = BTreeMap::new();
        for (count, (fate, again)) in fates.iter().cycle().enumerate() {
            prop_assert!(count < 2_000, "LA2");
            let step = next(&config, &to("general/public"), &now);
            prop_assert_eq!(&step, &next(&config, &to("general/public"), &now));
            prop_assert!(!config.off.contains(&step.rung) || step.rung == Rung::Refuse, "LA3");
            match step.rung {
                Rung::Wait => {
                    // What io does: the time goes by, and who had no room is asked anew.
                    let waited = step.again_us.unwrap().max(1);
                    now.waited_us += waited;
                    now.left_us = now.left_us.saturating_sub(waited);
                    prop_assert!(now.waited_us <= 1_000_000, "LA2");
                    now.came.retain(|_, came| !matches!(came, Came::Busy { .. }));
                }
                Rung::Refuse | Rung::Cached | Rung::Human => break,
                _ => {
                    let chosen = step.candidate.unwrap();
                    let one = now.legal.iter().find(|one| one.candidate == chosen).unwrap();
                    prop_assert!(now.privacy.may_go_to(one.tier) && one.cost_max <= now.money, "LA1");
                    if step.rung != Rung::Retry {
                        prop_assert!(!now.came.contains_key(&chosen), "LA2");
                    }
                    let times = attempts.entry(chosen.clone()).or_default();
                    let came = match fate {
                        0 if *again % 2 == 0 && step.rung != Rung::Retry => Came::Out,
                        0 => Came::Barred,
                        1 => Came::Busy { again_us: None },
                        2 => Came::Busy { again_us: Some(*again + 1) },
                        _ => {
                            *times += 1;
                            Came::Failed { attempts: *times, again: *fate == 3 }
                        }
                    };
                    now.came.insert(chosen, came);
                }
            }
        }
    }
}
