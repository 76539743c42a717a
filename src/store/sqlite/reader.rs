//! Reading events out of a file that may be damaged, locked, or out of reach for writing.
//!
//! A journal that can no longer be opened can often still be read. Nothing here needs the lock, the projections, a
//! known schema version or a directory that can be written, and every event is checked before it is given out.

use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Executor};
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::super::{BadEvent, Damage, Error, Event, Sound};
use super::connect::{self, is_damage, opening, reading, words};
use super::place::{self, Lies};
use super::read::{self, Anchor};
use super::verify::{follows, page};
use crate::types::Hash;

/// Events tried after a damaged one, to say where reading can go on: some hundred pages of the file.
const TRIED: u64 = 10_000;

/// Reads events of a journal's file, and only those that are what was written.
pub struct Reader {
    connection: Mutex<SqliteConnection>,
    /// Where the files lie that are read, if not where they belong.
    _copied: Option<TempDir>,
    /// Why it is only a rest that is read.
    refused: Option<String>,
}

impl Reader {
    /// Opens the file in whatever way it lets itself be read; if it is no whole one, what is left of it.
    pub(super) async fn open(path: &Path, companions: &[&str]) -> Result<Reader, Error> {
        let ((connection, copied), refused) = match connect_somehow(path, companions).await {
            Ok(connected) => (connected, None),
            Err(refused) => match connect_to_rest(path).await {
                Some(connected) => (connected, Some(refused.to_string())),
                None => return Err(refused),
            },
        };
        Ok(Reader { connection: Mutex::new(connection), _copied: copied, refused })
    }

    /// The same, knowing that there was more.
    pub(super) fn lacking(mut self, reason: Option<String>) -> Reader {
        self.refused = self.refused.or(reason);
        self
    }

    /// Why this reads what is left of a journal and not a journal, if that is so. There may have been more than it knows
    /// of, even if what it reads has no fault.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// The events from `from` on that follow from each other without a fault, and what ends them.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if nothing can be read at all, [`Error::Read`] if the disk fails.
    pub async fn sound(&self, from: u64) -> Result<Sound, Error> {
        let connection = &mut *self.connection.lock().await;
        let anchor = match read::anchor(connection).await {
            Err(error) if self.may_lack(&error) => Anchor::beginning(),
            anchor => anchor?,
        };
        let from = from.max(anchor.seq + 1);
        let tail = match read::tail(connection).await {
            Err(error) if self.may_lack(&error) => None,
            tail => Some(tail?.seq),
        };
        let from = tail.map_or(from, |tail| from.min(tail + 1));
        let before = if from == anchor.seq + 1 { Some(anchor.hash) } else { hash_before(connection, from).await? };
        let Some(previous) = before else {
            let reason = format!("it cannot be proved, since event {} cannot be read", from - 1);
            return Ok(self.ended(connection, Sound::none(from, Hash::ZERO), from, reason, tail).await);
        };
        let mut sound = Sound::none(from, previous);
        match scan(connection, &mut sound, tail).await? {
            Some(reason) => {
                let bad = sound.to + 1;
                Ok(self.ended(connection, sound, bad, reason, tail).await)
            }
            None => Ok(sound),
        }
    }

    /// Whether this is an error that what is read may have: then events are read without what is said of them elsewhere.
    /// Whether the chain begins with its first event shows when that is read.
    fn may_lack(&self, error: &Error) -> bool {
        matches!(error, Error::Corrupt(_)) || (matches!(error, Error::Read(_)) && self.refused.is_some())
    }

    /// The sound events with what ends them, and where reading can go on.
    async fn ended(
        &self,
        connection: &mut SqliteConnection,
        sound: Sound,
        seq: u64,
        reason: String,
        last: Option<u64>,
    ) -> Sound {
        // The last event may be lost, and the row that counts them not; it alone is believed only if it can be true.
        let last = match last {
            None => read::committed(connection).await.filter(|last| *last >= seq),
            last => last,
        };
        let end = last.unwrap_or(u64::MAX).min(seq.saturating_add(TRIED));
        let mut next = None;
        for candidate in seq + 1..=end {
            if goes_on(connection, candidate).await {
                next = Some(candidate);
                break;
            }
        }
        Sound { damage: Some(Damage { bad: BadEvent { seq, reason }, next, last }), ..sound }
    }

    /// Up to `limit` of the events after number `seq`, whose hash is this. In a damaged file one way to an event may be
    /// lost and another not, so they are read the way they were found sound.
    ///
    /// # Errors
    /// [`Error::Corrupt`] at the first that is not sound.
    pub async fn after(&self, seq: u64, hash: Hash, limit: usize) -> Result<Vec<Event>, Error> {
        let connection = &mut *self.connection.lock().await;
        let (mut events, mut portion) = (Vec::<Event>::new(), limit);
        while events.len() < limit {
            let (last, head) = events.last().map_or((seq, hash), |event| (event.seq, event.hash));
            let left = portion.min(limit - events.len());
            let rows = match page(connection, last + 1, last.saturating_add(left as u64), left).await {
                Err(error) if is_damage(&error) && portion > 1 => {
                    portion = 1;
                    continue;
                }
                rows => rows.map_err(|error| reading(&error))?,
            };
            if rows.is_empty() {
                break;
            }
            let mut previous = head;
            for (row, number) in rows.iter().zip(last + 1..) {
                let event = follows(row, number, previous)
                    .map_err(|reason| Error::Corrupt(format!("event {number}: {reason}")))?;
                previous = event.hash;
                events.push(event);
            }
        }
        Ok(events)
    }
}

/// Reads on from where `sound` ends, event by event once a page cannot be read, and says what stopped it before the
/// end of the chain.
async fn scan(
    connection: &mut SqliteConnection,
    sound: &mut Sound,
    tail: Option<u64>,
) -> Result<Option<String>, Error> {
    let mut limit = super::verify::PAGE;
    while tail.is_none_or(|tail| sound.to < tail) {
        let rows = match page(connection, sound.to + 1, tail.unwrap_or(u64::MAX), limit).await {
            Ok(rows) => rows,
            Err(error) if is_damage(&error) && limit > 1 => {
                limit = 1;
                continue;
            }
            Err(error) if is_damage(&error) => return Ok(Some(words(&error))),
            Err(error) => return Err(reading(&error)),
        };
        if rows.is_empty() {
            let nobody_knows = "the row that says where the chain ends cannot be read, there may be more".to_owned();
            return Ok(Some(if tail.is_some() { "it is missing".to_owned() } else { nobody_knows }));
        }
        for row in &rows {
            match follows(row, sound.to + 1, sound.head) {
                Ok(event) => (sound.to, sound.head) = (event.seq, event.hash),
                Err(reason) => return Ok(Some(reason)),
            }
        }
    }
    Ok(None)
}

/// The hash of the event before this one, if it can be read.
async fn hash_before(connection: &mut SqliteConnection, seq: u64) -> Result<Option<Hash>, Error> {
    match read::hash_of(connection, seq - 1).await {
        Err(Error::Corrupt(_)) => Ok(None),
        found => found,
    }
}

/// Whether this event can be read and follows from the one before it.
async fn goes_on(connection: &mut SqliteConnection, seq: u64) -> bool {
    let Ok(Some(previous)) = hash_before(connection, seq).await else { return false };
    let rows = page(connection, seq, seq, 1).await.unwrap_or_default();
    rows.first().is_some_and(|row| follows(row, seq, previous).is_ok())
}

/// A connection that reads: to the file where it lies; if that cannot be, because it is locked or nothing can be
/// written beside it, to a copy; if there is no place for one, to the file alone as if it never changed, unless there is
/// more in its log.
pub(super) async fn connect_somehow(
    path: &Path,
    companions: &[&str],
) -> Result<(SqliteConnection, Option<TempDir>), Error> {
    if let Lies::Nothing(what) = place::look(path)? {
        return Err(place::nothing(path, what, companions));
    }
    let first = match probe(path, WHOLE).await {
        Ok(connection) => return accepted(path, companions, connection, None).await,
        Err(error) if is_damage(&error) => return Err(opening(path, &error)),
        Err(error) => error,
    };
    if let Ok((folder, copy)) = copied(path)
        && let Ok(connection) = probe(&copy, WHOLE).await
    {
        return accepted(path, companions, connection, Some(folder)).await;
    }
    match probe(path, How { unchanging: true, ..WHOLE }).await {
        Ok(connection) if !place::log_of(path) => accepted(path, companions, connection, None).await,
        _ => Err(opening(path, &first)),
    }
}

/// The connection, unless what it leads to is no journal.
async fn accepted(
    path: &Path,
    companions: &[&str],
    mut connection: SqliteConnection,
    copied: Option<TempDir>,
) -> Result<(SqliteConnection, Option<TempDir>), Error> {
    match connect::recognise(&mut connection, path).await {
        // What a newer program wrote may be read, if not judged.
        Ok(true) | Err(Error::Newer { .. }) => Ok((connection, copied)),
        Ok(false) => Err(place::nothing(path, place::BLANK, companions)),
        Err(error) => Err(error),
    }
}

/// A connection to what is left of a file that was cut short, that is gone while its log is not, or whose log cannot be
/// read. None if nothing can be read.
async fn connect_to_rest(path: &Path) -> Option<(SqliteConnection, Option<TempDir>)> {
    const REST: How = How { unchanging: false, forgiving: true };
    // SQLite removes the log of an empty file when it looks at it, so such a file is not looked at where it lies.
    let there = place::look(path).ok()? == Lies::File;
    if there && let Some(connection) = rest(path, REST).await {
        return Some((connection, None));
    }
    if let Ok((folder, copy)) = copied(path)
        && let Some(connection) = rest(&copy, REST).await
    {
        return Some((connection, Some(folder)));
    }
    if there { rest(path, How { unchanging: true, ..REST }).await.map(|connection| (connection, None)) } else { None }
}

/// A connection to what is left, if that has a table of events, whole or not.
async fn rest(path: &Path, how: How) -> Option<SqliteConnection> {
    let mut connection = probe(path, how).await.ok()?;
    page(&mut connection, 1, 1, 0).await.ok()?;
    Some(connection)
}

/// How a file is looked at.
#[derive(Clone, Copy)]
struct How {
    /// As if nobody else could change it: nothing is locked or made beside it, and its log is not read.
    unchanging: bool,
    /// However much of it is there. SQLite calls a file damaged as a whole which has fewer pages than its header says,
    /// unless it is told that the schema may be written, which nobody does here; then only a missing page is damage.
    forgiving: bool,
}

const WHOLE: How = How { unchanging: false, forgiving: false };

/// Opens and reads a little, since SQLite does nothing before it must.
async fn probe(path: &Path, how: How) -> Result<SqliteConnection, sqlx::Error> {
    let options = connect::read_only(path).immutable(how.unchanging);
    let options = if how.forgiving { options.pragma("writable_schema", "ON") } else { options };
    let mut connection = options.connect().await?;
    connection.execute("SELECT count(*) FROM sqlite_schema").await?;
    read::older(&mut connection).await?;
    Ok(connection)
}

/// The file and its log, copied to a place that can be written.
fn copied(path: &Path) -> std::io::Result<(TempDir, PathBuf)> {
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("journal.db");
    let log = connect::beside(path, "-wal");
    match place::look(path) {
        Ok(Lies::Nothing(_)) => std::fs::write(&copy, [0; LEAST_BYTES])?,
        _ => std::fs::copy(path, &copy).map(drop)?,
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700))?;
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o600))?;
    }
    if log.exists() {
        std::fs::copy(log, connect::beside(&copy, "-wal"))?;
    }
    Ok((folder, copy))
}

/// What stands for a file that is gone: a page of nothing, without which SQLite would not look into the log.
const LEAST_BYTES: usize = 4_096;
