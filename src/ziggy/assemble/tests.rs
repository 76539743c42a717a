//! Tables of assembled answers, and their laws.

use proptest::prelude::*;

use super::*;

fn parts(texts: &[(usize, &str)]) -> Vec<Part> {
    texts.iter().map(|(chunk, text)| Part { chunk: *chunk, text: (*text).to_owned() }).collect()
}

#[test]
fn one_part_is_the_answer_without_citations() {
    let whole = assemble(parts(&[(0, " One. One. Two. ")]));
    assert_eq!((whole.text.as_str(), whole.citations.len(), whole.dropped), ("One. One. Two.", 0, 0));
    assert_eq!(assemble(Vec::new()), Assembled::default());
}

#[test]
fn parts_are_ordered_and_cited() {
    let whole = assemble(parts(&[(1, "Second."), (0, "First."), (2, "")]));
    assert_eq!(whole.text, "First.\n\nSecond.");
    let expected = [Citation { chunk: 0, start: 0, end: 6 }, Citation { chunk: 1, start: 8, end: 15 }];
    assert_eq!(whole.citations, expected);
}

// M2.
#[test]
fn what_the_border_repeats_is_dropped_once() {
    let whole = assemble(parts(&[
        (0, "The host is small. It starts in one second."),
        (1, "It starts in one SECOND! Agents are supervised."),
    ]));
    assert_eq!(whole.text, "The host is small. It starts in one second.\n\nAgents are supervised.");
    assert_eq!(whole.dropped, 1);
    let numbers = assemble(parts(&[
        (0, "It starts in 1 second on this fast machine here."),
        (1, "It starts in 2 second on this fast machine here."),
    ]));
    assert_eq!(numbers.dropped, 0, "a number makes a difference");
    let only = assemble(parts(&[(0, "Nothing to add."), (1, "Nothing to add.")]));
    assert_eq!((only.text.as_str(), only.citations.len()), ("Nothing to add.", 1));
}

proptest! {
    // M1 and M3, and no text out of nowhere.
    #[test]
    fn citations_are_in_order_and_stand_in_their_part(texts in proptest::collection::vec((0usize..5, "[a-d .!\n]{0,40}|\\PC{0,12}"), 0..6)) {
        let given: Vec<Part> = texts.iter().map(|(chunk, text)| Part { chunk: *chunk, text: text.clone() }).collect();
        let whole = assemble(given.clone());
        let mut end = 0;
        for citation in &whole.citations {
            prop_assert!(citation.start >= end && citation.end > citation.start);
            end = citation.end;
            let cited: String = whole.text[citation.start..citation.end].split_whitespace().collect();
            let mut sources = given.iter().filter(|part| part.chunk == citation.chunk);
            let found = sources.any(|part| whole.dropped > 0 || part.text.split_whitespace().collect::<String>() == cited);
            prop_assert!(found, "{cited:?}");
        }
        prop_assert!(whole.citations.is_sorted_by_key(|citation| citation.chunk));
    }
}
