//! GR1 and GR2 for tokens and calls that are drawn.

use std::collections::BTreeSet;

use biscuit_auth::builder::{Fact, Term};
use biscuit_auth::{AuthorizerBuilder, AuthorizerLimits, Biscuit};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::types::{Hash, PrivacyClass, Timestamp};

use super::super::{Account, Bounds, Token, Use};
use super::{END, NOW, account, entropy, root, verify};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        rng_seed: RngSeed::Fixed(20_261_127),
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

const TOOLS: [&str; 3] = ["git.log", "git.push", "jira.create"];
const VERSIONS: [&str; 2] = ["1.0.0", "2.0.0"];
const AUDIENCES: [&str; 2] = ["egress", "secrets"];
const TENANTS: [&str; 2] = ["acme", "globex"];
const SCOPES: [&str; 3] = ["git:read", "git:write", "jira"];
const CLASSES: [PrivacyClass; 4] =
    [PrivacyClass::Public, PrivacyClass::Internal, PrivacyClass::Confidential, PrivacyClass::Restricted];
/// Seconds from now at which grants end and calls are made.
const SECONDS: i64 = 4;

fn some(words: &'static [&'static str]) -> impl Strategy<Value = Option<BTreeSet<String>>> {
    let chosen = proptest::sample::subsequence(words, 0..=words.len());
    proptest::option::of(chosen.prop_map(|words| words.into_iter().map(str::to_owned).collect()))
}

fn arguments(of: u8) -> Hash {
    Hash::of(&[of])
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let hashes = proptest::option::of(proptest::collection::btree_set((0_u8..3).prop_map(arguments), 0..3));
    let class = proptest::option::of(proptest::sample::select(&CLASSES[..]));
    let until = proptest::option::of((0..SECONDS).prop_map(|second| Timestamp(NOW.0 + second)));
    (some(&TOOLS), some(&VERSIONS), hashes, some(&TENANTS), some(&AUDIENCES), some(&SCOPES), class, until).prop_map(
        |(tools, versions, arguments, tenants, audiences, scopes, class, until)| Bounds {
            tools,
            versions,
            arguments,
            tenants,
            audiences,
            scopes,
            class,
            until,
        },
    )
}

#[derive(Debug, Clone)]
struct Call {
    tool: &'static str,
    version: &'static str,
    arguments: Hash,
    tenant: &'static str,
    audience: &'static str,
    scopes: BTreeSet<String>,
    class: PrivacyClass,
    now: Timestamp,
}

impl Call {
    fn of(&self) -> Use<'_> {
        Use {
            tool: self.tool,
            version: self.version,
            arguments: self.arguments,
            tenant: self.tenant,
            audience: self.audience,
            scopes: &self.scopes,
            class: self.class,
            now: self.now,
        }
    }
}

fn call() -> impl Strategy<Value = Call> {
    let pick = |words: &'static [&'static str]| proptest::sample::select(words);
    let scopes = proptest::sample::subsequence(&SCOPES[..], 0..=SCOPES.len());
    let (hash, class) = ((0_u8..3).prop_map(arguments), proptest::sample::select(&CLASSES[..]));
    let now = (0..SECONDS).prop_map(|second| Timestamp(NOW.0 + second));
    (pick(&TOOLS), pick(&VERSIONS), hash, pick(&TENANTS), pick(&AUDIENCES), scopes, class, now).prop_map(
        |(tool, version, arguments, tenant, audience, scopes, class, now)| Call {
            tool,
            version,
            arguments,
            tenant,
            audience,
            scopes: scopes.into_iter().map(str::to_owned).collect(),
            class,
            now,
        },
    )
}

/// The token of an account with the first bounds, narrowed by each of the others.
fn chain(bounds: &[Bounds]) -> Vec<Token> {
    let first = Bounds {
        scopes: Some(SCOPES.iter().map(ToString::to_string).collect()),
        until: Some(END),
        ..bounds[0].clone()
    };
    let mut tokens = vec![root().issue(&Account { bounds: first, ..account() }, &entropy(1)).unwrap()];
    for (place, more) in bounds.iter().enumerate().skip(1) {
        let seed = entropy(u8::try_from(place + 1).unwrap());
        tokens.push(tokens.last().unwrap().narrow(more, &seed).unwrap());
    }
    tokens
}

/// What Biscuit's own datalog says of a call.
fn datalog(token: &Token, call: &Call) -> bool {
    let biscuit = Biscuit::from(token.bytes(), root().public()).unwrap();
    let text = |word: &str| Term::Str(word.to_owned());
    let class = CLASSES.iter().position(|class| *class == call.class).unwrap();
    let scopes = Term::Set(call.scopes.iter().map(|scope| text(scope)).collect());
    let facts = [
        ("tool", text(call.tool)),
        ("version", text(call.version)),
        ("arguments", text(&call.arguments.to_string())),
        ("tenant", text(call.tenant)),
        ("audience", text(call.audience)),
        ("needs", scopes),
        ("class", Term::Integer(i64::try_from(class).unwrap())),
        ("time", Term::Integer(call.now.0)),
    ];
    let limits = AuthorizerLimits { max_time: std::time::Duration::from_secs(60), ..AuthorizerLimits::default() };
    let mut builder = AuthorizerBuilder::new().set_limits(limits);
    for (name, term) in facts {
        builder = builder.fact(Fact::new(name.to_owned(), [term])).unwrap();
    }
    builder.code("allow if true;").unwrap().build(&biscuit).unwrap().authorize().is_ok()
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn narrowing_only_ever_narrows(bounds in proptest::collection::vec(bounds(), 1..5), calls in proptest::collection::vec(call(), 40)) {
        // A memory of its own, since a grant that ended already is refused as a whole.
        let grants: Vec<Option<_>> = chain(&bounds).iter().map(|token| verify(token).ok()).collect();
        for pair in grants.windows(2) {
            for call in &calls {
                let allows = |grant: &Option<std::sync::Arc<super::super::Grant>>| grant.as_ref().is_some_and(|grant| grant.check(&call.of()).is_ok());
                prop_assert!(!allows(&pair[1]) || allows(&pair[0]), "{call:?} is allowed by the narrower alone");
            }
        }
    }

    #[test]
    fn a_verified_grant_is_what_all_its_blocks_allow(bounds in proptest::collection::vec(bounds(), 1..5), call in call()) {
        let token = chain(&bounds).pop().unwrap();
        let mut all = bounds[0].clone();
        all = Bounds { scopes: Some(SCOPES.iter().map(ToString::to_string).collect()), until: Some(END), ..all };
        for more in &bounds[1..] {
            all = all.and(more);
        }
        if let Ok(grant) = verify(&token) {
            prop_assert_eq!(&grant.bounds, &all);
            prop_assert_eq!(grant.check(&call.of()).is_ok(), all.check(&call.of()).is_ok());
        } else {
            prop_assert!(all.until.unwrap() <= NOW);
        }
    }

    #[test]
    fn any_other_verifier_of_biscuits_would_say_the_same(bounds in proptest::collection::vec(bounds(), 1..4), calls in proptest::collection::vec(call(), 4)) {
        let token = chain(&bounds).pop().unwrap();
        let grant = verify(&token);
        for call in calls {
            let ours = grant.as_ref().is_ok_and(|grant| grant.check(&call.of()).is_ok());
            // Verified at NOW, before which no call is.
            prop_assert_eq!(ours, datalog(&token, &call), "{:?}", call);
        }
    }

    #[test]
    fn no_bytes_are_taken_for_a_token(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(verify(&Token::from_bytes(bytes.clone())).is_err());
        prop_assert!(Token::from_bytes(bytes).narrow(&Bounds::default(), &entropy(1)).is_err());
    }
}
