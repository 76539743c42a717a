//! Invariants: numbered in the header of their module, cited by the test that proves them.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Complaint, File};

/// Each invariant has a number that no other has, in the whole crate, and a test names it.
pub(crate) fn invariants(files: &[File]) -> Vec<Complaint> {
    let cited: BTreeSet<String> =
        files.iter().filter(|file| file.is_test()).flat_map(|file| cited(&file.text)).collect();
    let mut known: BTreeMap<&str, String> = BTreeMap::new();
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.in_src() && !file.is_test()) {
        for (line, number) in numbered(&file.text) {
            let place = format!("{}:{line}", file.path);
            if let Some(first) = known.get(number) {
                let words = format!("invariant {number} is at {first} already: give it a number of its own");
                found.push(file.complain(line, words));
                continue;
            }
            known.insert(number, place);
            if !cited.contains(number) {
                let words = format!("invariant {number} is cited by no test: name it in the one that proves it");
                found.push(file.complain(line, words));
            }
        }
    }
    found
}

/// The invariants that a header numbers, `//! - AB1: it holds`, each with its line.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter_map(|(at, line)| {
        let (number, _) = line.strip_prefix("//! - ")?.split_once(": ")?;
        split(number).map(|_| (at + 1, number))
    })
}

/// The letters and the count of a number such as `AB1`.
fn split(word: &str) -> Option<(&str, u32)> {
    let end = word.find(|letter: char| !letter.is_ascii_uppercase())?;
    let (letters, count) = word.split_at(end);
    let counts = !letters.is_empty() && letters.len() <= 4 && count.len() <= 2;
    counts.then(|| count.parse().ok()).flatten().map(|count| (letters, count))
}

/// Every number that a text names outside of its code: in a comment, or in what an assertion says. `AB1 to AB3` names
/// what lies between, too.
fn cited(text: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for line in text.lines().filter(|line| line.contains("//") || line.contains('"')) {
        let words: Vec<&str> =
            line.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
        all.extend(words.iter().filter(|word| split(word).is_some()).map(ToString::to_string));
        for three in words.windows(3) {
            if let (Some((letters, first)), "to", Some((same, last))) = (split(three[0]), three[1], split(three[2]))
                && letters == same
            {
                all.extend((first..=last).map(|count| format!("{letters}{count}")));
            }
        }
    }
    all
}
