//! What a tool stands on, whatever the tier: inputs that are what was published, and trees that may be granted.

use std::path::{Path, PathBuf};

use super::error::{Error, Lack};
use super::spec::{Grant, Input, Spec, Tier};
use crate::types::Hash;

/// Directories that are never granted, nor what lies in them, nor what they lie in: they are the machine's.
const MACHINE: [&str; 7] = ["/boot", "/dev", "/etc", "/proc", "/run", "/sys", "/usr"];

/// Where a granted tree really is, if it may be granted.
pub(super) fn place(
    tier: Tier,
    tool: &str,
    grant: &Grant,
    private: &[&PathBuf],
) -> Result<(PathBuf, std::fs::Metadata), Error> {
    let missing = |cause| Error::Missing {
        tool: tool.to_owned(),
        reason: format!("the tree {} is not at {}: {cause}", grant.name, grant.source.display()),
    };
    let source = grant.source.canonicalize().map_err(missing)?;
    let found = source.metadata().map_err(missing)?;
    if !found.is_dir() {
        let reason = format!("the tree {} is no directory", grant.name);
        return Err(Error::Invalid { tool: tool.to_owned(), reason });
    }
    let private = private.iter().filter_map(|path| path.canonicalize().ok());
    let mut kept = private.chain(MACHINE.map(PathBuf::from));
    let overlaps = |path: &PathBuf| source.starts_with(path) || path.starts_with(&source);
    if kept.any(|path| overlaps(&path)) {
        let lack = Lack::Other(format!("show {}, which the host keeps to itself", source.display()));
        return Err(Error::Refused { tool: tool.to_owned(), tier, lacks: vec![lack] });
    }
    Ok((source, found))
}

/// The bytes of an input, if they are those that were published.
pub(super) fn input(tool: &str, input: &Input) -> Result<Vec<u8>, Error> {
    let missing = |cause| Error::Missing {
        tool: tool.to_owned(),
        reason: format!("the input {} cannot be read: {cause}", input.name),
    };
    let bytes = std::fs::read(&input.source).map_err(missing)?;
    if Hash::of(&bytes) != input.hash {
        return Err(Error::Tampered { tool: tool.to_owned(), name: input.name.clone() });
    }
    Ok(bytes)
}

/// Whether the inputs are there and are what was published. It is looked at again when they are shown.
pub(super) fn inputs(spec: &Spec) -> Result<(), Error> {
    spec.inputs.iter().try_for_each(|one| input(&spec.tool, one).map(drop))
}

/// Whether it is a path that the tool can find: absolute, and no way up.
pub(super) fn is_inside(path: &str) -> bool {
    Path::new(path).is_absolute() && !path.split('/').any(|part| part == "..") && !path.contains('\0')
}
