//! Texts at the borders of a schema: of the lengths it allows, in signs that programs stumble over, and such as its pattern
//! matches.

use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::{Value, json};

use super::below;
use super::flat::Words;
use crate::tds::schema::Checker;
use crate::types::Random;

/// Characters of the longest text of a schema that names a greater bound: a hundred pages. More is the matter of the bound on
/// bytes.
pub(super) const LONGEST: usize = 100_000;

/// Characters of a long text where the schema names no bound: more than a line and less than a file.
const LONG: usize = 4_096;

/// How often a part of a pattern is repeated beyond what it must be.
const REPEATS: usize = 3;

/// Characters of a text that is made of a pattern; repetitions of repetitions are as long as they like.
const MATCHED_MOST: usize = 20_000;

/// Texts that programs stumble over.
const ODD: [(&str, &str); 6] = [
    ("blank", " "),
    ("of many scripts", "ß😀e\u{301}שלום文"),
    ("with signs that control", "\u{0}\u{1b}\u{7f}"),
    ("with quotes and breaks", "\"'\\\n\t"),
    ("a number", "-0"),
    ("a word of JSON", "null"),
];

/// Texts of forms that JSON Schema names.
const FORMS: [(&str, &str); 12] = [
    ("date", "2024-02-29"),
    ("date-time", "2024-02-29T23:59:59Z"),
    ("time", "23:59:59Z"),
    ("duration", "P1DT1H"),
    ("email", "a@example.com"),
    ("hostname", "example.com"),
    ("ipv4", "192.0.2.1"),
    ("ipv6", "2001:db8::1"),
    ("uri", "https://example.com/a?b=c#d"),
    ("uri-reference", "/a?b=c"),
    ("uuid", "00000000-0000-4000-8000-000000000000"),
    ("json-pointer", "/a/0"),
];

/// What a schema says of the length of a text.
fn lengths(words: &Words) -> Option<(usize, usize)> {
    let bound = |word: &str| words.get(word).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
    let (least, most) = (bound("minLength").unwrap_or(0), bound("maxLength").unwrap_or(usize::MAX));
    (least <= most && least <= LONGEST).then_some((least, most))
}

/// An ordinary text that a schema allows.
pub(super) fn ordinary(words: &Words, random: &dyn Random) -> Option<String> {
    if words.contains_key("pattern") {
        return texts(words, random).into_iter().next().map(|(_, text)| text);
    }
    let (least, most) = lengths(words)?;
    let form = form(words).filter(|text| (least..=most).contains(&text.len()));
    Some(form.map_or_else(|| fitted("text", least, most), ToOwned::to_owned))
}

fn form(words: &Words) -> Option<&'static str> {
    let named = words.get("format").and_then(Value::as_str)?;
    FORMS.iter().find(|(name, _)| *name == named).map(|(_, text)| *text)
}

/// Texts that a schema allows, the most ordinary first.
pub(super) fn texts(words: &Words, random: &dyn Random) -> Vec<(&'static str, String)> {
    let Some((least, most)) = lengths(words) else { return Vec::new() };
    let mut all: Vec<(&'static str, String)> = form(words).map(|text| ("", text.to_owned())).into_iter().collect();
    let pattern = words.get("pattern").and_then(Value::as_str);
    if let Some(pattern) = pattern {
        all.extend(matching(pattern, random));
    }
    let longest = if most == usize::MAX { LONG.max(least) } else { most.min(LONGEST) };
    all.push(("", fitted("text", least, most)));
    all.push((if least == 0 { "empty" } else { "as short as may be" }, "a".repeat(least)));
    all.push((if most == usize::MAX { "long" } else { "as long as may be" }, "a".repeat(longest)));
    all.extend(ODD.iter().map(|(about, text)| (*about, fitted(text, least, most))));
    let by_length = |text: &str| (least..=most).contains(&text.chars().count());
    all.retain(|(_, text)| by_length(text));
    if let Some(checker) = pattern.and_then(|pattern| Checker::compile(&json!({ "pattern": pattern })).ok()) {
        all.retain(|(_, text)| checker.takes(&json!(text)));
    }
    all
}

/// A text that is as long as it may be and no shorter than it must be.
fn fitted(text: &str, least: usize, most: usize) -> String {
    let length = text.chars().count().clamp(least, most.max(least));
    text.chars().cycle().take(length).collect()
}

/// Texts that a pattern matches: short, longer, and two by chance. It may be that none is, and then nobody minds.
fn matching(pattern: &str, random: &dyn Random) -> Vec<(&'static str, String)> {
    let Ok(hir) = regex_syntax::parse(&plain(pattern)) else { return Vec::new() };
    let made = |pick: &dyn Fn(usize) -> usize| {
        let mut text = String::new();
        spell(&hir, pick, &mut text).then_some(text)
    };
    let short = made(&|_| 0).map(|text| ("", text));
    let long = made(&|ways| ways - 1).map(|text| ("the longer way of its pattern", text));
    let chance = (0..2).filter_map(|_| made(&|ways| below(random, ways)));
    short.into_iter().chain(long).chain(chance.map(|text| ("by chance of its pattern", text))).collect()
}

/// A pattern in which `\d` and `\w` mean what they mean in JSON Schema: signs of ASCII, not those of every script.
fn plain(pattern: &str) -> String {
    let mut text = String::new();
    let mut signs = pattern.chars();
    while let Some(sign) = signs.next() {
        match (sign, if sign == '\\' { signs.next() } else { None }) {
            ('\\', Some('d')) => text.push_str("[0-9]"),
            ('\\', Some('w')) => text.push_str("[0-9A-Za-z_]"),
            (sign, escaped) => {
                text.push(sign);
                text.extend(escaped);
            }
        }
    }
    text
}

/// Writes a text that this matches, where `pick` says which of so many ways is gone. Whether it did.
fn spell(hir: &Hir, pick: &dyn Fn(usize) -> usize, text: &mut String) -> bool {
    if text.len() > MATCHED_MOST {
        return false;
    }
    match hir.kind() {
        // What must stand beside it is not looked at; whoever asked tries the text.
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0).map(|part| text.push_str(part)).is_ok(),
        HirKind::Class(class) => sign(class, pick).map(|sign| text.push(sign)).is_some(),
        HirKind::Repetition(repeated) => {
            let (least, most) = (repeated.min as usize, repeated.max.map_or(usize::MAX, |most| most as usize));
            let ways = (most - least).min(REPEATS) + 1;
            (0..least + pick(ways)).all(|_| spell(&repeated.sub, pick, text))
        }
        HirKind::Capture(capture) => spell(&capture.sub, pick, text),
        HirKind::Concat(parts) => parts.iter().all(|part| spell(part, pick, text)),
        HirKind::Alternation(ways) => ways.get(pick(ways.len())).is_some_and(|way| spell(way, pick, text)),
    }
}

/// A sign of a class: the first or the last of one of its ranges, since mistakes live at borders.
fn sign(class: &Class, pick: &dyn Fn(usize) -> usize) -> Option<char> {
    match class {
        Class::Unicode(class) => {
            let ranges = class.ranges();
            let range = ranges.get(pick(ranges.len().max(1)))?;
            Some(if pick(2) == 0 { range.start() } else { range.end() })
        }
        Class::Bytes(class) => {
            let range = class.ranges().first()?;
            Some(char::from(range.start()))
        }
    }
}
