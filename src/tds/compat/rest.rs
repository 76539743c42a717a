//! Everything but schemas and numbers: what a tool is, does, is given, may reach and asks for.

use std::collections::BTreeSet;

use super::super::tool::{Deliver, Egress, Secret, Tool};
use super::{Changes, Level};

/// A change of a thing that has an order: which way it went, and what each way weighs.
pub(super) fn ordered<T: PartialOrd>(
    changes: &mut Changes,
    pointer: &str,
    (old, new): (&T, &T),
    (more, less): ((Level, &str), (Level, &str)),
) {
    if new > old {
        changes.now(more.0, pointer, more.1);
    } else if new < old {
        changes.now(less.0, pointer, less.1);
    }
}

pub(super) fn diff(changes: &mut Changes, old: &Tool, new: &Tool) {
    use Level::{Major, Minor, Patch};
    changes.told("/name", &old.name, &new.name);
    changes.told("/description", &old.description, &new.description);
    changes.told("/tags", &old.tags, &new.tags);
    changes.told("/released_at", &old.released_at, &new.released_at);
    changes.told("/semver_range", &old.semver_range, &new.semver_range);
    changes.told("/interface/examples", &old.interface.examples, &new.interface.examples);
    changes.told("/tests", &old.tests, &new.tests);
    if old.run != new.run {
        changes.now(Patch, "/run", "is run differently");
    }
    let words = |tool: &Tool| -> BTreeSet<String> {
        tool.capabilities.iter().map(|capability| format!("{capability:?}").to_lowercase()).collect()
    };
    let (before, after) = (words(old), words(new));
    changes.set("/capabilities", &before, &after, ((Minor, "a new capability"), (Major, "a capability less")));
    let effects = (&old.side_effects, &new.side_effects);
    ordered(changes, "/side_effects", effects, ((Major, "stronger side effects"), (Minor, "weaker side effects")));
    let isolation = (&old.isolation, &new.isolation);
    ordered(changes, "/isolation", isolation, ((Minor, "stronger isolation"), (Major, "weaker isolation")));
    ordered(changes, "/risk", (&old.risk, &new.risk), ((Minor, "a higher risk"), (Major, "a lower risk")));
    host(changes, old, new);
    policy(changes, old, new);
    secrets(changes, old, new);
    egress(changes, old, new);
    ending(changes, old, new);
}

fn host(changes: &mut Changes, old: &Tool, new: &Tool) {
    let (before, after) = (&old.interface.host, &new.interface.host);
    for (name, argument) in after {
        let at = format!("/interface/host/{name}");
        match before.get(name) {
            None => changes.now(Level::Major, &at, "is told something more about its callers"),
            Some(known) if known.from != argument.from => changes.now(Level::Major, &at, "is told something else"),
            Some(known) => changes.told(&at, &known.description, &argument.description),
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        changes.old(Level::Minor, &format!("/interface/host/{name}"), "is told something less");
    }
}

fn policy(changes: &mut Changes, old: &Tool, new: &Tool) {
    use Level::{Major, Minor};
    let scopes = ((Major, "callers need a further scope"), (Minor, "callers need a scope less"));
    changes.set("/auth/scopes", &old.auth.scopes, &new.auth.scopes, scopes);
    let (before, after) = (&old.policy, &new.policy);
    // None is everybody, and anywhere.
    match (before.roles.is_empty(), after.roles.is_empty()) {
        (true, false) => changes.now(Major, "/policy/roles", "only some may call it"),
        (false, true) => changes.now(Minor, "/policy/roles", "everybody may call it"),
        _ => {
            let roles = ((Minor, "a further role may call it"), (Major, "a role may no longer call it"));
            changes.set("/policy/roles", &before.roles, &after.roles, roles);
        }
    }
    match (before.residency.is_empty(), after.residency.is_empty()) {
        (true, false) => changes.now(Minor, "/policy/residency", "works in some regions only"),
        (false, true) => changes.now(Major, "/policy/residency", "works on data anywhere"),
        _ => {
            let regions = ((Major, "works on data in a further region"), (Minor, "works in a region less"));
            changes.set("/policy/residency", &before.residency, &after.residency, regions);
        }
    }
    let privacy = ((Minor, "may be given more private data"), (Major, "may no longer be given data so private"));
    ordered(changes, "/policy/privacy", (&before.privacy, &after.privacy), privacy);
    let input = ((Major, "is stricter about personal data"), (Major, "is laxer about personal data"));
    ordered(changes, "/policy/pii/input", (&before.pii.input, &after.pii.input), input);
    ordered(changes, "/policy/pii/output", (&before.pii.output, &after.pii.output), input);
    let approval = ((Major, "people must agree first"), (Minor, "nobody has to agree first"));
    ordered(changes, "/policy/approval", (&before.approval, &after.approval), approval);
    match (before.rules == after.rules, after.rules.is_empty()) {
        (true, _) => {}
        (false, true) => changes.now(Minor, "/policy/rules", "forbids no calls by policies of its own"),
        // Whether other policies forbid less cannot be told in general.
        (false, false) => changes.now(Major, "/policy/rules", "has other policies of its own"),
    }
}

/// What a secret is used for: its path, and each place where it appears.
fn uses(secrets: &[Secret]) -> BTreeSet<String> {
    let uses = |secret: &Secret| -> Vec<String> {
        match &secret.deliver {
            Deliver::Header(header) => {
                let to = |host| format!("{} in the header {} for {host}", secret.path, header.name);
                header.hosts.iter().map(to).collect()
            }
            Deliver::File(file) => vec![format!("{} in the file {}", secret.path, file.name)],
        }
    };
    secrets.iter().flat_map(uses).collect()
}

fn secrets(changes: &mut Changes, old: &Tool, new: &Tool) {
    let words = ((Level::Major, "uses a secret"), (Level::Minor, "no longer uses a secret"));
    changes.set("/secrets", &uses(&old.secrets), &uses(&new.secrets), words);
    if old.secrets != new.secrets && uses(&old.secrets) == uses(&new.secrets) {
        changes.now(Level::Patch, "/secrets", "secrets are written differently");
    }
}

fn egress(changes: &mut Changes, old: &Tool, new: &Tool) {
    for (index, rule) in new.egress.iter().enumerate() {
        let at = format!("/egress/{index}");
        let known = |other: &&Egress| (&other.host, other.port) == (&rule.host, rule.port);
        match old.egress.iter().find(known) {
            Some(before) => reach(changes, &at, before, rule),
            None => changes.now(Level::Major, &at, format!("reaches {}:{}", rule.host, rule.port)),
        }
    }
    for (index, rule) in old.egress.iter().enumerate() {
        if !new.egress.iter().any(|other| (&other.host, other.port) == (&rule.host, rule.port)) {
            let what = format!("no longer reaches {}:{}", rule.host, rule.port);
            changes.old(Level::Minor, &format!("/egress/{index}"), what);
        }
    }
}

fn reach(changes: &mut Changes, at: &str, old: &Egress, new: &Egress) {
    use Level::{Major, Minor};
    ordered(changes, &format!("{at}/tls"), (&old.tls, &new.tls), ((Minor, "over TLS"), (Major, "no longer over TLS")));
    let words = |rule: &Egress| -> BTreeSet<String> {
        rule.methods.iter().map(|method| format!("{method:?}").to_uppercase()).collect()
    };
    let methods = ((Major, "sends by a further method"), (Minor, "sends by a method less"));
    changes.set(&format!("{at}/methods"), &words(old), &words(new), methods);
    let paths = format!("{at}/paths");
    match (old.paths.is_empty(), new.paths.is_empty()) {
        (true, false) => changes.now(Minor, &paths, "reaches some paths only"),
        (false, true) => changes.now(Major, &paths, "reaches every path"),
        _ => changes.set(&paths, &old.paths, &new.paths, ((Major, "reaches a further path"), (Minor, "a path less"))),
    }
    let bytes = ((Major, "sends more"), (Minor, "sends less"));
    ordered(changes, &format!("{at}/request_bytes"), (&old.request_bytes, &new.request_bytes), bytes);
    let bytes = ((Major, "takes longer answers"), (Minor, "takes shorter answers"));
    ordered(changes, &format!("{at}/response_bytes"), (&old.response_bytes, &new.response_bytes), bytes);
}

fn ending(changes: &mut Changes, old: &Tool, new: &Tool) {
    use Level::{Major, Minor, Patch};
    let hidden = ((Patch, "hides a further value"), (Major, "no longer hides a value"));
    changes.set("/observability/redact", &old.observability.redact, &new.observability.redact, hidden);
    if old.observability.trace != new.observability.trace {
        changes.now(Minor, "/observability/trace", "shows other values in traces");
    }
    changes.told("/observability/log_level", &old.observability.log_level, &new.observability.log_level);
    match (&old.compensation, &new.compensation) {
        (Some(_), None) => changes.old(Major, "/compensation", "can no longer be undone"),
        (None, Some(_)) => changes.now(Minor, "/compensation", "can be undone"),
        (Some(before), Some(after)) if before != after => {
            // Never running out is the longest time.
            let time = |within: Option<u64>| within.unwrap_or(u64::MAX);
            let shorter = time(after.within_s) < time(before.within_s);
            changes.now(if shorter { Major } else { Minor }, "/compensation", "is undone differently");
        }
        _ => {}
    }
    let (before, after) = (old.deprecation.clone().unwrap_or_default(), new.deprecation.clone().unwrap_or_default());
    if before.sunset_at != after.sunset_at || before.replaced_by != after.replaced_by {
        changes.now(Minor, "/deprecation", "ends differently");
    } else if before.replaces != after.replaces {
        changes.now(Minor, "/deprecation/replaces", "replaces other tools");
    } else {
        changes.told("/deprecation", &old.deprecation, &new.deprecation);
    }
}
