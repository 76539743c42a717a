//! Who may name whom: modules of the crate among themselves, and libraries from outside.

use super::source::{Complaint, File, PathUse};
use super::tables::{ACTORS, LAYERS, LIBRARIES, ROOT, Where};

/// The path from the root of the crate that a use names, if it names one of our modules.
fn within_crate(file: &File, path: &PathUse) -> Option<Vec<String>> {
    let mut module = file.module();
    module.extend(path.inside.iter().cloned());
    let rest = match path.segments[0].as_str() {
        "crate" => return Some(path.segments[1..].to_vec()),
        "super" => {
            let ups = path.segments.iter().take_while(|segment| *segment == "super").count();
            module.truncate(module.len().saturating_sub(ups));
            &path.segments[ups..]
        }
        "self" => &path.segments[1..],
        _ => return None,
    };
    module.extend(rest.iter().cloned());
    Some(module)
}

fn is_root(module: &str) -> bool {
    ROOT.iter().any(|root| module == *root || module.strip_prefix(root).is_some_and(|rest| rest.starts_with('_')))
}

fn height(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// Imports point down: a module names only what stands in a lower row of the table.
pub(crate) fn layers(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.in_src()) {
        let module = file.module();
        let Some(from) = module.first().filter(|name| !is_root(name)) else { continue };
        let Some(own) = height(from) else {
            complaints.push(file.complain(1, format!("`{from}` has no layer; give it a row in tests/tidy/tables.rs")));
            continue;
        };
        for path in file.paths() {
            let Some(target) = within_crate(file, &path) else { continue };
            let Some(to) = target.first().filter(|to| *to != from) else { continue };
            let problem = match height(to) {
                Some(other) if other < own => continue,
                Some(other) if other == own => format!("`{from}` names its sibling `{to}`"),
                Some(_) => format!("`{from}` names `{to}`, which stands above it"),
                None if is_root(to) => format!("`{from}` names `{to}`, which is the root"),
                None => format!("`{from}` names `crate::{to}`, which is no module with a layer"),
            };
            let advice = "declare a trait or type below, implement it above, join them in src/host.rs";
            complaints.push(file.complain(path.line, format!("{problem}; {advice}")));
        }
    }
    complaints
}

/// Within `src/actors` a handle is held to the right only, and common ground names no actor.
pub(crate) fn actor_order(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let place = |name: &str| ACTORS.iter().position(|actor| *actor == name);
    for file in files.iter().filter(|file| file.path.starts_with("src/actors/")) {
        let module = file.module();
        let Some(from) = module.get(1) else { continue };
        for path in file.paths() {
            let Some(target) = within_crate(file, &path) else { continue };
            let (Some("actors"), Some(to)) = (target.first().map(String::as_str), target.get(1)) else { continue };
            let Some(right) = place(to).filter(|_| to != from) else { continue };
            if place(from).is_some_and(|left| left < right) {
                continue;
            }
            let order = ACTORS.join(" -> ");
            let text = format!("actor `{from}` names `{to}`; handles are held to the right only ({order})");
            complaints.push(file.complain(path.line, text));
        }
    }
    complaints
}

fn crate_name(library: &str) -> String {
    library.replace('-', "_")
}

/// An outside library is named only in its module.
pub(crate) fn libraries(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.in_src()) {
        let module = file.module();
        let own = module.first().map_or("lib", String::as_str);
        for path in file.paths() {
            let Some(library) = LIBRARIES.iter().find(|row| crate_name(row.name) == path.segments[0]) else { continue };
            let Where::Only(places) = library.place else { continue };
            if places.iter().any(|place| own == *place || (is_root(place) && own.starts_with(&format!("{place}_")))) {
                continue;
            }
            let text =
                format!("`{own}` names `{}`, which only {} may: {}", library.name, places.join(", "), library.reason);
            complaints.push(file.complain(path.line, text));
        }
    }
    complaints
}

/// Every dependency has a row in the table, and every row is a dependency.
pub(crate) fn library_table(files: &[File]) -> Vec<Complaint> {
    let Some(manifest) = files.iter().find(|file| file.path == "Cargo.toml") else { return Vec::new() };
    let mut complaints = Vec::new();
    let mut found = Vec::new();
    let mut inside = false;
    for (index, line) in manifest.text.lines().enumerate() {
        if line.starts_with('[') {
            let line = line.trim();
            inside = line == "[dependencies]" || (line.starts_with("[target.") && line.ends_with(".dependencies]"));
            continue;
        }
        let Some((name, _)) = line.split_once('=').filter(|_| inside && !line.starts_with('#')) else { continue };
        let name = name.trim().trim_matches('"');
        found.push(name);
        if !LIBRARIES.iter().any(|row| row.name == name) {
            let text = format!("`{name}` is new; say who may name it, and why, in tests/tidy/tables.rs");
            complaints.push(manifest.complain(index + 1, text));
        }
    }
    for row in LIBRARIES.iter().filter(|row| !found.contains(&row.name)) {
        let text = format!("`{}` has a row in tests/tidy/tables.rs but is no dependency; remove the row", row.name);
        complaints.push(manifest.complain(1, text));
    }
    complaints
}
