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

#[test]
fn an_address_anywhere_in_a_long_run_without_a_space_is_not_let_through() {
    let address = r#""mail":"anna.meier@example.com","#;
    // Around each place where a run that is longer than may be held is let go.
    for place in ((64 << 10) - 600..(64 << 10) + 700).step_by(7) {
        let text = format!("{}{address}{}", "\"n\":1,".repeat(20_000).split_at(place).0, "\"n\":1,".repeat(300));
        for part in [text.len(), 8_191, 61] {
            if part == 61 && place % 98 != 0 {
                continue;
            }
            let mut redactor = Redactor::default();
            let (mut out, mut rest) = (String::new(), text.as_str());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(part.min(rest.len()));
                out.push_str(&redactor.push(now));
                rest = later;
            }
            out.push_str(&redactor.rest());
            assert!(!out.contains("anna") && !out.contains("example.com"), "at {place} in parts of {part}");
            assert!(out.contains("[email]"), "at {place} in parts of {part}");
        }
    }
}
