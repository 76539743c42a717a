//! Prices: the row that counts at a time, and rows that cannot.

use crate::types::Price;
use crate::ziggy::budget::{PriceList, date};

fn row(matches: &str, input: &str, from: &str) -> String {
    format!("[[prices]]\nmatch = \"{matches}\"\ninput = {input}\noutput = 10\nfrom = \"{from}\"\nsource = \"a test\"\n")
}

fn list(rows: &[String]) -> PriceList {
    PriceList::read(&rows.concat()).unwrap()
}

fn input(list: &PriceList, provider: &str, model: &str, day: &str) -> Option<i64> {
    list.in_force(provider, model, date(day).unwrap()).map(|row| row.input)
}

#[test]
fn the_prices_that_come_with_the_host_can_be_read() {
    let own = PriceList::read(include_str!("../../../../config/prices.toml")).unwrap();
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
fn prices_that_cannot_be_are_all_said_with_their_rows() {
    let rows = [
        row("*/a", "-1", "2024-01-01"),
        row("*/b", "nan", "2024-01-01"),
        row("*/c", "1.5", "2024-01-01"),
        row("noslash", "1", "2024-01-01"),
        row("*/d", "1", "2024-02-30"),
        row("*/e", "1", "2024-01-01"),
        row("*/e", "2", "2024-01-01"),
        row("ab*/f", "1", "2024-01-01"),
        row("abc/f*", "1", "2024-01-01"),
        row("*/f*/g", "1", "2024-01-01"),
        row("*/h", "1", "2024-01-01").replace("source", "sauce"),
        row("*/i", "1", "2024-01-01") + "cached_input = 2\n",
    ];
    let found = PriceList::read(&rows.concat()).unwrap_err();
    let expected = [
        "line 1, row 1 (*/a): input of at least 0",
        "line 7, row 2 (*/b): invalid type: floating point `NaN`",
        "line 13, row 3 (*/c): invalid type: floating point `1.5`",
        "line 19, row 4 (noslash): a match such as",
        "line 25, row 5 (*/d): a match such as",
        "line 37, row 7 (*/e): one price at a time; line 31, row 6 (*/e) is for the same models",
        "line 55, row 10 (*/f*/g): a match such as",
        "line 61, row 11 (*/h): unknown field `sauce`",
        "line 67, row 12 (*/i): cached_input of at most input",
    ];
    for line in expected {
        assert!(found.iter().any(|text| text.starts_with(line)), "{line} is not among {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn two_rows_that_say_as_much_of_the_same_models_are_refused() {
    let rows = [row("ab*/f", "1", "2024-01-01"), row("ac*/f", "1", "2024-01-01"), row("a*/f", "1", "2024-01-01")];
    assert!(PriceList::read(&rows.concat()).is_ok(), "none of these meet with the same weight");
    let rows = [row("a*/f", "1", "2024-01-01"), row("a*/f", "2", "2025-01-01")];
    assert!(PriceList::read(&rows.concat()).is_ok(), "the later one follows the earlier one");
}

#[test]
fn a_list_laid_over_another_replaces_its_rows_and_adds_to_them() {
    let own = list(&[row("*/a", "1", "2024-01-01"), row("*/b", "1", "2024-01-01")]);
    let over = list(&[row("*/a", "7", "2024-01-01"), row("*/c", "9", "2024-01-01")]);
    let both = own.merged(over).unwrap();
    let now = "2024-05-05";
    assert_eq!(["a", "b", "c"].map(|model| input(&both, "any", model, now)), [Some(7), Some(1), Some(9)]);
}
