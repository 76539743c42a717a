//! Every list of tables there is, found by asking serde what each table can hold, and every key of every entry.

use super::*;
use crate::actors::agent::Profile;
use crate::config::{kinds, lists};

const NOBODYS: &str = "no such word";

fn nobodys() -> toml::Value {
    toml::Value::Table([(NOBODYS.to_owned(), true.into())].into_iter().collect())
}

fn words(message: &str) -> Vec<String> {
    message.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

fn place(path: &[String], key: &str) -> Vec<String> {
    [path, &[key.to_owned()]].concat()
}

/// Serde's sentence about the tree with this at this path, if it has none of its own about what is there.
fn sentence<T: Checked>(tree: &Node, path: &[String], value: toml::Value) -> Option<String> {
    let mut with = tree.clone();
    with.set(path, tree::value_node(value, &Source::Default));
    judge::misshapen::<T>(&with)
}

/// Every key that the table at this path can have; none if there can be no table, or one with any keys.
fn keys<T: Checked>(tree: &Node, path: &[String]) -> Option<Vec<String>> {
    let message = sentence::<T>(tree, &place(path, NOBODYS), true.into())?;
    message.starts_with(&format!("unknown field `{NOBODYS}`")).then(|| words(&message))
}

/// Every list of tables from this path on, also of keys that nobody said.
fn lists_in<T: Checked>(tree: &Node, path: &[String], found: &mut BTreeSet<String>) {
    let mut inside: BTreeSet<String> = keys::<T>(tree, path).into_iter().flatten().collect();
    if let Some(Node::Table(said, _)) = tree.get(path) {
        inside.extend(said.keys().cloned());
    }
    for path in inside.iter().map(|key| place(path, key)) {
        if keys::<T>(tree, &path).is_some() || matches!(tree.get(&path), Some(Node::Table(..))) {
            lists_in::<T>(tree, &path, found);
            continue;
        }
        let message = sentence::<T>(tree, &path, toml::Value::Array(vec![nobodys()]));
        // What is wrong is in the table, so a table may be there.
        let inside = [&format!("unknown field `{NOBODYS}`"), "missing field", "invalid type: boolean"];
        if message.is_none_or(|message| inside.iter().any(|start| message.starts_with(*start))) {
            found.insert(path.join("."));
        }
    }
}

/// The defaults, with a runtime of every kind.
fn everything() -> Node {
    let mut tree = Node::parse(DEFAULTS, &|_| Source::Default).unwrap();
    for (number, runtime) in inference::RuntimeConfig::examples().into_iter().enumerate() {
        let path = ["inference", "runtimes", &format!("example-{number}")].map(str::to_owned);
        tree.set(&path, tree::value_node(toml::Value::try_from(runtime).unwrap(), &Source::Default));
    }
    assert!(judge::misshapen::<Config>(&tree).is_none());
    tree
}

fn lists() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    lists_in::<Config>(&everything(), &[], &mut found);
    found
}

#[test]
fn every_list_of_tables_has_examples_and_is_explained() {
    let lists = lists();
    let header = |line: &str| {
        let named = line.trim_start_matches("# ").strip_prefix("[[")?;
        Some(named.split_once("]]")?.0.to_owned())
    };
    let explained: BTreeSet<String> = DEFAULTS.lines().filter_map(header).collect();
    assert!(explained.len() > 4 && explained.is_subset(&lists), "{explained:?} are not all of {lists:?}");
    for list in &lists {
        assert!(!kinds::entries(list).is_empty(), "nobody knows what an entry of {list} looks like");
    }
    let marvin = Node::parse(include_str!("../../../config/agents/marvin.toml"), &|_| Source::Default).unwrap();
    let mut of_agents = BTreeSet::new();
    lists_in::<Profile>(&marvin, &[], &mut of_agents);
    assert_eq!(of_agents, BTreeSet::new(), "an agent's lists of tables need examples too");
}

/// The keys of this table, and of those in it, that serde knows and it has not; and the words of which a table of another
/// shape is told by, and which no example has.
fn lacking(tree: &Node, path: &[String], entry: usize, examples: &[toml::Value]) -> Vec<String> {
    let Some(Node::Table(table, _)) = tree.get(path) else { return Vec::new() };
    let own = &path[entry..];
    let at = |example: &toml::Value| own.iter().try_fold(example, |value, key| value.get(key)).cloned();
    let has = |key: &String| match own {
        // An entry's own keys may be split among its examples, those of a table in it may not.
        [] => examples.iter().any(|one| one.get(key).is_some()),
        _ => table.contains_key(key),
    };
    let known = keys::<Config>(tree, path).unwrap_or_default();
    let mut lacking: Vec<String> =
        known.into_iter().filter(|key| !has(key)).map(|key| place(own, &key).join(".")).collect();
    for (key, node) in table {
        let path = place(path, key);
        lacking.extend(self::lacking(tree, &path, entry, examples));
        if !node.value().is_str() {
            continue;
        }
        let message = sentence::<Config>(tree, &path, NOBODYS.into()).unwrap_or_default();
        let variants = if message.starts_with("unknown variant") { words(&message) } else { Vec::new() };
        let other = |word: &String| sentence::<Config>(tree, &path, word.as_str().into()).is_some();
        for word in variants.into_iter().filter(other) {
            let shown =
                examples.iter().filter_map(at).any(|one| one.get(key).and_then(toml::Value::as_str) == Some(&word));
            if !shown {
                lacking.push(format!("{key} = {word:?}"));
            }
        }
    }
    lacking
}

#[test]
fn the_examples_of_a_list_have_every_key_of_every_kind() {
    let tree = everything();
    for list in lists() {
        let path: Vec<String> = list.split('.').map(str::to_owned).collect();
        let examples = kinds::entries(&list);
        for example in &examples {
            let mut with = tree.clone();
            with.set(&path, tree::value_node(toml::Value::Array(vec![example.clone()]), &Source::Default));
            assert_eq!(judge::misshapen::<Config>(&with), None, "{example}");
            let entry = place(&path, "0");
            let lacking = lacking(&with, &entry, entry.len(), &examples);
            assert!(lacking.is_empty(), "no example of {list} has {lacking:?}");
        }
    }
}

/// Every value of a table, with its path.
fn leaves(table: &toml::Value, path: &[String]) -> Vec<(Vec<String>, toml::Value)> {
    let entries = table.as_table().unwrap().iter();
    let inside = entries.flat_map(|(key, value)| match value.as_table() {
        Some(table) if !table.is_empty() => leaves(value, &place(path, key)),
        _ => vec![(place(path, key), value.clone())],
    });
    inside.collect()
}

/// Entries of a list as a file has them, each value on a line of its own: with these of these entries spoilt, and the lines
/// where that is.
fn spoilt(list: &str, entries: &[Vec<(Vec<String>, toml::Value)>], wrong: &[(usize, usize)]) -> (String, Vec<String>) {
    let (mut text, mut told) = (String::new(), Vec::new());
    for (number, leaves) in entries.iter().enumerate() {
        text += &format!("[[{list}]]\n");
        for (at, (path, value)) in leaves.iter().enumerate() {
            let path = path.join(".");
            let is_wrong = wrong.contains(&(number, at));
            // Nothing is a table and no table.
            let value = match (is_wrong, value.is_table()) {
                (true, true) => "5".to_owned(),
                (true, false) => "{ wrong = true }".to_owned(),
                (false, _) => value.to_string(),
            };
            text += &format!("{path} = {value}\n");
            if is_wrong {
                told.push(format!("f:{}: {list}.{number}.{path}: found {value}, expected ", text.lines().count()));
            }
        }
    }
    (text, told)
}

// CF3.
#[test]
fn two_wrong_keys_in_each_of_three_entries_are_six_problems_whichever_list_and_keys() {
    let mut tried = 0;
    for list in lists() {
        let examples = kinds::entries(&list);
        for example in &examples {
            let leaves = leaves(example, &[]);
            // What a table is told apart by is tried below.
            let is_tag = |path: &[String]| path.len() > 1 && lists::tag(&examples, &path[0]).as_ref() == path.get(1);
            let keys: Vec<usize> = (0..leaves.len()).filter(|at| !is_tag(&leaves[*at].0)).collect();
            let entries = vec![leaves.clone(); 3];
            // Three that are the same may not be beside each other, which is told of them as they are.
            let about = |told: &String| told.split(": found ").next().unwrap_or_default().to_owned();
            let before: BTreeSet<String> = told_of(&spoilt(&list, &entries, &[]).0).iter().map(about).collect();
            for first in 0..keys.len() {
                let pick = |entry: usize, more: usize| (entry, keys[(first + 2 * entry + more) % keys.len()]);
                let wrong: Vec<(usize, usize)> = (0..3).flat_map(|entry| [pick(entry, 0), pick(entry, 1)]).collect();
                let (text, expected) = spoilt(&list, &entries, &wrong);
                let found = told_of(&text);
                assert_eq!(expected.len(), 6, "{text}");
                for one in &expected {
                    assert!(found.iter().any(|told| told.starts_with(one)), "{text}\n{one}\n{found:#?}");
                }
                let more = found.iter().filter(|told| expected.iter().all(|one| !told.starts_with(one)));
                let more: Vec<&String> = more.filter(|told| !before.contains(&about(told))).collect();
                assert!(more.is_empty(), "{text}\n{more:#?}");
                tried += 1;
            }
            for at in (0..leaves.len()).filter(|at| is_tag(&leaves[*at].0)) {
                let (text, _) = spoilt(&list, &entries, &[(1, at)]);
                let key = &leaves[at].0[0];
                let first = leaves.iter().position(|(path, _)| path[0] == *key).unwrap();
                let line = leaves.len() + 3 + first;
                let expected = format!("f:{line}: {list}.1.{key}: found ");
                let found = told_of(&text);
                assert!(found.iter().any(|told| told.starts_with(&expected)), "{text}\n{expected}\n{found:#?}");
            }
        }
    }
    assert!(tried > 80, "{tried}");
}

/// What is told of a file, or nothing if it is right.
fn told_of(text: &str) -> Vec<String> {
    let (_folder, inputs) = with_file(text);
    let file = inputs.file.clone().unwrap().display().to_string();
    match load(&inputs) {
        Err(Error::Problems(problems)) => {
            problems.iter().map(|problem| problem.to_string().replace(&file, "f")).collect()
        }
        _ => Vec::new(),
    }
}
