//! `syzygy backup` and `syzygy restore`: a data directory as one file, and back.
//!
//! Both work on files of this machine and ask no host: a backup reads beside one that is running, and a restore makes a
//! data directory that nobody has yet.

use super::arguments::{Backup, Restore};
use super::console::Console;
use super::error::Error;
use super::{Launcher, paint};
use crate::store::Kept;

/// Copies the journal and what goes with it.
pub(super) async fn backup(asked: &Backup, console: &mut Console, launcher: &dyn Launcher) -> Result<(), Error> {
    let (on_disk, belongings) = (launcher.on_disk(&asked.local)?, launcher.belongings(&asked.local)?);
    console.passing("copying the journal and proving the copy");
    let kept = on_disk.backup(&asked.file, &belongings).await.map_err(anyhow::Error::new)?;
    told("backed up", "into", &asked.file.display().to_string(), &kept, console)
}

/// Makes a data directory of a backup.
pub(super) async fn restore(asked: &Restore, console: &mut Console, launcher: &dyn Launcher) -> Result<(), Error> {
    let data = launcher.data_dir(&asked.local)?.display().to_string();
    if !asked.file.exists() {
        let cause = std::io::Error::new(std::io::ErrorKind::NotFound, "there is no such file");
        return Err(Error::File { path: asked.file.clone(), cause });
    }
    console.passing("proving the backup and copying it");
    let kept = launcher.on_disk(&asked.local)?.restore(&asked.file).await.map_err(anyhow::Error::new)?;
    told("restored", "in", &data, &kept, console)
}

fn told(what: &str, how: &str, place: &str, kept: &Kept, console: &mut Console) -> Result<(), Error> {
    if console.json {
        return console.out_json(&serde_json::json!({ "path": place, "kept": kept }));
    }
    let Kept { events, head, bytes, files } = kept;
    let mut text =
        format!("{what} {events} events {how} {place} ({}), the last with hash {head}\n", paint::bytes(*bytes));
    if !files.is_empty() {
        text.push_str(&format!("with {}\n", files.join(", ")));
    }
    console.out(&text)
}
