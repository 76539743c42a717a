//! Who can be announced by a person: an agent of the configuration on a runtime that is not its own. Pure.

use std::collections::BTreeMap;

use super::Error;
use crate::inference::{Capabilities, accounts};
use crate::types::some_of;
use crate::ziggy::Announced;
use crate::ziggy::route::{Candidate, Health, Live, Origin, Rib};

/// The agent on the runtime that an id such as `marvin@field` names, as it is without a word of the one who announces it:
/// the place, the price and what can be read are the runtime's, and nobody says otherwise.
///
/// # Errors
/// There is no such agent or runtime, or the configuration has put one on the other itself.
pub fn offer(rib: &Rib, runtimes: &BTreeMap<String, Capabilities>, id: &str) -> Result<Candidate, Error> {
    let own = || rib.candidates.values().filter(|one| one.origin != Origin::Operator);
    if own().any(|one| one.id == id) {
        return Err(Error::Configured(id.to_owned()));
    }
    let refused = |what: String, known: Vec<&str>| {
        let known = if known.is_empty() { "none".to_owned() } else { some_of(known) };
        Error::NoOffer { id: id.to_owned(), what, known }
    };
    let (agent, runtime) = id.split_once('@').unwrap_or((id, ""));
    // Code picks its runtime when the program is built, and may look at it.
    let prompted = || own().filter(|one| one.origin != Origin::Code);
    let Some(like) = prompted().find(|one| one.agent == agent) else {
        return Err(refused(format!("agent {agent:?}"), prompted().map(|one| one.agent.as_str()).collect()));
    };
    let chats = || runtimes.iter().filter(|(_, capabilities)| capabilities.chat);
    let Some((_, place)) = chats().find(|(name, _)| *name == runtime) else {
        return Err(refused(format!("runtime {runtime:?}"), chats().map(|(name, _)| name.as_str()).collect()));
    };
    let Capabilities { modalities, tier, region, price, context_tokens, provider, model, .. } = place.clone();
    let appetite = like.appetite.on(place.own_tokenizer, place.tools);
    let same = accounts(runtimes).remove(runtime).map(|account| account.same);
    Ok(Candidate {
        id: id.to_owned(),
        runtime: runtime.to_owned(),
        provider: provider.map(|own| own.to_string()).unwrap_or_default(),
        model,
        same_as: same.filter(|same| same != runtime).unwrap_or_default(),
        modalities,
        tier,
        region,
        price,
        context_tokens,
        appetite,
        // Nobody has seen it work: it counts as quick as the agent was at its best.
        live: Live::assumed(like.live.best_first_token_us, like.live.best_per_token_us, like.since),
        origin: Origin::Operator,
        health: Health::Healthy,
        quarantined: None,
        ..Candidate::clone(like)
    })
}

/// The same as it was announced.
pub(super) fn announced(offer: Candidate, said: &Announced) -> Candidate {
    let mut qualities = offer.qualities;
    qualities.extend(said.qualities.clone());
    Candidate {
        quality: said.quality.unwrap_or(offer.quality),
        qualities,
        weight: said.weight.unwrap_or(offer.weight),
        live: Live { updated: said.since, ..offer.live },
        since: said.since,
        expires: Some(said.expires),
        ..offer
    }
}
