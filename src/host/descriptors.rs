//! How many files and connections the program may have open at a time, which the system limits.
//!
//! Systems give a process few for the sake of old programs, and let it take more. Where it may not, connections are what
//! has to wait: a journal that cannot open its file, or a call to a model that gets no socket, would fail instead.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::api;

/// The most that is taken. A connection in and one out for each of 32,768 clients; more is not taken where the system
/// has no limit at all, since programs that this one starts inherit it, and some close every number up to it.
const TAKEN_MOST: u64 = 65_536;

/// Of so many descriptors one is for a connection. The other is for what the request on it makes the host open, a call to
/// a model most of all, and for the journal, the models and the pipes of child processes.
const PER_CONNECTION: u64 = 2;

/// Takes as many as the system lets this process have, and returns how many that are; none if there is no limit. It is
/// for a process of our own: who embeds a host decides about theirs.
pub(super) fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(TAKEN_MOST).min(TAKEN_MOST);
    if current.is_none_or(|current| current >= wanted) {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        Ok(()) => Some(wanted),
        Err(error) => {
            tracing::warn!(%error, wanted, "the limit of open files could not be raised");
            current
        }
    }
}

/// Lets the interface take no more connections than there are descriptors for, and keeps the share that one address may
/// have of them. Says whether it had to.
pub(super) fn fit(config: &mut api::Config, limit: Option<u64>) -> bool {
    let most = limit.and_then(|limit| usize::try_from(limit / PER_CONNECTION).ok()).unwrap_or(usize::MAX).max(1);
    let wanted = config.connections_max;
    if wanted <= most {
        return false;
    }
    let share = config.connections_per_peer_max as u128 * most as u128 / wanted as u128;
    config.connections_per_peer_max = usize::try_from(share).unwrap_or(most).max(1);
    config.connections_max = most;
    true
}

/// Both, for the program, with a word in the log if fewer connections are taken than were configured.
pub(super) fn provide(config: &mut api::Config) {
    let (wanted, limit) = (config.connections_max, raise());
    if fit(config, limit) {
        let (limit, connections) = (limit.unwrap_or_default(), config.connections_max);
        tracing::warn!(
            limit,
            connections,
            "the system lets this process have {limit} files open (ulimit -n), so at most {connections} connections are \
             taken at a time and not {wanted} (api.connections_max)"
        );
    }
}
