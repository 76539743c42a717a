//! One model in memory: writes the prompt, reads it in pieces, and picks token after token.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use std::sync::atomic::Ordering;

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::{Device, Tensor};
use candle_transformers::generation::LogitsProcessor;
use candle_transformers::models::quantized_llama::{MAX_SEQ_LEN, ModelWeights};
use candle_transformers::utils::apply_repeat_penalty;
use tokenizers::Tokenizer;

use super::template::Template;
use super::worker::{Job, Worker};
use super::{header, vocabulary, weights};
use crate::inference::{Completion, Error, Finish, Message, Pacing};

/// The longest context the model code can rotate positions for.
pub(in crate::inference) const LONGEST_CONTEXT: u32 = MAX_SEQ_LEN as u32;

/// How the end of an answer is written by the families of chat models, for files whose metadata names only one of them.
const ENDINGS: [&str; 5] = ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "</s>"];

/// A loaded model. Its weights are shared by reference, so that a fresh copy per generation costs nothing and takes
/// the cache of the last one with it.
pub(super) struct Llm {
    name: String,
    weights: ModelWeights,
    tokenizer: Tokenizer,
    template: Template,
    /// What a user's text must not contain as such, longest first.
    specials: Vec<String>,
    /// Goes before the prompt, if the model wants it there.
    first: Option<u32>,
    /// Tokens that end an answer.
    last: Vec<u32>,
    context: usize,
}

impl Llm {
    /// Reads a GGUF file of the llama architecture.
    pub(super) fn load(name: &str, path: &Path) -> candle_core::Result<Llm> {
        Llm::read(name, &mut BufReader::new(File::open(path)?))
    }

    /// The same from anything that can be read.
    pub(super) fn read(name: &str, file: &mut (impl Read + Seek)) -> candle_core::Result<Llm> {
        let mut content = header::read(file)?;
        let architecture = text(&content, "general.architecture").unwrap_or_default();
        if architecture != "llama" {
            candle_core::bail!("its architecture is {architecture:?}, and only \"llama\" is served in process");
        }
        let tokenizer = vocabulary::read(&mut content)?;
        let written = |key: &str| number(&content, key).and_then(|id| tokenizer.id_to_token(id));
        let begin = written("tokenizer.ggml.bos_token_id").unwrap_or_default();
        let end = written("tokenizer.ggml.eos_token_id").unwrap_or_default();
        let template = Template::new(text(&content, "tokenizer.chat_template"), begin, end)
            .map_err(|cause| candle_core::Error::Msg(format!("its chat template is not usable: {cause}")))?;
        let wants_first = matches!(content.metadata.get("tokenizer.ggml.add_bos_token"), Some(Value::Bool(true)));
        let mut last: Vec<u32> =
            ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"]
                .iter()
                .filter_map(|key| number(&content, key))
                .collect();
        let mut specials: Vec<String> =
            tokenizer.get_added_tokens_decoder().into_values().map(|token| token.content).collect();
        let written_ends = ENDINGS.iter().filter(|ending| specials.iter().any(|special| special == *ending));
        last.extend(written_ends.filter_map(|ending| tokenizer.token_to_id(ending)));
        specials.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        let context = number(&content, "llama.context_length").unwrap_or(LONGEST_CONTEXT).min(LONGEST_CONTEXT);
        Ok(Llm {
            name: name.to_owned(),
            first: number(&content, "tokenizer.ggml.bos_token_id").filter(|_| wants_first),
            weights: weights::read(content, file)?,
            tokenizer,
            template,
            specials,
            last,
            context: context as usize,
        })
    }

    /// The conversation as the tokens this model was trained to read.
    pub(super) fn prompt(&self, messages: &[Message]) -> Result<Vec<u32>, Error> {
        let written = self
            .template
            .write(messages, &self.specials)
            .map_err(|reason| Error::Prompt { model: self.name.clone(), reason })?;
        let encoding = self.tokenizer.encode_fast(written, false).map_err(internal)?;
        let mut tokens = encoding.get_ids().to_vec();
        if let Some(first) = self.first.filter(|first| tokens.first() != Some(first)) {
            tokens.insert(0, first);
        }
        Ok(tokens)
    }

    /// Serves one job, looking between pieces and between tokens whether anybody still waits.
    pub(super) fn generate(&self, job: &mut Job, worker: &Worker) -> Result<Completion, Error> {
        let prompt = self.prompt(&job.request.messages)?;
        let limit = self.context.min(worker.runtime.context_tokens as usize);
        if prompt.len() >= limit {
            return Err(Error::TooLong { prompt: prompt.len() as u64, limit: limit as u64 });
        }
        let most = job.request.max_tokens.min(worker.runtime.max_tokens) as usize;
        let most = most.min(limit - prompt.len());
        let mut weights = self.weights.clone();
        let mut logits = read(&mut weights, &prompt, job, worker)?;
        let temperature = f64::from(job.request.temperature);
        let mut sampler = LogitsProcessor::new(job.request.seed, Some(temperature), None);
        let mut decoder = self.tokenizer.decode_stream(true);
        let (mut text, mut generated) = (String::new(), Vec::new());
        let finish = loop {
            if generated.len() >= most {
                break Finish::Length;
            }
            let settings = &worker.settings;
            let recent = &generated[generated.len().saturating_sub(settings.repeat_window)..];
            let scores = apply_repeat_penalty(&logits, settings.repeat_penalty, recent).map_err(internal)?;
            let token = sampler.sample(&scores).map_err(internal)?;
            if self.last.contains(&token) {
                break Finish::Stop;
            }
            generated.push(token);
            job.meter.output.store(generated.len() as u64, Ordering::Relaxed);
            // Nothing comes back while the last character is not complete.
            if let Some(more) = decoder.step(token).map_err(internal)? {
                text.push_str(&more);
                job.news.text(&more);
            }
            if let Some(stop) = job.stop(&*worker.clock) {
                return Err(stop);
            }
            logits = step(&mut weights, &[token], prompt.len() + generated.len() - 1)?;
        };
        let (usage, pacing) = (job.meter.usage(), Pacing::default());
        Ok(Completion { text, tool_calls: Vec::new(), finish, usage, pacing })
    }
}

/// Reads the prompt piece by piece; returns what the model expects after its last token.
fn read(weights: &mut ModelWeights, prompt: &[u32], job: &Job, worker: &Worker) -> Result<Tensor, Error> {
    let mut done = 0;
    let mut logits = None;
    for piece in prompt.chunks(worker.settings.piece_tokens.max(1)) {
        if let Some(stop) = job.stop(&*worker.clock) {
            return Err(stop);
        }
        logits = Some(step(weights, piece, done)?);
        done += piece.len();
        job.meter.input.store(done as u64, Ordering::Relaxed);
        job.news.reading(done as u64, prompt.len() as u64);
    }
    logits.ok_or_else(|| Error::Internal("the prompt is empty".to_owned()))
}

/// Feeds tokens at a position; returns the scores of every token of the vocabulary to come next.
fn step(weights: &mut ModelWeights, tokens: &[u32], position: usize) -> Result<Tensor, Error> {
    let input = Tensor::new(tokens, &Device::Cpu).and_then(|tokens| tokens.unsqueeze(0)).map_err(internal)?;
    weights.forward(&input, position).and_then(|scores| scores.squeeze(0)).map_err(internal)
}

fn internal(cause: impl std::fmt::Display) -> Error {
    Error::Internal(cause.to_string())
}

fn text<'a>(content: &'a Content, key: &str) -> Option<&'a str> {
    content.metadata.get(key).and_then(|value| value.to_string().ok()).map(String::as_str)
}

fn number(content: &Content, key: &str) -> Option<u32> {
    content.metadata.get(key).and_then(|value| value.to_u32().ok())
}
