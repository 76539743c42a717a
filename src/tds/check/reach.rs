//! What a tool may reach, what it is given for it, and whether it is locked up well enough.

use std::collections::{BTreeMap, BTreeSet};

use super::super::problem::Reporter;
use super::super::risk::assess;
use super::super::tool::{Deliver, HostName, Run, SideEffects, Tool};
use crate::types::PrivacyClass;

pub(super) fn check(reporter: &mut Reporter<'_>, tool: &Tool) {
    isolation(reporter, tool);
    run(reporter, tool);
    egress(reporter, tool);
    secrets(reporter, tool);
}

fn isolation(reporter: &mut Reporter<'_>, tool: &Tool) {
    let kind = tool.run.named();
    if !tool.run.fits(tool.isolation) {
        let able: Vec<&str> = super::super::tool::Isolation::ALL
            .into_iter()
            .filter(|level| tool.run.fits(*level))
            .map(super::super::tool::Isolation::word)
            .collect();
        let found = format!("{}, which cannot run {kind}", tool.isolation.word());
        reporter.error("/isolation", found, format!("one of {}", able.join(", ")));
        return;
    }
    let judged = assess(tool);
    if tool.isolation < judged.least {
        let found = format!(
            "{} for a tool of {} risk ({})",
            tool.isolation.word(),
            judged.risk.word(),
            judged.reasons.join("; ")
        );
        reporter.error("/isolation", found, format!("{} or stronger", judged.least.word()));
    }
}

fn run(reporter: &mut Reporter<'_>, tool: &Tool) {
    let (at, env) = match &tool.run {
        Run::Program(program) => {
            let own = program.argv.first().and_then(|first| first.strip_prefix("./"));
            if let Some(file) = own.filter(|own| !program.files.iter().any(|known| known.as_str() == *own)) {
                let found = format!("the program {file:?}, which is not among its files");
                reporter.error("/run/program/argv/0", found, "a file that is listed in run.program.files");
            }
            ("/run/program/env", &program.env)
        }
        Run::Image(image) => ("/run/image/env", &image.env),
        Run::Component(_) | Run::Native(_) => return,
    };
    for name in env.keys() {
        let word = name.as_str().to_ascii_lowercase();
        if ["secret", "password", "token", "api_key", "apikey"].iter().any(|part| word.contains(part)) {
            let found = "a variable that sounds like a secret";
            reporter.warn(&format!("{at}/{name}"), found, "[[secrets]]: this file and the environment can be read");
        }
    }
}

fn egress(reporter: &mut Reporter<'_>, tool: &Tool) {
    let mut known: BTreeSet<(&HostName, u16)> = BTreeSet::new();
    for (index, rule) in tool.egress.iter().enumerate() {
        let at = format!("/egress/{index}");
        if !known.insert((&rule.host, rule.port)) {
            let found = format!("a second rule for {}:{}", rule.host, rule.port);
            reporter.error(&at, found, "one rule for one host and port");
        }
        if tool.side_effects == SideEffects::None && !rule.methods.iter().all(|method| method.is_safe()) {
            let expected = "GET, HEAD or OPTIONS, unless this host reads by other methods too";
            reporter.warn(&format!("{at}/methods"), "a writing method in a tool without side effects", expected);
        }
    }
    if tool.policy.privacy == PrivacyClass::Restricted && !tool.egress.is_empty() {
        let found = "restricted data for a tool that reaches other machines";
        reporter.error("/policy/privacy", found, "confidential at the most, or no egress: such data never leaves");
    }
}

fn secrets(reporter: &mut Reporter<'_>, tool: &Tool) {
    let mut paths = BTreeSet::new();
    let mut headers: BTreeMap<(&str, &HostName), usize> = BTreeMap::new();
    for (index, secret) in tool.secrets.iter().enumerate() {
        let at = format!("/secrets/{index}");
        if !paths.insert(&secret.path) {
            reporter.error(&format!("{at}/path"), "a secret for the second time", "each secret once");
        }
        match &secret.deliver {
            Deliver::Header(header) => {
                for (place, host) in header.hosts.iter().enumerate() {
                    let at = format!("{at}/deliver/header/hosts/{place}");
                    let rule = tool.egress.iter().find(|rule| rule.host.covers(host));
                    match rule {
                        None => {
                            let found = format!("a secret for {host}, where no egress rule lets it go");
                            reporter.error(&at, found, "an [[egress]] rule for that host");
                        }
                        Some(rule) if !rule.tls => {
                            let found = format!("a secret for {host}, where requests go in the clear");
                            reporter.error(&at, found, "tls = true in the rule for that host");
                        }
                        Some(_) => {}
                    }
                    if headers.insert((header.name.as_str(), host), index).is_some_and(|other| other != index) {
                        let found = format!("a second secret in the header {} for {host}", header.name);
                        reporter.error(&at, found, "one secret in one header");
                    }
                }
            }
            Deliver::File(_) if matches!(tool.run, Run::Native(_) | Run::Component(_)) => {
                let found = format!("a file for {}, which has none", tool.run.named());
                reporter.error(&format!("{at}/deliver/file"), found, "deliver.header");
            }
            Deliver::File(_) => {}
        }
    }
}
