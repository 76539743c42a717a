//! The first message of TLS: which server it names. Read twice, by rustls and here, and refused if the two disagree.
//!
//! rustls says whether the message is one and which name is in it; it does not say whether another name is hidden beside
//! it (encrypted client hello). A server that knows the key would serve the hidden one.

use std::io::Cursor;

use rustls::server::Acceptor;

use super::error::{Reason, Refusal};

/// Bytes of the first message at the most, its records included. Ours have some hundred; post-quantum keys add a thousand.
pub(super) const HELLO_MAX: usize = 16 << 10;

/// A record of a handshake, and in it the message.
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// Numbers of extensions (IANA, TLS ExtensionType Values).
const SERVER_NAME: u16 = 0;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
const OLD_ENCRYPTED_SERVER_NAME: u16 = 0xffce;

/// The server that the message names, in small letters; nothing if it has not come whole.
pub(super) fn server_name(bytes: &[u8]) -> Result<Option<String>, Refusal> {
    let broken = |what: &str| Refusal::new(Reason::NotTls, format!("the tunnel does not begin with TLS: {what}"));
    let Some(message) = message(bytes).map_err(broken)? else { return Ok(None) };
    let own = names(&message).ok_or_else(|| broken("its first message cannot be read"))??;
    let mut acceptor = Acceptor::default();
    let mut cursor = Cursor::new(bytes);
    while (cursor.position() as usize) < bytes.len() {
        acceptor.read_tls(&mut cursor).map_err(|_| broken("its first message is too long"))?;
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let other = accepted.client_hello().server_name().map(str::to_ascii_lowercase);
                if other.as_deref() == Some(own.as_str()) {
                    return Ok(Some(own));
                }
                return Err(Refusal::new(Reason::ServerNameMismatch, "its server name has two readings"));
            }
            Err(_) => return Err(broken("its first message is none")),
        }
    }
    Err(broken("its first message has two ends"))
}

/// The first handshake message, put together from its records.
fn message(bytes: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    let (mut rest, mut message) = (bytes, Vec::new());
    loop {
        if let [kind, a, b, c, ..] = message[..] {
            let length = 4 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c));
            if kind != CLIENT_HELLO || length > HELLO_MAX {
                return Err("its first message is none of a client, or too long");
            }
            if message.len() >= length {
                // More in the same record would be a second message, which nobody sends before an answer.
                return if message.len() == length { Ok(Some(message)) } else { Err("two messages are in one record") };
            }
        }
        match rest {
            [] => return Ok(None),
            [kind, ..] if *kind != HANDSHAKE => return Err("its first record is no handshake"),
            [_, major, ..] if *major != 3 => return Err("its version is none of TLS"),
            [_, _, _, high, low, data @ ..] => {
                let length = usize::from(*high) << 8 | usize::from(*low);
                if length == 0 {
                    return Err("a record is empty");
                }
                let Some((record, after)) = data.split_at_checked(length) else { return Ok(None) };
                message.extend_from_slice(record);
                rest = after;
            }
            _ => return Ok(None),
        }
    }
}

/// Takes numbers and lists off the front of bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(front)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    }

    /// What has its length before it, in so many bytes.
    fn list(&mut self, bytes: usize) -> Option<Reader<'a>> {
        let length = self.number(bytes)?;
        self.take(length).map(Reader)
    }
}

/// The one name in the message. Nothing if the message cannot be read.
fn names(message: &[u8]) -> Option<Result<String, Refusal>> {
    let mut hello = Reader(message.get(4..)?);
    hello.take(2 + 32)?;
    hello.list(1)?;
    hello.list(2)?;
    hello.list(1)?;
    let mut found = None;
    if !hello.0.is_empty() {
        let mut extensions = hello.list(2)?;
        hello.0.is_empty().then_some(())?;
        while !extensions.0.is_empty() {
            let number = u16::try_from(extensions.number(2)?).ok()?;
            let mut data = extensions.list(2)?;
            match number {
                ENCRYPTED_CLIENT_HELLO | OLD_ENCRYPTED_SERVER_NAME => {
                    let what = "the server's name is hidden, and could be any";
                    return Some(Err(Refusal::new(Reason::ServerNameHidden, what)));
                }
                SERVER_NAME if found.is_some() => return None,
                SERVER_NAME => found = Some(one_name(&mut data)?),
                _ => {}
            }
        }
    }
    Some(found.ok_or_else(|| Refusal::new(Reason::NoServerName, "the tunnel's TLS names no server")))
}

/// The name in a list of one host name.
fn one_name(data: &mut Reader<'_>) -> Option<String> {
    let mut list = data.list(2)?;
    (list.number(1)? == 0 && data.0.is_empty()).then_some(())?;
    let name = list.list(2)?;
    list.0.is_empty().then_some(())?;
    std::str::from_utf8(name.0).ok().map(str::to_ascii_lowercase)
}
