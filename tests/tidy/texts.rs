//! Files that are not Rust, or are read as text: config keys, paths of a machine, the words of the documents.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::shape::has_word;
use super::source::{Complaint, File};
use super::tables::{MACHINE_PATHS, WORDS};

/// A key of a config file: its name, its line from 1, and whether a comment stands above it.
struct Key {
    name: String,
    line: usize,
    explained: bool,
}

fn keys(text: &str) -> Result<Vec<Key>, (usize, String)> {
    let line_of = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
    let table = DeTable::parse(text)
        .map_err(|error| (line_of(error.span().map_or(0, |span| span.start)), error.message().to_owned()))?;
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    collect(text, table.get_ref(), &mut |name, at| {
        let line = line_of(at);
        let explained = line > 1 && lines[line - 2].trim_start().starts_with('#');
        found.push(Key { name: name.to_owned(), line, explained });
    });
    found.sort_by_key(|key| key.line);
    Ok(found)
}

/// A table written as `[section]` or `[[section]]`, whose keys have lines of their own; `{ }` is one value.
fn section<'a, 'b>(text: &str, value: &'a Spanned<DeValue<'b>>) -> Option<&'a DeTable<'b>> {
    value.get_ref().as_table().filter(|_| !text[value.span()].starts_with('{'))
}

/// Sees every key with a value. What stands in an inline table is explained with the table.
fn collect(text: &str, table: &DeTable<'_>, see: &mut impl FnMut(&str, usize)) {
    for (key, value) in table {
        let entries = value.get_ref().as_array().map(|items| items.iter().filter_map(|item| section(text, item)));
        let entries: Vec<&DeTable<'_>> = entries.into_iter().flatten().collect();
        if let Some(inner) = section(text, value) {
            collect(text, inner, see);
        } else if entries.is_empty() {
            see(key.get_ref(), key.span().start);
        } else {
            entries.into_iter().for_each(|inner| collect(text, inner, see));
        }
    }
}

/// Every config key is explained above it. In `default.toml` that is each key; in a catalogue (`models.toml`, the files
/// of a folder such as `config/agents`), whose entries repeat the same keys, it is each key once.
pub(crate) fn config_keys(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut catalogues: BTreeMap<&str, Vec<(&File, Key)>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.path.starts_with("config/") && file.path.ends_with(".toml")) {
        let found = match keys(&file.text) {
            Ok(found) => found,
            Err((line, error)) => {
                complaints.push(file.complain(line, format!("does not parse: {error}")));
                continue;
            }
        };
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let catalogue = if folder == "config" { file.path.as_str() } else { folder };
        catalogues.entry(catalogue).or_default().extend(found.into_iter().map(|key| (file, key)));
    }
    for (catalogue, keys) in catalogues {
        let mut known: BTreeSet<&str> = BTreeSet::new();
        if catalogue != "config/default.toml" {
            known.extend(keys.iter().filter(|(_, key)| key.explained).map(|(_, key)| key.name.as_str()));
        }
        for (file, key) in keys.iter().filter(|(_, key)| !key.explained) {
            // A catalogue is told once about a key, however many entries have it.
            let told = catalogue != "config/default.toml" && !known.insert(&key.name);
            if !told {
                let advice = "say in a comment above it what it does, in which unit, and why this value";
                complaints.push(file.complain(key.line, format!("`{}` is not explained; {advice}", key.name)));
            }
        }
    }
    complaints
}

/// Files in which no path of somebody's machine may stand. Tests may invent paths, and this rule's own table must.
fn is_published(file: &File) -> bool {
    !file.path.starts_with("tests/")
}

/// What is published runs on every machine, so it names no path of one.
pub(crate) fn machine_paths(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| is_published(file)) {
        for (index, line) in file.text.lines().enumerate() {
            for path in MACHINE_PATHS.iter().filter(|path| starts_path(line, path)) {
                let text =
                    format!("`{path}` is a path of one machine; take it from the config, or from tempfile in a test");
                complaints.push(file.complain(index + 1, text));
            }
        }
    }
    complaints
}

/// Whether an absolute path begins with `path` somewhere in the line: `a/tmp/b` does not.
fn starts_path(line: &str, path: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || "._-~/}$)*".contains(c);
    line.match_indices(path).any(|(at, _)| !line[..at].chars().next_back().is_some_and(part))
}

/// Documents say what is so, in plain words.
pub(crate) fn words(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (index, line) in file.text.lines().enumerate() {
            let line = line.to_lowercase();
            for (word, instead) in WORDS.iter().filter(|(word, _)| has_word(&line, word)) {
                complaints.push(file.complain(index + 1, format!("`{word}`: {instead}")));
            }
        }
    }
    complaints
}
