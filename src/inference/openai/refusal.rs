//! What a response without success means.

use std::time::Duration;

use reqwest::{Response, StatusCode};

use super::Openai;
use super::pacing::{pacing, wait};
use super::wire::Complaint;
use crate::inference::{Error, http};
use crate::types::{Timestamp, sensitive};

/// Bytes of a refusal that are read: enough for any message, and no way to keep us busy.
const LARGEST_REFUSAL: usize = 64 * 1024;

/// Characters of the endpoint's message that are shown.
const LONGEST_MESSAGE: usize = 300;

/// The longest wait an endpoint can ask for; beyond a day it is a mistake and not a plan.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

impl Openai {
    /// The error a response stands for.
    pub(super) async fn refusal(&self, response: Response) -> Error {
        let status = response.status();
        let (retry_after, pacing) = (wait(response.headers(), self.clock.wall()), pacing(response.headers()));
        if status.is_redirection() {
            return self.protocol(format!("status {status} points elsewhere, and redirects are not followed"));
        }
        // A refusal is one whatever becomes of the rest of its words.
        let mut body = Vec::new();
        let _ = http::body(response, &mut body, LARGEST_REFUSAL, self.idle).await;
        let complaint: Complaint = serde_json::from_slice(&body).unwrap_or_default();
        if let Some((prompt, limit)) = complaint.too_long() {
            let limit = if limit == 0 { u64::from(self.runtime.context_tokens) } else { limit };
            return Error::TooLong { prompt, limit };
        }
        let message = complaint.message().unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned());
        let message: String = self.without_key(&message).chars().take(LONGEST_MESSAGE).collect();
        // An overloaded endpoint that says when to come back wants the same as one that counts.
        let asks_to_wait = status == StatusCode::SERVICE_UNAVAILABLE && retry_after.is_some();
        if status == StatusCode::TOO_MANY_REQUESTS || asks_to_wait {
            return Error::RateLimited { runtime: self.name.clone(), retry_after, pacing };
        }
        if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
            return self.unavailable(format!("the endpoint answered with status {status}: {message}"));
        }
        Error::Refused { runtime: self.name.clone(), status: status.as_u16(), message }
    }

    /// The message without our key, which some endpoints repeat when they refuse it, and without what looks like
    /// anybody's secret: it goes into logs and to callers.
    fn without_key(&self, message: &str) -> String {
        let message = match &self.key {
            Some(key) if !key.reveal().is_empty() => message.replace(key.reveal(), "(key)"),
            _ => message.to_owned(),
        };
        sensitive::redact(&message).into_owned()
    }
}

/// How long the header asks to wait: a number of seconds, or a date.
pub(super) fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let wait = match header.trim().parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => {
            let date = httpdate::parse_http_date(header.trim()).ok()?;
            let since = date.duration_since(std::time::UNIX_EPOCH).ok()?;
            let now = Duration::from_micros(u64::try_from(now.0).unwrap_or(0));
            since.saturating_sub(now)
        }
    };
    Some(wait.min(LONGEST_WAIT))
}
