//! From a name to a connection: resolved once, judged, and connected to by the address that was judged.

use std::net::{IpAddr, SocketAddr};

use tokio::time::timeout;

use super::address::allowed;
use super::error::{Reason, Refusal};
use super::host::Host;
use super::ledger::Entry;
use super::network::{Failure, Network, Stream};
use super::policy::Limits;
use super::rule::{Rule, Transport};

/// Addresses of a name that are looked at. A name that has more has them for others.
const ADDRESSES_MAX: usize = 16;

/// Connects to a host that a rule allows.
pub(super) async fn dial(
    network: &dyn Network,
    rule: &Rule,
    host: &Host,
    limits: &Limits,
    entry: &Entry,
) -> Result<Box<dyn Stream>, Refusal> {
    let secure = (rule.transport == Transport::Tls).then_some(host);
    let within = limits.connect();
    let mut last = Refusal::new(Reason::NameUnknown, format!("{host} has no address"));
    for address in addresses(network, rule, host, limits).await? {
        let connected = timeout(within, network.connect(SocketAddr::new(address, rule.port), secure)).await;
        last = match connected {
            Ok(Ok(stream)) => {
                entry.note(|line| line.address = Some(address));
                return Ok(stream);
            }
            Ok(Err(Failure::Connect(why))) => {
                Refusal::new(Reason::Unreachable, format!("could not connect to {host} at {address}: {why}"))
            }
            Ok(Err(Failure::Tls(why))) => {
                Refusal::new(Reason::TlsFailed, format!("could not agree on TLS with {host} at {address}: {why}"))
            }
            Err(_) => {
                let seconds = within.as_secs();
                Refusal::new(Reason::Unreachable, format!("{host} at {address} did not answer within {seconds} s"))
            }
        };
    }
    Err(last)
}

/// The addresses that may be connected to, in order. Those that may not are left out; if none is left, that is why.
async fn addresses(network: &dyn Network, rule: &Rule, host: &Host, limits: &Limits) -> Result<Vec<IpAddr>, Refusal> {
    let unknown = |why: String| Refusal::new(Reason::NameUnknown, format!("could not resolve {host}: {why}"));
    let found = match host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => match timeout(limits.connect(), network.resolve(name)).await {
            Ok(found) => found.map_err(|error| unknown(error.to_string()))?,
            Err(_) => return Err(unknown(format!("nobody knew within {} s", limits.connect().as_secs()))),
        },
    };
    let (mut good, mut refused) = (Vec::new(), None);
    for address in found.into_iter().take(ADDRESSES_MAX) {
        match allowed(address, &rule.networks) {
            Ok(()) if !good.contains(&address) => good.push(address),
            Ok(()) => {}
            Err(what) => refused = Some(format!("{host} is at {address}, which is {what}, and no rule names it")),
        }
    }
    match refused {
        Some(why) if good.is_empty() => Err(Refusal::new(Reason::AddressNotAllowed, why)),
        _ => Ok(good),
    }
}
