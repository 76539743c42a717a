//! Tables of cuts, and the laws of chunks over any text.

use proptest::prelude::*;

use super::*;

fn texts<'a>(text: &'a str, chunks: &[Chunk]) -> Vec<&'a str> {
    chunks.iter().map(|chunk| &text[chunk.start..chunk.end]).collect()
}

#[test]
fn a_text_that_fits_is_one_chunk_and_nothing_is_none() {
    let policy = Policy { max_tokens: 100, overlap_tokens: 10 };
    assert_eq!(chunk("", &policy), []);
    let only = chunk("# Title\n\nOne sentence.", &policy);
    assert_eq!((only.len(), only[0].kind, only[0].overlap_start), (1, Kind::Prose, 0));
    assert_eq!(chunk("```\nlet a = 1;\n```\n", &policy)[0].kind, Kind::Code);
    assert_eq!(chunk("Look:\n```\nlet a = 1;\n```\n", &policy)[0].kind, Kind::Mixed);
}

#[test]
fn cuts_follow_headings_and_a_heading_stays_with_its_text() {
    let section = |name: &str| format!("## {name}\n\nSome words about the matter at hand, said at length.\n\n");
    let text = format!("{}{}{}", section("One"), section("Two"), section("Three"));
    let chunks = chunk(&text, &Policy { max_tokens: 30, overlap_tokens: 0 });
    assert_eq!(texts(&text, &chunks), [section("One"), section("Two"), section("Three")]);
}

#[test]
fn fenced_code_that_fits_is_kept_whole() {
    let code = "```rust\nfn main() {\n\n    # not a heading\n    call();\n}\n```\n";
    let text = format!("Words before the code, quite a few of them here.\n\n{code}\nWords after the code.\n");
    let chunks = chunk(&text, &Policy { max_tokens: 40, overlap_tokens: 0 });
    assert!(chunks.len() > 1);
    assert!(texts(&text, &chunks).iter().any(|chunk| chunk.contains(code)), "{chunks:?}");
}

#[test]
fn sentences_end_where_a_reader_ends_them() {
    let text =
        "It costs 3.14 euros, e.g. for A. Author. \"Really?\" he asked. Yes! \u{597d}\u{3002}\u{597d}\u{3002} End";
    let chunks = chunk(text, &Policy { max_tokens: 16, overlap_tokens: 0 });
    let expected = [
        "It costs 3.14 euros, ",
        "e.g. for A. Author. ",
        "\"Really?\" he asked. Yes! ",
        "\u{597d}\u{3002}\u{597d}\u{3002} End",
    ];
    assert_eq!(texts(text, &chunks), expected, "the first sentence alone is above the limit and cut between words");
}

#[test]
fn overlap_repeats_the_last_sentence_that_fits() {
    let text = "The first sentence is long enough to fill. Short one. The third sentence is long enough too, really.";
    let chunks = chunk(text, &Policy { max_tokens: 24, overlap_tokens: 6 });
    assert_eq!(chunks[1].text(text).split(". ").next(), Some("Short one"), "{chunks:?}");
    assert_eq!(reassemble(text, &chunks), text);
}

#[test]
fn estimates_are_a_little_high() {
    // Left: what the tokenizer of SmolLM2-135M-Instruct makes of the text.
    for (tokens, text) in [
        (4, "Hello, world!"),
        (9, "The quick brown fox jumps over the lazy dog"),
        (4, "1234"),
        (6, "\u{8a9e}\u{1f600}"),
    ] {
        let estimate = estimate_tokens(text);
        assert!((tokens..=tokens * 2).contains(&estimate), "{text}: {estimate}");
    }
    assert_eq!(estimate_tokens("understanding"), 4);
    assert_eq!(estimate_tokens("\u{e9}  a"), 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    // CH1 to CH3 over Markdown-like and over arbitrary text.
    #[test]
    fn chunks_lose_nothing_and_keep_the_limit(
        text in prop_oneof![
            "(\\PC|\n){0,400}",
            "((# [a-z ]{1,20}\n)|([a-z]{1,9}[ .,!?]){1,30}|\n\n|```\n|[a-z]{1,80}|\u{8a9e}\u{3002}|( {1,9})){0,60}",
        ],
        max_tokens in 0u32..80,
        overlap_tokens in 0u32..60,
    ) {
        let policy = Policy { max_tokens, overlap_tokens };
        let chunks = chunk(&text, &policy);
        prop_assert_eq!(reassemble(&text, &chunks), text.clone());
        let mut end = 0;
        for (index, chunk) in chunks.iter().enumerate() {
            prop_assert_eq!((chunk.index, chunk.start), (index, end));
            prop_assert!(chunk.end > chunk.start && chunk.overlap_start <= chunk.start);
            prop_assert!(text.is_char_boundary(chunk.overlap_start) && text.is_char_boundary(chunk.end));
            prop_assert!(chunk.tokens <= u64::from(max_tokens.max(Policy::LEAST_TOKENS)), "{:?}", chunk);
            prop_assert_eq!(chunk.tokens, estimate_tokens(chunk.text(&text)));
            end = chunk.end;
        }
    }

    // CH4, with prose of any length around the code.
    #[test]
    fn code_that_fits_is_never_cut(before in "([a-z]{1,9} ){0,60}", after in "([a-z]{1,9} ){0,60}", lines in 1usize..6) {
        let code = format!("```\n{}```\n", "x = 1;\n".repeat(lines));
        let text = format!("{before}\n{code}{after}");
        let chunks = chunk(&text, &Policy { max_tokens: 60, overlap_tokens: 8 });
        prop_assert!(texts(&text, &chunks).iter().any(|chunk| chunk.contains(&code)), "{:?}", chunks);
    }

    // What makes packing safe.
    #[test]
    fn parts_never_sum_up_to_less(one in "(\\PC|[a-z \t\n]){0,30}", other in "(\\PC|[a-z \t\n]){0,30}") {
        let whole = estimate_tokens(&format!("{one}{other}"));
        prop_assert!(whole <= estimate_tokens(&one) + estimate_tokens(&other));
    }
}
