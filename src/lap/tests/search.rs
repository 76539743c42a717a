//! Tools found by words, and two orders joined to one.

use serde_json::json;

use super::super::{about, fused, words};
use super::tool;

#[test]
fn a_tool_is_found_by_words_of_its_name_more_than_by_those_about_it() {
    let note = tool(|value| {
        value["tags"] = json!(["diary"]);
        value["interface"]["examples"] = json!([{ "prompt": "Jot down the milk.", "input": { "text": "milk" } }]);
    });
    let rows = [
        ("", None),
        ("of it a", None),
        ("weather in Oslo", None),
        ("book", Some(1.0)),
        ("milk", Some(1.0)),
        ("NOTES", Some(2.0)),
        ("diary, diary!", Some(2.0)),
        ("a note, written into a book", Some(4.0)),
    ];
    for (text, score) in rows {
        assert_eq!(words(&note, text), score, "{text}");
    }
    assert_eq!(about(&note).lines().last(), Some("Jot down the milk."));
    assert!(about(&note).contains("\ndiary\n"));
}

#[test]
fn what_is_first_in_both_orders_is_first_and_what_is_in_none_is_not_found() {
    let scores = [(None, None), (Some(1.0), Some(0.2)), (None, Some(0.9)), (Some(3.0), Some(0.8)), (Some(1.0), None)];
    assert_eq!(fused(&scores), [3, 1, 2, 4]);
    assert_eq!(fused(&[]), [0_usize; 0]);
    // Equal ones stay in the order they came in.
    assert_eq!(fused(&[(Some(1.0), None), (Some(1.0), None)]), [0, 1]);
}
