//! What fuzzing does with the stream of a host.

use super::sse::Parser;

/// Reads these bytes as a stream of events. Wherever the network cuts them, the events are the same. Says whether there
/// were any.
pub fn stream(bytes: &[u8]) -> bool {
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        for piece in pieces {
            events.extend(parser.push(piece).ok()?);
        }
        Some(events)
    };
    let whole = read(&mut [bytes].into_iter());
    assert_eq!(whole, read(&mut bytes.chunks(3)), "other pieces have other events");
    whole.is_some_and(|events| !events.is_empty())
}
