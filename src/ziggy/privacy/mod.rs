//! Where data may be: what the operator says for everybody and for single tenants, and what a task may tighten.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::types::sensitive::{Kind, StandIns};
use crate::types::{PrivacyClass, Residency};
use crate::ziggy::classify::{Classification, Reason, Replaced};

/// What an operator says of places.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where this host is, in the operator's own words; empty if that is not said.
    pub region: String,
    /// Regions that data of everybody may be in; anywhere if there are none.
    pub residency: Vec<String>,
    /// Regions that data of single tenants may be in, of those for everybody.
    pub tenants: BTreeMap<String, Vec<String>>,
    /// Kinds of personal data that have stand-ins where the data itself may not go.
    pub replace: BTreeSet<Kind>,
    /// The same for single tenants, instead of what is for everybody.
    pub replace_for: BTreeMap<String, BTreeSet<Kind>>,
}

impl Config {
    /// Keys with values that cannot work, and what would.
    pub fn impossible(&self) -> Vec<(String, String)> {
        let word = "a region, such as `eu`, and not an empty text";
        let mut wrong: Vec<(String, String)> = Vec::new();
        if self.residency.iter().any(|region| region.trim().is_empty()) {
            wrong.push(("residency".to_owned(), word.to_owned()));
        }
        for (tenant, regions) in &self.tenants {
            let key = format!("tenants.{tenant}");
            if regions.iter().any(|region| region.trim().is_empty()) {
                wrong.push((key, word.to_owned()));
            } else if self.of(tenant).regions().is_some_and(<[String]>::is_empty) {
                let known = self.residency.join(", ");
                wrong.push((key, format!("one of the regions that data of everybody may be in ({known})")));
            }
        }
        let own = self.replace_for.iter().map(|(tenant, kinds)| (format!("replace_for.{tenant}"), kinds));
        for (key, kinds) in [("replace".to_owned(), &self.replace)].into_iter().chain(own) {
            if kinds.iter().any(|kind| !StandIns::possible(*kind)) {
                let possible = Kind::ALL.into_iter().filter(|kind| StandIns::possible(*kind));
                let named: Vec<String> = possible.map(|kind| format!("`{}`", kind.key())).collect();
                wrong.push((key, format!("of {}: secrets have no stand-ins", named.join(", "))));
            }
        }
        wrong
    }

    /// Says how far a task of a tenant may go with stand-ins, if that is farther than without. `said` is how private its
    /// caller says it is, whatever is in it.
    pub fn replace(&self, tenant: &str, said: PrivacyClass, class: &mut Classification) {
        let kinds = self.replace_for.get(tenant).unwrap_or(&self.replace);
        let found = || class.findings.iter().map(|found| found.kind);
        let left = found().filter(|kind| !kinds.contains(kind));
        let without = left.map(Kind::class).max().unwrap_or_default().max(said);
        if without >= class.privacy {
            return;
        }
        let kinds: BTreeSet<Kind> = found().filter(|kind| kinds.contains(kind)).collect();
        class.reasons.push(Reason::Replaced { kinds: kinds.clone(), class: without });
        class.replaced = Some(Replaced { privacy: without, kinds });
    }

    /// Where this host is, if that is said.
    pub fn here(&self) -> Option<&str> {
        Some(self.region.trim()).filter(|region| !region.is_empty())
    }

    /// Where data of a tenant may be.
    pub fn of(&self, tenant: &str) -> Residency {
        let own = self.tenants.get(tenant).map(Vec::as_slice).unwrap_or_default();
        Residency::within(&self.residency).and(&Residency::within(own))
    }

    /// Where a task of a tenant may be that names regions itself.
    ///
    /// # Errors
    /// In words, if no region is left.
    pub fn of_task(&self, tenant: &str, named: &[String]) -> Result<Residency, String> {
        let (own, asked) = (self.of(tenant), Residency::within(named));
        let both = own.and(&asked);
        match both.regions() {
            Some([]) => Err(format!(
                "the task may only be in {}, and data of {tenant} may only be in {}, so no region is left; name one of these",
                named.join(" or "),
                own.regions().unwrap_or_default().join(" or ")
            )),
            _ => Ok(both),
        }
    }
}
