//! Under which key a call is the same call: for what must not be done twice, and for answers that may be used again.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Caller, Ready};
use crate::tds::canonical_value;
use crate::tds::tool::{KeySource, SideEffects};
use crate::types::{Hash, PrivacyClass};

/// Bytes of a key at the most: the length that other programs' keys have room for.
pub const KEY_BYTES_MAX: usize = 255;

/// Under which key a call happens once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The tool; its versions share their keys, since a new version does not undo what an old one did.
    pub tool: String,
    /// Whose key it is.
    pub tenant: String,
    /// The key as the caller, the input or the host says it.
    pub text: String,
}

impl Key {
    /// One text for one key: no part of it can end where another begins.
    pub fn row(&self) -> String {
        let whole = format!("{}\n{}\n{}\n{}", self.tool, self.tenant.len(), self.tenant, self.text);
        format!("{}/{}", self.tool, Hash::of(whole.as_bytes()))
    }
}

/// The key of a call, if the tool does anything to the world. `said` is what the caller said beside the arguments, `made`
/// what the host makes for a call that nobody named.
///
/// # Errors
/// Why there can be no key, in words.
pub fn key(
    ready: &Ready,
    caller: &Caller,
    input: &Value,
    said: Option<&str>,
    made: &str,
) -> Result<Option<Key>, String> {
    let tool = &ready.tool;
    if tool.side_effects == SideEffects::None {
        return Ok(None);
    }
    let text = match (said, tool.idempotency.as_ref().map(|own| &own.key)) {
        (said, Some(KeySource::Input(pointer))) => {
            let place = pointer.as_str().trim_start_matches("/input");
            let found = match input.pointer(place) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Null) | None => return Err(format!("its key is at {pointer}, where nothing stands")),
                Some(other) => canonical_value(other),
            };
            if said.is_some_and(|said| said != found) {
                return Err(format!("its key is at {pointer}, and the call names another one beside it"));
            }
            found
        }
        (Some(said), _) => said.to_owned(),
        (None, _) => made.to_owned(),
    };
    if text.is_empty() || text.len() > KEY_BYTES_MAX {
        return Err(format!("a key has 1 to {KEY_BYTES_MAX} bytes, and this one has {}", text.len()));
    }
    Ok(Some(Key { tool: tool.id.to_string(), tenant: caller.tenant.clone(), text }))
}

/// Under which key the answer of a call may be used again, if it may be at all. Everything that can change the answer is in
/// it: the tool with its files, the arguments, how private they are, and what the host adds that is not about this one call.
pub fn cache_key(ready: &Ready, envelope: &Value, class: PrivacyClass, caller: &Caller) -> Option<Hash> {
    let tool = &ready.tool;
    if tool.side_effects != SideEffects::None || tool.cache.is_none() {
        return None;
    }
    let input = canonical_value(&envelope["input"]);
    let mut host = envelope["host"].clone();
    if let Some(map) = host.as_object_mut() {
        use crate::tds::tool::HostSource::{DeadlineMs, IdempotencyKey, RunId, Trace};
        let passing = |name: &str| {
            let source = tool.interface.host.iter().find(|(own, _)| own.as_str() == name).map(|(_, own)| own.from);
            source.is_some_and(|source| matches!(source, DeadlineMs | IdempotencyKey | RunId | Trace))
        };
        map.retain(|name, _| !passing(name));
    }
    let host = canonical_value(&host);
    // A tenant never reads what was worked out for another, however equal the question.
    let text = format!("{}\n{}\n{}\n{}\n{input}\n{host}", ready.hash, caller.tenant.len(), caller.tenant, class.word());
    Some(Hash::of(text.as_bytes()))
}
