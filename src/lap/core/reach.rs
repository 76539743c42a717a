//! Whom core tools may reach, as the operator wrote it, in the words of their descriptions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::tds::tool::{Egress, Method};
use crate::tds::{self, Format, Tool};

/// The Jira that `jira.*` works with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jira {
    /// Its host, such as `acme.atlassian.net`; none if it is empty.
    pub host: String,
    /// Where the secret is kept that is sent in `Authorization: Basic`: an address and a token as base64.
    pub secret: String,
}

/// A rule out of what an operator writes, such as `docs.example.com`, `*.example.com/v1/*` or `http://printer.example.com:631`.
///
/// # Errors
/// Why it is none.
fn rule(written: &str, methods: &[Method]) -> Result<Egress, String> {
    let (tls, rest) = match written.strip_prefix("http://") {
        Some(rest) => (false, rest),
        None => (true, written.strip_prefix("https://").unwrap_or(written)),
    };
    let (place, path) = rest.find('/').map_or((rest, None), |at| (&rest[..at], Some(&rest[at..])));
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().map_err(|_| format!("{port:?} is no port"))?),
        None => (place, if tls { 443 } else { 80 }),
    };
    let mut value = json!({ "host": host, "port": port, "tls": tls, "methods": methods });
    if let Some(path) = path {
        value["paths"] = json!([path]);
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// Whether an operator's word for a host is one that a description may have.
pub(in crate::lap) fn is_host(written: &str) -> bool {
    let reading = BTreeMap::from([(written.to_owned(), vec![Method::Get])]);
    let own = super::ALL.iter().find(|own| own.id == "http.get");
    own.is_some_and(|own| own.tool().and_then(|tool| hosts(tool, &reading)).is_ok())
}

/// A tool that may reach these hosts, with those of its own methods that each was opened for.
pub(super) fn hosts(tool: Tool, hosts: &BTreeMap<String, Vec<Method>>) -> Result<Tool, String> {
    let own: &[Method] = if tool.id.as_str() == "http.get" {
        &[Method::Get, Method::Head]
    } else {
        &[Method::Post, Method::Put, Method::Patch, Method::Delete]
    };
    let mut rules = Vec::new();
    for (written, methods) in hosts {
        let methods: Vec<Method> = methods.iter().copied().filter(|method| own.contains(method)).collect();
        if !methods.is_empty() {
            // What a page may have is more than what an interface answers.
            rules.push(Egress { request_bytes: BYTES_MOST, response_bytes: BYTES_MOST, ..rule(written, &methods)? });
        }
    }
    changed(&tool, |value| value["egress"] = json!(rules))
}

/// Bytes of a body of a request or an answer at the most; what is shown of it is cut to what a model reads.
const BYTES_MOST: u64 = 1 << 20;

/// A tool that works with this Jira.
pub(super) fn jira(tool: Tool, place: &Jira) -> Result<Tool, String> {
    changed(&tool, |value| {
        value["egress"][0]["host"] = json!(place.host);
        value["secrets"][0]["path"] = json!(place.secret);
        value["secrets"][0]["deliver"]["header"]["hosts"] = json!([place.host]);
    })
}

/// The description with a change, read as if somebody had written it so.
fn changed(tool: &Tool, change: impl FnOnce(&mut Value)) -> Result<Tool, String> {
    let mut value = serde_json::to_value(tool).map_err(|error| error.to_string())?;
    change(&mut value);
    let read = tds::read(Format::Json, &value.to_string()).map_err(|report| report.to_string())?;
    Ok(read.tool)
}
