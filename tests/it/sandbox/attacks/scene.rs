//! What an attack could harm: a host's secrets, its listeners, its other processes, a tree that may only be read.

use std::io::Write;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::super::jails::{give, open_to_all};

/// A text that nobody in a sandbox may ever see.
pub(super) const SECRET: &str = "the-host's-own-secret-5f1d";

/// What the host's environment holds.
pub(super) const VARIABLE: &str = "SYZYGY_TEST_SECRET";

pub(in super::super) struct Scene {
    /// Open to all users, so that only a sandbox keeps anybody out.
    folder: TempDir,
    listener: TcpListener,
    abstract_name: String,
    abstract_listener: UnixListener,
    /// A process of the host that knows the secret.
    other: Child,
    /// What a program inherits that is started without care.
    _leaked: std::fs::File,
}

impl Scene {
    pub(in super::super) async fn new() -> Scene {
        let folder = tempfile::tempdir().unwrap();
        open_to_all(folder.path());
        let at = |name: &str| folder.path().join(name);
        for name in ["data", "tree", "repo"] {
            std::fs::create_dir(at(name)).unwrap();
            open_to_all(&at(name));
        }
        std::fs::write(at("data/secret"), SECRET).unwrap();
        std::fs::write(at("tree/file"), "as it was").unwrap();
        std::os::unix::fs::symlink(at("data/secret"), at("tree/link")).unwrap();
        std::os::unix::fs::symlink(at("data"), at("tree/folder")).unwrap();
        give(&at("repo"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let abstract_name = format!("syzygy-attack-{}", listener.local_addr().unwrap().port());
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let abstract_listener = UnixListener::bind_addr(&address).unwrap();
        abstract_listener.set_nonblocking(true).unwrap();
        let other = Command::new("/bin/cat").env(VARIABLE, SECRET).stdin(Stdio::piped()).kill_on_drop(true).spawn();
        let (other, _leaked) = (other.unwrap(), leak());
        Scene { listener, abstract_name, abstract_listener, other, _leaked, folder }
    }

    pub(in super::super) fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    pub(in super::super) fn repo(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    /// What an attack is told: more than any attacker could know.
    pub(in super::super) fn given(&self, jailed: bool) -> Value {
        let place = |name: &str, real: PathBuf| if jailed { PathBuf::from("/granted").join(name) } else { real };
        json!({
            "secret": SECRET,
            "data": self.folder.path().join("data"),
            "tree": place("tree", self.tree()),
            "repo": place("repo", self.repo()),
            "port": self.listener.local_addr().unwrap().port(),
            "abstract": self.abstract_name,
            "other": self.other.id(),
        })
    }

    /// What was harmed, if anything was.
    pub(in super::super) fn harm(&self) -> Option<String> {
        let at = |name: &str| self.folder.path().join(name);
        let read = |name: &str| std::fs::read_to_string(at(name)).unwrap_or_default();
        let count = |name: &str| std::fs::read_dir(at(name)).map_or(0, Iterator::count);
        if read("data/secret") != SECRET || count("data") != 1 {
            return Some("the host's data was changed".to_owned());
        }
        if read("tree/file") != "as it was" || count("tree") != 3 {
            return Some("the tree was changed".to_owned());
        }
        // A connection that was made waits to be accepted.
        if self.abstract_listener.accept().is_ok() {
            return Some("the abstract socket of the host was reached".to_owned());
        }
        let reached = rustix::event::poll(
            &mut [rustix::event::PollFd::new(&self.listener, rustix::event::PollFlags::IN)],
            Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }),
        );
        if reached.is_ok_and(|ready| ready > 0) {
            return Some("the port of the host was reached".to_owned());
        }
        None
    }
}

/// A file of this process that a program started without care inherits.
fn leak() -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(SECRET.as_bytes()).unwrap();
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    file
}

/// Time that the bare runner waits for a program that it asked to end.
pub(super) const GRACE: Duration = Duration::from_millis(300);
