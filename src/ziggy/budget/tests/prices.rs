//! Prices: the row that counts at a time, and rows that cannot.

use crate::types::Price;
use crate::ziggy::budget::{PriceFile, PriceList, date};

fn row(matches: &str, input: &str, from: &str) -> String {
    format!("[[prices]]\nmatch = \"{matches}\"\ninput = {input}\noutput = 10\nfrom = \"{from}\"\nsource = \"a test\"\n")
}

fn file(rows: &[String]) -> PriceFile {
    toml::from_str(&rows.concat()).unwrap()
}

/// These rows, and nothing that is known without them.
fn read(rows: &[String]) -> Result<PriceList, Vec<(String, String)>> {
    PriceList::of(&PriceFile::default(), &file(rows))
}

fn list(rows: &[String]) -> PriceList {
    read(rows).unwrap()
}

fn input(list: &PriceList, provider: &str, model: &str, day: &str) -> Option<i64> {
    list.in_force(provider, model, date(day).unwrap()).map(|row| row.input)
}

#[test]
fn the_prices_that_come_with_the_host_can_be_read() {
    let own = list(&[include_str!("../../../../config/prices.toml").to_owned()]);
    assert!(own.rows().count() > 0);
}

#[test]
fn the_row_that_says_most_counts_from_its_day_on() {
    let list = list(&[
        row("*/*", "1", "2024-01-01"),
        row("*/gpt*", "2", "2024-01-01"),
        row("*/gpt-4o", "3", "2024-01-01"),
        row("*/gpt-4o", "4", "2025-06-01"),
        row("lab/gpt-4o", "5", "2025-01-01"),
    ]);
    let rows = [
        ("far", "llama", "2024-06-01", Some(1)),
        ("far", "gpt-5", "2024-06-01", Some(2)),
        ("far", "gpt-4o", "2023-12-31", None),
        ("far", "gpt-4o", "2024-01-01", Some(3)),
        ("far", "gpt-4o", "2025-05-31", Some(3)),
        ("far", "gpt-4o", "2025-06-01", Some(4)),
        ("lab", "gpt-4o", "2024-12-31", Some(3)),
        ("lab", "gpt-4o", "2026-01-01", Some(5)),
    ];
    for (provider, model, day, expected) in rows {
        assert_eq!(input(&list, provider, model, day), expected, "{provider}/{model} on {day}");
    }
    assert_eq!(list.next_change(date("2025-01-01").unwrap()), date("2025-06-01"));
    assert_eq!(list.next_change(date("2025-06-01").unwrap()), None);
    assert_eq!(list.in_force("lab", "x", date("2024-02-01").unwrap()).unwrap().price(), Price::new(1, 10));
}

#[test]
fn prices_that_cannot_be_are_all_said_with_their_keys() {
    let rows = [
        row("*/a", "-1", "2024-01-01"),
        row("noslash", "1", "2024-01-01"),
        row("*/d", "1", "2024-02-30"),
        row("*/e", "1", "2024-01-01"),
        row("*/e", "2", "2024-01-01"),
        row("ab*/f", "1", "2024-01-01"),
        row("abc/f*", "1", "2024-01-01"),
        row("*/f*/g", "1", "never"),
        row("*/i", "1", "2024-01-01") + "cached_input = 2\n",
        row("*/known", "1", "2024-01-01"),
        row("*/known-not", "1", "2024-01-01"),
    ];
    let known = file(&[row("*/known", "7", "2024-01-01"), row("*/known-not", "7", "2023-01-01")]);
    let found = PriceList::of(&known, &file(&rows)).unwrap_err();
    let expected = [
        ("prices.0.input", "at least 0"),
        ("prices.1.match", "a match such as"),
        ("prices.2.from", "a day such as"),
        ("prices.4.match", "one price at a time: prices.3 is for the same models"),
        ("prices.7.match", "a match such as"),
        ("prices.7.from", "a day such as"),
        ("prices.8.cached_input", "at most input, which is 1"),
    ];
    let told: Vec<(&str, &str)> = found.iter().map(|(key, said)| (key.as_str(), said.as_str())).collect();
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for ((key, said), (own, start)) in told.into_iter().zip(expected) {
        assert!(key == own && said.starts_with(start), "{key}: {said}, and not {own}: {start}");
    }
}

#[test]
fn two_rows_that_say_as_much_of_the_same_models_are_refused() {
    let rows = [row("ab*/f", "1", "2024-01-01"), row("ac*/f", "1", "2024-01-01"), row("a*/f", "1", "2024-01-01")];
    assert!(read(&rows).is_ok(), "none of these meet with the same weight");
    let rows = [row("a*/f", "1", "2024-01-01"), row("a*/f", "2", "2025-01-01")];
    assert!(read(&rows).is_ok(), "the later one follows the earlier one");
}

#[test]
fn a_list_laid_over_another_replaces_its_rows_and_adds_to_them() {
    let own = file(&[row("*/a", "1", "2024-01-01"), row("*/b", "1", "2024-01-01")]);
    let over = file(&[row("*/a", "7", "2024-01-01"), row("*/c", "9", "2024-01-01")]);
    let both = PriceList::of(&own, &over).unwrap();
    let now = "2024-05-05";
    assert_eq!(["a", "b", "c"].map(|model| input(&both, "any", model, now)), [Some(7), Some(1), Some(9)]);
}
