//! Secrets in a Vault, by its HTTP API as HashiCorp Vault and OpenBao speak it: fixed ones out of the second version of
//! the key-value engine, and those that an engine makes for one lease and revokes after it.
//!
//! Every answer is read up to a limit, no redirect is followed (the token would go with it), and a token goes over TLS or
//! to this machine.

mod answer;
mod client;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::book::{Book, Due};
use super::environment::in_time;
use super::{Error, Lease, Path, Secrets, has_field};
use crate::types::{Clock, Cx, Secret};

use answer::Read;
use client::Client;

/// What an engine does with a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Key-value, version 2: it gives what somebody put there.
    KeyValue,
    /// It makes a secret for this lease, such as an account in a database, and removes it when the lease is revoked.
    Dynamic,
}

/// An engine and where it is mounted. What is not named is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Such as `secret` or `database/creds`: the beginning of the paths it serves.
    pub path: String,
    /// What stands there.
    pub engine: Engine,
}

/// What the host shows to be let in.
#[derive(Debug, Clone)]
pub enum Token {
    /// This, out of the environment.
    Value(Secret),
    /// What a file holds now: an agent beside the host renews it.
    File(PathBuf),
}

/// Which Vault, and what of it.
#[derive(Debug, Clone)]
pub struct VaultConfig {
    /// Such as `https://vault.example.com:8200`.
    pub address: String,
    /// The namespace all paths are in, such as `team/a`.
    pub namespace: Option<String>,
    /// The engines that may be read.
    pub mounts: Vec<Mount>,
    /// How to be let in.
    pub token: Token,
    /// Certificates in PEM form of the authority to trust instead of those this machine trusts.
    pub authority: Option<Vec<u8>>,
    /// A place that takes longer than this to be connected to is as good as down.
    pub connect_timeout: Duration,
}

/// Secrets in a Vault.
pub struct Vault {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    mounts: Vec<(Path, Engine)>,
    book: Mutex<Book>,
    clock: Arc<dyn Clock>,
}

impl Vault {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`Error::Setup`] if the address is none or sends the token in the clear over a network, if a mount or the namespace
    /// is no path, or if the authority's certificates are none.
    pub fn new(config: VaultConfig, clock: Arc<dyn Clock>) -> Result<Vault, Error> {
        let mut mounts = Vec::new();
        for mount in &config.mounts {
            let path: Path =
                mount.path.parse().map_err(|_| Error::Setup("a mount of the vault is no path".to_owned()))?;
            mounts.push((path, mount.engine));
        }
        // The longest first, so that the nearest one serves a path.
        mounts.sort_by_key(|(path, _)| std::cmp::Reverse(path.as_str().len()));
        let client = Client::new(config)?;
        Ok(Vault { inner: Arc::new(Inner { client, mounts, book: Mutex::default(), clock }) })
    }
}

impl Inner {
    /// The engine of a path, and what it is asked for.
    fn engine(&self, path: &Path) -> Result<(Engine, String), Error> {
        let place = path.place();
        let serves = |(mount, engine): &(Path, Engine)| {
            let rest = place.strip_prefix(mount.as_str())?.strip_prefix('/')?;
            Some(match engine {
                Engine::KeyValue => (*engine, format!("{mount}/data/{rest}")),
                Engine::Dynamic => (*engine, format!("{mount}/{rest}")),
            })
        };
        let missing = || Error::NotFound { path: path.clone(), reason: "no mount is configured for it".to_owned() };
        self.mounts.iter().find_map(serves).ok_or_else(missing)
    }

    fn open(&self, cx: &Cx, path: &Path, read: Read) -> Lease {
        let now = self.clock.now();
        let ends = read.lasts.and_then(|lasts| now.checked_add(lasts)).unwrap_or_else(|| cx.deadline());
        self.book.lock().open(path, read.fields, cx.deadline().min(ends), read.lease)
    }

    /// Revokes what was made for a lease; what was not made for one is only struck from the book.
    async fn end(&self, cx: &Cx, due: Due) -> Result<(), Error> {
        let mut held = Held { inner: self, ticket: Some(due.ticket) };
        if let Some(name) = &due.name {
            self.client.revoke(cx, name).await?;
        }
        held.ticket = None;
        self.book.lock().close(due.ticket);
        Ok(())
    }
}

/// A line of the book that somebody is revoking. It goes back if they fail or go away.
struct Held<'a> {
    inner: &'a Inner,
    ticket: Option<u64>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.inner.book.lock().put_back(ticket, self.inner.clock.now());
        }
    }
}

/// Asks an engine to make a secret. Whoever asked may be gone before it answers; what it made is then in the book, and
/// the next sweep revokes it.
fn make(inner: Arc<Inner>, cx: Cx, path: Path, place: String, reply: oneshot::Sender<Result<Lease, Error>>) {
    let work = async move {
        let made = inner.client.read(&cx, &path, &place, true).await;
        let opened = made.map(|read| {
            let fits = has_field(&path, &read.fields);
            (inner.open(&cx, &path, read), fits)
        });
        let unwanted = match opened {
            Ok((lease, Ok(()))) => reply.send(Ok(lease)).err().and_then(Result::ok),
            Ok((lease, Err(error))) => {
                let _ = reply.send(Err(error));
                Some(lease)
            }
            Err(error) => {
                let _ = reply.send(Err(error));
                None
            }
        };
        if let Some(lease) = unwanted {
            inner.book.lock().put_back(lease.ticket, inner.clock.now());
        }
    };
    #[expect(clippy::disallowed_methods, reason = "it ends with the context's deadline, and must outlive its caller")]
    tokio::spawn(work);
}

#[async_trait]
impl Secrets for Vault {
    fn kind(&self) -> &'static str {
        "vault"
    }

    async fn lease(&self, cx: &Cx, path: &Path) -> Result<Lease, Error> {
        let inner = &self.inner;
        in_time(cx, inner.clock.as_ref(), path)?;
        inner.book.lock().room(path)?;
        let (engine, place) = inner.engine(path)?;
        match engine {
            Engine::KeyValue => {
                let read = inner.client.read(cx, path, &place, false).await?;
                has_field(path, &read.fields)?;
                Ok(inner.open(cx, path, read))
            }
            Engine::Dynamic => {
                let (reply, made) = oneshot::channel();
                make(Arc::clone(inner), cx.clone(), path.clone(), place, reply);
                let what = format!("lease the secret {path}");
                made.await.unwrap_or_else(|_| Err(Error::Cancelled { what }))
            }
        }
    }

    async fn revoke(&self, cx: &Cx, lease: Lease) -> Result<(), Error> {
        let due = self.inner.book.lock().take(lease.ticket);
        // What it holds is wiped before anybody waits.
        drop(lease);
        match due {
            Some(due) => self.inner.end(cx, due).await,
            None => Ok(()),
        }
    }

    async fn sweep(&self, cx: &Cx, all: bool) -> Result<usize, Error> {
        let due = self.inner.book.lock().due(self.inner.clock.now(), all);
        let (mut count, mut first) = (0, None);
        for due in due {
            match self.inner.end(cx, due).await {
                Ok(()) => count += 1,
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.map_or(Ok(count), Err)
    }

    fn out(&self) -> usize {
        self.inner.book.lock().out()
    }
}
