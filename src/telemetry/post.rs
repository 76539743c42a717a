//! Telling a receiver something by HTTP, signed, so that it can know who says so.
//!
//! The signature is `v1=` and HMAC-SHA256 (RFC 2104) in hexadecimal over the time, a dot and the body, as receivers of
//! webhooks commonly check it. The time is in a header of its own, so that an old message cannot pass for a new one.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest, Sha256};

/// A key that messages are signed with. It cannot be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// Wraps the bytes of a text.
    pub fn new(text: &str) -> Key {
        Key(text.as_bytes().to_vec())
    }

    /// The signature of a message at this time, in seconds since 1970.
    pub fn sign(&self, seconds: i64, body: &str) -> String {
        let mac = hmac(&self.0, format!("{seconds}.{body}").as_bytes());
        mac.iter().fold("v1=".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;

pub(super) fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

/// One message to a receiver.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Where it goes.
    pub url: String,
    /// What it is about, such as `alert.raised`.
    pub event: String,
    /// Its name, the same for every attempt: who has seen it has seen it.
    pub delivery: String,
    /// What it says, as JSON.
    pub body: String,
    /// What it is signed with.
    pub key: Option<Key>,
    /// When, in seconds since 1970.
    pub seconds: i64,
}

/// Whoever carries messages to receivers.
#[async_trait]
pub trait Post: Send + Sync + 'static {
    /// Carries one message, once. An error says in words why the receiver does not have it, as far as is known.
    async fn post(&self, letter: Letter) -> Result<(), String>;
}

/// Carries nothing, for hosts that tell nobody.
pub struct NoPost;

#[async_trait]
impl Post for NoPost {
    async fn post(&self, _letter: Letter) -> Result<(), String> {
        Err("this host carries no messages".to_owned())
    }
}

/// Seconds a connection may take; how long the rest may take is the sender's to say.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Carries messages by HTTP. A receiver that sends elsewhere is not followed: the key is for it alone.
pub struct HttpPost {
    client: reqwest::Client,
}

impl HttpPost {
    /// A carrier that keeps its connections.
    ///
    /// # Errors
    /// Why there cannot be one, in words: the machine has no certificates to trust.
    pub fn new() -> Result<HttpPost, String> {
        // Refused if somebody installed a provider before, and then theirs is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        Ok(HttpPost { client })
    }
}

#[async_trait]
impl Post for HttpPost {
    async fn post(&self, letter: Letter) -> Result<(), String> {
        let mut request = self
            .client
            .post(&letter.url)
            .header("content-type", "application/json")
            .header("syzygy-event", &letter.event)
            .header("syzygy-delivery", &letter.delivery)
            .header("syzygy-timestamp", letter.seconds.to_string());
        if let Some(key) = &letter.key {
            request = request.header("syzygy-signature", key.sign(letter.seconds, &letter.body));
        }
        // Without the URL, which may hold a credential.
        let answer = request.body(letter.body).send().await.map_err(|error| error.without_url().to_string())?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("it answered {status}")),
        }
    }
}
