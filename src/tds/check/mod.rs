//! What no schema can say: combinations that make no sense, pointers that point to nothing, examples that are none.

mod calls;
mod combinations;
mod pointers;
mod reach;

use serde_json::Value;

use super::pointer;
use super::problem::Reporter;
use super::tool::Tool;

pub(crate) use calls::fixture;

/// Reports everything that is wrong with a tool whose structure is right.
pub(crate) fn check(reporter: &mut Reporter<'_>, tool: &Tool) {
    combinations::check(reporter, tool);
    reach::check(reporter, tool);
    pointers::check(reporter, tool);
    calls::check(reporter, tool);
}

/// Signs that are not seen: of no width, of another direction, or of the block that repeats ASCII invisibly. Models read
/// them, people who review a tool do not.
fn is_hidden(sign: char) -> bool {
    matches!(sign,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}')
        || (sign.is_control() && !matches!(sign, '\n' | '\t' | '\r'))
}

/// Reports texts and keys with hidden signs.
pub(crate) fn hidden(reporter: &mut Reporter<'_>) {
    let document = reporter.document();
    let mut open = vec![(String::new(), document.value())];
    while let Some((at, value)) = open.pop() {
        match value {
            Value::String(text) => tell(reporter, &at, text),
            Value::Array(items) => {
                open.extend(items.iter().enumerate().map(|(index, item)| (pointer::item(&at, index), item)));
            }
            Value::Object(map) => {
                for (key, value) in map {
                    let below = pointer::join(&at, key);
                    tell(reporter, &below, key);
                    open.push((below, value));
                }
            }
            _ => {}
        }
    }
}

fn tell(reporter: &mut Reporter<'_>, at: &str, text: &str) {
    if let Some(sign) = text.chars().find(|sign| is_hidden(*sign)) {
        let found = format!("a sign that is not seen: U+{:04X}", u32::from(sign));
        reporter.error(at, found, "a text that people and models read alike");
    }
}
