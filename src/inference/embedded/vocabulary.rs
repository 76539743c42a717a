//! Builds the tokenizer a GGUF file describes.
//!
//! candle reads the vocabulary and the merges; how a text is cut before them it knows for a few families only, and for
//! all others it falls back to GPT-2 with a space put before every text. The families served here are set right below,
//! after llama.cpp's table; a test compares the tokens with llama.cpp's own.

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::quantized::tokenizer::TokenizerFromGguf;
use tokenizers::Tokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;

/// Where the file names the way texts are cut.
const PRE: &str = "tokenizer.ggml.pre";

/// Reads the tokenizer out of the file's metadata.
pub(super) fn read(content: &mut Content) -> candle_core::Result<Tokenizer> {
    let pre = content.metadata.get(PRE).and_then(|value| value.to_string().ok()).cloned().unwrap_or_default();
    if pre == "llama-bpe" {
        // The same cutting under the name candle knows.
        content.metadata.insert(PRE.to_owned(), Value::String("llama3".to_owned()));
    }
    let mut tokenizer = Tokenizer::from_gguf(content)?;
    let gpt2 = ByteLevel::new(false, true, true);
    match pre.as_str() {
        "qwen2" | "llama3" | "llama-bpe" | "smaug-bpe" | "lfm2" => {}
        "smollm" | "refact" | "command-r" | "codeshell" | "exaone" => {
            let cut = Sequence::new(vec![Digits::new(true).into(), gpt2.into()]);
            tokenizer.with_pre_tokenizer(Some(cut));
        }
        _ => {
            tokenizer.with_pre_tokenizer(Some(gpt2));
        }
    }
    Ok(tokenizer)
}
