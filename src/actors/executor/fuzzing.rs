//! The part of the gate that its author did not write: inputs made of the tool's schema. What does not fit must be refused
//! before the tool is run, and what fits must be answered, or declined by the tool in its own words.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::library::Entry;
use super::publishing::Publisher;
use crate::lap::{self, Case, Mismatches};
use crate::sandbox::Ended;
use crate::tds::{self, Sample};
use crate::types::Class;

/// Calls that are made to find a smaller input that fails too. Each halves what is left of a text, so this finds one sign in
/// some thousands.
const SHRINKING_MOST: usize = 32;

/// Bytes of an input that are repeated in an error: enough for one that was made smaller.
const SHOWN_BYTES: usize = 300;

/// What is wrong with how a tool ended.
struct Fault {
    reason: String,
    /// Whether a smaller input is looked for. Not if each try takes as long as the tool may.
    shrinks: bool,
}

impl Publisher<'_> {
    /// Tries a tool with inputs that nobody wrote. Returns what was done, in words.
    ///
    /// # Errors
    /// The input that failed, and how.
    pub(super) async fn fuzz(&self, entry: &Entry, cases: &[Case]) -> Result<String, String> {
        let fuzz = self.shared.ports.fuzz;
        if fuzz.inputs == 0 {
            return Ok("no input was made of its schema: [tools.fuzz] says so".to_owned());
        }
        let known: Vec<Value> = cases.iter().map(|case| case.input.clone()).collect();
        let examples = entry.ready.tool.interface.examples.iter().map(|example| example.input.clone());
        let known: Vec<Value> = examples.chain(known).collect();
        let made = fuzz.inputs(&entry.ready, &known)?;
        let refused = refused(entry, &made.unfitting)?;
        if let Some(reason) = lap::untouched(&entry.ready.tool) {
            return Ok(format!("{refused}; it was run with none, since {reason}"));
        }
        let clock = &*self.shared.world.clock;
        let over = clock.now() + Duration::from_secs(fuzz.within_s);
        let mut answered = 0;
        for Sample { about, value } in &made.fitting {
            if self.is_over() {
                return Err("its trial was ended before it was done".to_owned());
            }
            if clock.now() >= over {
                break;
            }
            if let Some(fault) = self.fault(entry, value).await {
                // Whoever asked has left, and so everything ends.
                if self.is_over() {
                    continue;
                }
                return Err(self.told(entry, about, value, fault).await);
            }
            answered += 1;
        }
        let all = made.fitting.len();
        let left =
            if answered < all { format!(" of {all}, in the {} s there are", fuzz.within_s) } else { String::new() };
        Ok(format!("{refused}; {} that fit were answered or declined{left}", counted(answered)))
    }

    fn is_over(&self) -> bool {
        self.cx.is_cancelled() || self.cx.deadline() <= self.shared.world.clock.now()
    }

    /// What is wrong with how a tool ends that reads this, if anything is.
    async fn fault(&self, entry: &Entry, input: &Value) -> Option<Fault> {
        let tried = self.run(entry, input, &BTreeMap::new(), "made").await;
        let (ended, answer) = (tried.outcome.ended, tried.outcome.answer);
        let fault = |reason: String| Some(Fault { reason, shrinks: ended == Ended::Finished });
        match (ended, answer) {
            (Ended::Finished, Ok(value)) => {
                let wrong = entry.ready.wrong_output(&value);
                if wrong.is_empty() {
                    return None;
                }
                fault(format!("its answer is not what it promises: {}", Mismatches(wrong)))
            }
            // It says itself what it cannot do. `internal` is what a host says of a tool that broke, and nothing to say of
            // an input that fits.
            (Ended::Finished, Err(failure)) if failure.class != Class::Internal => None,
            (_, Err(failure)) => fault(format!("{}: {}", failure.class.word(), failure.message)),
            (ended, Ok(_)) => fault(ended.to_string()),
        }
    }

    /// An input that failed, made smaller, in words.
    async fn told(&self, entry: &Entry, about: &str, input: &Value, first: Fault) -> String {
        let (mut smallest, mut fault, mut left) = (input.clone(), first, SHRINKING_MOST);
        'smaller: while fault.shrinks {
            for less in tds::smaller(&smallest) {
                if entry.ready.unfit(&less).is_some() {
                    continue;
                }
                if left == 0 || self.is_over() {
                    break 'smaller;
                }
                left -= 1;
                if let Some(found) = self.fault(entry, &less).await.filter(|found| found.shrinks) {
                    (smallest, fault) = (less, found);
                    continue 'smaller;
                }
            }
            break;
        }
        let about = if about.is_empty() || smallest != *input { String::new() } else { format!(" ({about})") };
        format!(
            "the input {}{about}, which fits its schema: {}",
            lap::short(smallest.to_string(), SHOWN_BYTES),
            fault.reason
        )
    }
}

/// Asks what a call asks before it is made, of inputs that are wrong.
fn refused(entry: &Entry, unfitting: &[Sample]) -> Result<String, String> {
    let ready = &entry.ready;
    for Sample { about, value } in unfitting {
        if ready.unfit(value).is_none() {
            let shown = lap::short(value.to_string(), SHOWN_BYTES);
            return Err(format!("the input {shown} ({about}) does not fit its schema and was not refused"));
        }
    }
    Ok(format!("{} made of its schema that do not fit it were refused", counted(unfitting.len())))
}

fn counted(number: usize) -> String {
    if number == 1 { "1 input".to_owned() } else { format!("{number} inputs") }
}
