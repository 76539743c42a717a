//! Looks for secrets in bytes: as they are, and in the forms in which programs write texts into others.

use zeroize::Zeroizing;

use super::Secret;

/// How a secret was written where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As it is.
    Plain,
    /// In base64, of the usual or the URL's alphabet, alone or inside of something longer.
    Base64,
    /// In hexadecimal digits, upper or lower.
    Hex,
    /// With percent signs, as in a URL.
    Url,
    /// With backslashes, as in JSON.
    Json,
}

/// Bytes of the shortest form that is looked for. What is shorter stands in every other text by chance.
pub const SHORTEST: usize = 4;

/// One form of one secret.
#[derive(Clone)]
struct Needle {
    /// Which of the scanner's secrets.
    secret: usize,
    form: Form,
    bytes: Zeroizing<Vec<u8>>,
}

/// What is looked for.
#[derive(Clone)]
pub struct Scanner {
    needles: Vec<Needle>,
    /// Whether a needle begins with this byte: most places of most bytes are passed over by it.
    firsts: [bool; 256],
    longest: usize,
}

impl std::fmt::Debug for Scanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scanner").field("needles", &self.needles.len()).finish_non_exhaustive()
    }
}

impl Scanner {
    /// Looks for these.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Scanner {
        let mut scanner = Scanner { needles: Vec::new(), firsts: [false; 256], longest: 0 };
        for (place, secret) in secrets.into_iter().enumerate() {
            scanner.learn(place, secret.reveal().as_bytes());
        }
        scanner
    }

    fn learn(&mut self, place: usize, text: &[u8]) {
        self.add(place, Form::Plain, text.to_vec());
        for digits in [LOWER, UPPER] {
            self.add(place, Form::Hex, hex(text, digits));
            self.add(place, Form::Url, percent(text, digits, |byte| !is_unreserved(byte)));
            self.add(place, Form::Url, percent(text, digits, |_| true));
        }
        for alphabet in [STANDARD, URL_SAFE] {
            for skipped in 0..3 {
                self.add(place, Form::Base64, base64_within(text, skipped, alphabet));
            }
        }
        self.add(place, Form::Json, escape(text, b"\"\\"));
        self.add(place, Form::Json, escape(text, b"\"\\/"));
    }

    fn add(&mut self, secret: usize, form: Form, bytes: Vec<u8>) {
        let bytes = Zeroizing::new(bytes);
        if bytes.len() < SHORTEST || self.needles.iter().any(|known| *known.bytes == *bytes) {
            return;
        }
        self.firsts[usize::from(bytes[0])] = true;
        self.longest = self.longest.max(bytes.len());
        self.needles.push(Needle { secret, form, bytes });
    }

    /// The first secret in these bytes: which of those the scanner was made of, and how it is written.
    pub fn find(&self, bytes: &[u8]) -> Option<(usize, Form)> {
        let places = bytes.iter().enumerate().filter(|(_, byte)| self.firsts[usize::from(**byte)]);
        for (place, _) in places {
            let rest = &bytes[place..];
            if let Some(needle) = self.needles.iter().find(|needle| rest.starts_with(&needle.bytes)) {
                return Some((needle.secret, needle.form));
            }
        }
        None
    }

    /// Whether nothing is looked for: there are no secrets, or all are too short.
    pub fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// Looks at bytes that come in pieces.
    pub fn watch(&self) -> Watch<'_> {
        Watch { scanner: self, held: Zeroizing::new(Vec::new()) }
    }

    /// How many of the last bytes may be the beginning of a needle.
    fn begun(&self, bytes: &[u8]) -> usize {
        let most = bytes.len().min(self.longest.saturating_sub(1));
        let begins = |len: &usize| {
            let tail = &bytes[bytes.len() - len..];
            self.firsts[usize::from(tail[0])] && self.needles.iter().any(|needle| needle.bytes.starts_with(tail))
        };
        (1..=most).rev().find(begins).unwrap_or(0)
    }
}

/// Lets bytes through that have no secret in them. What may be the beginning of one is held back until more has come.
pub struct Watch<'a> {
    scanner: &'a Scanner,
    held: Zeroizing<Vec<u8>>,
}

impl Watch<'_> {
    /// Takes the next bytes and returns what may go on.
    ///
    /// # Errors
    /// A secret was found; nothing of it was let through.
    pub fn pass(&mut self, bytes: &[u8]) -> Result<Vec<u8>, (usize, Form)> {
        if self.scanner.is_empty() {
            return Ok(bytes.to_vec());
        }
        self.held.extend_from_slice(bytes);
        if let Some(found) = self.scanner.find(&self.held) {
            return Err(found);
        }
        let keep = self.scanner.begun(&self.held);
        let free = self.held.len() - keep;
        Ok(self.held.drain(..free).collect())
    }

    /// What was held back, when no more comes: it is no secret, for that was not finished.
    pub fn rest(mut self) -> Vec<u8> {
        std::mem::take(&mut *self.held)
    }
}

const LOWER: &[u8; 16] = b"0123456789abcdef";
const UPPER: &[u8; 16] = b"0123456789ABCDEF";
const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn hex(text: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    text.iter().flat_map(|byte| [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]).collect()
}

fn percent(text: &[u8], digits: &[u8; 16], hidden: impl Fn(u8) -> bool) -> Vec<u8> {
    let write = |byte: &u8| match hidden(*byte) {
        true => vec![b'%', digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]],
        false => vec![*byte],
    };
    text.iter().flat_map(write).collect()
}

/// Characters that a URL never hides (RFC 3986, section 2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn escape(text: &[u8], marked: &[u8]) -> Vec<u8> {
    text.iter().flat_map(|byte| if marked.contains(byte) { vec![b'\\', *byte] } else { vec![*byte] }).collect()
}

/// The characters of base64 that these bytes decide alone when so many others stand before them in their group of three.
fn base64_within(text: &[u8], skipped: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let first = (skipped * 8).div_ceil(6);
    let after = (skipped + text.len()) * 8 / 6;
    let bit = |place: usize| {
        let byte = (place / 8).checked_sub(skipped).map_or(0, |index| text[index]);
        usize::from(byte >> (7 - place % 8) & 1)
    };
    let character = |index: usize| alphabet[(0..6).fold(0, |sum, step| sum << 1 | bit(index * 6 + step))];
    (first..after).map(character).collect()
}
