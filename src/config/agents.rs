//! Agents as files: those of the binary, and the user's own in `agents/*.toml` of the data directory. Everything that is
//! wrong in any of them is found at once, with its place. A file of the user's takes the place of an agent of the binary
//! that has the same name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::beside;
use super::error::{Error, Problem, Source};
use super::judge::{self, Checked};
use super::tree::Node;
use crate::actors::agent::Profile;

/// The agents that come with the binary. The first one explains every key.
const BUNDLED: [(&str, &str); 3] = [
    ("config/agents/marvin.toml", include_str!("../../config/agents/marvin.toml")),
    ("config/agents/zoi.toml", include_str!("../../config/agents/zoi.toml")),
    ("config/agents/zerene.toml", include_str!("../../config/agents/zerene.toml")),
];

/// Folder of the user's agents in the data directory.
const FOLDER: &str = "agents";

impl Checked for Profile {
    const EXPLAINED: &'static str = BUNDLED[0].0;

    fn impossible(&self) -> Vec<(String, String)> {
        Profile::impossible(self).into_iter().map(|(key, expected)| (key.to_owned(), expected)).collect()
    }
}

/// The agents that come with the binary.
///
/// # Errors
/// One of them is wrong, which a test rules out.
pub fn bundled_agents() -> Result<Vec<Profile>, Error> {
    all(BUNDLED.iter().map(|(file, text)| placed(file, text)))
}

/// The user's own agents in this data directory, in order of file name.
///
/// # Errors
/// There are more files than so many; none is read then. The folder or a file in it cannot be read, or anything in any of
/// the files is wrong: then all of it.
pub fn agents_in(data: &Path, most: usize) -> Result<Vec<Profile>, Error> {
    let folder = data.join(FOLDER);
    let files = files(&folder).map_err(Error::of)?;
    if files.len() > most {
        let (found, expected) = (format!("{} agents", files.len()), format!("at most {most} (router.candidates_most)"));
        return Err(Error::of(vec![Problem::of_whole(&folder, found, expected)]));
    }
    all(files.iter().filter_map(|path| match beside::text(path) {
        Ok(text) => text.map(|text| placed(&path.display().to_string(), &text)),
        Err(problems) => Some(Err(problems)),
    }))
}

/// An agent, and where its name was said.
type Placed = (Profile, Source);

/// All of them, if all are right and no two have the same name: which of the two is meant nobody could tell.
fn all(read: impl Iterator<Item = Result<Placed, Vec<Problem>>>) -> Result<Vec<Profile>, Error> {
    let (mut found, mut problems): (Vec<Placed>, Vec<Problem>) = (Vec::new(), Vec::new());
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    for one in read {
        match one {
            Ok((profile, place)) => {
                let other = *first.entry(profile.name.clone()).or_insert(found.len());
                problems.extend(found.get(other).map(|(_, first)| Problem {
                    source: place.clone(),
                    key: "name".to_owned(),
                    found: format!("{:?}, which is the agent of {first} too", profile.name),
                    expected: "a name that only one of the files has".to_owned(),
                    meant: None,
                }));
                found.push((profile, place));
            }
            Err(wrong) => problems.extend(wrong),
        }
    }
    if problems.is_empty() {
        Ok(found.into_iter().map(|(profile, _)| profile).collect())
    } else {
        Err(Error::of(problems))
    }
}

/// An agent of a text that stands in no folder.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn profile(file: &str, text: &str) -> Result<Profile, Vec<Problem>> {
    placed(file, text).map(|(profile, _)| profile)
}

/// An agent's file is judged by laying it over one that is right: what is refused then is wrong. Since it stands for
/// itself, what it lacks is wrong too.
fn placed(file: &str, text: &str) -> Result<Placed, Vec<Problem>> {
    let (explained, example) = BUNDLED[0];
    let example = Node::parse(example, &|_| Source::Default)?;
    let source = |line: usize| Source::File { path: file.to_owned(), line };
    let own = Node::parse(text, &source)?;
    let lacking: Vec<String> = example
        .leaves()
        .into_iter()
        .map(|(path, ..)| path)
        .filter(|path| own.get(path).is_none())
        .map(|path| format!("`{}`", path.join(".")))
        .collect();
    let missing = (!lacking.is_empty()).then(|| Problem {
        source: source(1),
        key: String::new(),
        found: format!("an agent without {}", lacking.join(", ")),
        expected: format!("every key that {explained} explains"),
        meant: None,
    });
    let overrides = example.overrides(own);
    match judge::decide::<Profile>(example, overrides) {
        Ok((profile, tree)) if missing.is_none() => {
            let place = tree.get(&["name".to_owned()]).map_or(Source::Default, |node| node.source().clone());
            Ok((profile, place))
        }
        Ok(_) => Err(missing.into_iter().collect()),
        Err(found) => Err(found.into_iter().chain(missing).collect()),
    }
}

/// `*.toml` in this folder, in order of name; none if there is no such folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Vec<Problem>> {
    let failed = |error: &std::io::Error| vec![Problem::unreadable(folder, error)];
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if beside::absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(failed(&error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| failed(&error))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
