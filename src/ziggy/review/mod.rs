//! Review: when work needs a human, and what becomes of it by what people say.
//!
//! What it is for: rules as data, a situation, and the need that follows from both; the life of an item in the inbox.
//! What it owns: the words of rules, needs, items and what happens to them.
//! What it never does: show anybody a text. A reason names rules and conditions, and a keyword as the rule has it.
//!
//! Invariants:
//! - RV1: work needs a human exactly if a rule of its stage holds, and a rule holds exactly if each of its conditions does.
//! - RV2: one more rule never makes a need weaker: no later deadline, no smaller quorum, no approval by expiry that was
//!   none before.
//! - RV3: nothing of the text is in a need.
//!
//! The invariants of an item stand in `item.rs`.

mod item;

#[cfg(test)]
mod tests;

use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};

pub use item::{Edits, Happened, Item, ItemStatus, Objection, Opinion, Verdict, kind};

use super::Millionths;
use super::classify::Intent;
use crate::types::{Money, PrivacyClass};

/// What about the work a human is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReviewKind)]
pub enum Kind {
    /// Its answer goes out to others.
    Publication,
    /// It does something that cannot be taken back.
    SensitiveAction,
    /// It is not sure what the task is.
    LowConfidence,
    /// It costs more than it may.
    OverBudget,
    /// A policy says so.
    Policy,
    /// No candidate may serve it.
    NoCandidate,
    /// A tool is to be called, and a person has to agree to it.
    ToolCall,
    /// A tool was called, and nobody knows whether that was done.
    ToolDoubt,
}

impl Kind {
    /// The word used in config, JSON and explanations.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Publication => "publication",
            Kind::SensitiveAction => "sensitive_action",
            Kind::LowConfidence => "low_confidence",
            Kind::OverBudget => "over_budget",
            Kind::Policy => "policy",
            Kind::NoCandidate => "no_candidate",
            Kind::ToolCall => "tool_call",
            Kind::ToolDoubt => "tool_doubt",
        }
    }

    /// Whether it is about a call of a tool, and not about a run that waits.
    pub fn is_of_a_call(self) -> bool {
        matches!(self, Kind::ToolCall | Kind::ToolDoubt)
    }
}

/// Where work waits for its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReviewStage)]
pub enum Stage {
    /// Before anybody works on it.
    Before,
    /// When its answer is there and nobody has it yet.
    After,
}

impl Stage {
    /// The word used in config, JSON and explanations.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Before => "before",
            Stage::After => "after",
        }
    }
}

/// What happens to work nobody decided on in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReviewOnExpiry)]
pub enum OnExpiry {
    /// It goes on as if it had been approved.
    Approve,
    /// It ends as if it had been denied.
    Deny,
}

/// When work needs a human, and on what terms. All conditions it has must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, in reasons.
    pub name: String,
    /// What it is about.
    #[serde(deserialize_with = "of_runs")]
    pub kind: Kind,
    /// Where the work waits.
    pub action: Stage,
    /// Seconds people have.
    pub deadline_s: u64,
    /// People who have to approve.
    pub quorum: u32,
    /// What happens when nobody decided in time.
    pub on_expiry: OnExpiry,
    /// Who is asked; anybody who may if nobody is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegate: Option<String>,
    /// The task is at least this private.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<PrivacyClass>,
    /// It is one of these intents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intents: Vec<Intent>,
    /// The intent is less sure than this, in millionths of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence_below: Option<Millionths>,
    /// One of these agents serves it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// It may cost (before) or has cost (after) more than this, in micro-dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_over: Option<Money>,
    /// One of these words or phrases stands in the task (before) or in the answer (after), whatever their case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// No candidate may serve it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nobody: bool,
}

/// Kinds of which rules are. Those of calls come of what tools and policies say.
const OF_RUNS: [&str; 6] =
    ["publication", "sensitive_action", "low_confidence", "over_budget", "policy", "no_candidate"];

fn of_runs<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
    let word = String::deserialize(deserializer)?;
    if OF_RUNS.contains(&word.as_str()) {
        return Kind::deserialize(word.into_deserializer());
    }
    Err(serde::de::Error::unknown_variant(&word, &OF_RUNS))
}

/// What rules are held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Situation<'a> {
    /// How private the task is.
    pub privacy: PrivacyClass,
    /// What the caller wants.
    pub intent: Intent,
    /// How sure that is.
    pub confidence: Millionths,
    /// The agents that will serve or have served it; none if that is not known.
    pub agents: Vec<String>,
    /// What it may cost, or has cost.
    pub cost: Money,
    /// What is searched for keywords: the task, or the answer.
    pub text: &'a str,
    /// Why nobody may serve it, if nobody may.
    pub nobody: Option<String>,
}

/// A condition of a rule that held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "condition", rename_all = "snake_case")]
#[schema(as = ReviewCondition)]
pub enum Condition {
    /// The task is at least this private.
    Class {
        /// The class of the rule.
        at_least: PrivacyClass,
        /// The class of the task.
        is: PrivacyClass,
    },
    /// It is this intent.
    Intent {
        /// The intent.
        is: Intent,
    },
    /// The intent is not sure enough.
    Confidence {
        /// The limit of the rule.
        below: Millionths,
        /// How sure it is.
        is: Millionths,
    },
    /// This agent serves it.
    Agent {
        /// Who.
        name: String,
    },
    /// It is too dear.
    Cost {
        /// The limit of the rule.
        over: Money,
        /// What it costs.
        is: Money,
    },
    /// This stands in the text.
    Keyword {
        /// As the rule has it.
        keyword: String,
    },
    /// Nobody may serve it.
    Nobody {
        /// Why.
        reason: String,
    },
    /// This tool is to be called, and a person has to agree to it.
    Agreement {
        /// The tool and its version.
        tool: String,
        /// Who calls.
        who: String,
        /// The policy that gives way to nothing less, if it is not the tool itself that asks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<String>,
    },
    /// This tool was called, and nobody knows whether that was done.
    InDoubt {
        /// The tool and its version.
        tool: String,
        /// Why nobody knows.
        reason: String,
    },
}

impl Condition {
    /// The condition as a part of a sentence.
    pub fn words(&self) -> String {
        match self {
            Condition::Class { at_least, is } => format!("the task is {} (at least {})", is.word(), at_least.word()),
            Condition::Intent { is } => format!("it is taken for {}", is.word()),
            Condition::Confidence { below, is } => format!("that is sure by {is} only (less than {below})"),
            Condition::Agent { name } => format!("{name} serves it"),
            Condition::Cost { over, is } => format!("it costs {is} (more than {over})"),
            Condition::Keyword { keyword } => format!("\"{keyword}\" stands in it"),
            Condition::Nobody { reason } => format!("no candidate may serve it ({reason})"),
            Condition::Agreement { tool, who, policy } => {
                let by = policy.as_ref().map_or(String::new(), |policy| format!(" ({policy})"));
                format!("{who} calls {tool}, and a person has to agree to that{by}")
            }
            Condition::InDoubt { tool, reason } => {
                format!("{tool} was called, and nobody knows whether that was done ({reason})")
            }
        }
    }
}

/// A rule that held, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ReviewReason)]
pub struct Reason {
    /// Its name.
    pub rule: String,
    /// What held.
    pub conditions: Vec<Condition>,
}

impl Reason {
    /// The reason as a sentence.
    pub fn words(&self) -> String {
        let held: Vec<String> = self.conditions.iter().map(Condition::words).collect();
        format!("Rule {:?} holds: {}.", self.rule, held.join(", and "))
    }
}

/// What work needs before it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// What it is about: the kind of the first rule that holds.
    pub kind: Kind,
    /// Where it waits.
    pub stage: Stage,
    /// Seconds people have.
    pub deadline_s: u64,
    /// People who have to approve.
    pub quorum: u32,
    /// What happens when nobody decided in time.
    pub on_expiry: OnExpiry,
    /// Who is asked.
    pub delegate: Option<String>,
    /// The rules that hold, in the order of the config.
    pub reasons: Vec<Reason>,
}

/// What work in this situation needs at this stage; nothing if no rule holds (RV1). Of several rules that hold the
/// strictest terms count (RV2).
pub fn review(rules: &[Rule], stage: Stage, situation: &Situation<'_>) -> Option<Need> {
    let mut text = None;
    let mut need: Option<Need> = None;
    for rule in rules.iter().filter(|rule| rule.action == stage) {
        let Some(conditions) = rule.holds(situation, &mut text) else { continue };
        let reason = Reason { rule: rule.name.clone(), conditions };
        match &mut need {
            None => {
                need = Some(Need {
                    kind: rule.kind,
                    stage,
                    deadline_s: rule.deadline_s,
                    quorum: rule.quorum,
                    on_expiry: rule.on_expiry,
                    delegate: rule.delegate.clone(),
                    reasons: vec![reason],
                });
            }
            Some(need) => {
                need.deadline_s = need.deadline_s.min(rule.deadline_s);
                need.quorum = need.quorum.max(rule.quorum);
                need.on_expiry = need.on_expiry.max(rule.on_expiry);
                need.delegate = need.delegate.take().or_else(|| rule.delegate.clone());
                need.reasons.push(reason);
            }
        }
    }
    need
}

/// Whether an answer may turn out to need a human, judged by what is known before it is there. While it may, nobody is
/// shown a part of it.
pub fn may_withhold(rules: &[Rule], situation: &Situation<'_>) -> bool {
    let known_only =
        |rule: &Rule| Rule { agents: Vec::new(), cost_over: None, keywords: Vec::new(), nobody: false, ..rule.clone() };
    let after = rules.iter().filter(|rule| rule.action == Stage::After);
    after.map(known_only).any(|rule| rule.holds(situation, &mut None).is_some())
}

impl Rule {
    /// Whether rules are about who serves a task and at what cost, so that a situation needs to know.
    pub fn wants_a_decision(&self) -> bool {
        self.nobody || self.cost_over.is_some() || !self.agents.is_empty()
    }

    /// The conditions, if all of them hold. The text is made ready for searching once, when the first rule needs it.
    fn holds(&self, situation: &Situation<'_>, text: &mut Option<String>) -> Option<Vec<Condition>> {
        let mut held = Vec::new();
        if let Some(at_least) = self.class {
            let is = situation.privacy;
            held.push((is >= at_least).then_some(Condition::Class { at_least, is })?);
        }
        if !self.intents.is_empty() {
            let is = situation.intent;
            held.push(self.intents.contains(&is).then_some(Condition::Intent { is })?);
        }
        if let Some(below) = self.confidence_below {
            let is = situation.confidence;
            held.push((is < below).then_some(Condition::Confidence { below, is })?);
        }
        if !self.agents.is_empty() {
            let name = situation.agents.iter().find(|name| self.agents.contains(name))?.clone();
            held.push(Condition::Agent { name });
        }
        if let Some(over) = self.cost_over {
            let is = situation.cost;
            held.push((is > over).then_some(Condition::Cost { over, is })?);
        }
        if self.nobody {
            held.push(Condition::Nobody { reason: situation.nobody.clone()? });
        }
        if !self.keywords.is_empty() {
            let text = text.get_or_insert_with(|| plain(situation.text));
            let keyword = self.keywords.iter().find(|keyword| text.contains(needle(keyword).as_str()))?.clone();
            held.push(Condition::Keyword { keyword });
        }
        Some(held)
    }

    /// Right ones, which together have every key: what somebody writes is compared to them, key by key.
    pub fn examples() -> [Rule; 2] {
        let rule = |agents: Vec<String>, nobody| Rule {
            name: "example".to_owned(),
            kind: Kind::Policy,
            action: Stage::Before,
            deadline_s: 3_600,
            quorum: 1,
            on_expiry: OnExpiry::Deny,
            delegate: Some("ann".to_owned()),
            class: Some(PrivacyClass::Public),
            intents: vec![Intent::Write],
            confidence_below: Some(Millionths::ONE),
            agents,
            cost_over: Some(Money::ZERO),
            keywords: vec!["press release".to_owned()],
            nobody,
        };
        [rule(vec!["marvin".to_owned()], false), rule(Vec::new(), true)]
    }

    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut unless = |good: bool, key: &'static str, expected: String| {
            if !good {
                found.push((key, expected));
            }
        };
        unless(is_name(&self.name), "name", "a word of letters, digits, dashes and underscores".to_owned());
        let most = DEADLINE_MOST_S;
        unless((1..=most).contains(&self.deadline_s), "deadline_s", format!("from 1 to {most}"));
        unless((1..=QUORUM_MOST).contains(&self.quorum), "quorum", format!("from 1 to {QUORUM_MOST}"));
        let full = |texts: &[String]| texts.iter().all(|text| !plain(text).trim().is_empty());
        unless(full(&self.keywords), "keywords", "words with letters or digits in them".to_owned());
        unless(full(&self.agents), "agents", "names of agents".to_owned());
        let named = self.delegate.as_ref().is_none_or(|name| !name.trim().is_empty());
        unless(named, "delegate", "the name of a token, or nothing".to_owned());
        let sure = self.confidence_below.is_none_or(|below| below.0 > 0 && below <= Millionths::ONE);
        unless(sure, "confidence_below", "from 1 to 1000000 millionths".to_owned());
        unless(self.cost_over.is_none_or(|cost| cost >= Money::ZERO), "cost_over", "at least 0".to_owned());
        let conditions = self.class.is_some() || self.confidence_below.is_some() || self.wants_a_decision();
        let conditions = conditions || !self.intents.is_empty() || !self.keywords.is_empty();
        let everything = "at least one condition (class = \"public\" holds for everything)";
        unless(conditions, "class", everything.to_owned());
        let before = !self.nobody || self.action == Stage::Before;
        unless(before, "nobody", "action = \"before\": what nobody serves has no answer".to_owned());
        let someone = !self.nobody || self.agents.is_empty();
        unless(someone, "agents", "no agents beside nobody = true, which cannot hold together".to_owned());
        let decided = !self.nobody || self.on_expiry == OnExpiry::Deny;
        unless(decided, "on_expiry", "\"deny\": nobody can serve what nobody may".to_owned());
        found
    }
}

/// Thirty days: what waits for longer is forgotten.
const DEADLINE_MOST_S: u64 = 30 * 24 * 3_600;

/// More people than this do not look at one answer.
const QUORUM_MOST: u32 = 32;

/// Whether a text can name a rule or a webhook in records.
pub fn is_name(text: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.len() <= 64 && text.chars().all(part)
}

/// A text as keywords are looked for in it: small letters and digits, everything else one space, and one at each end, so
/// that a keyword is found as whole words and across lines.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len() + 2);
    plain.push(' ');
    for letter in text.chars().flat_map(char::to_lowercase) {
        if letter.is_alphanumeric() {
            plain.push(letter);
        } else if !plain.ends_with(' ') {
            plain.push(' ');
        }
    }
    if !plain.ends_with(' ') {
        plain.push(' ');
    }
    plain
}

/// From here on Unicode has scripts that put no spaces between words.
const UNSPACED: char = '\u{2e80}';

/// What is looked for of a keyword: whole words where a script has spaces between them.
fn needle(keyword: &str) -> String {
    let words = plain(keyword);
    if keyword.chars().any(|letter| letter >= UNSPACED) { words.trim().to_owned() } else { words }
}
