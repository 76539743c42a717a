//! What a grant is good for, what it is not, and what is refused.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod forged;
mod issued;
mod laws;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::types::{Class, Hash, PrivacyClass, Timestamp};

use super::{Account, BLOCKS_MAX, Bounds, Error, Grant, Refusal, Root, Token, Use, Verifier, WORDS_MAX};

/// A time long before [`END`].
const NOW: Timestamp = Timestamp(1_764_000_000_000_000);
/// When the grants of these tests end.
const END: Timestamp = Timestamp(1_764_000_060_000_000);

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(ToString::to_string).collect()
}

fn root() -> Root {
    Root::from_secret(&[7; 32]).unwrap()
}

fn entropy(seed: u8) -> [u8; 32] {
    [seed; 32]
}

fn account() -> Account {
    let bounds = Bounds {
        scopes: Some(set(&["git:read", "git:write"])),
        tenants: Some(set(&["acme", "globex"])),
        class: Some(PrivacyClass::Confidential),
        until: Some(END),
        ..Bounds::default()
    };
    Account { name: "acme/reports".to_owned(), bounds }
}

fn issued() -> Token {
    root().issue(&account(), &entropy(1)).unwrap()
}

/// The bounds of one invocation.
fn invocation() -> Bounds {
    Bounds {
        tools: Some(set(&["git.log"])),
        versions: Some(set(&["1.2.0"])),
        arguments: Some(BTreeSet::from([Hash::of(b"{}")])),
        tenants: Some(set(&["acme"])),
        audiences: Some(set(&["egress"])),
        scopes: Some(set(&["git:read"])),
        class: Some(PrivacyClass::Internal),
        until: Some(Timestamp(END.0 - 50_000_000)),
    }
}

fn verify(token: &Token) -> Result<Arc<Grant>, Refusal> {
    Verifier::new(&root(), 8).verify(token, NOW)
}

#[test]
fn a_grant_is_good_for_what_it_says_and_nothing_else() {
    let token = issued().narrow(&invocation(), &entropy(2)).unwrap().seal().unwrap();
    let grant = verify(&token).unwrap();
    assert_eq!(grant.account, "acme/reports");
    assert_eq!(grant.bounds, invocation());
    assert_eq!(grant.hash, token.hash());
    let scopes = set(&["git:read"]);
    let call = Use {
        tool: "git.log",
        version: "1.2.0",
        arguments: Hash::of(b"{}"),
        tenant: "acme",
        audience: "egress",
        scopes: &scopes,
        class: PrivacyClass::Internal,
        now: NOW,
    };
    assert_eq!(grant.check(&call), Ok(()));
    let (more, until) = (set(&["git:read", "git:write"]), invocation().until.unwrap());
    let refused = [
        (Use { tool: "git.push", ..call.clone() }, Refusal::Tool { tool: "git.push".to_owned() }),
        (Use { version: "1.3.0", ..call.clone() }, Refusal::Version { version: "1.3.0".to_owned() }),
        (Use { arguments: Hash::of(b"{1}"), ..call.clone() }, Refusal::Arguments),
        (Use { tenant: "globex", ..call.clone() }, Refusal::Tenant),
        (Use { audience: "secrets", ..call.clone() }, Refusal::Audience { audience: "secrets".to_owned() }),
        (Use { scopes: &more, ..call.clone() }, Refusal::Scopes { lacking: vec!["git:write".to_owned()] }),
        (
            Use { class: PrivacyClass::Confidential, ..call.clone() },
            Refusal::Privacy { granted: PrivacyClass::Internal, asked: PrivacyClass::Confidential },
        ),
        (Use { now: until, ..call.clone() }, Refusal::Expired { until }),
    ];
    for (call, refusal) in refused {
        assert_eq!(grant.check(&call), Err(refusal));
    }
    assert_eq!(grant.check(&Use { now: Timestamp(until.0 - 1), ..call }), Ok(()));
}

#[test]
fn what_is_refused_says_why_in_words() {
    let said = |refusal: Refusal| (refusal.class(), refusal.to_string());
    assert_eq!(
        said(Refusal::Scopes { lacking: vec!["a".to_owned(), "b".to_owned()] }),
        (Class::Denied, "could not use the grant for a tool that requires a and b: it does not hold that".to_owned())
    );
    assert_eq!(
        said(Refusal::Expired { until: NOW }),
        (Class::Unauthenticated, "could not use the grant: it ended at 2025-11-24T16:00:00.000000Z".to_owned())
    );
}

#[test]
fn an_ended_grant_is_refused_when_it_is_verified_also_from_memory() {
    let (token, verifier) = (issued(), Verifier::new(&root(), 8));
    assert!(verifier.verify(&token, Timestamp(END.0 - 1)).is_ok());
    assert_eq!(verifier.remembered(), 1);
    assert_eq!(verifier.verify(&token, END), Err(Refusal::Expired { until: END }));
}

#[test]
fn an_empty_bound_allows_nothing_and_survives_the_way() {
    let nothing = Bounds { tools: Some(BTreeSet::new()), scopes: Some(BTreeSet::new()), ..Bounds::default() };
    let grant = verify(&issued().narrow(&nothing, &entropy(2)).unwrap()).unwrap();
    assert_eq!(grant.bounds.tools, Some(BTreeSet::new()));
    assert_eq!(grant.bounds.scopes, Some(BTreeSet::new()));
}

#[test]
fn a_grant_has_scopes_and_an_end() {
    for (bounds, what) in [
        (Bounds { scopes: None, ..account().bounds }, "scopes"),
        (Bounds { until: None, ..account().bounds }, "an end"),
    ] {
        let account = Account { bounds, ..account() };
        assert_eq!(root().issue(&account, &entropy(1)), Err(Error::Unbounded { what }));
    }
}

#[test]
fn words_that_need_escaping_are_not_put_into_tokens() {
    for word in ["", "a\"b", "a b", "a\\", "-", "a\n", "é", "a;b", &"x".repeat(200)] {
        let bounds = Bounds { tools: Some(set(&[word])), ..Bounds::default() };
        assert_eq!(issued().narrow(&bounds, &entropy(2)), Err(Error::Word { what: "tool" }), "{word:?}");
        let account = Account { name: word.to_owned(), ..account() };
        assert_eq!(root().issue(&account, &entropy(1)), Err(Error::Word { what: "account" }), "{word:?}");
    }
    let many = (0..=WORDS_MAX).map(|number| format!("tool{number}")).collect();
    let bounds = Bounds { tools: Some(many), ..Bounds::default() };
    assert_eq!(issued().narrow(&bounds, &entropy(2)), Err(Error::TooMany { what: "tool", most: WORDS_MAX }));
}

#[test]
fn a_sealed_grant_cannot_be_narrowed_and_an_open_one_only_so_often() {
    let sealed = issued().seal().unwrap();
    assert_eq!(sealed.narrow(&Bounds::default(), &entropy(3)), Err(Error::Sealed));
    assert!(verify(&sealed).is_ok());
    let mut token = issued();
    for seed in 1..BLOCKS_MAX {
        token = token.narrow(&Bounds::default(), &entropy(u8::try_from(seed).unwrap())).unwrap();
    }
    assert!(verify(&token).is_ok());
    assert_eq!(token.narrow(&Bounds::default(), &entropy(99)), Err(Error::TooLarge));
}

// GR3.
#[test]
fn tokens_and_keys_are_never_shown() {
    let token = issued();
    let shown = format!("{token:?} {:?} {:?}", root(), verify(&Token::from_bytes(vec![1, 2, 3])));
    assert_eq!(shown, "Token(..) Root(..) Err(Malformed)");
}

#[test]
fn verified_tokens_are_remembered_within_bounds_and_bad_ones_are_not() {
    let (root, verifier) = (root(), Verifier::new(&root(), 3));
    let token = |seed: u8| root.issue(&account(), &entropy(seed)).unwrap();
    for seed in 1..=5 {
        let first = verifier.verify(&token(seed), NOW).unwrap();
        let again = verifier.verify(&token(seed), NOW).unwrap();
        assert!(Arc::ptr_eq(&first, &again), "token {seed} was verified twice");
        assert!(verifier.remembered() <= 3);
    }
    let kept = verifier.verify(&token(5), NOW).unwrap();
    for byte in 0..50 {
        assert!(verifier.verify(&Token::from_bytes(vec![byte; 300]), NOW).is_err());
    }
    assert!(Arc::ptr_eq(&kept, &verifier.verify(&token(5), NOW).unwrap()));
}
