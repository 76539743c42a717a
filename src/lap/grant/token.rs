//! Tokens: how the host issues them and how whoever holds one narrows it.

use std::fmt;

use biscuit_auth::builder::Algorithm;
use biscuit_auth::{BiscuitBuilder, BlockBuilder, KeyPair, PrivateKey, PublicKey, UnverifiedBiscuit};

use crate::types::{Class, Hash};

use super::block::{is_word, source};
use super::{BLOCKS_MAX, Bounds, TOKEN_BYTES_MAX};

/// Who is given a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The service account's name, such as `acme/reports`.
    pub name: String,
    /// What it may do at the most. Scopes and an end have to be named, since a grant of everything for ever is none.
    pub bounds: Bounds,
}

/// Why a token could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The root's secret is no key.
    #[error("could not use the root key of grants: it is not 32 bytes of an ed25519 key")]
    Key,
    /// There is no chance to make a key of.
    #[error("could not issue a grant: the operating system gives no randomness")]
    Chance,
    /// A word that would need escaping, or none at all.
    #[error(
        "could not put a {what} into a grant: it has to begin with a letter or digit, and may hold letters, digits and ._:/@+*-"
    )]
    Word {
        /// What the word is.
        what: &'static str,
    },
    /// Too many words.
    #[error("could not put more than {most} of {what} into a grant")]
    TooMany {
        /// What they are.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// An account without scopes or without an end.
    #[error("could not issue a grant without {what}")]
    Unbounded {
        /// What is lacking.
        what: &'static str,
    },
    /// The token is sealed: it was narrowed for the last time.
    #[error("could not narrow the grant: it is sealed")]
    Sealed,
    /// What was to be narrowed is no token.
    #[error("could not narrow the grant: it is not a token")]
    Malformed,
    /// It would be larger than a token may be.
    #[error("could not narrow the grant: it would be larger than a grant may be")]
    TooLarge,
}

impl Error {
    /// What kind of error it is.
    pub fn class(&self) -> Class {
        match self {
            Error::Key => Class::Internal,
            Error::Chance => Class::Unavailable,
            Error::TooLarge => Class::Exhausted,
            Error::Sealed => Class::Denied,
            Error::Word { .. } | Error::TooMany { .. } | Error::Unbounded { .. } | Error::Malformed => Class::Invalid,
        }
    }
}

/// A grant as it travels. Whoever has it may use it, so it is as secret as a password until it ends.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Vec<u8>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// A token as it came in. Nothing is checked; a verifier does that.
    pub fn from_bytes(bytes: Vec<u8>) -> Token {
        Token(bytes)
    }

    /// Its bytes, to send.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// What it may be called in records.
    pub fn hash(&self) -> Hash {
        Hash::of(&self.0)
    }

    /// The same grant within these bounds too. `entropy` is the key with which it can be narrowed again: 32 bytes from
    /// the operating system, never used before.
    ///
    /// # Errors
    /// What the bounds have that cannot stand in a token, or that it cannot be narrowed again.
    pub fn narrow(&self, bounds: &Bounds, entropy: &[u8; 32]) -> Result<Token, Error> {
        let token = self.open()?;
        if token.block_count() >= BLOCKS_MAX {
            return Err(Error::TooLarge);
        }
        let block = BlockBuilder::new().code(source(bounds)?).map_err(|_| Error::Word { what: "bound" })?;
        let narrowed = token.append_with_keypair(&key(entropy)?, block).map_err(|error| match error {
            biscuit_auth::error::Token::AppendOnSealed | biscuit_auth::error::Token::AlreadySealed => Error::Sealed,
            _ => Error::Malformed,
        })?;
        Token::of(narrowed.to_vec().map_err(|_| Error::Malformed)?)
    }

    /// The same grant, never to be narrowed again: what an invocation is given.
    ///
    /// # Errors
    /// That it is no token, or is sealed.
    pub fn seal(&self) -> Result<Token, Error> {
        let sealed = self.open()?.seal().map_err(|error| match error {
            biscuit_auth::error::Token::AlreadySealed | biscuit_auth::error::Token::AppendOnSealed => Error::Sealed,
            _ => Error::Malformed,
        })?;
        Token::of(sealed.to_vec().map_err(|_| Error::Malformed)?)
    }

    fn open(&self) -> Result<UnverifiedBiscuit, Error> {
        if self.0.len() > TOKEN_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        UnverifiedBiscuit::from(&self.0).map_err(|_| Error::Malformed)
    }

    fn of(bytes: Vec<u8>) -> Result<Token, Error> {
        if bytes.len() > TOKEN_BYTES_MAX { Err(Error::TooLarge) } else { Ok(Token(bytes)) }
    }
}

fn key(secret: &[u8; 32]) -> Result<KeyPair, Error> {
    let private = PrivateKey::from_bytes(secret, Algorithm::Ed25519).map_err(|_| Error::Key)?;
    Ok(KeyPair::from(&private))
}

/// The key that grants come from. There is one in a host, and it does not leave it.
pub struct Root(KeyPair);

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Root(..)")
    }
}

impl Root {
    /// The root of this secret, which the host made or read.
    ///
    /// # Errors
    /// That it is no key.
    pub fn from_secret(secret: &[u8; 32]) -> Result<Root, Error> {
        key(secret).map(Root)
    }

    /// What tells its tokens from those of others.
    pub(super) fn public(&self) -> PublicKey {
        self.0.public()
    }

    /// A grant for this account. `entropy` is the key with which it can be narrowed: 32 bytes from the operating system,
    /// never used before.
    ///
    /// # Errors
    /// What the account has that cannot stand in a token, or what it lacks.
    pub fn issue(&self, account: &Account, entropy: &[u8; 32]) -> Result<Token, Error> {
        if !is_word(&account.name) {
            return Err(Error::Word { what: "account" });
        }
        if account.bounds.scopes.is_none() {
            return Err(Error::Unbounded { what: "scopes" });
        }
        if account.bounds.until.is_none() {
            return Err(Error::Unbounded { what: "an end" });
        }
        let text = format!("account(\"{}\");\n{}", account.name, source(&account.bounds)?);
        let builder = BiscuitBuilder::new().code(text).map_err(|_| Error::Word { what: "bound" })?;
        let symbols = biscuit_auth::datalog::SymbolTable::default();
        let token = builder.build_with_key_pair(&self.0, symbols, &key(entropy)?).map_err(|_| Error::Key)?;
        Token::of(token.to_vec().map_err(|_| Error::Malformed)?)
    }
}
