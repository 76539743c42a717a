//! MiniLM: a small BERT through candle, the quality tier of the embedders. Milliseconds a text.

use std::sync::Arc;

use async_trait::async_trait;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use tokenizers::{PaddingParams, PaddingStrategy, Tokenizer, TruncationParams};

use super::{check, normalise};
use crate::inference::models::{FileRole, Installed};
use crate::inference::{Embedder, Error};
use crate::types::{Clock, Cx};

/// Tokens of a text that count: what the model was trained on.
const LONGEST_TEXT: usize = 256;

/// Texts in one pass: enough to use the cores, short enough to see a cancellation within a fraction of a second.
const BATCH: usize = 16;

/// The model. Shared with the threads that work on its calls.
pub struct MiniLm {
    name: String,
    dimensions: usize,
    parts: Arc<Parts>,
    clock: Arc<dyn Clock>,
}

struct Parts {
    model: BertModel,
    tokenizer: Tokenizer,
}

impl MiniLm {
    /// Reads an installed model of kind `bert-embedding`. Takes about 0.2 s of work and 90 MB.
    pub fn load(model: &Installed, clock: Arc<dyn Clock>) -> Result<MiniLm, Error> {
        let failed = |reason: String| Error::Load { model: model.id().to_owned(), reason };
        let file = |role: FileRole| model.file(role).ok_or_else(|| failed("it is no BERT".to_owned()));
        let config = std::fs::read(file(FileRole::Config)?).map_err(|cause| failed(cause.to_string()))?;
        let config: Config = serde_json::from_slice(&config).map_err(|cause| failed(cause.to_string()))?;
        let mut tokenizer =
            Tokenizer::from_file(file(FileRole::Tokenizer)?).map_err(|cause| failed(cause.to_string()))?;
        let longest = LONGEST_TEXT.min(config.max_position_embeddings);
        tokenizer
            .with_padding(Some(PaddingParams { strategy: PaddingStrategy::BatchLongest, ..Default::default() }))
            .with_truncation(Some(TruncationParams { max_length: longest, ..Default::default() }))
            .map_err(|cause| failed(cause.to_string()))?;
        let weights = std::fs::read(file(FileRole::Weights)?).map_err(|cause| failed(cause.to_string()))?;
        let model_weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)
            .and_then(|weights| BertModel::load(weights, &config))
            .map_err(|cause| failed(cause.to_string()))?;
        let parts = Arc::new(Parts { model: model_weights, tokenizer });
        Ok(MiniLm { name: model.id().to_owned(), dimensions: config.hidden_size, parts, clock })
    }
}

impl Parts {
    fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Error> {
        let encodings = self.tokenizer.encode_batch(texts, true).map_err(|cause| Error::Internal(cause.to_string()))?;
        let ids: Vec<Vec<u32>> = encodings.iter().map(|encoding| encoding.get_ids().to_vec()).collect();
        let mask: Vec<Vec<u32>> = encodings.iter().map(|encoding| encoding.get_attention_mask().to_vec()).collect();
        let mut vectors = self.pool(ids, mask).map_err(|cause| Error::Internal(cause.to_string()))?;
        vectors.iter_mut().for_each(|vector| normalise(vector));
        Ok(vectors)
    }

    /// Sums the model's output over the tokens that are no padding; the mean points the same way.
    fn pool(&self, ids: Vec<Vec<u32>>, mask: Vec<Vec<u32>>) -> candle_core::Result<Vec<Vec<f32>>> {
        let ids = Tensor::new(ids, &Device::Cpu)?;
        let mask = Tensor::new(mask, &Device::Cpu)?;
        let output = self.model.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
        let mask = mask.to_dtype(DType::F32)?.unsqueeze(2)?;
        output.broadcast_mul(&mask)?.sum(1)?.to_vec2()
    }
}

#[async_trait]
impl Embedder for MiniLm {
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
            let (parts, batch) = (Arc::clone(&self.parts), batch.to_vec());
            let work = tokio::task::spawn_blocking(move || parts.embed(batch));
            tokio::select! {
                done = work => vectors.extend(done.map_err(|cause| Error::Internal(cause.to_string()))??),
                () = cx.cancelled() => return Err(Error::Cancelled { usage: Default::default() }),
                () = tokio::time::sleep_until(cx.deadline()) => {
                    return Err(Error::TimedOut { usage: Default::default() });
                }
            }
        }
        Ok(vectors)
    }
}
