//! Decisions in plain words: what `why` shows to a person who was not there.
//!
//! Invariants:
//! - XP1: whatever is said follows from the record alone; explaining an old decision needs nothing else.
//! - XP2: a refusal says which rule was broken and what would satisfy it.

#[cfg(test)]
mod tests;

use crate::types::Money;

use super::admit::{Admission, Door, Refusal, Shed};
use super::classify::{self, Classification};
use super::limit;
use super::route::{self, Considered, Constraint, Decision, Rule, ScoreParts, ScoreWeights, Verdict};

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
        Reason::Replaced { kinds, class } => {
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
            format!(
                "Where it may not be seen as it is, {} has a stand-in, and the rest is {}.",
                kinds.join(", "),
                class.word()
            )
        }
    }
}

impl Explain for Decision {
    fn words(&self) -> Vec<String> {
        let mut words = vec![match &self.winner {
            Some(winner) => {
                format!("{winner} serves {} for {}.", self.destination, costs(self.cost_expected, self.cost_max))
            }
            None => format!("Nobody may serve {}.", self.destination),
        }];
        words.extend(self.reasons.iter().flat_map(decision_reason));
        words.push(counted(&self.counts));
        words.extend(self.weights.as_ref().map(weighed));
        if self.ladder.len() > 1 {
            words.push(format!("If it fails, next in order: {}.", self.ladder[1..].join(", ")));
        }
        words.push(format!("Decided from FIB {:.12}.", self.fib.to_string()));
        words
    }
}

/// How much each part of a score counts, in hundredths of the whole. Parts that count nothing are not named.
fn weighed(weights: &ScoreWeights) -> String {
    let ScoreWeights { latency, cost, truthfulness, reliability, load, freshness } = *weights;
    let parts = [
        ("latency", latency),
        ("cost", cost),
        ("truthfulness", truthfulness),
        ("reliability", reliability),
        ("load", load),
        ("freshness", freshness),
    ];
    let sum = weights.sum().max(1);
    let part = |(name, weight): (&str, u32)| format!("{name} {} %", (u64::from(weight) * 100 + sum / 2) / sum);
    let parts: Vec<String> = parts.into_iter().filter(|(_, weight)| *weight > 0).map(part).collect();
    format!("In a score count: {}.", parts.join(", "))
}

/// What something costs: as expected, and at the most, which is what is reserved. One of them if they are the same.
fn costs(expected: Option<Money>, most: Money) -> String {
    match expected {
        Some(expected) => format!("an expected {expected}, and at most {most} in the worst case"),
        None => format!("at most {most}"),
    }
}

/// How many may serve, and how many break which rule.
fn counted(counts: &route::Counts) -> String {
    let legal =
        if counts.legal == 1 { "1 candidate may".to_owned() } else { format!("{} candidates may", counts.legal) };
    if counts.excluded.is_empty() {
        return format!("{legal} serve it, and nobody is excluded.");
    }
    let part = |(rule, count): (&Rule, &u32)| format!("{count} by {}", rule.word().replace('_', " "));
    let parts: Vec<String> = counts.excluded.iter().map(part).collect();
    format!("{legal} serve it; excluded are {}.", parts.join(", "))
}

/// What a person wants to read about at the most; the rest is in the table.
const CONSIDERED_MOST: usize = 20;

/// Everybody that was considered, in sentences: the first of them if there are many.
pub fn considered_words(all: &[Considered]) -> Vec<String> {
    let mut words: Vec<String> = all.iter().take(CONSIDERED_MOST).map(considered).collect();
    if all.len() > CONSIDERED_MOST {
        words.push(format!("And {} more.", all.len() - CONSIDERED_MOST));
    }
    words
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
        Reason::SessionMoved { from, in_flight, least } => format!(
            "{from} would keep the session, but has {in_flight} requests in flight where another has {least}; the next \
             in the session's order serves."
        ),
        Reason::TwoChoices { equal, other } => format!(
            "{equal} candidates are as good as equal; of two drawn by chance, it had no more to do than {other}."
        ),
        Reason::Preferred { runner_up } => format!("A policy prefers it to {runner_up}."),
        Reason::Kept { challenger, margin } => {
            format!("It was in place before; {challenger} scores {margin} better, which is not enough to change.")
        }
        Reason::LastResort { penalty, until } => format!(
            "It failed too often lately (penalty {penalty}, held against it until {}), but nobody else may serve.",
            until.rfc3339()
        ),
        Reason::Stale => {
            "What is known of it has expired, but of nobody who may serve is anything newer known.".to_owned()
        }
    };
    vec![one]
}

/// What was found about one candidate.
pub fn considered(one: &Considered) -> String {
    match &one.verdict {
        Verdict::Legal { score, parts, cost_max, cost_expected, dampened, stale, .. } => {
            let ScoreParts { latency, cost, truthfulness, reliability, load, freshness } = parts;
            let mut behind = dampened.map_or(String::new(), |one| {
                format!(", ranked last for penalty {} until {}", one.penalty, one.until.rfc3339())
            });
            if *stale {
                behind.push_str(", ranked behind what is known for sure");
            }
            format!(
                "{}: score {score} (latency {latency}, cost {cost}, truthfulness {truthfulness}, reliability \
                 {reliability}, load {load}, freshness {freshness}), {}{behind}.",
                one.candidate,
                costs(*cost_expected, *cost_max)
            )
        }
        Verdict::Excluded { constraints } => {
            let broken: Vec<String> = constraints.iter().map(broken).collect();
            format!("{}: excluded, because {}.", one.candidate, broken.join(", and "))
        }
    }
}

impl Explain for Door {
    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(reason) = &self.refusal {
            words.push(format!("{} is legal, but not admitted now: {}", self.candidate, refusal(reason)));
            words.extend(self.until.map(|until| format!("That holds until {}, as far as is known.", until.rfc3339())));
            words.extend(past(reason).map(str::to_owned));
        }
        words.extend(self.trial.map(|share| {
            format!("{} is on trial after quarantine: {share} % of the runs go to it, and no others.", self.candidate)
        }));
        words
    }
}

/// What would help against a refusal, where its reason does not say so.
fn past(reason: &Refusal) -> Option<&'static str> {
    match reason {
        Refusal::Limited(limit::Refused::Circuit { .. }) => {
            Some("It is asked before that only if nobody else is left; who answers again closes its circuit.")
        }
        Refusal::Limited(limit::Refused::Paused { .. } | limit::Refused::Allowance { .. }) => {
            Some("Nobody here can shorten that; another key or provider would serve meanwhile.")
        }
        Refusal::Limited(limit::Refused::Throttle { .. }) => {
            Some("That is by chance, so some requests are sent; it ends as it accepts more of them.")
        }
        _ => None,
    }
}

/// Who of a decision's ladder would be sent a request now.
pub fn doors_words(doors: &[Door]) -> Vec<String> {
    let mut words: Vec<String> = doors.iter().flat_map(Explain::words).collect();
    let refused = doors.first().is_some_and(|first| first.refusal.is_some());
    match doors.iter().find(|door| door.refusal.is_none()) {
        Some(open) if refused => words.push(format!("{} would be sent it now.", open.candidate)),
        None if !doors.is_empty() => words.push("Nobody who may serve it is admitted now.".to_owned()),
        _ => {}
    }
    words
}

/// Why a candidate would or would not serve, and what would change that.
pub fn why_not_words(one: &Considered, decision: &Decision, door: Option<&Door>) -> Vec<String> {
    let closed = door.is_some_and(|door| door.refusal.is_some());
    let at_door = || door.into_iter().flat_map(Explain::words);
    let winner = decision.winner.as_deref();
    match &one.verdict {
        Verdict::Legal { .. } if winner == Some(&one.candidate) => {
            let would = if closed { "be chosen for" } else { "serve" };
            let mut words = vec![format!("It would {would} {}.", decision.destination)];
            words.extend(at_door());
            words.push(considered(one));
            words.extend(decision.reasons.iter().flat_map(decision_reason));
            words
        }
        Verdict::Legal { place, .. } => {
            let winner = winner.unwrap_or("nobody");
            let mut words = vec![
                format!("It may serve {}, but {winner} comes before it: it is number {place}.", decision.destination),
                considered(one),
            ];
            words.extend(at_door());
            // What is said of who comes first is not said of this one.
            let why = decision.reasons.iter().flat_map(decision_reason);
            words.extend(why.map(|reason| format!("Of {winner}: {reason}")));
            words
        }
        Verdict::Excluded { constraints } => {
            let mut words = vec![considered(one), "It could serve if all of this held:".to_owned()];
            words.extend(constraints.iter().map(|constraint| format!("- {}", remedy(constraint))));
            words
        }
    }
}

/// The rule that was broken, as a clause with the candidate as its subject.
pub fn broken(constraint: &Constraint) -> String {
    match constraint {
        Constraint::Capability { needed } => format!("it does not offer {needed}"),
        Constraint::Modality { needed } => format!("it cannot read {}", needed.word()),
        Constraint::Residency { allowed, region: Some(region) } => {
            format!("the data may be in {} only, and it is in {region}", allowed.join(", "))
        }
        Constraint::Residency { allowed, region: None } => {
            format!("the data may be in {} only, and nobody said where it is", allowed.join(", "))
        }
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
        Constraint::Modality { needed } => format!("it can read {}, or the task comes without", needed.word()),
        Constraint::Residency { allowed, .. } => {
            format!("it is in {} and its region says so, or the task may go further", allowed.join(" or "))
        }
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
        Refusal::Full { cap: 0, .. } => "its cap is 0, so it takes nothing; raise the cap.".to_owned(),
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
        Refusal::Budget { shortage } => shortage.words().join(" "),
        Refusal::Trial { share } => {
            format!("it is on trial after quarantine, for {share} % of runs, and this one is not among them.")
        }
        Refusal::Disabled { author, reason } => {
            format!("{author} switched it off ({reason}); it serves again when that override ends.")
        }
        Refusal::Limited(refused) => refused.words(),
    }
}
