//! Which calls a tool is tried with before it is published, beside those its author wrote: how many, and whether it is run
//! at all with inputs that nobody chose.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Ready;
use crate::tds::tool::{Approval, Capability, SideEffects};
use crate::tds::{self, Samples, Tool};

/// How much a tool is tried with inputs that are made of its schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fuzz {
    /// Inputs that satisfy its schema, and as many that do not; 0 tries none.
    pub inputs: usize,
    /// Seconds after which no further one is begun.
    pub within_s: u64,
}

impl Fuzz {
    /// Inputs made of the schema of a tool: the same for the same tool with the same files. `known` are inputs its author
    /// wrote.
    ///
    /// # Errors
    /// Why its schema is none.
    pub fn inputs(&self, ready: &Ready, known: &[Value]) -> Result<Samples, String> {
        let seed = ready.hash.0[..8].iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
        let mut made = tds::samples(&ready.tool.interface.input.0, known, seed, self.inputs)?;
        // A schema may allow more than a call may have bytes.
        made.fitting.retain(|sample| ready.unfit(&sample.value).is_none());
        Ok(made)
    }
}

/// Why a tool is not run with inputs that nobody chose, if it is not. One that only reckons, or changes the same thing to the
/// same, in a sandbox and for nobody else, can be.
pub fn untouched(tool: &Tool) -> Option<&'static str> {
    if tool.side_effects == SideEffects::NonIdempotent {
        return Some("each of its calls changes something");
    }
    if tool.policy.approval == Approval::Always {
        return Some("a person has to agree to each of its calls");
    }
    if !tool.secrets.is_empty() {
        return Some("a secret is used for its calls");
    }
    if !tool.egress.is_empty() {
        return Some("its calls reach others");
    }
    tool.capabilities.contains(&Capability::Subscription).then_some("its calls end when they are told to")
}
