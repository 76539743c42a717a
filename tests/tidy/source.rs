//! Files as the rules see them, and what they can be asked: tokens, paths, text without its strings.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

/// One text file of the repository.
pub(crate) struct File {
    /// Relative to the root of the repository, with `/`.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) text: String,
}

/// What a rule found, where, and what to do about it.
#[derive(Debug)]
pub(crate) struct Complaint {
    /// Path of the file.
    pub(crate) path: String,
    /// Line, from 1.
    pub(crate) line: usize,
    /// What is wrong and what to do.
    pub(crate) text: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

/// A path written in a source file, such as `crate::store::Error` or `sqlx::query`.
pub(crate) struct PathUse {
    /// The segments as written, groups unfolded: `crate::{a::B, c}` gives two uses.
    pub(crate) segments: Vec<String>,
    /// Line of the last segment, from 1.
    pub(crate) line: usize,
    /// Inline modules of the file that surround it.
    pub(crate) inside: Vec<String>,
}

impl File {
    /// A complaint about a line of this file.
    pub(crate) fn complain(&self, line: usize, text: impl Into<String>) -> Complaint {
        Complaint { path: self.path.clone(), line, text: text.into() }
    }

    /// Whether this is Rust source.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether this is part of the crate itself.
    pub(crate) fn in_src(&self) -> bool {
        self.is_rust() && self.path.starts_with("src/")
    }

    /// Whether this holds tests: beside the code as `tests.rs` or `tests/`, or an integration test.
    pub(crate) fn is_test(&self) -> bool {
        self.is_rust() && self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    /// The module this file is, from the root of the crate: `src/actors/io/state.rs` is `[actors, io, state]`.
    pub(crate) fn module(&self) -> Vec<String> {
        let inner = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let mut parts: Vec<String> = inner.split('/').map(str::to_owned).collect();
        if parts.last().is_some_and(|last| last == "mod") || parts == ["lib"] {
            parts.pop();
        }
        parts
    }

    /// The file's tokens; empty if it does not parse, which the rule `parses` complains about.
    pub(crate) fn tokens(&self) -> TokenStream {
        TokenStream::from_str(&self.text).unwrap_or_default()
    }

    /// Every path in the file, inside macros too.
    pub(crate) fn paths(&self) -> Vec<PathUse> {
        let mut uses = Vec::new();
        walk_paths(self.tokens(), &[], &mut Vec::new(), &mut uses);
        uses
    }

    /// The text with the contents of string literals blanked, so that words in data are not taken for code.
    pub(crate) fn without_strings(&self) -> String {
        let mut bytes = self.text.clone().into_bytes();
        blank_strings(self.tokens(), &self.text, &mut bytes);
        String::from_utf8(bytes).unwrap_or_default()
    }
}

fn blank_strings(tokens: TokenStream, text: &str, bytes: &mut [u8]) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => blank_strings(group.stream(), text, bytes),
            TokenTree::Literal(literal) => {
                let range = literal.span().byte_range();
                // The text of a doc comment is a literal too, whose span begins at its slashes: that one is prose.
                if text[range.clone()].starts_with(['"', 'r', 'b', 'c']) {
                    for byte in &mut bytes[range] {
                        if *byte != b'\n' {
                            *byte = b' ';
                        }
                    }
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon(tokens.get(at)) && colon(tokens.get(at + 1))
}

/// Collects paths out of tokens. `prefix` is what stands before a `{` group of a use tree; `inside` the inline modules.
fn walk_paths(tokens: TokenStream, prefix: &[String], inside: &mut Vec<String>, uses: &mut Vec<PathUse>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            // The new name of `a as b` names nothing.
            TokenTree::Ident(word) if *word == "as" && !prefix.is_empty() => at += 2,
            TokenTree::Ident(word) if *word == "mod" => at = walk_module(&tokens, at, inside, uses),
            TokenTree::Ident(word) => at = walk_one_path(&tokens, at, word, prefix, inside, uses),
            TokenTree::Group(group) => {
                walk_paths(group.stream(), &[], inside, uses);
                at += 1;
            }
            TokenTree::Punct(punct) if punct.as_char() == '*' && !prefix.is_empty() => {
                push(uses, prefix, "*", punct.span().start().line, inside);
                at += 1;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
        }
    }
}

/// `mod name { ... }` is walked under its name; `mod name;` names nothing. Returns where to go on.
fn walk_module(tokens: &[TokenTree], at: usize, inside: &mut Vec<String>, uses: &mut Vec<PathUse>) -> usize {
    if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) = (tokens.get(at + 1), tokens.get(at + 2)) {
        inside.push(name.to_string());
        walk_paths(body.stream(), &[], inside, uses);
        inside.pop();
        return at + 3;
    }
    at + 1
}

fn walk_one_path(
    tokens: &[TokenTree],
    start: usize,
    word: &Ident,
    prefix: &[String],
    inside: &mut Vec<String>,
    uses: &mut Vec<PathUse>,
) -> usize {
    let mut segments = prefix.to_vec();
    segments.push(word.to_string());
    let (mut at, mut line) = (start + 1, word.span().start().line);
    while is_colons(tokens, at) {
        match tokens.get(at + 2) {
            Some(TokenTree::Ident(next)) => {
                segments.push(next.to_string());
                line = next.span().start().line;
                at += 3;
            }
            Some(TokenTree::Group(group)) if is_use_group(group) => {
                walk_paths(group.stream(), &segments, inside, uses);
                return at + 3;
            }
            Some(TokenTree::Punct(star)) if star.as_char() == '*' => {
                push(uses, &segments, "*", star.span().start().line, inside);
                return at + 3;
            }
            // A turbofish ends what a path can name.
            _ => break,
        }
    }
    // A single word is a path only as the whole of a `use` or `extern crate`, or within a use group.
    let introduced =
        start > 0 && matches!(&tokens[start - 1], TokenTree::Ident(word) if *word == "use" || *word == "crate");
    if segments.len() > 1 || introduced {
        uses.push(PathUse { segments, line, inside: inside.clone() });
    }
    at.max(start + 1)
}

fn is_use_group(group: &Group) -> bool {
    group.delimiter() == Delimiter::Brace
}

fn push(uses: &mut Vec<PathUse>, prefix: &[String], last: &str, line: usize, inside: &[String]) {
    let mut segments = prefix.to_vec();
    segments.push(last.to_owned());
    uses.push(PathUse { segments, line, inside: inside.to_vec() });
}

/// Folders that hold no source of ours; `.git` is a file in a worktree.
const NOT_OURS: &[&str] = &["target", "node_modules", "dist", ".git", ".venv", "__pycache__"];

/// Endings of the files that are read; a file without an ending is read too (Makefile, `.ci/run`).
const ENDINGS: &[&str] = &["rs", "toml", "md", "sh", "py", "yml", "yaml", "ts", "js", "svelte", "sql", "cedar"];

/// Every text file of the repository, in order of path.
pub(crate) fn read_repository() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    read_folder(root, root, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn read_folder(root: &Path, folder: &Path, files: &mut Vec<File>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            read_folder(root, &path, files);
            continue;
        }
        let read = path.extension().is_none_or(|ending| ENDINGS.iter().any(|known| ending == *known));
        if let (true, Ok(text)) = (read, std::fs::read_to_string(&path)) {
            let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            files.push(File { path: relative, text });
        }
    }
}
