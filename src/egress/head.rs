//! Heads of requests and answers: one strict reading, and none of what two readers read differently.
//!
//! A head is judged as bytes before `httparse` takes it apart, for that library forgives what others have forgiven: lines
//! that end with a line feed alone, and empty lines before the first.

use super::error::{Reason, Refusal};
use super::host::Authority;
use super::policy::Limits;

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// There is none.
    None,
    /// After so many bytes.
    Bytes(u64),
    /// After a chunk of no bytes.
    Chunks,
    /// With the connection; answers only.
    Close,
}

/// A header: its name in small letters, and its value.
pub(super) type Header = (String, Vec<u8>);

/// What a tool sent before the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestHead {
    pub(super) method: String,
    /// As it stands in the request line.
    pub(super) target: String,
    pub(super) host: Authority,
    /// What may go on; the proxy writes the rest itself.
    pub(super) headers: Vec<Header>,
    pub(super) length: Length,
    /// Whether the tool waits for a word before it sends the body.
    pub(super) expects: bool,
}

/// What a server sent before the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AnswerHead {
    pub(super) status: u16,
    pub(super) headers: Vec<Header>,
    pub(super) length: Length,
}

/// Headers of one connection (RFC 9110, section 7.6.1), which end with it.
const HOP: [&str; 10] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers by which some servers take another method, host or path than those that were judged.
const OVERRIDES: [&str; 11] = [
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-prefix",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-url",
    "x-rewrite-url",
];

/// Digits of a content length at the most: more bytes than any disk has, and always a `u64`.
const LENGTH_DIGITS_MAX: usize = 18;

/// Where the head ends, if all of it is there.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// Reads the head of a request, its last empty line included.
pub(super) fn request(bytes: &[u8], limits: &Limits) -> Result<RequestHead, Refusal> {
    let malformed = |what: &str| Refusal::new(Reason::Malformed, what);
    plain(bytes).map_err(malformed)?;
    let mut room = vec![httparse::EMPTY_HEADER; limits.headers_max];
    let mut parsed = httparse::Request::new(&mut room);
    let whole = parsed.parse(bytes).map_err(|error| unread(error, Reason::Malformed, limits))?;
    if whole != httparse::Status::Complete(bytes.len()) || parsed.version != Some(1) {
        return Err(malformed("the request is not one of HTTP/1.1"));
    }
    let headers = lower(parsed.headers);
    if let Some((name, _)) = headers.iter().find(|(name, _)| name.contains('_')) {
        return Err(malformed(&format!("the header {name:?} has an underscore, which some servers read as a dash")));
    }
    if let Some((name, _)) = headers.iter().find(|(name, _)| OVERRIDES.contains(&name.as_str())) {
        return Err(Refusal::new(Reason::HeaderNotAllowed, format!("the header {name} is not sent to anybody")));
    }
    let host = only(&headers, "host").map_err(malformed)?.and_then(|value| std::str::from_utf8(value).ok());
    let host = host.and_then(Authority::read).ok_or_else(|| malformed("there is not exactly one header `host`"))?;
    let length = match body(&headers).map_err(malformed)? {
        Some(length) => length,
        None => Length::None,
    };
    let expects = match only(&headers, "expect").map_err(malformed)? {
        None => false,
        Some(value) if value.eq_ignore_ascii_case(b"100-continue") => true,
        Some(_) => return Err(malformed("it expects something else than 100-continue")),
    };
    let mut headers = end_to_end(headers);
    headers.retain(|(name, _)| !matches!(name.as_str(), "host" | "content-length" | "expect"));
    let (method, target) = (parsed.method.unwrap_or_default(), parsed.path.unwrap_or_default());
    Ok(RequestHead { method: method.to_owned(), target: target.to_owned(), host, headers, length, expects })
}

/// Reads the head of an answer to a request with or without the method `HEAD`.
pub(super) fn answer(bytes: &[u8], to_head: bool, limits: &Limits) -> Result<AnswerHead, Refusal> {
    let malformed = |what: &str| Refusal::new(Reason::AnswerMalformed, what);
    plain(bytes).map_err(malformed)?;
    let mut room = vec![httparse::EMPTY_HEADER; limits.headers_max];
    let mut parsed = httparse::Response::new(&mut room);
    let whole = parsed.parse(bytes).map_err(|error| unread(error, Reason::AnswerMalformed, limits))?;
    let status = parsed.code.unwrap_or(0);
    if whole != httparse::Status::Complete(bytes.len()) || !(100..600).contains(&status) {
        return Err(malformed("the answer is not one of HTTP/1"));
    }
    let headers = lower(parsed.headers);
    let said = body(&headers).map_err(malformed)?;
    if parsed.version == Some(0) && said == Some(Length::Chunks) {
        return Err(malformed("HTTP/1.0 knows no transfer-encoding"));
    }
    let length = match said {
        _ if to_head || matches!(status, 100..=199 | 204 | 304) => Length::None,
        Some(length) => length,
        None => Length::Close,
    };
    let mut headers = end_to_end(headers);
    // To a request for the head only it says how long the body would be.
    headers.retain(|(name, _)| name != "content-length" || to_head);
    Ok(AnswerHead { status, headers, length })
}

fn unread(error: httparse::Error, reason: Reason, limits: &Limits) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => {
            Refusal::new(Reason::HeadTooLarge, format!("the head has more than {} headers", limits.headers_max))
        }
        other => Refusal::new(reason, format!("the head cannot be read: {other}")),
    }
}

/// What is judged before anything is taken apart.
fn plain(bytes: &[u8]) -> Result<(), &'static str> {
    if matches!(bytes.first(), Some(b'\r' | b'\n')) {
        return Err("the head begins with an empty line");
    }
    let mut before = 0;
    for (place, byte) in bytes.iter().enumerate() {
        match byte {
            b'\n' if before != b'\r' => return Err("a line of the head ends with a line feed alone"),
            b'\n' if matches!(bytes.get(place + 1), Some(b' ' | b'\t')) => {
                return Err("a header is folded over two lines");
            }
            _ if before == b'\r' && *byte != b'\n' => return Err("there is a carriage return within a line"),
            0..=8 | 11 | 12 | 14..=31 | 127 => return Err("there is a control character in the head"),
            _ => {}
        }
        before = *byte;
    }
    Ok(())
}

fn lower(headers: &[httparse::Header<'_>]) -> Vec<Header> {
    headers.iter().map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec())).collect()
}

/// The value of a header that may be there once.
fn only<'a>(headers: &'a [Header], name: &str) -> Result<Option<&'a [u8]>, &'static str> {
    let mut all = headers.iter().filter(|(own, _)| own == name);
    match (all.next(), all.next()) {
        (first, None) => Ok(first.map(|(_, value)| value.as_slice())),
        _ => Err("a header that says where the request goes or how it ends is there twice"),
    }
}

/// How the body ends, if the headers say so.
fn body(headers: &[Header]) -> Result<Option<Length>, &'static str> {
    match (only(headers, "content-length")?, only(headers, "transfer-encoding")?) {
        (Some(_), Some(_)) => Err("there are a content-length and a transfer-encoding"),
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Some(Length::Chunks)),
        (None, Some(_)) => Err("the transfer-encoding is not `chunked`"),
        (None, None) => Ok(None),
        (Some(digits), None) => {
            let good = (1..=LENGTH_DIGITS_MAX).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
            let number = std::str::from_utf8(digits).ok().filter(|_| good).and_then(|digits| digits.parse().ok());
            number.map(|number| Some(Length::Bytes(number))).ok_or("the content-length is no number")
        }
    }
}

/// What goes on to the next connection: neither its own headers nor those that it names as its own.
fn end_to_end(headers: Vec<Header>) -> Vec<Header> {
    let named: Vec<String> = headers
        .iter()
        .filter(|(name, _)| name == "connection")
        .flat_map(|(_, value)| {
            String::from_utf8_lossy(value)
                .to_ascii_lowercase()
                .split(',')
                .map(|word| word.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    let stays = |(name, _): &Header| !HOP.contains(&name.as_str()) && !named.contains(name);
    // A connection cannot make its own what says how long a body is.
    headers.into_iter().filter(|header| header.0 == "content-length" || stays(header)).collect()
}
