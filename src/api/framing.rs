//! One strict reading of where requests begin and end on a connection, made before the HTTP library makes its own.
//!
//! Request smuggling lives on bytes that two readers cut differently: a proxy sees one request, the host behind it two.
//! So what has more than one reading in any server is refused here, and what passes has the same reading everywhere.
//!
//! Invariants:
//! - FR1: nothing of a head is let through before all of it was read and found good.
//! - FR2: after a refusal nothing more is let through.
//! - FR3: what is held back of a head is never more than `head_bytes_max`.
//! - FR4: nothing is taken beyond the end of a request, so that whoever reads decides when the next one begins.

use super::problem::{Code, Problem};

/// What a head may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes of a request's line and headers together.
    pub(super) head_bytes_max: usize,
    /// Headers of a request.
    pub(super) headers_max: usize,
}

/// Why a connection is not read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The head is longer than allowed.
    HeadTooLong(usize),
    /// There are more headers than allowed.
    TooManyHeaders(usize),
    /// The head did not come within so many seconds.
    HeadTimeout(u64),
    /// A head has no reading, or more than one.
    Malformed(&'static str),
    /// A chunked body has none. Whoever reads that body sees it break off, and answers with this reason.
    BadChunk(&'static str),
}

impl Refusal {
    /// What the client is told.
    pub(super) fn problem(self) -> Problem {
        match self {
            Refusal::HeadTooLong(most) => {
                Problem::new(Code::HeadTooLarge, format!("the head has more than {most} bytes (api.head_bytes_max)"))
            }
            Refusal::TooManyHeaders(most) => {
                Problem::new(Code::HeadTooLarge, format!("there are more than {most} headers (api.headers_max)"))
            }
            Refusal::HeadTimeout(seconds) => {
                let detail = format!("the head did not come within {seconds} s (api.head_timeout_s)");
                Problem::new(Code::HeadTimeout, detail)
            }
            Refusal::Malformed(what) | Refusal::BadChunk(what) => Problem::new(Code::MalformedRequest, what),
        }
    }
}

/// How the body of a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Bytes(u64),
    Chunks,
}

/// Where in a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    /// In the digits of a size: how many there were, and what they say.
    Size(u32, u64),
    /// At the line feed after a size.
    SizeEnd(u64),
    /// Before so many bytes of data.
    Data(u64),
    /// At the line break after data; whether its carriage return was there.
    DataEnd(bool),
    /// At the line break after the last size; whether its carriage return was there.
    Last(bool),
}

/// Where in the stream of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Body(u64),
    Chunked(Chunk),
    Refused,
}

/// Hexadecimal digits of a chunk's size at the most: 4 GiB, and no sum of sizes overflows.
const SIZE_DIGITS_MAX: u32 = 8;

/// Digits of a content length at the most: more bytes than any disk has, and always a `u64`.
const LENGTH_DIGITS_MAX: usize = 18;

/// Headers that may be there once, with what a second one is told: who asks, of what kind the body is, and which page sent
/// it can have one answer only, and whoever stands before this host may have read the other one. The rest are lists, or
/// say nothing that counts. Two of the headers that say how long a body is are refused for reasons of their own.
const ONCE: [(&str, &str); 3] = [
    ("authorization", "there is more than one header `authorization`"),
    ("content-type", "there is more than one header `content-type`"),
    ("origin", "there is more than one header `origin`"),
];

/// Reads a connection's bytes as they come.
#[derive(Debug)]
pub(super) struct Framing {
    limits: Limits,
    state: State,
    /// What has come of a head.
    head: Vec<u8>,
    /// Heads that were let through.
    heads: u64,
}

impl Framing {
    pub(super) fn new(limits: Limits) -> Framing {
        Framing { limits, state: State::Head, head: Vec::new(), heads: 0 }
    }

    /// Whether a head has begun and is not whole yet.
    pub(super) fn in_head(&self) -> bool {
        self.state == State::Head && !self.head.is_empty()
    }

    /// Whether the last request is whole and nothing of the next one was taken.
    pub(super) fn between(&self) -> bool {
        self.state == State::Head && self.head.is_empty()
    }

    /// How many heads were let through.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// Takes the next bytes, up to the end of a request, and adds to `out` what may go on to the server. Returns how many
    /// it took.
    pub(super) fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, Refusal> {
        let taken = self.advance(bytes, out);
        if taken.is_err() {
            self.state = State::Refused;
            self.head = Vec::new();
        }
        taken
    }

    /// Takes all of these bytes, one request after the other.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn take_all(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            let used = self.take(bytes, out)?;
            bytes = &bytes[used..];
        }
        Ok(())
    }

    fn advance(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, Refusal> {
        let (all, mut bytes) = (bytes.len(), bytes);
        while !bytes.is_empty() {
            let used = match self.state {
                State::Head => self.head(bytes, out)?,
                State::Body(left) => {
                    let used = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    out.extend_from_slice(&bytes[..used]);
                    let left = left - used as u64;
                    self.state = if left == 0 { State::Head } else { State::Body(left) };
                    used
                }
                State::Chunked(chunk) => {
                    let (used, next) = chunked(chunk, bytes)?;
                    out.extend_from_slice(&bytes[..used]);
                    self.state = next;
                    used
                }
                State::Refused => return Ok(all),
            };
            bytes = &bytes[used..];
            if self.between() {
                break;
            }
        }
        Ok(all - bytes.len())
    }

    /// Takes bytes up to the end of the head and returns how many those are.
    fn head(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, Refusal> {
        for (place, byte) in bytes.iter().enumerate() {
            if self.head.len() >= self.limits.head_bytes_max {
                return Err(Refusal::HeadTooLong(self.limits.head_bytes_max));
            }
            self.head.push(*byte);
            if *byte != b'\n' {
                continue;
            }
            if !self.head.ends_with(b"\r\n") {
                return Err(Refusal::Malformed("a line of the head ends with a line feed alone"));
            }
            if self.head.ends_with(b"\r\n\r\n") || self.head.len() == 2 {
                self.state = match length(&self.head, self.limits)? {
                    Length::Bytes(0) => State::Head,
                    Length::Bytes(bytes) => State::Body(bytes),
                    Length::Chunks => State::Chunked(Chunk::Size(0, 0)),
                };
                out.append(&mut self.head);
                self.heads += 1;
                return Ok(place + 1);
            }
        }
        Ok(bytes.len())
    }
}

/// Takes some bytes of a chunked body: how many, and where that leads.
fn chunked(chunk: Chunk, bytes: &[u8]) -> Result<(usize, State), Refusal> {
    if let Chunk::Data(left) = chunk {
        let used = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - used as u64;
        let next = if left == 0 { Chunk::DataEnd(false) } else { Chunk::Data(left) };
        return Ok((used, State::Chunked(next)));
    }
    let byte = bytes[0];
    let next = match (chunk, byte) {
        (Chunk::Size(digits, size), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < SIZE_DIGITS_MAX => {
            let digit = char::from(byte).to_digit(16).unwrap_or_default();
            Chunk::Size(digits + 1, size * 16 + u64::from(digit))
        }
        (Chunk::Size(1.., size), b'\r') => Chunk::SizeEnd(size),
        (Chunk::Size(..), _) => return Err(Refusal::BadChunk("a chunk's size is not one to eight hexadecimal digits")),
        (Chunk::SizeEnd(0), b'\n') => Chunk::Last(false),
        (Chunk::SizeEnd(size), b'\n') => Chunk::Data(size),
        (Chunk::DataEnd(false), b'\r') => Chunk::DataEnd(true),
        (Chunk::DataEnd(true), b'\n') => Chunk::Size(0, 0),
        (Chunk::Last(false), b'\r') => Chunk::Last(true),
        (Chunk::Last(true), b'\n') => return Ok((1, State::Head)),
        (Chunk::Last(false), _) => return Err(Refusal::BadChunk("there are trailers after the body")),
        _ => return Err(Refusal::BadChunk("a chunk does not end where its size says")),
    };
    Ok((1, State::Chunked(next)))
}

/// Judges a whole head, its last empty line included, and says how its body ends.
fn length(head: &[u8], limits: Limits) -> Result<Length, Refusal> {
    let malformed = |what| Err(Refusal::Malformed(what));
    let Ok(text) = std::str::from_utf8(head) else { return malformed("the head is not UTF-8") };
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let version = request_line(lines.next().unwrap_or_default())?;
    let (mut hosts, mut bytes, mut chunked, mut count) = (0, None, false, 0);
    let mut seen = [false; ONCE.len()];
    for line in lines {
        count += 1;
        if count > limits.headers_max {
            return Err(Refusal::TooManyHeaders(limits.headers_max));
        }
        let (name, value) = header(line)?;
        let name = name.to_ascii_lowercase();
        if let Some(place) = ONCE.iter().position(|(once, _)| *once == name)
            && std::mem::replace(&mut seen[place], true)
        {
            return malformed(ONCE[place].1);
        }
        match name.as_str() {
            "host" => hosts += 1,
            "content-length" if bytes.is_some() => return malformed("there is more than one content-length"),
            "content-length" => match number(value) {
                Some(number) => bytes = Some(number),
                None => return malformed("the content-length is no number"),
            },
            "transfer-encoding" if chunked => return malformed("there is more than one transfer-encoding"),
            "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => chunked = true,
            "transfer-encoding" => return malformed("the transfer-encoding is not `chunked`"),
            _ => {}
        }
    }
    match (bytes, chunked) {
        _ if hosts != 1 => malformed("there is not exactly one header `host`"),
        (Some(_), true) => malformed("there are a content-length and a transfer-encoding"),
        (None, true) if version == "HTTP/1.0" => malformed("HTTP/1.0 knows no transfer-encoding"),
        (None, true) => Ok(Length::Chunks),
        (bytes, false) => Ok(Length::Bytes(bytes.unwrap_or(0))),
    }
}

/// The version in a request line, after a look at the rest of it.
fn request_line(line: &str) -> Result<&str, Refusal> {
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::Malformed("the request line is not method, target and version"));
    };
    if !is_token(method) {
        return Err(Refusal::Malformed("the method is no word"));
    }
    // Only this form has one place for the host's name, which is then checked.
    if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::Malformed("the target is no path that begins with `/` in plain ASCII"));
    }
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return Err(Refusal::Malformed("the version is not HTTP/1.1"));
    }
    Ok(version)
}

/// The name and the value of a header line.
fn header(line: &str) -> Result<(&str, &str), Refusal> {
    if line.starts_with([' ', '\t']) {
        return Err(Refusal::Malformed("a header is folded over two lines"));
    }
    let Some((name, value)) = line.split_once(':') else { return Err(Refusal::Malformed("a header has no colon")) };
    if !is_token(name) {
        return Err(Refusal::Malformed("the name of a header is no word"));
    }
    if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return Err(Refusal::Malformed("a header has a control character in it"));
    }
    Ok((name, value.trim_matches([' ', '\t'])))
}

/// Digits and nothing else: no sign, no list, no space.
fn number(value: &str) -> Option<u64> {
    let plain = (1..=LENGTH_DIGITS_MAX).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
    if plain { value.parse().ok() } else { None }
}

/// A token of RFC 9110, section 5.6.2.
fn is_token(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
