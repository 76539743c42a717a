//! What fuzzing does with a configuration file.

use super::error::Source;
use super::judge;
use super::tree::{self, Node};
use super::{Config, DEFAULTS, agents};

/// Reads this text as the user's file, as an agent's, and as a value of the environment, and explains what is wrong.
pub fn file(text: &str) {
    let source = |line: usize| Source::File { path: "fuzzed".to_owned(), line };
    let explain = |problems: Vec<super::Problem>| problems.iter().map(ToString::to_string).collect::<String>();
    let _ = agents::profile("fuzzed", text).map_err(explain);
    let Ok(defaults) = Node::parse(DEFAULTS, &|_| Source::Default) else { return };
    let (variable, value) = text.split_once('\n').unwrap_or((text, "1"));
    let environment = [(format!("SYZYGY_{variable}"), value.to_owned())];
    let (layer, mut problems) = tree::environment_layer(&defaults, &environment);
    let mut overrides = defaults.overrides(layer);
    match Node::parse(text, &source) {
        Ok(own) => overrides.extend(defaults.overrides(own)),
        Err(found) => problems.extend(found),
    }
    let _ = judge::decide::<Config>(defaults, overrides).map_err(explain);
    let _ = explain(problems);
}
