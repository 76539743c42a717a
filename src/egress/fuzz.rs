//! What fuzzing does with what tools and servers send: heads, bodies, paths, and the beginning of a tunnel.

use super::body::Body;
use super::head::{self, Length};
use super::hello;
use super::path::{PathPattern, Target};
use super::policy::Limits;

const LIMITS: Limits = Limits {
    connections_max: 1,
    requests_max: 1,
    head_bytes_max: 4 << 10,
    headers_max: 32,
    sent_bytes_max: u64::MAX,
    received_bytes_max: u64::MAX,
    records_max: 1,
    head_timeout_s: 1,
    connect_timeout_s: 1,
    idle_timeout_s: 1,
};

/// What reads bytes: its name, and a function that says whether they were what it reads.
pub type Reader = (&'static str, fn(&[u8]) -> bool);

/// What reads traffic, each by its name.
pub const TRAFFIC: [Reader; 6] = [
    ("request", request),
    ("answer", answer),
    ("hello", hello),
    ("chunks", chunks),
    ("path", path),
    ("pattern", pattern),
];

fn request(bytes: &[u8]) -> bool {
    let Some(end) = head::end(bytes) else { return false };
    let Ok(request) = head::request(&bytes[..end], &LIMITS) else { return false };
    let framing = request.headers.iter().filter(|(name, _)| name == "content-length" || name == "host");
    assert_eq!(framing.count(), 0, "what says where a request goes or ends is the proxy's to write");
    true
}

fn answer(bytes: &[u8]) -> bool {
    head::end(bytes).is_some_and(|end| head::answer(&bytes[..end], false, &LIMITS).is_ok())
}

fn hello(bytes: &[u8]) -> bool {
    matches!(hello::server_name(bytes), Ok(Some(_)))
}

fn chunks(bytes: &[u8]) -> bool {
    for length in [Length::Chunks, Length::Close, Length::Bytes(bytes.len() as u64 / 2)] {
        assert_eq!(data(length, bytes, usize::MAX), data(length, bytes, 1), "other pieces have another reading");
    }
    data(Length::Chunks, bytes, usize::MAX).is_some_and(|data| !data.is_empty())
}

fn path(bytes: &[u8]) -> bool {
    let Some(target) = std::str::from_utf8(bytes).ok().and_then(|text| Target::read(text).ok()) else { return false };
    let sent = target.to_string();
    assert_eq!(Target::read(&sent).as_ref(), Ok(&target), "what is sent is read as another than was judged: {sent}");
    assert!(target.path().split('/').all(|part| part != ".."), "{sent}");
    true
}

fn pattern(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(pattern) = text.parse::<PathPattern>() else { return false };
    assert_eq!(pattern.to_string(), text);
    true
}

/// The data of a body that comes in pieces of this size; nothing if it is none.
fn data(length: Length, bytes: &[u8], piece: usize) -> Option<Vec<u8>> {
    let (mut body, mut out) = (Body::new(length), Vec::new());
    for piece in bytes.chunks(piece.min(bytes.len().max(1))) {
        let mut rest = piece;
        while !rest.is_empty() && !body.is_done() {
            let step = body.take(rest).ok()?;
            out.extend_from_slice(&rest[step.data]);
            rest = &rest[step.used..];
        }
    }
    Some(out)
}
