//! Forms of stand-ins, and the laws of replacing and putting back.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const KINDS: [Kind; 6] = [Kind::Ip, Kind::Phone, Kind::Email, Kind::Card, Kind::Iban, Kind::SocialSecurity];

fn all(seed: u8) -> StandIns {
    StandIns::new(PrivacyClass::Public, KINDS.into(), [seed; 32])
}

/// The text as it leaves, and what puts it back.
fn left(text: &str) -> (String, Originals) {
    let (_, originals) = all(1).of(&[text]).unwrap();
    (originals.replace(text), originals)
}

/// Letters as `a` or `A`, digits as `0`.
fn form(text: &str) -> String {
    let sort = |one: char| match one {
        '0'..='9' => '0',
        'a'..='z' => 'a',
        'A'..='Z' => 'A',
        other => other,
    };
    text.chars().map(sort).collect()
}

/// Texts with one value each, of every kind that can be replaced.
const VALUES: [(Kind, &str, &str); 9] = [
    (Kind::Email, "Write to Ada.Lovelace+x@mail.example.com today", "Ada.Lovelace+x@mail.example.com"),
    (Kind::Card, "Card 4111 1111 1111 1111 please", "4111 1111 1111 1111"),
    (Kind::Card, "amex 3782-822463-10005", "3782-822463-10005"),
    (Kind::Iban, "To DE89 3704 0044 0532 0130 00 then", "DE89 3704 0044 0532 0130 00"),
    (Kind::Iban, "or GB29NWBK60161331926819", "GB29NWBK60161331926819"),
    (Kind::Phone, "call +49 30 901820 now", "+49 30 901820"),
    (Kind::Phone, "or (415) 555-2671 later", "(415) 555-2671"),
    (Kind::SocialSecurity, "SSN 536-90-4399 on file", "536-90-4399"),
    (Kind::Ip, "the server is 10.20.30.40 here", "10.20.30.40"),
];

// SI2.
#[test]
fn a_stand_in_has_the_form_of_its_value_and_is_taken_for_one() {
    for (kind, text, value) in VALUES {
        let (other, originals) = left(text);
        assert!(!other.contains(value), "{other}");
        assert_eq!(form(&other), form(text), "{other}");
        let (mine, theirs) = (find(text), find(&other));
        assert_eq!(mine, theirs, "{text} became {other}");
        assert_eq!(mine[0].kind, kind);
        assert_eq!(originals.restore(&other), text);
    }
}

// A million generated requests found a "bob" that was drawn as "bob".
#[test]
fn no_word_of_an_address_is_drawn_as_itself() {
    for seed in 0..=255 {
        let text = "ab.c@d.example.org";
        let (_, originals) = all(seed).of(&[text]).unwrap();
        let other = originals.replace(text);
        let words = |text: &str| text.split(['.', '@']).take(4).map(str::to_owned).collect::<Vec<_>>();
        assert!(words(text).iter().zip(words(&other)).all(|(one, other)| *one != other), "{other}");
    }
}

// SI1: a generated request found "ab@c.com" for one address while "b@c.com" was another.
#[test]
fn no_stand_in_has_a_value_of_another_in_it() {
    let short = ('a'..='z').flat_map(|person| ('a'..='z').map(move |place| format!("{person}@{place}.com ")));
    let text: String = short.chain((b'a'..=b'z').map(|one| format!("{0}{0}@{0}.com ", char::from(one)))).collect();
    // Every address of two letters has one of a letter in it here, so nothing can stand for it.
    assert!(all(1).of(&[&text]).is_none());
    let few: String = ('a'..='z').map(|person| format!("{person}@a.com {person}{person}@a.com ")).collect();
    for seed in 0..=255 {
        let (_, originals) = all(seed).of(&[&few]).unwrap();
        let other = originals.replace(&few);
        assert!(find(&few).iter().all(|found| !other.contains(&few[found.start..found.end])), "{other}");
    }
}

#[test]
fn another_run_has_other_stand_ins_and_the_same_run_has_the_same() {
    let text = VALUES[0].1;
    let of = |seed| all(seed).of(&[text]).unwrap().1.replace(text);
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}

// SI1: the second time nothing tells that it is a telephone number.
#[test]
fn a_value_is_replaced_where_it_is_not_recognised_too() {
    let (other, originals) = left("Tel.: 030 901820. Again: x030 901820y");
    assert!(!other.contains("901820"), "{other}");
    assert_eq!(originals.restore("no word of it"), "no word of it");
}

// SI5.
#[test]
fn what_is_not_replaced_keeps_its_class_and_what_has_no_stand_in_fails_the_whole() {
    let emails = StandIns::new(PrivacyClass::Internal, BTreeSet::from([Kind::Email]), [0; 32]);
    let class = |text: &str| emails.of(&[text]).map(|(class, _)| class);
    assert_eq!(class("Hello"), Some(PrivacyClass::Internal));
    assert_eq!(class("a@example.com"), Some(PrivacyClass::Internal));
    assert_eq!(class("a@example.com, 4111 1111 1111 1111"), Some(PrivacyClass::Restricted));
    assert_eq!(class("anna@m\u{fc}ller.de"), None, "its form is not known");
    let many: String = (0..=MOST).map(|number| format!("n{number}@example.com ")).collect();
    assert_eq!(class(&many), None);
    assert!(!format!("{emails:?}").contains("key"), "{emails:?}");
}

#[test]
fn only_a_whole_word_is_put_back_in_whatever_case() {
    let (other, originals) = left("Write to ada@example.com");
    let made = other.strip_prefix("Write to ").unwrap();
    assert_eq!(originals.restore(&format!("<{}>.", made.to_uppercase())), "<ada@example.com>.");
    assert_eq!(originals.restore(&format!("x{made} {made}x")), format!("x{made} {made}x"));
}

fn spoken() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec!["and ", "so ", "é ", "\u{4e2d} ", ", ", "tel ", "1", " - ", "@", ". "]);
    let value = (0..VALUES.len()).prop_map(|index| format!("{} ", VALUES[index].2));
    let email = "[a-c]{1,3}@[a-c]{1,3}\\.(com|org)".prop_map(|address| format!("{address} "));
    prop::collection::vec(prop_oneof![words.prop_map(str::to_owned), value, email], 0..24).prop_map(|all| all.concat())
}

proptest! {
    // SI1, SI3.
    #[test]
    fn nothing_of_what_is_replaced_is_left_and_two_values_stay_two(texts in prop::collection::vec(spoken(), 1..4)) {
        let views: Vec<&str> = texts.iter().map(String::as_str).collect();
        let Some((class, originals)) = all(7).of(&views) else { return Ok(()) };
        prop_assert_eq!(class, PrivacyClass::Public);
        let made: BTreeSet<&String> = originals.away.0.iter().map(|(_, made)| made).collect();
        prop_assert_eq!(made.len(), originals.away.0.len());
        for text in &texts {
            let other = originals.replace(text);
            for finding in find(text) {
                prop_assert!(!other.contains(&text[finding.start..finding.end]), "{} became {}", text, other);
            }
        }
    }

    // SI4.
    #[test]
    fn a_stream_is_put_back_however_it_is_cut(text in spoken(), cuts in prop::collection::vec(0..400_usize, 0..12)) {
        let Some((_, originals)) = all(9).of(&[&text]) else { return Ok(()) };
        let other = originals.replace(&text);
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| other.is_char_boundary(*cut)).collect();
        cuts.extend([0, other.len()]);
        cuts.sort_unstable();
        let mut restorer = originals.restorer();
        let mut whole: String = cuts.windows(2).map(|ends| restorer.push(&other[ends[0]..ends[1]])).collect();
        whole.push_str(&restorer.finish());
        prop_assert_eq!(&whole, &originals.restore(&other));
    }
}
