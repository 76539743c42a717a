//! What a vault says: secrets, and why there is none.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::secrets::{BYTES_MAX, Error, Path};
use crate::types::Secret;
use crate::types::secret::Scanner;
use crate::types::sensitive::redact;

/// Fields of a secret at the most.
const FIELDS_MAX: usize = 256;

/// Characters of what a vault says about a failure that are repeated. The first sentence names the cause.
const SAID_MAX: usize = 200;

/// What was read.
pub(super) struct Read {
    pub(super) fields: BTreeMap<String, Secret>,
    /// The name of the lease, if the secret was made for it.
    pub(super) lease: Option<Secret>,
    /// How long the vault lets it live.
    pub(super) lasts: Option<Duration>,
}

#[derive(Deserialize)]
struct Made {
    #[serde(default)]
    lease_id: String,
    #[serde(default)]
    lease_duration: u64,
    data: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
struct Stored {
    data: Option<Version>,
}

#[derive(Deserialize)]
struct Version {
    data: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
struct Failed {
    #[serde(default)]
    errors: Vec<String>,
}

/// The secret in an answer of an engine that makes one, or of the key-value engine.
pub(super) fn read(path: &Path, body: &[u8], makes: bool) -> Result<Read, Error> {
    let unusable = |reason: &str| Error::Unusable { path: path.clone(), reason: reason.to_owned() };
    // What serde says of a body it cannot read may quote it.
    let strange = |_| unusable("the vault's answer is not what the engine's API says");
    if makes {
        let made: Made = serde_json::from_slice(body).map_err(strange)?;
        if made.lease_id.is_empty() {
            return Err(unusable("its engine gave no lease that could be revoked; is it a dynamic one?"));
        }
        let fields = made.data.ok_or_else(|| unusable("its engine made nothing"))?;
        let lease = Some(Secret::new(made.lease_id));
        return Ok(Read { fields: kept(path, fields)?, lease, lasts: Some(Duration::from_secs(made.lease_duration)) });
    }
    let stored: Stored = serde_json::from_slice(body).map_err(strange)?;
    let fields = stored.data.and_then(|version| version.data);
    let fields = fields.ok_or_else(|| unusable("its mount is not version 2 of the key-value engine"))?;
    Ok(Read { fields: kept(path, fields)?, lease: None, lasts: None })
}

fn kept(path: &Path, fields: BTreeMap<String, Value>) -> Result<BTreeMap<String, Secret>, Error> {
    let text = |value: Value| match value {
        Value::String(text) => Secret::new(text),
        other => Secret::new(other.to_string()),
    };
    let fields: BTreeMap<String, Secret> = fields.into_iter().map(|(name, value)| (name, text(value))).collect();
    if fields.len() > FIELDS_MAX || fields.values().any(|secret| secret.len() > BYTES_MAX) {
        return Err(Error::TooLarge { path: path.clone() });
    }
    let empty = |reason: &str| Error::Unusable { path: path.clone(), reason: reason.to_owned() };
    match fields.is_empty() {
        true => Err(empty("it has no field")),
        false => Ok(fields),
    }
}

/// The error of a status.
pub(super) fn refused(path: &Path, what: &str, status: u16, body: &[u8], token: &Secret) -> Error {
    let (path, what, reason) = (path.clone(), what.to_owned(), said(status, body, &[token]));
    match status {
        400 | 405 | 422 => Error::Unusable { path, reason },
        401 | 403 => Error::Denied { path, reason },
        404 => Error::NotFound { path, reason },
        429 => Error::Busy { what },
        503 => Error::Unavailable { what, reason: "the vault is sealed, or under maintenance".to_owned() },
        300..=399 => Error::Unavailable { what, reason: format!("{reason}; redirects are not followed with a token") },
        _ => Error::Unavailable { what, reason },
    }
}

/// The status and what the vault says of it, without what could be a secret.
pub(super) fn said(status: u16, body: &[u8], secrets: &[&Secret]) -> String {
    let errors = serde_json::from_slice::<Failed>(body).map(|failed| failed.errors).unwrap_or_default();
    let text = errors.join("; ").replace(|c: char| c.is_control(), " ");
    let text: String = redact(&text).chars().take(SAID_MAX).collect();
    let clean = Scanner::new(secrets.iter().copied()).find(text.as_bytes()).is_none();
    match text.trim() {
        "" => format!("the vault answered {status}"),
        text if clean => format!("the vault answered {status}: {text}"),
        _ => format!("the vault answered {status}, and repeated what it was sent"),
    }
}

/// Whether a vault means that there is no such lease any more.
pub(super) fn knows_no_lease(status: u16, body: &[u8]) -> bool {
    let errors = || serde_json::from_slice::<Failed>(body).map(|failed| failed.errors).unwrap_or_default();
    status == 404 || status == 400 && errors().iter().any(|error| error.contains("lease not found"))
}
