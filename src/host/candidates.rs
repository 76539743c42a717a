//! Agents as candidates: of a host that starts, and of a configuration that somebody only thinks about.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Error, budgets};
use crate::actors::agent::{self, Definition};
use crate::actors::router;
use crate::config::{self, Config};
use crate::inference::{Capabilities, accounts};
use crate::types::{Modality, Price, Timestamp, TrustTier};
use crate::ziggy::Millionths;
use crate::ziggy::budget::{PriceList, PriceRow};
use crate::ziggy::route::{Candidate, Capability, Company, Health, Live, Origin, Rib};

/// Whom a host with this configuration and data directory would begin with, by its files alone: nothing is opened, and no
/// key is needed. Code that embeds a host may add others.
pub(super) fn company(config: &Config, data: &Path, at: Timestamp) -> Result<Company, Error> {
    let beside = config::beside(Some(data), config.router.candidates_most).map_err(config::Error::of)?;
    let listed = budgets::complete(config, beside.prices)?;
    let mut agents: BTreeMap<String, Definition> = BTreeMap::new();
    for profile in config::bundled_agents()?.into_iter().chain(beside.agents) {
        agents.insert(profile.name.clone(), Definition::prompted(profile));
    }
    let agents: Vec<Definition> = agents.into_values().collect();
    let (mut places, mut prices) = (BTreeMap::new(), BTreeMap::new());
    for (name, runtime) in &config.inference.runtimes {
        let seen = runtime.clone().placed(config.privacy.here()).capabilities(name);
        prices.insert(name.clone(), dated(&listed, &seen, runtime.price()));
        places.insert(name.clone(), seen);
    }
    let rib = Rib::of(of_agents(&agents, &places, at)).map_err(Error::Candidates)?;
    let both = agents.iter().flat_map(|agent| places.keys().map(|place| format!("{}@{place}", agent.profile.name)));
    let offers = both.filter_map(|id| router::offer(&rib, &places, &id).ok());
    let offers = offers.map(|one| (one.id.clone(), one)).collect();
    let own = rib.candidates.values().map(|one| (one.id.clone(), Candidate::clone(one))).collect();
    Ok(Company { own, offers, prices })
}

/// What the tokens of a runtime cost, from when on: its own price, or that of the list.
fn dated(listed: &PriceList, seen: &Capabilities, own: Option<Price>) -> BTreeMap<Timestamp, Price> {
    let (mut dated, mut next) = (BTreeMap::new(), Some(Timestamp(i64::MIN)));
    while let Some(from) = next {
        let row = || listed.in_force(&seen.name, &seen.model, from).map(PriceRow::price);
        dated.insert(from, own.or_else(row).unwrap_or(seen.price));
        next = listed.next_change(from);
    }
    dated
}

/// Every agent as the router sees it.
pub(super) fn of_agents(
    agents: &[Definition],
    places: &BTreeMap<String, Capabilities>,
    at: Timestamp,
) -> Vec<Candidate> {
    let accounts = accounts(places);
    let same_as = |own: &String| accounts.get(own).map(|one| one.same.clone()).filter(|same| same != own);
    let one = |definition: &Definition| Candidate {
        same_as: same_as(&definition.profile.runtime).unwrap_or_default(),
        ..candidate(definition, places, at)
    };
    agents.iter().map(one).collect()
}

/// What an agent offers, and what its runtime costs and may see.
fn candidate(definition: &Definition, places: &BTreeMap<String, Capabilities>, at: Timestamp) -> Candidate {
    let profile = &definition.profile;
    let runtime = places.get(&profile.runtime).cloned();
    let code = matches!(definition.brain, agent::Brain::Code(_));
    let health = match &runtime {
        Some(_) => Health::Healthy,
        None if code => Health::Healthy,
        None => Health::Unhealthy {
            reason: format!("its runtime {:?} is not configured; add [inference.runtimes.{0}]", profile.runtime),
        },
    };
    let in_process = code && runtime.is_none();
    // Code without a runtime works in this process, for nothing, on texts of any length.
    let nothing = Capabilities {
        name: "code".to_owned(),
        model: profile.name.clone(),
        provider: None,
        tier: TrustTier::Local,
        region: None,
        modalities: vec![Modality::Text],
        chat: true,
        tools: false,
        own_tokenizer: false,
        embed: false,
        context_tokens: u32::MAX,
        price: Price::default(),
    };
    // A runtime nobody configured is trusted with nothing; what else it could do nobody knows.
    let unknown = Capabilities { tier: TrustTier::External, ..nothing.clone() };
    let seen = runtime.unwrap_or(if code { nothing } else { unknown });
    let appetite = profile.appetite(code && !in_process, in_process || seen.own_tokenizer, in_process || seen.tools);
    let quality = |(name, quality): (&String, &f32)| (Capability::new(name), Millionths::of(f64::from(*quality)));
    let micros = |millis: u64| millis.saturating_mul(1_000);
    Candidate {
        id: format!("{}@{}", profile.name, if in_process { "code" } else { &profile.runtime }),
        agent: profile.name.clone(),
        runtime: profile.runtime.clone(),
        provider: seen.provider.map(|own| own.to_string()).unwrap_or_default(),
        model: seen.model,
        same_as: String::new(),
        capabilities: profile.capabilities.iter().map(|name| Capability::new(name)).collect(),
        modalities: seen.modalities,
        tier: seen.tier,
        region: seen.region,
        price: seen.price,
        context_tokens: seen.context_tokens,
        appetite,
        quality: Millionths::of(f64::from(profile.quality)),
        qualities: profile.qualities.iter().map(quality).collect(),
        live: Live::assumed(micros(profile.assumed_first_token_ms), micros(profile.assumed_token_ms), at),
        origin: if code { Origin::Code } else { Origin::Config },
        since: at,
        expires: None,
        weight: profile.weight,
        cap: Some(profile.concurrency.saturating_add(u32::try_from(profile.waiting).unwrap_or(u32::MAX))),
        enabled: profile.enabled,
        health,
        quarantined: None,
    }
}
