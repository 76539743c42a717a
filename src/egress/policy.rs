//! What one invocation may send: its rules, the secrets that are put in, and the limits of it all.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Error;
use super::host::HostPattern;
use super::rule::{Rule, Transport};
use crate::types::Secret;
use crate::types::secret::Scanner;

/// Rules of one invocation at the most, as tool definitions have it.
const RULES_MAX: usize = 64;

/// Bytes of a secret at the least. A shorter one is not told from chance where answers are searched for it, and could be
/// guessed by what happens.
const SECRET_MIN: usize = 8;

/// Bytes of a header's value at the most. Servers refuse longer ones.
const VALUE_MAX: usize = 8 << 10;

/// Headers that say where a request goes and how it ends; none of them carries a secret.
const FRAMING: [&str; 12] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A secret that is put into requests on their way out.
#[derive(Debug, Clone)]
pub struct Injection {
    /// What it is called in records: its path, never itself.
    pub name: String,
    /// The header, in small letters.
    pub header: String,
    /// What stands before the secret, such as `Bearer `.
    pub prefix: String,
    /// The secret.
    pub secret: Secret,
    /// Into requests to these hosts, over TLS that the proxy makes.
    pub hosts: Vec<HostPattern>,
}

/// The limits of an invocation. Whoever opens a proxy says them; there are no defaults here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Connections to the socket at a time.
    pub connections_max: usize,
    /// Requests, refused ones included.
    pub requests_max: u64,
    /// Bytes of a head, of a request or an answer.
    pub head_bytes_max: usize,
    /// Headers in it.
    pub headers_max: usize,
    /// Bytes to the world, of all requests together.
    pub sent_bytes_max: u64,
    /// Bytes from the world, of all answers together.
    pub received_bytes_max: u64,
    /// Exchanges in the record; what is beyond is counted.
    pub records_max: usize,
    /// Seconds within which a head must come.
    pub head_timeout_s: u64,
    /// Seconds within which a name must be resolved, and again a connection made.
    pub connect_timeout_s: u64,
    /// Seconds for which nothing may move.
    pub idle_timeout_s: u64,
}

impl Limits {
    pub(super) fn head(&self) -> Duration {
        Duration::from_secs(self.head_timeout_s)
    }

    pub(super) fn connect(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_s)
    }

    pub(super) fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_s)
    }
}

/// What one invocation may send. One that was made can be kept: [`Policy::new`] refuses what contradicts itself.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(super) rules: Vec<Rule>,
    pub(super) injections: Vec<Injection>,
    pub(super) limits: Limits,
    pub(super) hide_queries: bool,
    pub(super) scanner: Scanner,
}

impl Policy {
    /// Rules and secrets under limits. With `hide_queries` records have paths without what stands behind `?`.
    ///
    /// # Errors
    /// [`Error::Policy`] says which rule or secret cannot be kept.
    pub fn new(
        rules: Vec<Rule>,
        injections: Vec<Injection>,
        limits: Limits,
        hide_queries: bool,
    ) -> Result<Policy, Error> {
        if rules.len() > RULES_MAX {
            return Err(Error::Policy(format!("there are more than {RULES_MAX} rules")));
        }
        rules.iter().try_for_each(|rule| keeps(rule).map_err(|why| of_rule(rule, why)))?;
        for injection in &injections {
            carries(injection, &rules).map_err(|why| Error::Policy(format!("the secret {}: {why}", injection.name)))?;
        }
        for (place, one) in injections.iter().enumerate() {
            let twice = |two: &&Injection| two.header == one.header && meet(&one.hosts, &two.hosts);
            if let Some(two) = injections[..place].iter().find(twice) {
                let (name, other, header) = (&one.name, &two.name, &one.header);
                return Err(Error::Policy(format!("the secrets {other} and {name} are for one header {header}")));
            }
        }
        let scanner = Scanner::new(injections.iter().map(|injection| &injection.secret));
        Ok(Policy { rules, injections, limits, hide_queries, scanner })
    }

    /// The rules, in the order they were given.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

fn of_rule(rule: &Rule, why: &str) -> Error {
    Error::Policy(format!("the rule for {}:{}: {why}", rule.host, rule.port))
}

fn meet(one: &[HostPattern], two: &[HostPattern]) -> bool {
    one.iter().any(|one| two.iter().any(|two| one.meets(two)))
}

fn keeps(rule: &Rule) -> Result<(), &'static str> {
    let tunnel = rule.transport == Transport::Tunnel;
    if tunnel && !(rule.methods.is_empty() && rule.paths.is_empty()) {
        return Err("methods and paths are not seen in a tunnel; let the proxy make the TLS, or name none");
    }
    if !tunnel && rule.methods.is_empty() {
        return Err("it allows no method");
    }
    if rule.port == 0 { Err("there is no port 0") } else { Ok(()) }
}

fn carries(injection: &Injection, rules: &[Rule]) -> Result<(), &'static str> {
    let token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if injection.header.is_empty() || !injection.header.bytes().all(token) {
        return Err("its header is no word in small letters");
    }
    if FRAMING.contains(&injection.header.as_str()) {
        return Err("its header says how a request ends or where it goes");
    }
    let visible = |text: &str| text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if !visible(&injection.prefix) || !visible(injection.secret.reveal()) {
        return Err("a header cannot hold it: it has other characters than visible ASCII");
    }
    if injection.secret.len() < SECRET_MIN {
        return Err("it has fewer than 8 bytes");
    }
    if injection.prefix.len() + injection.secret.len() > VALUE_MAX {
        return Err("a header cannot hold more than 8192 bytes");
    }
    let over_tls =
        |host: &HostPattern| rules.iter().any(|rule| rule.transport == Transport::Tls && rule.host.includes(host));
    if injection.hosts.is_empty() || !injection.hosts.iter().all(over_tls) {
        return Err("a host it is for has no rule for TLS that the proxy makes");
    }
    let tunnels =
        |rule: &Rule| rule.transport == Transport::Tunnel && meet(&injection.hosts, std::slice::from_ref(&rule.host));
    if rules.iter().any(tunnels) {
        return Err("a host it is for may be reached by a tunnel too, where nobody sees whether it comes back");
    }
    Ok(())
}
