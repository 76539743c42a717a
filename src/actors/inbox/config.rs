//! What is set in the config: rules, webhooks, limits.

use serde::{Deserialize, Serialize};

use crate::field::{NOT_OUTSIDE, usual_tier};
use crate::types::TrustTier;

use crate::ziggy::review::{Rule, is_name, kind};

/// When people are asked, who is told, and the limits of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// When work needs a human.
    pub rules: Vec<Rule>,
    /// Whose programs are told.
    pub webhooks: Vec<Hook>,
    /// Items that may be open at a time; one more is refused, and its run with it.
    pub open_most: usize,
    /// Bytes of all texts together that one verdict may change.
    pub edit_bytes_max: usize,
    /// How notices are sent.
    pub delivery: Delivery,
}

/// Something to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookEvent {
    /// An item is there.
    Opened,
    /// Somebody approved or denied.
    Verdict,
    /// Somebody was asked instead.
    Delegated,
    /// Nobody decided in time.
    Expired,
    /// An item is decided.
    Closed,
}

impl HookEvent {
    /// The kind of the journal's event.
    pub fn kind(self) -> &'static str {
        match self {
            HookEvent::Opened => kind::OPENED,
            HookEvent::Verdict => kind::VERDICT,
            HookEvent::Delegated => kind::DELEGATED,
            HookEvent::Expired => kind::EXPIRED,
            HookEvent::Closed => kind::CLOSED,
        }
    }
}

/// A program to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// Its name, in records.
    pub name: String,
    /// Where it takes notices.
    pub url: String,
    /// How far the place behind the address is trusted; a partner if it is left out. What it may not see it is not told.
    #[serde(default = "usual_tier")]
    pub tier: TrustTier,
    /// Where in the world it is, in the operator's own words; left out, that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The environment variable with the key that notices are signed with; they are not signed if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_env: Option<String>,
    /// What it is told of.
    pub events: Vec<HookEvent>,
}

impl Hook {
    /// A right one with every key: what somebody writes is compared to it, key by key.
    pub fn examples() -> [Hook; 1] {
        let (name, url) = ("desk".to_owned(), "https://desk.example/hook".to_owned());
        let (tier, region, secret_env) = (usual_tier(), Some("eu".to_owned()), Some("DESK_HOOK_KEY".to_owned()));
        [Hook { name, url, tier, region, secret_env, events: vec![HookEvent::Opened] }]
    }
}

/// How notices are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// Attempts before a notice is given up.
    pub attempts: u32,
    /// Seconds one attempt may take.
    pub within_s: u64,
    /// Milliseconds that the first wait between two attempts takes at the most.
    pub first_wait_ms: u64,
    /// Milliseconds that any wait takes at the most.
    pub longest_wait_ms: u64,
}

/// With more attempts than this a notice would wait for days.
const ATTEMPTS_MOST: u32 = 100;

impl Config {
    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut unless = |good: bool, key: String, expected: &str| {
            if !good {
                found.push((key, expected.to_owned()));
            }
        };
        unless(self.open_most > 0, "open_most".to_owned(), "at least 1");
        unless(self.edit_bytes_max > 0, "edit_bytes_max".to_owned(), "at least 1");
        let Delivery { attempts, within_s, first_wait_ms, longest_wait_ms } = self.delivery;
        let key = |name: &str| format!("delivery.{name}");
        unless((1..=ATTEMPTS_MOST).contains(&attempts), key("attempts"), "from 1 to 100");
        unless(within_s > 0, key("within_s"), "at least 1");
        unless(first_wait_ms > 0, key("first_wait_ms"), "at least 1");
        unless(longest_wait_ms >= first_wait_ms, key("longest_wait_ms"), "at least first_wait_ms");
        for (place, hook) in self.webhooks.iter().enumerate() {
            let key = |name: &str| format!("webhooks.{place}.{name}");
            unless(is_name(&hook.name), key("name"), "a word of letters, digits, dashes and underscores");
            let twice = self.webhooks[..place].iter().any(|other| other.name == hook.name);
            unless(!twice, key("name"), "a name no other webhook has");
            unless(hook.tier != TrustTier::External, key("tier"), NOT_OUTSIDE);
            unless(is_url(&hook.url), key("url"), "a URL such as `https://example.org/hook`");
            let named = hook.secret_env.as_ref().is_none_or(|name| !name.is_empty());
            unless(named, key("secret_env"), "the name of an environment variable, or no such key");
            unless(!hook.events.is_empty(), key("events"), "at least one event");
        }
        for (place, rule) in self.rules.iter().enumerate() {
            let own = rule.impossible().into_iter();
            own.for_each(|(key, expected)| unless(false, format!("rules.{place}.{key}"), &expected));
            let twice = self.rules[..place].iter().any(|other| other.name == rule.name);
            unless(!twice, format!("rules.{place}.name"), "a name no other rule has");
        }
        found
    }

    /// The webhooks that are told of an event of this kind.
    pub(super) fn told_of(&self, kind: &str) -> Vec<String> {
        let told = self.webhooks.iter().filter(|hook| hook.events.iter().any(|event| event.kind() == kind));
        told.map(|hook| hook.name.clone()).collect()
    }
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':']) && !rest.contains(char::is_whitespace))
}
