//! Decisions in plain words: what `why` shows to a person who was not there.
//!
//! Invariants:
//! - E1: whatever is said follows from the record alone; explaining an old decision needs nothing else.
//! - E2: a refusal says which rule was broken and what would satisfy it.

#[cfg(test)]
mod tests;

use super::admit::{Admission, Refusal, Shed};
use super::classify::{self, Classification};
use super::route::{self, Considered, Constraint, Decision, ScoreParts, Verdict};

/// A record that can be said in sentences.
pub trait Explain {
    /// The sentences, most important first.
    fn words(&self) -> Vec<String>;
}

impl Explain for Classification {
    fn words(&self) -> Vec<String> {
        let mut words = vec![
            format!(
                "It was understood as: {}. That takes the capability {} ({:.0} % of the evidence).",
                self.intent.word(),
                self.capability,
                self.confidence * 100.0
            ),
            format!(
                "Complexity {:.2}: length {:.2}, demands {:.2}, reasoning {:.2}, code {:.2}; about {} tokens{}.",
                self.complexity.score,
                self.complexity.length,
                self.complexity.demands,
                self.complexity.reasoning,
                self.complexity.code,
                self.tokens,
                self.language.as_ref().map_or(String::new(), |language| format!(" in language {language}"))
            ),
            format!("Privacy class {}.", self.privacy.word()),
        ];
        words.extend(self.reasons.iter().map(classification_reason));
        words
    }
}

fn classification_reason(reason: &classify::Reason) -> String {
    use classify::Reason;
    match reason {
        Reason::Phrase { phrase, intent, points } => {
            format!("The words \"{phrase}\" speak for {} ({points} points).", intent.word())
        }
        Reason::Structure { what, intent, points } => {
            format!("That {what} speaks for {} ({points} points).", intent.word())
        }
        Reason::Nearest { intent, similarity, points } => {
            format!("It is near to examples of {} (cosine {similarity:.2}, {points} points).", intent.word())
        }
        Reason::NoEvidence => "Nothing spoke for any intent, so it counts as a question.".to_owned(),
        Reason::CallerClass { class } => format!("The caller set the class {}.", class.word()),
        Reason::Sensitive { kind, count, class } => {
            format!("Found {count} x {kind}, which makes it at least {}.", class.word())
        }
    }
}

impl Explain for Decision {
    fn words(&self) -> Vec<String> {
        let mut words = vec![match &self.winner {
            Some(winner) => format!("{winner} serves {} for at most {}.", self.destination, self.cost_max),
            None => format!("Nobody may serve {}.", self.destination),
        }];
        words.extend(self.reasons.iter().flat_map(decision_reason));
        words.extend(self.considered.iter().map(considered));
        if self.ladder.len() > 1 {
            words.push(format!("If it fails, next in order: {}.", self.ladder[1..].join(", ")));
        }
        words.push(format!("Decided from FIB {:.12}.", self.fib.to_string()));
        words
    }
}

fn decision_reason(reason: &route::Reason) -> Vec<String> {
    use route::Reason;
    let one = match reason {
        Reason::Substituted { wanted } => format!("Nobody offers {wanted}; the general capability stands in."),
        Reason::NoRoute { wanted, offered } => {
            let offered: Vec<&str> = offered.iter().map(|capability| capability.0.as_str()).collect();
            let offered = if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") };
            format!("Nobody offers {wanted} (offered: {offered}). Add an agent with it, or one that is general.")
        }
        Reason::Refused { closest, constraints } => {
            let mut words = vec![format!("{closest} comes closest; it could serve if all of this held:")];
            words.extend(constraints.iter().map(|constraint| format!("- {}", remedy(constraint))));
            return words;
        }
        Reason::OperatorPin { author, reason, expires } => {
            format!("{author} pinned it until {}: {reason}.", expires.rfc3339())
        }
        Reason::RequestPin => "The caller asked for it by name.".to_owned(),
        Reason::PinExcluded { pin, constraints } if constraints.is_empty() => {
            format!("{pin} was asked for, but nobody of that name is known here.")
        }
        Reason::PinExcluded { pin, constraints } => {
            let broken: Vec<String> = constraints.iter().map(broken).collect();
            format!("{pin} was asked for, but {}.", broken.join(", and "))
        }
        Reason::OnlyLegal => "Nobody else may serve it.".to_owned(),
        Reason::BestScore { runner_up, margin } if margin.0 == 0 => {
            format!("It scores the same as {runner_up} and comes first by name.")
        }
        Reason::BestScore { runner_up, margin } => format!("It scores best, {margin} ahead of {runner_up}."),
        Reason::Session { equal } => {
            format!("{equal} candidates are as good as equal; the session keeps to this one of them.")
        }
        Reason::LastResort { penalty } => {
            format!("It failed too often lately (penalty {penalty}), but nobody else may serve.")
        }
    };
    vec![one]
}

fn considered(one: &Considered) -> String {
    match &one.verdict {
        Verdict::Legal { score, parts, cost_max, dampened } => {
            let ScoreParts { latency, cost, truthfulness, reliability } = parts;
            let behind = dampened.map_or(String::new(), |penalty| format!(", ranked last for penalty {penalty}"));
            format!(
                "{}: score {score} (latency {latency}, cost {cost}, truthfulness {truthfulness}, reliability \
                 {reliability}), at most {cost_max}{behind}.",
                one.candidate
            )
        }
        Verdict::Excluded { constraints } => {
            let broken: Vec<String> = constraints.iter().map(broken).collect();
            format!("{}: excluded, because {}.", one.candidate, broken.join(", and "))
        }
    }
}

/// The rule that was broken, as a clause with the candidate as its subject.
pub fn broken(constraint: &Constraint) -> String {
    match constraint {
        Constraint::Capability { needed } => format!("it does not offer {needed}"),
        Constraint::Privacy { class, tier } => {
            format!("{} data may not go to the {} tier", class.word(), tier.word())
        }
        Constraint::Disabled { author: Some(author), reason } => format!("{author} switched it off: {reason}"),
        Constraint::Disabled { author: None, reason } => format!("it is switched off: {reason}"),
        Constraint::WeightZero => "its weight is zero".to_owned(),
        Constraint::Quarantined { reason } => format!("it is quarantined: {reason}"),
        Constraint::Unhealthy { reason } => format!("it cannot work: {reason}"),
        Constraint::Context { needed, has } => format!("{needed} tokens do not fit its context of {has}"),
        Constraint::Budget { cost, budget } => format!("it may cost {cost} of a budget of {budget}"),
        Constraint::Tokens { needed, budget } => format!("{needed} tokens exceed the budget of {budget}"),
    }
}

/// What would satisfy the rule.
pub fn remedy(constraint: &Constraint) -> String {
    match constraint {
        Constraint::Capability { needed } => format!("it offers {needed}, or another agent that does is added"),
        Constraint::Privacy { class, .. } => format!(
            "it runs at the {} tier or closer, or the task loses what makes it {}",
            class.least_tier().word(),
            class.word()
        ),
        Constraint::Disabled { author: Some(author), .. } => format!("the override of {author} is lifted or expires"),
        Constraint::Disabled { author: None, .. } => "it is enabled in the config".to_owned(),
        Constraint::WeightZero => "its weight is raised above zero".to_owned(),
        Constraint::Quarantined { reason } => format!("its quarantine ends or an operator releases it ({reason})"),
        Constraint::Unhealthy { reason } => format!("it can work again ({reason})"),
        Constraint::Context { needed, .. } => format!("its context holds {needed} tokens, or the task is shorter"),
        Constraint::Budget { cost, .. } => format!("the budget is at least {cost}, or the answer may be shorter"),
        Constraint::Tokens { needed, .. } => format!("the budget has at least {needed} tokens"),
    }
}

impl Explain for Admission {
    fn words(&self) -> Vec<String> {
        vec![match self {
            Admission::Admitted { governance, left: Some(left) } => {
                format!("Admitted under governance {governance}; {left} more may start.")
            }
            Admission::Admitted { governance, left: None } => {
                format!("Admitted under governance {governance}; it has no cap.")
            }
            Admission::Refused { governance, reason } => {
                format!("Refused under governance {governance}: {}", refusal(reason))
            }
        }]
    }
}

fn refusal(reason: &Refusal) -> String {
    match reason {
        Refusal::Full { in_flight, cap } => {
            format!("{in_flight} requests are in flight and {cap} may be; wait for one to end or raise the cap.")
        }
        Refusal::Shed { shed: Shed::Everything, .. } => "the host is draining; try again when it is back.".to_owned(),
        Refusal::Shed { value, shed } => {
            let least = if let Shed::Below(least) = shed { least.word() } else { "any" };
            format!("{} work is shed under load; {least} work is still served.", value.word())
        }
        Refusal::Quarantined { reason } => {
            format!("it is quarantined ({reason}); it serves again after probation or an operator's release.")
        }
        Refusal::Disabled { author, reason } => {
            format!("{author} switched it off ({reason}); it serves again when that override ends.")
        }
        Refusal::Limited(refused) => refused.words(),
    }
}
