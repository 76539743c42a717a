//! Paths of requests: one spelling that is sent, and every reading that some server may have of it.
//!
//! A rule that is for `/public/*` must not let `/public/%2e%2e/admin` through, nor what a server makes of `%252e`, of
//! `\`, or of `..;x`. So a path passes if each of its readings does: as it is sent, decoded once, twice and so on until
//! nothing changes, with backslashes for slashes, and with or without what stands behind a semicolon.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Error;

/// Bytes of a path with its query at the most. Servers refuse longer ones.
const LENGTH_MAX: usize = 8 << 10;

/// Readings of one path at the most. Nobody who means well writes one that has more than a handful.
const READINGS_MAX: usize = 64;

/// The path and the query of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    path: String,
    query: Option<String>,
    /// What servers may read, decoded. What is sent stands first of all in `path`.
    readings: Vec<String>,
}

impl Target {
    /// Reads what stands in a request line from the first slash on.
    ///
    /// # Errors
    /// In words, what makes it unreadable.
    pub fn read(text: &str) -> Result<Target, &'static str> {
        if text.len() > LENGTH_MAX {
            return Err("the path has more than 8192 bytes");
        }
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        if !path.starts_with('/') {
            return Err("the path does not begin with a slash");
        }
        if !path.bytes().all(is_path_byte) {
            return Err("the path has a character that has to be encoded");
        }
        if query.is_some_and(|query| !query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')) {
            return Err("the query has a character that has to be encoded");
        }
        let path = tidy(&respell(path)?);
        let readings = readings(&path)?;
        Ok(Target { path, query: query.map(str::to_owned), readings })
    }

    /// The path that is judged and sent.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What stands behind the question mark.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.query {
            Some(query) => write!(f, "{}?{query}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

/// What RFC 3986 lets stand in a path, percent signs and slashes included.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&byte)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// The byte that a percent sign and two digits at the beginning mean.
fn escaped(text: &[u8]) -> Option<u8> {
    let digit = |place: usize| text.get(place).and_then(|byte| char::from(*byte).to_digit(16));
    (text.first() == Some(&b'%')).then_some(())?;
    u8::try_from(digit(1)? * 16 + digit(2)?).ok()
}

/// The one spelling of a path: what need not be encoded is not, and the rest has large digits.
fn respell(path: &str) -> Result<String, &'static str> {
    let (bytes, mut out, mut at) = (path.as_bytes(), String::with_capacity(path.len()), 0);
    while at < bytes.len() {
        if bytes[at] != b'%' {
            out.push(char::from(bytes[at]));
            at += 1;
            continue;
        }
        let byte = escaped(&bytes[at..]).ok_or("a percent sign in the path is not followed by two digits")?;
        if is_unreserved(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        at += 3;
    }
    Ok(out)
}

/// Decodes once, as a server does. What is no escape stays: some servers let it.
fn decode(text: &str) -> Result<String, &'static str> {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let (byte, used) = escaped(&bytes[at..]).map_or((bytes[at], 1), |byte| (byte, 3));
        if byte.is_ascii_control() {
            return Err("the path has a control character in it");
        }
        out.push(byte);
        at += used;
    }
    // Bytes that are no UTF-8 are read as other characters by servers that are generous, dots and slashes among them.
    String::from_utf8(out).map_err(|_| "the path is not UTF-8")
}

/// Without empty parts, `.` and `..`, as servers do that merge slashes.
fn tidy(path: &str) -> String {
    resolved(path, true)
}

/// Without `.` and `..`, as RFC 3986 has it, and with slashes merged or not.
fn resolved(path: &str, merge: bool) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let mut open = false;
    for part in path.split('/').skip(1) {
        open = matches!(part, "" | "." | "..");
        match part {
            "" if merge => {}
            "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    // An empty part at the end is the slash that is put there.
    if open && parts.last() == Some(&"") {
        parts.pop();
    }
    let end = if open && !parts.is_empty() { "/" } else { "" };
    format!("/{}{end}", parts.join("/"))
}

/// Without what stands behind a semicolon in each part: servers of Java route by the rest.
fn without_parameters(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').map(|part| part.split(';').next().unwrap_or_default()).collect();
    parts.join("/")
}

/// What servers make of a path by decoding it, leaving parameters out and tidying it up, in any order and however often.
fn readings(path: &str) -> Result<Vec<String>, &'static str> {
    let mut texts = vec![path.to_owned()];
    let mut at = 0;
    while let Some(text) = texts.get(at) {
        let plain = [decode(text)?, text.replace('\\', "/"), without_parameters(text)];
        let made = plain.into_iter().chain([tidy(text), resolved(text, false)]);
        for reading in made {
            if !texts.contains(&reading) {
                texts.push(reading);
            }
        }
        if texts.len() > READINGS_MAX {
            return Err("the path has too many readings");
        }
        at += 1;
    }
    // What is tidy stays so: of a text with dots in it the tidied one is there as well.
    let is_read = |text: &&String| **text != path && [true, false].iter().any(|merge| resolved(text, *merge) == **text);
    let mut readings: Vec<String> = texts.iter().filter(is_read).cloned().collect();
    readings.sort_unstable();
    readings.dedup();
    Ok(readings)
}

/// What is left when a path is decoded until nothing changes.
fn decoded(path: &str) -> Result<String, &'static str> {
    let mut text = path.to_owned();
    for _ in 0..READINGS_MAX {
        let next = tidy(&decode(&text)?.replace('\\', "/"));
        if next == text {
            break;
        }
        text = next;
    }
    Ok(text)
}

/// Which paths a rule is for. A `*` at the end is everything that begins so; a part that is `*` is any one part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern {
    text: String,
    /// As paths are sent.
    sent: String,
    /// As paths are read.
    read: String,
}

impl PathPattern {
    /// Whether each reading of the path is meant.
    pub fn covers(&self, target: &Target) -> bool {
        matches(&self.sent, &target.path) && target.readings.iter().all(|reading| matches(&self.read, reading))
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, open) = pattern.strip_suffix('*').map_or((pattern, false), |begin| (begin, true));
    let (mut wanted, mut found) = (pattern.split('/').peekable(), path.split('/'));
    while let Some(part) = wanted.next() {
        let Some(own) = found.next() else { return false };
        let fits = match wanted.peek() {
            None if open => return own.starts_with(part),
            _ if part == "*" => !own.is_empty(),
            _ => own == part,
        };
        if !fits {
            return false;
        }
    }
    found.next().is_none()
}

impl FromStr for PathPattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<PathPattern, Error> {
        let wrong = |why: &str| Error::Policy(format!("{text:?} is no path of a rule: {why}"));
        if text.contains(';') || text.contains('?') {
            return Err(wrong("it has a `;` or a `?`"));
        }
        let inner = text.strip_suffix('*').unwrap_or(text);
        if inner.split('/').any(|part| part.contains('*') && part != "*") {
            return Err(wrong("a `*` stands at the end, or for one whole part"));
        }
        let target = Target::read(text).map_err(wrong)?;
        if target.path != text {
            return Err(wrong(&format!("write it as it is sent: {:?}", target.path)));
        }
        let read = decoded(&target.path).map_err(wrong)?;
        // A star that came out of an escape would be one in the pattern and none in the path.
        if read.contains(';') || read.matches('*').count() != text.matches('*').count() {
            return Err(wrong("it has an encoded `*` or `;`"));
        }
        Ok(PathPattern { text: text.to_owned(), sent: target.path, read })
    }
}

impl TryFrom<String> for PathPattern {
    type Error = Error;

    fn try_from(text: String) -> Result<PathPattern, Error> {
        text.parse()
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> String {
        pattern.text
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
