//! Bearer tokens: who may ask for what. Kept as hashes, so that a copy of the file opens nothing. They are compared in a
//! time that does not depend on what is known of them.
//!
//! Invariants:
//! - TK1: no token stands in any file but `operator.token`, and none is ever logged.
//! - TK2: `operator.token` and `tokens.json` are readable by their owner only, from the moment they exist.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use utoipa::ToSchema;

use super::Error;
use crate::types::{Hash, Timestamp};

/// Where the hashes are kept, in the data directory.
pub const TOKENS_FILE: &str = "tokens.json";

/// Where the operator's token is kept, in the data directory.
pub const OPERATOR_FILE: &str = "operator.token";

/// The name of the token the first start makes.
pub(super) const OPERATOR: &str = "operator";

/// What tokens begin with, so that scanners for leaked secrets can know them.
const PREFIX: &str = "syz_";

/// The longest name of a token, in bytes: it stands in every record of its runs.
pub(super) const NAME_BYTES_MAX: usize = 64;

/// Whether somebody can be called so: `anna`, who stands for herself, or `acme/anna`, who belongs to the tenant `acme`.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    let half = |half: &str| !half.is_empty() && half.bytes().all(plain);
    let (tenant, own) = name.split_once('/').map_or((None, name), |(tenant, own)| (Some(tenant), own));
    name.len() <= NAME_BYTES_MAX && half(own) && tenant.is_none_or(half)
}

/// Bytes of chance in a token: as many as the hash that is kept of it.
const TOKEN_BYTES: usize = 32;

/// Tokens that are kept: each is compared at every request, which for so many takes about ten microseconds.
const TOKENS_MOST: usize = 256;

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See runs, tables, the tree and metrics.
    Read,
    /// Give tasks, and stop one's own.
    Route,
    /// Change weights, caps and overrides, and stop anybody's run.
    Control,
    /// Read the whole journal, and give out tokens.
    Admin,
    /// See the work that waits for people, and decide on it.
    Review,
}

impl Scope {
    /// Every scope: what the operator has.
    pub const ALL: [Scope; 5] = [Scope::Read, Scope::Route, Scope::Control, Scope::Admin, Scope::Review];

    /// The word in files and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Route => "route",
            Scope::Control => "control",
            Scope::Admin => "admin",
            Scope::Review => "review",
        }
    }
}

/// What is known of one token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Who it was given to; the principal in records. Before a slash stands the tenant.
    pub name: String,
    /// BLAKE3 of the token.
    pub hash: Hash,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// From when on it is no longer good; never if nobody said.
    #[serde(default)]
    pub expires: Option<Timestamp>,
}

/// A token that opens nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// Who it was given to.
    pub name: String,
    /// BLAKE3 of the token.
    pub hash: Hash,
    /// When it was taken back.
    pub at: Timestamp,
}

/// A token that this host gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// It counts, unless its time is up.
    Given(&'a Token),
    /// It was taken back.
    Revoked(&'a Revoked),
}

/// All tokens of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// The tokens, in the order they were made.
    pub tokens: Vec<Token>,
    /// Those that were taken back, so that whoever still has one is told; the latest of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<Revoked>,
}

impl Tokens {
    /// The tokens of this data directory. The first start makes the operator's and leaves it in `operator.token`.
    ///
    /// # Errors
    /// A file cannot be read or written, or is not what this program wrote, or is open to others.
    pub fn open(data: &Path) -> Result<Tokens, Error> {
        let path = data.join(TOKENS_FILE);
        match fs::read_to_string(&path) {
            Ok(text) => {
                check_private(&path)?;
                let malformed =
                    |error: serde_json::Error| Error::Malformed { path: path.clone(), reason: error.to_string() };
                serde_json::from_str::<Tokens>(&text).map_err(malformed).map(Tokens::with_every_scope)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Tokens::first(data),
            Err(cause) => Err(Error::File { path, cause }),
        }
    }

    /// The operator of a data directory that an earlier version made has the scopes that came later too: whoever may give
    /// out tokens could make one with them.
    fn with_every_scope(mut self) -> Tokens {
        let operator =
            self.tokens.iter_mut().find(|token| token.name == OPERATOR && token.scopes.contains(&Scope::Admin));
        if let Some(operator) = operator {
            operator.scopes = Scope::ALL.to_vec();
        }
        self
    }

    fn first(data: &Path) -> Result<Tokens, Error> {
        let path = data.join(OPERATOR_FILE);
        let token = match write_new(&path, &fresh()?) {
            Ok(token) => token,
            // A start that ended between the two files left a token nobody knows yet.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => read_private(&path)?,
            Err(cause) => return Err(Error::File { path, cause }),
        };
        let mut tokens = Tokens::default();
        tokens.tokens.push(Token {
            name: OPERATOR.to_owned(),
            hash: Hash::of(token.as_bytes()),
            scopes: Scope::ALL.to_vec(),
            expires: None,
        });
        tokens.save(data)?;
        Ok(tokens)
    }

    /// Makes a token, writes its hash down and returns it: the only time it is seen.
    ///
    /// # Errors
    /// The name is taken, the list is full, or the file cannot be written.
    pub fn create(
        &mut self,
        data: &Path,
        name: &str,
        scopes: &[Scope],
        expires: Option<Timestamp>,
    ) -> Result<String, Error> {
        if self.tokens.iter().any(|known| known.name == name) {
            return Err(Error::Exists(name.to_owned()));
        }
        if self.tokens.len() >= TOKENS_MOST {
            return Err(Error::Full(TOKENS_MOST));
        }
        let token = fresh()?;
        let hash = Hash::of(token.as_bytes());
        self.tokens.push(Token { name: name.to_owned(), hash, scopes: scopes.to_vec(), expires });
        match self.save(data) {
            Ok(()) => Ok(token),
            Err(error) => {
                self.tokens.pop();
                Err(error)
            }
        }
    }

    /// Takes a token back, which opens nothing from then on. Returns what was known of it.
    ///
    /// # Errors
    /// The file cannot be written; then nothing is taken back.
    pub fn revoke(&mut self, data: &Path, name: &str, at: Timestamp) -> Result<Option<Token>, Error> {
        let Some(place) = self.tokens.iter().position(|known| known.name == name) else { return Ok(None) };
        let mut next = self.clone();
        let token = next.tokens.remove(place);
        if next.revoked.len() >= TOKENS_MOST {
            next.revoked.remove(0);
        }
        next.revoked.push(Revoked { name: token.name.clone(), hash: token.hash, at });
        next.save(data)?;
        *self = next;
        Ok(Some(token))
    }

    /// Writes the hashes, in one move.
    fn save(&self, data: &Path) -> Result<(), Error> {
        let (path, next) = (data.join(TOKENS_FILE), data.join(".tokens.json.new"));
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::Malformed { path: path.clone(), reason: error.to_string() })?;
        // What a broken write left behind is not ours to trust.
        let _ = fs::remove_file(&next);
        write_new(&next, &text).map_err(Error::file(&next))?;
        fs::rename(&next, &path).map_err(Error::file(&path))?;
        // Without this a token that was revoked may be back after a power cut.
        File::open(data).and_then(|folder| folder.sync_all()).map_err(Error::file(data))
    }

    /// The token this is, if it is one (TK2): every known hash is compared, whether or not one was found before.
    pub fn find(&self, token: &str) -> Option<Found<'_>> {
        let hash = Hash::of(token.as_bytes());
        let (mut found, mut place) = (Choice::from(0), 0u64);
        let given = self.tokens.iter().map(|known| &known.hash);
        for (index, known) in given.chain(self.revoked.iter().map(|known| &known.hash)).enumerate() {
            let same = known.0.ct_eq(&hash.0);
            place = u64::conditional_select(&place, &(index as u64), same);
            found |= same;
        }
        if !bool::from(found) {
            return None;
        }
        let place = usize::try_from(place).ok()?;
        let revoked = place.checked_sub(self.tokens.len()).and_then(|place| self.revoked.get(place));
        revoked.map(Found::Revoked).or_else(|| self.tokens.get(place).map(Found::Given))
    }
}

fn fresh() -> Result<String, Error> {
    let mut bytes = [0u8; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Error::Random(error.to_string()))?;
    Ok(format!("{PREFIX}{}", Hash(bytes)))
}

/// Writes a file that must not exist yet, readable by its owner only.
fn write_new(path: &Path, text: &str) -> std::io::Result<String> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    Ok(text.to_owned())
}

fn read_private(path: &Path) -> Result<String, Error> {
    check_private(path)?;
    let text = fs::read_to_string(path).map_err(Error::file(path))?;
    let token = text.trim();
    if token.len() < PREFIX.len() + TOKEN_BYTES * 2 || !token.starts_with(PREFIX) {
        let reason = "it is no token; remove it, and the next start makes a new one".to_owned();
        return Err(Error::Malformed { path: path.to_owned(), reason });
    }
    Ok(token.to_owned())
}

fn check_private(path: &Path) -> Result<(), Error> {
    let meta = fs::symlink_metadata(path).map_err(Error::file(path))?;
    let open = meta.permissions().mode() & 0o077 != 0;
    if open || !meta.is_file() { Err(Error::Open { path: path.to_owned() }) } else { Ok(()) }
}
