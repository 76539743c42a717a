//! Personal data that come in parts.

use proptest::prelude::*;

use crate::lap::Redactor;
use crate::types::sensitive::redact;

/// Words among which personal data stand.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zäöü]{1,12}",
        Just("anna.meier@example.com".to_owned()),
        Just("4111 1111 1111 1111".to_owned()),
        Just("DE89 3704 0044 0532 0130 00".to_owned()),
        Just("+49 30 901820".to_owned()),
        Just("192.168.17.4".to_owned()),
    ]
}

proptest! {
    #[test]
    fn however_it_is_cut_the_same_comes_out(
        words in prop::collection::vec(word(), 0..200),
        cuts in prop::collection::vec(1usize..40, 1..60),
    ) {
        let text = words.join(" und ");
        let (mut redactor, mut out, mut at, mut turn) = (Redactor::default(), String::new(), 0, 0);
        while at < text.len() {
            let end = text.floor_char_boundary((at + cuts[turn % cuts.len()]).min(text.len()));
            // A cut within a character moves on to the next part.
            if end > at {
                out.push_str(&redactor.push(&text[at..end]));
                at = end;
            } else {
                let next = text[at..].chars().next().map_or(1, char::len_utf8);
                out.push_str(&redactor.push(&text[at..at + next]));
                at += next;
            }
            turn += 1;
        }
        out.push_str(&redactor.rest());
        prop_assert_eq!(out, redact(&text).into_owned());
    }
}

#[test]
fn an_address_in_two_parts_is_not_let_through() {
    let mut redactor = Redactor::default();
    let mut out = redactor.push(&format!("{} anna.mei", "x ".repeat(600)));
    assert!(!out.contains("anna"));
    out.push_str(&redactor.push("er@example.com and more"));
    out.push_str(&redactor.rest());
    assert!(!out.contains("anna") && !out.contains("example.com") && out.ends_with(" and more"), "{out}");
}
