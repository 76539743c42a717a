//! What is made of a tool, held against what it was, and against readers of its own.
#![expect(clippy::panic, reason = "a failed test panics")]

use super::super::tests::support::{FULL, SMALL, good, with};
use super::{call, page, prompts, spec, stub};

#[test]
fn a_page_and_prompts_do_not_move_unseen() {
    let tool = good(FULL).tool;
    insta::assert_snapshot!("page", page(&tool));
    insta::assert_snapshot!("prompts", prompts(&tool));
    insta::assert_snapshot!("stub", stub(&tool));
}

#[test]
fn the_same_tool_gives_the_same_text() {
    let (one, other) = (good(FULL).tool, good(FULL).tool);
    assert_eq!(
        (page(&one), prompts(&one), stub(&one), call(&one)),
        (page(&other), prompts(&other), stub(&other), call(&other))
    );
}

#[test]
fn a_stub_is_rust_whatever_its_inputs_are_called() {
    let names = ["type", "self", "1st", "é", "a-b", "a_b", "kit", "arguments", "call", "Self", "text\\\"x", "gen"];
    for pair in names.windows(2) {
        let [one, other] = pair else { panic!("windows of two") };
        let properties = format!(
            "required = [\"text\"]\nproperties.'{one}' = {{ type = \"integer\" }}\nproperties.'{other}' = {{ }}\n"
        );
        let text = with(SMALL, "required = [\"text\"]\n", &properties);
        let text = with(&text, "description = \"Counts", "description = \"*/ /// Counts\\n#![x]");
        let made = stub(&good(&text).tool);
        let parsed = syn::parse_file(&made).unwrap_or_else(|error| panic!("{error}\n{made}"));
        let functions: Vec<&syn::ItemFn> = parsed
            .items
            .iter()
            .filter_map(|item| match item {
                syn::Item::Fn(function) => Some(function),
                _ => None,
            })
            .collect();
        assert_eq!(functions.len(), 1, "{made}");
        assert_eq!(functions[0].sig.inputs.len(), 5, "{made}");
    }
}

#[test]
fn a_call_without_an_example_has_what_is_required() {
    let text = SMALL.replace("[[interface.examples]]\nprompt = \"How many words has this sentence?\"\ninput = { text = \"one two\" }\noutput = { words = 2 }\n", "");
    let tool = good(&text).tool;
    assert_eq!(call(&tool), serde_json::json!({ "name": "text.count", "arguments": { "text": "..." } }));
    assert!(prompts(&tool).contains("Call: {"), "{}", prompts(&tool));
    assert_eq!(*spec(&tool).parameters, tool.interface.input.0);
}

#[test]
fn an_author_cannot_break_out_of_a_page() {
    let text = with(SMALL, "\"Counts the words of a text.\"", "\"<script>alert(1)</script> | [x](y) # `z`\"");
    let text = with(&text, "maxLength = 10_000", "description = \"a | b\\n| c | d |\"");
    let made = page(&good(&text).tool);
    assert!(made.contains("&lt;script>alert(1)&lt;/script> \\| \\[x\\](y) \\# \\`z\\`"), "{made}");
    assert!(made.contains("| a \\| b \\| c \\| d \\| |"), "{made}");
    assert!(!made.contains("<script"), "{made}");
}
