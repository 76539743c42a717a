//! What fuzzing does with the stream of a host.

use super::sse::Parser;

/// Reads these bytes as a stream of events. Wherever the network cuts them, the events are the same.
pub fn stream(bytes: &[u8]) {
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        for piece in pieces {
            events.extend(parser.push(piece).ok()?);
        }
        Some(events)
    };
    assert_eq!(read(&mut [bytes].into_iter()), read(&mut bytes.chunks(3)), "other pieces have other events");
}
