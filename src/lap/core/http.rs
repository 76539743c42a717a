//! Before a web server: one request, through the way out of the call.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{input, internal, invalid};
use crate::egress::{Message, Method, Reply};
use crate::lap::{Came, Front, Step, cut};
use crate::sandbox::Failure;

/// Bytes of an answer that are shown if a caller does not say how many: what a small model can still read.
const TEXT_USUAL: usize = 16_000;

/// `http.get` and `http.send`.
pub(super) struct Http {
    /// Which methods it sends, the usual one first.
    pub(super) methods: &'static [Method],
}

/// Methods that only read.
pub(super) const READING: &[Method] = &[Method::Get, Method::Head];

/// Methods that change something.
pub(super) const CHANGING: &[Method] = &[Method::Post, Method::Put, Method::Patch, Method::Delete];

#[derive(Deserialize)]
struct Input {
    url: String,
    method: Option<String>,
    body: Option<String>,
    content_type: Option<String>,
    accept: Option<String>,
    bytes: Option<usize>,
}

impl Front for Http {
    fn next(&self, envelope: &Value, came: &[Came]) -> Result<Step, Failure> {
        let input: Input = input(envelope)?;
        let Some(came) = came.first() else { return Ok(Step::Send(self.message(input)?)) };
        let Came::Answered(reply) = came else { return Err(internal("a server runs no program")) };
        let text = text(reply)?;
        let (text, missing) = cut(text, input.bytes.unwrap_or(TEXT_USUAL));
        let mut answer = json!({ "status": reply.status, "text": text, "cut": missing });
        // A redirect is an answer: whether to follow it is the caller's to say, and the rules' to allow.
        for (name, key) in [("content-type", "content_type"), ("location", "location")] {
            if let Some(value) = header(reply, name) {
                answer[key] = json!(cut(value, HEADER_MOST).0);
            }
        }
        Ok(Step::Answer(answer))
    }
}

/// Bytes of a header that are shown.
const HEADER_MOST: usize = 2_000;

impl Http {
    fn message(&self, input: Input) -> Result<Message, Failure> {
        let method = match &input.method {
            None => self.methods.first().copied(),
            Some(word) => Method::from_word(word).filter(|method| self.methods.contains(method)),
        };
        let method = method.ok_or_else(|| {
            let words: Vec<&str> = self.methods.iter().map(|method| method.word()).collect();
            invalid(format!("method is one of {}", words.join(", ")))
        })?;
        let mut headers = vec![("user-agent".to_owned(), "syzygy".to_owned())];
        headers.extend(input.accept.map(|value| ("accept".to_owned(), value)));
        headers.extend(input.content_type.map(|value| ("content-type".to_owned(), value)));
        Ok(Message { method, url: input.url, headers, body: input.body.unwrap_or_default().into_bytes() })
    }
}

/// What a server answered, if it is text.
pub(super) fn text(reply: &Reply) -> Result<&str, Failure> {
    std::str::from_utf8(&reply.body).map_err(|_| {
        let kind = header(reply, "content-type").unwrap_or("of no kind that is told");
        invalid(format!("the answer is no text in UTF-8: {}", cut(kind, HEADER_MOST).0))
    })
}

fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    reply.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}
