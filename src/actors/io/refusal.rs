//! What a caller is told whom nobody may serve.

use super::handle::Error;
use crate::types::Class;
use crate::ziggy::explain;
use crate::ziggy::route::{self, Constraint, Decision};

/// Why nobody may serve, as an error with the class of what stood in the way of the nearest candidate.
pub(super) fn refusal(decision: &Decision) -> Error {
    let constraint = decision.reasons.iter().find_map(|reason| match reason {
        route::Reason::Refused { constraints, .. } | route::Reason::PinExcluded { constraints, .. } => {
            constraints.first()
        }
        _ => None,
    });
    let class = match constraint {
        Some(Constraint::Privacy { .. } | Constraint::Residency { .. }) => Class::Denied,
        Some(Constraint::Budget { .. } | Constraint::Tokens { .. }) => Class::Exhausted,
        Some(Constraint::Context { .. } | Constraint::Modality { .. }) => Class::Invalid,
        Some(Constraint::Capability { .. }) | None => Class::NotFound,
        Some(_) => Class::Unavailable,
    };
    // What was considered besides is in the record of the decision; here stands what the caller can change.
    let mut reason = format!("nobody may serve {}", decision.destination);
    for one in &decision.reasons {
        match one {
            route::Reason::Refused { closest, constraints } => {
                let remedies: Vec<String> = constraints.iter().map(explain::remedy).collect();
                reason.push_str(&format!("; {closest} could if {}", remedies.join(", and if ")));
            }
            route::Reason::PinExcluded { pin, constraints } if !constraints.is_empty() => {
                let remedies: Vec<String> = constraints.iter().map(explain::remedy).collect();
                reason.push_str(&format!("; {pin} was asked for and could if {}", remedies.join(", and if ")));
            }
            route::Reason::NoRoute { offered, .. } => {
                let offered: Vec<&str> = offered.iter().map(|capability| capability.0.as_str()).collect();
                let offered = if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") };
                reason.push_str(&format!("; offered is {offered}, so add an agent with it or one that is general"));
            }
            _ => {}
        }
    }
    Error::Refused { class, reason }
}
