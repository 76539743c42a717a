//! Texts with a form: names, versions, hosts, pointers. The form is in the published schema; what a pattern cannot say is a
//! `format` that the reader checks.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text with a pattern and a length.
macro_rules! text {
    ($(#[doc = $doc:literal])+ $name:ident, $most:literal, $pattern:literal) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let lines: [&str; _] = [$($doc.trim()),+];
                json_schema!({
                    "type": "string",
                    "description": lines.join(" "),
                    "pattern": $pattern,
                    "minLength": 1,
                    "maxLength": $most,
                })
            }
        }
    };
}

text!(
    /// Id of a tool: lower-case words, joined by dots, such as `git.log`.
    Id, 64, "^[a-z][a-z0-9_-]*(\\.[a-z0-9][a-z0-9_-]*)*$"
);
text!(
    /// A title for people, on one line.
    Title, 80, "^[^\\r\\n]*[^\\s][^\\r\\n]*$"
);
text!(
    /// A word to find the tool by.
    Tag, 32, "^[a-z0-9][a-z0-9-]*$"
);
text!(
    /// Name of something within this file.
    Name, 64, "^[A-Za-z_][A-Za-z0-9_-]*$"
);
text!(
    /// What a caller must have been granted, such as `repo.read`.
    Scope, 64, "^[a-z][a-z0-9_]*([.:/][a-z0-9_*]+)*$"
);
text!(
    /// Where a secret is kept: a path such as `github/token`, never the secret.
    SecretPath, 128, "^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"
);
text!(
    /// Name of an HTTP header, in lower case.
    HeaderName, 64, "^[a-z][a-z0-9-]*$"
);
text!(
    /// A host by its name, such as `api.github.com`, or every host below one: `*.example.com`.
    HostName, 253, "^(\\*\\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"
);
text!(
    /// A path of a URL; a `*` at its end is everything below.
    UrlPath, 256, "^/[A-Za-z0-9._~!$&'()+,;=:@%/-]*\\*?$"
);
text!(
    /// A role that the host's directory gives people and agents.
    Role, 64, "^[a-z][a-z0-9_-]*$"
);
text!(
    /// A region, such as `eu` or `eu-central`.
    Region, 32, "^[a-z][a-z0-9-]*$"
);
text!(
    /// A file beside this one, below its folder.
    FilePath, 256, "^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"
);
text!(
    /// An image by its content: a name and its sha256 digest.
    ImageName, 256, "^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$"
);
text!(
    /// Name of a function that is linked into the host.
    FunctionName, 64, "^[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)*$"
);
text!(
    /// A value in a call: a JSON pointer that begins with `/input`, `/output`, `/chunk` or `/host`. A step `*` is every item
    /// of a list or every key of an object.
    ValuePointer, 256, "^/(input|output|chunk|host)(/([^~/]|~[01])*)*$"
);

impl HostName {
    /// Whether a rule for this name holds for that host too.
    pub fn covers(&self, other: &HostName) -> bool {
        match self.0.strip_prefix('*') {
            Some(suffix) => other.0.strip_prefix('*').unwrap_or(&other.0).ends_with(suffix),
            None => self == other,
        }
    }
}

impl Id {
    /// The id as a name in a program: dots and dashes are underscores.
    pub fn snake(&self) -> String {
        self.0.replace(['.', '-'], "_")
    }
}

impl ValuePointer {
    pub(crate) fn of(text: &str) -> ValuePointer {
        ValuePointer(text.to_owned())
    }
}

/// A text that a function reads, named as a `format` in the published schema.
macro_rules! read_text {
    ($(#[doc = $doc:literal])+ $name:ident, $format:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let lines: [&str; _] = [$($doc.trim()),+];
                json_schema!({
                    "type": "string",
                    "description": lines.join(" "),
                    "format": $format,
                    "maxLength": 128,
                })
            }
        }
    };
}

/// A version, as Semantic Versioning 2.0 writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub(crate) semver::Version);

/// Which versions somebody takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Range(pub(crate) semver::VersionReq);

/// A tool and which versions of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The tool's id.
    pub id: Id,
    /// Which versions of it.
    pub range: Range,
}

/// A day, in UTC. Days compare as they follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// Where the key of a call comes from that must not be done twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// The host makes one for each call and passes it on as a host argument.
    Host,
    /// It is part of the input.
    Input(ValuePointer),
}

read_text!(
    /// A version as Semantic Versioning 2.0 writes it, such as `1.4.0`.
    Version, "semver"
);
read_text!(
    /// Which versions, such as `^1.2` or `>=1.2, <3`.
    Range, "semver-range"
);
read_text!(
    /// A tool and which versions of it, such as `git.log@^1`; without `@`, every version.
    Reference, "tool-reference"
);
read_text!(
    /// A day in UTC, such as `2027-01-31`.
    Date, "tds-date"
);
read_text!(
    /// `host`, or the JSON pointer of a required input, such as `/input/request_id`.
    KeySource, "key-source"
);

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Version, String> {
        semver::Version::parse(text).map(Version).map_err(|error| format!("not a version: {error}"))
    }
}

impl Version {
    /// Whether it comes before a release, such as `2.0.0-rc.1`.
    pub fn is_before_release(&self) -> bool {
        !self.0.pre.is_empty()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Range, String> {
        semver::VersionReq::parse(text).map(Range).map_err(|error| format!("not a range of versions: {error}"))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Range {
    /// Whether this version is one of them.
    pub fn takes(&self, version: &Version) -> bool {
        self.0.matches(&version.0)
    }

    /// Whether this is the only version it takes, as `=1.2.3` says.
    pub fn takes_only(&self, version: &Version) -> bool {
        let [one] = self.0.comparators.as_slice() else { return false };
        one.op == semver::Op::Exact && one.patch.is_some() && self.takes(version)
    }
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Reference, String> {
        let (id, range) = text.split_once('@').unwrap_or((text, "*"));
        let word = |part: &str| {
            let sign = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
            !part.is_empty() && part.chars().all(sign)
        };
        let first = id.starts_with(|c: char| c.is_ascii_lowercase());
        if id.len() > 64 || !first || !id.split('.').all(word) {
            return Err(format!(
                "not the id of a tool: {id:?}; one is lower-case words joined by dots, such as `git.log`, 64 characters at most"
            ));
        }
        Ok(Reference { id: Id(id.to_owned()), range: range.parse()? })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.range)
    }
}

impl FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Date, String> {
        let wrong = || format!("not a day: {text:?}");
        let bytes = text.as_bytes();
        let shaped = bytes.len() == 10
            && bytes
                .iter()
                .enumerate()
                .all(|(at, byte)| if at == 4 || at == 7 { *byte == b'-' } else { byte.is_ascii_digit() });
        if !shaped {
            return Err(wrong());
        }
        let year: u16 = text[..4].parse().map_err(|_| wrong())?;
        let month: u8 = text[5..7].parse().map_err(|_| wrong())?;
        let day: u8 = text[8..].parse().map_err(|_| wrong())?;
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 => 28 + u8::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        };
        if day == 0 || day > days { Err(wrong()) } else { Ok(Date { year, month, day }) }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl FromStr for KeySource {
    type Err = String;

    fn from_str(text: &str) -> Result<KeySource, String> {
        match text {
            "host" => Ok(KeySource::Host),
            _ if text.starts_with("/input/") => Ok(KeySource::Input(ValuePointer::of(text))),
            _ => Err("neither `host` nor a pointer below /input".to_owned()),
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySource::Host => f.write_str("host"),
            KeySource::Input(pointer) => pointer.fmt(f),
        }
    }
}
