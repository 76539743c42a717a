//! The decision, pure: rules and what is asked, to the rule that allows it or the reason why none does.

use super::error::{Reason, Refusal};
use super::host::Host;
use super::path::Target;
use super::rule::{Method, Rule, Transport};

/// What a tool asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// How it would go out.
    pub transport: Transport,
    /// To which host.
    pub host: Host,
    /// To which port.
    pub port: u16,
    /// By which method and to which path; nothing in a tunnel.
    pub request: Option<(Method, Target)>,
}

/// The first rule that allows it.
///
/// # Errors
/// How far the rules went along, in the order host, port, transport, method, path.
pub fn decide<'a>(rules: &'a [Rule], ask: &Ask) -> Result<&'a Rule, Refusal> {
    let mut nearest = Reason::HostNotAllowed;
    for rule in rules {
        match judge(rule, ask) {
            Ok(()) => return Ok(rule),
            // Reasons are ordered by how far a rule went along.
            Err(reason) => nearest = nearest.max(reason),
        }
    }
    Err(Refusal::new(nearest, words(nearest, ask)))
}

fn judge(rule: &Rule, ask: &Ask) -> Result<(), Reason> {
    if !rule.host.covers(&ask.host) {
        return Err(Reason::HostNotAllowed);
    }
    if rule.port != ask.port {
        return Err(Reason::PortNotAllowed);
    }
    if rule.transport != ask.transport {
        return Err(Reason::TransportNotAllowed);
    }
    let Some((method, target)) = &ask.request else {
        // A tunnel shows neither, so a rule for one asks for neither.
        return if rule.transport == Transport::Tunnel { Ok(()) } else { Err(Reason::TransportNotAllowed) };
    };
    if !rule.methods.contains(method) {
        return Err(Reason::MethodNotAllowed);
    }
    if rule.paths.is_empty() || rule.paths.iter().any(|pattern| pattern.covers(target)) {
        return Ok(());
    }
    Err(Reason::PathNotAllowed)
}

fn words(reason: Reason, ask: &Ask) -> String {
    let (host, port, way) = (&ask.host, ask.port, ask.transport.word());
    match (reason, &ask.request) {
        (Reason::PortNotAllowed, _) => format!("no rule allows port {port} of {host}"),
        (Reason::TransportNotAllowed, _) => format!("no rule allows {way} to {host}:{port}"),
        (Reason::MethodNotAllowed, Some((method, _))) => format!("no rule allows {method} to {host}:{port}"),
        (Reason::PathNotAllowed, Some((method, target))) => {
            format!("no rule allows {method} to {host}:{port}{} in every reading of that path", target.path())
        }
        _ => format!("no rule allows {host}"),
    }
}
