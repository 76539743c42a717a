//! The directories of an invocation: `/work`, which is gone afterwards, copies of inputs, granted trees.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tempfile::TempDir;
use tokio::runtime::Handle;
use wasmtime_wasi::filesystem::Dir;
use wasmtime_wasi::{FsPerms, OpenMode};

use super::files::{Room, Tree};
use crate::sandbox::Prepared;
use crate::sandbox::ground;
use crate::sandbox::spec::{Access, Program};

/// How directories of invocations are called, followed by the number of the process that made them.
const PREFIX: &str = "call-";

/// What an invocation has on disk, until this is dropped.
pub(super) struct Work {
    /// Nothing for a component that asks for no files.
    folder: Option<TempDir>,
    pool: Handle,
}

impl Work {
    pub(super) fn none(pool: Handle) -> Work {
        Work { folder: None, pool }
    }

    /// Makes `/work`, copies the inputs and opens what was granted.
    pub(super) fn make(
        place: &Path,
        prepared: &Prepared,
        disk: u64,
        pool: Handle,
    ) -> Result<(Work, Vec<Tree>), String> {
        let text = |cause: std::io::Error| format!("could not make its directories: {cause}");
        std::fs::create_dir_all(place).map_err(text)?;
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(place).map_err(text)?;
        let mut trees = Vec::new();
        let work = folder.path().join("work");
        std::fs::create_dir(&work).map_err(text)?;
        trees.push(tree("/work", open(&work, None).map_err(text)?, Access::ReadWrite, Room::new(disk, disk)));
        let spec = prepared.spec();
        // The component is no input of itself.
        let shown = spec.inputs.iter().filter(|input| spec.program != Program::Component(input.hash));
        let shown: Vec<_> = shown.collect();
        if !shown.is_empty() {
            let inputs = folder.path().join("inputs");
            for input in shown {
                let bytes = ground::input(&spec.tool, input).map_err(|error| error.to_string())?;
                let path = inputs.join(&input.name);
                std::fs::create_dir_all(path.parent().unwrap_or(&inputs)).map_err(text)?;
                std::fs::write(path, bytes).map_err(text)?;
            }
            trees.push(tree("/inputs", open(&inputs, None).map_err(text)?, Access::ReadOnly, Room::new(0, 0)));
        }
        for (grant, place) in spec.grants.iter().zip(prepared.places.iter()) {
            let dir =
                open(&grant.source, Some(*place)).map_err(|cause| format!("could not open {}: {cause}", grant.name))?;
            let room = Room::new(grant.growth.unwrap_or(u64::MAX), disk);
            trees.push(tree(&format!("/granted/{}", grant.name), dir, grant.access, room));
        }
        Ok((Work { folder: Some(folder), pool }, trees))
    }

    /// Removes it, and returns when it is gone.
    pub(super) async fn remove(mut self) {
        if let Some(folder) = self.folder.take() {
            // What cannot be removed now is removed when the next host begins.
            let _ = self.pool.spawn_blocking(|| folder.close()).await;
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // Nobody waits for the call any more; removing may take a while.
        if let Some(folder) = self.folder.take() {
            self.pool.spawn_blocking(|| folder.close());
        }
    }
}

/// Opens a directory, which must be this one.
fn open(path: &Path, place: Option<(u64, u64)>) -> std::io::Result<File> {
    let dir = File::open(path)?;
    let found = dir.metadata()?;
    if !found.is_dir() || place.is_some_and(|place| place != (found.dev(), found.ino())) {
        return Err(std::io::Error::other("it is not the directory that was granted"));
    }
    Ok(dir)
}

fn tree(path: &str, dir: File, access: Access, room: std::sync::Arc<Room>) -> Tree {
    let (perms, mode) = match access {
        Access::ReadOnly => (FsPerms::ReadOnly, OpenMode::READ),
        Access::ReadWrite => (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE),
    };
    Tree { path: path.to_owned(), dir: Dir::new(dir, perms, mode, false), room }
}

/// Removes what hosts left that did not end in order.
pub(super) fn sweep(place: &Path) {
    let Ok(entries) = std::fs::read_dir(place) else { return };
    for entry in entries.flatten() {
        let owner = owner(&entry.path());
        if owner.is_some_and(|owner| owner != std::process::id() && !runs(owner)) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn owner(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    name.split('-').next()?.parse().ok()
}

fn runs(process: u32) -> bool {
    let id = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
    // Somebody else's process that may not be signalled runs too.
    id.is_some_and(|id| rustix::process::test_kill_process(id) != Err(rustix::io::Errno::SRCH))
}
