//! The automaton over patterns, compared with trying every short text.

use std::collections::BTreeSet;

use cedar_policy::pst::PatternElem;
use proptest::prelude::*;

use super::super::texts::{Pattern, constant, witnesses};
use super::laws::config;

fn pattern(text: &str) -> Pattern {
    text.chars().map(|one| if one == '*' { PatternElem::Wildcard } else { PatternElem::Char(one) }).collect()
}

/// Whether a text matches a pattern, by the definition.
fn matches(pattern: &[PatternElem], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([PatternElem::Wildcard, rest @ ..], text) => (0..=text.len()).any(|from| matches(rest, &text[from..])),
        ([PatternElem::Char(own), rest @ ..], [first, text @ ..]) => own == first && matches(rest, text),
        _ => false,
    }
}

fn combination(patterns: &[Pattern], text: &str) -> Vec<bool> {
    let text: Vec<char> = text.chars().collect();
    patterns.iter().map(|pattern| matches(pattern, &text)).collect()
}

/// Every text of at most so many of these characters.
fn every(characters: &str, length: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut last = all.clone();
    for _ in 0..length {
        last = last.iter().flat_map(|text| characters.chars().map(move |one| format!("{text}{one}"))).collect();
        all.extend(last.iter().cloned());
    }
    all
}

#[test]
fn a_text_is_found_for_what_only_a_long_one_matches() {
    let patterns = [pattern("src/*"), pattern("*.key"), pattern("*/secret/*")];
    let found: BTreeSet<Vec<bool>> =
        witnesses(&patterns).unwrap().iter().map(|text| combination(&patterns, text)).collect();
    assert_eq!(found.len(), 8, "all eight combinations exist: {found:?}");
}

#[test]
fn without_patterns_one_text_stands_for_all() {
    assert_eq!(witnesses(&[]), Some(vec![String::new()]));
}

#[test]
fn too_many_patterns_are_given_up() {
    assert_eq!(witnesses(&[constant(&"x".repeat(2_000))]), None);
    let words: Vec<Pattern> = (0..12).map(|number| pattern(&format!("*a{number}b{number}c{number}*"))).collect();
    assert_eq!(witnesses(&words), None);
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn every_combination_that_exists_is_found(texts in proptest::collection::vec("[ab*]{0,3}", 1..4)) {
        let patterns: Vec<Pattern> = texts.iter().map(|text| pattern(text)).collect();
        let found: BTreeSet<Vec<bool>> =
            witnesses(&patterns).unwrap().iter().map(|text| combination(&patterns, text)).collect();
        // Three patterns of at most three characters need no longer text: each adds its characters once.
        let exist: BTreeSet<Vec<bool>> = every("abx", 6).iter().map(|text| combination(&patterns, text)).collect();
        prop_assert!(exist.is_subset(&found), "{texts:?}: {exist:?} exist, {found:?} were found");
        let expected: Vec<Vec<bool>> = found.into_iter().collect();
        prop_assert!(expected.iter().all(|one| one.len() == patterns.len()));
    }
}
