//! What lies where a journal belongs: nothing yet, a file, something else, or nothing any more.
//!
//! Of most that is wrong there SQLite says only that it could not open the file. Of a file that is gone it says nothing:
//! it makes another one, and throws away the log beside it. So this is looked at first, without opening anything: a
//! process that closes the file it has a database in loses SQLite's locks on it.
//!
//! Once a journal is made, a mark is left beside it. It is never removed, so that a journal which is lost is not taken
//! for one that was never there.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use super::super::Error;
use super::connect::{self, READABLE, SAVE, WRITABLE, beside, open_error};

/// What lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lies {
    /// No file, or one without a byte in it: what a first start may be cut short at.
    Nothing(&'static str),
    /// A file with something in it.
    File,
}

/// What a missing file is called.
const MISSING: &str = "there is no such file";

/// How the name of the mark ends.
const MARK: &str = ".made";

/// What the mark says to a person who wonders.
const MARK_TEXT: &str = "A journal was made beside this file. As long as this file is here, syzygy begins no other one in \
                         its place: if the journal is missing or empty, put it back, or restore a backup.\n";

/// Bytes of the header with which every SQLite file begins, and how that begins.
const HEADER_BYTES: usize = 100;
const HEADER_TEXT: &[u8] = b"SQLite format 3\0";

/// Looks at what lies there, without opening it.
pub(super) fn look(path: &Path) -> Result<Lies, Error> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(open_error(path, in_the_way("it", &found))),
        Ok(found) if found.len() == 0 => Ok(Lies::Nothing("it is empty")),
        Ok(_) => Ok(Lies::File),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Lies::Nothing(MISSING)),
        Err(error) => Err(open_error(path, refused(&error))),
    }
}

/// Refuses a place where nothing is, if something is left beside it of a journal that was there: its mark, its log, or
/// one of `companions`, which are made by those who have a journal.
pub(super) fn never_used(path: &Path, what: &str, companions: &[&str]) -> Result<(), Error> {
    let mark = Some(beside(path, MARK)).filter(|mark| mark.symlink_metadata().is_ok());
    let log = Some(beside(path, "-wal")).filter(|_| what != BLANK && log_of(path));
    let saves = if log.is_some() { SAVES } else { "" };
    let named = companions.iter().map(|name| path.with_file_name(name)).filter(|path| holds_something(path));
    let left: Vec<_> = mark.into_iter().chain(log).chain(named).collect();
    if left.is_empty() {
        return Ok(());
    }
    let names = left.iter().filter_map(|path| path.file_name()).map(|name| name.display().to_string());
    Err(Error::Gone {
        path: path.display().to_string(),
        what: what.to_owned(),
        left: names.collect::<Vec<_>>().join(", "),
        saves: saves.to_owned(),
    })
}

/// What helps if the log is still there.
const SAVES: &str = "; `syzygy audit export` saves what its log still holds";

/// What a file is called in which SQLite finds no table. A log beside it proves nothing: it may be that of a first start
/// that was cut short.
pub(super) const BLANK: &str = "there is nothing in it";

/// What is to be read is not there: lost, or never made.
pub(super) fn nothing(path: &Path, what: &str, companions: &[&str]) -> Error {
    let never = || open_error(path, format!("{what}; the first start of a host makes one"));
    never_used(path, what, companions).err().unwrap_or_else(never)
}

/// Whether there is a log with something in it: events that are not in the file yet.
pub(super) fn log_of(path: &Path) -> bool {
    holds_something(&beside(path, "-wal"))
}

/// Refuses a place where something stands in the way of the files that SQLite makes beside a journal. Of some of them it
/// would only say so at the first write.
pub(super) fn free(path: &Path) -> Result<(), Error> {
    let blocked = BESIDE.iter().find_map(|end| {
        let file = beside(path, end);
        let found = std::fs::metadata(&file).ok().filter(|found| !found.is_file())?;
        Some(in_the_way(&file.display().to_string(), &found))
    });
    blocked.map_or(Ok(()), |reason| Err(open_error(path, reason)))
}

/// How the names end of what SQLite makes beside its file.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Whether there is a file with something in it, or a folder with something in it.
fn holds_something(path: &Path) -> bool {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()),
        Ok(found) => found.len() > 0,
        Err(_) => false,
    }
}

/// Leaves the mark of a journal that was made, if it is not there yet.
pub(super) fn mark(path: &Path) -> Result<(), Error> {
    let mark = beside(path, MARK);
    let made = match connect::private().create_new(true).open(&mark) {
        Ok(mut file) => file.write_all(MARK_TEXT.as_bytes()).and_then(|()| file.sync_all()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => Err(error),
    };
    // Its name is on disk when its folder is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let named = made.and_then(|()| File::open(folder)).and_then(|folder| folder.sync_all());
    named.map_err(|error| open_error(path, format!("{}: {}", mark.display(), refused(&error))))
}

/// Why a file could not be opened, if that can be seen: it, or a file beside it, is none or may not be read.
pub(super) fn closed(path: &Path) -> Option<String> {
    let own = [(path.to_owned(), "it".to_owned())];
    let others = BESIDE.map(|end| beside(path, end)).map(|file| (file.clone(), file.display().to_string()));
    own.into_iter().chain(others).find_map(|(file, name)| match std::fs::metadata(&file) {
        Ok(found) if !found.is_file() => Some(in_the_way(&name, &found)),
        Ok(_) => File::open(&file).err().map(|error| format!("{name} may not be read: {error}; {READABLE}")),
        Err(_) => None,
    })
}

/// Why a file is no database to SQLite, if its first bytes tell, and what is left to do.
pub(super) fn misshapen(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let mut header = [0; HEADER_BYTES];
    if length < HEADER_BYTES as u64 {
        let cut = format!("it has {length} bytes, and the header alone has {HEADER_BYTES}: the rest was cut off");
        return Some(format!("{cut}, and nothing can be read; {RESTORE}"));
    }
    file.read_exact(&mut header).ok()?;
    if !header.starts_with(HEADER_TEXT) {
        let other = "it does not begin as a journal does: another program wrote it, or it was overwritten";
        return Some(format!("{other}; name another data directory if it is none, and else {RESTORE}"));
    }
    let number = |at: usize| header[at..at + 4].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let page = match number(16) >> 16 {
        1 => 65_536,
        bytes => bytes,
    };
    // The number of pages holds if the change that wrote it was the last one.
    let whole = page * number(28);
    let cut = format!("it has {length} of {whole} bytes: the rest was cut off");
    match number(24) == number(92) && length < whole {
        true if length < page => Some(format!("{cut}, and nothing can be read; {RESTORE}")),
        true => Some(format!("{cut}; {SAVE}")),
        false => None,
    }
}

/// What is left to do with a file that nothing can be read from.
const RESTORE: &str = "make a data directory of a backup with `syzygy restore FILE --data-dir DIR`";

/// What stands where a file should.
fn in_the_way(name: &str, found: &Metadata) -> String {
    let kind = if found.is_dir() { "a directory" } else { "no plain file" };
    format!("{name} is {kind}; move it away, or name another data directory")
}

/// What the operating system says, and what would help.
pub(super) fn refused(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => format!("{error}; {WRITABLE}"),
        ErrorKind::StorageFull => {
            format!("{error}; make room on the disk and start again: nothing that was acknowledged is lost")
        }
        ErrorKind::NotFound => format!("{error}; make the directory first, or name another"),
        ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
            format!("{error}; move away what is in its place, or name another data directory")
        }
        _ => error.to_string(),
    }
}
