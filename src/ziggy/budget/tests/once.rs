//! What one request takes over all its attempts.

use proptest::prelude::*;

use super::{Amounts, Money, Unit};
use crate::types::Budget;
use crate::ziggy::budget::{Caps, Once, Refusal, Room};
use crate::ziggy::explain::Explain;

fn budget(money: i64, tokens: u64) -> Budget {
    Budget { money: Money(money), tokens }
}

fn amounts(money: i64, tokens: u64) -> Amounts {
    Amounts { money: Money(money), tokens, requests: 1 }
}

#[test]
fn attempts_share_what_the_caller_allowed_and_wait_only_for_what_may_come_back() {
    let mut once = Once::new(budget(100, 1_000));
    let Room::Reserved(first) = once.reserve(Vec::new(), amounts(60, 100)) else { panic!("there was room") };
    assert!(matches!(once.reserve(Vec::new(), amounts(60, 100)), Room::Later));
    let Room::Never(refusal) = once.reserve(Vec::new(), amounts(101, 100)) else { panic!("there was room") };
    assert_eq!(
        refusal.words(),
        ["request may spend $0.000100 for one request, and this one may take $0.000101; ask for \
         fewer max_tokens or raise the limit."]
    );
    once.settle(first, amounts(30, 40));
    assert_eq!(once.left(), budget(70, 960));
    let Room::Reserved(second) = once.reserve(Vec::new(), amounts(60, 100)) else { panic!("there was room") };
    once.settle(second, Amounts::ZERO);
    assert_eq!(once.left(), budget(70, 960));
    let Room::Never(refusal) = once.reserve(Vec::new(), amounts(71, 1)) else { panic!("there was room") };
    assert!(refusal.words()[0].contains("$0.000030 of it is spent"), "{refusal:?}");
}

#[test]
fn a_limit_of_one_request_holds_for_all_its_attempts_under_that_name() {
    let mut once = Once::new(budget(1_000, 1_000));
    let limit = || vec![("agent:zoi".to_owned(), Caps::new(None, None, Some(2)))];
    for _ in 0..2 {
        let Room::Reserved(portion) = once.reserve(limit(), amounts(1, 1)) else { panic!("there was room") };
        once.settle(portion, amounts(1, 1));
    }
    let Room::Never(Refusal::Short { scope, unit, .. }) = once.reserve(limit(), amounts(1, 1)) else {
        panic!("there was room")
    };
    assert_eq!((scope.as_str(), unit), ("agent:zoi", Unit::Requests));
    assert!(matches!(once.reserve(Vec::new(), amounts(1, 1)), Room::Reserved(_)));
}

proptest! {
    #[test]
    fn what_is_taken_and_reserved_never_exceeds_what_was_allowed(
        steps in prop::collection::vec((0i64..60, 0u64..60, any::<bool>(), 0u64..100), 1..60),
    ) {
        let most = budget(100, 120);
        let mut once = Once::new(most);
        let (mut open, mut spent, mut reserved) = (Vec::new(), Amounts::ZERO, Amounts::ZERO);
        for (money, tokens, settles, share) in steps {
            let wanted = amounts(money, tokens);
            match once.reserve(Vec::new(), wanted) {
                Room::Reserved(portion) => {
                    reserved = reserved.plus(wanted);
                    open.push(portion);
                }
                Room::Later => prop_assert!(!open.is_empty()),
                Room::Never(_) => {
                    let (money, tokens) = (spent.money.0 + money, spent.tokens + tokens);
                    prop_assert!(money > most.money.0 || tokens > most.tokens);
                }
            }
            if settles && let Some(portion) = open.pop() {
                let held = portion.amounts();
                let part = |of: u64| of * share / 100;
                let taken = amounts(i64::try_from(part(held.of(Unit::Money))).unwrap(), part(held.tokens));
                reserved = reserved.minus(held);
                spent = spent.plus(taken);
                once.settle(portion, taken);
            }
            prop_assert!(spent.plus(reserved).of(Unit::Money) <= 100 && spent.plus(reserved).tokens <= most.tokens);
            prop_assert_eq!(once.left(), budget(100 - spent.money.0, most.tokens - spent.tokens));
        }
    }
}
