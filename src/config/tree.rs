//! Values with the place each came from, and how one layer is laid over another.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::error::{Problem, Source};

/// Prefix of the environment variables that set keys.
const PREFIX: &str = "SYZYGY_";

/// A value or a table, and where it was said.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// A value that is replaced as a whole.
    Leaf(toml::Value, Source),
    /// A table, whose keys are overridden one by one.
    Table(BTreeMap<String, Node>, Source),
    /// A list with a table in it, which is replaced as a whole, though each key in it has its own place. In a path its
    /// entries are numbers.
    List(Vec<Node>, Source),
}

/// A node and the path of keys it is laid at.
#[derive(Debug, Clone)]
pub(super) struct Override {
    pub(super) path: Vec<String>,
    pub(super) node: Node,
}

impl Node {
    /// An empty layer.
    pub(super) fn empty() -> Node {
        Node::Table(BTreeMap::new(), Source::Default)
    }

    /// Reads a TOML document; `source` turns a line into a place. All syntax errors are reported.
    pub(super) fn parse(text: &str, source: &dyn Fn(usize) -> Source) -> Result<Node, Vec<Problem>> {
        let line = |at: usize| source(text[..at.min(text.len())].matches('\n').count() + 1);
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(table_node(table.get_ref(), line(0), &line));
        }
        let problem = |error: &toml::de::Error| Problem {
            source: line(error.span().map_or(0, |span| span.start)),
            key: String::new(),
            found: format!("what is no TOML ({})", error.message()),
            expected: "TOML 1.1".to_owned(),
            meant: None,
        };
        Err(errors.iter().map(problem).collect())
    }

    /// Where this was said.
    pub(super) fn source(&self) -> &Source {
        match self {
            Node::Leaf(_, source) | Node::Table(_, source) | Node::List(_, source) => source,
        }
    }

    /// The node at this path.
    pub(super) fn get(&self, path: &[String]) -> Option<&Node> {
        match (path, self) {
            ([], node) => Some(node),
            ([first, rest @ ..], Node::Table(entries, _)) => entries.get(first)?.get(rest),
            ([first, rest @ ..], Node::List(entries, _)) => entries.get(first.parse::<usize>().ok()?)?.get(rest),
            _ => None,
        }
    }

    /// The key of a table that has no other.
    pub(super) fn only_key(&self) -> Option<&str> {
        match self {
            Node::Table(entries, _) if entries.len() == 1 => entries.keys().next().map(String::as_str),
            _ => None,
        }
    }

    /// Puts a node at this path, replacing what was there.
    pub(super) fn set(&mut self, path: &[String], node: Node) {
        let Some((first, rest)) = path.split_first() else {
            *self = node;
            return;
        };
        if let Node::List(entries, _) = self
            && let Some(entry) = first.parse::<usize>().ok().and_then(|place| entries.get_mut(place))
        {
            entry.set(rest, node);
            return;
        }
        if !matches!(self, Node::Table(..)) {
            *self = Node::Table(BTreeMap::new(), node.source().clone());
        }
        if let Node::Table(entries, _) = self {
            // A table that is not there yet is said by whoever says a key of it.
            let source = node.source().clone();
            entries.entry(first.clone()).or_insert_with(|| Node::Table(BTreeMap::new(), source)).set(rest, node);
        }
    }

    /// The same without the node at this path.
    pub(super) fn without(&self, path: &[String]) -> Node {
        let mut rest = self.clone();
        rest.remove(path);
        rest
    }

    fn remove(&mut self, path: &[String]) {
        match (self, path.split_first()) {
            (Node::Table(entries, _), Some((first, rest))) => match entries.get_mut(first) {
                Some(inner) if !rest.is_empty() => inner.remove(rest),
                _ => drop(entries.remove(first)),
            },
            (Node::List(entries, _), Some((first, rest))) => {
                let entry = first.parse::<usize>().ok().and_then(|place| entries.get_mut(place));
                entry.into_iter().for_each(|entry| entry.remove(rest));
            }
            _ => {}
        }
    }

    /// The same without the places.
    pub(super) fn value(&self) -> toml::Value {
        match self {
            Node::Leaf(value, _) => value.clone(),
            Node::Table(entries, _) => {
                toml::Value::Table(entries.iter().map(|(key, node)| (key.clone(), node.value())).collect())
            }
            Node::List(entries, _) => toml::Value::Array(entries.iter().map(Node::value).collect()),
        }
    }

    /// Every leaf with its path, in order of path.
    pub(super) fn leaves(&self) -> Vec<(Vec<String>, &toml::Value, &Source)> {
        let mut found = Vec::new();
        self.collect(&mut Vec::new(), &mut found);
        found
    }

    fn collect<'a>(&'a self, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, &'a toml::Value, &'a Source)>) {
        match self {
            Node::Leaf(value, source) => found.push((path.clone(), value, source)),
            Node::Table(entries, _) => {
                for (key, node) in entries {
                    path.push(key.clone());
                    node.collect(path, found);
                    path.pop();
                }
            }
            Node::List(entries, _) => {
                for (place, node) in entries.iter().enumerate() {
                    path.push(place.to_string());
                    node.collect(path, found);
                    path.pop();
                }
            }
        }
    }

    /// Cuts an override into those it makes of this tree.
    pub(super) fn cut(&self, mut over: Override) -> Vec<Override> {
        let mut found = Vec::new();
        cut(self.get(&over.path), over.node, &mut over.path, &mut found, true);
        found
    }

    /// The same for an entry of a list, where `kind` is a key as any other.
    pub(super) fn cut_entry(&self, mut over: Override) -> Vec<Override> {
        let mut found = Vec::new();
        cut(self.get(&over.path), over.node, &mut over.path, &mut found, false);
        found
    }

    /// Cuts a layer into the overrides it makes of this tree: one for each leaf this tree has too, and one for each
    /// whole table it has not. A table that says another `kind` than ours means another thing with other keys, and
    /// replaces ours.
    pub(super) fn overrides(&self, layer: Node) -> Vec<Override> {
        let mut found = Vec::new();
        cut(Some(self), layer, &mut Vec::new(), &mut found, true);
        found
    }
}

fn cut(base: Option<&Node>, layer: Node, path: &mut Vec<String>, found: &mut Vec<Override>, kinds: bool) {
    match (base, layer) {
        (Some(Node::Table(ours, _)), Node::Table(theirs, _)) if !(kinds && changes_kind(ours, &theirs)) => {
            for (key, node) in theirs {
                path.push(key.clone());
                cut(ours.get(&key), node, path, found, kinds);
                path.pop();
            }
        }
        // Keys of entries, by the numbers of the entries, whether these are there or not.
        (Some(list @ (Node::List(..) | Node::Leaf(toml::Value::Array(_), _))), Node::Table(theirs, _))
            if !theirs.is_empty() && theirs.keys().all(|key| key.parse::<usize>().is_ok()) =>
        {
            for (key, node) in theirs {
                path.push(key.clone());
                cut(list.get(std::slice::from_ref(&key)), node, path, found, kinds);
                path.pop();
            }
        }
        (_, node) => found.push(Override { path: path.clone(), node }),
    }
}

fn changes_kind(ours: &BTreeMap<String, Node>, theirs: &BTreeMap<String, Node>) -> bool {
    match (ours.get("kind"), theirs.get("kind")) {
        (Some(ours), Some(theirs)) => ours.value() != theirs.value(),
        _ => false,
    }
}

fn table_node(table: &DeTable<'_>, source: Source, line: &dyn Fn(usize) -> Source) -> Node {
    let entries = table.iter().map(|(key, value)| {
        let place = line(key.span().start);
        (key.get_ref().to_string(), value_at(value, place, line))
    });
    Node::Table(entries.collect(), source)
}

fn value_at(value: &Spanned<DeValue<'_>>, place: Source, line: &dyn Fn(usize) -> Source) -> Node {
    match value.get_ref() {
        DeValue::Table(inner) => table_node(inner, place, line),
        DeValue::Array(entries) if entries.iter().any(|one| matches!(one.get_ref(), DeValue::Table(_))) => {
            let entry = |one: &Spanned<DeValue<'_>>| value_at(one, line(one.span().start), line);
            Node::List(entries.iter().map(entry).collect(), place)
        }
        _ => Node::Leaf(plain(value.clone()), place),
    }
}

/// The value without its spans. What parsed as TOML always is one; an integer beyond 64 bits is kept as its digits, so
/// that the section it stands in refuses it by name.
fn plain(value: Spanned<DeValue<'_>>) -> toml::Value {
    let digits = match value.get_ref() {
        DeValue::Integer(integer) => integer.to_string(),
        _ => String::new(),
    };
    toml::Value::deserialize(ValueDeserializer::from(value)).unwrap_or(toml::Value::String(digits))
}

/// A text as a value: of the type it replaces; if it replaces nothing, whatever TOML makes of it, or else a string.
pub(super) fn typed(text: &str, replaces: Option<&Node>) -> toml::Value {
    let string = || toml::Value::String(text.to_owned());
    match replaces {
        Some(Node::Leaf(toml::Value::String(_), _)) => string(),
        Some(Node::Leaf(toml::Value::Float(_), _)) => text.parse().map_or_else(|_| string(), toml::Value::Float),
        _ => DeValue::parse(text).map_or_else(|_| string(), plain),
    }
}

/// The layer that the environment makes over this tree, and the variables that look like keys but miss an underscore.
pub(super) fn environment_layer(base: &Node, environment: &[(String, String)]) -> (Node, Vec<Problem>) {
    let (mut layer, mut problems) = (Node::empty(), Vec::new());
    for (name, text) in environment {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let source = Source::Environment(name.clone());
        if rest.contains("__") {
            let path = resolve(base, rest);
            let value = typed(text, base.get(&path));
            layer.set(&path, value_node(value, &source));
        } else if let Some((path, ..)) = base.leaves().iter().find(|(path, ..)| upper(&path.join("_")) == *rest) {
            let variable = format!("{PREFIX}{}", upper(&path.join("__")));
            let (found, expected) = (format!("`{name}`"), "two underscores between section and key".to_owned());
            problems.push(Problem { source, key: path.join("."), found, expected, meant: Some(variable) });
        }
    }
    (layer, problems)
}

/// A value of the environment or the command line; tables are opened up, so that they merge as those of a file do.
pub(super) fn value_node(value: toml::Value, source: &Source) -> Node {
    match value {
        toml::Value::Table(table) => {
            let entries = table.into_iter().map(|(key, value)| (key, value_node(value, source)));
            Node::Table(entries.collect(), source.clone())
        }
        toml::Value::Array(list) if list.iter().any(toml::Value::is_table) => {
            Node::List(list.into_iter().map(|value| value_node(value, source)).collect(), source.clone())
        }
        value => Node::Leaf(value, source.clone()),
    }
}

fn upper(key: &str) -> String {
    key.to_uppercase().replace('-', "_")
}

/// The path that `SECTION__KEY` means. A variable cannot hold `-` or small letters, so keys that exist are found
/// without regard to both.
fn resolve(base: &Node, name: &str) -> Vec<String> {
    let mut path: Vec<String> = Vec::new();
    for word in name.split("__") {
        let known = match base.get(&path) {
            Some(Node::Table(entries, _)) => entries.keys().find(|key| upper(key) == word).cloned(),
            _ => None,
        };
        path.push(known.unwrap_or_else(|| word.to_lowercase()));
    }
    path
}
