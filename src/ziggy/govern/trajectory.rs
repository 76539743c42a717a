//! Whether work goes round in circles: the turns of one assignment as hashes, and the cycles in them.
//!
//! Invariants:
//! - TJ1: a cycle of one to [`LONGEST`] turns that comes round a third time is found with the last turn of that third time,
//!   and not before.
//! - TJ2: what differs in one call, one argument or one text is another turn. The order in which a model wrote the arguments
//!   makes no difference.
//! - TJ3: a turn costs the same however many there were before.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::types::{Hash, ToolCall};

/// Turns of the longest cycle that is looked for. Longer ones meet the limit on turns first.
pub const LONGEST: usize = 8;

/// Times a cycle comes round before it is called one: the second may be an honest retry.
pub const TIMES: usize = 3;

/// Turns that are remembered: enough for the longest cycle to have come round once before.
const KEPT: usize = LONGEST;

/// What repeats itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cycle {
    /// Turns of it.
    pub turns: usize,
    /// Times it came round.
    pub times: usize,
    /// The hash of its last turn.
    pub turn: Hash,
}

/// The turns so far, as far as they matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trajectory {
    last: [Hash; KEPT],
    seen: usize,
    /// For each length of a cycle, how many turns in a row were those of one cycle before.
    alike: [usize; LONGEST],
}

impl Trajectory {
    /// Nothing yet.
    pub fn new() -> Trajectory {
        Trajectory::default()
    }

    /// Takes a turn in and says which cycle it closes for the third time; of several the shortest.
    pub fn turn(&mut self, turn: Hash) -> Option<Cycle> {
        let mut found = None;
        for length in 1..=LONGEST {
            let before = self.seen.checked_sub(length).map(|place| self.last[place % KEPT]);
            let alike = &mut self.alike[length - 1];
            *alike = if before == Some(turn) { *alike + 1 } else { 0 };
            if found.is_none() && *alike >= length * (TIMES - 1) {
                found = Some(Cycle { turns: length, times: TIMES, turn });
            }
        }
        self.last[self.seen % KEPT] = turn;
        self.seen += 1;
        found
    }
}

/// The identity of a turn: which tools with which arguments, whatever ids the model gave the calls; of a turn without
/// calls, what was said. What a model says beside a call does not make the call another one.
pub fn fingerprint(calls: &[ToolCall], text: &str) -> Hash {
    if calls.is_empty() {
        return Hash::of(text.as_bytes());
    }
    // Names are followed by what no name holds, and arguments print as one line; their keys are sorted, since models do not.
    let mut canonical = String::with_capacity(64 * calls.len());
    for call in calls {
        let mut arguments = call.arguments.clone();
        arguments.sort_all_objects();
        let _ = writeln!(canonical, "{}\n{arguments}", call.name);
    }
    Hash::of(canonical.as_bytes())
}
