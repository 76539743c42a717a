//! Where data may be: what the operator says for everybody and for single tenants, and what a task may tighten.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::types::Residency;

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
        wrong
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
