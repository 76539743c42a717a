//! What fuzzing does with a GGUF file.

use std::io::Cursor;

use super::llm::Llm;

/// Loads these bytes as a model. The result does not matter, only that there is one.
pub fn gguf(bytes: &[u8]) {
    let _ = Llm::read("fuzzed", &mut Cursor::new(bytes));
}
