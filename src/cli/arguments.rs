//! The arguments of every verb.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::asked::{Inbox, Replay, RibVerb, TableVerb, WhyNot};
use super::tools::ToolVerb;
use crate::actors::io::RunStatus;
use crate::api::Scope;
use crate::types::{PrivacyClass, TrustTier};

/// Agents and tools as supervised actors under one governor.
///
/// `syzygy up` starts a host; every other verb asks a running one, or looks at this machine.
#[derive(Debug, Parser)]
#[command(name = "syzygy", version, max_term_width = 100, disable_help_subcommand = true, after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(subcommand)]
    pub(super) verb: Verb,
    /// How results are printed.
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Text)]
    pub(super) output: Output,
}

const EXIT_CODES: &str = "Exit codes: 0 it worked, 64 the request is wrong, 65 data is damaged, 66 it does not exist, \
                          69 something needed is down, 70 a bug, 73 not in this state, 75 try later, 77 not allowed, \
                          130 interrupted.";

impl Arguments {
    pub(super) fn json(&self) -> bool {
        self.output == Output::Json
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Start a host and keep it running.
    Up(Up),
    /// Give a task and print the answer.
    Ask(Ask),
    /// Show the supervision tree.
    Tree(Tree),
    /// List runs, newest first.
    Runs(Runs),
    /// Show what may be spent, what is spent, and how long it lasts.
    Budgets(Budgets),
    /// Tell why a run went as it did: candidates, constraints, scores, the winner.
    Why(Why),
    /// See what waits for people, and decide on it.
    Inbox(Inbox),
    /// Show everybody who could serve, with all that is known of them, or announce one more for a while.
    Rib {
        #[command(subcommand)]
        verb: RibVerb,
        #[command(flatten)]
        connection: Connection,
    },
    /// Show who serves which destination, in order.
    Fib {
        #[command(subcommand)]
        verb: TableVerb,
        #[command(flatten)]
        connection: Connection,
    },
    /// Tell why a candidate would or would not serve a destination now, and what would change that.
    WhyNot(WhyNot),
    /// Make recorded decisions again: the same way, or under another configuration. Needs no running host.
    Replay(Replay),
    /// Check, export or repair the journal.
    Audit {
        #[command(subcommand)]
        verb: AuditVerb,
    },
    /// Copy the journal and what goes with it into one file, also while a host runs.
    Backup(Backup),
    /// Make a data directory of a backup. Overwrites nothing.
    Restore(Restore),
    /// List, fetch or remove model files. Needs no running host.
    Models {
        #[command(subcommand)]
        verb: ModelsVerb,
        #[command(flatten)]
        local: Local,
    },
    /// Show alerts, say that they were seen, or keep them silent for a while.
    Alerts {
        #[command(subcommand)]
        verb: Option<AlertsVerb>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Say what to add where, from the measured load: what it would cost and what it would buy. Changes nothing.
    Plan(Plan),
    /// Give out tokens and take them back.
    Tokens {
        #[command(subcommand)]
        verb: TokensVerb,
        #[command(flatten)]
        connection: Connection,
    },
    /// Speak the Model Context Protocol on stdin and stdout, with the tools of the running host.
    Mcp(Passed),
    /// Begin, check, compare and document tools; list, describe and call those of a running host.
    Tool {
        #[command(subcommand)]
        verb: ToolVerb,
    },
    /// Look at the configuration.
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// Look at this machine and the running host, and say what is wrong.
    Doctor(Connection),
}

/// Where data and configuration are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Local {
    /// Where the journal, the models and the tokens are kept.
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// A configuration file, instead of syzygy.toml in the data directory.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// How a host is started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Up {
    /// Where data and configuration are.
    #[command(flatten)]
    pub local: Local,
    /// Address and port of the HTTP interface, such as 127.0.0.1:7171.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
}

/// Whose messages are passed on.
#[derive(Debug, Args)]
pub(super) struct Passed {
    /// The folder that is granted to every tool that is called, by its name in the host's configuration.
    #[arg(long, value_name = "NAME")]
    pub(super) workspace: Option<String>,
    #[command(flatten)]
    pub(super) connection: Connection,
}

/// How a running host is reached.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Connection {
    /// Where the host answers; else SYZYGY_URL, else what the host wrote into its data directory.
    #[arg(long, global = true, value_name = "URL")]
    pub(super) url: Option<String>,
    /// The token; else SYZYGY_TOKEN, else the operator's in the data directory.
    #[arg(long, global = true, value_name = "TOKEN", hide_env_values = true)]
    pub(super) token: Option<String>,
    /// Certificates to trust for https, in PEM form; else SYZYGY_CA, else those of this machine. A host of this
    /// machine that was found by its data directory is trusted by the certificate it was started with.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// The certificate to show to a host that wants one; else SYZYGY_CERT.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) cert: Option<PathBuf>,
    /// Its private key; else SYZYGY_KEY.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
    #[command(flatten)]
    pub(super) local: Local,
}

#[derive(Debug, Args)]
pub(super) struct Ask {
    /// The task. `-` is what comes in on stdin, as is no text at all.
    #[arg(value_name = "TEXT")]
    pub(super) text: Vec<String>,
    /// A file the task is about; may be given several times.
    #[arg(short, long = "file", value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The agent that is to do it, if its constraints allow.
    #[arg(long, value_name = "NAME")]
    pub(super) agent: Option<String>,
    /// How private the task is at least.
    #[arg(long, value_enum, default_value_t = Privacy::Public)]
    pub(super) privacy: Privacy,
    /// A region the task may be in, such as `eu`; may be given several times. Without any, those of the configuration.
    #[arg(long, value_name = "REGION")]
    pub(super) residency: Vec<String>,
    /// Tokens of the answer (of each chunk) at the most.
    #[arg(long, value_name = "N")]
    pub(super) max_tokens: Option<u32>,
    /// Keeps a conversation on one candidate.
    #[arg(long, value_name = "NAME")]
    pub(super) session: Option<String>,
    /// Seconds it may take.
    #[arg(long, value_name = "SECONDS")]
    pub(super) timeout: Option<u64>,
    /// Print the run id at once and leave; the work goes on.
    #[arg(long)]
    pub(super) detach: bool,
    /// Print the answer while it grows, also when stdout is no terminal.
    #[arg(long)]
    pub(super) stream: bool,
    #[command(flatten)]
    pub(super) connection: Connection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Privacy {
    /// May be shown to anybody.
    Public,
    /// Stays among the operator's own people and machines.
    Internal,
    /// Stays on machines the operator controls.
    Confidential,
    /// Never leaves this machine.
    Restricted,
}

impl From<Privacy> for PrivacyClass {
    fn from(privacy: Privacy) -> PrivacyClass {
        match privacy {
            Privacy::Public => PrivacyClass::Public,
            Privacy::Internal => PrivacyClass::Internal,
            Privacy::Confidential => PrivacyClass::Confidential,
            Privacy::Restricted => PrivacyClass::Restricted,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Tier {
    /// This machine.
    Local,
    /// A machine the operator controls.
    Private,
    /// A place the operator has an agreement with.
    Partner,
    /// Anywhere.
    External,
}

impl From<Tier> for TrustTier {
    fn from(tier: Tier) -> TrustTier {
        match tier {
            Tier::Local => TrustTier::Local,
            Tier::Private => TrustTier::Private,
            Tier::Partner => TrustTier::Partner,
            Tier::External => TrustTier::External,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Tree {
    /// Draw it again and again until Ctrl-C.
    #[arg(short, long)]
    pub(super) watch: bool,
    /// Milliseconds between two drawings.
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(100..))]
    pub(super) every: u64,
    #[command(flatten)]
    pub(super) connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Runs {
    /// How many at the most.
    #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(super) limit: u32,
    /// Only runs older than this one.
    #[arg(long, value_name = "RUN")]
    pub(super) after: Option<String>,
    /// Only runs that stand so.
    #[arg(long, value_enum)]
    pub(super) status: Option<Status>,
    #[command(flatten)]
    pub(super) connection: Connection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Status {
    Running,
    Parked,
    Completed,
    Failed,
    Cancelled,
    Interrupted,
}

impl From<Status> for RunStatus {
    fn from(status: Status) -> RunStatus {
        match status {
            Status::Running => RunStatus::Running,
            Status::Parked => RunStatus::Parked,
            Status::Completed => RunStatus::Completed,
            Status::Failed => RunStatus::Failed,
            Status::Cancelled => RunStatus::Cancelled,
            Status::Interrupted => RunStatus::Interrupted,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Budgets {
    /// Only scopes that begin so, such as `tenant:` or `tenant:acme`.
    #[arg(value_name = "SCOPE")]
    pub(super) scope: Option<String>,
    #[command(flatten)]
    pub(super) connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Why {
    /// The run: its id, the beginning of it, or `last`.
    #[arg(value_name = "RUN")]
    pub(super) run: String,
    #[command(flatten)]
    pub(super) connection: Connection,
}

#[derive(Debug, Subcommand)]
pub(super) enum AuditVerb {
    /// Read the whole chain and say whether it is what was written. Works without a host too.
    Verify(Verify),
    /// Write the journal as lines of JSON that prove themselves. Works without a host and on a damaged journal too.
    Export(Export),
    /// Make the rows (runs, governance, memories) anew from the events, while no host runs.
    Rebuild(Local),
}

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to make.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) local: Local,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) local: Local,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Check this exported file or archive instead of the journal; several must go on from each other.
    #[arg(long = "file", value_name = "FILE", num_args = 1..)]
    pub(super) files: Vec<PathBuf>,
    /// After the files, check the journal too, which must go on from the last of them.
    #[arg(long, requires = "files")]
    pub(super) journal: bool,
    #[command(flatten)]
    pub(super) connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// Number of the first event.
    #[arg(long, value_name = "SEQ", default_value_t = 1)]
    pub(super) from: u64,
    /// How far the place is trusted that it is for: what that may not see is withheld.
    #[arg(long, value_enum)]
    pub(super) tier: Option<Tier>,
    /// Where that place is.
    #[arg(long, requires = "tier")]
    pub(super) region: Option<String>,
    #[command(flatten)]
    pub(super) connection: Connection,
}

#[derive(Debug, Subcommand)]
pub(super) enum ModelsVerb {
    /// Show which models there are and which are here.
    List,
    /// Fetch models; all of the catalogue if none is named.
    Pull {
        /// Ids of models.
        #[arg(value_name = "MODEL")]
        models: Vec<String>,
    },
    /// Remove the files of models.
    Rm {
        /// Ids of models.
        #[arg(value_name = "MODEL", required = true)]
        models: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum TokensVerb {
    /// Show which tokens were given out.
    List,
    /// Make a token. It is printed once and kept nowhere.
    Make {
        /// Who it is for; `acme/anna` belongs to the tenant `acme` and shares its budgets, policies and regions.
        name: String,
        /// What it may be used for; may be given several times.
        #[arg(long = "scope", value_enum, required = true)]
        scopes: Vec<ScopeWord>,
        /// Seconds after which it is no longer good.
        #[arg(long, value_name = "SECONDS")]
        expires_in: Option<u64>,
    },
    /// Take a token back.
    Revoke {
        /// Who it was for.
        name: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ScopeWord {
    /// See runs, tables, the tree and metrics.
    Read,
    /// Give tasks, and stop one's own.
    Route,
    /// Change weights, caps and overrides, and stop anybody's run.
    Control,
    /// Read the whole journal, and give out tokens.
    Admin,
    /// See the work that waits for people, and decide on it.
    Review,
}

impl From<ScopeWord> for Scope {
    fn from(word: ScopeWord) -> Scope {
        match word {
            ScopeWord::Read => Scope::Read,
            ScopeWord::Route => Scope::Route,
            ScopeWord::Control => Scope::Control,
            ScopeWord::Admin => Scope::Admin,
            ScopeWord::Review => Scope::Review,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum AlertsVerb {
    /// List alerts that fire, newest first.
    List {
        /// Those that are over too.
        #[arg(long)]
        all: bool,
        /// List silences instead.
        #[arg(long, conflicts_with = "all")]
        silences: bool,
    },
    /// Say that an alert was seen.
    Ack {
        /// Its number.
        id: u64,
    },
    /// Tell nobody of what is raised from now on and matches. It is recorded all the same.
    Silence {
        /// What an alert must be, such as kind=loops, subject=host/*, severity=warning or a label; all of it must fit.
        #[arg(value_name = "NAME=PATTERN", required = true)]
        matchers: Vec<String>,
        /// Seconds until it ends.
        #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
        expires_in: u64,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Lift a silence.
    Unsilence {
        /// Its number.
        id: u64,
    },
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    /// Seconds that are looked back; else what the host's config says.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) window: Option<u64>,
    #[command(flatten)]
    pub(super) connection: Connection,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigVerb {
    /// Check every layer and show what is in force, and where it came from.
    Check(Up),
}
