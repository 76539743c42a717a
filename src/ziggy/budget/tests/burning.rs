//! Burn rates against the numbers of their source, and the forecast.

use super::{SECOND, at, claim, ledger, limit, money, standing};
use crate::ziggy::budget::{Amounts, Limit, News, Pace, Unit, What, Window};
use crate::ziggy::explain::Explain;

const HOUR: i64 = 3_600;

/// A month with a budget of 720 dollars: one dollar an hour lasts exactly.
fn month() -> Limit {
    Limit { money: Some(720_000_000), ..limit("tenant:acme", Window::Month) }
}

/// Spends so many micro-dollars each minute from one second to another.
fn spend(ledger: &mut super::Ledger, seconds: std::ops::Range<i64>, each: i64) {
    for second in seconds.step_by(60) {
        let held = ledger.reserve(&claim("acme", "anna"), money(each), at(second)).unwrap();
        ledger.commit(held, money(each), at(second));
    }
}

#[test]
fn the_pace_that_lasts_is_one() {
    let mut ledger = ledger([month()]);
    spend(&mut ledger, 0..12 * HOUR, 1_000_000 / 60);
    let burn = standing(&mut ledger, at(12 * HOUR), "tenant:acme", Window::Month, Unit::Money).burn.unwrap();
    for rate in [burn.fast_long, burn.slow_long, burn.slow_short] {
        assert!((940..=1_060).contains(&rate), "{burn:?}");
    }
}

#[test]
fn an_alert_is_raised_at_the_rates_of_the_source_and_once() {
    // 14.4 dollars in an hour are two percent of the month; spending by the minute needs a little more to be over.
    let rows = [(16_000_000, Pace::Fast), (6_500_000, Pace::Slow), (5_500_000, Pace::Even)];
    for (an_hour, pace) in rows {
        let mut ledger = ledger([month()]);
        spend(&mut ledger, 0..7 * HOUR, an_hour / 60);
        let now = at(7 * HOUR - 1);
        let found = standing(&mut ledger, now, "tenant:acme", Window::Month, Unit::Money);
        assert_eq!(found.pace, pace, "{an_hour}: {:?}", found.burn);
        let news: Vec<News> = ledger.news(now);
        assert_eq!(news.len(), usize::from(pace != Pace::Even), "{news:?}");
        spend(&mut ledger, 7 * HOUR..7 * HOUR + 120, an_hour / 60);
        assert_eq!(ledger.news(at(7 * HOUR + 60)), Vec::new(), "it is told once");
        if let Some(one) = news.first() {
            assert_eq!(one.what, What::Burning);
            let words = one.words().join(" ");
            assert!(words.contains("are spent") && words.contains("At this pace it is used up at 2026-03-"), "{words}");
        }
    }
}

#[test]
fn an_alert_ends_when_the_short_look_back_is_quiet() {
    let mut ledger = ledger([month()]);
    spend(&mut ledger, 0..HOUR, 20_000_000 / 60);
    let fast = |ledger: &mut super::Ledger, now| standing(ledger, now, "tenant:acme", Window::Month, Unit::Money).pace;
    assert_eq!(fast(&mut ledger, at(HOUR - 1)), Pace::Fast);
    assert_ne!(fast(&mut ledger, at(HOUR + 11 * 60)), Pace::Fast, "nothing was spent for eleven minutes");
}

#[test]
fn the_forecast_is_what_is_left_by_the_pace() {
    let mut ledger = ledger([month()]);
    spend(&mut ledger, 0..6 * HOUR, 2_000_000);
    let now = at(6 * HOUR - 1);
    let found = standing(&mut ledger, now, "tenant:acme", Window::Month, Unit::Money);
    // 720 spent would be all; two dollars a minute for six hours are exactly that.
    assert_eq!((found.left, found.spent), (0, 720_000_000));
    assert_eq!(found.used_up_at, Some(now));
    let mut calm = super::ledger([month()]);
    spend(&mut calm, 0..6 * HOUR, 100_000);
    let found = standing(&mut calm, now, "tenant:acme", Window::Month, Unit::Money);
    // Six dollars an hour leave 114 hours; from the fourteenth that is before the month ends.
    let hours = (found.used_up_at.unwrap().0 - now.0) / (HOUR * SECOND);
    assert!((110..=120).contains(&hours), "{hours}");
}

#[test]
fn whoever_is_refused_first_in_a_window_is_told_of_once_in_it() {
    let mut ledger = ledger([Limit { requests: Some(1), ..limit("agent:marvin", Window::Day) }]);
    let one = Amounts { requests: 1, ..Amounts::ZERO };
    let held = ledger.reserve(&claim("acme", "anna"), one, at(0)).unwrap();
    ledger.commit(held, one, at(0));
    let mut told = Vec::new();
    for second in [1, 2, 86_400, 86_401, 86_402] {
        if let Ok(held) = ledger.reserve(&claim("acme", "anna"), one, at(second)) {
            ledger.commit(held, one, at(second));
        }
        let news = ledger.news(at(second));
        told.extend(news.into_iter().filter(|one| one.what == What::Exhausted).map(|_| second));
    }
    assert_eq!(told, [1, 86_401]);
}
