//! Stand-ins: values that look like what they stand for and say nothing of it, and the way back.
//!
//! A [`StandIns`] replaces personal data in what leaves the host, of the kinds a policy names; [`Originals`] puts the real
//! values back into what comes in. Secrets are never replaced: a place that may not see them has no use for them.
//!
//! Invariants:
//! - SI1: of the kinds it replaces, no value is left anywhere in the texts, also where it is not recognised by itself.
//! - SI2: a stand-in has the form of its value: the same length, letters for letters, digits for digits, separators where
//!   they were; a card number and an account number have valid check digits.
//! - SI3: within one run the same value has the same stand-in, and two values have two; none occurs in the texts.
//! - SI4: putting back gives the very values, and does so in a stream however it is cut.
//! - SI5: what has no stand-in makes the whole fail, so that nothing leaves half replaced.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::number::{luhn, mod97, rest97};
use super::{Finding, Kind, find};
use crate::types::{Hash, PrivacyClass};

/// Different values in one request at the most: more is a table of people, and no question about somebody.
const MOST: usize = 1_000;

/// Tries for a stand-in that is recognised as what it stands for. Half of all candidates of the hardest kind are.
const TRIES: u8 = 64;

/// What may be replaced of a run, and how private the rest is.
#[derive(Clone, PartialEq, Eq)]
pub struct StandIns {
    class: PrivacyClass,
    kinds: BTreeSet<Kind>,
    key: [u8; 32],
}

impl std::fmt::Debug for StandIns {
    // The key would make stand-ins as good as the values to whoever can guess these.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StandIns").field("class", &self.class).field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

impl StandIns {
    /// Stand-ins for these kinds in a text that is of this class without them. `key` makes them those of one run.
    pub fn new(class: PrivacyClass, kinds: BTreeSet<Kind>, key: [u8; 32]) -> StandIns {
        StandIns { class, kinds, key }
    }

    /// Whether values of this kind can have stand-ins at all: what reaches people and places, and not what opens doors.
    pub fn possible(kind: Kind) -> bool {
        match kind {
            Kind::Ip | Kind::Phone | Kind::Email | Kind::Card | Kind::Iban | Kind::SocialSecurity => true,
            Kind::Password | Kind::Token | Kind::Key | Kind::PrivateKey => false,
        }
    }

    /// How private these texts are with stand-ins, and what stands for what; `None` if something has none (SI5).
    pub fn of(&self, texts: &[&str]) -> Option<(PrivacyClass, Originals)> {
        let (mut class, mut values) = (self.class, BTreeMap::new());
        for text in texts {
            for Finding { kind, start, end } in find(text) {
                if self.kinds.contains(&kind) {
                    values.entry(&text[start..end]).or_insert(kind);
                } else {
                    class = class.max(kind.class());
                }
            }
        }
        if values.len() > MOST {
            return None;
        }
        let lower: Vec<String> = values.keys().map(|value| value.to_ascii_lowercase()).collect();
        // A long stand-in may have a short value in it: "ab@c.com" has "b@c.com".
        let tells = |text: &str| {
            let text = text.to_ascii_lowercase();
            lower.iter().any(|value| text.contains(value.as_str()))
        };
        let (mut pairs, mut drawn) = (BTreeMap::new(), BTreeSet::new());
        for (value, kind) in values {
            let taken =
                |made: &str| drawn.contains(made) || tells(made) || texts.iter().any(|text| text.contains(made));
            let made = self.stand_in(kind, value, &taken)?;
            drawn.insert(made.clone());
            pairs.insert(value.to_owned(), made);
        }
        let originals = Originals::new(pairs);
        // What stands around a stand-in may complete a value too, and nothing leaves with one (SI1).
        let clean = texts.iter().all(|text| !tells(&originals.replace(text)));
        clean.then_some((class, originals))
    }

    fn stand_in(&self, kind: Kind, value: &str, taken: &dyn Fn(&str) -> bool) -> Option<String> {
        (0..TRIES).find_map(|attempt| {
            let mut chance = Chance::new(&self.key, kind, attempt, value);
            made(kind, value, &mut chance).filter(|made| made != value && !taken(made) && looks_like(kind, value, made))
        })
    }
}

/// Whether a stand-in is taken for what it stands for; a telephone number that needs a word before it may need one again.
fn looks_like(kind: Kind, value: &str, made: &str) -> bool {
    let found = |text: &str, start: usize| find(text) == [Finding { kind, start, end: text.len() }];
    found(made, 0) || (kind == Kind::Phone && !found(value, 0) && found(&format!("tel {made}"), 4))
}

/// Numbers that follow from a key and a value, and say nothing of either.
struct Chance {
    seed: Vec<u8>,
    bytes: Vec<u8>,
    blocks: u8,
}

impl Chance {
    fn new(key: &[u8; 32], kind: Kind, attempt: u8, value: &str) -> Chance {
        let seed = [key.as_slice(), kind.word().as_bytes(), &[0, attempt], value.as_bytes()].concat();
        Chance { seed, bytes: Vec::new(), blocks: 0 }
    }

    fn below(&mut self, most: u8) -> u8 {
        if self.bytes.is_empty() {
            self.blocks = self.blocks.wrapping_add(1);
            self.bytes = Hash::of(&[&[self.blocks], self.seed.as_slice()].concat()).0.to_vec();
        }
        self.bytes.pop().unwrap_or_default() % most
    }

    /// Another character of the same sort.
    fn like(&mut self, one: char) -> char {
        match one {
            '0'..='9' => char::from(b'0' + self.below(10)),
            'a'..='z' => char::from(b'a' + self.below(26)),
            'A'..='Z' => char::from(b'A' + self.below(26)),
            other => other,
        }
    }
}

/// A candidate of the form of this value. Only plain characters have a form that is known.
fn made(kind: Kind, value: &str, chance: &mut Chance) -> Option<String> {
    if !value.is_ascii() {
        return None;
    }
    Some(match kind {
        Kind::Email => {
            let (person, place) = value.rsplit_once('@')?;
            let (name, end) = place.rsplit_once('.')?;
            let mut other = |text: &str| text.chars().map(|one| chance.like(one)).collect::<String>();
            let (drawn, drawn_name) = (other(person), other(name));
            // By chance a short name may be drawn as what it was.
            if shares_a_word(person, &drawn) || shares_a_word(name, &drawn_name) {
                return None;
            }
            format!("{drawn}@{drawn_name}.{end}")
        }
        // The first four digits say which sort of card it is and not whose.
        Kind::Card => checked(&digits_from(value, 4, chance), |last| {
            let digits: Vec<u8> = last.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
            luhn(&digits)
        })?,
        Kind::Iban => account(value, chance)?,
        Kind::Phone => digits_from(value, if value.starts_with('+') { 2 } else { 0 }, chance),
        Kind::SocialSecurity => digits_from(value, 0, chance),
        Kind::Ip if value.contains(':') => value
            .chars()
            .map(|one| match one {
                '0'..='9' => chance.like(one),
                'a'..='f' => char::from(b'a' + chance.below(6)),
                'A'..='F' => char::from(b'A' + chance.below(6)),
                other => other,
            })
            .collect(),
        Kind::Ip => octets(value, chance),
        Kind::Password | Kind::Token | Kind::Key | Kind::PrivateKey => return None,
    })
}

/// Whether a word of one stands at the same place in the other.
fn shares_a_word(one: &str, other: &str) -> bool {
    let words =
        |text: &str| text.split(|one: char| !one.is_ascii_alphanumeric()).map(str::to_ascii_lowercase).collect();
    let (one, other): (Vec<String>, Vec<String>) = (words(one), words(other));
    one.iter().zip(&other).any(|(one, other)| !one.is_empty() && one == other)
}

/// The same with other digits behind so many that stay.
fn digits_from(value: &str, kept: usize, chance: &mut Chance) -> String {
    let mut seen = 0;
    let other = value.chars().map(|one| {
        seen += usize::from(one.is_ascii_digit());
        if one.is_ascii_digit() && seen > kept { chance.like(one) } else { one }
    });
    other.collect()
}

/// Four numbers of a byte each, with as many digits as before where a byte has so many.
fn octets(value: &str, chance: &mut Chance) -> String {
    let parts = value.split('.').map(|part| match part.len() {
        1 => (1 + chance.below(9)).to_string(),
        2 => (10 + chance.below(90)).to_string(),
        _ => (100 + chance.below(120)).to_string(),
    });
    parts.collect::<Vec<String>>().join(".")
}

/// The same with the one last digit that makes it right.
fn checked(value: &str, right: impl Fn(&str) -> bool) -> Option<String> {
    let at = value.rfind(|one: char| one.is_ascii_digit())?;
    (0..10_u8)
        .map(|digit| format!("{}{}{}", &value[..at], char::from(b'0' + digit), &value[at + 1..]))
        .find(|one| right(one))
}

/// An account number of the same country, with its two check digits (ISO 13616: 98 less the rest of the division by 97).
fn account(value: &str, chance: &mut Chance) -> Option<String> {
    let mut seen = 0;
    let drawn = value.chars().map(|one| {
        seen += usize::from(one.is_ascii_alphanumeric());
        match seen {
            0..=2 => one,
            3 | 4 if one.is_ascii_digit() => '0',
            _ => chance.like(one),
        }
    });
    let drawn: String = drawn.collect();
    let plain: Vec<u8> = drawn.bytes().filter(u8::is_ascii_alphanumeric).map(|one| one.to_ascii_uppercase()).collect();
    let check = format!("{:02}", 98 - rest97(&plain)?);
    let mut check = check.chars();
    let mut seen = 0;
    let whole: String = drawn
        .chars()
        .map(|one| {
            seen += usize::from(one.is_ascii_alphanumeric());
            if one.is_ascii_alphanumeric() && matches!(seen, 3 | 4) { check.next().unwrap_or(one) } else { one }
        })
        .collect();
    let plain: Vec<u8> = whole.bytes().filter(u8::is_ascii_alphanumeric).map(|one| one.to_ascii_uppercase()).collect();
    mod97(&plain).then_some(whole)
}

/// What stands for what, in both directions.
#[derive(Clone, Default)]
pub struct Originals {
    away: Pairs,
    back: Pairs,
}

impl Originals {
    fn new(pairs: BTreeMap<String, String>) -> Originals {
        let back = pairs.iter().map(|(value, made)| (made.clone(), value.clone())).collect();
        Originals { away: Pairs::new(pairs.into_iter().collect()), back: Pairs::new(back) }
    }

    /// Whether nothing had to be replaced.
    pub fn is_empty(&self) -> bool {
        self.away.0.is_empty()
    }

    /// The text with stand-ins, wherever the values stand in it (SI1).
    pub fn replace(&self, text: &str) -> String {
        Exchange { pairs: &self.away, whole: false, before: None, held: String::new() }.all(text)
    }

    /// The text with the values again.
    pub fn restore(&self, text: &str) -> String {
        self.restorer().all(text)
    }

    /// The same for a text that comes in pieces.
    pub fn restorer(&self) -> Exchange<'_> {
        Exchange { pairs: &self.back, whole: true, before: None, held: String::new() }
    }
}

/// What is exchanged for what, the longest first.
#[derive(Clone, Default)]
struct Pairs(Vec<(String, String)>);

impl Pairs {
    fn new(mut pairs: Vec<(String, String)>) -> Pairs {
        pairs.sort_unstable_by(|one, other| other.0.len().cmp(&one.0.len()).then_with(|| one.0.cmp(&other.0)));
        Pairs(pairs)
    }
}

/// Exchanges values in a text that comes in pieces: what may still become one is held back.
pub struct Exchange<'a> {
    pairs: &'a Pairs,
    /// Only what stands for itself counts, and not what is part of a longer word or number.
    whole: bool,
    before: Option<char>,
    held: String,
}

/// What stands at a place.
enum Found<'a> {
    /// One of the values, and what it is exchanged for.
    This(usize, &'a str),
    /// Perhaps one of them, if more comes.
    Perhaps,
    Nothing,
}

impl Exchange<'_> {
    fn all(mut self, text: &str) -> String {
        let mut done = self.push(text);
        done.push_str(&self.finish());
        done
    }

    /// Takes a piece; returns what is certain by now.
    pub fn push(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        self.take(false)
    }

    /// Returns what was held back.
    pub fn finish(mut self) -> String {
        self.take(true)
    }

    fn take(&mut self, last: bool) -> String {
        let (mut done, mut at) = (String::new(), 0);
        while let Some(one) = self.held[at..].chars().next() {
            match self.at(at, last) {
                Found::This(length, other) => {
                    done.push_str(other);
                    self.before = self.held[..at + length].chars().next_back();
                    at += length;
                }
                Found::Perhaps => break,
                Found::Nothing => {
                    done.push(one);
                    self.before = Some(one);
                    at += one.len_utf8();
                }
            }
        }
        self.held.drain(..at);
        done
    }

    fn at(&self, at: usize, last: bool) -> Found<'_> {
        if self.whole && self.before.is_some_and(char::is_alphanumeric) {
            return Found::Nothing;
        }
        let rest = &self.held.as_bytes()[at..];
        for (value, other) in &self.pairs.0 {
            let common = value.len().min(rest.len());
            if !rest[..common].eq_ignore_ascii_case(&value.as_bytes()[..common]) {
                continue;
            }
            // Case matters to nobody who reads an address, and a model may change it.
            if common < value.len() || (self.whole && common == rest.len()) {
                match last {
                    false => return Found::Perhaps,
                    true if common < value.len() => continue,
                    true => return Found::This(common, other),
                }
            }
            let next = self.held[at + common..].chars().next();
            if !self.whole || !next.is_some_and(char::is_alphanumeric) {
                return Found::This(common, other);
            }
        }
        Found::Nothing
    }
}
