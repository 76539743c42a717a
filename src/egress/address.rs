//! Addresses: which are public, and which a rule names all the same.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Error;

/// A range of addresses, such as `10.1.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    base: IpAddr,
    bits: u32,
}

impl Network {
    const fn v4(octets: [u8; 4], bits: u32) -> Network {
        let [a, b, c, d] = octets;
        Network { base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits }
    }

    const fn v6(words: [u16; 8], bits: u32) -> Network {
        let [a, b, c, d, e, f, g, h] = words;
        Network { base: IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), bits }
    }

    /// Whether this address lies in it. An IPv4 address inside an IPv6 one is an IPv6 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let differ = u32::from(base) ^ u32::from(address);
                differ.checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let differ = u128::from(base) ^ u128::from(address);
                differ.checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// Whether it is one address.
    pub fn is_one(&self) -> bool {
        self.bits == if self.base.is_ipv4() { 32 } else { 128 }
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Network, Error> {
        let wrong = || Error::Policy(format!("{text:?} is no range of addresses such as 10.1.0.0/16"));
        let (base, bits) = text.split_once('/').ok_or_else(wrong)?;
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let digits = bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = bits.parse().ok().filter(|bits| digits && *bits <= most).ok_or_else(wrong)?;
        Ok(Network { base, bits })
    }
}

impl TryFrom<String> for Network {
    type Error = Error;

    fn try_from(text: String) -> Result<Network, Error> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

/// Where clouds answer whoever asks from within with credentials. Some lie among public or shared addresses.
const METADATA: [Network; 6] = [
    Network::v4([169, 254, 169, 254], 32),
    Network::v4([169, 254, 170, 2], 32),
    Network::v4([168, 63, 129, 16], 32),
    Network::v4([100, 100, 100, 200], 32),
    Network::v4([192, 0, 0, 192], 32),
    Network::v6([0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254], 128),
];

/// IANA's registries of special addresses (RFC 6890 and what followed), with what each is for.
const SPECIAL: [(Network, &str); 33] = [
    (Network::v4([0, 0, 0, 0], 8), "of this network"),
    (Network::v4([10, 0, 0, 0], 8), "private"),
    (Network::v4([100, 64, 0, 0], 10), "shared"),
    (Network::v4([127, 0, 0, 0], 8), "loopback"),
    (Network::v4([169, 254, 0, 0], 16), "link-local"),
    (Network::v4([172, 16, 0, 0], 12), "private"),
    (Network::v4([192, 0, 0, 0], 24), "reserved for protocols"),
    (Network::v4([192, 0, 2, 0], 24), "documentation"),
    (Network::v4([192, 88, 99, 0], 24), "6to4"),
    (Network::v4([192, 168, 0, 0], 16), "private"),
    (Network::v4([198, 18, 0, 0], 15), "for benchmarks"),
    (Network::v4([198, 51, 100, 0], 24), "documentation"),
    (Network::v4([203, 0, 113, 0], 24), "documentation"),
    (Network::v4([224, 0, 0, 0], 4), "multicast"),
    (Network::v4([240, 0, 0, 0], 4), "reserved"),
    (Network::v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "unspecified"),
    (Network::v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback"),
    (Network::v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), "IPv4 in IPv6"),
    (Network::v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), "IPv4 in IPv6"),
    (Network::v6([0, 0, 0, 0, 0, 0, 0, 0], 96), "IPv4 in IPv6"),
    (Network::v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), "NAT64"),
    (Network::v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "NAT64"),
    (Network::v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "discarded"),
    (Network::v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), "Teredo"),
    (Network::v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "reserved for protocols"),
    (Network::v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "documentation"),
    (Network::v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "6to4"),
    (Network::v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "documentation"),
    (Network::v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), "for segment routing"),
    (Network::v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "private"),
    (Network::v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local"),
    (Network::v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "site-local"),
    (Network::v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast"),
];

/// All of IPv6 that is given out to anybody (RFC 4291, section 2.4). What lies outside and is not named above is nobody's.
const GLOBAL: Network = Network::v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// What an address is if it is not a public one.
pub fn not_public(address: IpAddr) -> Option<&'static str> {
    if METADATA.iter().any(|network| network.contains(address)) {
        return Some("a metadata service");
    }
    let special = SPECIAL.iter().find(|(network, _)| network.contains(address)).map(|(_, what)| *what);
    special.or_else(|| (address.is_ipv6() && !GLOBAL.contains(address)).then_some("not given out"))
}

/// Whether an address may be connected to: a public one, or one that a rule names. A metadata service must be named alone,
/// for it lies in ranges that are granted for other reasons.
pub(super) fn allowed(address: IpAddr, networks: &[Network]) -> Result<(), &'static str> {
    let Some(what) = not_public(address) else { return Ok(()) };
    let metadata = METADATA.iter().any(|network| network.contains(address));
    let named = networks.iter().any(|network| network.contains(address) && (network.is_one() || !metadata));
    if named { Ok(()) } else { Err(what) }
}
