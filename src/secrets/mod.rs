//! Secrets of tools, from where an operator keeps them: the environment, a directory, a Vault.
//!
//! What it is for: a secret is leased for one invocation until its deadline, and given back at its end.
//! What it owns: the ways to the places where secrets are, and the book of what is out.
//! What it never does: keep a secret after its lease, write one anywhere, or say one in an error or a log.
//!
//! Invariants:
//! - SC1: a lease ends with the deadline of its invocation at the latest; what nobody gave back is found by a sweep.
//! - SC2: a secret made for one lease (of a dynamic engine) is revoked where it was made, when it is given back.
//! - SC3: an error names the path of a secret and never what stands there.
//! - SC4: no backend reads outside what the operator named: not another variable, file, mount or namespace.

mod book;
mod config;
mod environment;
mod error;
mod fake;
mod file;
mod path;
mod vault;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::types::{Cx, Secret};

pub use config::{Config, Kept, VaultPlace};
pub use environment::Environment;
pub use error::Error;
pub use fake::Fake;
pub use file::Files;
pub use path::Path;
pub use vault::{Engine, Mount, Token, Vault, VaultConfig};

/// Bytes of one secret at the most. A chain of certificates with its key has some ten thousand.
pub const BYTES_MAX: usize = 64 << 10;

/// Secrets that may be out at a time, of one backend. Each is held by a running invocation; more is a leak.
pub const LEASES_MAX: usize = 10_000;

/// The field of a secret that has only one.
pub const FIELD: &str = "value";

/// A secret that is out: what stands at its path, until when, and how it is given back.
#[derive(Debug)]
pub struct Lease {
    path: Path,
    fields: BTreeMap<String, Secret>,
    until: Instant,
    ticket: u64,
}

impl Lease {
    /// Where it is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The secret: the field that the path names, or the field `value`, or the only one there is.
    ///
    /// # Errors
    /// [`Error::NoField`] if the path names a field that is not there, or none of several.
    pub fn secret(&self) -> Result<&Secret, Error> {
        let named = self.path.field();
        let found = match (named, self.fields.len()) {
            (Some(field), _) => self.fields.get(field),
            (None, 1) => self.fields.values().next(),
            (None, _) => self.fields.get(FIELD),
        };
        found.ok_or_else(|| Error::NoField { path: self.path.clone(), known: self.fields.keys().cloned().collect() })
    }

    /// Each of its fields, such as the name and the password of an account.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.fields.iter().map(|(name, secret)| (name.as_str(), secret))
    }

    /// When it is no longer the invocation's.
    pub fn until(&self) -> Instant {
        self.until
    }
}

/// Whether the field that a path names is among these.
fn has_field(path: &Path, fields: &BTreeMap<String, Secret>) -> Result<(), Error> {
    let gone = path.field().is_some_and(|field| !fields.contains_key(field));
    let known = || fields.keys().cloned().collect();
    if gone { Err(Error::NoField { path: path.clone(), known: known() }) } else { Ok(()) }
}

/// Where secrets are kept.
#[async_trait]
pub trait Secrets: Send + Sync + 'static {
    /// What kind of place it is, for records.
    fn kind(&self) -> &'static str;

    /// Leases what stands at this path, until the context's deadline.
    async fn lease(&self, cx: &Cx, path: &Path) -> Result<Lease, Error>;

    /// Takes a lease back, and revokes what was made for it. If that fails it stays in the book, and the next sweep
    /// tries again.
    async fn revoke(&self, cx: &Cx, lease: Lease) -> Result<(), Error>;

    /// Takes back every lease whose deadline has passed, or which `all` of them. Says how many were revoked.
    async fn sweep(&self, cx: &Cx, all: bool) -> Result<usize, Error>;

    /// How many are out.
    fn out(&self) -> usize;
}
