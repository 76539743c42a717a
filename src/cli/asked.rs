//! The arguments of the verbs about decisions: those that wait for people, and those that were made.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::arguments::Connection;

#[derive(Debug, Args)]
pub(super) struct Inbox {
    #[command(subcommand)]
    pub(super) verb: Option<InboxVerb>,
    #[command(flatten)]
    pub(super) connection: Connection,
}

#[derive(Debug, Subcommand)]
pub(super) enum InboxVerb {
    /// List items, newest run first; those that are open if no status is named.
    List {
        /// How many at the most.
        #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
        /// Only items after this one.
        #[arg(long, value_name = "ITEM")]
        after: Option<String>,
        /// Items that stand so.
        #[arg(long, value_enum, default_value_t = ItemWord::Open)]
        status: ItemWord,
    },
    /// Show an item and what it is about.
    Show {
        /// The item, or its run.
        item: String,
    },
    /// Let its run go on.
    Approve {
        /// The item, or its run.
        item: String,
        /// Why.
        #[arg(short, long)]
        comment: Option<String>,
    },
    /// End its run.
    Deny {
        /// The item, or its run.
        item: String,
        /// Why; whoever gave the task reads it.
        #[arg(short, long)]
        comment: Option<String>,
    },
    /// Put another text in place of one, and let its run go on with that.
    Edit {
        /// The item, or its run.
        item: String,
        /// The new text; `-` is what comes in on stdin.
        text: String,
        /// What is changed, as a JSON pointer; the first thing that may be if none is named.
        #[arg(long, value_name = "POINTER")]
        at: Option<String>,
        /// Why.
        #[arg(short, long)]
        comment: Option<String>,
    },
    /// End its time now: its run ends, whatever its rule says for when nobody decides.
    Expire {
        /// The item, or its run.
        item: String,
    },
    /// Ask somebody else to decide.
    Delegate {
        /// The item, or its run.
        item: String,
        /// The name of their token, which has the scope `review`.
        to: String,
        /// Why.
        #[arg(short, long)]
        comment: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ItemWord {
    Open,
    Approved,
    Denied,
    Expired,
    Cancelled,
    All,
}

#[derive(Debug, Subcommand)]
pub(super) enum TableVerb {
    /// Print the table in force.
    Show,
    /// Tell who would serve a capability now, why, and whether those who may would be admitted. Nothing is counted.
    Next(Next),
}

#[derive(Debug, Args)]
pub(super) struct Next {
    /// What is needed, such as `general` or `code`.
    #[arg(value_name = "CAPABILITY")]
    pub(super) capability: String,
    /// How private the data is: public, internal, confidential or restricted.
    #[arg(long, value_name = "CLASS")]
    pub(super) privacy: Option<String>,
    /// As if the agent or candidate of this name had been asked for.
    #[arg(long, value_name = "NAME")]
    pub(super) agent: Option<String>,
    /// As if the prompt had so many tokens.
    #[arg(long, value_name = "TOKENS")]
    pub(super) tokens_in: Option<u64>,
    /// As if the answer might have so many tokens.
    #[arg(long, value_name = "TOKENS")]
    pub(super) tokens_out: Option<u64>,
    /// As if the data had to stay in this region.
    #[arg(long, value_name = "REGION")]
    pub(super) residency: Option<String>,
    /// As if it had to be read by who can read this beside text: image, audio or video.
    #[arg(long, value_name = "MODALITY")]
    pub(super) modality: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum RibVerb {
    /// Print the table in force.
    Show,
    /// Announce that an agent can be served through a runtime that is not its own, until that expires.
    Put(Put),
    /// Withdraw a candidate that was announced.
    Withdraw {
        /// The candidate.
        #[arg(value_name = "AGENT@RUNTIME")]
        candidate: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Put {
    /// The agent and the runtime, both of the configuration.
    #[arg(value_name = "AGENT@RUNTIME")]
    pub(super) candidate: String,
    /// Seconds until it is stale; it ranks behind the rest then, and goes after `ziggy.live.stale_s`.
    #[arg(long, value_name = "SECONDS")]
    pub(super) expires_in: u64,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
    /// Percent by which its score is multiplied; else the agent's own.
    #[arg(long, value_name = "PERCENT")]
    pub(super) weight: Option<u32>,
    /// How truthful its answers are before anybody judged, from 0 to 1; else the agent's own.
    #[arg(long, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    pub(super) quality: Option<f64>,
    /// The same for one capability, such as code=0.3; may be given several times.
    #[arg(long = "quality-of", value_name = "CAPABILITY=SHARE", value_parser = share_of)]
    pub(super) qualities: Vec<(String, f64)>,
}

/// A number from 0 to 1. What is no number at all, such as `NaN`, would be left out of the request and so say nothing.
fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// `code=0.3` as a capability and its quality.
fn share_of(text: &str) -> Result<(String, f64), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let parsed = pair.and_then(|(name, number)| Some((name.to_owned(), share(number).ok()?)));
    parsed.ok_or_else(|| "expected a capability and a number from 0 to 1, such as code=0.3".to_owned())
}

#[derive(Debug, Args)]
pub(super) struct WhyNot {
    /// The destination, such as `code/public`.
    #[arg(value_name = "DESTINATION")]
    pub(super) destination: String,
    /// The candidate, such as `marvin@local`.
    #[arg(value_name = "CANDIDATE")]
    pub(super) candidate: String,
    /// As if its prompt had so many tokens.
    #[arg(long, value_name = "TOKENS")]
    pub(super) tokens_in: Option<u64>,
    /// As if its answer might have so many tokens.
    #[arg(long, value_name = "TOKENS")]
    pub(super) tokens_out: Option<u64>,
    /// As if its data had to stay in this region.
    #[arg(long, value_name = "REGION")]
    pub(super) residency: Option<String>,
    /// As if it had to be read by who can read this beside text: image, audio or video.
    #[arg(long, value_name = "MODALITY")]
    pub(super) modality: Option<String>,
    #[command(flatten)]
    pub(super) connection: Connection,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub(super) struct Replay {
    /// Make the decisions of this run again and compare them byte by byte: its id, the beginning of it, or `last`.
    #[arg(long, value_name = "RUN", group = "which", conflicts_with = "with")]
    pub(super) decision: Option<String>,
    /// Make every decision of so long again, such as `90m`, `12h` or `7d`.
    #[arg(long, value_name = "TIME", group = "which")]
    pub(super) since: Option<String>,
    /// Decide under this configuration instead, and say what would have been different.
    #[arg(long, value_name = "FILE")]
    pub(super) with: Option<PathBuf>,
    /// Where the data is.
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
}
