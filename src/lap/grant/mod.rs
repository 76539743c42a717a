//! Grants: what a caller may use, as a token that anybody may narrow and nobody can widen.
//!
//! A [`Root`] issues a token to an [`Account`]: a service account's name and its first [`Bounds`]. Whoever holds the
//! token may append bounds without asking the host (an agent for its sub-agent, the host for one invocation); each block
//! is signed by a key that the one before it names, so none can be taken away. A [`Verifier`] checks the signatures once,
//! keeps what it found by the token's hash, and [`Grant::check`] compares it with a call: no datalog runs then.
//!
//! Tokens are Biscuits, and the bounds stand in them as ordinary checks, so that any other verifier of Biscuits enforces
//! the same. Here they are read as data instead of being run: a check of another form than those of `block` is refused,
//! because what is not understood must not be passed over.
//!
//! Invariants:
//! - GR1: whatever a narrowed token allows, the token it came from allowed.
//! - GR2: a token that was changed, that another root issued, or whose time is over allows nothing.
//! - GR3: no token and no key is ever printed: not by `Debug`, not in an error.
//! - GR4: a secret is leased and a way out is opened for a call only under a token that was issued for exactly this call.

mod block;
mod bounds;
mod issuer;
mod token;
mod verify;

#[cfg(test)]
mod tests;

pub use bounds::{Bounds, Refusal, Use};
pub use issuer::{Audience, Chance, Errand, Issuer, Pass};
pub use token::{Account, Error, Root, Token};
pub use verify::{Grant, Verifier};

/// Bytes of a token at the most. One of three blocks has 700; it travels in a header, which servers cut at 8 KiB.
pub const TOKEN_BYTES_MAX: usize = 4 << 10;

/// Blocks of a token at the most, the first included: a caller, agents that hand on to agents, and the invocation.
pub const BLOCKS_MAX: usize = 16;

/// Words in one bound at the most, such as tools or scopes.
pub const WORDS_MAX: usize = 64;

/// Bytes of such a word at the most; a hash in hexadecimal has 64.
pub const WORD_BYTES_MAX: usize = 128;

/// Verified tokens that are remembered, unless the host says otherwise. Each takes about half a kilobyte, and verifying
/// one again costs a tenth of a millisecond.
pub const REMEMBERED_MAX: usize = 10_000;
