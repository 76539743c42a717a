//! Bounds as checks of a block, and back. Each bound is one check over one fact of the call:
//!
//! ```text
//! check if tool($v), {"git.log"}.contains($v);
//! check if class($v), $v <= 2;
//! check if time($v), $v < 1764201600000000;
//! ```
//!
//! The library prints a block as source without escaping what is in its strings, and that source is what is parsed here.
//! That cannot widen anything: the first block is ours, with words that need no escaping, and whatever a later block is
//! taken for is either a bound, which is intersected, or refused.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use biscuit_auth::BlockBuilder;
use biscuit_auth::builder::{Binary, Check, CheckKind, Op, Term};

use crate::types::{Hash, PrivacyClass, Timestamp};

use super::{Bounds, Error, Refusal, WORD_BYTES_MAX, WORDS_MAX};

/// Stands in a set that would be empty, since an empty one has no text that every reader knows. No word begins so.
const NOTHING: &str = "-";

/// Every class, by its place in the order.
const CLASSES: [PrivacyClass; 4] =
    [PrivacyClass::Public, PrivacyClass::Internal, PrivacyClass::Confidential, PrivacyClass::Restricted];

/// Whether a word may stand in a token: short, and of characters that mean nothing to datalog.
pub(super) fn is_word(word: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@+*-".contains(&byte);
    word.len() <= WORD_BYTES_MAX
        && word.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric() || first == b'*')
        && word.bytes().all(fits)
}

/// The source of a block with these bounds.
///
/// # Errors
/// A word that cannot stand in a token, or too many of them.
pub(super) fn source(bounds: &Bounds) -> Result<String, Error> {
    let mut text = String::new();
    let hashes: Option<BTreeSet<String>> =
        bounds.arguments.as_ref().map(|set| set.iter().map(ToString::to_string).collect());
    let sets = [
        ("tool", &bounds.tools),
        ("version", &bounds.versions),
        ("arguments", &hashes),
        ("tenant", &bounds.tenants),
        ("audience", &bounds.audiences),
        ("needs", &bounds.scopes),
    ];
    for (fact, set) in sets {
        let Some(set) = set else { continue };
        if set.len() > WORDS_MAX {
            return Err(Error::TooMany { what: fact, most: WORDS_MAX });
        }
        if !set.iter().all(|word| is_word(word)) {
            return Err(Error::Word { what: fact });
        }
        let mut words: Vec<String> = set.iter().map(|word| format!("\"{word}\"")).collect();
        if words.is_empty() {
            words.push(format!("\"{NOTHING}\""));
        }
        let _ = writeln!(text, "check if {fact}($v), {{{}}}.contains($v);", words.join(", "));
    }
    if let Some(place) = bounds.class.and_then(|class| CLASSES.iter().position(|one| *one == class)) {
        let _ = writeln!(text, "check if class($v), $v <= {place};");
    }
    if let Some(until) = bounds.until {
        let _ = writeln!(text, "check if time($v), $v < {};", until.0);
    }
    Ok(text)
}

/// What the block says that the library printed as this source: the bounds, and the account's name if it is the first.
///
/// # Errors
/// That it says anything else.
pub(super) fn read(source: &str, block: usize) -> Result<(Bounds, Option<String>), Refusal> {
    let parsed = BlockBuilder::new().code(source).map_err(|_| Refusal::Unknown { block })?;
    if !parsed.rules.is_empty() || (block > 0 && !parsed.facts.is_empty()) {
        return Err(Refusal::Widened { block });
    }
    if !parsed.scopes.is_empty() {
        return Err(Refusal::Unknown { block });
    }
    let mut account = None;
    for fact in &parsed.facts {
        match (fact.predicate.name.as_str(), fact.predicate.terms.as_slice(), &account) {
            ("account", [Term::Str(name)], None) if is_word(name) => account = Some(name.clone()),
            _ => return Err(Refusal::Unknown { block }),
        }
    }
    let mut bounds = Bounds::default();
    for check in &parsed.checks {
        bounds = bounds.and(&bound(check).ok_or(Refusal::Unknown { block })?);
    }
    Ok((bounds, account))
}

/// The bound that a check is, if it is one of ours.
fn bound(check: &Check) -> Option<Bounds> {
    let ([query], CheckKind::One) = (check.queries.as_slice(), &check.kind) else { return None };
    let ([fact], [expression]) = (query.body.as_slice(), query.expressions.as_slice()) else { return None };
    let [Term::Variable(variable)] = fact.terms.as_slice() else { return None };
    if !query.scopes.is_empty() {
        return None;
    }
    let own = |term: &Term| matches!(term, Term::Variable(name) if name == variable);
    let mut bounds = Bounds::default();
    match (fact.name.as_str(), expression.ops.as_slice()) {
        ("time", [Op::Value(left), Op::Value(Term::Integer(until)), Op::Binary(Binary::LessThan)]) if own(left) => {
            bounds.until = Some(Timestamp(*until));
        }
        ("class", [Op::Value(left), Op::Value(Term::Integer(place)), Op::Binary(Binary::LessOrEqual)]) if own(left) => {
            bounds.class = Some(*CLASSES.get(usize::try_from(*place).ok()?)?);
        }
        (name, [Op::Value(Term::Set(set)), Op::Value(right), Op::Binary(Binary::Contains)]) if own(right) => {
            let words = words(set)?;
            match name {
                "tool" => bounds.tools = Some(words),
                "version" => bounds.versions = Some(words),
                "tenant" => bounds.tenants = Some(words),
                "audience" => bounds.audiences = Some(words),
                "needs" => bounds.scopes = Some(words),
                "arguments" => {
                    bounds.arguments = Some(words.iter().map(|word| word.parse::<Hash>().ok()).collect::<Option<_>>()?);
                }
                _ => return None,
            }
        }
        _ => return None,
    }
    Some(bounds)
}

fn words(set: &BTreeSet<Term>) -> Option<BTreeSet<String>> {
    if set.len() > WORDS_MAX {
        return None;
    }
    let word = |term: &Term| match term {
        Term::Str(word) if word == NOTHING || is_word(word) => Some(word.clone()),
        _ => None,
    };
    let mut words: BTreeSet<String> = set.iter().map(word).collect::<Option<_>>()?;
    words.remove(NOTHING);
    Some(words)
}
