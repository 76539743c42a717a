//! Landlock on top of the mounts: a second fence of another make, which holds where a mount was forgotten.

use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::super::plan::Plan;
use super::During;
use crate::sandbox::spec::Access;

/// The newest rights that are asked for; an older kernel is asked for what it knows.
const NEWEST: ABI = ABI::V6;

/// Puts up the fence around this process and everything it will start, and says what it is worth on this kernel.
pub(super) fn put_up(plan: &Plan) -> Result<String, String> {
    let trees = plan.trees.iter().filter(|tree| tree.access == Access::ReadWrite);
    let writable = ["/tmp", "/work"].map(PathBuf::from).into_iter();
    let writable: Vec<PathBuf> = writable.chain(trees.map(|tree| PathBuf::from("/granted").join(&tree.name))).collect();
    let put = || -> Result<_, RulesetError> {
        let read = AccessFs::from_read(NEWEST);
        let devices: BitFlags<AccessFs> = AccessFs::WriteFile | AccessFs::IoctlDev;
        let mut rules = Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .no_new_privs(true);
        for (path, access) in [("/", read), ("/dev", devices)] {
            if let Ok(path) = PathFd::new(path) {
                rules = rules.add_rule(PathBeneath::new(path, access))?;
            }
        }
        for path in &writable {
            if let Ok(path) = PathFd::new(path) {
                rules = rules.add_rule(PathBeneath::new(path, AccessFs::from_all(NEWEST)))?;
            }
        }
        rules.restrict_self()
    };
    let status = put().during(|| "put up landlock".to_owned())?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::FullyEnforced, _) => "landlock holds in full".to_owned(),
        (RulesetStatus::PartiallyEnforced, LandlockStatus::Available { effective_abi, .. }) => {
            format!("landlock holds in part: the kernel knows {effective_abi:?} of it")
        }
        (RulesetStatus::PartiallyEnforced, _) => "landlock holds in part".to_owned(),
        (RulesetStatus::NotEnforced, _) => "landlock does not hold: the kernel has none".to_owned(),
    })
}
