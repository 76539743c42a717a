//! What fuzzing does with the stream of an endpoint.

use super::answer::Answer;
use super::sse::Parser;
use super::wire::Part;
use crate::inference::Request;

/// Reads these bytes as a stream of events and puts an answer together. Wherever the network cuts them, the events are
/// the same. Says whether any of it was part of an answer.
pub fn stream(bytes: &[u8]) -> bool {
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        for piece in pieces {
            events.extend(parser.push(piece).ok()?);
        }
        events.extend(parser.finish().ok()?);
        Some(events)
    };
    let whole = read(&mut [bytes].into_iter());
    assert_eq!(whole, read(&mut bytes.chunks(3)), "the same bytes in other pieces have other events");
    let request = Request { messages: Vec::new(), tools: Vec::new(), max_tokens: 1, temperature: 0.0, seed: 0 };
    let mut answer = Answer::new(&request, 64);
    let mut taken = false;
    for part in whole.unwrap_or_default().iter().filter_map(|event| serde_json::from_str::<Part>(event).ok()) {
        if answer.take(part).is_err() {
            break;
        }
        taken = true;
    }
    taken
}
