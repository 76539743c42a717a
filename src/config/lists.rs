//! Lists of tables: each entry is judged by itself, each key of it by itself, and what it lacks all at once.
//!
//! Nobody has defaults for an entry, so what somebody writes is laid over a right one of its kind, as it is for runtimes.

use super::error::{Problem, Source, shown};
use super::judge::{self, Checked, Refusal};
use super::kinds;
use super::tree::{self, Node, Override};

/// Keys that say which kind of table theirs is.
const TAGS: [&str; 3] = ["signal", "action", "on"];

/// What is wrong with the entries of a list: with each by itself, in a configuration that is right without it, and with
/// what they are to each other. Nothing, if nobody knows what one looks like.
pub(super) fn entries<T: Checked>(tree: &Node, over: &Override) -> Vec<Problem> {
    let Node::List(entries, source) = &over.node else { return Vec::new() };
    let examples = T::entries(&over.path);
    if examples.is_empty() {
        return Vec::new();
    }
    let (mut found, mut kept, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for (number, entry) in entries.iter().enumerate() {
        let (problems, mended) = judged::<T>(tree, over, entry, &examples);
        found.extend(problems.into_iter().map(|problem| numbered(problem, &over.path, (0, number))));
        if let Some(mended) = mended {
            kept.push(mended);
            places.push(number);
        }
    }
    let (mut with, list) = (tree.clone(), Node::List(kept, source.clone()));
    with.set(&over.path, list.clone());
    if let Err(Refusal::Values(keys)) = judge::read::<T>(&with) {
        let over = Override { path: over.path.clone(), node: list };
        for (key, expected) in keys {
            // What an example says is nobody's fault.
            let path: Vec<String> = key.split('.').map(str::to_owned).collect();
            if with.get(&path).is_some_and(|node| node.source() == &Source::Default) {
                continue;
            }
            let mut problem = judge::value(&with, &over, key, expected);
            // From behind, so that no number is changed twice.
            for (place, number) in places.iter().enumerate().rev() {
                problem = numbered(problem, &over.path, (place, *number));
            }
            if found.iter().all(|other: &Problem| other.key != problem.key) {
                found.push(problem);
            }
        }
    }
    found
}

/// What is wrong with the keys of an entry, each by itself, and the entry without that: with the keys of an example in
/// the place of wrong ones and of those it lacks. No such entry if it has no shape at all.
fn judged<T: Checked>(
    tree: &Node,
    over: &Override,
    entry: &Node,
    examples: &[toml::Value],
) -> (Vec<Problem>, Option<Node>) {
    let alone = |entry: Node| {
        let mut with = tree.clone();
        with.set(&over.path, Node::List(vec![entry], over.node.source().clone()));
        with
    };
    let place = [over.path.as_slice(), &["0".to_owned()]].concat();
    let own = alone(entry.clone());
    if judge::reads::<T>(&own) {
        return (Vec::new(), Some(entry.clone()));
    }
    let (example, opened) = fitting(examples, entry);
    let base = alone(tree::value_node(example, &Source::Default));
    let (mut problems, mut mended) = (Vec::new(), own.clone());
    if judge::reads::<T>(&base) {
        let keys = alone(opened).cut(Override { path: place.clone(), node: entry.clone() });
        let (accepted, refused) = judge::sifted::<T>(base.clone(), keys);
        mended = mend::<T>(own.clone(), &base, &place, &refused);
        let one = |(over, with, refusal)| judge::explain::<T>(&accepted, &over, &with, refusal);
        problems.extend(refused.into_iter().flat_map(one));
        problems.extend(kinds::lacking::<T>(&base, &place, &own));
    }
    if problems.is_empty() && judge::misshapen::<T>(&own).is_some() {
        // Its keys do not fit each other.
        let whole = Override { path: place.clone(), node: entry.clone() };
        problems = judge::culprits::<T>(base, vec![whole]);
    }
    let shaped = judge::misshapen::<T>(&mended).is_none();
    (problems, mended.get(&place).filter(|_| shaped).cloned())
}

/// An entry without the keys that have no place or shape in it, and with those it lacks.
fn mend<T: Checked>(mut own: Node, base: &Node, place: &[String], refused: &[judge::Refused]) -> Node {
    let misshapen = refused.iter().filter(|(.., refusal)| matches!(refusal, Refusal::Shape(_)));
    for (over, ..) in misshapen {
        match base.get(&over.path) {
            Some(right) => own.set(&over.path, right.clone()),
            None => own = own.without(&over.path),
        }
    }
    let needed = |path: &[String]| judge::misshapen::<T>(&base.without(path)).is_some();
    for (path, ..) in base.leaves() {
        if path.starts_with(place) && own.get(&path).is_none() && needed(&path) {
            base.get(&path).into_iter().for_each(|right| own.set(&path, right.clone()));
        }
    }
    own
}

/// The example that is of the kinds which an entry says, and the same in which a table of a kind nobody knows is closed,
/// so that what the entry has there is judged as a whole.
fn fitting(examples: &[toml::Value], entry: &Node) -> (toml::Value, Node) {
    let mut chosen = examples.first().cloned().unwrap_or(toml::Value::Boolean(false));
    let mut closed = Vec::new();
    let keys: Vec<String> = chosen.as_table().into_iter().flat_map(|table| table.keys().cloned()).collect();
    for key in keys {
        let tag = TAGS.into_iter().find(|tag| chosen[&key].get(tag).is_some());
        let Some((tag, said)) = tag.and_then(|tag| Some((tag, entry.get(std::slice::from_ref(&key))?))) else {
            continue;
        };
        let kind = said.get(&[tag.to_owned()]).map(Node::value);
        match examples.iter().filter_map(|one| one.get(&key)).find(|one| one.get(tag) == kind.as_ref()) {
            Some(table) => chosen[&key] = table.clone(),
            None => closed.push(key),
        }
    }
    let mut opened = tree::value_node(chosen.clone(), &Source::Default);
    // What a table of several kinds is told apart by, an entry of a list may have as any other key.
    let kind = ["kind".to_owned()];
    entry.get(&kind).into_iter().for_each(|said| opened.set(&kind, said.clone()));
    for key in closed {
        opened.set(&[key], Node::Leaf(toml::Value::Boolean(false), Source::Default));
    }
    (chosen, opened)
}

/// The same problem with the number that its entry has in the place of the one it was judged under.
fn numbered(problem: Problem, list: &[String], (judged, number): (usize, usize)) -> Problem {
    let (alone, own) = (format!("{}.{judged}", list.join(".")), format!("{}.{number}", list.join(".")));
    let renamed = |text: String| match text.strip_prefix(&alone) {
        Some(rest) if rest.is_empty() || rest.starts_with('.') => format!("{own}{rest}"),
        _ => text,
    };
    Problem { key: renamed(problem.key), meant: problem.meant.map(renamed), ..problem }
}

/// What is wrong with single words of a list of words, if any of them is by itself.
pub(super) fn words<T: Checked>(tree: &Node, over: &Override) -> Vec<Problem> {
    let Node::Leaf(toml::Value::Array(words), source) = &over.node else { return Vec::new() };
    let wrong = |(number, word): (usize, &toml::Value)| {
        let mut with = tree.clone();
        with.set(&over.path, Node::Leaf(toml::Value::Array(vec![word.clone()]), source.clone()));
        let message = judge::misshapen::<T>(&with)?;
        let (expected, meant) = judge::wanted(&message);
        let key = format!("{}.{number}", over.path.join("."));
        Some(Problem { source: source.clone(), key, found: shown(word), expected, meant })
    };
    words.iter().enumerate().filter_map(wrong).collect()
}
