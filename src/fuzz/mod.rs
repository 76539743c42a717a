//! What is fuzzed: everything that reads bytes somebody else wrote. One target a kind of input, for `cargo
//! fuzz` (see `fuzz/`) and for the short run that every `make test` does on the same functions.
//!
//! A target takes any bytes, and neither panics nor takes more time or memory than their number explains. Each of its
//! readers says whether the bytes were what it reads: a corpus that none of them takes would try refusals only.

#[cfg(test)]
mod mutate;
#[cfg(test)]
mod tests;

use crate::actors::io::RunStatus;
use crate::host::projections;
use crate::store::Event;
use crate::types::RunId;
use crate::{api, cli, config, egress, inference, rat, sandbox, tds};

/// What reads an input: what it reads it as, and a function that does, and says whether it was one.
pub type Reader = (&'static str, fn(&[u8]) -> bool);

/// What fuzzes: its name, which is that of its corpus too, and all that read its inputs.
pub type Target = (&'static str, &'static [Reader]);

/// Every target.
pub const TARGETS: [Target; 10] = [
    ("config", &[("agent", config::fuzz::agent), ("file", config::fuzz::file), ("variable", config::fuzz::variable)]),
    ("bodies", &api::fuzz::BODIES),
    ("connection", &[("requests", api::fuzz::connection)]),
    ("journal", &[("export", export), ("events", events)]),
    ("gguf", &[("model", inference::fuzz_gguf)]),
    ("sse", &[("endpoint", inference::fuzz_stream), ("host", cli::fuzz::stream)]),
    ("lists", &[("models", models), ("prices", prices)]),
    ("tools", &[("description", tools)]),
    ("output", &[("answer", sandbox::protocol::fuzz)]),
    ("egress", &egress::fuzz::TRAFFIC),
];

/// The target of this name; one that does nothing if there is none, which a test rules out for each program in `fuzz/`.
pub fn target(name: &str) -> impl Fn(&[u8]) + use<> {
    let readers = TARGETS.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, readers)| *readers);
    move |bytes| {
        for (_, read) in readers {
            read(bytes);
        }
    }
}

/// A tool's description, in each of its formats.
fn tools(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(tds::fuzz::description)
}

/// The list of models in a data directory.
fn models(bytes: &[u8]) -> bool {
    config::fuzz::models(bytes).is_some_and(|catalog| !catalog.models.is_empty())
}

/// The list of prices in a data directory. A price that is taken is one.
fn prices(bytes: &[u8]) -> bool {
    let Some(prices) = config::fuzz::prices(bytes) else { return false };
    for row in &prices.prices {
        assert!(row.input >= 0 && row.output >= 0, "a negative price was taken: {row:?}");
        assert!(row.cached_input.is_none_or(|cached| (0..=row.input).contains(&cached)), "{row:?}");
    }
    !prices.prices.is_empty()
}

/// A journal as a file of lines: the check of its chain.
fn export(bytes: &[u8]) -> bool {
    rat::check_export(bytes).is_ok_and(|found| found.verified > 0 && found.first_bad.is_none())
}

/// A journal as a file of lines: every fold over its events.
fn events(bytes: &[u8]) -> bool {
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
    !events.is_empty()
}
