//! What was written to granted trees: what they hold before and after, compared.
//!
//! The time of change of an inode cannot be set by a tool, so what it touched cannot look untouched.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::sandbox::outcome::{Change, Written};

/// What tells a file from its later self: inode, size, and the time it was changed.
type Mark = (u64, u64, i64, i64);

/// What trees hold, by the grant's name and the path in it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Listing {
    files: BTreeMap<String, Mark>,
    /// Whether there was more than was looked at.
    more: bool,
}

fn mark(found: &Metadata) -> Mark {
    // What is in a directory is listed by itself, and changes its size and times.
    if found.is_dir() {
        return (found.ino(), 0, 0, 0);
    }
    (found.ino(), found.size(), found.ctime(), found.ctime_nsec())
}

/// Lists trees, and follows nothing that leads out of them.
pub(super) fn list(trees: &[(String, PathBuf)], max: usize) -> Listing {
    let mut listing = Listing::default();
    for (name, source) in trees {
        let mut open = vec![source.clone()];
        while let Some(folder) = open.pop() {
            // What cannot be read is not listed, and then not all of it is.
            let Ok(entries) = fs::read_dir(&folder) else {
                listing.more = true;
                continue;
            };
            for entry in entries.flatten() {
                let (path, Ok(found)) = (entry.path(), entry.metadata()) else { continue };
                if listing.files.len() == max {
                    listing.more = true;
                    return listing;
                }
                listing.files.insert(shown(name, source, &path), mark(&found));
                if found.is_dir() {
                    open.push(path);
                }
            }
        }
    }
    listing
}

fn shown(name: &str, source: &Path, path: &Path) -> String {
    let within = path.strip_prefix(source).unwrap_or(path);
    format!("{name}/{}", within.to_string_lossy())
}

/// What is different, and whether that is all.
pub(super) fn compare(before: &Listing, after: &Listing) -> (Vec<Written>, bool) {
    let all = !before.more && !after.more;
    let mut written = Vec::new();
    for (path, mark) in &after.files {
        let change = match before.files.get(path) {
            Some(old) if old == mark => continue,
            Some(_) => Change::Changed,
            None => Change::Created,
        };
        written.push(Written { path: path.clone(), change });
    }
    for path in before.files.keys().filter(|path| all && !after.files.contains_key(*path)) {
        written.push(Written { path: path.clone(), change: Change::Removed });
    }
    written.sort();
    (written, all)
}
