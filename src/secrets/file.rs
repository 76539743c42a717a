//! Secrets in files below one directory, as an orchestrator mounts them. Nobody but the host may read it.

use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::book::Book;
use super::environment::{close_due, in_time, open};
use super::{BYTES_MAX, Error, Lease, Path, Secrets};
use crate::types::{Clock, Cx, Secret, aside};

/// Permissions of everybody but the owner.
const OTHERS: u32 = 0o077;

/// One file a secret, at the path of its name.
pub struct Files {
    root: PathBuf,
    book: Mutex<Book>,
    clock: Arc<dyn Clock>,
}

impl Files {
    /// Secrets below this directory, which is looked at when one is asked for.
    pub fn new(root: &FilePath, clock: Arc<dyn Clock>) -> Files {
        Files { root: root.to_owned(), book: Mutex::default(), clock }
    }
}

#[async_trait]
impl Secrets for Files {
    fn kind(&self) -> &'static str {
        "file"
    }

    async fn lease(&self, cx: &Cx, path: &Path) -> Result<Lease, Error> {
        in_time(cx, self.clock.as_ref(), path)?;
        let (root, wanted) = (self.root.clone(), path.clone());
        let value = aside(usize::MAX, move || read(&root, &wanted)).await?;
        open(&self.book, cx, path, value)
    }

    async fn revoke(&self, _: &Cx, lease: Lease) -> Result<(), Error> {
        self.book.lock().close(lease.ticket);
        Ok(())
    }

    async fn sweep(&self, _: &Cx, all: bool) -> Result<usize, Error> {
        Ok(close_due(&self.book, self.clock.as_ref(), all))
    }

    fn out(&self) -> usize {
        self.book.lock().out()
    }
}

fn read(root: &FilePath, path: &Path) -> Result<Secret, Error> {
    let denied = |reason: String| Error::Denied { path: path.clone(), reason };
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            Error::NotFound { path: path.clone(), reason: "there is no such file".to_owned() }
        }
        std::io::ErrorKind::PermissionDenied => denied(error.to_string()),
        _ => Error::Unavailable { what: format!("read the secret {path}"), reason: error.to_string() },
    };
    // Links within are how an orchestrator changes all of its files at once; a link that leads out is refused.
    let root = root.canonicalize().map_err(failed)?;
    private(&root.metadata().map_err(failed)?, "its directory").map_err(denied)?;
    let file = root.join(path.place()).canonicalize().map_err(failed)?;
    let Ok(below) = file.strip_prefix(&root) else {
        return Err(denied("a link leads out of the directory of secrets".to_owned()));
    };
    for folder in below.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
        private(&root.join(folder).metadata().map_err(failed)?, "a directory on the way").map_err(denied)?;
    }
    // The path has no link any more. If one came since, the file is not opened; nor does a pipe make the host wait.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(&file).map_err(failed)?;
    let about = opened.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(denied("it is no regular file".to_owned()));
    }
    private(&about, "its file").map_err(denied)?;
    contents(opened, path, failed)
}

/// Reads one file by its own path, as a token's is kept, under the same rules but for the directory.
pub(super) fn token(file: &FilePath) -> Result<Secret, String> {
    let path: Path = "token".parse().map_err(|error: Error| error.to_string())?;
    let failed = |error: std::io::Error| Error::Setup(error.to_string());
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(file).map_err(|error| error.to_string())?;
    let about = opened.metadata().map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("it is no regular file".to_owned());
    }
    private(&about, "the file")?;
    contents(opened, &path, failed).map_err(|error| match error {
        Error::Unusable { reason, .. } => reason,
        other => other.to_string(),
    })
}

/// Reads at most as much as a secret may have, into memory that is wiped.
fn contents(file: File, path: &Path, failed: impl Fn(std::io::Error) -> Error) -> Result<Secret, Error> {
    // All the room at once: a vector that grows leaves what it held where it was.
    let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES_MAX + 1));
    file.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > BYTES_MAX {
        return Err(Error::TooLarge { path: path.clone() });
    }
    let unusable = |reason: &str| Error::Unusable { path: path.clone(), reason: reason.to_owned() };
    let text = std::str::from_utf8(&bytes).map_err(|_| unusable("its file is not UTF-8"))?;
    // Editors and `echo` end a file with a line break that nobody means.
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() { Err(unusable("its file is empty")) } else { Ok(Secret::new(text)) }
}

/// Whether only its owner may touch it, and that is us or root.
fn private(about: &Metadata, what: &str) -> Result<(), String> {
    let own = rustix::process::geteuid().as_raw();
    if about.uid() != own && about.uid() != 0 {
        return Err(format!("{what} belongs to user {}, and the host runs as {own}", about.uid()));
    }
    let mode = about.mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(format!("{what} has mode {mode:03o}; let nobody but its owner touch it"));
    }
    Ok(())
}
