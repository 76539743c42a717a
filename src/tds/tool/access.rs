//! Who may call a tool, with what, and whom it may reach.

use std::collections::BTreeSet;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::types::{PrivacyClass, is_default};

use super::text::{HeaderName, HostName, Name, Region, Role, Scope, SecretPath, UrlPath};

/// What a caller must have been granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// All of these.
    #[schemars(length(max = 32))]
    pub scopes: BTreeSet<Scope>,
}

/// A secret that is used for a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Where it is kept.
    pub path: SecretPath,
    /// How it gets to where it is used.
    pub deliver: Deliver,
}

/// How a secret gets to where it is used: one of two ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deliver {
    /// The host adds it to requests on their way out; the tool never has it.
    Header(HeaderDelivery),
    /// The tool reads it from a file that is gone when the call ends.
    File(FileDelivery),
}

impl JsonSchema for Deliver {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Deliver".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "How a secret gets to where it is used: one of two ways.",
            "properties": {
                "header": generator.subschema_for::<HeaderDelivery>(),
                "file": generator.subschema_for::<FileDelivery>(),
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        })
    }
}

fn bearer() -> String {
    "Bearer ".to_owned()
}

/// A secret in a header of requests on their way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderDelivery {
    /// The header.
    pub name: HeaderName,
    /// What stands before the secret; `Bearer ` if it is not said.
    #[serde(default = "bearer")]
    #[schemars(length(max = 64))]
    pub prefix: String,
    /// Requests to which hosts; an egress rule must let each of them out, over TLS.
    #[schemars(length(min = 1, max = 16))]
    pub hosts: BTreeSet<HostName>,
}

/// A secret in a file of the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileDelivery {
    /// The file's name.
    pub name: Name,
}

fn privacy(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "enum": ["public", "internal", "confidential", "restricted"],
        "description": "The most private data the tool may be given.",
    })
}

/// Who may call a tool, with which data, where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Who may call it: whoever has one of these roles. Everybody, if there is none.
    #[schemars(length(max = 32))]
    pub roles: BTreeSet<Role>,
    /// The most private data it may be given.
    #[schemars(schema_with = "privacy")]
    pub privacy: PrivacyClass,
    /// The regions in which it works on data. Anywhere, if there is none.
    #[schemars(length(max = 32))]
    pub residency: BTreeSet<Region>,
    /// What happens to personal data.
    pub pii: Pii,
    /// When a person must agree first.
    pub approval: Approval,
    /// Policies of its own, in Cedar: each forbids some calls, whatever the operator's policies allow.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 16384))]
    pub rules: String,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            roles: BTreeSet::new(),
            privacy: PrivacyClass::Internal,
            residency: BTreeSet::new(),
            pii: Pii::default(),
            approval: Approval::default(),
            rules: String::new(),
        }
    }
}

/// What happens to personal data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pii {
    /// In the input.
    pub input: PersonalData,
    /// In the answer.
    pub output: PersonalData,
}

/// What is done with personal data that is found. Ordered: the stricter is greater.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersonalData {
    /// It passes.
    Allow,
    /// A stand-in takes its place.
    #[default]
    Redact,
    /// The call is refused.
    Refuse,
}

/// When a person must agree before a call is made. Ordered: the stricter is greater.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// Only when the host's own policy says so.
    #[default]
    Never,
    /// Each time.
    Always,
}

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Method {
    /// Reads.
    #[serde(rename = "GET")]
    Get,
    /// Reads, without the body.
    #[serde(rename = "HEAD")]
    Head,
    /// Asks what may be asked.
    #[serde(rename = "OPTIONS")]
    Options,
    /// Does whatever the host says it does.
    #[serde(rename = "POST")]
    Post,
    /// Replaces.
    #[serde(rename = "PUT")]
    Put,
    /// Changes a part.
    #[serde(rename = "PATCH")]
    Patch,
    /// Removes.
    #[serde(rename = "DELETE")]
    Delete,
}

impl Method {
    /// Whether HTTP says that it changes nothing.
    pub fn is_safe(self) -> bool {
        matches!(self, Method::Get | Method::Head | Method::Options)
    }
}

fn https() -> u16 {
    443
}

fn yes() -> bool {
    true
}

fn reading() -> BTreeSet<Method> {
    BTreeSet::from([Method::Get])
}

fn request_bytes() -> u64 {
    64 << 10
}

fn response_bytes() -> u64 {
    1 << 20
}

/// Requests that a tool may send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// To which host.
    pub host: HostName,
    /// To which port.
    #[serde(default = "https")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Whether over TLS. Without, everybody on the way can read and change it.
    #[serde(default = "yes")]
    pub tls: bool,
    /// By which methods; reading only, if it is not said.
    #[serde(default = "reading")]
    #[schemars(length(min = 1))]
    pub methods: BTreeSet<Method>,
    /// Below which paths; below all, if there is none.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 64))]
    pub paths: BTreeSet<UrlPath>,
    /// Bytes of a request at the most.
    #[serde(default = "request_bytes")]
    #[schemars(range(min = 1, max = 1_073_741_824))]
    pub request_bytes: u64,
    /// Bytes of an answer at the most.
    #[serde(default = "response_bytes")]
    #[schemars(range(min = 1, max = 1_073_741_824))]
    pub response_bytes: u64,
}
