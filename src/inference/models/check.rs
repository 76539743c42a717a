//! Whether a file is the one the catalogue means. Hashing 100 MB takes some tenths of a second, so what was found is
//! noted beside the file and holds while its size and time of change stay the same.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::at;
use super::{Error, Model, ModelFile};

/// Where the findings are noted, in the model's folder.
const NOTES: &str = ".verified.json";

/// Bytes hashed between two reports.
const BLOCK: usize = 1024 * 1024;

/// What was found about a file, and what it looked like then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    size: u64,
    modified_ns: u64,
    sha256: String,
}

/// Findings by file name.
type Notes = BTreeMap<String, Note>;

/// Checks every file of a model in this folder; hashes those that were never seen in their present state. Reports the
/// bytes hashed. A damaged model is an error; so is a missing one.
pub(super) fn model(model: &Model, folder: &Path, report: impl FnMut(u64)) -> Result<(), Error> {
    with_notes(model, folder, read_notes(folder), report)
}

/// The same, and what was found before does not count.
pub(super) fn thoroughly(model: &Model, folder: &Path, report: impl FnMut(u64)) -> Result<(), Error> {
    with_notes(model, folder, Notes::new(), report)
}

fn with_notes(model: &Model, folder: &Path, mut notes: Notes, mut report: impl FnMut(u64)) -> Result<(), Error> {
    let mut changed = false;
    for file in &model.files {
        let name = file.role.file_name();
        let path = folder.join(name);
        let seen = look(model, file, &path)?;
        if notes.get(name) == Some(&seen) {
            report(file.size);
            continue;
        }
        let sha256 = hash(&path, &mut report)?;
        notes.insert(name.to_owned(), Note { sha256: sha256.clone(), ..seen });
        changed = true;
        if sha256 != file.sha256 {
            write_notes(folder, &notes);
            return Err(other(model, file, &sha256));
        }
    }
    if changed {
        write_notes(folder, &notes);
    }
    Ok(())
}

/// What a good file looks like from outside in its present state: by this the notes are compared. Fails if it is
/// missing or has another size.
fn look(model: &Model, file: &ModelFile, path: &Path) -> Result<Note, Error> {
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::Missing { id: model.id.clone() });
        }
        Err(cause) => return Err(at(path)(cause)),
    };
    if about.len() != file.size {
        let name = file.role.file_name();
        return Err(damaged(model, format!("{name} has {} bytes and not {}", about.len(), file.size)));
    }
    let modified = about.modified().map_err(at(path))?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let modified_ns = u64::try_from(modified.as_nanos()).unwrap_or(u64::MAX);
    Ok(Note { size: file.size, modified_ns, sha256: file.sha256.clone() })
}

/// The same without hashing: what can be said at once. A file that was never hashed passes if its size is right.
pub(super) fn glance(model: &Model, folder: &Path) -> Result<(), Error> {
    let notes = read_notes(folder);
    model.files.iter().try_for_each(|file| {
        let name = file.role.file_name();
        let seen = look(model, file, &folder.join(name))?;
        match notes.get(name) {
            Some(note) if note.modified_ns == seen.modified_ns && note.sha256 != file.sha256 => {
                Err(other(model, file, &note.sha256))
            }
            _ => Ok(()),
        }
    })
}

/// The error of a file that has this hash instead of its own.
fn other(model: &Model, file: &ModelFile, sha256: &str) -> Error {
    damaged(model, format!("{} has the sha256 {sha256} and not {}", file.role.file_name(), file.sha256))
}

/// The SHA-256 of a file in hexadecimal.
fn hash(path: &Path, report: &mut impl FnMut(u64)) -> Result<String, Error> {
    let mut file = File::open(path).map_err(at(path))?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block).map_err(at(path))? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            read => {
                hasher.update(&block[..read]);
                report(read as u64);
            }
        }
    }
}

fn damaged(model: &Model, reason: String) -> Error {
    Error::Damaged { id: model.id.clone(), reason }
}

/// Notes that cannot be read are no notes: everything is hashed again.
fn read_notes(folder: &Path) -> Notes {
    let text = fs::read(folder.join(NOTES)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// A folder that cannot be written to, such as one of an image, costs the hashing at each start and nothing else.
fn write_notes(folder: &Path, notes: &Notes) {
    if let Ok(text) = serde_json::to_vec_pretty(notes) {
        let _ = fs::write(folder.join(NOTES), text);
    }
}
