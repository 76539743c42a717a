//! Tables of true values and near misses, and the laws of findings.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use proptest::prelude::*;

use super::*;

fn kinds(text: &str) -> Vec<Kind> {
    find(text).into_iter().map(|finding| finding.kind).collect()
}

#[test]
fn true_values_are_found_and_nothing_else_is_hidden() {
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9";
    let table = [
        ("write to ada.lovelace+x@example.co.uk.", "write to [email]."),
        ("Gr\u{fc}\u{df}e an anna@m\u{fc}ller.de!", "Gr\u{fc}\u{df}e an [email]!"),
        ("<bob@example.com>", "<[email]>"),
        ("\u{8054}\u{7cfb}test@example.com\u{8c22}", "\u{8054}\u{7cfb}[email]\u{8c22}"),
        ("call +49 30 901820 now", "call [phone] now"),
        ("call +1 (415) 555-2671, please", "call [phone], please"),
        ("or 0044 20 7946 0958.", "or [phone]."),
        ("(415) 555-2671 or 415-555-2671", "[phone] or [phone]"),
        ("Tel.: 030 901820", "Tel.: [phone]"),
        ("my phone number is 5552671", "my phone number is [phone]"),
        ("Visa 4111 1111 1111 1111 12/26", "Visa [card] 12/26"),
        ("amex 3782-822463-10005", "amex [card]"),
        ("card=5555555555554444;", "card=[card];"),
        ("30569309025904 and 6011111111111117", "[card] and [card]"),
        ("pay DE89 3704 0044 0532 0130 00 today", "pay [iban] today"),
        ("GB82WEST12345698765432", "[iban]"),
        ("ssn 123-45-6789.", "ssn [ssn]."),
        ("from 203.0.113.7:443", "from [ip]:443"),
        ("host 2001:db8::ff00:42:8329 is up", "host [ip] is up"),
        ("fe80::1", "[ip]"),
        ("OPENAI_API_KEY=sk-proj-abcdEFGH1234ijklMNOP5678", "OPENAI_API_KEY=[key]"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "[key]"),
        ("id AKIAIOSFODNN7EXAMPLE", "id [key]"),
        ("xoxb-123456789012-abcdefABCDEF", "[key]"),
        ("Authorization: Bearer abcdef0123456789abcdef", "Authorization: Bearer [token]"),
        ("password=letmein", "password=[password]"),
        ("my password is hunter22, ok?", "my password is [password], ok?"),
        ("\"api_key\": \"Zm9vYmFy123\",", "\"api_key\": \"[password]\","),
        ("postgres://bob:s3cr3t@localhost/db", "postgres://bob:[password]@localhost/db"),
    ];
    for (text, clean) in table {
        assert_eq!(redact(text), clean, "{text}");
    }
    assert_eq!(redact(jwt), "[token]");
    let pem = "a\n-----BEGIN RSA PRIVATE KEY-----\nDEK-Info: AES-128\nMIIB+/=\n-----END RSA PRIVATE KEY-----\nb";
    assert_eq!(redact(pem), "a\n[private-key]\nb");
}

#[test]
fn near_misses_are_left_alone() {
    let table = [
        "icon@2x.png, @scope/package, user@host and lib@1.2.3",
        "git@github.com:some/repository.git",
        "4111 1111 1111 1112 fails its checksum",
        "1234567812345670 is nobody's card",
        "41111111111111111111111 is too long",
        "x4111111111111111 is inside a word",
        "DE89 3704 0044 0532 0130 01 fails its checksum",
        "DE89 3704 0044 is too short, and ZZ89 3704 0044 0532 0130 00 is no country",
        "000-12-3456, 666-12-3456, 900-12-3456, 123-00-4567, 123-45-0000",
        "2024-01-15 12:30:45.123456 to 2024-01-16T00:00:00Z",
        "127.0.0.1:8080, 0.0.0.0 and ::1",
        "999.1.1.1, v1.2.3.4 and 1.2.3.4.5",
        "std::net::Ipv6Addr, a::b and 12:30:45",
        "+5 points, +100 %, 3+12345678 and 1 000 000 000",
        "sk-learn-compatible-estimators-only",
        "a bearer of bad news, Bearer authentication-scheme",
        "password: required, password = <secret>, password=${PASSWORD}, password: String",
        "token = self.next_token(), api_key: ********, the secret is patience",
        "https://example.com:8080/path and ftp://host/a:b@c",
        "AKIA is a prefix, eyJ too; -----BEGIN CERTIFICATE-----",
        "0123456789abcdef0123456789abcdef",
        "3.14159265358979323846 and 1700000000000",
    ];
    for text in table {
        assert_eq!(kinds(text), [], "{text}");
        assert!(matches!(redact(text), Cow::Borrowed(_)), "{text}");
    }
}

#[test]
fn overlapping_findings_become_the_more_harmful_one() {
    assert_eq!(redact("password=ada1@example.com"), "password=[password]");
    assert_eq!(kinds("https://bob:pw1234@db.example.com/"), [Kind::Password]);
}

#[test]
fn kinds_raise_the_class_by_what_they_open() {
    assert_eq!(Kind::Ip.class(), PrivacyClass::Internal);
    assert_eq!(Kind::Email.class(), PrivacyClass::Confidential);
    assert_eq!(Kind::Card.class(), PrivacyClass::Restricted);
    // The order of kinds is the order of their classes, so the merged kind never lowers one.
    assert!(Kind::ALL.is_sorted_by_key(|kind| kind.class()));
    assert!(Kind::ALL.is_sorted());
    let mut labels: Vec<_> = Kind::ALL.iter().map(|kind| kind.label()).collect();
    labels.dedup();
    assert_eq!(labels.len(), Kind::ALL.len());
}

#[test]
fn every_country_of_a_published_example_is_accepted() {
    // Examples of the SWIFT IBAN registry.
    for account in [
        "AT611904300234573201",
        "BE68539007547034",
        "CH9300762011623852957",
        "FR1420041010050500013M02606",
        "IT60X0542811101000000123456",
        "MT84MALT011000012345MTLCAST001S",
        "NL91ABNA0417164300",
        "NO9386011117947",
        "PL61109010140000071219812874",
        "UA213223130000026007233566001",
    ] {
        assert_eq!(kinds(account), [Kind::Iban], "{account}");
    }
}

#[test]
fn hostile_repetition_takes_linear_time() {
    // SV3: pieces with which a pattern that backtracks, or a check that looks ahead without bound, would be quadratic:
    // over 200 kB that is minutes instead of milliseconds.
    for piece in ["-----BEGIN PRIVATE KEY", "eyJ", "a@", "1 ", "password", "+1", "DE89", ":", "x://a:", "1.1.", "sk-"] {
        let text = piece.repeat(200_000 / piece.len());
        assert!(find(&text).len() <= text.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    // SV1 and SV2.
    #[test]
    fn findings_are_sorted_apart_and_on_boundaries(text in "(\\PC|[0-9@.:+ -]|sk-|password=|eyJ){0,60}") {
        let findings = find(&text);
        let mut end = 0;
        for finding in &findings {
            prop_assert!(finding.start >= end && finding.end > finding.start);
            prop_assert!(text.is_char_boundary(finding.start) && text.is_char_boundary(finding.end));
            end = finding.end;
        }
        let kept: usize = findings.iter().map(|finding| finding.end - finding.start).sum();
        let labels: usize = findings.iter().map(|finding| finding.kind.label().len()).sum();
        prop_assert_eq!(redact(&text).len(), text.len() - kept + labels);
    }

    #[test]
    fn planted_values_are_found_anywhere(before in "([a-z]{1,8} ){0,20}", after in "( [a-z]{1,8}){0,20}", which in 0usize..5) {
        let planted = ["ada@example.com", "4111 1111 1111 1111", "DE89370400440532013000",
            "ghp_0123456789abcdefghijABCDEFGHIJ012345", "203.0.113.7"][which];
        let text = format!("{before}{planted}{after}");
        let found = find(&text);
        prop_assert!(found.iter().any(|f| f.start <= before.len() && f.end >= before.len() + planted.len()), "{}", text);
    }

    // SV4: changing any one digit of a card breaks its checksum.
    #[test]
    fn a_wrong_digit_is_noticed(place in 1usize..16, change in 1u8..10) {
        let mut card = b"4111111111111111".to_vec();
        card[place] = b'0' + (card[place] - b'0' + change) % 10;
        let text = String::from_utf8(card).unwrap();
        prop_assert!(!kinds(&text).contains(&Kind::Card));
    }
}

#[test]
fn numbers_are_found_however_their_characters_are_drawn() {
    for (text, clean) in [
        ("pay 4111.1111.1111.1111 now", "pay [card] now"),
        ("pay 4111\n1111\r\n1111\n1111 now", "pay [card] now"),
        ("pay ４１１１ 1111 1111 1111 now", "pay [card] now"),
        ("pay \u{200B}4111\u{200B}1111\u{200B}1111\u{200B}1111\u{200B} now", "pay \u{200B}[card]\u{200B} now"),
        ("pay 4111\u{A0}1111\u{A0}1111\u{A0}1111…", "pay [card]…"),
        ("pay 4111\u{2011}1111\u{2011}1111\u{2011}1111", "pay [card]"),
        ("ask ada\u{200B}@example.com", "ask [email]"),
        ("größer als １２ – nichts", "größer als １２ – nichts"),
    ] {
        assert_eq!(redact(text), clean, "{text:?}");
    }
}
