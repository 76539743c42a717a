//! Who is at the other end of connections: how many each peer has, and whether it guesses tokens.
//!
//! Invariants:
//! - PE1: a peer has at most `connections_per_peer_max` connections.
//! - PE2: a peer that said so many wrong tokens is told to wait with every further wrong one, until its time is over. What
//!   it is told of right ones does not change, so that nobody locks out who shares an address with them.
//! - PE3: what is remembered is bounded, however many addresses there are.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::Config;

/// Peers remembered at the most, besides those that are connected: about half a megabyte.
const PEERS_MOST: usize = 4_096;

#[derive(Debug)]
struct Peer {
    connections: usize,
    failures: u32,
    /// When the failures are forgotten.
    until: Instant,
}

/// All peers of one host.
pub(super) struct Peers {
    connections_max: usize,
    failures_max: u32,
    window: Duration,
    table: Mutex<HashMap<IpAddr, Peer>>,
}

impl Peers {
    pub(super) fn new(config: &Config) -> Peers {
        Peers {
            connections_max: config.connections_per_peer_max,
            failures_max: config.token_failures_max,
            window: Duration::from_secs(config.token_failures_window_s),
            table: Mutex::default(),
        }
    }

    /// A place for one more connection, held until it is dropped.
    pub(super) fn connect(self: &Arc<Self>, peer: IpAddr, now: Instant) -> Option<Place> {
        let peer = block(peer);
        let mut table = self.table.lock();
        make_room(&mut table, now);
        let known = entry(&mut table, peer, now);
        if known.connections >= self.connections_max {
            return None;
        }
        known.connections += 1;
        Some(Place { peers: Arc::clone(self), peer })
    }

    /// How long this peer must wait before its next wrong token is no more than wrong.
    pub(super) fn barred(&self, peer: IpAddr, now: Instant) -> Option<Duration> {
        let table = self.table.lock();
        let known = table.get(&block(peer))?;
        (known.failures >= self.failures_max && known.until > now).then(|| known.until - now)
    }

    /// Notes a token that nobody was given. Returns whether that was the last one allowed.
    pub(super) fn failed(&self, peer: IpAddr, now: Instant) -> bool {
        let mut table = self.table.lock();
        let known = entry(&mut table, block(peer), now);
        if known.until <= now {
            (known.failures, known.until) = (0, now + self.window);
        }
        known.failures = known.failures.saturating_add(1);
        known.failures == self.failures_max
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.table.lock().len()
    }
}

/// A connection's place among those of its peer.
pub(super) struct Place {
    peers: Arc<Peers>,
    peer: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(known) = self.peers.table.lock().get_mut(&self.peer) {
            known.connections = known.connections.saturating_sub(1);
        }
    }
}

fn entry(table: &mut HashMap<IpAddr, Peer>, peer: IpAddr, now: Instant) -> &mut Peer {
    table.entry(peer).or_insert_with(|| Peer { connections: 0, failures: 0, until: now })
}

/// Forgets peers that are not connected, those first whose failures are forgotten soonest.
fn make_room(table: &mut HashMap<IpAddr, Peer>, now: Instant) {
    if table.len() < PEERS_MOST {
        return;
    }
    table.retain(|_, peer| peer.connections > 0 || peer.until > now);
    if table.len() >= PEERS_MOST {
        let idle = table.iter().filter(|(_, peer)| peer.connections == 0);
        if let Some(soonest) = idle.min_by_key(|(_, peer)| peer.until).map(|(address, _)| *address) {
            table.remove(&soonest);
        }
    }
}

/// What counts as one peer: an IPv4 address, or the 64 bits of an IPv6 network, in which anybody has any address.
fn block(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        other => other,
    }
}
