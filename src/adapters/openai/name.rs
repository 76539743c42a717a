//! Names of tools where a dot is none: `git.log` is `git__log`. Ids are lower case, so a capital at the beginning says that
//! another writing is used, for the few ids in which two underscores would not be a dot.

/// What a function's name may have at the most.
const LENGTH_MAX: usize = 64;

/// A dot in the other writing; ids have no capitals.
const DOT: char = 'X';

/// The name of a tool as a function's name: letters, digits, `_` and `-`, 64 of them at the most.
pub fn to_safe(id: &str) -> String {
    let plain = id.replace('.', "__");
    if plain.len() <= LENGTH_MAX && plain.replace("__", ".") == id {
        return plain;
    }
    let mut signs = id.chars();
    let first = signs.next().map(|sign| sign.to_ascii_uppercase());
    first.into_iter().chain(signs.map(|sign| if sign == '.' { DOT } else { sign })).collect()
}

/// The id of the tool of this name. A name that no tool has gives an id that none has, or one that is written otherwise.
pub fn from_safe(name: &str) -> String {
    let mut signs = name.chars();
    match signs.next() {
        Some(first) if first.is_ascii_uppercase() => {
            let rest = signs.map(|sign| if sign == DOT { '.' } else { sign });
            std::iter::once(first.to_ascii_lowercase()).chain(rest).collect()
        }
        _ => name.replace("__", "."),
    }
}
