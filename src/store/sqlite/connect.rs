//! Getting at the file: the lock on it, what kind of file it is, how it is opened, and what SQLite's errors mean.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqlSafeStr, SqliteConnection};

use super::super::{Config, Error};
use super::place::{self, Lies, refused};

/// What the header of a journal says it is: "SYZG". The first migration writes it.
const APPLICATION_ID: i32 = 0x5359_5A47;

/// How long SQLite itself retries when the file is busy. Only readers of other processes can make it so, and briefly.
const BUSY: Duration = Duration::from_secs(5);

/// Pages the write-ahead log takes before they are copied into the file: 16 MiB. SQLite's 1000 made the copy, with its
/// two syncs, four times as frequent, and a reader or a restart does not feel the difference.
const CHECKPOINT_PAGES: &str = "4000";

/// Bytes of the write-ahead log that are kept for use again: a log that once grew under a long reader shrinks to this.
const LOG_BYTES: &str = "67108864";

/// How long a read waits for a free connection. Callers have deadlines of their own; this one only ends what was
/// forgotten.
const READ_WAIT: Duration = Duration::from_secs(60);

/// The schema, step by step. A step that was released is never edited.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "journal", include_str!("migrations/0001_journal.sql")),
    (2, "anchor", include_str!("migrations/0002_anchor.sql")),
];

/// The newest schema this program knows.
const KNOWN: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// The lock of a data directory. It ends with the last clone, and with the process.
pub(super) fn lock(path: &Path) -> Result<File, Error> {
    let beside = beside(path, ".lock");
    let failed = |error: std::io::Error| open_error(path, format!("{}: {}", beside.display(), refused(&error)));
    let file = private().open(&beside).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { path: path.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(open_error(path, format!("{}: {error}", beside.display()))),
    }
}

/// The file of this path with more at the end of its name.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(end);
    path.with_file_name(name)
}

/// Options for files that only their owner may read. SQLite gives the files beside the journal the same mode.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// How the connection that writes is opened.
pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    plain(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", LOG_BYTES)
        // On macOS a plain fsync leaves the data in the drive's cache; elsewhere these do nothing.
        .pragma("fullfsync", "ON")
        .pragma("checkpoint_fullfsync", "ON")
}

pub(super) fn plain(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).foreign_keys(true).busy_timeout(BUSY).disable_statement_logging()
}

/// How a connection is opened that cannot write.
pub(super) fn read_only(path: &Path) -> SqliteConnectOptions {
    plain(path).read_only(true)
}

/// The connections that read. None is made before it is needed.
pub(super) fn readers(path: &Path, config: &Config) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(config.read_connections.get())
        .acquire_timeout(READ_WAIT)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(read_only(path))
}

/// Opens the file for writing and brings its schema up to date. A file that is no journal, or a newer one, is left as
/// it was, and so is what is left of a journal whose file is gone.
pub(super) async fn open(
    path: &Path,
    companions: &[&str],
    options: SqliteConnectOptions,
) -> Result<SqliteConnection, Error> {
    inspect(path, companions).await?;
    private().open(path).map_err(|error| open_error(path, refused(&error)))?;
    let mut connection = options.connect().await.map_err(|error| opening(path, &error))?;
    // The direct form, because the other one cannot be proved to be Send by whoever awaits it.
    migrator().run_direct(None, &mut connection, false).await.map_err(|error| migrating(path, error))?;
    // Before anything is acknowledged, and after the journal is on disk.
    place::mark(path)?;
    Ok(connection)
}

/// What a step of the schema that failed means: mostly that the disk did.
fn migrating(path: &Path, error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => opening(path, &error),
        other => open_error(path, other.to_string()),
    }
}

fn migrator() -> Migrator {
    let step = |(version, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(MIGRATIONS.into_iter().map(step).collect())
}

/// Whether a journal lies there. What is no journal is refused, and so is a place where there was one that is gone.
pub(super) async fn inspect(path: &Path, companions: &[&str]) -> Result<bool, Error> {
    let lies = place::look(path)?;
    place::free(path)?;
    if let Lies::Nothing(what) = lies {
        return place::never_used(path, what, companions).map(|()| false);
    }
    let failed = |error: sqlx::Error| opening(path, &error);
    let mut connection = read_only(path).connect().await.map_err(failed)?;
    let seen: Result<i64, sqlx::Error> = sqlx::query_scalar("PRAGMA schema_version").fetch_one(&mut connection).await;
    if seen.as_ref().err().is_some_and(was_interrupted) {
        // Who made it was killed in its first step, which only somebody who may write can take back.
        connection = plain(path).connect().await.map_err(failed)?;
    }
    let written = recognise(&mut connection, path).await?;
    connection.close().await.map_err(failed)?;
    if !written {
        place::never_used(path, place::BLANK, companions)?;
    }
    Ok(written)
}

/// Refuses what is no journal, or a newer one. False is a file without any table: one that may become a journal.
pub(super) async fn recognise(connection: &mut SqliteConnection, path: &Path) -> Result<bool, Error> {
    let failed = |error: sqlx::Error| opening(path, &error);
    let application: i32 =
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await.map_err(failed)?;
    let (own, others): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE name = '_sqlx_migrations'), count(*) FILTER (WHERE name <> '_sqlx_migrations') \
         FROM sqlite_schema WHERE type = 'table'",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    if application != APPLICATION_ID && others > 0 {
        let reason = "this is the SQLite file of another program; move it away, or name another data directory";
        return Err(open_error(path, reason.to_owned()));
    }
    if own > 0 {
        let found: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
            .fetch_one(connection)
            .await
            .map_err(failed)?;
        if let Some(found) = found.filter(|found| *found > KNOWN) {
            return Err(Error::Newer { path: path.display().to_string(), found, known: KNOWN });
        }
    }
    Ok(others > 0)
}

pub(super) fn open_error(path: &Path, reason: String) -> Error {
    Error::Open { path: path.display().to_string(), reason }
}

/// What a failure to open means.
pub(super) fn opening(path: &Path, error: &sqlx::Error) -> Error {
    let seen = match code(error) {
        Some(CORRUPT | NO_DATABASE) => place::misshapen(path),
        Some(PERMISSION | CANNOT_OPEN | INPUT_OUTPUT) => place::closed(path),
        _ => None,
    };
    let reason = seen.unwrap_or_else(|| advised(error));
    match is_damage(error) {
        true => Error::Corrupt(format!("{}: {reason}", path.display())),
        false => open_error(path, reason),
    }
}

/// What a failure to read means.
pub(super) fn reading(error: &sqlx::Error) -> Error {
    match error {
        sqlx::Error::PoolClosed => Error::Closed,
        _ if is_damage(error) => Error::Corrupt(advised(error)),
        _ => Error::Read(advised(error)),
    }
}

/// What SQLite says, without what sqlx says about SQLite saying it.
pub(super) fn words(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), ToString::to_string)
}

/// What SQLite says, and what would help.
pub(super) fn advised(error: &sqlx::Error) -> String {
    let advice = match code(error) {
        Some(BUSY_CODE | LOCKED) => "another program holds the file: end it, perhaps a database shell, and try again",
        Some(PERMISSION | READ_ONLY | CANNOT_OPEN) => WRITABLE,
        Some(FULL) => "make room on the disk and start again: nothing that was acknowledged is lost",
        Some(INPUT_OUTPUT) => "the disk is full or failing: make room or look at the system's log, and start again",
        Some(CORRUPT | NO_DATABASE) => SAVE,
        _ => return words(error),
    };
    format!("{}; {advice}", words(error))
}

/// What helps when the operating system does not let the journal be read.
pub(super) const READABLE: &str = "let this user read and write the files and their directory";

/// What helps when the operating system does not let the journal be written.
pub(super) const WRITABLE: &str =
    "let this user write to the file and its directory; `syzygy audit export` reads it as it is";

/// What is left to do with a damaged journal.
pub(super) const SAVE: &str =
    "`syzygy audit export` saves what can still be read, `syzygy restore` makes a data directory of a backup";

/// Whether a step that was cut off has to be taken back before anything can be read.
fn was_interrupted(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == READ_ONLY_ROLLBACK)
}

/// The extended code of a file with a rollback journal beside it, seen by who may not write (`SQLITE_READONLY_ROLLBACK`).
const READ_ONLY_ROLLBACK: &str = "776";

/// SQLite's result codes, each the low byte of every extended code of its kind.
const PERMISSION: i32 = 3;
const BUSY_CODE: i32 = 5;
const LOCKED: i32 = 6;
const READ_ONLY: i32 = 8;
const INPUT_OUTPUT: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const NO_DATABASE: i32 = 26;

fn code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?.parse::<i32>().ok()?;
    Some(code & 0xff)
}

/// Whether SQLite found its own structures damaged, or a value is none that was ever written.
pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))
        || matches!(code(error), Some(CORRUPT | NO_DATABASE))
}
