//! What the host tells the two processes of a jail, and what they tell it: JSON over a socket pair.
//!
//! ```text
//! host ── spawns ──> keeper (our program; outside the jail, owns it) ── spawns ──> warden (our program; pid 1 inside)
//!      <── socket ──>                                                <── socket ──>    └── spawns the tool
//! ```
//!
//! Both sockets are on fd 0, so nothing has to be inherited by number. The host's end is the lifeline: when it closes,
//! for whatever reason, the keeper kills the warden, and with it the kernel kills everything in its pid namespace.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::sandbox::outcome::Exit;
use crate::sandbox::spec::{Access, Resource};
use crate::types::Hash;

/// Bytes of a message at the most. An input of a call is in it; a call's input limit is far below.
const MESSAGE_MAX: u32 = 256 << 20;

/// A file to be copied into the jail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) source: PathBuf,
    pub(super) hash: Hash,
    pub(super) executable: bool,
}

/// A directory to be shown in the jail, and which one it must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree {
    pub(super) name: String,
    pub(super) source: PathBuf,
    pub(super) access: Access,
    pub(super) place: (u64, u64),
}

/// Everything there is to know about one invocation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The program and its arguments.
    pub(super) command: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) directory: String,
    /// What the program reads.
    pub(super) stdin: String,
    /// Directories of the system that are shown as they are, read-only.
    pub(super) system: Vec<PathBuf>,
    pub(super) files: Vec<File>,
    /// Bytes of all files together.
    pub(super) files_bytes: u64,
    pub(super) trees: Vec<Tree>,
    pub(super) egress: Option<PathBuf>,
    /// Who the program is outside, if the host is root and can choose.
    pub(super) user: u32,
    /// Whether somebody else made the namespaces and what is seen in them.
    pub(super) wrapped: bool,
    pub(super) bounds: Bounds,
}

/// The limits of an invocation, all of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Bounds {
    pub(super) cpu_ms: u64,
    pub(super) memory: u64,
    pub(super) processes: u32,
    pub(super) disk: u64,
    pub(super) open_files: u32,
}

/// What the warden says at its end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    /// Why there is no jail, if there is none: what could not be done.
    pub(super) trouble: Option<String>,
    /// Why the program could not be started, if it could not.
    pub(super) unstarted: Option<String>,
    /// How the program ended, if it began.
    pub(super) exit: Option<Exit>,
    /// The limit that it was ended for.
    pub(super) limit: Option<Resource>,
    pub(super) cpu_ms: u64,
    pub(super) memory_peak: u64,
    pub(super) processes_peak: u32,
    /// What keeps it inside, beside the namespaces, for the canary to read.
    pub(super) landlock: String,
}

impl Report {
    pub(super) fn trouble(text: impl Into<String>) -> Report {
        Report { trouble: Some(text.into()), ..Report::default() }
    }
}

/// A message with its length before it.
pub(super) fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).ok().filter(|length| *length <= MESSAGE_MAX);
    let length = length.ok_or_else(|| io::Error::other("the message is too long"))?;
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend(body);
    Ok(bytes)
}

pub(super) fn send(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    to.write_all(&encode(message)?)
}

pub(super) fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MESSAGE_MAX {
        return Err(io::Error::other("the message is too long"));
    }
    let mut body = vec![0; length as usize];
    from.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}
