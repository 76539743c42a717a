//! Bodies: which of the bytes of a connection are data, and when there are no more. Pure, and the same for whatever
//! pieces the network makes.

use std::ops::Range;

use super::head::Length;

/// Hexadecimal digits of a chunk's size at the most: 4 GiB.
const SIZE_DIGITS_MAX: u32 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many bytes are left.
    Left(u64),
    /// Until the connection ends.
    Open,
    /// In the digits of a size: how many there were, and what they say.
    Size(u32, u64),
    /// At the line feed after a size.
    SizeEnd(u64),
    /// Before so many bytes of a chunk.
    Chunk(u64),
    /// At the line break after a chunk; whether its carriage return was there.
    ChunkEnd(bool),
    /// At the line break after the last size; whether its carriage return was there.
    Last(bool),
    Done,
}

/// Takes a body apart.
#[derive(Debug)]
pub(super) struct Body {
    state: State,
}

/// What came of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// How many of them were taken.
    pub(super) used: usize,
    /// Which of those are data.
    pub(super) data: Range<usize>,
}

impl Body {
    pub(super) fn new(length: Length) -> Body {
        let state = match length {
            Length::None | Length::Bytes(0) => State::Done,
            Length::Bytes(bytes) => State::Left(bytes),
            Length::Chunks => State::Size(0, 0),
            Length::Close => State::Open,
        };
        Body { state }
    }

    /// Whether all of it was there.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether it may end with its connection now.
    pub(super) fn may_end(&self) -> bool {
        matches!(self.state, State::Done | State::Open)
    }

    /// Takes bytes up to the end of one run of data. To be called while there are bytes and it is not done.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Step, &'static str> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = bytes.len() - at;
            match self.state {
                State::Done => break,
                State::Open => return Ok(Step { used: bytes.len(), data: at..bytes.len() }),
                State::Left(left) | State::Chunk(left) => {
                    let used = rest.min(usize::try_from(left).unwrap_or(usize::MAX));
                    let left = left - used as u64;
                    self.state = match (self.state, left) {
                        (State::Left(_), 0) => State::Done,
                        (State::Left(_), _) => State::Left(left),
                        (_, 0) => State::ChunkEnd(false),
                        _ => State::Chunk(left),
                    };
                    return Ok(Step { used: at + used, data: at..at + used });
                }
                framing => self.state = step(framing, bytes[at])?,
            }
            at += 1;
        }
        Ok(Step { used: at, data: at..at })
    }
}

/// One byte of what stands around chunks. What has more than one reading is refused: sizes with extensions, and trailers.
fn step(state: State, byte: u8) -> Result<State, &'static str> {
    match (state, byte) {
        (State::Size(digits, size), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < SIZE_DIGITS_MAX => {
            let digit = char::from(byte).to_digit(16).unwrap_or_default();
            Ok(State::Size(digits + 1, size * 16 + u64::from(digit)))
        }
        (State::Size(1.., size), b'\r') => Ok(State::SizeEnd(size)),
        (State::Size(..), _) => Err("a chunk's size is not one to eight hexadecimal digits"),
        (State::SizeEnd(0), b'\n') => Ok(State::Last(false)),
        (State::SizeEnd(size), b'\n') => Ok(State::Chunk(size)),
        (State::ChunkEnd(false), b'\r') => Ok(State::ChunkEnd(true)),
        (State::ChunkEnd(true), b'\n') => Ok(State::Size(0, 0)),
        (State::Last(false), b'\r') => Ok(State::Last(true)),
        (State::Last(true), b'\n') => Ok(State::Done),
        (State::Last(false), _) => Err("there are trailers after the body"),
        _ => Err("a chunk does not end where its size says"),
    }
}
