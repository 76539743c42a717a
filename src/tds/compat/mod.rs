//! What changed between two versions of a tool, and whether their numbers say so.
//!
//! Callers send inputs and read outputs, so an input may accept more and an output may promise more, and never less. What a
//! tool asks of the host and of the operator (scopes, secrets, hosts, effects) may become less, and never more. A change
//! against that breaks somebody and needs a new major version; a change for the better needs a new minor one, anything
//! else a patch. Below 1.0.0 the second number is the one that breaks, below 0.1.0 the third.

mod limits;
mod rest;
mod said;
mod schema;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;

use super::canonical::hash;
use super::tool::{Tool, ToolSchema, Version};
use schema::{Move, Turn};

/// How much a change weighs. Ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nobody has to notice.
    Patch,
    /// There is more than before.
    Minor,
    /// Somebody who relied on the old version is let down.
    Major,
}

impl Level {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Level::Patch => "patch",
            Level::Minor => "minor",
            Level::Major => "major",
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// How much it weighs.
    pub level: Level,
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// Whether the pointer is one of the old version, since in the new one it is gone.
    pub in_old: bool,
    /// What changed and, if that lets somebody down, whom.
    pub what: String,
}

/// Why the new version's number is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// They are two tools.
    #[error("could not compare {old} with {new}: these are two tools")]
    Other {
        /// One.
        old: String,
        /// The other.
        new: String,
    },
    /// The number goes back.
    #[error("could not accept version {new} after {old}: it is older")]
    Older {
        /// The version there was.
        old: String,
        /// The version there would be.
        new: String,
    },
    /// One version, two contents.
    #[error(
        "could not accept another content under the same version {version}: it needs a new one, at least a {needed} one"
    )]
    Same {
        /// The version.
        version: String,
        /// How great a step is needed.
        needed: &'static str,
    },
    /// The step is too small for the changes.
    #[error("could not accept version {new} after {old}: the changes need a new {needed} version, such as {such_as}")]
    TooSmall {
        /// The version there was.
        old: String,
        /// The version there would be.
        new: String,
        /// How great a step is needed.
        needed: &'static str,
        /// The least version that would do.
        such_as: String,
    },
}

/// Every change between two versions, the heaviest first.
pub fn diff(old: &Tool, new: &Tool) -> Vec<Change> {
    let mut changes = Changes::default();
    let (before, after) = (&old.interface, &new.interface);
    changes.schema("/interface/input", &before.input, &after.input, Side::Input);
    changes.schema("/interface/output", &before.output, &after.output, Side::Output);
    match (&before.chunk, &after.chunk) {
        (Some(before), Some(after)) => changes.schema("/interface/chunk", before, after, Side::Output),
        (Some(_), None) => changes.old(Level::Major, "/interface/chunk", "there are no pieces any more"),
        (None, Some(_)) => changes.now(Level::Minor, "/interface/chunk", "the answer may come in pieces"),
        (None, None) => {}
    }
    rest::diff(&mut changes, old, new);
    limits::diff(&mut changes, old, new);
    let mut changes = changes.0;
    changes.sort_by(|a, b| (b.level, &a.pointer, &a.what).cmp(&(a.level, &b.pointer, &b.what)));
    changes.dedup();
    changes
}

/// Whether the new version's number says what changed.
///
/// # Errors
/// Why it does not.
pub fn judge(old: &Tool, new: &Tool, changes: &[Change]) -> Result<(), Refusal> {
    if old.id != new.id {
        return Err(Refusal::Other { old: old.id.to_string(), new: new.id.to_string() });
    }
    let (before, after) = (&old.version, &new.version);
    let needed = changes.iter().map(|change| change.level).max().unwrap_or(Level::Patch);
    match step(before, after) {
        Step::Back => Err(Refusal::Older { old: before.to_string(), new: after.to_string() }),
        Step::None if hash(old) == hash(new) => Ok(()),
        Step::None => Err(Refusal::Same { version: before.to_string(), needed: needed.word() }),
        Step::Free => Ok(()),
        Step::Up(given) if given >= needed => Ok(()),
        Step::Up(_) => Err(Refusal::TooSmall {
            old: before.to_string(),
            new: after.to_string(),
            needed: needed.word(),
            such_as: least(before, needed).to_string(),
        }),
    }
}

impl Refusal {
    /// What kind of failure it is.
    pub fn class(&self) -> crate::types::Class {
        crate::types::Class::Invalid
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How far one version is from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Back,
    None,
    /// The old one was a pre-release, which promises nothing.
    Free,
    Up(Level),
}

fn step(old: &Version, new: &Version) -> Step {
    let (old, new) = (&old.0, &new.0);
    match new.cmp_precedence(old) {
        std::cmp::Ordering::Less => return Step::Back,
        std::cmp::Ordering::Equal => return Step::None,
        std::cmp::Ordering::Greater => {}
    }
    if !old.pre.is_empty() {
        return Step::Free;
    }
    let level = if new.major != old.major {
        Level::Major
    } else if new.minor != old.minor {
        if new.major == 0 { Level::Major } else { Level::Minor }
    } else {
        match (new.major, new.minor) {
            (0, 0) => Level::Major,
            (0, _) => Level::Minor,
            _ => Level::Patch,
        }
    };
    Step::Up(level)
}

/// The least version after this one that is so great a step.
fn least(old: &Version, needed: Level) -> Version {
    let semver::Version { major, minor, patch, .. } = old.0;
    let (major, minor, patch) = match (needed, major, minor) {
        (Level::Major, 0, 0) | (Level::Patch, ..) => (major, minor, patch.saturating_add(1)),
        (Level::Minor, 0, _) => (major, minor, patch.saturating_add(1)),
        (Level::Major, 0, _) | (Level::Minor, ..) => (major, minor.saturating_add(1), 0),
        (Level::Major, ..) => (major.saturating_add(1), 0, 0),
    };
    Version(semver::Version::new(major, minor, patch))
}

/// Which way values go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// From the caller to the tool.
    Input,
    /// From the tool to the caller.
    Output,
}

/// Collects changes.
#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn now(&mut self, level: Level, pointer: &str, what: impl Into<String>) {
        self.0.push(Change { level, pointer: pointer.to_owned(), in_old: false, what: what.into() });
    }

    fn old(&mut self, level: Level, pointer: &str, what: impl Into<String>) {
        self.0.push(Change { level, pointer: pointer.to_owned(), in_old: true, what: what.into() });
    }

    /// Something that is only told, never relied on.
    fn told<T: PartialEq>(&mut self, pointer: &str, old: &T, new: &T) {
        if old != new {
            self.now(Level::Patch, pointer, "is described differently");
        }
    }

    /// Compares members of a set: who has come, who has gone.
    fn set<'t, T: Ord + fmt::Display + 't>(
        &mut self,
        pointer: &str,
        old: impl IntoIterator<Item = &'t T>,
        new: impl IntoIterator<Item = &'t T>,
        (come, gone): ((Level, &str), (Level, &str)),
    ) {
        let old: std::collections::BTreeSet<&T> = old.into_iter().collect();
        let new: std::collections::BTreeSet<&T> = new.into_iter().collect();
        for member in new.difference(&old) {
            self.now(come.0, pointer, format!("{}: {member}", come.1));
        }
        for member in old.difference(&new) {
            self.old(gone.0, pointer, format!("{}: {member}", gone.1));
        }
    }

    fn schema(&mut self, base: &str, old: &ToolSchema, new: &ToolSchema, side: Side) {
        let moves = schema::compare(&old.0, &new.0, side == Side::Output);
        if moves.is_empty() {
            self.told(base, &old.0, &new.0);
        }
        for Move { pointer, in_old, turn, what } in moves {
            let (level, whom) = match (side, turn) {
                (Side::Input, Turn::Narrowed) => (Level::Major, "; callers send what is not taken any more"),
                (Side::Output, Turn::Widened) => (Level::Major, "; callers get what they did not before"),
                (_, Turn::Changed) => (Level::Major, "; nobody can say whom that lets down"),
                (Side::Input, Turn::Widened) | (Side::Output, Turn::Narrowed) => (Level::Minor, ""),
            };
            let pointer = format!("{base}{pointer}");
            self.0.push(Change { level, pointer, in_old, what: format!("{what}{whom}") });
        }
    }
}
