//! What fuzzing does with a configuration file. Each says whether what it was given can be used.

use super::error::Source;
use super::judge;
use super::tree::{self, Node};
use super::{Config, DEFAULTS, agents, beside};
use crate::inference::models::Catalog;
use crate::ziggy::budget::PriceFile;

/// Explains what is wrong, which must be possible whatever it is.
fn explain(problems: Vec<super::Problem>) -> String {
    problems.iter().map(ToString::to_string).collect()
}

fn source(line: usize) -> Source {
    Source::File { path: "fuzzed".to_owned(), line }
}

/// Reads these bytes as an agent's file.
pub fn agent(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    agents::profile("fuzzed", text).map_err(explain).is_ok()
}

/// Reads these bytes as the list of models in a data directory.
pub fn models(bytes: &[u8]) -> Option<Catalog> {
    let text = std::str::from_utf8(bytes).ok()?;
    beside::listed("fuzzed", "model", text).map_err(explain).ok()
}

/// Reads these bytes as the list of prices in a data directory.
pub fn prices(bytes: &[u8]) -> Option<PriceFile> {
    let text = std::str::from_utf8(bytes).ok()?;
    beside::listed("fuzzed", "prices", text).map_err(explain).ok()
}

/// Reads these bytes as the user's file.
pub fn file(bytes: &[u8]) -> bool {
    let (Ok(text), Ok(defaults)) = (std::str::from_utf8(bytes), Node::parse(DEFAULTS, &|_| Source::Default)) else {
        return false;
    };
    match Node::parse(text, &source) {
        Ok(own) => {
            let overrides = defaults.overrides(own);
            judge::decide::<Config>(defaults, overrides).map_err(explain).is_ok()
        }
        Err(found) => {
            explain(found);
            false
        }
    }
}

/// Reads the first line as the name of a variable and the rest as its value.
pub fn variable(bytes: &[u8]) -> bool {
    let (Ok(text), Ok(defaults)) = (std::str::from_utf8(bytes), Node::parse(DEFAULTS, &|_| Source::Default)) else {
        return false;
    };
    let (variable, value) = text.split_once('\n').unwrap_or((text, "1"));
    let environment = [(format!("SYZYGY_{variable}"), value.to_owned())];
    let (layer, problems) = tree::environment_layer(&defaults, &environment);
    let (overrides, known) = (defaults.overrides(layer), problems.is_empty());
    explain(problems);
    let decided = judge::decide::<Config>(defaults, overrides.clone()).map_err(explain);
    known && !overrides.is_empty() && decided.is_ok()
}
