//! Reads the configuration once: defaults in the binary, the user's file, the environment, the command line.
//!
//! What it is for: one [`Config`], made of each part's own, checked before anything is bound or opened.
//! What it owns: how layers are laid over each other, where each value came from, and how wrong ones are explained.
//! What it never does: hold a secret. A key that needs one names an environment variable or a file.
//!
//! Invariants:
//! - CF1: later wins: `config/default.toml`, file, environment, command line. Tables merge key by key, lists are replaced,
//!   but for a key of an entry of tables, which has the entry's number in its path.
//! - CF2: every problem is reported at once, with its place, what was found and what is expected.
//! - CF3: a key that no section knows is a problem, wherever it was said.

mod agents;
mod beside;
mod cpu;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod judge;
mod kinds;
mod limits;
mod lists;
mod names;
mod sections;
mod tree;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::actors::agent::Profile;
use crate::actors::{crown, executor, inbox, io, router, runtime};
use crate::adapters::mcp;
use crate::{api, egress, inference, lap, memory, sandbox, secrets, store, supervision, telemetry, ziggy};
use tree::{Node, Override};

pub use agents::{agents_in, bundled_agents};
pub use beside::{Beside, beside, models_in, prices_in};
pub use cpu::cpu_check;
pub use error::{Error, Problem, Source};
pub use sections::Host;

/// Every default, as text. The file explains each key.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// The file that is read from the data directory if no other is named.
const FILE_NAME: &str = "syzygy.toml";

/// Makes [`Config`] out of one line a section: its name, its type, and the function that says which of its keys have
/// values that cannot work, if it has one.
macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident: $section:ty $(=> $impossible:path)?,)*) => {
        /// The whole configuration: a section for each part that has one.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Config {
            $($(#[$doc])* pub $name: $section,)*
        }

        impl judge::Checked for Config {
            const EXPLAINED: &'static str = "config/default.toml";

            fn impossible(&self) -> Vec<(String, String)> {
                let mut all = Vec::new();
                $($(
                    let found = $impossible(&self.$name).into_iter();
                    all.extend(found.map(|(key, expected)| (format!("{}.{key}", stringify!($name)), expected)));
                )?)*
                all.extend(limits::impossible(self));
                all
            }

            fn example(path: &[String], whole: &Node) -> Option<(usize, toml::Value)> {
                kinds::runtime(path, whole)
            }

            fn entries(path: &[String]) -> Vec<toml::Value> {
                kinds::entries(&path.join("."))
            }
        }
    };
}

sections! {
    /// The host itself.
    host: Host => Host::impossible,
    /// The HTTP interface.
    api: api::Config => api::Config::impossible,
    /// Tools for programs that speak MCP.
    mcp: mcp::Config => mcp::Config::impossible,
    /// Logs and traces.
    telemetry: telemetry::Config => telemetry::Config::impossible,
    /// The journal.
    store: store::Config,
    /// How actors are watched.
    supervision: supervision::Config,
    /// Runtimes and embeddings.
    inference: inference::Config,
    /// How models are fetched.
    models: inference::models::Config,
    /// How runtimes are driven.
    runtime: runtime::Config,
    /// How tools are run.
    executor: executor::Config,
    /// What stands between tools and the host.
    sandbox: sandbox::Config => sandbox::Config::impossible,
    /// The way out of sandboxes.
    egress: egress::Config => egress::Config::impossible,
    /// Where secrets of tools are.
    secrets: secrets::Config => secrets::Config::impossible,
    /// Tools of this host.
    tools: lap::Config => lap::Config::impossible,
    /// How the routing table is kept.
    router: router::Config,
    /// How the governor watches, and what it does by itself.
    crown: crown::Config => crown::Config::impossible,
    /// What is said to whom.
    alerts: crown::AlertsConfig => crown::AlertsConfig::impossible,
    /// Limits of runs.
    io: io::Config,
    /// When work needs a human, and who is told.
    review: inbox::Config => inbox::Config::impossible,
    /// How tasks are cut and candidates scored.
    ziggy: ziggy::Config,
    /// Limits of an agent's memory.
    memory: memory::Config,
    /// Where this host is, and where data may be.
    privacy: ziggy::privacy::Config => ziggy::privacy::Config::impossible,
    /// What may be spent.
    budgets: ziggy::budget::Config => ziggy::budget::Config::impossible,
    /// How candidates are limited.
    limit: ziggy::limit::Config => ziggy::limit::Config::impossible,
    /// What is done when the first choice does not serve.
    ladder: ziggy::ladder::Config => ziggy::ladder::Config::impossible,
}

/// A key that the command line sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// As the user typed it, such as `--listen`.
    pub name: String,
    /// The key it sets, such as `api.listen`.
    pub key: String,
    /// Its value; takes the type of the default.
    pub value: String,
}

/// What the configuration is made from, besides the defaults.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The file named with `--config`. Without it `syzygy.toml` in the data directory is read, if there is one.
    pub file: Option<PathBuf>,
    /// The environment, as `std::env::vars()` gives it. Variables that are not `SYZYGY_SECTION__KEY` are left alone,
    /// except `XDG_DATA_HOME` and `HOME`, which say where data belongs.
    pub environment: Vec<(String, String)>,
    /// What the command line sets.
    pub flags: Vec<Flag>,
}

/// One effective value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The key, dotted.
    pub key: String,
    /// The value, as TOML.
    pub value: String,
    /// Where it came from: `default`, `file:line`, a variable, or an argument.
    pub source: String,
}

/// A configuration that can be used, and where its values came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    tree: Node,
}

impl Loaded {
    /// Every key with its effective value and its source, in order of key.
    pub fn explain(&self) -> Vec<Setting> {
        let setting = |(path, value, source): (Vec<String>, &toml::Value, &Source)| Setting {
            key: path.join("."),
            value: error::shown(value),
            source: source.to_string(),
        };
        self.tree.leaves().into_iter().map(setting).collect()
    }

    /// What is wrong with the value of a key, found by somebody who looked further than at the value: with its place.
    pub fn problem(&self, key: &str, expected: String) -> Problem {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        self.problem_at(&path, expected)
    }

    /// Names that nobody has beside these agents: each with its place. They may be of somebody who comes later, from code
    /// or by an announcement, so nothing is refused for them; a misspelt one would do nothing, silently.
    pub fn unknown_names(&self, agents: &[Profile]) -> Vec<Problem> {
        let told = |names::Unknown { path, word, expected }: names::Unknown| {
            let problem = self.problem_at(&path, expected);
            Problem { found: word, ..problem }
        };
        names::unknown(&self.config, agents).into_iter().map(told).collect()
    }

    fn problem_at(&self, path: &[String], expected: String) -> Problem {
        let node = self.tree.get(path);
        let (source, found) =
            node.map_or((Source::Default, String::new()), |node| (node.source().clone(), error::shown(&node.value())));
        Problem { source, key: path.join("."), found, expected, meant: None }
    }
}

/// What could be made of what was said, and everything that is wrong with it.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The configuration without what is wrong, to look further with; none if nobody can say where its data is.
    pub loaded: Option<Loaded>,
    /// Everything that is wrong; a host may only be started if it is nothing.
    pub problems: Vec<Problem>,
}

/// Reads and checks the configuration.
///
/// # Errors
/// The file cannot be read, no data directory can be chosen, or anything in any layer is wrong: then all of it.
pub fn load(inputs: &Inputs) -> Result<Loaded, Error> {
    match attempt(inputs)? {
        Attempt { loaded: Some(loaded), problems } if problems.is_empty() => Ok(loaded),
        Attempt { problems, .. } => Err(Error::of(problems)),
    }
}

/// Reads and checks the configuration, and goes on without what is wrong.
///
/// # Errors
/// The file cannot be read, or no data directory can be chosen.
pub fn attempt(inputs: &Inputs) -> Result<Attempt, Error> {
    let defaults = Node::parse(DEFAULTS, &|_| Source::Default).map_err(Error::of)?;
    let data_dir_key = [String::from("host"), String::from("data_dir")];
    let (file, mut problems) = file_layer(inputs, &defaults)?;
    let broken = inputs.file.is_some() && !problems.is_empty();
    let file_overrides = defaults.overrides(file);
    let with_file = lay(defaults.clone(), &file_overrides);
    let (variables, misspelt) = tree::environment_layer(&with_file, &inputs.environment);
    problems.extend(misspelt);
    let variable_overrides = with_file.overrides(variables);
    let with_variables = lay(with_file, &variable_overrides);
    let flag_overrides = with_variables.overrides(flag_layer(&with_variables, &inputs.flags));

    let overrides = [file_overrides, variable_overrides, flag_overrides].concat();
    let said = lay(defaults.clone(), &overrides);
    let place = said.get(&data_dir_key);
    problems.extend(place.and_then(|node| no_directory(node, &inputs.environment)));
    // The file that could not be read may have said where data is.
    let lost = broken && place.is_none_or(|node| node.source() == &Source::Default);
    let decided = judge::decide::<Config>(defaults.clone(), overrides.clone()).or_else(|found| {
        let right = overrides.into_iter().filter(|over| !found.iter().any(|problem| problem.touches(&over.path)));
        let rest = judge::decide::<Config>(defaults, right.collect());
        problems.extend(found);
        rest
    });
    let Some((mut config, mut tree)) = decided.ok().filter(|_| !lost) else {
        return Ok(Attempt { loaded: None, problems });
    };
    match data_dir(&config.host.data_dir, &inputs.environment) {
        Ok((place, source)) => {
            if let Some(source) = source {
                let text = toml::Value::String(place.display().to_string());
                tree.set(&data_dir_key, Node::Leaf(text, source));
            }
            config.host.data_dir = place;
        }
        Err(_) if !problems.is_empty() => return Ok(Attempt { loaded: None, problems }),
        Err(error) => return Err(error),
    }
    Ok(Attempt { loaded: Some(Loaded { config, tree }), problems })
}

fn lay(mut base: Node, overrides: &[Override]) -> Node {
    for over in overrides {
        base.set(&over.path, over.node.clone());
    }
    base
}

/// What is wrong with the data directory, if something else is in its place.
fn no_directory(said: &Node, environment: &[(String, String)]) -> Option<Problem> {
    let (place, source) = data_dir(Path::new(said.value().as_str()?), environment).ok()?;
    std::fs::metadata(&place).ok().filter(|found| !found.is_dir())?;
    Some(Problem {
        source: source.unwrap_or(said.source().clone()),
        key: "host.data_dir".to_owned(),
        found: format!("{:?}, which is no directory", place.display().to_string()),
        expected: "a directory, or a name under which one can be made".to_owned(),
        meant: None,
    })
}

/// The user's file: the one that was named, or the one in the data directory, which cannot move the data directory.
fn file_layer(inputs: &Inputs, defaults: &Node) -> Result<(Node, Vec<Problem>), Error> {
    let parsed = |path: &Path, bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            vec![Problem::no_text(path, error.as_bytes(), valid)]
        });
        let path = path.display().to_string();
        let source = |line: usize| Source::File { path: path.clone(), line };
        let node = text.and_then(|text| Node::parse(&text, &source));
        node.map_or_else(|problems| (Node::empty(), problems), |node| (node, Vec::new()))
    };
    if let Some(path) = &inputs.file {
        let bytes = std::fs::read(path).map_err(|error| Error::unreadable(path, &error))?;
        return Ok(parsed(path, bytes));
    }
    let (variables, _) = tree::environment_layer(defaults, &inputs.environment);
    let key = [String::from("host"), String::from("data_dir")];
    let flagged = inputs.flags.iter().rev().find(|flag| flag.key == "host.data_dir").map(|flag| flag.value.clone());
    let named = variables.get(&key).and_then(|node| node.value().as_str().map(str::to_owned));
    let chosen = flagged.or(named).unwrap_or_default();
    let Ok((folder, _)) = data_dir(Path::new(&chosen), &inputs.environment) else {
        return Ok((Node::empty(), Vec::new()));
    };
    let path = folder.join(FILE_NAME);
    let (node, mut problems) = match std::fs::read(&path) {
        Ok(bytes) => parsed(&path, bytes),
        // That something else is in the directory's place is told by its own key.
        Err(error) if beside::absent(&error) => return Ok((Node::empty(), Vec::new())),
        Err(error) => return Err(Error::unreadable(&path, &error)),
    };
    if let Some(moved) = node.get(&key) {
        problems.push(Problem {
            source: moved.source().clone(),
            key: key.join("."),
            found: "it in the file that lies in the data directory".to_owned(),
            expected: "it in a file given with --config, in SYZYGY_HOST__DATA_DIR, or as --data-dir".to_owned(),
            meant: None,
        });
    }
    Ok((node, problems))
}

fn flag_layer(base: &Node, flags: &[Flag]) -> Node {
    let mut layer = Node::empty();
    for flag in flags {
        let path: Vec<String> = flag.key.split('.').map(str::to_owned).collect();
        let value = tree::typed(&flag.value, base.get(&path));
        layer.set(&path, tree::value_node(value, &Source::Flag(flag.name.clone())));
    }
    layer
}

/// The data directory: what was said, with `~/` unfolded, or the platform's place and the variable that named it.
fn data_dir(said: &Path, environment: &[(String, String)]) -> Result<(PathBuf, Option<Source>), Error> {
    let variable = |name: &str| environment.iter().find(|(known, value)| known == name && !value.is_empty());
    let home = variable("HOME").map(|(name, value)| (name, PathBuf::from(value)));
    if let Ok(rest) = said.strip_prefix("~") {
        return home.map(|(_, home)| (home.join(rest), None)).ok_or(Error::NoHome);
    }
    if !said.as_os_str().is_empty() {
        return Ok((said.to_owned(), None));
    }
    // The XDG specification says that a relative path in its variables is to be ignored.
    let data_home = variable("XDG_DATA_HOME").map(|(name, value)| (name, PathBuf::from(value)));
    let data_home = data_home.filter(|(_, path)| path.is_absolute());
    let (name, folder) =
        data_home.or(home.map(|(name, home)| (name, home.join(".local/share")))).ok_or(Error::NoHome)?;
    Ok((folder.join("syzygy"), Some(Source::Environment(name.clone()))))
}
