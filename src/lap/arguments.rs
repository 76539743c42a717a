//! What goes into a call: what the model filled in, and what the host adds.

use std::fmt;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Ready;
use crate::tds::tool::HostSource;
use crate::tds::{Mismatch, Tool};
use crate::types::{Label, Principal, RunId, TraceId};

/// Who calls, as rules and records see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// Whose data it is.
    pub tenant: String,
    /// Who asked.
    pub principal: String,
    /// The agent that calls, if one does.
    pub agent: Option<String>,
    /// What the caller was granted.
    pub scopes: Vec<String>,
}

impl Caller {
    /// Somebody who calls by themselves.
    pub fn of(principal: &Principal) -> Caller {
        Caller {
            tenant: principal.tenant().to_owned(),
            principal: principal.name.clone(),
            agent: None,
            scopes: principal.scopes.clone(),
        }
    }
}

/// What the host knows of a call.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// Who calls.
    pub caller: &'a Caller,
    /// The run it belongs to.
    pub run: Option<RunId>,
    /// Its trace.
    pub trace: TraceId,
    /// The call's own span in it; a trace context names no span 0.
    pub span: u64,
    /// Milliseconds that are left.
    pub left_ms: u64,
    /// How private it is, and where it may be.
    pub label: &'a Label,
    /// Under which key it happens once.
    pub key: Option<&'a str>,
    /// The folder that was granted, as the tool sees it.
    pub workspace: Option<&'a Path>,
}

/// Arguments that do not fit a schema: each place, what is there, what should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatches(pub Vec<Mismatch>);

impl fmt::Display for Mismatches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, one) in self.0.iter().enumerate() {
            let place = if one.pointer.is_empty() { "the whole" } else { &one.pointer };
            let gap = if at > 0 { "; " } else { "" };
            write!(f, "{gap}{place}: {}", one.found)?;
            if !one.expected.is_empty() {
                write!(f, ", expected {}", one.expected)?;
            }
        }
        Ok(())
    }
}

/// What a tool reads: `{"input": ..., "host": ...}`.
///
/// # Errors
/// The host argument that this call has no value for, in words.
pub fn envelope(ready: &Ready, input: &Value, facts: &Facts<'_>) -> Result<Value, String> {
    let mut host = Map::new();
    for (name, argument) in &ready.tool.interface.host {
        let missing = |what: &str| format!("{} needs {what} for its host argument `{name}`", ready.tool.id);
        let value = match argument.from {
            HostSource::Tenant => json!(facts.caller.tenant),
            HostSource::Principal => json!(facts.caller.principal),
            // A call that no agent makes is made by whoever asked.
            HostSource::Agent => json!(facts.caller.agent.as_deref().unwrap_or(&facts.caller.principal)),
            HostSource::RunId => json!(facts.run.ok_or_else(|| missing("a run"))?.to_string()),
            HostSource::Trace => json!(format!("00-{}-{:016x}-01", facts.trace, facts.span.max(1))),
            HostSource::DeadlineMs => json!(facts.left_ms),
            HostSource::PrivacyClass => json!(facts.label.class),
            HostSource::Residency => json!(facts.label.residency.named()),
            HostSource::IdempotencyKey => json!(facts.key.ok_or_else(|| missing("an idempotency key"))?),
            HostSource::Workspace => {
                json!(facts.workspace.ok_or_else(|| missing("a folder that is granted with the call (`workspace`)"))?)
            }
        };
        host.insert(name.to_string(), value);
    }
    Ok(json!({ "input": input, "host": host }))
}

/// What stands in the place of a value that is not shown.
const HIDDEN: &str = "[redacted]";

/// A value of a call as it may be shown: without what the description says is to be hidden. `part` is `input`, `output`,
/// `chunk` or `host`.
pub fn shown(tool: &Tool, part: &str, value: &Value) -> Value {
    let mut value = value.clone();
    for pointer in &tool.observability.redact {
        let Some(rest) = pointer.as_str().strip_prefix('/').and_then(|text| text.strip_prefix(part)) else { continue };
        if rest.is_empty() {
            return Value::String(HIDDEN.to_owned());
        }
        let steps: Vec<String> =
            rest.trim_start_matches('/').split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        hide(&mut value, &steps);
    }
    value
}

fn hide(value: &mut Value, steps: &[String]) {
    let Some((step, rest)) = steps.split_first() else {
        *value = Value::String(HIDDEN.to_owned());
        return;
    };
    match value {
        Value::Object(map) if step == "*" => map.values_mut().for_each(|value| hide(value, rest)),
        Value::Array(items) if step == "*" => items.iter_mut().for_each(|value| hide(value, rest)),
        Value::Object(map) => {
            if let Some(value) = map.get_mut(step) {
                hide(value, rest);
            }
        }
        Value::Array(items) => {
            if let Some(value) = step.parse::<usize>().ok().and_then(|at| items.get_mut(at)) {
                hide(value, rest);
            }
        }
        _ => {}
    }
}
