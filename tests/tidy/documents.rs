//! Documents that repeat what the code says, held against the code.

use std::collections::BTreeSet;

use syzygy::types::Class;

use super::source::{Complaint, File};

const ERRORS: &str = include_str!("../../docs/errors.md");

/// Promises: each has a number of its own and names a test that exists.
pub(crate) fn promises(files: &[File]) -> Vec<Complaint> {
    let tests: BTreeSet<&str> =
        files.iter().filter(|file| file.is_test()).flat_map(|file| functions(&file.text)).collect();
    let document = files.iter().filter(|file| file.path == "docs/semantics.md");
    document.flat_map(|file| judge(file, &tests)).collect()
}

/// Names of functions in a source text.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    text.split("fn ").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

fn judge(file: &File, tests: &BTreeSet<&str>) -> Vec<Complaint> {
    let (mut found, mut numbers) = (Vec::new(), BTreeSet::new());
    for (number, line, text) in numbered(&file.text) {
        if !numbers.insert(number) {
            found.push(file.complain(line, format!("promise {number} is there twice: give it a number of its own")));
        }
        let named: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
        let last = |word: &&str| word.rsplit("::").next().unwrap_or_default().to_owned();
        if !named.iter().any(|word| tests.contains(last(word).as_str())) {
            found.push(file.complain(line, format!("promise {number} names no test: say which one proves it")));
        }
        let gone = named.iter().filter(|word| word.contains("::") && !tests.contains(last(word).as_str()));
        found.extend(gone.map(|word| file.complain(line, format!("promise {number} names {word}, which is no test"))));
    }
    found
}

/// Each promise with its number and line; it ends where the next one or a heading begins.
fn numbered(text: &str) -> Vec<(u32, usize, String)> {
    let mut found: Vec<(u32, usize, String)> = Vec::new();
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        let number = line.split_once(". **").and_then(|(number, _)| number.parse().ok());
        match (number, found.last_mut()) {
            (Some(number), _) => {
                found.push((number, at + 1, line.to_owned()));
                open = true;
            }
            (None, _) if line.starts_with('#') => open = false,
            (None, Some((_, _, text))) if open => {
                text.push(' ');
                text.push_str(line.trim());
            }
            (None, _) => {}
        }
    }
    found
}

#[test]
fn docs_errors_explains_every_class_and_no_other() {
    let sections: Vec<(&str, &str)> =
        ERRORS.split("\n## ").skip(1).filter_map(|section| section.split_once('\n')).collect();
    let mut known: Vec<&str> = Class::ALL.into_iter().map(Class::word).collect();
    let mut explained: Vec<&str> = sections.iter().map(|(title, _)| *title).collect();
    known.sort_unstable();
    explained.sort_unstable();
    assert_eq!(explained, known, "docs/errors.md has one section for every class of src/types/class.rs");
    for class in Class::ALL {
        let body = sections.iter().find(|(title, _)| *title == class.word()).map_or("", |(_, body)| *body);
        let again = if class.retryable() { "later can help" } else { "does not help" };
        let (status, exit) = (class.http_status(), class.exit_code());
        let facts = format!("\nHTTP status {status}, exit code {exit}. Sending it again {again}.\n\n");
        let said = body.strip_prefix(&facts);
        assert!(said.is_some(), "docs/errors.md, {}: the section begins with{facts}", class.word());
        assert!(said.is_some_and(|text| text.trim().len() > 80), "docs/errors.md, {}: say more", class.word());
    }
}
