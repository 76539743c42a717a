//! WordLlama: a static table of token vectors; a text is the mean of its tokens. Microseconds a text.

use std::sync::Arc;

use async_trait::async_trait;
use candle_core::{DType, Device};
use tokenizers::Tokenizer;

use super::{check, normalise};
use crate::inference::models::{FileRole, Installed};
use crate::inference::{Embedder, Error};
use crate::types::{Clock, Cx};

/// Bytes of a text that count. Beyond about a thousand words the mean of a text no longer moves.
const LONGEST_TEXT: usize = 8 * 1024;

/// Texts embedded between two looks at the context and two turns of other tasks: a few milliseconds of work.
const BATCH: usize = 32;

/// The table, quantised to 8 bits a value with one scale a row: a quarter of the memory for a cosine that differs in
/// the third digit.
pub struct WordLlama {
    name: String,
    tokenizer: Tokenizer,
    values: Vec<i8>,
    scales: Vec<f32>,
    dimensions: usize,
    clock: Arc<dyn Clock>,
}

impl WordLlama {
    /// Reads the table and the tokenizer of an installed model of kind `static-embedding`. Takes about 0.1 s of work.
    pub fn load(model: &Installed, clock: Arc<dyn Clock>) -> Result<WordLlama, Error> {
        let failed = |reason: String| Error::Load { model: model.id().to_owned(), reason };
        let file = |role: FileRole| model.file(role).ok_or_else(|| failed("it is no static embedding".to_owned()));
        let mut tokenizer =
            Tokenizer::from_file(file(FileRole::Tokenizer)?).map_err(|cause| failed(cause.to_string()))?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|cause| failed(cause.to_string()))?;
        let tensors = candle_core::safetensors::load(file(FileRole::Weights)?, &Device::Cpu);
        let tensors = tensors.map_err(|cause| failed(cause.to_string()))?;
        let table = tensors.into_values().next().ok_or_else(|| failed("it has no table".to_owned()))?;
        let rows = table.to_dtype(DType::F32).and_then(|table| table.to_vec2::<f32>());
        let rows = rows.map_err(|cause| failed(cause.to_string()))?;
        let dimensions = rows.first().map_or(0, Vec::len);
        if dimensions == 0 {
            return Err(failed("its table is empty".to_owned()));
        }
        let mut values = Vec::with_capacity(rows.len() * dimensions);
        let mut scales = Vec::with_capacity(rows.len());
        for row in &rows {
            let largest = row.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
            scales.push(scale);
            values.extend(row.iter().map(|value| (value / scale).round() as i8));
        }
        Ok(WordLlama { name: model.id().to_owned(), tokenizer, values, scales, dimensions, clock })
    }

    fn vector(&self, text: &str) -> Result<Vec<f32>, Error> {
        let text = &text[..text.floor_char_boundary(LONGEST_TEXT)];
        let encoding = self.tokenizer.encode_fast(text, false).map_err(|cause| Error::Internal(cause.to_string()))?;
        let mut vector = vec![0.0; self.dimensions];
        for &token in encoding.get_ids() {
            let row = token as usize;
            let Some(scale) = self.scales.get(row) else { continue };
            let values = &self.values[row * self.dimensions..(row + 1) * self.dimensions];
            for (sum, value) in vector.iter_mut().zip(values) {
                *sum += f32::from(*value) * scale;
            }
        }
        // The mean and the sum point the same way.
        normalise(&mut vector);
        Ok(vector)
    }
}

#[async_trait]
impl Embedder for WordLlama {
    fn name(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    async fn embed(&self, cx: &Cx, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Error> {
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            check(cx, &*self.clock)?;
            for text in batch {
                vectors.push(self.vector(text)?);
            }
            if vectors.len() < texts.len() {
                tokio::task::yield_now().await;
            }
        }
        Ok(vectors)
    }
}
