//! Where a secret is kept: words joined by slashes, and perhaps a field.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Error;

/// Bytes of a path at the most, as tool definitions have it, field included.
const LENGTH_MAX: usize = 128;

/// Such as `github/token`, or `database/creds/reader#password`. No word begins with a dot, so none leads upward.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Path {
    text: String,
    /// Where the field's sign is, if there is one.
    hash: Option<usize>,
}

impl Path {
    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The place, without the field.
    pub fn place(&self) -> &str {
        &self.text[..self.hash.unwrap_or(self.text.len())]
    }

    /// The field, if one is named.
    pub fn field(&self) -> Option<&str> {
        self.hash.map(|at| &self.text[at + 1..])
    }

    /// The words of the place.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.place().split('/')
    }
}

impl FromStr for Path {
    type Err = Error;

    fn from_str(text: &str) -> Result<Path, Error> {
        let hash = text.find('#');
        let (place, field) = text.split_at(hash.unwrap_or(text.len()));
        let good = text.len() <= LENGTH_MAX && place.split('/').all(is_word);
        if good && hash.is_none_or(|_| is_word(&field[1..])) {
            return Ok(Path { text: text.to_owned(), hash });
        }
        // What was meant for a path may be a secret that was put into the wrong place, so it is not repeated.
        Err(Error::Path)
    }
}

fn is_word(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    word.bytes().next().is_some_and(plain) && word.bytes().all(|byte| plain(byte) || b".-".contains(&byte))
}

impl TryFrom<String> for Path {
    type Error = Error;

    fn try_from(text: String) -> Result<Path, Error> {
        text.parse()
    }
}

impl From<Path> for String {
    fn from(path: Path) -> String {
        path.text
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
