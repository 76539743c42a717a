//! What one table, or what it was made from, has otherwise than another: enough to make the one of the other again.
//!
//! Of a change a route names only who left it, who came, and who moved; everybody else keeps their order (R5). Where that
//! is not so, the route stands in the change as a whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::candidate::{Candidate, Rib};
use super::damp::Damper;
use super::destination::Destination;
use super::fib::{Choice, Entry, Fib, Pin, Route, Routes, Row};
use super::replay::Basis;
use super::snapshot::{Ranked, ShownRoute, Snapshot};
use super::weights::Weights;
use crate::types::{Hash, Timestamp, is_default};
use crate::ziggy::admit::Governance;

/// What a table has otherwise than another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FibDelta {
    /// Its version.
    pub version: Hash,
    /// Version of the RIB it was built from.
    pub rib: u64,
    /// Version of the governance it was built under.
    pub governance: u64,
    /// When it was built.
    pub at: Timestamp,
    /// How one of several equals is chosen, if that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// How much each part of a score counted, if that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Weights>,
    /// Rows that are new or other ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Row>,
    /// Candidates that have no row any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
    /// Routes for everybody.
    #[serde(default, skip_serializing_if = "is_default")]
    pub routes: RoutesDelta,
    /// The same for tenants that have a policy of their own, and whose routes are not what they were.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tenants: BTreeMap<String, RoutesDelta>,
    /// Tenants that have no policy of their own any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenants_gone: Vec<String>,
}

/// What routes are otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RoutesDelta {
    /// Those that are there as a whole.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub put: BTreeMap<Destination, ShownRoute>,
    /// Those that changed a little.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub changed: BTreeMap<Destination, RouteDelta>,
    /// Those that are there no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<Destination>,
}

/// What a route is otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RouteDelta {
    /// Who left it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
    /// Who came to it or moved in it, by their place in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranked: Vec<Placed>,
    /// Whom a person prefers, if that changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins: Option<Vec<Pin>>,
    /// Whether the first is there because it was there before.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kept: bool,
}

/// A candidate and its place in a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// How many stand before it.
    pub place: usize,
    /// Who, and with what score.
    #[serde(flatten)]
    pub ranked: Ranked,
}

impl FibDelta {
    /// What `after` has otherwise than `before`.
    pub fn between(before: &Fib, after: &Fib) -> FibDelta {
        let (aligned, rows, gone) = rows_between(&before.rows, &after.rows);
        let level = before.rows.len() == after.rows.len() && gone.is_empty();
        let walk = Walk { before, after, aligned, level };
        let changed = |tenant: &str, new: &Routes| match before.tenants.get(tenant) {
            Some(old) => walk.routes(old, new),
            None => walk.routes(&Routes::new(), new),
        };
        let tenants = after.tenants.iter().filter_map(|(tenant, new)| {
            let delta = changed(tenant, new);
            let news = delta != RoutesDelta::default() || !before.tenants.contains_key(tenant);
            news.then(|| (tenant.clone(), delta))
        });
        FibDelta {
            version: after.version,
            rib: after.rib,
            governance: after.governance,
            at: after.at,
            choice: (before.choice != after.choice).then_some(after.choice),
            weights: (before.weights != after.weights).then(|| after.weights.clone()),
            rows,
            gone,
            routes: walk.routes(&before.routes, &after.routes),
            tenants: tenants.collect(),
            tenants_gone: before.tenants.keys().filter(|one| !after.tenants.contains_key(*one)).cloned().collect(),
        }
    }

    /// Makes of the other table this one.
    ///
    /// # Errors
    /// It is no change of that table, in words.
    pub fn apply(self, table: &mut Snapshot) -> Result<(), String> {
        (table.version, table.rib, table.governance, table.at) = (self.version, self.rib, self.governance, self.at);
        table.choice = self.choice.unwrap_or(table.choice);
        if let Some(weights) = self.weights {
            table.weights = weights;
        }
        let gone: BTreeSet<String> = self.gone.into_iter().collect();
        if !gone.is_empty() {
            table.rows.retain(|row| !gone.contains(&row.facts.candidate));
        }
        let (known, mut new) = (table.rows.len(), Vec::new());
        for row in self.rows {
            match table.rows[..known].binary_search_by(|known| known.facts.candidate.cmp(&row.facts.candidate)) {
                Ok(place) => table.rows[place] = row,
                Err(_) => new.push(row),
            }
        }
        if !new.is_empty() {
            table.rows.append(&mut new);
            table.rows.sort_by(|one, other| one.facts.candidate.cmp(&other.facts.candidate));
        }
        self.routes.apply(&mut table.routes)?;
        for tenant in self.tenants_gone {
            table.tenants.remove(&tenant);
        }
        for (tenant, delta) in self.tenants {
            delta.apply(table.tenants.entry(tenant).or_default())?;
        }
        Ok(())
    }
}

/// For each old row its place among the new ones, the rows that are new or other ones, and who has none any more.
fn rows_between(old: &[Row], new: &[Row]) -> (Vec<Option<u32>>, Vec<Row>, Vec<String>) {
    let (mut aligned, mut changed, mut gone) = (Vec::with_capacity(old.len()), Vec::new(), Vec::new());
    let mut place = 0;
    for row in old {
        while new.get(place).is_some_and(|other| other.facts.candidate < row.facts.candidate) {
            changed.push(new[place].clone());
            place += 1;
        }
        match new.get(place).filter(|other| other.facts.candidate == row.facts.candidate) {
            Some(other) => {
                // Hashes cover everything a row says.
                if row.hash != other.hash {
                    changed.push(other.clone());
                }
                aligned.push(u32::try_from(place).ok());
                place += 1;
            }
            None => {
                gone.push(row.facts.candidate.clone());
                aligned.push(None);
            }
        }
    }
    changed.extend(new[place..].iter().cloned());
    (aligned, changed, gone)
}

/// Two tables, with the places of the rows of the first among those of the second.
struct Walk<'a> {
    before: &'a Fib,
    after: &'a Fib,
    aligned: Vec<Option<u32>>,
    /// Whether the same candidates have the same places in both.
    level: bool,
}

impl Walk<'_> {
    fn routes(&self, old: &Routes, new: &Routes) -> RoutesDelta {
        let mut delta = RoutesDelta::default();
        for (destination, route) in new {
            let Some(known) = old.get(destination) else {
                delta.put.insert(destination.clone(), self.after.shown(route));
                continue;
            };
            match self.route(known, route) {
                Some(changed) if changed == (RouteDelta { kept: known.kept, ..RouteDelta::default() }) => {}
                Some(changed) => _ = delta.changed.insert(destination.clone(), changed),
                None => _ = delta.put.insert(destination.clone(), self.after.shown(route)),
            }
        }
        delta.gone = old.keys().filter(|one| !new.contains_key(*one)).cloned().collect();
        delta
    }

    /// What a route is otherwise; nothing if it is so much that it had better stand there as a whole.
    fn route(&self, old: &Arc<Route>, new: &Arc<Route>) -> Option<RouteDelta> {
        // Hashes cover places, so they say so only where these mean the same.
        if self.level && (Arc::ptr_eq(old, new) || old.hash == new.hash) {
            return Some(RouteDelta { kept: new.kept, ..RouteDelta::default() });
        }
        let was: HashMap<usize, usize> =
            old.ranked.iter().enumerate().filter_map(|(at, entry)| Some((self.place(entry)?, at))).collect();
        let (mut pairs, mut stays) = (vec![None; new.ranked.len()], Stays::none(old, new));
        let mut found = vec![false; old.ranked.len()];
        for (at, entry) in new.ranked.iter().enumerate() {
            let Some(before) = was.get(&(entry.row as usize)).copied() else { continue };
            let known = &old.ranked[before];
            (pairs[at], found[before]) = (Some(before), true);
            let same =
                (entry.score, entry.preference, entry.standing) == (known.score, known.preference, known.standing);
            (stays.new[at], stays.old[before]) = (same, same);
        }
        if !self.ordered(old, new, &stays) {
            // Who is first for being there before, and who was, stand where their score does not say.
            let was_first = pairs.iter().position(|pair| *pair == Some(0));
            for at in was_first.into_iter().chain(std::iter::once(0)).filter(|at| *at < pairs.len()) {
                stays.new[at] = false;
                pairs[at].into_iter().for_each(|before| stays.old[before] = false);
            }
            if !self.ordered(old, new, &stays) {
                return None;
            }
        }
        let moved = new.ranked.iter().enumerate().filter(|(at, _)| !stays.new[*at]);
        let ranked: Vec<Placed> =
            moved.map(|(place, entry)| Placed { place, ranked: self.after.with_name(entry) }).collect();
        let left = old.ranked.iter().enumerate().filter(|(at, _)| !found[*at]);
        let gone: Vec<String> = left.map(|(_, entry)| self.before.row_of(entry).facts.candidate.clone()).collect();
        // Somebody who moved is named with place and score, so half of them is about as long as all.
        let much = (ranked.len() + gone.len()) * 2 > new.ranked.len() + 2;
        let pins = (old.pins != new.pins).then(|| new.pins.clone());
        (!much).then_some(RouteDelta { gone, ranked, pins, kept: new.kept })
    }

    /// Whether those who stay are in the same order in both.
    fn ordered(&self, old: &Route, new: &Route, stays: &Stays) -> bool {
        let before = old.ranked.iter().zip(&stays.old).filter(|(_, stays)| **stays);
        let after = new.ranked.iter().zip(&stays.new).filter(|(_, stays)| **stays);
        before.map(|(entry, _)| self.place(entry)).eq(after.map(|(entry, _)| Some(entry.row as usize)))
    }

    /// The place of the row of an entry of the old table among the new rows.
    fn place(&self, entry: &Entry) -> Option<usize> {
        self.aligned[entry.row as usize].map(|place| place as usize)
    }
}

/// Who stands in a route with what they had before, by their places in the old and in the new one.
struct Stays {
    old: Vec<bool>,
    new: Vec<bool>,
}

impl Stays {
    fn none(old: &Route, new: &Route) -> Stays {
        Stays { old: vec![false; old.ranked.len()], new: vec![false; new.ranked.len()] }
    }
}

impl RoutesDelta {
    fn apply(self, routes: &mut BTreeMap<Destination, ShownRoute>) -> Result<(), String> {
        for destination in self.gone {
            routes.remove(&destination);
        }
        for (destination, delta) in self.changed {
            let known = routes.get_mut(&destination);
            let route = known.ok_or_else(|| format!("{destination} changed and was not there"))?;
            delta.apply(route).map_err(|reason| format!("{destination}: {reason}"))?;
        }
        routes.extend(self.put);
        Ok(())
    }
}

impl RouteDelta {
    fn apply(self, route: &mut ShownRoute) -> Result<(), String> {
        let RouteDelta { gone, ranked, pins, kept } = self;
        let moved: BTreeSet<&str> =
            gone.iter().map(String::as_str).chain(ranked.iter().map(|one| one.ranked.candidate.as_str())).collect();
        let before = std::mem::take(&mut route.ranked);
        let mut rest: Vec<Ranked> = Vec::with_capacity(before.len());
        rest.extend(before.into_iter().filter(|one| !moved.contains(one.candidate.as_str())));
        if ranked.is_empty() {
            route.ranked = rest;
        } else {
            let mut rest = rest.into_iter();
            for Placed { place, ranked } in ranked {
                while route.ranked.len() < place {
                    let next = rest.next().ok_or_else(|| format!("nobody stands before {}", ranked.candidate))?;
                    route.ranked.push(next);
                }
                route.ranked.push(ranked);
            }
            route.ranked.extend(rest);
        }
        route.pins = pins.unwrap_or_else(|| std::mem::take(&mut route.pins));
        route.kept = kept;
        Ok(())
    }
}

/// What a table was made from, otherwise than another was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BasisDelta {
    /// When the table was made.
    pub at: Timestamp,
    /// Version of the RIB.
    pub version: u64,
    /// Candidates that are new or other ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// Candidates that are there no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
    /// Penalties of runtimes that are new or other ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub runtimes: BTreeMap<String, Damper>,
    /// Runtimes that have no penalty any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runtimes_gone: Vec<String>,
    /// The levers that were in force, if they changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governance: Option<Governance>,
}

impl BasisDelta {
    /// What `after` has otherwise than `before`.
    pub fn between(before: &Basis, after: &Basis) -> BasisDelta {
        let (old, new) = (&before.rib, &after.rib);
        let mut walk = old.candidates.iter().peekable();
        let (mut candidates, mut gone) = (Vec::new(), Vec::new());
        for (id, candidate) in &new.candidates {
            while let Some((left, _)) = walk.next_if(|(known, _)| *known < id) {
                gone.push(left.clone());
            }
            let known = walk.next_if(|(known, _)| *known == id);
            // What nobody changed is shared, so nearly all is known to be the same at a glance.
            if !known.is_some_and(|(_, known)| Arc::ptr_eq(known, candidate) || known == candidate) {
                candidates.push(Candidate::clone(candidate));
            }
        }
        gone.extend(walk.map(|(id, _)| id.clone()));
        let runtimes = new.runtimes.iter().filter(|(name, damper)| old.runtimes.get(*name) != Some(*damper));
        let left = old.runtimes.keys().filter(|name| !new.runtimes.contains_key(*name));
        BasisDelta {
            at: after.at,
            version: new.version,
            candidates,
            gone,
            runtimes: runtimes.map(|(name, damper)| (name.clone(), *damper)).collect(),
            runtimes_gone: left.cloned().collect(),
            governance: (before.governance != after.governance).then(|| after.governance.clone()),
        }
    }

    /// Makes of the other basis this one.
    pub fn apply(self, basis: &mut Basis) {
        let Rib { candidates, runtimes, version } = &mut basis.rib;
        for id in self.gone {
            candidates.remove(&id);
        }
        candidates.extend(self.candidates.into_iter().map(|one| (one.id.clone(), Arc::new(one))));
        for name in self.runtimes_gone {
            runtimes.remove(&name);
        }
        runtimes.extend(self.runtimes);
        (*version, basis.at) = (self.version, self.at);
        if let Some(governance) = self.governance {
            basis.governance = governance;
        }
    }
}

/// Hashes of candidates, kept from one basis to the next: of a hundred thousand few change.
#[derive(Debug, Clone, Default)]
pub struct Digests(BTreeMap<String, (Arc<Candidate>, Hash)>);

impl Digests {
    /// The hash a basis goes by: over the hashes of its candidates, its penalties, levers and time.
    pub fn of(&mut self, basis: &Basis) -> Hash {
        let candidates = &basis.rib.candidates;
        if self.0.len() != candidates.len() || !self.0.keys().eq(candidates.keys()) {
            self.0.retain(|id, _| candidates.contains_key(id));
        }
        let mut bytes = Vec::with_capacity(candidates.len() * 32 + 128);
        let number = |bytes: &mut Vec<u8>, number: u64| bytes.extend_from_slice(&number.to_le_bytes());
        number(&mut bytes, candidates.len() as u64);
        for (id, candidate) in candidates {
            let hash = match self.0.get(id).filter(|(known, _)| Arc::ptr_eq(known, candidate)) {
                Some((_, hash)) => *hash,
                None => {
                    let hash = digest(&(id, &**candidate));
                    self.0.insert(id.clone(), (Arc::clone(candidate), hash));
                    hash
                }
            };
            bytes.extend_from_slice(&hash.0);
        }
        bytes.extend_from_slice(&digest(&basis.rib.runtimes).0);
        bytes.extend_from_slice(&digest(&basis.governance).0);
        number(&mut bytes, basis.rib.version);
        number(&mut bytes, basis.at.0.cast_unsigned());
        Hash::of(&bytes)
    }
}

/// None of what is hashed has a map with keys that are no strings, so all of it has a JSON form.
fn digest(value: &impl Serialize) -> Hash {
    Hash::of(&serde_json::to_vec(value).unwrap_or_default())
}
