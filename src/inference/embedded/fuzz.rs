//! What fuzzing does with a GGUF file.

use std::io::Cursor;

use super::llm::Llm;

/// Loads these bytes as a model, and says whether they are one.
pub fn gguf(bytes: &[u8]) -> bool {
    Llm::read("fuzzed", &mut Cursor::new(bytes)).is_ok()
}
