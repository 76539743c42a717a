//! A request of the host itself that goes the way of a tool's: through the socket of the invocation, under its rules, and
//! into its records.

use std::time::Duration;

use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::body::Body;
use super::error::{Reason, Refusal};
use super::head;
use super::policy::Limits;
use super::proxy::Passage;
use super::rule::Method;
use super::wire::Wire;
use crate::types::Class;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How.
    pub method: Method,
    /// Whereto: a whole address that begins with `https://` or `http://`.
    pub url: String,
    /// Headers, without the host and the length.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Vec<u8>,
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers, their names in small letters.
    pub headers: Vec<(String, String)>,
    /// What came.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not send the request: {detail} ({reason})")]
pub struct Unsent {
    /// The proxy's word for it.
    pub reason: String,
    /// The same for people.
    pub detail: String,
    /// Whether the server may have had the request all the same.
    pub may_have_arrived: bool,
}

/// What the proxy tells of a request that it did not make.
#[derive(Deserialize)]
struct Refused {
    refused: String,
    detail: String,
}

/// Reasons that stand for an end in the middle: the server may have had all of the request.
const IN_THE_MIDDLE: [Reason; 9] = [
    Reason::Cut,
    Reason::Idle,
    Reason::Ended,
    Reason::AnswerMalformed,
    Reason::AnswerPacked,
    Reason::SecretReturned,
    Reason::ResponseTooLarge,
    Reason::TotalTooLarge,
    Reason::HeadTimeout,
];

/// Reasons that are the rules'.
const FORBIDDEN: [Reason; 8] = [
    Reason::HostNotAllowed,
    Reason::PortNotAllowed,
    Reason::TransportNotAllowed,
    Reason::MethodNotAllowed,
    Reason::PathNotAllowed,
    Reason::HeaderNotAllowed,
    Reason::AddressNotAllowed,
    Reason::SecretReturned,
];

/// Reasons that are a limit's.
const TOO_MUCH: [Reason; 6] = [
    Reason::HeadTooLarge,
    Reason::TooManyRequests,
    Reason::TooManyConnections,
    Reason::RequestTooLarge,
    Reason::ResponseTooLarge,
    Reason::TotalTooLarge,
];

impl Unsent {
    /// The class this belongs to.
    pub fn class(&self) -> Class {
        let among = |reasons: &[Reason]| reasons.iter().any(|reason| reason.word() == self.reason);
        if among(&FORBIDDEN) {
            Class::Denied
        } else if among(&[Reason::Malformed, Reason::PathUnreadable, Reason::HostMismatch]) {
            Class::Invalid
        } else if among(&TOO_MUCH) {
            Class::Exhausted
        } else if among(&[Reason::Ended]) {
            Class::Timeout
        } else {
            Class::Unavailable
        }
    }

    fn of(refusal: &Refusal) -> Unsent {
        Unsent::named(refusal.reason.word(), refusal.detail.clone())
    }

    fn named(word: &str, detail: String) -> Unsent {
        let may_have_arrived = IN_THE_MIDDLE.iter().any(|reason| reason.word() == word);
        Unsent { reason: word.to_owned(), detail, may_have_arrived }
    }

    fn malformed(detail: &str) -> Unsent {
        Unsent::of(&Refusal::new(Reason::Malformed, detail))
    }
}

impl Passage {
    /// Sends a request and reads its answer. The answer is as long as the rule it falls under lets it be.
    ///
    /// # Errors
    /// The proxy's refusal, or that the invocation ended.
    pub async fn send(&self, message: &Message) -> Result<Reply, Unsent> {
        let head = composed(message)?;
        let limits = self.limits();
        let ended = |error: std::io::Error| Unsent::of(&Refusal::new(Reason::Ended, format!("the way out: {error}")));
        let mut stream = UnixStream::connect(self.socket()).await.map_err(ended)?;
        // A refusal may come before all of the body is taken; it is read all the same.
        let _ = stream.write_all(&head).await;
        let _ = stream.write_all(&message.body).await;
        let came = read(stream, message.method == Method::Head, &limits).await;
        came.map_err(|refusal| Unsent::of(&self.broken_off_for().unwrap_or(refusal)))?
    }
}

impl Passage {
    /// Why the last request was broken off in the middle of its answer: then the proxy has no other place to say it.
    fn broken_off_for(&self) -> Option<Refusal> {
        self.report().exchanges.last().and_then(|exchange| exchange.refusal.clone())
    }
}

/// The head as the proxy reads it. What would make two lines of one is refused before it is sent.
fn composed(message: &Message) -> Result<Vec<u8>, Unsent> {
    let visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    let rest = message.url.strip_prefix("https://").or_else(|| message.url.strip_prefix("http://"));
    let rest = rest.ok_or_else(|| Unsent::malformed("an address begins with https:// or http://"))?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if !visible(&message.url) || host.is_empty() || host.contains('@') {
        return Err(Unsent::malformed("the address has a user in it, no host, or signs that an address has not"));
    }
    let url = message.url.split('#').next().unwrap_or_default();
    let mut head = format!("{} {url} HTTP/1.1\r\nhost: {host}\r\n", message.method);
    for (name, value) in &message.headers {
        let good = visible(name) && !name.contains(':') && value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if !good {
            return Err(Unsent::malformed("a header has signs that headers have not"));
        }
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !message.body.is_empty() || matches!(message.method, Method::Post | Method::Put | Method::Patch) {
        head.push_str(&format!("content-length: {}\r\n", message.body.len()));
    }
    head.push_str("\r\n");
    Ok(head.into_bytes())
}

async fn read(stream: UnixStream, to_head: bool, limits: &Limits) -> Result<Result<Reply, Unsent>, Refusal> {
    let mut wire = Wire::new(stream);
    // The proxy itself waits for a name, a connection and a server, one after the other.
    let patience = limits.idle() + limits.idle() + Duration::from_secs(limits.connect_timeout_s.saturating_mul(2));
    let bytes = wire.head(limits.head_bytes_max.saturating_mul(2), patience).await?;
    let bytes = bytes.ok_or_else(|| Refusal::new(Reason::Ended, "the way out ended before there was an answer"))?;
    let head = head::answer(&bytes, to_head, limits)?;
    let refused = head.headers.iter().any(|(name, _)| name == "x-syzygy-refused");
    let (mut body, mut held) = (Body::new(head.length), Vec::new());
    while !body.is_done() {
        if wire.held().is_empty() && !wire.more(patience).await? {
            if body.may_end() {
                break;
            }
            return Err(Refusal::new(Reason::Cut, "the answer is not all there"));
        }
        let step = body.take(wire.held()).map_err(|what| Refusal::new(Reason::AnswerMalformed, what))?;
        held.extend_from_slice(&wire.held()[step.data]);
        wire.use_up(step.used);
    }
    if refused && let Ok(Refused { refused, detail }) = serde_json::from_slice(&held) {
        return Ok(Err(Unsent::named(&refused, detail)));
    }
    let headers = head.headers.into_iter().map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()));
    Ok(Ok(Reply { status: head.status, headers: headers.collect(), body: held }))
}
