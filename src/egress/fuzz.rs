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

/// Reads these bytes in every way in which the proxy reads bytes of others.
pub fn traffic(bytes: &[u8]) {
    let _ = hello::server_name(bytes);
    if let Some(end) = head::end(bytes) {
        let _ = head::answer(&bytes[..end], false, &LIMITS);
        if let Ok(request) = head::request(&bytes[..end], &LIMITS) {
            let lengths = request.headers.iter().filter(|(name, _)| name == "content-length" || name == "host");
            assert_eq!(lengths.count(), 0, "what says where a request goes or ends is the proxy's to write");
        }
    }
    for length in [Length::Chunks, Length::Close, Length::Bytes(bytes.len() as u64 / 2)] {
        assert_eq!(data(length, bytes, usize::MAX), data(length, bytes, 1), "other pieces have another reading");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(target) = Target::read(text) {
        let sent = target.to_string();
        let again = Target::read(&sent);
        assert_eq!(again.as_ref(), Ok(&target), "what is sent has another reading than what was judged: {sent}");
        assert!(target.path().split('/').all(|part| part != ".."), "{sent}");
    }
    if let Ok(pattern) = text.parse::<PathPattern>() {
        assert_eq!(pattern.to_string(), text);
    }
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
