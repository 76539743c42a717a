//! Queues with several servers, in whole numbers, so that a plan is the same on every machine.
//!
//! Sources: A. K. Erlang, "Solution of some Problems in the Theory of Probabilities of Significance in Automatic
//! Telephone Exchanges" (1917), for the formulas B and C; L. Kleinrock, "Queueing Systems", volume 1 (1975), chapter 3,
//! for M/M/c and M/M/c/K; J. D. C. Little, "A Proof for the Queuing Formula: L = lambda W" (1961). The recursions below
//! are those of R. B. Cooper, "Introduction to Queueing Theory" (1981), and never overflow.
//!
//! Loads and shares are in millionths; inside, twelve digits are kept.

/// One, inside.
const ONE: u128 = 1_000_000_000_000;

/// One millionth, inside.
const STEP: u128 = 1_000_000;

/// The share of requests that are lost if there are so many servers and no room to wait: Erlang's formula B.
fn lost(servers: u32, load: u128) -> u128 {
    (1..=u128::from(servers)).fold(ONE, |lost, server| next(lost, server, load))
}

/// Formula B for one server more than it is known for.
fn next(lost: u128, servers: u128, load: u128) -> u128 {
    let offered = load * lost / ONE;
    offered * ONE / (servers * ONE + offered)
}

/// The share of requests that have to wait, from the share that would be lost: Erlang's formula C. None if the load is
/// more than the servers can do.
fn waits(lost: u128, servers: u128, load: u128) -> Option<u128> {
    let each = load / servers.max(1);
    (each < ONE).then(|| lost * ONE / (ONE - each * (ONE - lost) / ONE))
}

/// The mean wait of a request before it is served, in microseconds, in a queue M/M/c. None if the queue would grow for
/// ever.
pub fn wait_us(servers: u32, load: u64, service_us: u64) -> Option<u64> {
    let (servers, load) = (u128::from(servers), u128::from(load) * STEP);
    if servers == 0 {
        return None;
    }
    let lost = lost(u32::try_from(servers).unwrap_or(u32::MAX), load);
    mean(lost, servers, load, service_us)
}

fn mean(lost: u128, servers: u128, load: u128, service_us: u64) -> Option<u64> {
    let waits = waits(lost, servers, load)?;
    let spare = servers * ONE - load;
    u64::try_from(waits * u128::from(service_us) / spare).ok()
}

/// The share of requests that find neither a server nor room to wait, in millionths, in a queue M/M/c/K.
pub fn refused(servers: u32, room: u32, load: u64) -> u64 {
    let load = u128::from(load) * STEP;
    if servers == 0 {
        return if load == 0 { 0 } else { 1_000_000 };
    }
    let each = load / u128::from(servers);
    let mut blocked = lost(servers, load);
    for _ in 0..room {
        let offered = each * blocked / ONE;
        blocked = offered * ONE / (ONE + offered);
        if blocked == 0 {
            break;
        }
    }
    u64::try_from(blocked / STEP).unwrap_or(1_000_000)
}

/// The most servers that are thought about.
pub const SERVERS_MOST: u32 = 10_000;

/// The fewest servers that are busy for no more than this share of their time and let nobody wait longer than this on
/// average.
pub fn needed(load: u64, service_us: u64, utilisation: u64, wait_most_us: u64) -> u32 {
    let load = u128::from(load) * STEP;
    let most = u128::from(utilisation.clamp(1, 1_000_000)) * STEP;
    let mut lost = ONE;
    for servers in 1..=u128::from(SERVERS_MOST) {
        lost = next(lost, servers, load);
        let calm = load <= servers * most;
        if calm && mean(lost, servers, load, service_us).is_some_and(|wait| wait <= wait_most_us) {
            return u32::try_from(servers).unwrap_or(SERVERS_MOST);
        }
    }
    SERVERS_MOST
}
