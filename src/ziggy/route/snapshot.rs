//! A FIB as it is shown and stored: candidates by name where the table in memory has places.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::build::{excluded, finish, offering};
use super::constraint::Rule;
use super::destination::Destination;
use super::fib::{Aside, Choice, Entry, Fib, Pin, Route, Routes, Row};
use super::weights::Weights;
use crate::types::{Hash, Timestamp};
use crate::ziggy::fixed::Millionths;

/// The winners for every destination, as one immutable snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Fib)]
pub struct Snapshot {
    /// Hash of rows, routes, choice and weights: two FIBs that decide the same have the same version.
    pub version: Hash,
    /// Version of the RIB it was built from.
    pub rib: u64,
    /// Version of the governance it was built under.
    pub governance: u64,
    /// When it was built.
    pub at: Timestamp,
    /// How one of several equals is chosen.
    pub choice: Choice,
    /// How much each part of a score counted.
    #[serde(default, skip_serializing_if = "Weights::are_unknown")]
    pub weights: Weights,
    /// Every candidate, by id.
    pub rows: Vec<Row>,
    /// By destination: every capability that anybody offers, for every privacy class.
    pub routes: BTreeMap<Destination, ShownRoute>,
    /// The same for tenants that have a policy of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tenants: BTreeMap<String, BTreeMap<Destination, ShownRoute>>,
}

/// Who serves one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Route)]
pub struct ShownRoute {
    /// Who may, best first. Everybody else among the rows may not.
    pub ranked: Vec<Ranked>,
    /// Whom a person prefers, the latest decision first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<Pin>,
    /// Whether the first is there because it was there before, although another scores a little better.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
}

/// A candidate that may serve a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Ranked {
    /// Which candidate.
    pub candidate: String,
    /// The weighted parts times the weight, in millionths; above one only with a weight above 100.
    pub score: Millionths,
    /// Its place among those that a policy prefers; 0 if there is no such policy.
    #[serde(default, skip_serializing_if = "is_first")]
    pub preference: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_first(place: &u32) -> bool {
    *place == 0
}

impl Fib {
    /// The same with names.
    pub fn snapshot(&self) -> Snapshot {
        let shown = |routes: &Routes| {
            let one = |(destination, route): (&Destination, &Arc<Route>)| (destination.clone(), self.shown(route));
            routes.iter().map(one).collect::<BTreeMap<_, _>>()
        };
        Snapshot {
            version: self.version,
            rib: self.rib,
            governance: self.governance,
            at: self.at,
            choice: self.choice,
            weights: self.weights.clone(),
            rows: self.rows.clone(),
            routes: shown(&self.routes),
            tenants: self.tenants.iter().map(|(tenant, routes)| (tenant.clone(), shown(routes))).collect(),
        }
    }

    pub(super) fn shown(&self, route: &Route) -> ShownRoute {
        let ranked = route.ranked.iter().map(|entry| self.with_name(entry)).collect();
        ShownRoute { ranked, pins: route.pins.clone(), kept: route.kept }
    }

    pub(super) fn with_name(&self, entry: &Entry) -> Ranked {
        let candidate = self.row_of(entry).facts.candidate.clone();
        Ranked { candidate, score: entry.score, preference: entry.preference }
    }
}

impl TryFrom<Snapshot> for Fib {
    type Error = String;

    fn try_from(stored: Snapshot) -> Result<Fib, String> {
        let Snapshot { version, rib, governance, at, choice, weights, mut rows, routes, tenants } = stored;
        rows.iter_mut().for_each(|row| row.hash = row.computed_hash());
        if rows.windows(2).any(|pair| pair[0].facts.candidate >= pair[1].facts.candidate) {
            return Err("the rows of a table are in the order of their ids, each once".to_owned());
        }
        let offering = offering(&rows);
        let read = |routes: BTreeMap<Destination, ShownRoute>| {
            let one = |(destination, shown): (Destination, ShownRoute)| {
                let places = offering.get(&destination.capability).map(Vec::as_slice).unwrap_or_default();
                let route = placed(shown, excluded(&destination, places, &rows), &rows)?;
                Ok((destination, Arc::new(route)))
            };
            routes.into_iter().map(one).collect::<Result<Routes, String>>()
        };
        let default = read(routes)?;
        let own = tenants.into_iter().map(|(tenant, routes)| Ok((tenant, read(routes)?)));
        let tenants = own.collect::<Result<BTreeMap<_, _>, String>>()?;
        drop(offering);
        // By which policies it was built does not stand in it, so nothing is taken over from it.
        let policies = Aside(Hash::ZERO);
        Ok(Fib { version, rib, governance, at, choice, weights, policies, rows, routes: default, tenants })
    }
}

fn placed(shown: ShownRoute, excluded: BTreeMap<Rule, u32>, rows: &[Row]) -> Result<Route, String> {
    let entry = |ranked: Ranked| {
        let place = rows.binary_search_by(|row| row.facts.candidate.cmp(&ranked.candidate));
        let place = place.map_err(|_| format!("{} is ranked and has no row", ranked.candidate))?;
        Ok(Entry::of(&rows[place], place, ranked.score, ranked.preference))
    };
    let ranked = shown.ranked.into_iter().map(entry).collect::<Result<Vec<Entry>, String>>()?;
    Ok(finish(ranked, shown.pins, shown.kept, excluded))
}
