//! Queues against figures of the books, and plans from loads to proposals.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use proptest::prelude::*;

use super::queue::{needed, refused, wait_us};
use super::{Config, Grows, Load, Place, Plan, What, plan};
use crate::types::{Money, Price, Timestamp, TrustTier};
use crate::ziggy::govern::Counts;
use crate::ziggy::route::Capability;

/// One server at a time, in millionths of a load.
const ERLANG: u64 = 1_000_000;

#[test]
fn waits_and_losses_are_those_of_the_books() {
    // M/M/1 at a load of a half: a request waits as long as one is served.
    assert!(wait_us(1, ERLANG / 2, 1_000_000).unwrap().abs_diff(1_000_000) <= 1);
    // M/M/2 at a load of 1: a third of all wait, and a third of a service time on average (C(2, 1) = 1/3).
    assert!(wait_us(2, ERLANG, 1_000_000).unwrap().abs_diff(333_333) <= 1);
    // C(10, 8) = 0.4092, so the wait is 0.4092 / 2 of a service time.
    assert!(wait_us(10, 8 * ERLANG, 1_000_000).unwrap().abs_diff(204_590) < 200);
    assert_eq!((wait_us(1, ERLANG, 5), wait_us(0, 1, 5), wait_us(3, 4 * ERLANG, 5)), (None, None, None));
    // Erlang's B: B(1, 1) = 1/2, B(2, 1) = 1/5, B(10, 8) = 0.1217.
    assert!(refused(1, 0, ERLANG) == 500_000 && refused(2, 0, ERLANG).abs_diff(200_000) <= 1);
    assert!(refused(10, 0, 8 * ERLANG).abs_diff(121_661) < 5);
    // M/M/1/K at a load of 1: all K + 1 states are alike.
    assert!(refused(1, 3, ERLANG).abs_diff(200_000) <= 1 && refused(1, 9, ERLANG).abs_diff(90_909) <= 1);
    // Twice what one can do: half is refused, whatever the room.
    assert!(refused(1, 100, 2 * ERLANG).abs_diff(500_000) <= 1);
    assert_eq!((refused(0, 5, 1), refused(0, 5, 0)), (1_000_000, 0));
}

#[test]
fn the_fewest_that_do_are_asked_for() {
    assert_eq!(needed(ERLANG / 2, 1_000_000, 800_000, 2_000_000), 1);
    assert_eq!(needed(ERLANG / 2, 1_000_000, 800_000, 900_000), 2, "one would let them wait a second");
    assert_eq!(needed(4 * ERLANG, 1_000, 800_000, u64::MAX / 4), 5, "by use alone");
    assert_eq!(needed(0, 1_000, 800_000, 0), 1);
    assert_eq!(needed(u64::MAX / 4, 1_000, 1, 0), super::queue::SERVERS_MOST);
}

const CONFIG: Config = Config { window_s: 100, utilisation: 800_000, wait_ms: 1_000, least: 10 };

fn place(candidate: &str, tier: TrustTier, concurrency: u32, grows: Grows) -> Place {
    Place {
        candidate: candidate.to_owned(),
        runtime: candidate.split('@').next_back().unwrap().to_owned(),
        tier,
        price: Price::new(0, if tier == TrustTier::External { 10_000_000 } else { 0 }),
        capabilities: vec![Capability::new("general")],
        concurrency,
        waiting: 4,
        grows,
        serves: true,
    }
}

/// So many requests that each took so many milliseconds, within a hundred seconds.
fn load(destination: &str, candidate: &str, served: u64, refused: u64, took_ms: u64) -> Load {
    let counts = Counts {
        arrived: served + refused,
        refused,
        served,
        took_us: served * took_ms * 1_000,
        waited_us: served * 5_000,
        tokens_in: served * 100,
        tokens_out: served * 50,
        cost: served * 7,
        ..Counts::default()
    };
    Load { destination: destination.to_owned(), candidate: candidate.to_owned(), counts }
}

fn made(loads: &[Load], places: &[Place]) -> Plan {
    plan(loads, places, &CONFIG, 100, Timestamp(5))
}

// PL2.
#[test]
fn without_a_load_nothing_is_proposed_and_the_plan_says_so() {
    let quiet = made(&[load("general/public", "a@x", 0, 0, 0)], &[place("a@x", TrustTier::Local, 1, Grows::Copies)]);
    assert!(!quiet.measured && quiet.proposals.is_empty() && quiet.carried.is_empty());
    assert_eq!(quiet.words, ["No load was measured in the last 100 s, so there is nothing to plan for."]);
    let few = made(&[load("general/public", "a@x", 9, 0, 99_000)], &[place("a@x", TrustTier::Local, 1, Grows::Copies)]);
    assert!(few.measured && few.proposals.is_empty() && few.words[1].contains("it takes 10"), "{:?}", few.words);
}

#[test]
fn a_load_that_fits_needs_nothing() {
    let calm =
        made(&[load("general/public", "a@x", 20, 0, 1_000)], &[place("a@x", TrustTier::Local, 1, Grows::Concurrency)]);
    let carried = &calm.carried[0];
    assert_eq!((carried.arrivals, carried.service_us, carried.in_work), (200_000, 1_000_000, 200_000), "Little's law");
    assert_eq!((carried.utilisation, carried.needed, carried.waited_us), (200_000, 1, 5_000));
    assert!(calm.proposals.is_empty() && calm.words.last().unwrap().contains("Nothing has to be added"));
    let bursts =
        made(&[load("general/public", "a@x", 20, 5, 1_000)], &[place("a@x", TrustTier::Local, 1, Grows::Concurrency)]);
    assert!(bursts.proposals.is_empty() && bursts.words[1].contains("they came all at once"), "{:?}", bursts.words);
}

#[test]
fn what_cannot_keep_up_is_told_what_would_help_what_it_costs_and_what_it_buys() {
    let places = [
        place("a@x", TrustTier::Local, 2, Grows::Copies),
        place("b@y", TrustTier::External, 50, Grows::Concurrency),
        place("c@z", TrustTier::Private, 1, Grows::Concurrency),
    ];
    // Four a second, a second each: four are in work, and two places are there.
    let loads = [load("general/public", "a@x", 200, 100, 1_000), load("general/restricted", "a@x", 60, 40, 1_000)];
    let plan = made(&loads, &places);
    let carried = &plan.carried[0];
    assert_eq!((carried.in_work, carried.utilisation, carried.wait_us), (4_000_000, 2_000_000, None));
    assert_eq!((carried.refused, carried.needed), (350_000, 5));
    assert_eq!(carried.destinations[0].destination, "general/public");
    let [more, other] = plan.proposals.as_slice() else { unreachable!("{:?}", plan.proposals) };
    assert_eq!(more.what, What::Runtimes { like: "x".to_owned(), copies: 2 });
    assert!(more.wait_us_before.is_none() && more.wait_us_after.is_some_and(|wait| wait < 1_000_000));
    assert!(more.refused_before > 400_000 && more.refused_after < 50_000, "{more:?}");
    // 260 answers of 7 micro-dollars in 100 s; with the refused ones it is 400.
    assert_eq!((more.cost_a_day_before, more.cost_a_day_after), (Money(1_572_480), Money(2_419_200)));
    // 1.6 of 4 can stay. Of the largest destination 2.4 go to the only one with room; c@z has too little.
    let expected = What::Offload { destination: "general/public".to_owned(), to: "b@y".to_owned(), share: 600_000 };
    assert_eq!(other.what, expected);
    // Two fifths of 2.4192 dollars stay; 2.4 requests a second at 50 output tokens of 10 dollars a million are new.
    assert_eq!(other.cost_a_day_after, Money(967_680 + 500 * 24 * 86_400 / 10));
    assert!(other.wait_us_after.is_some() && other.refused_after < other.refused_before);
    assert!(
        plan.words.iter().any(|words| words.starts_with("For a@x: add 2 more runtimes like x.")),
        "{:?}",
        plan.words
    );
    let restricted = made(&[load("general/restricted", "a@x", 300, 100, 1_000)], &places);
    assert_eq!(restricted.proposals.len(), 1, "what may not leave this machine is offered to nobody else");
}

#[test]
fn a_runtime_that_can_do_more_at_a_time_is_told_how_many() {
    let plan =
        made(&[load("code/public", "b@y", 400, 0, 1_000)], &[place("b@y", TrustTier::External, 3, Grows::Concurrency)]);
    assert_eq!(plan.proposals[0].what, What::Concurrency { from: 3, to: 5 });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    /// PL1, PL3, PL4 for any load.
    #[test]
    fn a_plan_makes_nothing_worse_and_sends_nothing_where_it_may_not_go(
        loads in proptest::collection::vec((0_usize..4, 0_usize..3, 0_u64..2_000, 0_u64..500, 0_u64..60_000), 0..8),
        concurrency in proptest::collection::vec(1_u32..20, 3),
    ) {
        let classes = ["public", "internal", "confidential", "restricted"];
        let tiers = [TrustTier::Local, TrustTier::Private, TrustTier::External];
        let names = ["a@x", "b@y", "c@z"];
        let places: Vec<Place> = (0..3)
            .map(|at| place(names[at], tiers[at], concurrency[at], if at == 0 { Grows::Copies } else { Grows::Concurrency }))
            .collect();
        let loads: Vec<Load> = loads
            .into_iter()
            .map(|(class, who, served, refused, took)| {
                load(&format!("general/{}", classes[class]), names[who], served, refused, took)
            })
            .collect();
        let plan = made(&loads, &places);
        prop_assert_eq!(&plan, &made(&loads, &places));
        for one in &plan.proposals {
            prop_assert!(one.refused_after <= one.refused_before, "{one:?}");
            prop_assert!(one.wait_us_before.is_none_or(|before| one.wait_us_after.is_some_and(|after| after <= before)));
            if let What::Offload { destination, to, share } = &one.what {
                let to = places.iter().find(|place| place.candidate == *to).unwrap();
                let destination: crate::ziggy::Destination = destination.parse().unwrap();
                prop_assert!(destination.privacy.may_go_to(to.tier) && *share <= 1_000_000);
            }
        }
    }
}
