//! The way out of a sandbox: a proxy of the host on one unix socket for one invocation, which has no network otherwise.
//!
//! What it is for: a tool reaches what its rules name and nothing else, by name, port, method, path and size, and secrets
//! are put into its requests where it cannot see them.
//! What it owns: the sockets, the reading of what comes over them, the connections to the world, and the record.
//! What it never does: follow a redirect, connect to an address that was not looked at, send more than one request over a
//! connection, or let a secret back in.
//!
//! Three ways lead out. `http://` in a request line is sent on as it is. `https://` there, or a path alone, is sent over
//! TLS that the proxy makes, after it has put secrets into it: the tool itself speaks plain HTTP to its own socket.
//! `CONNECT` is a tunnel for a tool that makes its own TLS: the proxy reads the name in its first message, and no more.
//!
//! Invariants:
//! - EG1: what no rule allows is refused before a name is resolved or a connection made.
//! - EG2: the address that was judged is the address that is connected to; a name is resolved once for a request.
//! - EG3: what was judged of a request is what is sent: the proxy writes the line and the headers itself.
//! - EG4: a secret is sent over TLS to the hosts it is for, and no answer with one in it reaches the tool whole.
//! - EG5: the socket, its connections and its tasks end with the invocation, whoever forgets it.
//! - EG6: heads, bodies, connections, requests, records and waits have limits.

mod address;
mod body;
mod client;
mod config;
mod decide;
mod dial;
mod error;
mod exchange;
mod fake;
mod head;
mod hello;
mod host;
mod ledger;
mod network;
mod path;
mod policy;
mod proxy;
mod rule;
mod tunnel;
mod wire;

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
#[cfg(test)]
mod tests;

pub use address::{Network as Cidr, not_public};
pub use client::{Message, Reply, Unsent};
pub use config::Config;
pub use decide::{Ask, decide};
pub use error::{Error, Reason, Refusal};
pub use fake::{Imagined, Seen};
pub use host::{Authority, Host, HostPattern};
pub use ledger::{Ended, Exchange, Report};
pub use network::{Failure, Internet, Network, Resolver, Stream, System, Trust};
pub use path::{PathPattern, Target};
pub use policy::{Injection, Limits, Policy};
pub use proxy::{Passage, Proxy};
pub use rule::{Method, Rule, Transport};
