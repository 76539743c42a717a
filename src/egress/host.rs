//! Names of hosts: one spelling for each, and the patterns of rules.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Error;

/// Bytes of a name at the most, and of a part of it (RFC 1035).
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;

/// A host in the one spelling there is of it: a name in small letters, or an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A name.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// Reads a host as it stands in a request line, an address of IPv6 in brackets. Nothing if it has another spelling
    /// that some resolver takes for an address, or could not be a name.
    pub fn read(text: &str) -> Option<Host> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return inner.parse::<Ipv6Addr>().ok().map(|address| Host::Address(address.into()));
        }
        let name = text.to_ascii_lowercase();
        let last = name.rsplit('.').next()?;
        // Resolvers take `127.1`, `0x7f.1` and `2130706433` for addresses. Whatever ends in a number has to be one.
        if last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") {
            return name.parse::<Ipv4Addr>().ok().map(|address| Host::Address(address.into()));
        }
        let good = name.len() <= NAME_MAX && name.split('.').all(is_label);
        good.then_some(Host::Name(name))
    }
}

fn is_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=LABEL_MAX).contains(&label.len())
        && label.bytes().all(plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Host::Address(address) => write!(f, "{address}"),
        }
    }
}

/// A host and perhaps a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// The port, if it is said.
    pub port: Option<u16>,
}

impl Authority {
    /// Reads `host` or `host:port`. A user's name before it is none of a proxy's business, and no reading agrees on it.
    pub fn read(text: &str) -> Option<Authority> {
        let (host, port) = match text.rfind(':') {
            Some(at) if !text.ends_with(']') => (&text[..at], Some(&text[at + 1..])),
            _ => (text, None),
        };
        let port = match port {
            None => None,
            Some(digits) if (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok().filter(|port| *port > 0)?)
            }
            Some(_) => return None,
        };
        Some(Authority { host: Host::read(host)?, port })
    }
}

/// Which hosts a rule is for: `api.example.com`, or `*.example.com` for every name with one more part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern {
    host: Host,
    /// Whether one part stands before it.
    wild: bool,
}

impl HostPattern {
    /// Whether this host is meant.
    pub fn covers(&self, host: &Host) -> bool {
        match (&self.host, host) {
            (Host::Name(suffix), Host::Name(name)) if self.wild => {
                name.split_once('.').is_some_and(|(_, rest)| rest == suffix)
            }
            (own, other) => !self.wild && own == other,
        }
    }

    /// Whether some host is meant by both.
    pub fn meets(&self, other: &HostPattern) -> bool {
        self == other || (self.wild && self.covers(&other.host)) || (other.wild && other.covers(&self.host))
    }

    /// Whether every host of the other is meant by this one.
    pub fn includes(&self, other: &HostPattern) -> bool {
        self == other || (!other.wild && self.covers(&other.host))
    }
}

impl FromStr for HostPattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<HostPattern, Error> {
        let (wild, rest) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        match Host::read(rest) {
            // Everything below a top-level domain is everybody.
            Some(Host::Name(name)) if wild && !name.contains('.') => {
                Err(Error::Policy(format!("{text:?} means hosts of everybody; name at least two parts after the star")))
            }
            Some(host @ Host::Name(_)) => Ok(HostPattern { host, wild }),
            Some(host) if !wild => Ok(HostPattern { host, wild }),
            _ => Err(Error::Policy(format!("{text:?} is no host such as api.example.com or *.example.com"))),
        }
    }
}

impl TryFrom<String> for HostPattern {
    type Error = Error;

    fn try_from(text: String) -> Result<HostPattern, Error> {
        text.parse()
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> String {
        pattern.to_string()
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.wild { "*." } else { "" }, self.host)
    }
}
