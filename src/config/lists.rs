//! Lists of tables: each entry is judged by itself, each key of it by itself, and what it lacks all at once.
//!
//! Nobody has defaults for an entry, so the shape of what somebody writes is judged by laying it over an example of its
//! kind, as it is for runtimes. What its values cannot be is judged last and for all entries together, with the example's
//! keys standing in for what has the wrong shape. What hangs on a stand-in is not told, since nobody said it.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{Problem, Source, shown};
use super::judge::{self, Checked, Refusal};
use super::kinds;
use super::tree::{self, Node, Override};

/// Another value for a number that stands in: greater than what anybody means, and it fits into four bytes.
const ANOTHER: u32 = 1_000_000_000;

/// The overrides, with single keys of entries as part of the list that an earlier one brings, so that an entry is judged
/// as everybody together said it; and those of entries that nobody said.
pub(super) fn gathered(base: &Node, overrides: Vec<Override>) -> (Vec<Override>, Vec<Problem>) {
    let (mut whole, mut kept, mut astray) = (base.clone(), Vec::<Override>::new(), Vec::new());
    for over in overrides {
        if let Some(entries) = beyond(&whole, &over.path) {
            astray.extend(strays(&over, entries));
            continue;
        }
        whole.set(&over.path, over.node.clone());
        let above = |one: &Override| over.path.len() > one.path.len() && over.path.starts_with(&one.path);
        match kept.iter_mut().rev().find(|one| matches!(one.node, Node::List(..)) && above(one)) {
            Some(list) => list.node.set(&over.path[list.path.len()..], over.node),
            None => kept.push(over),
        }
    }
    (kept, astray)
}

/// How many entries the list has that a path leads into, if it leads to none of them.
fn beyond(whole: &Node, path: &[String]) -> Option<usize> {
    path.iter().enumerate().find_map(|(at, key)| {
        let entries = match whole.get(&path[..at])? {
            Node::List(entries, _) => entries.len(),
            Node::Leaf(toml::Value::Array(_), _) => 0,
            Node::Leaf(..) | Node::Table(..) => return None,
        };
        let known = key.parse::<usize>().is_ok_and(|number| number < entries);
        (!known).then_some(entries)
    })
}

/// What is wrong with keys of an entry that a list of so many tables does not have.
fn strays(over: &Override, entries: usize) -> Vec<Problem> {
    let expected = match entries.checked_sub(1) {
        None => "the list as a whole, since no table is in it".to_owned(),
        Some(last) => format!("the number of an entry, from 0 to {last}, or the list as a whole"),
    };
    let stray = |(rest, _, source): (Vec<String>, &toml::Value, &Source)| Problem {
        source: source.clone(),
        key: [over.path.as_slice(), &rest].concat().join("."),
        found: "an entry that does not exist".to_owned(),
        expected: expected.clone(),
        meant: None,
    };
    over.node.leaves().into_iter().map(stray).collect()
}

/// What is wrong with the entries of a list: with each by itself, and with what they are to each other and to the rest.
/// Nothing, if nobody knows what one looks like.
pub(super) fn entries<T: Checked>(tree: &Node, over: &Override) -> Vec<Problem> {
    let Node::List(entries, source) = &over.node else { return Vec::new() };
    let examples = T::entries(&over.path);
    if examples.is_empty() {
        return Vec::new();
    }
    let (mut found, mut mended, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (number, entry) in entries.iter().enumerate() {
        let judged = judged::<T>(tree, over, (number, entry), &examples);
        found.extend(judged.problems.into_iter().map(|problem| numbered(problem, &over.path, number)));
        mended.push(judged.mended);
        others.push(judged.other);
    }
    let list = |entries| Override { path: over.path.clone(), node: Node::List(entries, source.clone()) };
    // Values of a list within an entry are judged with the entry.
    if !over.path.iter().any(|key| key.parse::<usize>().is_ok()) {
        found.extend(values::<T>(tree, over, [&list(mended), &list(others)]));
    }
    found
}

/// What cannot work in a list once its entries all have the right shape, but for what is said of stand-ins and for what is
/// not so in the list with other ones.
fn values<T: Checked>(tree: &Node, over: &Override, [mended, other]: [&Override; 2]) -> Vec<Problem> {
    let laid = |list: &Override| {
        let mut with = tree.clone();
        with.set(&list.path, list.node.clone());
        with
    };
    let refused = |with: &Node| match judge::read::<T>(with) {
        Err(Refusal::Values(keys)) => keys,
        Ok(_) | Err(Refusal::Shape(_)) => Vec::new(),
    };
    let (with, own) = (laid(mended), laid(over));
    let always: BTreeSet<(String, String)> = refused(&laid(other)).into_iter().collect();
    let stands_in = |key: &str| {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        path.starts_with(&over.path) && with.get(&path).is_some_and(|node| node.source() == &Source::Default)
    };
    let certain = refused(&with).into_iter().filter(|wrong| always.contains(wrong) && !stands_in(&wrong.0));
    // What is shown is what was said, without any stand-ins.
    certain.map(|(key, expected)| judge::value(&own, over, key, expected)).collect()
}

/// An entry of which the shape was judged.
struct Judged {
    problems: Vec<Problem>,
    /// The entry with keys of an example in the place of what has the wrong shape and of what it lacks.
    mended: Node,
    /// The same with other values for these, as far as there are any.
    other: Node,
}

/// Judges the shape of an entry, each key by itself, as if it were the only one of its list.
fn judged<T: Checked>(
    tree: &Node,
    over: &Override,
    (number, entry): (usize, &Node),
    examples: &[toml::Value],
) -> Judged {
    let alone = |entry: Node| {
        let mut with = tree.clone();
        with.set(&over.path, Node::List(vec![entry], over.node.source().clone()));
        with
    };
    let place = [over.path.as_slice(), &["0".to_owned()]].concat();
    let own = alone(entry.clone());
    let Some(message) = judge::misshapen::<T>(&own) else {
        return Judged { problems: Vec::new(), mended: entry.clone(), other: entry.clone() };
    };
    let (example, opened) = fitting(examples, entry);
    let base = alone(example);
    let (right, refused) =
        sifted::<T>(&base, alone(opened).cut_entry(Override { path: place.clone(), node: entry.clone() }));
    let mut mended = own.clone();
    for (key, ..) in &refused {
        match mended_list::<T>(&right, key) {
            Some(list) => mended.set(&key.path, list),
            None => stand_in(&mut mended, &base, &key.path),
        }
    }
    let lacks = kinds::lacks::<T>(&base, &place, &mended);
    let told = |(key, with, message): (Override, Node, String)| {
        judge::explain::<T>(&right, &key, &with, Refusal::Shape(message))
    };
    let mut problems: Vec<Problem> = refused.into_iter().flat_map(told).collect();
    // Who misspells a key means to say it.
    for meant in problems.iter().filter_map(|problem| problem.meant.as_ref()) {
        let path: Vec<String> = meant.split('.').map(str::to_owned).collect();
        if path.starts_with(&place) && mended.get(&path).is_none() {
            stand_in(&mut mended, &base, &path);
        }
    }
    for lack in lacks {
        lack.keys
            .iter()
            .for_each(|key| stand_in(&mut mended, &base, &[&lack.place, std::slice::from_ref(key)].concat()));
        problems.push(lack.problem::<T>());
    }
    if problems.is_empty() {
        // Its keys do not fit each other.
        let whole = Override { path: place.clone(), node: entry.clone() };
        problems = judge::explain::<T>(&base, &whole, &own, Refusal::Shape(message));
    }
    if judge::misshapen::<T>(&mended).is_some() {
        mended = base;
    }
    let other = varied::<T>(&mended, &place, number);
    let entry_of = |with: &Node| with.get(&place).cloned().unwrap_or_else(Node::empty);
    Judged { problems, mended: entry_of(&mended), other: entry_of(&other) }
}

/// A list within an entry, each of its own entries with keys of an example where it has to be.
fn mended_list<T: Checked>(tree: &Node, over: &Override) -> Option<Node> {
    let (Node::List(entries, source), examples) = (&over.node, T::entries(&over.path)) else { return None };
    let each = entries.iter().enumerate().map(|entry| judged::<T>(tree, over, entry, &examples).mended);
    (!examples.is_empty()).then(|| Node::List(each.collect(), source.clone()))
}

/// The tree with every override that keeps its shape, and those that do not, each with the tree it makes and serde's
/// sentence about that.
fn sifted<T: Checked>(base: &Node, overrides: Vec<Override>) -> (Node, Vec<(Override, Node, String)>) {
    let (mut right, mut refused) = (base.clone(), Vec::new());
    for over in overrides {
        let mut with = right.clone();
        with.set(&over.path, over.node.clone());
        match judge::misshapen::<T>(&with) {
            None => right = with,
            Some(message) => refused.push((over, with, message)),
        }
    }
    (right, refused)
}

/// Puts what an example has at this path into its place, or nothing if an example has nothing there.
fn stand_in(mended: &mut Node, example: &Node, path: &[String]) {
    match example.get(path) {
        Some(right) => mended.set(path, right.clone()),
        None => *mended = mended.without(path),
    }
}

/// The same with other texts and numbers in the place of those that stand in, where that leaves the shape as it is. They
/// are others for each entry.
fn varied<T: Checked>(mended: &Node, place: &[String], number: usize) -> Node {
    let mut varied = mended.clone();
    let entry = mended.get(place).map(Node::leaves).unwrap_or_default();
    for (rest, value, _) in entry.into_iter().filter(|(.., source)| *source == &Source::Default) {
        let another = match value {
            toml::Value::String(text) => toml::Value::String(format!("{text}-{number}")),
            toml::Value::Integer(_) => toml::Value::Integer(ANOTHER.into()),
            toml::Value::Float(_) => toml::Value::Float(ANOTHER.into()),
            _ => continue,
        };
        let mut candidate = varied.clone();
        candidate.set(&[place, &rest].concat(), Node::Leaf(another, Source::Default));
        if judge::misshapen::<T>(&candidate).is_none() {
            varied = candidate;
        }
    }
    varied
}

/// An example with every key there is, whose tables are of the kinds that the entry says; and the same in which a table of
/// a kind that nobody knows is closed, so that what the entry has there is judged as a whole.
fn fitting(examples: &[toml::Value], entry: &Node) -> (Node, Node) {
    let mut chosen: BTreeMap<&String, &toml::Value> = BTreeMap::new();
    for (key, value) in examples.iter().filter_map(toml::Value::as_table).flatten() {
        chosen.entry(key).or_insert(value);
    }
    let mut closed = Vec::new();
    for (key, value) in &mut chosen {
        let Some(said) = entry.get(std::slice::from_ref(*key)) else { continue };
        let kinds = named(examples, key);
        if kinds.len() > 1 {
            // The only key of the table is its kind.
            match kinds.into_iter().find(|(kind, _)| said.only_key() == Some(kind)) {
                Some((_, table)) => *value = table,
                None => closed.push((*key).clone()),
            }
            continue;
        }
        let Some(tag) = tag(examples, key) else { continue };
        let kind = said.get(std::slice::from_ref(&tag)).map(Node::value);
        match examples.iter().filter_map(|one| one.get(*key)).find(|one| one.get(&tag) == kind.as_ref()) {
            Some(table) => *value = table,
            None => closed.push((*key).clone()),
        }
    }
    let chosen = chosen.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    let example = tree::value_node(toml::Value::Table(chosen), &Source::Default);
    let mut opened = example.clone();
    closed.into_iter().for_each(|key| opened.set(&[key], Node::Leaf(toml::Value::Boolean(false), Source::Default)));
    (example, opened)
}

/// The key of a table in an entry by which tables of several kinds are told apart: every example has it, and not all the
/// same.
pub(super) fn tag(examples: &[toml::Value], key: &str) -> Option<String> {
    let tables: Vec<&toml::Table> = examples.iter().filter_map(|one| one.get(key)?.as_table()).collect();
    let words = |name: &str| tables.iter().map(|table| table.get(name)?.as_str()).collect::<Option<BTreeSet<&str>>>();
    tables.first()?.keys().find(|name| words(name).is_some_and(|words| words.len() > 1)).cloned()
}

/// The tables that stand at a key by their only key, if every example has one of only one key there.
fn named<'a>(examples: &'a [toml::Value], key: &str) -> BTreeMap<&'a str, &'a toml::Value> {
    let only = |value: &'a toml::Value| {
        let table = value.as_table().filter(|table| table.len() == 1)?;
        Some((table.keys().next()?.as_str(), value))
    };
    examples.iter().filter_map(|one| one.get(key)).map(only).collect::<Option<_>>().unwrap_or_default()
}

/// The same problem with the number that its entry has, instead of that of the only one.
fn numbered(problem: Problem, list: &[String], number: usize) -> Problem {
    let (alone, own) = (format!("{}.0", list.join(".")), format!("{}.{number}", list.join(".")));
    let renamed = |text: String| match text.strip_prefix(&alone) {
        Some(rest) if rest.is_empty() || rest.starts_with('.') => format!("{own}{rest}"),
        _ => text,
    };
    Problem { key: renamed(problem.key), meant: problem.meant.map(renamed), ..problem }
}

/// What is wrong with single words of a list of words, if any of them is by itself.
pub(super) fn words<T: Checked>(tree: &Node, over: &Override) -> Vec<Problem> {
    let (toml::Value::Array(words), source) = (over.node.value(), over.node.source()) else { return Vec::new() };
    let mut without = tree.clone();
    without.set(&over.path, Node::Leaf(toml::Value::Array(Vec::new()), source.clone()));
    if judge::misshapen::<T>(&without).is_some() {
        // It is not the words that are wrong.
        return Vec::new();
    }
    let wrong = |(number, word): (usize, &toml::Value)| {
        let mut with = tree.clone();
        with.set(&over.path, Node::Leaf(toml::Value::Array(vec![word.clone()]), source.clone()));
        let none = toml::Value::Array(vec![toml::Value::String(String::new())]);
        let message = judge::naming::<T>(tree, &over.path, judge::misshapen::<T>(&with)?, none);
        let (expected, meant) = judge::wanted(&message);
        let key = format!("{}.{number}", over.path.join("."));
        Some(Problem { source: source.clone(), key, found: shown(word), expected, meant })
    };
    words.iter().enumerate().filter_map(wrong).collect()
}
