//! What a decision knows: the tool, who calls, and under which circumstances.
//!
//! [`ToolFacts`] is all that policies need of a tool. Its description (TDS) fills it when the tool is published; the host
//! fills the circumstances from what the operator granted and from the context of the call.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use serde_json::Value;

use crate::tds::Tool;
use crate::tds::tool::{Approval, PersonalData, SideEffects};
use crate::types::{Class, PrivacyClass, Residency, Timestamp, TrustTier};

use super::limits::{WORDS_BYTES_MAX, WORDS_MAX};

/// What policies know of one version of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolFacts {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// What a call does to the world.
    pub side_effects: SideEffects,
    /// The scopes it requires.
    pub scopes: BTreeSet<String>,
    /// Its tags; policies may be about all tools of a tag.
    pub tags: BTreeSet<String>,
    /// Who has one of these roles may call it; everybody, if there is none.
    pub roles: BTreeSet<String>,
    /// The regions in which it works on data; anywhere, if there is none.
    pub regions: BTreeSet<String>,
    /// The hosts that it may send requests to.
    pub egress: BTreeSet<String>,
    /// The most private data that it may be given.
    pub privacy: PrivacyClass,
    /// How far the place is trusted where it works, by the host's judgement.
    pub tier: TrustTier,
    /// What becomes of personal data in its input.
    pub pii_input: PersonalData,
    /// What becomes of personal data in its output.
    pub pii_output: PersonalData,
    /// Whether a person has to agree to each call.
    pub approval: bool,
    /// The JSON Schema of its input.
    pub input: Value,
}

/// What kind of caller it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A person.
    User,
    /// A program that somebody answers for.
    ServiceAccount,
    /// An agent of this host or of another.
    Agent,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 3] = [Kind::User, Kind::ServiceAccount, Kind::Agent];

    /// The type in policies.
    pub fn word(self) -> &'static str {
        match self {
            Kind::User => "User",
            Kind::ServiceAccount => "ServiceAccount",
            Kind::Agent => "Agent",
        }
    }
}

/// Why facts cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A name or word is empty or too long.
    #[error("could not take a {what} of {length} bytes: it must have 1 to {WORDS_BYTES_MAX}")]
    Word {
        /// What it is.
        what: &'static str,
        /// How long it is.
        length: usize,
    },
    /// There are too many of something.
    #[error("could not take {count} {what}: there may be {WORDS_MAX}")]
    TooMany {
        /// What they are.
        what: &'static str,
        /// How many there are.
        count: usize,
    },
    /// Cedar does not take it. The words are its own.
    #[error("could not describe the {what} to the policy engine: {says}")]
    Engine {
        /// What it is.
        what: &'static str,
        /// Cedar's words.
        says: String,
    },
}

impl Unfit {
    /// What kind of error it is.
    pub fn class(&self) -> Class {
        Class::Invalid
    }
}

/// An attribute that policies can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attribute {
    Text(String),
    Texts(BTreeSet<String>),
    Whole(i64),
    Flag(bool),
}

/// Attributes by name.
pub(super) type Attributes = BTreeMap<&'static str, Attribute>;

impl Attribute {
    pub(super) fn expression(&self) -> RestrictedExpression {
        match self {
            Attribute::Text(text) => RestrictedExpression::new_string(text.clone()),
            Attribute::Texts(texts) => {
                RestrictedExpression::new_set(texts.iter().map(|text| RestrictedExpression::new_string(text.clone())))
            }
            Attribute::Whole(number) => RestrictedExpression::new_long(*number),
            Attribute::Flag(flag) => RestrictedExpression::new_bool(*flag),
        }
    }
}

/// A class or tier as a number, so that policies can compare: public or external is 0, restricted or local is 3.
fn level(class: PrivacyClass) -> i64 {
    match class {
        PrivacyClass::Public => 0,
        PrivacyClass::Internal => 1,
        PrivacyClass::Confidential => 2,
        PrivacyClass::Restricted => 3,
    }
}

fn tier_level(tier: TrustTier) -> i64 {
    match tier {
        TrustTier::External => 0,
        TrustTier::Partner => 1,
        TrustTier::Private => 2,
        TrustTier::Local => 3,
    }
}

/// A choice as descriptions write it.
fn word(choice: &impl serde::Serialize) -> String {
    serde_json::to_value(choice).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

fn fit(what: &'static str, word: &str) -> Result<(), Unfit> {
    if word.is_empty() || word.len() > WORDS_BYTES_MAX {
        return Err(Unfit::Word { what, length: word.len() });
    }
    Ok(())
}

fn fit_all(what: &'static str, words: &BTreeSet<String>) -> Result<(), Unfit> {
    if words.len() > WORDS_MAX {
        return Err(Unfit::TooMany { what, count: words.len() });
    }
    words.iter().try_for_each(|word| fit(what, word))
}

/// The name of an entity in policies, such as `Tool::"git.log"`.
pub(super) fn uid(kind: &'static str, id: &str) -> Result<EntityUid, Unfit> {
    let name = kind
        .parse::<EntityTypeName>()
        .map_err(|error| Unfit::Engine { what: "type of an entity", says: error.to_string() })?;
    Ok(EntityUid::from_type_name_and_id(name, EntityId::new(id)))
}

fn entity(uid: &EntityUid, attributes: &Attributes, parents: HashSet<EntityUid>) -> Result<Entity, Unfit> {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.expression())).collect();
    Entity::new(uid.clone(), attributes, parents)
        .map_err(|error| Unfit::Engine { what: "attributes of an entity", says: error.to_string() })
}

impl ToolFacts {
    /// What a tool's description says of it.
    pub fn of(tool: &Tool) -> ToolFacts {
        let words = |words: &mut dyn Iterator<Item = String>| words.collect::<BTreeSet<String>>();
        let regions = words(&mut tool.policy.residency.iter().map(ToString::to_string));
        let egress = words(&mut tool.egress.iter().map(|rule| rule.host.to_string()));
        ToolFacts {
            id: tool.id.to_string(),
            version: tool.version.to_string(),
            side_effects: tool.side_effects,
            scopes: words(&mut tool.auth.scopes.iter().map(ToString::to_string)),
            tags: words(&mut tool.tags.iter().map(ToString::to_string)),
            roles: words(&mut tool.policy.roles.iter().map(ToString::to_string)),
            regions,
            // What a tool may send somewhere is as good as there.
            tier: if egress.is_empty() { TrustTier::Local } else { TrustTier::External },
            egress,
            privacy: tool.policy.privacy,
            pii_input: tool.policy.pii.input,
            pii_output: tool.policy.pii.output,
            approval: tool.policy.approval == Approval::Always,
            input: tool.interface.input.0.clone(),
        }
    }

    pub(super) fn attributes(&self) -> Attributes {
        BTreeMap::from([
            ("id", Attribute::Text(self.id.clone())),
            ("version", Attribute::Text(self.version.clone())),
            ("side_effects", Attribute::Text(word(&self.side_effects))),
            ("scopes", Attribute::Texts(self.scopes.clone())),
            ("tags", Attribute::Texts(self.tags.clone())),
            ("roles", Attribute::Texts(self.roles.clone())),
            ("regions", Attribute::Texts(self.regions.clone())),
            ("egress", Attribute::Texts(self.egress.clone())),
            ("privacy", Attribute::Text(self.privacy.word().to_owned())),
            ("privacy_level", Attribute::Whole(level(self.privacy))),
            ("tier", Attribute::Text(self.tier.word().to_owned())),
            ("tier_level", Attribute::Whole(tier_level(self.tier))),
            ("pii_input", Attribute::Text(word(&self.pii_input))),
            ("pii_output", Attribute::Text(word(&self.pii_output))),
            ("approval", Attribute::Flag(self.approval)),
        ])
    }

    pub(super) fn entity(&self, attributes: &Attributes) -> Result<Entity, Unfit> {
        fit("tool's id", &self.id)?;
        fit("tool's version", &self.version)?;
        let sets = [
            ("scopes of a tool", &self.scopes),
            ("tags of a tool", &self.tags),
            ("roles of a tool", &self.roles),
            ("regions of a tool", &self.regions),
            ("hosts of a tool", &self.egress),
        ];
        sets.into_iter().try_for_each(|(what, set)| fit_all(what, set))?;
        let parents = self.tags.iter().map(|tag| uid("Tag", tag)).collect::<Result<_, _>>()?;
        entity(&uid("Tool", &self.id)?, attributes, parents)
    }
}

/// Who calls. Made once for a principal and used for all its calls.
#[derive(Debug, Clone)]
pub struct Subject {
    pub(super) uid: EntityUid,
    pub(super) attributes: Attributes,
    pub(super) entity: Entity,
}

impl Subject {
    /// A caller of this kind and name, who belongs to this tenant and has these roles.
    ///
    /// # Errors
    /// What is too long, or too many.
    pub fn new(kind: Kind, name: &str, tenant: &str, roles: &BTreeSet<String>) -> Result<Subject, Unfit> {
        fit("caller's name", name)?;
        fit("tenant", tenant)?;
        fit_all("roles of a caller", roles)?;
        let mut parents: HashSet<EntityUid> = roles.iter().map(|role| uid("Role", role)).collect::<Result<_, _>>()?;
        parents.insert(uid("Tenant", tenant)?);
        let uid = uid(kind.word(), name)?;
        let attributes = BTreeMap::from([
            ("name", Attribute::Text(name.to_owned())),
            ("tenant", Attribute::Text(tenant.to_owned())),
            ("roles", Attribute::Texts(roles.clone())),
        ]);
        let entity = entity(&uid, &attributes, parents)?;
        Ok(Subject { uid, attributes, entity })
    }
}

/// Under which circumstances a call is made, or a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circumstances {
    /// The scopes that the caller was granted.
    pub scopes: BTreeSet<String>,
    /// How private what is in the call is.
    pub privacy: PrivacyClass,
    /// Where it may be.
    pub residency: Residency,
    /// Whether personal data was found in the arguments.
    pub personal_data: bool,
    /// Whether a person agreed to this call.
    pub approved: bool,
    /// When.
    pub now: Timestamp,
}

impl Circumstances {
    /// What policies see of them under `context`, besides the arguments. `wanted` says what they look at.
    pub(super) fn attributes(&self, wanted: impl Fn(&str) -> bool) -> Attributes {
        let mut attributes = Attributes::new();
        let mut put = |name: &'static str, value: &dyn Fn() -> Attribute| {
            if wanted(name) {
                attributes.insert(name, value());
            }
        };
        put("scopes", &|| Attribute::Texts(self.scopes.clone()));
        put("privacy", &|| Attribute::Text(self.privacy.word().to_owned()));
        put("privacy_level", &|| Attribute::Whole(level(self.privacy)));
        put("personal_data", &|| Attribute::Flag(self.personal_data));
        put("approved", &|| Attribute::Flag(self.approved));
        put("now", &|| Attribute::Whole(self.now.0.div_euclid(1_000_000)));
        if let Some(regions) = self.residency.regions() {
            put("residency", &|| Attribute::Texts(regions.iter().cloned().collect()));
        }
        attributes
    }

    pub(super) fn fit(&self) -> Result<(), Unfit> {
        let count = self.scopes.len().max(self.residency.regions().map_or(0, <[String]>::len));
        if count > WORDS_MAX {
            return Err(Unfit::TooMany { what: "scopes or regions of a call", count });
        }
        Ok(())
    }
}
