//! Budgets and prices as a host begins with them: its files, its runtimes, and what the journal says was spent.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Error;
use crate::actors::crown::{Opening, Provider, Treasury};
use crate::actors::io::budget::Found;
use crate::actors::{io, runtime};
use crate::config::Config;
use crate::inference::RuntimeConfig;
use crate::store::Journal;
use crate::types::{Price, World};
use crate::ziggy::budget::PriceList;
use crate::ziggy::route::Candidate;

/// What is paid for elsewhere and has no price, or a budget would let everything pass: the key, and what would help.
pub(super) fn unpriced(config: &Config, prices: &PriceList) -> Vec<(String, String)> {
    let lacking = |(name, runtime): (&String, &RuntimeConfig)| match runtime {
        RuntimeConfig::Openai(own) if own.price.is_none() && !prices.rows().any(|row| row.covers(name, &own.model)) => {
            let expected = format!(
                "a model with a price: `price` beside it, or a row of prices.toml that matches {name}/{}",
                own.model
            );
            Some((format!("inference.runtimes.{name}.model"), expected))
        }
        _ => None,
    };
    config.inference.runtimes.iter().filter_map(lacking).collect()
}

/// Prices of which everything that is paid for has one.
pub(super) fn complete(config: &Config, prices: PriceList) -> Result<PriceList, Error> {
    match unpriced(config, &prices).into_iter().next() {
        None => Ok(prices),
        Some((key, expected)) => {
            Err(Error::File { file: key, reason: format!("it has no price; expected {expected}") })
        }
    }
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
