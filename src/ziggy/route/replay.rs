//! Decisions made again: the same bits from the same inputs, or what another policy would have decided.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::build::build;
use super::candidate::{Candidate, Rib};
use super::decide::{Decision, decide_under, is_same};
use super::fib::Fib;
use super::policy::Rules;
use crate::inference::Usage;
use crate::types::{Hash, Money, PrivacyClass, Timestamp, TrustTier};
use crate::ziggy::admit::Governance;

/// The first place where a decision that was made again is another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Where, as a JSON pointer.
    pub at: String,
    /// What stands in the record.
    pub recorded: Value,
    /// What comes out now.
    pub computed: Value,
}

/// Makes a decision again from its own inputs. Nothing if the same comes out.
pub fn replay(fib: &Fib, recorded: &Decision) -> Option<Difference> {
    if is_same(fib, recorded, &seen(recorded)) {
        return None;
    }
    let again = again(fib, recorded);
    let value = |decision: &Decision| serde_json::to_value(decision).unwrap_or_default();
    difference(&value(recorded), &value(&again))
}

/// The decision that the inputs of a recorded one give on this table. What the recorded one did not look at had nothing
/// to do.
pub fn again(fib: &Fib, recorded: &Decision) -> Decision {
    decide_under(fib, &recorded.request, &seen(recorded))
}

/// What candidates had to do, as far as the recorded decision looked.
fn seen(recorded: &Decision) -> impl Fn(&str) -> u32 {
    |candidate| {
        let seen = recorded.loads.iter().find(|load| load.candidate == candidate);
        seen.map_or(0, |load| load.in_flight)
    }
}

/// Where two values differ first, in the order of the first's keys.
pub fn difference(recorded: &Value, computed: &Value) -> Option<Difference> {
    fn walk(at: &mut String, one: &Value, other: &Value) -> Option<Difference> {
        if one == other {
            return None;
        }
        let keys: Vec<(String, Option<&Value>, Option<&Value>)> = match (one, other) {
            (Value::Object(one), Value::Object(other)) => {
                let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
                keys.sort();
                keys.dedup();
                keys.into_iter().map(|key| (key.clone(), one.get(key), other.get(key))).collect()
            }
            (Value::Array(one), Value::Array(other)) => {
                let places = 0..one.len().max(other.len());
                places.map(|place| (place.to_string(), one.get(place), other.get(place))).collect()
            }
            _ => {
                return Some(Difference { at: at.clone(), recorded: one.clone(), computed: other.clone() });
            }
        };
        for (key, one, other) in keys {
            let length = at.len();
            at.push('/');
            at.push_str(&key.replace('~', "~0").replace('/', "~1"));
            if let Some(found) = walk(at, one.unwrap_or(&Value::Null), other.unwrap_or(&Value::Null)) {
                return Some(found);
            }
            at.truncate(length);
        }
        None
    }
    walk(&mut String::new(), recorded, computed)
}

/// What a table was made from, as the journal keeps it: everything that another policy needs to make another table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    /// Everybody, with all that was known.
    pub rib: Rib,
    /// The levers that were in force.
    pub governance: Governance,
    /// When the table was made.
    pub at: Timestamp,
}

impl Basis {
    /// The table that other rules make of it.
    pub fn under(&self, rules: &Rules) -> Fib {
        build(&self.rib, &self.governance, rules, None, self.at)
    }
}

/// One decision under the policy it was made by, and under another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// Version of the table it was made from.
    pub fib: Hash,
    /// What it was for.
    pub destination: String,
    /// How private that was.
    pub privacy: PrivacyClass,
    /// As it was.
    pub before: Outcome,
    /// As it would have been.
    pub after: Outcome,
    /// What the answer took where one came of it, by each of the two; nothing of what was refused by either, or not served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<(Took, Took)>,
}

/// What an answer of known length takes of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Took {
    /// What it costs at their price.
    pub cost: Money,
    /// How long they take for it by what was observed, in microseconds.
    pub latency_us: u64,
}

impl Took {
    /// For so many tokens, by what is known of a candidate.
    fn of(winner: Option<&String>, basis: &Basis, used: &Usage) -> Option<Took> {
        let candidate = basis.rib.candidates.get(winner?)?;
        Some(Took { cost: used.cost(candidate.price), latency_us: within(candidate, used.output_tokens) })
    }
}

/// How long a candidate takes for an answer of so many tokens, by what was observed, in microseconds.
fn within(candidate: &Candidate, tokens: u64) -> u64 {
    let rest = candidate.live.per_token_us.saturating_mul(tokens.saturating_sub(1));
    candidate.live.first_token_us.saturating_add(rest)
}

/// Who serves, and what that means.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Who; nobody if it is refused.
    pub winner: Option<String>,
    /// Where it runs.
    pub tier: Option<TrustTier>,
    /// The most it may cost.
    pub cost_max: Money,
    /// How long an answer as long as the request allows takes it, by what was observed, in microseconds: the most, as the cost
    /// is.
    pub latency_us: u64,
}

impl Outcome {
    /// A decision with what was known of its winner.
    pub fn of(decision: &Decision, basis: &Basis) -> Outcome {
        let known = decision.winner.as_ref().and_then(|winner| basis.rib.candidates.get(winner));
        let latency = known.map(|candidate| within(candidate, decision.request.tokens_out_max));
        Outcome {
            winner: decision.winner.clone(),
            tier: known.map(|candidate| candidate.tier),
            cost_max: decision.cost_max,
            latency_us: latency.unwrap_or(0),
        }
    }
}

/// Decides what was recorded once more on the table that another configuration made, asked as that one would. `basis` is
/// what the recorded table was made from, `other` what the other was, `used` what the answer took that came of it.
pub fn compare(
    recorded: &Decision,
    basis: &Basis,
    asked: &Decision,
    (other, table): (&Basis, &Fib),
    used: Option<&Usage>,
) -> Compared {
    let after = again(table, asked);
    let took = used.and_then(|used| {
        let before = Took::of(recorded.winner.as_ref(), basis, used)?;
        Some((before, Took::of(after.winner.as_ref(), other, used)?))
    });
    Compared {
        took,
        fib: recorded.fib,
        destination: recorded.destination.to_string(),
        privacy: recorded.destination.privacy,
        before: Outcome::of(recorded, basis),
        after: Outcome::of(&after, other),
    }
}
