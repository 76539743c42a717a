//! Tokens that somebody made or changed who may not.

use biscuit_auth::builder::Algorithm;
use biscuit_auth::{Biscuit, BlockBuilder, KeyPair, PrivateKey};

use super::super::{Bounds, Refusal, Root, TOKEN_BYTES_MAX, Token};
use super::{account, entropy, invocation, issued, root, verify};

fn pair(seed: u8) -> KeyPair {
    KeyPair::from(&PrivateKey::from_bytes(&entropy(seed), Algorithm::Ed25519).unwrap())
}

fn open(token: &Token) -> Biscuit {
    Biscuit::from(token.bytes(), root().public()).unwrap()
}

/// The token with a block that says this, as whoever holds it could make it.
fn with(source: &str) -> Token {
    let block = BlockBuilder::new().code(source).unwrap();
    Token::from_bytes(open(&issued()).append_with_keypair(&pair(9), block).unwrap().to_vec().unwrap())
}

#[test]
fn a_token_with_any_bit_changed_is_refused() {
    let token = issued().narrow(&invocation(), &entropy(2)).unwrap();
    let good = verify(&token).unwrap();
    for at in 0..token.bytes().len() {
        let mut bytes = token.bytes().to_vec();
        bytes[at] ^= 1 << (at % 8);
        // A bit may be one that the encoding does not look at; then the token says what it said.
        if let Ok(grant) = verify(&Token::from_bytes(bytes)) {
            assert_eq!((&grant.account, &grant.bounds), (&good.account, &good.bounds), "byte {at}");
        }
    }
    let mut changed = token.bytes().to_vec();
    let place = changed.windows(7).position(|window| window == b"git.log").unwrap();
    changed[place] = b'l';
    assert_eq!(verify(&Token::from_bytes(changed)), Err(Refusal::Tampered));
}

#[test]
fn a_token_that_was_cut_is_refused() {
    let token = issued().narrow(&invocation(), &entropy(2)).unwrap();
    for length in 0..token.bytes().len() {
        assert!(verify(&Token::from_bytes(token.bytes()[..length].to_vec())).is_err(), "{length} bytes were taken");
    }
}

#[test]
fn a_token_of_another_root_is_refused() {
    let other = Root::from_secret(&[8; 32]).unwrap().issue(&account(), &entropy(1)).unwrap();
    assert_eq!(verify(&other), Err(Refusal::Tampered));
}

#[test]
fn a_block_cannot_be_taken_away_again() {
    let token = issued().narrow(&invocation(), &entropy(2)).unwrap();
    for token in [token.clone(), token.seal().unwrap()] {
        let mut container = open(&token).container().clone();
        assert!(container.blocks.pop().is_some());
        let widened = Token::from_bytes(container.to_vec().unwrap());
        assert_eq!(verify(&widened), Err(Refusal::Tampered));
    }
}

#[test]
fn a_block_that_adds_facts_or_rules_is_refused() {
    for source in ["account(\"host\");", "scope(\"admin\");", "needs($x) <- tenant($x);", "tool(\"git.push\");"] {
        assert_eq!(verify(&with(source)), Err(Refusal::Widened { block: 1 }), "{source}");
    }
}

#[test]
fn a_condition_that_the_host_does_not_know_is_refused() {
    let sources = [
        "check if operation(\"read\");",
        "check if tool($v), {\"git.log\"}.contains($v) or tool($v), {\"git.push\"}.contains($v);",
        "check all tool($v), {\"git.log\"}.contains($v);",
        "reject if tool($v), {\"git.log\"}.contains($v);",
        "check if tool($v), $v.starts_with(\"git\");",
        "check if tool($v), !{\"git.log\"}.contains($v);",
        "check if tool($v), tenant($w), {\"git.log\"}.contains($w);",
        "check if class($v), $v <= 9;",
        "check if class($v), $v >= 2;",
        "check if time($v), $v > 5;",
        "check if arguments($v), {\"not a hash\"}.contains($v);",
        "check if tool($v), {\"git log\"}.contains($v);",
        "check if true;",
    ];
    for source in sources {
        assert_eq!(verify(&with(source)), Err(Refusal::Unknown { block: 1 }), "{source}");
    }
    let trusting = BlockBuilder::new().code("check if tool($v), {\"git.log\"}.contains($v);").unwrap();
    let trusting = trusting.scope(biscuit_auth::builder::Scope::Previous);
    let token = open(&issued()).append_with_keypair(&pair(9), trusting).unwrap().to_vec().unwrap();
    assert_eq!(verify(&Token::from_bytes(token)), Err(Refusal::Unknown { block: 1 }), "it trusts other blocks");
    let known = verify(&with("check if tool($any), {\"git.log\"}.contains($any);")).unwrap();
    assert_eq!(known.bounds.tools, Some(super::set(&["git.log"])));
}

#[test]
fn strings_that_pretend_to_be_source_widen_nothing() {
    let whole = verify(&issued()).unwrap().bounds.clone();
    let evil =
        ["x\"}.contains($v); account(\"host", "x\"}.contains($v);\ncheck if tool($v), {\"git.push", "x\", \"git.push"];
    for text in evil {
        let mut block = BlockBuilder::new().code("check if tool($v), {\"HERE\"}.contains($v)").unwrap();
        for check in &mut block.checks {
            for op in &mut check.queries[0].expressions[0].ops {
                if let biscuit_auth::builder::Op::Value(biscuit_auth::builder::Term::Set(set)) = op {
                    *set = [biscuit_auth::builder::Term::Str(text.to_owned())].into();
                }
            }
        }
        let bytes = open(&issued()).append_with_keypair(&pair(9), block).unwrap().to_vec().unwrap();
        if let Ok(grant) = verify(&Token::from_bytes(bytes)) {
            assert_eq!(grant.account, account().name);
            assert_eq!(grant.bounds.and(&whole), grant.bounds, "{text:?} widened the grant");
        }
    }
}

#[test]
fn a_block_of_a_third_party_is_refused() {
    let token = open(&issued());
    let (request, other) = (token.third_party_request().unwrap(), pair(5));
    let block = request.create_block(&other.private(), BlockBuilder::new().code("check if true").unwrap()).unwrap();
    let signed = token.append_third_party_with_keypair(other.public(), block, pair(9)).unwrap();
    let token = Token::from_bytes(signed.to_vec().unwrap());
    assert_eq!(verify(&token), Err(Refusal::Unknown { block: 1 }));
}

#[test]
fn a_huge_token_is_refused_before_it_is_read() {
    assert_eq!(verify(&Token::from_bytes(vec![0; TOKEN_BYTES_MAX + 1])), Err(Refusal::TooLarge));
    let words: Vec<String> = (0..60).map(|number| format!("{number}{}", "x".repeat(100))).collect();
    let bounds = Bounds { tools: Some(words.into_iter().collect()), ..Bounds::default() };
    assert_eq!(issued().narrow(&bounds, &entropy(2)), Err(super::Error::TooLarge));
}

#[test]
fn a_root_issues_what_it_says_even_with_the_first_block_forged() {
    // Somebody who knows the public key only makes a first block of their own, signed with their own key.
    let forged = biscuit_auth::BiscuitBuilder::new()
        .code("account(\"host\");")
        .unwrap()
        .build_with_key_pair(&pair(5), biscuit_auth::datalog::SymbolTable::default(), &pair(6))
        .unwrap();
    assert_eq!(verify(&Token::from_bytes(forged.to_vec().unwrap())), Err(Refusal::Tampered));
}
