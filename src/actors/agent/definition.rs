//! What an agent is: a profile from a file, or code of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::Assignment;
use crate::actors::{executor, runtime};
use crate::inference::{Message, Request, Role, TEMPLATE_TOKENS_MOST, Usage};
use crate::supervision::{Child, Fault, Strategy};
use crate::types::{Classified, Cx};
use crate::ziggy::{Appetite, WEIGHT_MOST, most_tokens};

/// An agent as a file in `config/agents/` describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name: lowercase letters, digits and dashes.
    pub name: String,
    /// What it is for, in a sentence: shown in the tree and to operators.
    pub description: String,
    /// Whether it serves.
    pub enabled: bool,
    /// The runtime it thinks with, by its name in the config.
    pub runtime: String,
    /// What it offers; the words that routes are keyed by.
    pub capabilities: Vec<String>,
    /// Its standing instructions.
    pub system: String,
    /// Tools it may call, by name; none if the runtime cannot be offered tools.
    pub tools: Vec<String>,
    /// The folder its tools are granted, by its name in `[tools]` of the configuration; none if it is empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub workspace: String,
    /// Whether it remembers what it is told, and recalls it.
    pub remembers: bool,
    /// Facts it recalls for one assignment at the most.
    pub recall_most: usize,
    /// What it asks its model when it recalls facts: `{facts}` and `{prompt}` are filled in.
    pub recall_prompt: String,
    /// What it asks its model when it was only told facts: `{facts}` and `{prompt}` are filled in. Empty says the facts
    /// back without asking.
    pub learn_prompt: String,
    /// Assignments it works on at a time.
    pub concurrency: u32,
    /// Assignments that may wait.
    pub waiting: usize,
    /// Times a model may be asked for one assignment.
    pub max_turns: u32,
    /// Tokens of one answer at the most.
    pub max_answer_tokens: u32,
    /// Tokens of one assignment at the most, over all turns, prompts and answers together.
    pub max_tokens: u64,
    /// Seconds one assignment may take.
    pub work_within_s: u64,
    /// 0 picks the likeliest token each time.
    pub temperature: f32,
    /// How truthful its answers are before anybody judged, from 0 to 1.
    pub quality: f32,
    /// The same for those of its capabilities where it is another.
    #[serde(default)]
    pub qualities: BTreeMap<String, f32>,
    /// Percent by which its score is multiplied; 100 changes nothing.
    pub weight: u32,
    /// Milliseconds to a first token before anything was observed.
    pub assumed_first_token_ms: u64,
    /// Milliseconds for each further token before anything was observed.
    pub assumed_token_ms: u64,
}

/// Tokens of a fact that a remembering agent puts before a prompt, at the most: one for each of the 2,000 bytes of
/// `memory.max_text_bytes`, which no tokenizer exceeds.
const FACT_TOKENS: u64 = 2_000;

impl Profile {
    /// What bounds the tokens that an agent of this profile takes for one assignment. `free` says that it is code with a
    /// model, which it asks as it likes; the rest is what its runtime is.
    pub fn appetite(&self, free: bool, own_tokenizer: bool, offers_tools: bool) -> Appetite {
        let facts = u64::try_from(self.recall_most).unwrap_or(u64::MAX).saturating_mul(FACT_TOKENS);
        let tools = !self.tools.is_empty();
        Appetite {
            system_tokens: most_tokens(&self.system, false),
            // Instructions and the question are a message each.
            system_bytes: most_tokens(&self.system, true).saturating_add(2 * TEMPLATE_TOKENS_MOST),
            facts: if self.remembers { facts } else { 0 },
            answer_most: self.max_answer_tokens,
            own_tokenizer,
            tools,
            again: free || tools && offers_tools,
            turns: self.max_turns.max(1),
            tokens_most: self.max_tokens,
        }
    }
}

/// An agent's own code. Runs as a supervised job for every assignment: it may wait, and it may panic.
#[async_trait]
pub trait Work: Send + Sync + 'static {
    /// Does one assignment and returns the answer.
    async fn work(&self, cx: &Cx, assignment: Assignment, kit: Kit) -> Result<String, Fault>;
}

/// How an agent thinks.
#[derive(Clone)]
pub enum Brain {
    /// By asking a model with its profile's instructions, and calling tools.
    Prompted,
    /// By its own code.
    Code(Arc<dyn Work>),
}

/// Everything the host needs to run an agent.
pub struct Definition {
    /// Its profile.
    pub profile: Profile,
    /// How it thinks.
    pub brain: Brain,
    /// Actors of its own, started before it and supervised with it.
    pub children: Vec<Child>,
    /// Which of them are restarted when one ends.
    pub strategy: Strategy,
}

impl Definition {
    /// An agent that thinks by its profile.
    pub fn prompted(profile: Profile) -> Definition {
        Definition { profile, brain: Brain::Prompted, children: Vec::new(), strategy: Strategy::OneForOne }
    }

    /// An agent with code of its own, offering these capabilities, on the default limits and the runtime `local`.
    pub fn code(name: &str, description: &str, capabilities: &[&str], work: impl Work) -> Definition {
        let profile = Profile {
            name: name.to_owned(),
            description: description.to_owned(),
            capabilities: capabilities.iter().map(ToString::to_string).collect(),
            ..Profile::of_code()
        };
        Definition { profile, brain: Brain::Code(Arc::new(work)), children: Vec::new(), strategy: Strategy::OneForOne }
    }

    /// Thinks with this runtime.
    pub fn runtime(mut self, name: &str) -> Definition {
        self.profile.runtime = name.to_owned();
        self
    }

    /// Has an actor of its own, started before it.
    pub fn child(mut self, child: Child) -> Definition {
        self.children.push(child);
        self
    }

    /// Restarts its actors by this strategy.
    pub fn strategy(mut self, strategy: Strategy) -> Definition {
        self.strategy = strategy;
        self
    }
}

impl Profile {
    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(&'static str, String)> {
        let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        let name = !self.name.is_empty() && self.name.chars().all(plain);
        let zero = "at least 1".to_owned();
        let known =
            |(name, quality): (&String, &f32)| self.capabilities.contains(name) && (0.0..=1.0).contains(quality);
        let rows = [
            ("name", name, "lowercase letters, digits and dashes".to_owned()),
            ("capabilities", self.strange().is_none(), self.strange().unwrap_or_default()),
            ("weight", self.weight <= WEIGHT_MOST, format!("from 0 to {WEIGHT_MOST}")),
            ("concurrency", self.concurrency > 0, zero.clone()),
            ("max_turns", self.max_turns > 0, zero.clone()),
            ("max_answer_tokens", self.max_answer_tokens > 0, zero.clone()),
            ("max_tokens", self.max_tokens > 0, zero.clone()),
            ("work_within_s", self.work_within_s > 0, zero),
            ("temperature", self.temperature >= 0.0, "a number from 0 up".to_owned()),
            ("quality", (0.0..=1.0).contains(&self.quality), "a number from 0 to 1".to_owned()),
            ("qualities", self.qualities.iter().all(known), "numbers from 0 to 1 by what it offers".to_owned()),
        ];
        rows.into_iter().filter(|(_, works, _)| !works).map(|(key, _, expected)| (key, expected)).collect()
    }

    /// What is wrong with what it offers. The words stand in destinations, before a slash, and are compared as they are.
    fn strange(&self) -> Option<String> {
        let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter);
        let wrong = |word: &&String| word.is_empty() || !word.chars().all(plain);
        if let Some(word) = self.capabilities.iter().find(wrong) {
            return Some(format!("words of lowercase letters, digits, dashes and underscores instead of {word:?}"));
        }
        let twice = self.capabilities.iter().enumerate().find(|(at, word)| self.capabilities[..*at].contains(word));
        match twice {
            Some((_, word)) => Some(format!("{word:?} once")),
            None if self.capabilities.is_empty() => Some("at least one".to_owned()),
            None => None,
        }
    }

    /// What it says to a task that only told it facts, if it needs no model for that.
    pub(super) fn noted(&self, said: &str, prompt: &str, learned: &[String]) -> Option<String> {
        // A question, or a document beside what was said, wants more than a nod.
        let only_told = !learned.is_empty() && prompt == said && !said.contains('?');
        (only_told && self.learn_prompt.is_empty()).then(|| format!("Noted: {}", sentences(learned)))
    }

    /// The prompt with what was learned or recalled for it. What was just told goes before what was known: it is what
    /// the person waits to hear confirmed.
    pub(super) fn with_memory(&self, prompt: &str, recalled: &[String], learned: &[String]) -> String {
        let (template, facts) = match (learned, recalled) {
            ([], []) => return prompt.to_owned(),
            ([], recalled) => (&self.recall_prompt, recalled),
            (_, _) if self.learn_prompt.is_empty() => return prompt.to_owned(),
            (learned, _) => (&self.learn_prompt, learned),
        };
        let sentences = sentences(facts);
        // Split first, so that braces in what people say are never taken for places to fill in.
        let parts: Vec<String> =
            template.split("{facts}").map(|part| part.split("{prompt}").collect::<Vec<_>>().join(prompt)).collect();
        parts.join(&sentences)
    }

    /// The limits of an agent in code: those of `config/agents/marvin.toml`, which the docs of each key explain.
    fn of_code() -> Profile {
        Profile {
            name: String::new(),
            description: String::new(),
            enabled: true,
            runtime: "local".to_owned(),
            capabilities: Vec::new(),
            system: String::new(),
            tools: Vec::new(),
            workspace: String::new(),
            remembers: false,
            recall_most: 0,
            recall_prompt: "{facts}\n{prompt}".to_owned(),
            learn_prompt: "{prompt}".to_owned(),
            concurrency: 16,
            waiting: 256,
            max_turns: 8,
            max_answer_tokens: 256,
            max_tokens: 32_768,
            work_within_s: 300,
            temperature: 0.0,
            quality: 0.5,
            qualities: BTreeMap::new(),
            weight: 100,
            assumed_first_token_ms: 100,
            assumed_token_ms: 10,
        }
    }
}

/// What an agent in code works with. Tokens it spends through the kit are counted as its own.
#[derive(Clone)]
pub struct Kit {
    /// Its runtime, if it is configured.
    pub(super) runtime: Option<runtime::Handle>,
    /// The host's tools.
    pub tools: executor::Handle,
    pub(super) spent: Arc<Mutex<(Usage, u32)>>,
}

impl Kit {
    /// Asks the agent's model one thing, showing the answer as it grows, and returns its text. Asks nothing that the
    /// budget of tokens leaves no room to answer.
    pub async fn ask(&self, cx: &Cx, system: &str, prompt: &str, assignment: &Assignment) -> Result<String, Fault> {
        let Some(runtime) = &self.runtime else { return Err("the agent's runtime is not configured".into()) };
        let capabilities = runtime.capabilities();
        let used = self.spent.lock().0;
        let spent = used.tokens();
        let own = capabilities.own_tokenizer;
        let asked = most_tokens(system, own) + most_tokens(prompt, own);
        let left = cx.budget().tokens.saturating_sub(spent.saturating_add(asked));
        if left == 0 {
            return Err(format!("{spent} tokens are spent, and of {} no answer is left", cx.budget().tokens).into());
        }
        let request = Request {
            messages: vec![Message::new(Role::System, system), Message::new(Role::User, prompt)],
            tools: Vec::new(),
            max_tokens: assignment
                .max_tokens
                .unwrap_or(capabilities.context_tokens / 4)
                .min(u32::try_from(left).unwrap_or(u32::MAX)),
            temperature: 0.0,
            seed: 0,
        };
        let completion = runtime.generate(cx, Classified::under(cx, request), assignment.news.clone()).await?;
        let mut spent = self.spent.lock();
        spent.0 += completion.usage;
        spent.1 += 1;
        Ok(completion.text)
    }

    /// A channel for news nobody reads.
    pub fn silence() -> mpsc::Sender<crate::inference::Delta> {
        mpsc::channel(1).0
    }
}

fn sentences(facts: &[String]) -> String {
    facts.iter().map(|fact| sentence(fact)).collect::<Vec<_>>().join(" ")
}

/// A fact as a sentence: a capital first, a full stop last. Small models read sentences better than fragments.
fn sentence(fact: &str) -> String {
    let fact = fact.trim();
    let mut letters = fact.chars();
    let mut text: String = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    text.push_str(letters.as_str());
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}
