//! What is fuzzed: everything that reads bytes somebody else wrote. One function a target, for `cargo fuzz` (see
//! `fuzz/`) and for the short run that every `make test` does on the same functions.
//!
//! A target takes any bytes, and neither panics nor takes more time or memory than their number explains.

#[cfg(test)]
mod mutate;
#[cfg(test)]
mod tests;

use crate::actors::io::RunStatus;
use crate::host::projections;
use crate::inference::models::Catalog;
use crate::store::Event;
use crate::types::RunId;
use crate::ziggy::budget::PriceList;
use crate::{api, cli, config, inference, rat, sandbox};

/// What fuzzes: its name, which is that of its corpus too, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 8] = [
    ("config", configuration),
    ("bodies", api::fuzz::bodies),
    ("connection", api::fuzz::connection),
    ("journal", journal),
    ("gguf", inference::fuzz_gguf),
    ("sse", streams),
    ("lists", lists),
    ("tools", sandbox::protocol::fuzz),
];

/// The target of this name; one that does nothing if there is none, which a test rules out for each program in `fuzz/`.
pub fn target(name: &str) -> fn(&[u8]) {
    TARGETS.iter().find(|(known, _)| *known == name).map_or(|_| (), |(_, target)| *target)
}

/// The lists in a data directory: of models and of prices. A price that is taken is one.
pub fn lists(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = Catalog::read(text);
    if let Ok(prices) = PriceList::read(text) {
        for row in prices.rows() {
            assert!(row.input >= 0 && row.output >= 0, "a negative price was taken: {row:?}");
        }
    }
}

/// A configuration file, an agent's file, a variable of the environment.
pub fn configuration(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        config::fuzz::file(text);
    }
}

/// A journal as a file of lines: the check of its chain, and every fold over its events.
pub fn journal(bytes: &[u8]) {
    let _ = rat::check_export(bytes);
    let text = String::from_utf8_lossy(bytes);
    let events: Vec<Event> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for projection in projections() {
        let mut rows = std::collections::BTreeMap::new();
        for event in &events {
            for key in projection.keys(event) {
                let row = projection.fold(&key, rows.remove(&key), event);
                rows.extend(row.map(|row| (key, row)));
            }
        }
    }
    if let Some(run) = events.iter().find_map(|event| event.run).or("0".repeat(32).parse::<RunId>().ok()) {
        api::why(run, RunStatus::Completed, &events, &api::Tables::default());
    }
}

/// A stream of events, as an endpoint sends it and as a host does.
pub fn streams(bytes: &[u8]) {
    inference::fuzz_stream(bytes);
    cli::fuzz::stream(bytes);
}
