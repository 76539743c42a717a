//! Documents that repeat what the code says, held against the code.

use syzygy::types::Class;

const ERRORS: &str = include_str!("../../docs/errors.md");

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
