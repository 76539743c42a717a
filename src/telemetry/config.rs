//! What an operator can say about logs and traces. The values are in `config/default.toml`.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// Logs and traces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A level, or directives such as `info,syzygy::store=debug`.
    pub log: String,
    /// How a line of the log looks.
    pub format: Format,
    /// URL that finished spans are posted to; empty for none.
    pub otlp_endpoint: String,
    /// Seconds one export may take.
    pub otlp_timeout_s: u64,
    /// Finished spans that wait for export at the most.
    pub otlp_queue_spans: usize,
    /// Spans in one export at the most.
    pub otlp_batch_spans: usize,
    /// Milliseconds until a batch that is not full is sent.
    pub otlp_delay_ms: u64,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people: time, level, target, message, fields.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

impl Config {
    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if let Err(error) = EnvFilter::try_new(&self.log) {
            found.push(("log", format!("a level or directives such as `info,syzygy::store=debug` ({error})")));
        }
        let url = reqwest::Url::parse(&self.otlp_endpoint);
        let http = url.is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !http && !self.otlp_endpoint.is_empty() {
            found.push(("otlp_endpoint", "nothing, or a URL such as `http://127.0.0.1:4318/v1/traces`".to_owned()));
        }
        if self.otlp_timeout_s == 0 {
            found.push(("otlp_timeout_s", "at least 1".to_owned()));
        }
        if self.otlp_batch_spans == 0 {
            found.push(("otlp_batch_spans", "at least 1".to_owned()));
        }
        if self.otlp_queue_spans < self.otlp_batch_spans {
            found.push(("otlp_queue_spans", format!("at least otlp_batch_spans, which is {}", self.otlp_batch_spans)));
        }
        if self.otlp_delay_ms == 0 {
            found.push(("otlp_delay_ms", "at least 1".to_owned()));
        }
        found
    }
}
