//! Accounts one by one: which count, what a refusal says, and what clocks and restarts do to them.

use super::{NOW, at, claim, config, ledger, limit, money, standing};
use crate::types::{Money, Timestamp};
use crate::ziggy::budget::{Amounts, Charge, Config, Ledger, Limit, Refusal, Unit, Window};
use crate::ziggy::explain::Explain;

const DAY: i64 = 86_400;

fn day(scope: &str, micros: i64) -> Limit {
    Limit { money: Some(micros), ..limit(scope, Window::Day) }
}

#[test]
fn each_name_has_a_budget_of_its_own_and_a_row_for_a_name_goes_before() {
    let mut ledger = ledger([day("tenant:*", 10), day("tenant:rich", 100)]);
    for (tenant, most) in [("acme", 10), ("bolt", 10), ("rich", 100)] {
        let held = ledger.reserve(&claim(tenant, "anna"), money(most), NOW).unwrap();
        ledger.commit(held, money(most), NOW);
        assert!(ledger.reserve(&claim(tenant, "anna"), money(1), NOW).is_err(), "{tenant}");
    }
    let all = ledger.standings(NOW);
    let told: Vec<(&str, u64)> = all.iter().map(|one| (one.scope.as_str(), one.limit)).collect();
    assert_eq!(told, [("tenant:acme", 10), ("tenant:bolt", 10), ("tenant:rich", 100)]);
}

// B2.
#[test]
fn a_request_passes_every_scope_or_none() {
    let mut ledger = ledger([day("tenant:*", 100), day("principal:*", 100), day("provider:local", 5)]);
    let refused = ledger.reserve(&claim("acme", "anna"), money(6), NOW).unwrap_err();
    assert!(matches!(&refused, Refusal::Short { scope, .. } if scope == "provider:local"), "{refused:?}");
    assert!(ledger.standings(NOW).iter().all(|one| one.reserved == 0 && one.spent == 0));
    let held = ledger.reserve(&claim("acme", "anna"), money(5), NOW).unwrap();
    assert!(ledger.standings(NOW).iter().all(|one| one.reserved == 5));
    // B3.
    ledger.refund(held);
    assert!(ledger.standings(NOW).iter().all(|one| one.reserved == 0 && one.spent == 0));
}

#[test]
fn a_refusal_names_the_budget_that_keeps_it_away_longest_and_says_until_when() {
    let month = Limit { money: Some(10), ..limit("tenant:acme", Window::Month) };
    let mut ledger = ledger([day("agent:marvin", 5), month]);
    let held = ledger.reserve(&claim("acme", "anna"), money(4), NOW).unwrap();
    ledger.commit(held, money(3), NOW);
    let refused = ledger.reserve(&claim("acme", "anna"), money(8), NOW).unwrap_err();
    let said = refused.words().join(" ");
    let expected = "tenant:acme has $0.000007 left of $0.000010 a month ($0.000003 spent, $0.000000 reserved), and this \
                    may take $0.000008; the month ends at 2026-04-01T00:00:00.000000Z.";
    assert_eq!(said, expected);
    let short = ledger.reserve(&claim("acme", "anna"), money(3), NOW).unwrap_err();
    assert_eq!(short.ends().map(Timestamp::rfc3339).as_deref(), Some("2026-03-15T00:00:00.000000Z"));
}

#[test]
fn one_request_may_be_limited_by_itself() {
    let once = Limit { money: Some(5), tokens: Some(100), ..limit("model:*", Window::Request) };
    let mut ledger = ledger([once]);
    let dear = Amounts { money: Money(6), tokens: 1, requests: 1 };
    let long = Amounts { money: Money(1), tokens: 101, requests: 1 };
    for (amounts, unit) in [(dear, Unit::Money), (long, Unit::Tokens)] {
        let refused = ledger.reserve(&claim("acme", "anna"), amounts, NOW).unwrap_err();
        assert!(matches!(refused, Refusal::Short { unit: found, .. } if found == unit), "{refused:?}");
        assert_eq!(refused.ends(), None);
    }
    let held =
        ledger.reserve(&claim("acme", "anna"), Amounts { money: Money(5), tokens: 100, requests: 1 }, NOW).unwrap();
    assert!(held.is_empty(), "it counts nowhere");
    ledger.refund(held);
}

// B1: what was taken above the reservation is charged in full and seen.
#[test]
fn more_than_was_reserved_is_charged_in_full_and_shown() {
    let mut ledger = ledger([day("tenant:acme", 10)]);
    let held = ledger.reserve(&claim("acme", "anna"), money(4), NOW).unwrap();
    assert!(ledger.commit(held, money(12), NOW));
    let found = standing(&mut ledger, NOW, "tenant:acme", Window::Day, Unit::Money);
    assert_eq!((found.spent, found.over, found.left, found.reserved), (12, 8, 0, 0));
    assert!(ledger.reserve(&claim("acme", "anna"), money(1), NOW).is_err());
}

// B5.
#[test]
fn what_nobody_knows_the_end_of_is_charged_in_full() {
    let mut ledger = ledger([day("tenant:acme", 10)]);
    let held = ledger.reserve(&claim("acme", "anna"), money(4), NOW).unwrap();
    ledger.charge(held, NOW);
    assert_eq!(standing(&mut ledger, NOW, "tenant:acme", Window::Day, Unit::Money).spent, 4);
}

// B4.
#[test]
fn a_window_opens_once_and_never_again() {
    let mut ledger = ledger([day("tenant:acme", 10)]);
    let mut spend = |now| {
        let held = ledger.reserve(&claim("acme", "anna"), money(10), now)?;
        ledger.commit(held, money(10), now);
        Ok::<(), Refusal>(())
    };
    assert!(spend(at(0)).is_ok());
    assert!(spend(at(60)).is_err());
    assert!(spend(at(-DAY)).is_err(), "a day back refunds nothing");
    assert!(spend(at(DAY)).is_ok(), "a day ahead opens the next day");
    assert!(spend(at(0)).is_err(), "back again is still the next day");
    assert!(spend(at(DAY + 60)).is_err(), "which is not opened twice");
    assert!(spend(at(2 * DAY)).is_ok());
}

#[test]
fn a_request_counts_in_the_window_in_which_it_reserved() {
    let mut ledger = ledger([day("tenant:acme", 10)]);
    let late = ledger.reserve(&claim("acme", "anna"), money(10), at(0)).unwrap();
    let held = ledger.reserve(&claim("acme", "anna"), money(10), at(DAY)).unwrap();
    ledger.commit(late, money(10), at(DAY + 1));
    let found = standing(&mut ledger, at(DAY + 1), "tenant:acme", Window::Day, Unit::Money);
    assert_eq!((found.reserved, found.spent), (10, 0));
    ledger.commit(held, money(7), at(DAY + 2));
    let found = standing(&mut ledger, at(DAY + 2), "tenant:acme", Window::Day, Unit::Money);
    assert_eq!((found.reserved, found.spent, found.left), (0, 7, 3));
}

#[test]
fn what_was_spent_before_a_restart_counts_and_what_nobody_limits_any_more_does_not() {
    let rows = config([day("tenant:*", 10), Limit { money: Some(50), ..limit("tenant:acme", Window::Month) }]);
    let charge =
        |scope: &str, window: Window, now| Charge { scope: scope.into(), window, began: window.period(now).began };
    let mut ledger = Ledger::new(&rows, NOW);
    ledger.load(&charge("tenant:acme", Window::Day, NOW), money(9), NOW);
    ledger.load(&charge("tenant:acme", Window::Month, NOW), money(30), NOW);
    ledger.load(&charge("tenant:acme", Window::Minute, NOW), money(30), NOW);
    ledger.load(&charge("tenant:bolt", Window::Day, at(-DAY)), money(10), NOW);
    ledger.load(&charge("team:x", Window::Day, NOW), money(10), NOW);
    let of = |ledger: &mut Ledger, scope: &str, window| standing(ledger, NOW, scope, window, Unit::Money).spent;
    assert_eq!(of(&mut ledger, "tenant:acme", Window::Day), 9);
    assert_eq!(of(&mut ledger, "tenant:acme", Window::Month), 30);
    assert_eq!(of(&mut ledger, "tenant:bolt", Window::Day), 0, "that day is over");
    assert!(ledger.reserve(&claim("acme", "anna"), money(2), NOW).is_err());
    // B4: the clock stood a day ahead when this was charged.
    ledger.load(&charge("tenant:cave", Window::Day, at(DAY)), money(10), NOW);
    assert!(ledger.reserve(&claim("cave", "anna"), money(1), NOW).is_err());
    assert!(ledger.reserve(&claim("cave", "anna"), money(1), at(2 * DAY)).is_ok());
}

#[test]
fn no_more_accounts_are_kept_than_allowed_and_idle_ones_go_first() {
    let mut rows = config([day("principal:*", 10), Limit { money: Some(9), ..limit("principal:*", Window::Minute) }]);
    rows.accounts_most = 4;
    let mut ledger = Ledger::new(&rows, NOW);
    for name in ["anna", "bert"] {
        let held = ledger.reserve(&claim("t", name), money(1), NOW).unwrap();
        ledger.commit(held, money(1), NOW);
    }
    ledger.news(NOW);
    let crowded = ledger.reserve(&claim("t", "carl"), money(1), NOW).unwrap_err();
    assert!(matches!(crowded, Refusal::Crowded { most: 4, .. }), "{crowded:?}");
    // Anna has something under way when the day is over, so only Bert is forgotten.
    let held = ledger.reserve(&claim("t", "anna"), money(1), NOW).unwrap();
    let carl = ledger.reserve(&claim("t", "carl"), money(1), at(DAY)).unwrap();
    assert!(ledger.reserve(&claim("t", "dora"), money(1), at(DAY)).is_err());
    ledger.commit(held, money(1), at(DAY));
    ledger.refund(carl);
    let names: Vec<String> = ledger.standings(at(DAY)).into_iter().map(|one| one.scope).collect();
    assert_eq!(names, ["principal:anna", "principal:anna", "principal:carl", "principal:carl"]);
}

// B1, where there is no room for more accounts.
#[test]
fn making_room_for_one_name_of_a_request_forgets_no_other_of_it() {
    let day = |scope, window| Limit { money: Some(10), ..limit(scope, window) };
    let limits = [day("tenant:*", Window::Day), day("principal:*", Window::Day), day("principal:*", Window::Month)];
    let mut ledger = Ledger::new(&Config { accounts_most: 5, ..config(limits) }, NOW);
    let spent = ledger.reserve(&claim("acme", "anna"), money(5), NOW).unwrap();
    ledger.commit(spent, money(5), NOW);
    ledger.news(NOW);
    // The tenant has room and the principal has none, unless what was opened for the tenant is forgotten again.
    let newcomers = claim("bolt", "bert");
    let looked = ledger.look(&newcomers, money(5), NOW);
    let refused = ledger.reserve(&newcomers, money(5), NOW).unwrap_err();
    assert_eq!(refused, Refusal::Crowded { scope: "principal:bert".to_owned(), most: 5 });
    assert_eq!(looked, Some(refused));
    // Who needs no more room than there is has it, and no more than its limit.
    let held = ledger.reserve(&claim("bolt", "anna"), money(5), NOW).unwrap();
    assert!(ledger.reserve(&claim("bolt", "anna"), money(6), NOW).is_err());
    ledger.refund(held);
}
