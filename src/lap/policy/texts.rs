//! Texts that tell patterns apart: for each combination of patterns that one text can match, a text that does.
//!
//! The patterns are run side by side as one automaton over the characters that occur in them and one that does not, which
//! stands for all others. Its states are visited in order of length, so each combination is found by a shortest text.

use std::collections::{BTreeSet, HashSet, VecDeque};

use cedar_policy::pst::PatternElem;

use super::limits::{PATTERN_CHARS_MAX, TEXT_STATES_MAX};

/// A pattern of `like`; a constant is one without wildcards.
pub(super) type Pattern = Vec<PatternElem>;

/// The pattern that only this text matches.
pub(super) fn constant(text: &str) -> Pattern {
    text.chars().map(PatternElem::Char).collect()
}

/// Which places of which pattern may come next, as one row of bits for all patterns.
type State = Vec<u64>;

struct Automaton<'a> {
    patterns: &'a [Pattern],
    /// Where each pattern's bits begin; it has one more than it has elements, which says that it matched.
    starts: Vec<usize>,
    words: usize,
}

impl Automaton<'_> {
    fn set(&self, state: &mut State, pattern: usize, mut at: usize) {
        loop {
            let bit = self.starts[pattern] + at;
            state[bit / 64] |= 1 << (bit % 64);
            // A wildcard may stand for nothing, so what follows it may come next as well.
            if self.patterns[pattern].get(at) != Some(&PatternElem::Wildcard) {
                return;
            }
            at += 1;
        }
    }

    fn has(&self, state: &State, pattern: usize, at: usize) -> bool {
        let bit = self.starts[pattern] + at;
        state[bit / 64] >> (bit % 64) & 1 == 1
    }

    fn start(&self) -> State {
        let mut state = vec![0; self.words];
        (0..self.patterns.len()).for_each(|pattern| self.set(&mut state, pattern, 0));
        state
    }

    fn step(&self, state: &State, next: char) -> State {
        let mut then = vec![0; self.words];
        for (place, pattern) in self.patterns.iter().enumerate() {
            for (at, element) in pattern.iter().enumerate() {
                if !self.has(state, place, at) {
                    continue;
                }
                match element {
                    PatternElem::Wildcard => self.set(&mut then, place, at),
                    PatternElem::Char(own) if *own == next => self.set(&mut then, place, at + 1),
                    PatternElem::Char(_) => {}
                }
            }
        }
        then
    }

    fn matched(&self, state: &State) -> Vec<bool> {
        self.patterns.iter().enumerate().map(|(place, pattern)| self.has(state, place, pattern.len())).collect()
    }
}

/// A text for each combination of these patterns that can be matched together; `None` if that would take too long.
pub(super) fn witnesses(patterns: &[Pattern]) -> Option<Vec<String>> {
    let mut starts = Vec::with_capacity(patterns.len());
    let mut bits = 0;
    for pattern in patterns {
        starts.push(bits);
        bits += pattern.len() + 1;
    }
    if bits > PATTERN_CHARS_MAX {
        return None;
    }
    let mut alphabet: BTreeSet<char> = BTreeSet::new();
    for element in patterns.iter().flatten() {
        if let PatternElem::Char(own) = element {
            alphabet.insert(*own);
        }
    }
    let other = ('a'..='z').chain('\u{4e00}'..).find(|one| !alphabet.contains(one))?;
    alphabet.insert(other);
    let automaton = Automaton { patterns, starts, words: bits.div_ceil(64).max(1) };
    let start = automaton.start();
    let (mut seen, mut combinations, mut texts) = (HashSet::from([start.clone()]), HashSet::new(), Vec::new());
    let mut queue = VecDeque::from([(start, String::new())]);
    while let Some((state, text)) = queue.pop_front() {
        if combinations.insert(automaton.matched(&state)) {
            texts.push(text.clone());
        }
        for next in &alphabet {
            let then = automaton.step(&state, *next);
            if seen.len() > TEXT_STATES_MAX {
                return None;
            }
            if seen.insert(then.clone()) {
                let mut longer = text.clone();
                longer.push(*next);
                queue.push_back((then, longer));
            }
        }
    }
    Some(texts)
}
