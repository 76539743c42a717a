//! The ledger under any interleaving, held against sums that are kept beside it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{NOW, claim, ledger, limit};
use crate::types::{Money, Timestamp};
use crate::ziggy::budget::{Amounts, Charge, Held, Ledger, Limit, Scope, Unit, Window};

const TENANTS: [&str; 3] = ["acme", "bolt", "cave"];
const PRINCIPALS: [&str; 2] = ["anna", "bert"];

/// One thing that happens to a ledger.
#[derive(Debug, Clone)]
enum Act {
    /// Somebody reserves.
    Reserve { tenant: usize, principal: usize, amounts: Amounts },
    /// The reservation of this place ends with this share of it used, in thousandths.
    Commit { place: usize, thousandths: u64 },
    /// It is given back.
    Refund { place: usize },
    /// Nobody knows what became of it.
    Charge { place: usize },
    /// Time moves so many seconds, back as well.
    Move { seconds: i64 },
}

fn any_amounts() -> impl Strategy<Value = Amounts> {
    (0i64..40, 0u64..40, 0u64..3).prop_map(|(money, tokens, requests)| Amounts {
        money: Money(money),
        tokens,
        requests,
    })
}

fn any_act() -> impl Strategy<Value = Act> {
    let reserve = (0usize..3, 0usize..2, any_amounts());
    prop_oneof![
        6 => reserve.prop_map(|(tenant, principal, amounts)| Act::Reserve { tenant, principal, amounts }),
        3 => (any::<usize>(), 0u64..=1_000).prop_map(|(place, thousandths)| Act::Commit { place, thousandths }),
        2 => any::<usize>().prop_map(|place| Act::Refund { place }),
        1 => any::<usize>().prop_map(|place| Act::Charge { place }),
        2 => prop_oneof![-100_000i64..100_000, -90i64..90].prop_map(|seconds| Act::Move { seconds }),
    ]
}

fn any_limits() -> impl Strategy<Value = Vec<Limit>> {
    let scopes =
        vec!["tenant:*", "tenant:acme", "principal:*", "principal:anna", "agent:marvin", "provider:*", "model:small"];
    let windows = [Window::Minute, Window::Day, Window::Month, Window::Total];
    let one = (proptest::option::of(1i64..300), proptest::option::of(1u64..300), proptest::option::of(1u64..20));
    let all = proptest::collection::vec(one, 4);
    proptest::collection::vec((proptest::sample::select(scopes), all), 1..5).prop_map(move |rows| {
        let mut limits = BTreeMap::new();
        for (scope, caps) in rows {
            for (window, (money, tokens, requests)) in windows.iter().zip(caps) {
                if money.is_some() || tokens.is_some() || requests.is_some() {
                    limits.insert((scope, *window), Limit { money, tokens, requests, ..limit(scope, *window) });
                }
            }
        }
        limits.into_values().collect()
    })
}

/// Sums by account and beginning of its window, kept beside the ledger.
#[derive(Default)]
struct Model {
    spent: BTreeMap<(String, Window, i64), Amounts>,
    reserved: BTreeMap<(String, Window, i64), Amounts>,
}

fn keys(charges: &[Charge]) -> Vec<(String, Window, i64)> {
    charges.iter().map(|charge| (charge.scope.to_string(), charge.window, charge.began.0)).collect()
}

fn share(amounts: Amounts, thousandths: u64) -> Amounts {
    let part = |amount: u64| amount * thousandths / 1_000;
    Amounts {
        money: Money(i64::try_from(part(amounts.of(Unit::Money))).unwrap()),
        tokens: part(amounts.tokens),
        requests: part(amounts.requests),
    }
}

impl Model {
    fn reserve(&mut self, charges: &[Charge], amounts: Amounts) {
        for key in keys(charges) {
            let sum = self.reserved.entry(key).or_default();
            *sum = sum.plus(amounts);
        }
    }

    fn end(&mut self, charges: &[Charge], amounts: Amounts, actual: Amounts) {
        for key in keys(charges) {
            let sum = self.reserved.entry(key.clone()).or_default();
            *sum = sum.minus(amounts);
            let sum = self.spent.entry(key).or_default();
            *sum = sum.plus(actual);
        }
    }

    fn of(sums: &BTreeMap<(String, Window, i64), Amounts>, key: &(String, Window, i64), unit: Unit) -> u64 {
        sums.get(key).map_or(0, |sum| sum.of(unit))
    }
}

struct World {
    ledger: Ledger,
    model: Model,
    held: Vec<(Vec<Charge>, Held)>,
    now: Timestamp,
}

impl World {
    fn take(&mut self, place: usize) -> Option<(Vec<Charge>, Held)> {
        let length = self.held.len();
        (length > 0).then(|| self.held.swap_remove(place % length))
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Reserve { tenant, principal, amounts } => {
                let claim = claim(TENANTS[*tenant], PRINCIPALS[*principal]);
                // Whoever only looks is told the same, and leaves no trace.
                let seen = self.ledger.look(&claim, *amounts, self.now);
                let reserved = self.ledger.reserve(&claim, *amounts, self.now);
                assert_eq!(seen.as_ref(), reserved.as_ref().err());
                if let Ok(held) = reserved {
                    let charges = self.ledger.accounts(&held);
                    self.model.reserve(&charges, *amounts);
                    self.held.push((charges, held));
                }
            }
            Act::Commit { place, thousandths } => {
                if let Some((charges, held)) = self.take(*place) {
                    let (amounts, actual) = (held.amounts(), share(held.amounts(), *thousandths));
                    self.model.end(&charges, amounts, actual);
                    assert!(!self.ledger.commit(held, actual, self.now));
                }
            }
            Act::Refund { place } => {
                if let Some((charges, held)) = self.take(*place) {
                    self.model.end(&charges, held.amounts(), Amounts::ZERO);
                    self.ledger.refund(held);
                }
            }
            Act::Charge { place } => {
                if let Some((charges, held)) = self.take(*place) {
                    self.model.end(&charges, held.amounts(), held.amounts());
                    self.ledger.charge(held, self.now);
                }
            }
            Act::Move { seconds } => self.now = Timestamp(self.now.0 + seconds * 1_000_000),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    // B1, B2, B3, B4 and B5, with clocks that go anywhere.
    #[test]
    fn no_account_ever_holds_more_than_its_limit(
        limits in any_limits(),
        acts in proptest::collection::vec(any_act(), 1..120),
    ) {
        let mut world = World { ledger: ledger(limits), model: Model::default(), held: Vec::new(), now: NOW };
        let mut opened: BTreeMap<(String, Window), i64> = BTreeMap::new();
        for act in &acts {
            world.act(act);
            for standing in world.ledger.standings(world.now) {
                let key = (standing.scope.clone(), standing.window, standing.began.0);
                let (spent, reserved) =
                    (Model::of(&world.model.spent, &key, standing.unit), Model::of(&world.model.reserved, &key, standing.unit));
                prop_assert_eq!((standing.spent, standing.reserved), (spent, reserved), "{:?} after {:?}", &standing, act);
                prop_assert!(spent + reserved <= standing.limit, "{:?}", standing);
                prop_assert_eq!(standing.left, standing.limit - spent - reserved);
                // B4: the window that is open is never an earlier one than before.
                let last = opened.entry((standing.scope.clone(), standing.window)).or_insert(standing.began.0);
                prop_assert!(*last <= standing.began.0, "{:?} went back from {}", standing, last);
                *last = standing.began.0;
            }
        }
    }

    // B6, and that a refusal is the only thing that order changes.
    #[test]
    fn totals_do_not_depend_on_the_order_of_ends(
        amounts in proptest::collection::vec((any_amounts(), 0u64..=1_000, 0usize..3), 1..30),
        order in any::<u64>(),
    ) {
        let wide = Scope::ALL.map(|scope| Limit {
            money: Some(1_000_000), tokens: Some(1_000_000), requests: Some(1_000_000),
            ..limit(&format!("{scope}:*"), Window::Day)
        });
        let run = |shuffle: u64| {
            let mut ledger = ledger(wide.clone());
            let mut held: Vec<(u64, Held, Amounts)> = amounts
                .iter()
                .enumerate()
                .map(|(place, (amounts, thousandths, tenant))| {
                    let held = ledger.reserve(&claim(TENANTS[*tenant], "anna"), *amounts, NOW).unwrap();
                    let key = (place as u64 + 1).wrapping_mul(shuffle | 1).rotate_left(17);
                    (key, held, share(*amounts, *thousandths))
                })
                .collect();
            held.sort_by_key(|(key, ..)| *key);
            for (_, one, actual) in held {
                ledger.commit(one, actual, NOW);
            }
            ledger.standings(NOW).into_iter().map(|one| (one.scope, one.unit, one.spent, one.reserved)).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(0), run(order));
    }

    // B3: as if it had never been, whatever else is under way.
    #[test]
    fn a_refund_leaves_no_trace(limits in any_limits(), acts in proptest::collection::vec(any_act(), 0..40), amounts in any_amounts()) {
        let mut world = World { ledger: ledger(limits), model: Model::default(), held: Vec::new(), now: NOW };
        acts.iter().for_each(|act| world.act(act));
        // Names that nobody had used are opened by asking, so ask once before looking.
        if let Ok(held) = world.ledger.reserve(&claim("acme", "anna"), Amounts::ZERO, world.now) {
            world.ledger.refund(held);
        }
        let before = world.ledger.standings(world.now);
        if let Ok(held) = world.ledger.reserve(&claim("acme", "anna"), amounts, world.now) {
            world.ledger.refund(held);
            prop_assert_eq!(before, world.ledger.standings(world.now));
        }
    }
}
