//! Words that go to git: none of them is an option, leads out of what was granted, or means more than it says.

use super::super::invalid;
use crate::sandbox::Failure;

/// Bytes of a path or a revision at the most: longer than any that people give.
const WORD_MOST: usize = 1_024;

/// A path within a folder. `name` is what the caller calls it.
pub(in crate::lap::core) fn path<'p>(name: &str, path: &'p str) -> Result<&'p str, Failure> {
    plain(name, path)?;
    if path.starts_with('/') || path.ends_with('/') {
        return Err(invalid(format!("{name} is a path within the granted folder, such as src/main.rs")));
    }
    for step in path.split('/') {
        if step.is_empty() || step == "." || step == ".." {
            return Err(invalid(format!("{name} has an empty step, `.` or `..` in it")));
        }
        // Within a repository's own folder nothing is anybody's work.
        if step.eq_ignore_ascii_case(".git") {
            return Err(invalid(format!("{name} leads into .git")));
        }
    }
    Ok(path)
}

/// A revision or a range of them.
pub(super) fn revision<'r>(name: &str, text: &'r str) -> Result<&'r str, Failure> {
    plain(name, text)?;
    // `a:b` is a path in a commit, and `:/text` a search; both have keys of their own or none.
    if text.contains([':', ' ', '\\', '*', '?', '[']) {
        return Err(invalid(format!("{name} is a revision, such as HEAD~2, main or 1a2b3c")));
    }
    Ok(text)
}

/// One commit: no range of them.
pub(super) fn commit<'r>(name: &str, text: &'r str) -> Result<&'r str, Failure> {
    revision(name, text)?;
    if text.contains("..") || text.starts_with('^') {
        return Err(invalid(format!("{name} is one commit and no range")));
    }
    Ok(text)
}

fn plain(name: &str, text: &str) -> Result<(), Failure> {
    if text.is_empty() || text.len() > WORD_MOST {
        return Err(invalid(format!("{name} has 1 to {WORD_MOST} bytes")));
    }
    if text.starts_with('-') {
        return Err(invalid(format!("{name} begins with a dash, as options do")));
    }
    if text.chars().any(char::is_control) {
        return Err(invalid(format!("{name} has a control character in it")));
    }
    Ok(())
}
