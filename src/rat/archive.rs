//! Archives: old events leave the journal as exported files, which prove themselves and join each other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};

use super::Error;
use super::export::{check_export, portion};
use crate::store::{self, Journal, Retention};
use crate::types::{Hash, Timestamp};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// A segment of the chain that is now in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// Its first event.
    pub from: u64,
    /// Its last event.
    pub to: u64,
    /// Hash of the last event.
    pub head: Hash,
    /// The file.
    pub path: PathBuf,
}

/// What events are worth nothing without others, so that a journal is not cut between them.
#[async_trait]
pub trait Ties: Send + Sync + 'static {
    /// The last event up to `through` that can go with all before it and leave nothing behind that needs them; if there
    /// is none, the first after `through`. Nothing if there is no such event yet: whoever leaves events that belong
    /// together hears of it so, and makes an end of them.
    async fn cut(&self, journal: &dyn Journal, through: u64) -> Result<Option<u64>, store::Error>;
}

/// The last event of the next segment that may go, if a whole segment may: one that is neither young enough nor among
/// the newest as the retention says. The segment ends where no ties are cut.
///
/// # Errors
/// The journal cannot be read.
pub async fn due(
    journal: &dyn Journal,
    retention: &Retention,
    ties: &dyn Ties,
    now: Timestamp,
) -> Result<Option<u64>, Error> {
    let through = journal.view().archived + u64::from(retention.segment_events.get());
    if !may_go(journal, retention, through, now).await? {
        return Ok(None);
    }
    match ties.cut(journal, through).await.map_err(Error::Journal)? {
        Some(cut) if cut <= through || may_go(journal, retention, cut, now).await? => Ok(Some(cut)),
        _ => Ok(None),
    }
}

/// Whether everything up to this event may go, as the retention says.
async fn may_go(journal: &dyn Journal, retention: &Retention, through: u64, now: Timestamp) -> Result<bool, Error> {
    let view = journal.view();
    // The last event always stays, since it may be the one that says what went before.
    if through >= view.last_seq {
        return Ok(false);
    }
    let crowded = retention.events_most > 0 && view.last_seq - through >= retention.events_most;
    if crowded {
        return Ok(true);
    }
    if retention.days == 0 {
        return Ok(false);
    }
    let last = journal.read(through, 1).await.map_err(Error::Journal)?.pop();
    let since = now.0.saturating_sub(i64::from(retention.days).saturating_mul(DAY));
    Ok(last.is_some_and(|event| event.seq == through && event.at.0 < since))
}

/// Moves the events up to `through` into a file in `folder`, and lets them go once the file is on disk and was read back
/// and found good.
///
/// # Errors
/// The journal cannot be read, the file cannot be written, or is not what was to be in it. The events stay then.
pub async fn archive(journal: Arc<dyn Journal>, through: u64, folder: &Path) -> Result<Archived, Error> {
    let from = journal.view().archived + 1;
    // Twelve digits sort as they count for a trillion events.
    let name = format!("journal-{from:012}-{through:012}.jsonl");
    let (path, part) = (folder.join(&name), folder.join(format!("{name}.part")));
    tokio::fs::create_dir_all(folder).await.map_err(Error::Archive)?;
    let mut file = BufWriter::new(File::create(&part).await.map_err(Error::Archive)?);
    private(&part).map_err(Error::Archive)?;
    let mut lines = std::pin::pin!(portion(Arc::clone(&journal), from, through, None));
    while let Some(line) = lines.try_next().await? {
        file.write_all(line.as_bytes()).await.map_err(Error::Archive)?;
    }
    file.flush().await.map_err(Error::Archive)?;
    file.get_ref().sync_all().await.map_err(Error::Archive)?;
    let (written, place) = (part.clone(), path.clone());
    // Reading and hashing a segment blocks, so it gets a thread that may.
    let checked = tokio::task::spawn_blocking(move || {
        let found = check_export(std::io::BufReader::new(std::fs::File::open(&written).map_err(Error::Archive)?))?;
        std::fs::rename(&written, &place).map_err(Error::Archive)?;
        let folder = place.parent().unwrap_or(Path::new("."));
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::Archive)?;
        Ok(found)
    });
    let found = checked.await.map_err(|error| Error::Archive(std::io::Error::other(error)))??;
    if let Some(error) = super::broken(&found) {
        return Err(Error::Journal(error));
    }
    journal.compact(through, &name).await.map_err(Error::Journal)?;
    Ok(Archived { from, to: through, head: found.head, path })
}

/// What people said is for the owner of the host alone.
fn private(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}
