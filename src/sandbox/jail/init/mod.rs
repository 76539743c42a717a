//! Our own program inside a jail. `syzygy jail-keeper` and `syzygy jail-warden` begin here, before anything else of a
//! host exists: namespaces can only be entered by a process that has one thread.
//!
//! Nothing here is `unsafe`, so nothing forks: a process comes to be by starting our own program again.

mod fence;
mod filter;
mod keeper;
mod root;
mod warden;
mod watch;

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use super::plan::{Report, send};

pub(super) use root::{DEVICES, LINKS, SETTINGS};

/// The hidden verb of the process outside the jail that owns it.
pub(super) const KEEPER: &str = "jail-keeper";

/// The hidden verb of the process inside.
pub(super) const WARDEN: &str = "jail-warden";

/// Where `/tmp` is, where it cannot be a directory of its own.
pub(super) const TMP: &str = concat!("/work", "/.tmp");

/// Our program, whatever its name and wherever it lies.
pub const SELF: &str = "/proc/self/exe";

/// What went wrong, with what was being done.
pub(super) trait During<T> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T, String>;
}

impl<T, E: std::fmt::Display> During<T> for Result<T, E> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T, String> {
        self.map_err(|cause| format!("could not {}: {cause}", what()))
    }
}

/// Does what a process of a jail does, if this is one; the caller's `main` then returns the code and does nothing else.
/// To be called first of all, on the only thread.
pub fn jail_process(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let verb = arguments.into_iter().nth(1)?;
    let work = match verb.to_str()? {
        KEEPER => keeper::keep,
        WARDEN => warden::guard,
        _ => return None,
    };
    // Fd 0 is not a socket if a person typed the verb.
    let code = control().and_then(|mut control| {
        let report = work(&mut control).unwrap_or_else(Report::trouble);
        send(&mut control, &report)
    });
    Some(if code.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The socket to whoever started this process.
fn control() -> io::Result<UnixStream> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.local_addr()?;
    Ok(socket)
}
