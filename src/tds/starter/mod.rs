//! A tool to begin with: a description with every key explained that one usually needs, a program of a dozen lines, and a
//! recorded call. It passes `syzygy tool check` as it is.

use super::tool::Id;

/// One file of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path in the tool's folder.
    pub path: &'static str,
    /// What it says.
    pub text: String,
    /// Whether it is a program.
    pub executable: bool,
}

const DESCRIPTION: &str = include_str!("tool.toml");
const PROGRAM: &str = include_str!("tool.py");
const GOLDEN: &str = include_str!("golden.json");

/// The files of a new tool.
pub fn files(id: &Id) -> Vec<File> {
    let title = id.as_str().replace(['.', '-', '_'], " ");
    let text = DESCRIPTION.replace("starter.id", id.as_str()).replace("Starter name", &title);
    let file = |path, text: &str, executable| File { path, text: text.to_owned(), executable };
    vec![
        File { path: "tool.toml", text, executable: false },
        file("tool.py", PROGRAM, true),
        file("golden/two-words.json", GOLDEN, false),
    ]
}

/// Reads the name of a new tool.
///
/// # Errors
/// What a name must look like.
pub fn id(text: &str) -> Result<Id, String> {
    let reference: super::tool::Reference = text.parse()?;
    if text.contains('@') {
        return Err(format!("not the id of a tool: {text:?}"));
    }
    Ok(reference.id)
}
