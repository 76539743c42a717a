//! The shape of Rust files: headers, lengths, where tests stand, and nothing left unfinished.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::source::{Complaint, File};
use super::tables::{ACTOR_FILES, ACTORS, FILE_LINES_MAX, FUNCTION_LINES_MAX, UNFINISHED, UNFINISHED_MACROS};

fn rust(files: &[File]) -> impl Iterator<Item = &File> {
    files.iter().filter(|file| file.is_rust())
}

/// A file the rules cannot read would pass them all.
pub(crate) fn parses(files: &[File]) -> Vec<Complaint> {
    let read =
        |file: &File| syn::parse_file(&file.text).err().map(|error| (error.span().start().line, error.to_string()));
    rust(files)
        .filter_map(|file| read(file).map(|(line, error)| file.complain(line, format!("does not parse: {error}"))))
        .collect()
}

/// Each file begins by saying why it exists.
pub(crate) fn headers(files: &[File]) -> Vec<Complaint> {
    let missing = |file: &&File| !file.text.lines().next().is_some_and(|first| first.starts_with("//! "));
    rust(files)
        .filter(missing)
        .map(|file| file.complain(1, "no header; begin with `//! ` and say why this file exists"))
        .collect()
}

/// A file has one subject.
pub(crate) fn file_length(files: &[File]) -> Vec<Complaint> {
    let measure = |file: &File| {
        let lines = file.text.lines().count();
        let text = format!("{lines} lines, at most {FILE_LINES_MAX}; split it by subject");
        (lines > FILE_LINES_MAX).then(|| file.complain(FILE_LINES_MAX + 1, text))
    };
    rust(files).filter_map(measure).collect()
}

#[derive(Default)]
struct Items {
    /// Name, first line and length of every function.
    functions: Vec<(String, usize, usize)>,
    /// First line of every inline module that holds tests.
    inline_tests: Vec<usize>,
}

impl Items {
    fn of(file: &File) -> Items {
        let mut items = Items::default();
        if let Ok(parsed) = syn::parse_file(&file.text) {
            items.visit_file(&parsed);
        }
        items
    }

    fn function(&mut self, signature: &syn::Signature, end: proc_macro2::Span) {
        let first = signature.span().start().line;
        self.functions.push((signature.ident.to_string(), first, end.end().line + 1 - first));
    }
}

impl<'ast> Visit<'ast> for Items {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, item.block.span());
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, item.block.span());
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block.span());
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let gated = item.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|flag| flag == "test")
        });
        if item.content.is_some() && (gated || item.ident == "tests" || item.ident == "test") {
            self.inline_tests.push(item.ident.span().start().line);
        }
        visit::visit_item_mod(self, item);
    }
}

/// A function fits on one screen.
pub(crate) fn function_length(files: &[File]) -> Vec<Complaint> {
    let measure = |file: &File| -> Vec<Complaint> {
        let long = Items::of(file).functions.into_iter().filter(|(_, _, lines)| *lines > FUNCTION_LINES_MAX);
        long.map(|(name, first, lines)| {
            let text = format!("`{name}` has {lines} lines, at most {FUNCTION_LINES_MAX}; name its parts");
            file.complain(first, text)
        })
        .collect()
    };
    rust(files).flat_map(measure).collect()
}

/// Tests stand beside the code, in a file of their own.
pub(crate) fn tests_beside(files: &[File]) -> Vec<Complaint> {
    let find = |file: &File| -> Vec<Complaint> {
        let text = "tests inside a source file; move them to tests.rs beside it and write `#[cfg(test)] mod tests;`";
        Items::of(file).inline_tests.into_iter().map(|line| file.complain(line, text)).collect()
    };
    files.iter().filter(|file| file.in_src()).flat_map(find).collect()
}

/// A folder with an `actor.rs` is an actor: it stands in the order and holds the same files as the others.
pub(crate) fn actor_files(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    for file in files {
        let Some(folder) = file.path.strip_suffix("/actor.rs") else { continue };
        let Some(name) = folder.strip_prefix("src/actors/") else { continue };
        if !ACTORS.contains(&name) {
            complaints
                .push(file.complain(1, format!("actor `{name}` has no place in the order in tests/tidy/tables.rs")));
        }
        for part in ACTOR_FILES {
            let (flat, deep) = (format!("{folder}/{part}.rs"), format!("{folder}/{part}/mod.rs"));
            if !paths.contains(flat.as_str()) && !paths.contains(deep.as_str()) {
                complaints
                    .push(file.complain(1, format!("actor `{name}` has no {part}.rs; every actor has the same files")));
            }
        }
    }
    complaints
}

/// Whether `word` stands in `line` by itself.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (line[..at].chars().next_back(), line[at + word.len()..].chars().next());
        let open = word.starts_with(part) && before.is_some_and(part);
        let close = word.ends_with(part) && after.is_some_and(part);
        !open && !close
    })
}

/// Nothing is left for later in the code: an issue has a number, and the rest is finished.
pub(crate) fn unfinished(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in rust(files) {
        for (index, line) in file.without_strings().lines().enumerate() {
            for word in UNFINISHED.iter().chain(UNFINISHED_MACROS).filter(|word| has_word(line, word)) {
                complaints
                    .push(file.complain(index + 1, format!("`{word}`; finish it, or write an issue and name it")));
            }
        }
    }
    complaints
}

fn walk(tokens: TokenStream, see: &mut impl FnMut(&[TokenTree])) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for at in 0..tokens.len() {
        see(&tokens[at..]);
        if let TokenTree::Group(group) = &tokens[at] {
            walk(group.stream(), see);
        }
    }
}

/// A test that is ignored is a test that rots.
pub(crate) fn ignored_tests(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in rust(files) {
        walk(file.tokens(), &mut |tokens| {
            let [TokenTree::Punct(hash), TokenTree::Group(attribute), ..] = tokens else { return };
            if hash.as_char() == '#' && attribute.delimiter() == Delimiter::Bracket && ignores(attribute.stream()) {
                let text = "an ignored test; make it run everywhere, or delete it";
                complaints.push(file.complain(hash.span().start().line, text));
            }
        });
    }
    complaints
}

fn ignores(attribute: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = attribute.into_iter().collect();
    let named = |name: &str| matches!(tokens.first(), Some(TokenTree::Ident(word)) if *word == name);
    let mentions = |group: &TokenStream| {
        group.clone().into_iter().any(|token| matches!(token, TokenTree::Ident(word) if word == "ignore"))
    };
    let within = tokens.iter().any(|token| matches!(token, TokenTree::Group(group) if mentions(&group.stream())));
    named("ignore") || (named("cfg_attr") && within)
}

/// A test waits for what it waits for; one that sleeps is slow on a good day and wrong on a bad one. On a paused clock a
/// sleep takes no time: there it is how a fake works for long.
pub(crate) fn sleeping_tests(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_test()) {
        let paused = is_paused(file, files);
        let blocks =
            file.paths().iter().any(|path| path.segments.ends_with(&["thread".to_owned(), "sleep".to_owned()]));
        walk(file.tokens(), &mut |tokens| {
            let [TokenTree::Ident(name), TokenTree::Group(arguments), ..] = tokens else { return };
            let sleeps = ["sleep", "sleep_ms", "sleep_until", "park_timeout"].iter().any(|call| *name == call);
            if sleeps && arguments.delimiter() == Delimiter::Parenthesis && (blocks || !paused) {
                let text = format!("`{name}` in a test; wait for the event itself, or pause tokio's clock");
                complaints.push(file.complain(name.span().start().line, text));
            }
        });
    }
    complaints
}

/// Async tests of a file, and how many of them run on a paused clock.
fn clocks(file: &File) -> (usize, usize) {
    let text = file.without_strings();
    let tests = text.lines().filter(|line| line.contains("#[tokio::test"));
    tests.fold((0, 0), |(all, paused), line| (all + 1, paused + usize::from(line.contains("start_paused = true"))))
}

/// Whether the file's async tests all run on a paused clock; a file of fakes is judged by whether any test beside it does.
fn is_paused(file: &File, files: &[File]) -> bool {
    let (all, paused) = clocks(file);
    if all > 0 {
        return all == paused;
    }
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = |other: &&File| other.is_test() && other.path.starts_with(&format!("{folder}/"));
    files.iter().filter(beside).any(|other| clocks(other).1 > 0)
}
