//! `syzygy rib`, `syzygy fib` and `syzygy why-not`: the router's tables, who would serve, and why somebody would not.

use std::collections::BTreeMap;

use reqwest::Url;

use super::asked::{Next, Put, RibVerb, WhyNot};
use super::client::Client;
use super::console::Console;
use super::error::Error;
use super::paint::{Paint, columns, micros, plain, wrap};
use crate::api;
use crate::types::Timestamp;
use crate::ziggy::route::{Candidate, Dampened, Health, Rib, Snapshot};

/// Shows everybody who could serve, or announces and withdraws one.
pub(super) async fn rib(client: &Client, verb: RibVerb, console: &mut Console) -> Result<(), Error> {
    match verb {
        RibVerb::Show => show(client, console).await,
        RibVerb::Put(asked) => {
            let Put { candidate, expires_in, reason, weight, quality, qualities } = asked;
            let qualities = qualities.into_iter().collect();
            let wanted = api::NewCandidate { weight, quality, qualities, reason, expires_in_s: expires_in };
            let changed: api::Changed = client.put(&path_of(&candidate)?, &wanted).await?;
            if console.json {
                return console.out_json(&changed);
            }
            console.out(&format!("{} is announced for {expires_in} s\n", plain(&candidate)))
        }
        RibVerb::Withdraw { candidate } => {
            client.tell(reqwest::Method::DELETE, &path_of(&candidate)?).await?;
            if console.json {
                return console.out_json(&serde_json::json!({ "candidate": candidate, "withdrawn": true }));
            }
            console.out(&format!("{} is withdrawn\n", plain(&candidate)))
        }
    }
}

/// The path of a candidate, whatever its name holds.
fn path_of(candidate: &str) -> Result<String, Error> {
    let wrong = || Error::Usage(format!("{candidate:?} is no candidate (expected AGENT@RUNTIME)"));
    let mut url = Url::parse("http://host/rib/candidates").map_err(|_| wrong())?;
    url.path_segments_mut().map_err(|()| wrong())?.push(candidate);
    Ok(url.path().to_owned())
}

async fn show(client: &Client, console: &mut Console) -> Result<(), Error> {
    let rib: Rib = client.get("/rib").await?;
    if console.json {
        return console.out_json(&rib);
    }
    let fib: Snapshot = client.get("/fib").await?;
    let paint = console.paint();
    console.out(&rib_table(&rib, &fib, paint))
}

/// Candidates as a table. That one is held back stands in the table of winners, with the time until when.
pub(super) fn rib_table(rib: &Rib, fib: &Snapshot, paint: Paint) -> String {
    let heading = [
        "CANDIDATE",
        "CAPABILITIES",
        "PROVIDER",
        "MODEL",
        "TIER",
        "REGION",
        "PRICE IN/OUT",
        "CONTEXT",
        "QUALITY",
        "FIRST",
        "TAIL",
        "OK",
        "PENALTY",
        "ORIGIN",
        "STATE",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let held: BTreeMap<&str, Dampened> =
        fib.rows.iter().filter_map(|row| Some((row.facts.candidate.as_str(), row.dampened?))).collect();
    rows.extend(rib.candidates.values().map(|one| rib_row(one, rib, held.get(one.id.as_str()))));
    headed(&rows, paint)
}

fn rib_row(one: &Candidate, rib: &Rib, held: Option<&Dampened>) -> Vec<String> {
    let capabilities: Vec<&str> = one.capabilities.iter().map(|capability| capability.0.as_str()).collect();
    let shared = rib.runtimes.get(one.counted_as()).map_or(0, |damper| damper.penalty);
    vec![
        plain(&one.id),
        plain(&capabilities.join(",")),
        if one.provider.is_empty() { "this host".to_owned() } else { plain(&one.provider) },
        plain(&one.model),
        one.tier.word().to_owned(),
        one.region.as_deref().map_or("-".to_owned(), plain),
        format!("{}/{}", one.price.input, one.price.output),
        one.context_tokens.to_string(),
        one.quality.to_string(),
        micros(one.live.first_token_us),
        micros(one.live.tail_first_token_us),
        one.live.reliability.to_string(),
        one.live.dampening.penalty.max(shared).to_string(),
        one.origin.word().to_owned(),
        state(one, held),
    ]
}

fn state(one: &Candidate, held: Option<&Dampened>) -> String {
    let quarantined = one.quarantined.as_ref().map(|reason| format!("quarantined: {}", plain(reason)));
    let held = held.map(|held| format!("held back until {}", second(held.until)));
    match &one.health {
        _ if !one.enabled => "switched off".to_owned(),
        Health::Unhealthy { reason } => format!("unhealthy: {}", plain(reason)),
        Health::Healthy => quarantined.or(held).unwrap_or_else(|| {
            one.expires.map_or("healthy".to_owned(), |at| format!("healthy, known until {}", second(at)))
        }),
    }
}

fn second(at: Timestamp) -> String {
    at.rfc3339().chars().take(19).collect()
}

/// Shows who serves which destination.
pub(super) async fn fib(client: &Client, console: &mut Console) -> Result<(), Error> {
    let fib: Snapshot = client.get("/fib").await?;
    if console.json {
        return console.out_json(&fib);
    }
    let paint = console.paint();
    console.out(&fib_table(&fib, paint))
}

/// Routes as a table.
pub(super) fn fib_table(fib: &Snapshot, paint: Paint) -> String {
    let mut rows = vec![["DESTINATION", "TENANT", "PLACE", "CANDIDATE", "SCORE", "REMARK"].map(str::to_owned).to_vec()];
    let default = fib.routes.iter().map(|route| ("-", route));
    let own = fib.tenants.iter().flat_map(|(tenant, routes)| routes.iter().map(|route| (tenant.as_str(), route)));
    for (tenant, (destination, route)) in default.chain(own) {
        let named = |place: &str, candidate: &str, score: String, remark: String| {
            let destination = plain(&destination.to_string());
            vec![destination, plain(tenant), place.to_owned(), plain(candidate), score, remark]
        };
        if route.ranked.is_empty() {
            rows.push(named("-", "nobody", "-".to_owned(), String::new()));
        }
        for (place, ranked) in route.ranked.iter().enumerate() {
            let row = fib.rows.iter().find(|row| row.facts.candidate == ranked.candidate);
            let mut remarks = Vec::new();
            let pinned = route.pins.iter().find(|pin| pin.candidate == ranked.candidate);
            remarks.extend(pinned.map(|pin| format!("pinned by {} until {}", plain(&pin.author), second(pin.expires))));
            remarks.extend((route.kept && place == 0).then(|| "kept in place".to_owned()));
            if let Some(row) = row {
                let dampened = row.dampened.map(|one| format!("dampened until {}", second(one.until)));
                remarks.extend(dampened);
                remarks.extend(row.stale.then(|| "stale".to_owned()));
            }
            rows.push(named(&(place + 1).to_string(), &ranked.candidate, ranked.score.to_string(), remarks.join(", ")));
        }
    }
    format!("{}{}\n", headed(&rows, paint), paint.dim(&format!("FIB {} of {}", fib.version, second(fib.at))))
}

/// A table with its first line in bold.
pub(super) fn headed(rows: &[Vec<String>], paint: Paint) -> String {
    let text = columns(rows);
    match text.split_once('\n') {
        Some((first, rest)) => format!("{}\n{rest}", paint.bold(first)),
        None => text,
    }
}

/// Tells why a candidate would or would not serve.
pub(super) async fn why_not(client: &Client, asked: &WhyNot, console: &mut Console) -> Result<(), Error> {
    // Only what stands behind the host of this address is used; names of people's candidates hold anything.
    let mut query = vec![("destination", asked.destination.clone()), ("candidate", asked.candidate.clone())];
    query.extend(asked.tokens_in.map(|tokens| ("tokens_in", tokens.to_string())));
    query.extend(asked.tokens_out.map(|tokens| ("tokens_out", tokens.to_string())));
    query.extend(asked.residency.clone().map(|region| ("residency", region)));
    query.extend(asked.modality.clone().map(|modality| ("modality", modality)));
    let url = Url::parse_with_params("http://host/why-not", query)
        .map_err(|error| Error::Usage(format!("cannot ask for {:?}: {error}", asked.candidate)))?;
    let told: api::WhyNot = client.get(&format!("/why-not?{}", url.query().unwrap_or_default())).await?;
    if console.json {
        return console.out_json(&told);
    }
    sentences(&told.words, console)
}

/// Tells who would serve now, and whether they would be admitted.
pub(super) async fn next(client: &Client, asked: &Next, console: &mut Console) -> Result<(), Error> {
    let mut query = vec![("capability", asked.capability.clone())];
    query.extend(asked.privacy.clone().map(|class| ("privacy", class)));
    query.extend(asked.agent.clone().map(|name| ("agent", name)));
    query.extend(asked.tokens_in.map(|tokens| ("tokens_in", tokens.to_string())));
    query.extend(asked.tokens_out.map(|tokens| ("tokens_out", tokens.to_string())));
    query.extend(asked.residency.clone().map(|region| ("residency", region)));
    query.extend(asked.modality.clone().map(|modality| ("modality", modality)));
    let url = Url::parse_with_params("http://host/fib/next", query)
        .map_err(|error| Error::Usage(format!("cannot ask for {:?}: {error}", asked.capability)))?;
    let told: api::NextHop = client.get(&format!("/fib/next?{}", url.query().unwrap_or_default())).await?;
    if console.json {
        return console.out_json(&told);
    }
    sentences(&told.words, console)
}

/// Sentences, each on lines of its own.
fn sentences(all: &[String], console: &mut Console) -> Result<(), Error> {
    let width = console.columns();
    let mut text = String::new();
    for words in all {
        let (mark, rest) = words.strip_prefix("- ").map_or(("", words.as_str()), |rest| ("- ", rest));
        for (place, line) in wrap(rest, width.saturating_sub(mark.len())).iter().enumerate() {
            text.push_str(&format!("{}{line}\n", if place == 0 { mark } else { &"  "[..mark.len()] }));
        }
    }
    console.out(&text)
}
