//! A secret is blind, and is found in whatever form it is written.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use proptest::prelude::*;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::*;

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02X}")).collect()
}

/// Base64 by arithmetic on numbers, so that the scanner's own is not its judge.
fn base64(bytes: &[u8]) -> String {
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let group = |three: &[u8]| {
        let number = (0..3).fold(0u32, |sum, place| sum << 8 | u32::from(three.get(place).copied().unwrap_or(0)));
        let take = |shift: u32| alphabet[(number >> shift & 63) as usize];
        let text = [take(18), take(12), take(6), take(0)];
        text.into_iter().take(three.len() + 1).chain(std::iter::repeat_n('=', 3 - three.len())).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

#[test]
fn base64_of_this_test_is_that_of_the_standard() {
    // RFC 4648, section 10.
    let vectors = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
    vectors.iter().for_each(|(text, code)| assert_eq!(base64(text.as_bytes()), *code));
}

// SE1 and SE2.
#[test]
fn a_secret_is_not_printed_and_is_zeroed_when_it_is_dropped() {
    fn wiped<T: ZeroizeOnDrop>(_: &T) {}
    let mut secret = Secret::new("hunter2-and-more");
    wiped(&secret);
    assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "Secret(..) Some(\n    Secret(..),\n)");
    assert_eq!((secret.reveal(), secret.len(), secret.is_empty()), ("hunter2-and-more", 16, false));
    assert_eq!(secret, Secret::new("hunter2-and-more".to_owned()));
    assert_ne!(secret, Secret::new("hunter2-and-morf"));
    assert_ne!(secret, Secret::new("hunter2"));
    secret.zeroize();
    assert_eq!(secret.reveal(), "");
}

#[test]
fn a_secret_is_found_in_every_form() {
    let (other, secret) = (Secret::new("another one"), Secret::new("s3cr/t+\"key\" of \u{e4}"));
    let scanner = Scanner::new([&other, &secret]);
    let text = secret.reveal();
    let url: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let rows = [
        (text.to_owned(), Form::Plain),
        (hex(text), Form::Hex),
        (hex(text).to_lowercase(), Form::Hex),
        (url, Form::Url),
        ("s3cr%2Ft%2B%22key%22%20of%20%C3%A4".to_owned(), Form::Url),
        (serde_json::to_string(text).unwrap(), Form::Json),
        (base64(text.as_bytes()), Form::Base64),
        (base64(format!("user:{text}").as_bytes()), Form::Base64),
        (base64(format!("a user:{text}@host").as_bytes()).replace('+', "-").replace('/', "_"), Form::Base64),
    ];
    for (written, form) in rows {
        assert_eq!(scanner.find(format!("x={written}&y").as_bytes()), Some((1, form)), "{written}");
    }
    assert_eq!(scanner.find(b"s3cr/t+ is not all of it, nor is another"), None);
    assert!(Scanner::new([&Secret::new("abc")]).find(b"abc").is_none(), "too short to be told from chance");
    assert!(Scanner::new([]).is_empty());
}

// SE3.
#[test]
fn bytes_that_come_in_pieces_are_held_back_while_they_may_be_a_secret() {
    let secret = Secret::new("abcabd-secret");
    let scanner = Scanner::new([&secret]);
    let mut watch = scanner.watch();
    assert_eq!(watch.pass(b"123 abcab").unwrap(), b"123 ");
    assert_eq!(watch.pass(b"cabd").unwrap(), b"abc");
    assert_eq!(watch.pass(b"-secret"), Err((0, Form::Plain)));
    let mut watch = scanner.watch();
    assert_eq!(watch.pass(b"abcabd-secre").unwrap(), b"");
    assert_eq!(watch.rest(), b"abcabd-secre");
}

proptest! {
    #[test]
    fn pieces_are_found_as_the_whole_is(
        before in "[a-z ]{0,20}", secret in "[ -~]{6,24}", after in "[a-z ]{0,20}", piece in 1usize..9, form in 0usize..4,
    ) {
        let key = Secret::new(secret.clone());
        let scanner = Scanner::new([&key]);
        let text = match form {
            0 => format!("{before}{secret}{after}"),
            1 => format!("{before}{}{after}", hex(&secret)),
            2 => base64(format!("{before}{secret}{after}").as_bytes()),
            _ => format!("{before}{}{after}", secret.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>()),
        };
        let mut watch = scanner.watch();
        let found = text.as_bytes().chunks(piece).any(|piece| watch.pass(piece).is_err());
        prop_assert!(found, "{text}");
    }

    #[test]
    fn what_has_no_secret_passes_as_it_is(bytes in proptest::collection::vec(any::<u8>(), 0..200), piece in 1usize..9) {
        let key = Secret::new("a secret nobody writes by chance");
        let scanner = Scanner::new([&key]);
        let (mut watch, mut out) = (scanner.watch(), Vec::new());
        for piece in bytes.chunks(piece) {
            out.extend(watch.pass(piece).unwrap());
        }
        out.extend(watch.rest());
        prop_assert_eq!(out, bytes);
    }
}
