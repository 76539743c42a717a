//! JSON pointers (RFC 6901): how a place in a value is named.

/// The pointer one step below `base`.
pub(crate) fn join(base: &str, step: &str) -> String {
    format!("{base}/{}", step.replace('~', "~0").replace('/', "~1"))
}

/// The pointer of an item.
pub(crate) fn item(base: &str, index: usize) -> String {
    format!("{base}/{index}")
}

/// The steps of a pointer, unescaped; none if it is no pointer.
pub(crate) fn steps(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let rest = pointer.strip_prefix('/')?;
    rest.split('/').map(unescaped).collect()
}

fn unescaped(step: &str) -> Option<String> {
    let mut pieces = step.split('~');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (sign, rest) =
            piece.strip_prefix('0').map_or_else(|| ('/', piece.strip_prefix('1')), |rest| ('~', Some(rest)));
        text.push(sign);
        text.push_str(rest?);
    }
    Some(text)
}

/// The pointer one step above, if there is one.
pub(crate) fn parent(pointer: &str) -> Option<&str> {
    pointer.rfind('/').map(|at| &pointer[..at])
}

/// The last step, unescaped.
pub(crate) fn last(pointer: &str) -> String {
    steps(pointer).and_then(|mut steps| steps.pop()).unwrap_or_default()
}

/// A pointer as the author wrote the keys: `interface.input`, which is what they look for.
pub fn dotted(pointer: &str) -> String {
    let plain = |step: &String| step.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte));
    let mut text = String::new();
    for step in steps(pointer).unwrap_or_default() {
        match step.parse::<usize>() {
            Ok(index) => text.push_str(&format!("[{index}]")),
            Err(_) if text.is_empty() && plain(&step) => text.push_str(&step),
            Err(_) if plain(&step) => text.push_str(&format!(".{step}")),
            Err(_) => text.push_str(&format!("[{step:?}]")),
        }
    }
    text
}
