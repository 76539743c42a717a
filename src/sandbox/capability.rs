//! What a tier can do, as it is shown to operators and compared with a spec.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::{Error, Lack};
use super::spec::{Access, Egress, ProgramKind, Resource, Spec, Speech, Tier};

/// Who keeps a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeper {
    /// The kernel: it cannot be passed for a moment.
    Kernel,
    /// A watcher that looks every few milliseconds and ends what is above: it can be passed for that long.
    Watcher,
    /// The host, which counts what passes through its hands.
    Host,
}

/// What a tier can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Which tier.
    pub tier: Tier,
    /// What it can run.
    pub programs: Vec<ProgramKind>,
    /// What it can bound, and who keeps the bound.
    pub limits: BTreeMap<Resource, Keeper>,
    /// Whether it can show files to the program.
    pub inputs: bool,
    /// Whether it can show directories to the program.
    pub grants: bool,
    /// Whether it can give the program a way out.
    pub egress: bool,
    /// Whether it can give the program an environment.
    pub environment: bool,
    /// Whether it can run programs that do not speak the protocol.
    pub plain: bool,
    /// What an operator should know of it on this machine.
    pub notes: Vec<String>,
}

impl Capabilities {
    /// Everything this spec asks for and this tier cannot give.
    pub fn lacks(&self, spec: &Spec) -> Vec<Lack> {
        let mut lacks = Vec::new();
        let mut unless = |able: bool, lack: Lack| {
            if !able {
                lacks.push(lack);
            }
        };
        unless(self.programs.contains(&spec.program.kind()), Lack::Program(spec.program.kind()));
        unless(self.inputs || spec.inputs.is_empty(), Lack::Inputs);
        unless(self.grants || spec.grants.is_empty(), Lack::Grants);
        unless(self.egress || spec.egress == Egress::None, Lack::Egress);
        unless(self.environment || spec.environment.is_empty(), Lack::Environment);
        unless(self.plain || spec.speech == Speech::Lines, Lack::Plain);
        for resource in spec.limits.asked() {
            unless(self.limits.contains_key(&resource), Lack::Limit(resource));
        }
        let grows = spec.grants.iter().any(|grant| grant.access == Access::ReadWrite && grant.growth.is_some());
        unless(!grows || self.limits.contains_key(&Resource::Growth), Lack::Limit(Resource::Growth));
        lacks
    }

    /// Nothing if this tier can do all of it; otherwise the refusal that names everything it cannot.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a spec that no tier could run, [`Error::Refused`] for one that this tier cannot.
    pub fn check(&self, spec: &Spec) -> Result<(), Error> {
        if let Some(reason) = spec.fault() {
            return Err(Error::Invalid { tool: spec.tool.clone(), reason });
        }
        let lacks = self.lacks(spec);
        if lacks.is_empty() {
            return Ok(());
        }
        Err(Error::Refused { tool: spec.tool.clone(), tier: self.tier, lacks })
    }
}
