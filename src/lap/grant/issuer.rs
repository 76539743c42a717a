//! Grants of single calls: issued when a call was admitted, and checked where something is done for it outside of its
//! sandbox.
//!
//! A call that asks for secrets or goes out gets a token that is good for this version of the tool, these arguments, this
//! tenant, those parts of the host that its description names, and no longer than its caller waits. Whoever leases a secret or
//! opens a way out takes a [`Pass`], and only [`Issuer::check`] makes one, out of the token and of what is about to be run:
//! so what was admitted and what is done cannot differ.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::{Account, Bounds, Error, REMEMBERED_MAX, Refusal, Root, Token, Use, Verifier, block};
use crate::lap::Caller;
use crate::tds::{Tool, canonical_value};
use crate::types::{Hash, PrivacyClass, Timestamp};

/// 32 bytes that nobody can guess; none if the operating system gives none.
pub type Chance = Arc<dyn Fn() -> Option<[u8; 32]> + Send + Sync>;

/// A part of the host that acts for calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// Who leases secrets.
    Secrets,
    /// Who opens ways out.
    Egress,
}

impl Audience {
    /// The word in tokens.
    pub fn word(self) -> &'static str {
        match self {
            Audience::Secrets => "secrets",
            Audience::Egress => "egress",
        }
    }

    /// The parts that calls of this tool need; none if all it does stays in its sandbox.
    pub fn of(tool: &Tool) -> BTreeSet<Audience> {
        let secrets = (!tool.secrets.is_empty()).then_some(Audience::Secrets);
        let egress = (!tool.egress.is_empty()).then_some(Audience::Egress);
        secrets.into_iter().chain(egress).collect()
    }
}

/// One call of a tool.
#[derive(Debug, Clone, Copy)]
pub struct Errand<'a> {
    /// The tool.
    pub tool: &'a Tool,
    /// What it is given.
    pub arguments: &'a Value,
    /// Who calls.
    pub caller: &'a Caller,
    /// How private what is in the call is.
    pub class: PrivacyClass,
}

impl Errand<'_> {
    fn hash(&self) -> Hash {
        Hash::of(canonical_value(self.arguments).as_bytes())
    }

    fn scopes(&self) -> BTreeSet<String> {
        self.tool.auth.scopes.iter().map(ToString::to_string).collect()
    }
}

/// That a token was good for a part of a call. It cannot be made in any other way.
#[derive(Debug)]
pub struct Pass(());

/// Issues grants of calls and checks them. Its key is made when the host starts and ends with it: no call outlives its host.
pub struct Issuer {
    root: Root,
    verifier: Verifier,
    chance: Chance,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issuer(..)")
    }
}

/// A name as it may stand in a token: as it is, or by its hash.
fn name(text: &str) -> String {
    if block::is_word(text) { text.to_owned() } else { Hash::of(text.as_bytes()).to_string() }
}

impl Issuer {
    /// An issuer with a key of its own.
    ///
    /// # Errors
    /// There is no chance to make a key of.
    pub fn new(chance: Chance) -> Result<Issuer, Error> {
        let root = Root::from_secret(&chance().ok_or(Error::Chance)?)?;
        let verifier = Verifier::new(&root, REMEMBERED_MAX);
        Ok(Issuer { root, verifier, chance })
    }

    /// A token for this call and nothing else, until then.
    ///
    /// # Errors
    /// There is no chance, or what the call is about cannot stand in a token.
    pub fn issue(&self, errand: &Errand<'_>, until: Timestamp) -> Result<Token, Error> {
        let bounds = Bounds {
            tools: Some(BTreeSet::from([name(errand.tool.id.as_str())])),
            versions: Some(BTreeSet::from([errand.tool.version.to_string()])),
            arguments: Some(BTreeSet::from([errand.hash()])),
            tenants: Some(BTreeSet::from([name(&errand.caller.tenant)])),
            audiences: Some(Audience::of(errand.tool).into_iter().map(|one| one.word().to_owned()).collect()),
            scopes: Some(errand.scopes()),
            class: Some(errand.class),
            until: Some(until),
        };
        let who = errand.caller.agent.as_ref().unwrap_or(&errand.caller.principal);
        let entropy = (self.chance)().ok_or(Error::Chance)?;
        self.root.issue(&Account { name: name(who), bounds }, &entropy)?.seal()
    }

    /// Whether a token is good for this part of this call at this time.
    ///
    /// # Errors
    /// The first thing that stands against it.
    pub fn check(
        &self,
        token: &Token,
        errand: &Errand<'_>,
        audience: Audience,
        now: Timestamp,
    ) -> Result<Pass, Refusal> {
        let (tool, version) = (name(errand.tool.id.as_str()), errand.tool.version.to_string());
        let (tenant, scopes) = (name(&errand.caller.tenant), errand.scopes());
        let call = Use {
            tool: &tool,
            version: &version,
            arguments: errand.hash(),
            tenant: &tenant,
            audience: audience.word(),
            scopes: &scopes,
            class: errand.class,
            now,
        };
        self.verifier.verify(token, now)?.check(&call).map(|()| Pass(()))
    }
}
