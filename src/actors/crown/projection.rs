//! The governance as a projection of the journal: one row, the snapshot in force.

use serde_json::Value;

use crate::store::{Event, Projection};

/// Kind of the events that change the governance. Their body holds the change, its author, and the snapshot after it.
pub(super) const CHANGED: &str = "governance.changed";

/// The only key.
pub(super) const CURRENT: &str = "current";

/// Keeps the snapshot in force, so that a restart finds it (C4).
pub struct GovernanceProjection;

impl GovernanceProjection {
    /// Name of the projection.
    pub const NAME: &'static str = "governance";
}

impl Projection for GovernanceProjection {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn keys(&self, event: &Event) -> Vec<String> {
        if event.kind == CHANGED { vec![CURRENT.to_owned()] } else { Vec::new() }
    }

    fn fold(&self, _key: &str, _row: Option<Value>, event: &Event) -> Option<Value> {
        event.body.value().get_mut("governance").map(Value::take)
    }
}
