//! What an operator can say about runtimes, models and embeddings. The values are in `config/default.toml`.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::child::ChildCommand;
use super::embedded::llm::LONGEST_CONTEXT;
use super::{Capabilities, Provider, Runtime, Scripted};
use crate::types::{Modality, Price, TrustTier};

/// Everything about inference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which embedder turns texts into vectors.
    pub embedder: EmbedderChoice,
    /// Runtimes by name; the name is what routes, records and errors show.
    pub runtimes: BTreeMap<String, RuntimeConfig>,
    /// How models run in this process.
    pub embedded: EmbeddedConfig,
    /// How endpoints are spoken to.
    pub openai: OpenaiConfig,
}

/// The embedder to use. If its model is missing the host falls back to [`EmbedderChoice::Lexical`] and says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmbedderChoice {
    /// A static table: microseconds a text, good enough for routing and recall.
    Wordllama,
    /// A small transformer: milliseconds a text, the quality tier.
    Minilm,
    /// Hashed words and trigrams: needs no model, sees spelling and not meaning.
    Lexical,
}

/// One runtime, told apart by `kind`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RuntimeConfig {
    /// A GGUF model in this process.
    Embedded(EmbeddedRuntime),
    /// An endpoint that speaks the chat completions protocol.
    Openai(OpenaiRuntime),
    /// A fixed answer, to try the host without any model.
    Scripted(ScriptedRuntime),
}

impl RuntimeConfig {
    /// A right one of each kind, with every key there is: what somebody writes is compared to these, key by key.
    pub fn examples() -> [RuntimeConfig; 3] {
        let (model, price) = ("model".to_owned(), Price::default());
        let url = "http://127.0.0.1:8080".to_owned();
        let child = ChildCommand {
            command: "llama-server".to_owned(),
            args: Vec::new(),
            env: BTreeMap::new(),
            ready_url: url.clone(),
            ready_timeout_s: 60,
            stop_grace_s: 5,
        };
        let embedded = EmbeddedRuntime {
            model: model.clone(),
            context_tokens: 4_096,
            max_tokens: 1_024,
            region: Some("eu".to_owned()),
            price: Some(price),
        };
        let openai = OpenaiRuntime {
            model,
            base_url: url,
            tier: TrustTier::Local,
            region: Some("eu".to_owned()),
            modalities: vec![Modality::Text, Modality::Image],
            tools: false,
            context_tokens: 4_096,
            max_tokens: 1_024,
            price: Some(price),
            api_key_env: Some("API_KEY".to_owned()),
            child: Some(child),
        };
        let scripted = ScriptedRuntime {
            answer: "I am a parrot.".to_owned(),
            tier: TrustTier::Local,
            region: Some("eu".to_owned()),
            modalities: vec![Modality::Text, Modality::Image],
        };
        [RuntimeConfig::Embedded(embedded), RuntimeConfig::Openai(openai), RuntimeConfig::Scripted(scripted)]
    }
}

/// A GGUF model in this process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedRuntime {
    /// Id of a model of kind `gguf` in the catalogue.
    pub model: String,
    /// Tokens of prompt and answer together; the model's own limit holds if it is lower.
    pub context_tokens: u32,
    /// Tokens of an answer at the most, whatever a request asks for.
    pub max_tokens: u32,
    /// Where in the world it runs; where this host does (`privacy.region`) if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What the operator counts for its tokens; zero for a machine that is paid anyway. Goes before the list of prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// An endpoint that speaks the chat completions protocol: vLLM, TGI, llama.cpp, Ollama, or hosted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenaiRuntime {
    /// Name of the model as the endpoint knows it.
    pub model: String,
    /// Where the protocol begins, such as `http://127.0.0.1:8080/v1`.
    pub base_url: String,
    /// How far the place behind the URL is trusted.
    pub tier: TrustTier,
    /// Where in the world it is, in the operator's own words, such as `eu`. Left out, that is not known, or where this
    /// host is (`privacy.region`) if its tier is `local`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What it can read; text alone if it is left out.
    #[serde(default = "text", skip_serializing_if = "is_text")]
    pub modalities: Vec<Modality>,
    /// Whether the model can be offered tools.
    pub tools: bool,
    /// Tokens of prompt and answer together.
    pub context_tokens: u32,
    /// Tokens of an answer at the most, whatever a request asks for.
    pub max_tokens: u32,
    /// What its tokens cost. Goes before the list of prices, which must know the model if this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Environment variable that holds the API key; none if the endpoint wants none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// A process that serves the URL and that the host starts, watches and stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<ChildCommand>,
}

/// A fixed answer, to try the host without any model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedRuntime {
    /// What it always says.
    pub answer: String,
    /// The tier it pretends to run in.
    pub tier: TrustTier,
    /// The region it pretends to run in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What it pretends to read; text alone if it is left out.
    #[serde(default = "text", skip_serializing_if = "is_text")]
    pub modalities: Vec<Modality>,
}

fn text() -> Vec<Modality> {
    vec![Modality::Text]
}

fn is_text(modalities: &Vec<Modality>) -> bool {
    *modalities == text()
}

/// How models run in this process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedConfig {
    /// Calls that may wait for a runtime; one more is refused at once.
    pub queue: usize,
    /// Prompt tokens read in one go: progress is shown and cancellation seen between two of them.
    pub piece_tokens: usize,
    /// How much a token that was just used loses; 1 turns it off. Small models repeat themselves without it.
    pub repeat_penalty: f32,
    /// How many generated tokens count as just used.
    pub repeat_window: usize,
    /// Seconds without a call after which the model leaves memory; 0 keeps it.
    pub unload_after_s: u64,
}

impl RuntimeConfig {
    /// What a runtime of this name and configuration can do, told without one.
    pub fn capabilities(&self, name: &str) -> Capabilities {
        match self {
            RuntimeConfig::Embedded(own) => own.capabilities(name),
            RuntimeConfig::Openai(own) => own.capabilities(name),
            RuntimeConfig::Scripted(own) => own.capabilities(name),
        }
    }

    /// Says where it is, if it does not say so itself and runs on this machine.
    pub fn placed(mut self, here: Option<&str>) -> RuntimeConfig {
        let (region, local) = match &mut self {
            RuntimeConfig::Embedded(own) => (&mut own.region, true),
            RuntimeConfig::Openai(own) => (&mut own.region, own.tier == TrustTier::Local),
            RuntimeConfig::Scripted(own) => (&mut own.region, own.tier == TrustTier::Local),
        };
        if region.is_none() && local {
            *region = here.map(str::to_owned);
        }
        self
    }

    /// The price that its own configuration names.
    pub fn price(&self) -> Option<Price> {
        match self {
            RuntimeConfig::Embedded(own) => own.price,
            RuntimeConfig::Openai(own) => own.price,
            RuntimeConfig::Scripted(_) => None,
        }
    }
}

impl EmbeddedRuntime {
    pub(super) fn capabilities(&self, name: &str) -> Capabilities {
        Capabilities {
            name: name.to_owned(),
            model: self.model.clone(),
            provider: None,
            tier: TrustTier::Local,
            region: self.region.clone(),
            modalities: vec![Modality::Text],
            chat: true,
            // The tool syntax of each model family differs, and models that run well here are too small for tools.
            tools: false,
            own_tokenizer: true,
            embed: false,
            context_tokens: self.context_tokens.min(LONGEST_CONTEXT),
            price: self.price.unwrap_or_default(),
        }
    }
}

impl OpenaiRuntime {
    /// Where the protocol begins, as a URL that paths can be joined to.
    ///
    /// # Errors
    /// In words, if it is none.
    pub(super) fn base(&self) -> Result<Url, String> {
        let mut base: Url = self.base_url.parse().map_err(|cause| format!("its base_url is no URL: {cause}"))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err("its base_url begins with neither http:// nor https://".to_owned());
        }
        // A base without a closing slash would lose its last part when paths are joined to it.
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(base)
    }

    pub(super) fn capabilities(&self, name: &str) -> Capabilities {
        let provider =
            |base: Url| Provider { address: base.origin().ascii_serialization(), key: self.api_key_env.clone() };
        Capabilities {
            name: name.to_owned(),
            model: self.model.clone(),
            provider: self.base().ok().map(provider),
            tier: self.tier,
            region: self.region.clone(),
            modalities: self.modalities.clone(),
            chat: true,
            tools: self.tools,
            own_tokenizer: true,
            embed: false,
            context_tokens: self.context_tokens,
            price: self.price.unwrap_or_default(),
        }
    }
}

impl ScriptedRuntime {
    /// The runtime itself, which needs nothing else.
    pub fn runtime(&self, name: &str) -> Scripted {
        let made = Scripted::saying(name, &self.answer).in_tier(self.tier).reading(&self.modalities);
        self.region.iter().fold(made, |made, region| made.in_region(region))
    }

    fn capabilities(&self, name: &str) -> Capabilities {
        self.runtime(name).capabilities()
    }
}

impl EmbeddedConfig {
    /// How long the model stays in memory without a call, if it ever leaves.
    pub(super) fn unload_after(&self) -> Option<Duration> {
        (self.unload_after_s > 0).then(|| Duration::from_secs(self.unload_after_s))
    }
}

/// How endpoints are spoken to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenaiConfig {
    /// Seconds to wait for a connection.
    pub connect_timeout_s: u64,
    /// Seconds a stream may stay silent before it counts as dead.
    pub idle_timeout_s: u64,
    /// Seconds until an endpoint that took a request has to begin its answer; never more than half of what the caller has left.
    pub head_timeout_s: u64,
}
