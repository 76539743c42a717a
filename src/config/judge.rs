//! Decides whether a tree is a configuration, and if not, finds everything that is wrong with it.
//!
//! Serde stops at the first error and does not say where it stands. So when the whole tree is refused, the overrides are
//! laid over the defaults one by one: each is either accepted, or it is the culprit and brings its own place.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::error::{Problem, Source, shown};
use super::tree::{Node, Override};
use super::{kinds, lists};

/// A configuration as a whole: what serde cannot know about its values.
pub(super) trait Checked: DeserializeOwned {
    /// The file of the house in which each key is explained.
    const EXPLAINED: &'static str;

    /// Keys, dotted, with values that cannot work, and what would.
    fn impossible(&self) -> Vec<(String, String)>;

    /// For a key of a table that is of one of several kinds: how many keys of its path are those of the table, and a right
    /// table of the kind that it says it is, with every key there is.
    fn example(_path: &[String], _whole: &Node) -> Option<(usize, toml::Value)> {
        None
    }

    /// Right entries of the list of tables at this path, together with every key of every kind there is; none if there is
    /// no such list.
    fn entries(_path: &[String]) -> Vec<toml::Value> {
        Vec::new()
    }
}

pub(super) enum Refusal {
    /// Serde's sentence.
    Shape(String),
    /// Keys and what was expected of them.
    Values(Vec<(String, String)>),
}

pub(super) fn read<T: Checked>(tree: &Node) -> Result<T, Refusal> {
    let config: T =
        tree.value().try_into().map_err(|error: toml::de::Error| Refusal::Shape(error.message().to_owned()))?;
    let impossible = config.impossible();
    if impossible.is_empty() { Ok(config) } else { Err(Refusal::Values(impossible)) }
}

/// Serde's sentence about a tree that has another shape than a configuration.
pub(super) fn misshapen<T: Checked>(tree: &Node) -> Option<String> {
    match read::<T>(tree) {
        Err(Refusal::Shape(message)) => Some(message),
        Ok(_) | Err(Refusal::Values(_)) => None,
    }
}

/// Lays the overrides over the base, in order.
///
/// # Errors
/// Every override that is refused, and why.
pub(super) fn decide<T: Checked>(base: Node, overrides: Vec<Override>) -> Result<(T, Node), Vec<Problem>> {
    let (overrides, mut problems) = lists::gathered(&base, overrides);
    let mut whole = base.clone();
    for over in &overrides {
        whole.set(&over.path, over.node.clone());
    }
    if let Ok(config) = read(&whole) {
        return if problems.is_empty() { Ok((config, whole)) } else { Err(problems) };
    }
    let (opened, cut, lacks) = kinds::opened::<T>(base.clone(), &overrides, &whole);
    let mut found = culprits::<T>(opened, cut);
    found.extend(lacks);
    // What is right by an example and wrong without it has no key of its own.
    problems.extend(if found.is_empty() { culprits::<T>(base, overrides) } else { found });
    Err(problems)
}

/// Accepts overrides as long as one more is accepted, so that those which need each other find each other; what is left
/// is wrong.
fn culprits<T: Checked>(mut tree: Node, mut pending: Vec<Override>) -> Vec<Problem> {
    loop {
        let (mut refused, mut progress) = (Vec::new(), false);
        for over in pending {
            let mut candidate = tree.clone();
            candidate.set(&over.path, over.node.clone());
            match read::<T>(&candidate) {
                Ok(_) => (tree, progress) = (candidate, true),
                Err(refusal) => refused.push((over, candidate, refusal)),
            }
        }
        if !progress {
            let each = refused.into_iter();
            return each.flat_map(|(over, with, refusal)| explain::<T>(&tree, &over, &with, refusal)).collect();
        }
        pending = refused.into_iter().map(|(over, ..)| over).collect();
    }
}

pub(super) fn explain<T: Checked>(tree: &Node, over: &Override, with: &Node, refusal: Refusal) -> Vec<Problem> {
    let mut inside = [lists::entries::<T>, lists::words::<T>].into_iter().map(|look| look(tree, over));
    if let Some(inside) = inside.find(|inside| !inside.is_empty()) {
        return inside;
    }
    match refusal {
        Refusal::Shape(message) => {
            let word = toml::Value::String(String::new());
            vec![shape(tree, over, &naming::<T>(tree, &over.path, message, word))]
        }
        Refusal::Values(keys) => keys.into_iter().map(|(key, expected)| value(with, over, key, expected)).collect(),
    }
}

pub(super) fn value(with: &Node, over: &Override, key: String, expected: String) -> Problem {
    let path: Vec<String> = key.split('.').map(str::to_owned).collect();
    let node = with.get(&path).unwrap_or(&over.node);
    if node.source() == &Source::Default && path != over.path {
        // Two keys do not fit each other, and the one that was said is the one to look at.
        let (source, found) = (over.node.source().clone(), shown(&over.node.value()));
        let expected = format!("a value with which {key} can stay as it is ({expected})");
        return Problem { source, key: over.path.join("."), found, expected, meant: None };
    }
    let whole = node.value();
    // A list is replaced as a whole, so what is wrong in it has no place of its own, but it can be shown.
    let inner = path.strip_prefix(over.path.as_slice()).and_then(|rest| within(&whole, rest));
    let missing = with.get(&path).is_none() && path.len() > over.path.len() && path.starts_with(&over.path);
    let found = match inner.filter(|_| with.get(&path).is_none()) {
        Some(inner) => shown(inner),
        None if missing => "nothing".to_owned(),
        None => shown(&whole),
    };
    Problem { source: node.source().clone(), key, found, expected, meant: None }
}

/// What stands at a path within a value; numbers count the entries of a list.
fn within<'a>(value: &'a toml::Value, path: &[String]) -> Option<&'a toml::Value> {
    path.iter().try_fold(value, |value, step| match value {
        toml::Value::Array(entries) => entries.get(step.parse::<usize>().ok()?),
        toml::Value::Table(entries) => entries.get(step),
        _ => None,
    })
}

/// Turns serde's sentence about an override into found and expected.
fn shape(tree: &Node, over: &Override, message: &str) -> Problem {
    let quoted = quoted(message);
    if let (true, Some(unknown)) = (message.starts_with("unknown field"), quoted.first()) {
        let (path, source) = locate(over, unknown);
        let siblings = known(tree, &path, &quoted[1..]);
        let meant = nearest(unknown, &siblings).map(|name| {
            let parents = &path[..path.len() - 1];
            parents.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".")
        });
        let expected =
            format!("one of {}", siblings.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "));
        return Problem { source, key: path.join("."), found: "a key that does not exist".to_owned(), expected, meant };
    }
    let (key, source) = (over.path.join("."), over.node.source().clone());
    if let (true, Some(missing)) = (message.starts_with("missing field"), quoted.first()) {
        let (found, expected) = ("a table that lacks a key".to_owned(), format!("`{missing}` in it"));
        return Problem { source, key, found, expected, meant: None };
    }
    let (found, expected) = (shown(&over.node.value()), expectation(message));
    let example = match tree.get(&over.path) {
        Some(Node::Leaf(default, _)) if !message.starts_with("unknown variant") => format!(", such as {default}"),
        _ => String::new(),
    };
    Problem { source, key, found, expected: expected + &example, meant: variant(message) }
}

/// Serde's sentence, or, if only some words would do, its sentence about a word in this place that is none of them: that
/// one names them.
pub(super) fn naming<T: Checked>(tree: &Node, path: &[String], message: String, none: toml::Value) -> String {
    if !message.ends_with("expected string only") {
        return message;
    }
    let mut with = tree.clone();
    with.set(path, Node::Leaf(none, Source::Default));
    misshapen::<T>(&with).filter(|named| named.starts_with("unknown variant")).unwrap_or(message)
}

/// What serde expected, and the variant that was probably meant.
pub(super) fn wanted(message: &str) -> (String, Option<String>) {
    (expectation(message), variant(message))
}

fn variant(message: &str) -> Option<String> {
    let quoted = quoted(message);
    let meant = message.starts_with("unknown variant").then(|| nearest(quoted.first()?, &quoted[1..])).flatten();
    meant.map(str::to_owned)
}

/// Words between backticks.
fn quoted(message: &str) -> Vec<String> {
    message.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Where the key `name` of an override stands: in its path, or somewhere in the table it brings.
fn locate(over: &Override, name: &str) -> (Vec<String>, Source) {
    if let Some(at) = over.path.iter().rposition(|key| key == name) {
        return (over.path[..=at].to_vec(), over.node.source().clone());
    }
    let within = over.node.leaves().into_iter().find_map(|(path, _, source)| {
        let at = path.iter().position(|key| key == name)?;
        Some((over.path.iter().chain(&path[..=at]).cloned().collect(), source.clone()))
    });
    within.unwrap_or_else(|| (over.path.iter().cloned().chain([name.to_owned()]).collect(), over.node.source().clone()))
}

/// The keys that may stand where `path` does: those serde named, and those the tree has.
fn known(tree: &Node, path: &[String], named: &[String]) -> Vec<String> {
    let beside = match tree.get(&path[..path.len() - 1]) {
        Some(Node::Table(entries, _)) => entries.keys().cloned().collect(),
        _ => BTreeSet::new(),
    };
    beside.into_iter().chain(named.iter().cloned()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What serde expected, in words of the file and not of Rust.
fn expectation(message: &str) -> String {
    let Some((_, expected)) = message.split_once(", expected ") else {
        return format!("a value that fits ({message})");
    };
    let kind = match expected.trim_start_matches("a nonzero ") {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 up",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a map" => "a table",
        "a sequence" => "a list",
        "path string" => "a string",
        other if other.starts_with("struct ") || other.contains("tagged enum ") => "a table",
        other => other,
    };
    if expected.starts_with("a nonzero ") { "a whole number from 1 up".to_owned() } else { kind.to_owned() }
}

/// The name that was probably meant: fewest edits, and no more than a third of the word.
pub(super) fn nearest<'a>(word: &str, names: &'a [String]) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    let scored = names.iter().map(|name| (edits(word, name), name.as_str()));
    scored.filter(|(distance, _)| *distance <= limit).min().map(|(_, name)| name)
}

/// Insertions, deletions and replacements between two words (Levenshtein), one row of the table at a time.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
