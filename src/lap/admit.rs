//! Whether a call may be made at all, by what the tool's description says and what the operator granted: scopes, roles,
//! privacy, residency, personal data. No model has a say in it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::Caller;
use super::policy::Explanation;
use crate::tds::Tool;
use crate::tds::tool::PersonalData;
use crate::types::sensitive;
use crate::types::{Label, Place, Timestamp, TrustTier};

/// What the operator says about callers and this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Scopes, and roles as `role:NAME`, by whom they are given to: `agent:NAME`, `principal:NAME`, `tenant:NAME`.
    pub grants: BTreeMap<String, Vec<String>>,
    /// The region this host is in, if anybody said.
    pub here: Option<String>,
    /// What is turned on, of what versions on trial ask for.
    pub flags: Vec<String>,
    /// Principals that are service accounts: programs that somebody answers for.
    pub accounts: Vec<String>,
}

/// Why a call is not made. Each says what would satisfy it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The caller lacks scopes.
    #[error("{who} lacks the scope {} (`[tools.grants]` of the configuration gives scopes)", missing.join(", "))]
    Scopes {
        /// Who calls.
        who: String,
        /// What is missing.
        missing: Vec<String>,
    },
    /// The caller has none of the roles.
    #[error("{who} has none of the roles {} (`[tools.grants]` gives roles as `role:NAME`)", roles.join(", "))]
    Roles {
        /// Who calls.
        who: String,
        /// What would do.
        roles: Vec<String>,
    },
    /// The data are too private.
    #[error("it takes data that are {most} at the most, and these are {found}")]
    Privacy {
        /// What it takes.
        most: &'static str,
        /// What the data are.
        found: &'static str,
    },
    /// The data may not be where it works.
    #[error("it works {place}, and the data may only be {}", regions(allowed))]
    Residency {
        /// Where it works.
        place: String,
        /// Where the data may be.
        allowed: Vec<String>,
    },
    /// There are personal data in what it would be given.
    #[error("it takes no personal data, and there is {what} in the arguments")]
    Personal {
        /// The kinds that were found.
        what: String,
    },
    /// Somebody has to agree first, and there is nobody to ask.
    #[error("a person has to agree to each call of it (policy.approval), and this host has nobody to ask")]
    Approval,
    /// A policy refuses it, or none allows it.
    #[error("{}", .0.line())]
    Policy(Box<Explanation>),
    /// Policies cannot be asked about this caller.
    #[error("its policies cannot be asked: {why}")]
    Unjudged {
        /// What stands in the way.
        why: String,
    },
    /// Somebody was asked and said no.
    #[error(
        "{who} denied it (item {item} of the inbox){}; nobody is asked the same again before {}",
        .comment.as_ref().map_or(String::new(), |comment| format!(": {comment}")), .until.rfc3339()
    )]
    Person {
        /// Who.
        who: String,
        /// The item.
        item: String,
        /// What they said.
        comment: Option<String>,
        /// Until when that counts.
        until: Timestamp,
    },
}

/// Regions in a sentence. Nowhere is a region without a name.
fn regions(allowed: &[String]) -> String {
    match allowed {
        [nowhere] if nowhere.trim().is_empty() => "in a region that is none".to_owned(),
        named => format!("in {}", named.join(", ")),
    }
}

/// What a call may be made with, as far as the host's own rules go.
pub(super) fn admit<'a>(
    tool: &Tool,
    caller: &Caller,
    label: &Label,
    rules: &Rules,
    arguments: &'a Value,
) -> Result<Cow<'a, Value>, Denial> {
    may(tool, caller, rules)?;
    if label.class > tool.policy.privacy {
        return Err(Denial::Privacy { most: tool.policy.privacy.word(), found: label.class.word() });
    }
    residency(tool, label, rules)?;
    clean(tool.policy.pii.input, arguments).map_err(|what| Denial::Personal { what })
}

/// Whether this caller may call this tool at all, whatever with. The same decides who is shown it.
///
/// # Errors
/// What the caller lacks.
pub(super) fn may(tool: &Tool, caller: &Caller, rules: &Rules) -> Result<(), Denial> {
    let who = caller
        .agent
        .as_ref()
        .map_or_else(|| caller.principal.clone(), |agent| format!("{} for {}", agent, caller.principal));
    let granted = granted(caller, rules);
    let missing: Vec<String> =
        tool.auth.scopes.iter().map(ToString::to_string).filter(|scope| !covers(&granted, scope)).collect();
    if !missing.is_empty() {
        return Err(Denial::Scopes { who, missing });
    }
    let roles: Vec<String> = tool.policy.roles.iter().map(ToString::to_string).collect();
    if !roles.is_empty() && !roles.iter().any(|role| granted.iter().any(|own| own.strip_prefix("role:") == Some(role)))
    {
        return Err(Denial::Roles { who, roles });
    }
    Ok(())
}

/// The scopes and roles of a caller: those of the token, and those the operator gives the agent, the person and the tenant.
/// An agent has what it was given, and not what whoever asks it may do besides.
pub fn granted(caller: &Caller, rules: &Rules) -> Vec<String> {
    let of = |name: String| rules.grants.get(&name).cloned().unwrap_or_default();
    match &caller.agent {
        Some(agent) => of(format!("agent:{agent}")),
        None => {
            let mut all = of(format!("principal:{}", caller.principal));
            all.extend(of(format!("tenant:{}", caller.tenant)));
            all
        }
    }
}

/// Whether a scope is among those that were granted, by itself or below a star: `repo.*` covers `repo.read`.
pub(super) fn covers(granted: &[String], scope: &str) -> bool {
    granted.iter().any(|own| match own.strip_suffix('*') {
        Some(begin) => scope.starts_with(begin),
        None => own == scope,
    })
}

/// A tool that says nothing of regions works where this host is, if it reaches nobody; else it may be anywhere.
fn residency(tool: &Tool, label: &Label, rules: &Rules) -> Result<(), Denial> {
    if label.residency.is_anywhere() {
        return Ok(());
    }
    let denied = |place: String| Denial::Residency { place, allowed: label.residency.named() };
    let at = |region: Option<String>| Place { region, ..Place::of(TrustTier::Local) };
    let regions: Vec<String> = tool.policy.residency.iter().map(ToString::to_string).collect();
    if regions.is_empty() && !tool.egress.is_empty() {
        return Err(denied("wherever it likes".to_owned()));
    }
    if regions.is_empty() {
        let here = rules.here.clone();
        let nobody_says = || "on this host, of which nobody says where it is".to_owned();
        let place = here.as_ref().map_or_else(nobody_says, |region| format!("in {region}"));
        return if label.residency.allows(&at(here)) { Ok(()) } else { Err(denied(place)) };
    }
    match regions.iter().find(|region| !label.residency.allows(&at(Some((*region).clone())))) {
        None => Ok(()),
        Some(region) => Err(denied(format!("in {region}"))),
    }
}

/// A value as it may pass: as it is, or with a mark in the place of what is personal.
///
/// # Errors
/// The kinds of personal data that were found where none may pass.
pub fn clean(rule: PersonalData, value: &Value) -> Result<Cow<'_, Value>, String> {
    let text = match rule {
        PersonalData::Allow => return Ok(Cow::Borrowed(value)),
        _ => value.to_string(),
    };
    let mut kinds: Vec<&str> = sensitive::find(&text).iter().map(|finding| finding.kind.word()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() {
        return Ok(Cow::Borrowed(value));
    }
    if rule == PersonalData::Refuse {
        return Err(kinds.join(", "));
    }
    let mut value = value.clone();
    replace(&mut value);
    Ok(Cow::Owned(value))
}

fn replace(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(redacted) = sensitive::redact(text) {
                *text = redacted;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(replace),
        Value::Object(map) => map.values_mut().for_each(replace),
        _ => {}
    }
}
