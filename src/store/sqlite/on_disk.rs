//! A journal's file without a host: checked, read, copied, put back, repaired.

use std::fs::File;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use sqlx::sqlite::{SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor};
use tempfile::TempDir;

use super::super::{BadEvent, Damage, Error, Kept, Projection, Sound, Verification};
use super::connect::{self, SAVE, beside, reading};
use super::place::{self, Lies};
use super::reader::{self, Reader};
use super::{group, log, rebuild, verify};

/// A journal's file, looked at from outside.
pub struct OnDisk {
    path: PathBuf,
    projections: Vec<Arc<dyn Projection>>,
    companions: &'static [&'static str],
}

/// A file that goes with a journal: its name in the data directory, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Belonging {
    /// Where it lies, from the data directory on.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Where a backup keeps what goes with the journal.
const BELONGINGS: &str = "CREATE TABLE belongings (name TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT";

impl OnDisk {
    /// The journal that lies there, or will.
    pub fn at(path: &Path, projections: Vec<Arc<dyn Projection>>) -> OnDisk {
        OnDisk { path: path.to_owned(), projections, companions: &[] }
    }

    /// The same beside these files and folders, as [`super::Sqlite::open_beside`] has them.
    pub fn beside(self, companions: &'static [&'static str]) -> OnDisk {
        OnDisk { companions, ..self }
    }

    /// Reads the whole chain and checks everything, without the lock and without writing: a host may have it open.
    ///
    /// # Errors
    /// The file cannot be read as a journal. A broken chain is no error but an answer.
    pub async fn verify(&self) -> Result<Verification, Error> {
        let lost = self.lost();
        let (mut connection, _copied) = match self.connect().await {
            Err(Error::Corrupt(reason)) => return self.beginning(reason).await,
            connected => connected?,
        };
        let found = verify::verify(&mut connection, &self.projections).await?;
        let lost = lost.map(|lost| BadEvent { seq: found.archived + found.verified + 1, reason: lost.words() });
        Ok(Verification { first_bad: found.first_bad.clone().or(lost), ..found })
    }

    /// What is lost of the log, if it is lost for good: a host that writes while it is looked at makes it look so.
    fn lost(&self) -> Option<log::Lost> {
        let first = log::lost(&self.path)?;
        log::lost(&self.path).filter(|second| *second == first)
    }

    /// How far a file is whole that SQLite does not take for one.
    async fn beginning(&self, refused: String) -> Result<Verification, Error> {
        let Ok(reader) = self.read().await else { return Err(Error::Corrupt(refused)) };
        let Sound { from, to, previous, head, damage } = reader.sound(1).await?;
        let Some(Damage { bad, .. }) = damage else { return Err(Error::Corrupt(refused)) };
        let first_bad = Some(BadEvent { seq: bad.seq, reason: format!("{} ({refused})", bad.reason) });
        Ok(Verification { verified: to + 1 - from, head, archived: from - 1, anchor: previous, withheld: 0, first_bad })
    }

    /// A connection that reads, to what is a journal of a schema that this program knows.
    async fn connect(&self) -> Result<(SqliteConnection, Option<TempDir>), Error> {
        let (mut connection, copied) = reader::connect_somehow(&self.path, self.companions).await?;
        connect::recognise(&mut connection, &self.path).await?;
        Ok((connection, copied))
    }

    /// What can be read of it, in whatever state it is.
    pub async fn read(&self) -> Result<Reader, Error> {
        let lost = self.lost().map(|lost| lost.words());
        Ok(Reader::open(&self.path, self.companions).await?.lacking(lost))
    }

    /// Copies the journal as it is at one moment into a new file, and what goes with it. A host may be writing
    /// meanwhile. The copy is proved before it gets its name.
    ///
    /// # Errors
    /// [`Error::Exists`] if there is such a file, [`Error::Corrupt`] if the copy is not whole, [`Error::Write`] if it
    /// cannot be written. Nothing is left behind then.
    pub async fn backup(&self, to: &Path, belongings: &[Belonging]) -> Result<Kept, Error> {
        vacant(to)?;
        let (mut connection, _copied) = self.connect().await?;
        let part = Unfinished::make(to)?;
        let text = part.path().to_str().ok_or_else(|| unwritable(to, "its name is no UTF-8"))?.to_owned();
        sqlx::query("VACUUM INTO ?1").bind(text).execute(&mut connection).await.map_err(|error| copying(&error))?;
        let _ = connection.close().await;
        self.belong(part.path(), belongings).await.map_err(|error| copying(&error))?;
        let kept = part.proved(&self.projections).await?;
        part.finish(to)?;
        Ok(Kept { files: belongings.iter().map(|file| file.name.clone()).collect(), ..kept })
    }

    async fn belong(&self, copy: &Path, belongings: &[Belonging]) -> Result<(), sqlx::Error> {
        let mut connection = alone(copy).connect().await?;
        connection.execute(BELONGINGS).await?;
        for Belonging { name, bytes } in belongings {
            let insert = sqlx::query("INSERT INTO belongings (name, bytes) VALUES (?1, ?2)");
            insert.bind(name.clone()).bind(bytes.clone()).execute(&mut connection).await?;
        }
        connection.close().await
    }

    /// Makes this journal, and what goes with it, of a backup.
    ///
    /// # Errors
    /// [`Error::Exists`] if there is anything it would overwrite, [`Error::InUse`] if a host has the directory, and
    /// whatever is wrong with the backup. Nothing is changed then.
    pub async fn restore(&self, from: &Path) -> Result<Kept, Error> {
        vacant(&self.path)?;
        vacant(&beside(&self.path, "-wal"))?;
        if let Lies::Nothing(what) = place::look(from)? {
            return Err(connect::open_error(from, format!("{what}; name a file that `syzygy backup` wrote")));
        }
        let found = OnDisk::at(from, self.projections.clone()).verify().await?;
        if let Some(bad) = found.first_bad {
            return Err(Error::Corrupt(format!("the backup is damaged at event {}: {}", bad.seq, bad.reason)));
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        private_folder(folder).map_err(|error| unwritable(folder, error))?;
        let _lock = connect::lock(&self.path)?;
        let part = Unfinished::make(&self.path)?;
        std::fs::copy(from, part.path()).map_err(|error| unwritable(part.path(), error))?;
        let belongings = unpacked(part.path()).await.map_err(|error| copying(&error))?;
        let kept = part.proved(&self.projections).await?;
        let files: Vec<(PathBuf, Belonging)> = belongings
            .into_iter()
            .map(|file| placed(folder, &file.name).map(|place| (place, file)))
            .collect::<Result<_, Error>>()?;
        files.iter().try_for_each(|(place, _)| vacant(place))?;
        for (place, file) in &files {
            written(place, &file.bytes).map_err(|error| unwritable(place, error))?;
        }
        part.finish(&self.path)?;
        // If it cannot be left, the first opening leaves it: there is a journal now.
        let _ = place::mark(&self.path);
        Ok(Kept { files: files.into_iter().map(|(_, file)| file.name).collect(), ..kept })
    }

    /// Makes all rows anew from the events. Only while no host has the journal.
    ///
    /// # Errors
    /// [`Error::InUse`] if one has, [`Error::Corrupt`] if the events themselves are damaged: then nothing is changed.
    pub async fn rebuild(&self) -> Result<Verification, Error> {
        if let Lies::Nothing(what) = place::look(&self.path)? {
            return Err(place::nothing(&self.path, what, self.companions));
        }
        let _lock = connect::lock(&self.path)?;
        let (mut connection, copied) = self.connect().await?;
        let chain = verify::chain(&mut connection).await?;
        let _ = connection.close().await;
        drop(copied);
        if let Some(bad) = chain.first_bad {
            return Err(Error::Corrupt(format!("event {}: {}; {SAVE}", bad.seq, bad.reason)));
        }
        let mut connection = connect::open(&self.path, self.companions, connect::options(&self.path)).await?;
        for projection in &self.projections {
            let mut transaction = connection.begin().await.map_err(|error| group::writing(&error))?;
            group::restart(&mut transaction, projection.as_ref()).await.map_err(|error| group::writing(&error))?;
            transaction.commit().await.map_err(|error| group::writing(&error))?;
        }
        rebuild::rebuild(&mut connection, &self.projections, chain.archived + chain.verified).await?;
        connection.close().await.map_err(|error| group::writing(&error))?;
        self.verify().await
    }
}

/// How a copy is opened that nobody else knows of yet: with no files beside it.
fn alone(path: &Path) -> sqlx::sqlite::SqliteConnectOptions {
    connect::plain(path).journal_mode(SqliteJournalMode::Delete).synchronous(SqliteSynchronous::Full)
}

/// Takes what goes with the journal out of a backup.
async fn unpacked(copy: &Path) -> Result<Vec<Belonging>, sqlx::Error> {
    let mut connection: SqliteConnection = alone(copy).connect().await?;
    let there: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'belongings'")
        .fetch_one(&mut connection)
        .await?;
    let mut files = Vec::new();
    if there > 0 {
        let rows: Vec<(String, Vec<u8>)> =
            sqlx::query_as("SELECT name, bytes FROM belongings ORDER BY name").fetch_all(&mut connection).await?;
        files.extend(rows.into_iter().map(|(name, bytes)| Belonging { name, bytes }));
        connection.execute("DROP TABLE belongings").await?;
    }
    connection.close().await?;
    Ok(files)
}

/// Where a file of a backup belongs; never outside of the data directory, whoever made the backup.
fn placed(folder: &Path, name: &str) -> Result<PathBuf, Error> {
    let relative = Path::new(name);
    match relative.components().all(|part| matches!(part, Component::Normal(_))) {
        true => Ok(folder.join(relative)),
        false => Err(Error::Corrupt(format!("the backup has a file named {name:?}, which is no name of one"))),
    }
}

fn vacant(path: &Path) -> Result<(), Error> {
    match path.symlink_metadata() {
        Ok(_) => Err(Error::Exists { path: path.display().to_string() }),
        Err(_) => Ok(()),
    }
}

fn unwritable(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Write(format!("{}: {reason}", path.display()))
}

/// What a failure to copy means: a damaged journal cannot be backed up, a full disk can be emptied.
fn copying(error: &sqlx::Error) -> Error {
    if connect::is_damage(error) { reading(error) } else { Error::Write(connect::words(error)) }
}

/// Makes a folder that only its owner may look into, if there is none.
fn private_folder(folder: &Path) -> std::io::Result<()> {
    if folder.as_os_str().is_empty() || folder.exists() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

fn written(place: &Path, bytes: &[u8]) -> std::io::Result<()> {
    private_folder(place.parent().unwrap_or(Path::new(".")))?;
    let mut file = connect::private().create_new(true).open(place)?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.sync_all()
}

/// A file under another name until it is whole; gone if it never is.
struct Unfinished(Option<PathBuf>);

impl Unfinished {
    fn make(of: &Path) -> Result<Unfinished, Error> {
        let path = beside(of, ".part");
        let failed = |error: std::io::Error| unwritable(&path, error);
        if path.exists() {
            std::fs::remove_file(&path).map_err(failed)?;
        }
        connect::private().open(&path).map_err(failed)?;
        Ok(Unfinished(Some(path)))
    }

    fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }

    /// What is in it, if it is a whole journal.
    async fn proved(&self, projections: &[Arc<dyn Projection>]) -> Result<Kept, Error> {
        let found = OnDisk::at(self.path(), projections.to_vec()).verify().await?;
        if let Some(bad) = found.first_bad {
            return Err(Error::Corrupt(format!("event {}: {}; {SAVE}", bad.seq, bad.reason)));
        }
        let bytes = std::fs::metadata(self.path()).map_or(0, |file| file.len());
        Ok(Kept { events: found.verified, head: found.head, bytes, files: Vec::new() })
    }

    /// Gives it its name, once it is on disk.
    fn finish(mut self, to: &Path) -> Result<(), Error> {
        vacant(to)?;
        let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
        let named = sync(self.path())
            .and_then(|()| std::fs::rename(self.path(), to))
            .and_then(|()| sync(to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))));
        named.map_err(|error| unwritable(to, error))?;
        self.0 = None;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // It may be gone already; what cannot be removed is overwritten by the next try.
            for end in ["", "-wal", "-shm", "-journal"] {
                let _ = std::fs::remove_file(beside(path, end));
            }
        }
    }
}
