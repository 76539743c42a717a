//! Budgets and prices as a host begins with them: its files, its runtimes, and what the journal says was spent.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::Error;
use super::backends::user_file;
use crate::actors::crown::{Opening, Provider, Treasury};
use crate::actors::io::budget::Found;
use crate::actors::{io, runtime};
use crate::config::Config;
use crate::inference::RuntimeConfig;
use crate::store::Journal;
use crate::types::{Price, World};
use crate::ziggy::budget::PriceList;
use crate::ziggy::route::Candidate;

/// Prices the binary knows; the same file in the data directory adds to them.
const PRICES: &str = include_str!("../../config/prices.toml");

/// Prices of the operator's own, in the data directory.
pub(super) const PRICES_FILE: &str = "prices.toml";

/// The prices of this data directory, and that whatever is paid for has one. Read before anything is opened.
pub(super) fn prices(config: &Config, data: Option<&Path>) -> Result<PriceList, Error> {
    let prices = listed(data)?;
    for (name, runtime) in &config.inference.runtimes {
        // What is paid for elsewhere must have a price, or a budget would let everything pass.
        if let RuntimeConfig::Openai(own) = runtime
            && own.price.is_none()
            && !prices.rows().any(|row| row.covers(name, &own.model))
        {
            return Err(Error::File {
                file: format!("inference.runtimes.{name}"),
                reason: format!("it has no price, and no row of prices.toml matches {name}/{}", own.model),
            });
        }
    }
    Ok(prices)
}

fn listed(data: Option<&Path>) -> Result<PriceList, Error> {
    let wrong = |file: &str, reasons: Vec<String>| Error::File { file: file.to_owned(), reason: reasons.join("; ") };
    let own = PriceList::read(PRICES).map_err(|reasons| wrong("config/prices.toml", reasons))?;
    let Some(path) = data.map(|data| data.join(PRICES_FILE)) else { return Ok(own) };
    let Some(text) = user_file(&path)? else { return Ok(own) };
    let file = path.display().to_string();
    let added = PriceList::read(&text).map_err(|reasons| wrong(&file, reasons))?;
    own.merged(added).map_err(|reasons| wrong(&file, reasons))
}

/// Settles what the host before this one left: charges what nobody knows the end of, and then marks the runs, since
/// nothing of a run comes after its end. Returns the budgets, and how many runs there were.
pub(super) async fn unfinished(
    journal: &Arc<dyn Journal>,
    config: &Config,
    world: &World,
) -> Result<(Found, usize), Error> {
    let found = io::budget::find(journal, &config.budgets, world.clock.wall(), "host").await?;
    if found.charged > 0 {
        tracing::warn!(charged = found.charged, "reservations whose outcome is not known were charged in full");
    }
    Ok((found, io::record::interrupt_unfinished(journal, "host").await?))
}

/// Opens the treasury with what was found in the journal.
pub(super) fn open(
    treasury: &Treasury,
    found: Found,
    prices: PriceList,
    runtimes: &BTreeMap<String, runtime::Handle>,
    config: &Config,
) {
    let mut providers = BTreeMap::new();
    for (name, handle) in runtimes {
        let seen = handle.capabilities();
        let configured = config.inference.runtimes.get(name);
        // A runtime in code says itself what it costs, and may stand where the configuration has another. That something
        // costs nothing is only said if the configuration says so.
        let free = configured.and_then(RuntimeConfig::price) == Some(Price::default());
        let price = (free || seen.price != Price::default()).then_some(seen.price);
        providers.insert(name.clone(), Provider { model: seen.model, price });
    }
    let Found { ledger, since, last: first, .. } = found;
    treasury.open(Opening { ledger, since, first, prices, providers });
}

/// The candidates at the prices that are in force.
pub(super) fn priced(mut candidates: Vec<Candidate>, treasury: &Treasury) -> Vec<Candidate> {
    for candidate in &mut candidates {
        candidate.price = treasury.price(&candidate.runtime).unwrap_or(candidate.price);
    }
    candidates
}
