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

/// The prices of this data directory.
fn prices(data: Option<&Path>) -> Result<PriceList, Error> {
    let wrong = |file: &str, reasons: Vec<String>| Error::File { file: file.to_owned(), reason: reasons.join("; ") };
    let own = PriceList::read(PRICES).map_err(|reasons| wrong("config/prices.toml", reasons))?;
    let Some(path) = data.map(|data| data.join("prices.toml")) else { return Ok(own) };
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
    runtimes: &BTreeMap<String, runtime::Handle>,
    config: &Config,
    data: Option<&Path>,
) -> Result<(), Error> {
    let prices = prices(data)?;
    let mut providers = BTreeMap::new();
    for (name, handle) in runtimes {
        let seen = handle.capabilities();
        let configured = config.inference.runtimes.get(name);
        let listed = |price: Option<Price>| price.is_some() || prices.rows().any(|row| row.covers(name, &seen.model));
        // What is paid for elsewhere must have a price, or a budget would let everything pass.
        if let Some(own @ RuntimeConfig::Openai(_)) = configured
            && !listed(own.price())
        {
            return Err(Error::File {
                file: format!("inference.runtimes.{name}"),
                reason: format!("it has no price, and no row of prices.toml matches {name}/{}", seen.model),
            });
        }
        // A runtime in code says itself what it costs, and may stand where the configuration has another. That something
        // costs nothing is only said if the configuration says so.
        let free = configured.and_then(RuntimeConfig::price) == Some(Price::default());
        let price = (free || seen.price != Price::default()).then_some(seen.price);
        providers.insert(name.clone(), Provider { model: seen.model, tools: seen.tools, price });
    }
    let Found { ledger, since, .. } = found;
    treasury.open(Opening { ledger, since, prices, providers });
    Ok(())
}

/// The candidates at the prices that are in force.
pub(super) fn priced(mut candidates: Vec<Candidate>, treasury: &Treasury) -> Vec<Candidate> {
    for candidate in &mut candidates {
        candidate.price = treasury.price(&candidate.runtime).unwrap_or(candidate.price);
    }
    candidates
}
