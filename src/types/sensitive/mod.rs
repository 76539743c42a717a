//! Personal data and secrets inside a text: where they stand, how private they make it, and the text without them.
//!
//! What it is for: the privacy class of a task, and redaction before anything is logged, traced or journaled in clear.
//! What it owns: the patterns and the checksums behind them. It is the only module that names `regex`.
//! What it never does: keep, print or return a value it found; a [`Finding`] is a kind and a place.
//!
//! Invariants:
//! - SV1: findings are sorted, do not overlap, are not empty, and begin and end between characters.
//! - SV2: redaction keeps every byte outside the findings.
//! - SV3: the time taken grows linearly with the text: patterns never backtrack, and checks look at a bounded window.
//! - SV4: what looks like a number with a checksum is only reported when the checksum holds.

mod detect;
mod number;
mod plain;
mod stand_in;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::PrivacyClass;

pub use stand_in::{Exchange, Originals, StandIns};

/// What a finding is. Ordered by how much harm it does in wrong hands: of two that overlap, the greater names both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SensitiveKind)]
pub enum Kind {
    /// An IPv4 or IPv6 address, other than loopback and unspecified ones.
    Ip,
    /// A telephone number: international, North American, or behind a word such as `tel`.
    Phone,
    /// An e-mail address.
    Email,
    /// A payment card number of a known issuer, with a valid Luhn digit.
    Card,
    /// An international bank account number with its country's length and a valid checksum.
    Iban,
    /// A social security number of the United States that may have been issued.
    SocialSecurity,
    /// A password, passphrase or key behind its name, or the password inside a URL.
    Password,
    /// A bearer token or a JSON Web Token.
    Token,
    /// A key of a well-known service, known by its prefix.
    Key,
    /// A private key in PEM armour.
    PrivateKey,
}

impl Kind {
    /// Every kind, for tables and the tests that walk them.
    pub const ALL: [Kind; 10] = [
        Kind::Ip,
        Kind::Phone,
        Kind::Email,
        Kind::Card,
        Kind::Iban,
        Kind::SocialSecurity,
        Kind::Password,
        Kind::Token,
        Kind::Key,
        Kind::PrivateKey,
    ];

    /// The class a text has at least once it holds this.
    ///
    /// An address of a machine is `Internal`: it says something about the operator's network and nothing about a
    /// person. Ways to reach a person are `Confidential`: they may move between the operator's own machines. Numbers
    /// and secrets that give access to money or systems are `Restricted`: no other machine needs them.
    pub fn class(self) -> PrivacyClass {
        match self {
            Kind::Ip => PrivacyClass::Internal,
            Kind::Phone | Kind::Email => PrivacyClass::Confidential,
            Kind::Card
            | Kind::Iban
            | Kind::SocialSecurity
            | Kind::Password
            | Kind::Token
            | Kind::Key
            | Kind::PrivateKey => PrivacyClass::Restricted,
        }
    }

    /// The word used in records and explanations.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Ip => "ip address",
            Kind::Phone => "phone number",
            Kind::Email => "e-mail address",
            Kind::Card => "card number",
            Kind::Iban => "bank account",
            Kind::SocialSecurity => "social security number",
            Kind::Password => "password",
            Kind::Token => "access token",
            Kind::Key => "service key",
            Kind::PrivateKey => "private key",
        }
    }

    /// The word used in configurations and JSON.
    pub fn key(self) -> &'static str {
        match self {
            Kind::Ip => "ip",
            Kind::Phone => "phone",
            Kind::Email => "email",
            Kind::Card => "card",
            Kind::Iban => "iban",
            Kind::SocialSecurity => "social_security",
            Kind::Password => "password",
            Kind::Token => "token",
            Kind::Key => "key",
            Kind::PrivateKey => "private_key",
        }
    }

    /// What stands in the place of a finding in a redacted text.
    pub fn label(self) -> &'static str {
        match self {
            Kind::Ip => "[ip]",
            Kind::Phone => "[phone]",
            Kind::Email => "[email]",
            Kind::Card => "[card]",
            Kind::Iban => "[iban]",
            Kind::SocialSecurity => "[ssn]",
            Kind::Password => "[password]",
            Kind::Token => "[token]",
            Kind::Key => "[key]",
            Kind::PrivateKey => "[private-key]",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Where something sensitive stands in a text. Never the value itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// First byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// Everything sensitive in a text, in order. Overlapping findings are one, of the more harmful kind.
pub fn find(text: &str) -> Vec<Finding> {
    let mut found = match plain::Plain::of(text) {
        None => detect::candidates(text),
        Some(plain) => {
            let mut found = detect::candidates(&plain.text);
            found.iter_mut().for_each(|finding| (finding.start, finding.end) = plain.place(finding.start, finding.end));
            found
        }
    };
    found.sort_unstable_by_key(|finding| (finding.start, finding.end));
    let mut kept: Vec<Finding> = Vec::with_capacity(found.len());
    for finding in found {
        match kept.last_mut() {
            Some(last) if finding.start < last.end => {
                last.end = last.end.max(finding.end);
                last.kind = last.kind.max(finding.kind);
            }
            _ => kept.push(finding),
        }
    }
    kept
}

/// The text with a label in the place of each finding, borrowed when there is nothing to hide.
pub fn redact(text: &str) -> Cow<'_, str> {
    let findings = find(text);
    if findings.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut from = 0;
    for finding in findings {
        clean.push_str(&text[from..finding.start]);
        clean.push_str(finding.kind.label());
        from = finding.end;
    }
    clean.push_str(&text[from..]);
    Cow::Owned(clean)
}
