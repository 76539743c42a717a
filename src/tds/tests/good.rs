//! Files that are taken.

use super::super::{Format, published, read};

/// A small tool with everything it must have.
pub(super) const SMALL: &str = include_str!("small.toml");

#[test]
fn a_small_tool_is_read() {
    let checked = read(Format::Toml, SMALL).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(checked.tool.id.as_str(), "text.count");
    assert!(checked.warnings.is_empty(), "{}", checked.warnings);
}

#[test]
fn print_schema() {
    println!("{}", serde_json::to_string_pretty(published()).unwrap());
}
