//! What of the journal may be shown to whom: the label of each event, and what stands in the place of one that is withheld.
//!
//! The label of an event of a run is that of the run and of what was recalled for it, tightened by what is found in the
//! event. What belongs to no run is about the host, and nobody's outside. A run whose task or class is not in the journal
//! any more may be anything.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::store::Event;
use crate::types::sensitive::find;
use crate::types::{Hash, Label, Place, PrivacyClass, Residency, RunId, Timestamp};

/// An event of which only the place in the chain is shown. What it says cannot be checked, and that the chain goes through
/// it can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Withheld {
    pub(super) seq: u64,
    at: Timestamp,
    kind: String,
    /// How private it is.
    withheld: PrivacyClass,
    pub(super) previous: Hash,
    pub(super) hash: Hash,
}

/// Who an export is for, and what is known of the runs in it.
pub(super) struct Audience {
    pub(super) place: Place,
    runs: HashMap<RunId, Known>,
}

/// What is known of a run.
#[derive(Default)]
struct Known {
    label: Label,
    accepted: bool,
    classified: bool,
}

/// The parts of bodies that say how private something is.
#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    task: Option<Task>,
    #[serde(default)]
    privacy: Option<PrivacyClass>,
    #[serde(default)]
    delta: Option<Task>,
}

/// Who served, as far as it says how private the facts are that were recalled for the answer.
#[derive(Deserialize)]
struct Served {
    outcome: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    recalled_under: Label,
}

#[derive(Deserialize)]
struct Task {
    #[serde(default)]
    privacy: PrivacyClass,
    #[serde(default)]
    residency: Vec<String>,
}

impl Audience {
    pub(super) fn new(place: Place) -> Audience {
        Audience { place, runs: HashMap::new() }
    }

    /// Learns of runs from their events, before any is shown.
    pub(super) fn learn(&mut self, events: &[Event]) {
        for event in events {
            let Some(run) = event.run else { continue };
            let known = self.runs.entry(run).or_default();
            known.accepted |= event.kind == "run.accepted";
            known.classified |= event.kind == "task.classified";
            if event.kind == "hop.served"
                && let Some(served) = event.body.parse::<Served>()
            {
                known.label = known.label.and(&served.outcome.recalled_under);
            }
            let Some(said) = event.body.parse::<Said>() else { continue };
            for task in said.task.iter().chain(&said.delta) {
                let label = Label { class: task.privacy, residency: Residency::within(&task.residency) };
                known.label = known.label.and(&label);
            }
            known.label = known.label.and(&Label::of(said.privacy.unwrap_or_default()));
        }
    }

    fn label(&self, event: &Event) -> Label {
        let found = find(event.body.text()).iter().map(|finding| finding.kind.class()).max().unwrap_or_default();
        let known = event.run.map(|run| self.runs.get(&run));
        let own = match known {
            None => Label::of(PrivacyClass::Internal),
            Some(Some(known)) if known.accepted && known.classified => known.label.clone(),
            Some(_) => Label::of(PrivacyClass::Restricted),
        };
        own.and(&Label::of(found))
    }

    /// The event, or what stands in its place.
    pub(super) fn shown(&self, event: Event) -> Result<Event, Withheld> {
        let label = self.label(&event);
        if label.check(&self.place).is_ok() {
            return Ok(event);
        }
        let Event { seq, at, kind, previous, hash, .. } = event;
        Err(Withheld { seq, at, kind, withheld: label.class, previous, hash })
    }
}
