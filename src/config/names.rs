//! Names in the configuration that nobody has: of runtimes, agents, models, regions and destinations.

use std::collections::BTreeSet;

use super::Config;
use crate::actors::agent::Profile;
use crate::ziggy::budget::Scope;
use crate::ziggy::classify::Intent;
use crate::ziggy::route::{Destination, Policy};

/// A name that nobody has.
pub(super) struct Unknown {
    /// The key where it stands.
    pub(super) path: Vec<String>,
    /// The name, as it was said.
    pub(super) word: String,
    /// Who there is.
    pub(super) expected: String,
}

/// Who there is.
struct Known {
    runtimes: BTreeSet<String>,
    models: BTreeSet<String>,
    regions: BTreeSet<String>,
    agents: BTreeSet<String>,
    /// What agents offer, and what tasks are taken for: a destination of the latter is asked for even if nobody offers it.
    capabilities: BTreeSet<String>,
}

/// Names to tell in one sentence; the rest is counted.
const TOLD_MOST: usize = 12;

fn told(what: &str, names: &BTreeSet<String>) -> String {
    let first: Vec<&str> = names.iter().take(TOLD_MOST).map(String::as_str).collect();
    let more = names.len().saturating_sub(TOLD_MOST);
    match (first.as_slice(), more) {
        ([], _) => format!("{what}, of which there is none"),
        (_, 0) => format!("{what}: {}", first.join(", ")),
        (_, more) => format!("{what}: {} or one of {more} more", first.join(", ")),
    }
}

impl Known {
    fn of(config: &Config, agents: &[Profile]) -> Known {
        let (mut models, mut regions) = (BTreeSet::new(), BTreeSet::new());
        for (name, runtime) in &config.inference.runtimes {
            let seen = runtime.clone().placed(config.privacy.here()).capabilities(name);
            models.insert(seen.model);
            regions.extend(seen.region);
        }
        regions.extend(config.privacy.here().map(str::to_owned));
        let offered = agents.iter().flat_map(|one| one.capabilities.iter().cloned());
        Known {
            runtimes: config.inference.runtimes.keys().cloned().collect(),
            models,
            regions,
            agents: agents.iter().map(|one| one.name.clone()).collect(),
            capabilities: offered.chain(Intent::ALL.map(|intent| intent.capability().0)).collect(),
        }
    }

    /// Who is expected instead of this agent, or of this candidate, if nobody has its name. Any agent may be announced on
    /// any runtime.
    fn not_candidate(&self, word: &str) -> Option<String> {
        let known = match word.split_once('@') {
            Some((agent, runtime)) => self.agents.contains(agent) && self.runtimes.contains(runtime),
            None => self.agents.contains(word),
        };
        (!known).then(|| told("an agent, or one of them `@` a runtime", &self.agents))
    }

    fn not_runtime(&self, word: &str) -> Option<String> {
        (!self.runtimes.contains(word)).then(|| told("a runtime", &self.runtimes))
    }

    fn not_agent(&self, word: &str) -> Option<String> {
        (!self.agents.contains(word)).then(|| told("an agent", &self.agents))
    }

    fn not_capability(&self, word: &str) -> Option<String> {
        let expected = || told("a capability that somebody offers", &self.capabilities);
        (word != "*" && !self.capabilities.contains(word)).then(expected)
    }

    fn not_destination(&self, word: &str) -> Option<String> {
        match word.parse::<Destination>() {
            Ok(destination) => self.not_capability(&destination.capability.0),
            Err(_) => Some("capability/class, such as `general/public`".to_owned()),
        }
    }

    fn not_scope(&self, scope: &str) -> Option<String> {
        let (kind, name) = Scope::parse(scope).filter(|(_, name)| *name != "*")?;
        match kind {
            Scope::Agent => self.not_agent(name),
            Scope::Destination => self.not_destination(name),
            Scope::Provider => self.not_runtime(name),
            Scope::Model => (!self.models.contains(name)).then(|| told("a model of a runtime", &self.models)),
            Scope::Tenant => not_tenant(name),
            // Tokens come and go while a host runs.
            Scope::Principal => None,
        }
    }

    fn not_preference(&self, word: &str) -> Option<String> {
        match word.split_once(':') {
            Some(("runtime", name)) => self.not_runtime(name),
            Some(("region", name)) => {
                (!self.regions.contains(name)).then(|| told("a region of a runtime", &self.regions))
            }
            Some(("tier", _)) => None,
            _ => self.not_candidate(word),
        }
    }
}

/// A tenant is what stands before the slash, so none has a slash in its name.
fn not_tenant(name: &str) -> Option<String> {
    name.split_once('/').map(|(tenant, _)| format!("a tenant, which is what stands before the slash: {tenant:?}"))
}

/// Every name in this configuration that neither it nor these agents have.
pub(super) fn unknown(config: &Config, agents: &[Profile]) -> Vec<Unknown> {
    let (known, mut found) = (Known::of(config, agents), Vec::new());
    let mut tell = |path: &[&str], word: &str, expected: Option<String>| {
        let path = path.iter().map(ToString::to_string).collect();
        found.extend(expected.map(|expected| Unknown { path, word: format!("{word:?}"), expected }));
    };
    for (place, one) in config.budgets.limits.iter().enumerate() {
        tell(&["budgets", "limits", &place.to_string(), "scope"], &one.scope, known.not_scope(&one.scope));
    }
    for name in config.limit.rates.keys().filter(|name| !config.inference.runtimes.contains_key(*name)) {
        let expected = told("a runtime, or an agent `@` one of them", &known.runtimes);
        let strange = !name.contains('@') || known.not_candidate(name).is_some();
        tell(&["limit", "rates", name], name, strange.then_some(expected));
    }
    for destination in config.ladder.destinations.keys() {
        tell(&["ladder", "destinations", destination], destination, known.not_destination(destination));
    }
    for (place, one) in config.ziggy.policies.iter().enumerate() {
        policy(&known, one, &mut |key, word, expected| {
            tell(&["ziggy", "policies", &place.to_string(), key], word, expected);
        });
    }
    for (place, rule) in config.review.rules.iter().enumerate() {
        for agent in &rule.agents {
            tell(&["review", "rules", &place.to_string(), "agents"], agent, known.not_agent(agent));
        }
    }
    for tenant in config.privacy.tenants.keys() {
        tell(&["privacy", "tenants", tenant], tenant, not_tenant(tenant));
    }
    for tenant in config.privacy.replace_for.keys() {
        tell(&["privacy", "replace_for", tenant], tenant, not_tenant(tenant));
    }
    found
}

/// Names in one policy, each with its key, and what is expected if nobody has it.
fn policy(known: &Known, one: &Policy, tell: &mut dyn FnMut(&str, &str, Option<String>)) {
    if let Some(tenant) = &one.tenant {
        tell("tenant", tenant, not_tenant(tenant));
    }
    if let Some((text, capability)) = one.destination.as_ref().and_then(|text| Some((text, text.rsplit_once('/')?.0))) {
        tell("destination", text, known.not_capability(capability));
    }
    for word in &one.prefer {
        tell("prefer", word, known.not_preference(word));
    }
}
