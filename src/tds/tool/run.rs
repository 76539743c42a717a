//! How a tool is run, in what it is locked up, and how much harm it could do.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::types::is_default;

use super::text::{FilePath, FunctionName, ImageName, Name};

/// What keeps a tool from the rest of the machine. Ordered by strength, the stronger greater: a tool may be run in its own
/// level or any stronger one that can run its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Nothing: a function of the host itself, trusted as the host is.
    Native,
    /// Namespaces, landlock and seccomp on the host's own kernel.
    Jail,
    /// A container: the same kernel, a file system of its own, capabilities dropped.
    Docker,
    /// A machine without system calls: it can do what its imports let it, and they are ours.
    Wasm,
    /// A kernel in user space between the tool and ours.
    Gvisor,
    /// A machine of its own with a kernel of its own.
    Microvm,
}

impl Isolation {
    /// Every level, weakest first.
    pub const ALL: [Isolation; 6] =
        [Isolation::Native, Isolation::Jail, Isolation::Docker, Isolation::Wasm, Isolation::Gvisor, Isolation::Microvm];

    /// The word in the file.
    pub fn word(self) -> &'static str {
        match self {
            Isolation::Native => "native",
            Isolation::Jail => "jail",
            Isolation::Docker => "docker",
            Isolation::Wasm => "wasm",
            Isolation::Gvisor => "gvisor",
            Isolation::Microvm => "microvm",
        }
    }
}

/// How much harm a tool could do. Ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// It changes nothing and reaches nobody.
    Low,
    /// It reaches other machines, holds a secret, or changes something in a way that can be repeated.
    Medium,
    /// It changes something each time it is called, reaches hosts nobody has named one by one, or sees a secret itself.
    High,
    /// It runs what somebody else wrote: code or a shell line out of its input.
    Critical,
}

impl Risk {
    /// The weakest isolation for it. Low risk may run as part of the host, if the tool is part of the host.
    pub fn least(self) -> Isolation {
        match self {
            Risk::Low => Isolation::Native,
            Risk::Medium => Isolation::Jail,
            Risk::High => Isolation::Docker,
            Risk::Critical => Isolation::Gvisor,
        }
    }

    /// The word in the file.
    pub fn word(self) -> &'static str {
        match self {
            Risk::Low => "low",
            Risk::Medium => "medium",
            Risk::High => "high",
            Risk::Critical => "critical",
        }
    }
}

/// How a tool is run: one of four kinds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Run {
    /// A program with its files, started anew for each call.
    Program(Program),
    /// A container's image.
    Image(Image),
    /// A WebAssembly component.
    Component(Component),
    /// A function of the host.
    Native(Native),
}

impl Run {
    /// The files a tool is run with, each with where the description names it.
    pub fn files(&self) -> Vec<(String, &FilePath)> {
        match self {
            Run::Program(own) => {
                let files = own.files.iter().enumerate();
                files.map(|(at, file)| (format!("/run/program/files/{at}"), file)).collect()
            }
            Run::Component(own) => vec![("/run/component/file".to_owned(), &own.file)],
            Run::Image(_) | Run::Native(_) => Vec::new(),
        }
    }
}

impl JsonSchema for Run {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Run".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "How a tool is run: one of four kinds.",
            "properties": {
                "program": generator.subschema_for::<Program>(),
                "image": generator.subschema_for::<Image>(),
                "component": generator.subschema_for::<Component>(),
                "native": generator.subschema_for::<Native>(),
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        })
    }
}

impl Run {
    /// The word in the file.
    pub fn word(&self) -> &'static str {
        match self {
            Run::Program(_) => "program",
            Run::Image(_) => "image",
            Run::Component(_) => "component",
            Run::Native(_) => "native",
        }
    }

    /// The kind in a sentence.
    pub(crate) fn named(&self) -> &'static str {
        match self {
            Run::Program(_) => "a program",
            Run::Image(_) => "an image",
            Run::Component(_) => "a component",
            Run::Native(_) => "a native function",
        }
    }

    /// Whether this kind can be run in that isolation at all.
    pub fn fits(&self, isolation: Isolation) -> bool {
        match self {
            Run::Native(_) => isolation == Isolation::Native,
            Run::Component(_) => isolation >= Isolation::Wasm,
            Run::Image(_) => matches!(isolation, Isolation::Docker | Isolation::Gvisor | Isolation::Microvm),
            Run::Program(_) => !matches!(isolation, Isolation::Native | Isolation::Wasm),
        }
    }

    /// What is started, for the kinds that start a program.
    pub fn argv(&self) -> &[String] {
        match self {
            Run::Program(program) => &program.argv,
            Run::Image(image) => &image.argv,
            Run::Component(_) | Run::Native(_) => &[],
        }
    }
}

/// A program: reads one line of JSON, `{"input": ..., "host": ...}`, from stdin and writes lines of JSON to stdout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The program and its arguments. Nothing is expanded: this is no shell line.
    #[schemars(length(min = 1, max = 64))]
    #[schemars(inner(length(max = 4_096)))]
    pub argv: Vec<String>,
    /// The files it needs, all of them beside this one.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 256))]
    pub files: Vec<FilePath>,
    /// Its environment; nothing else is in it. Secrets do not belong here.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("maxProperties" = 64))]
    pub env: BTreeMap<Name, String>,
    /// Whether it runs code or commands that are part of its input.
    #[serde(default, skip_serializing_if = "is_default")]
    pub runs_code: bool,
}

/// A container's image; its program speaks as [`Program`] says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Which image, pinned by its digest.
    pub image: ImageName,
    /// The program and its arguments, instead of the image's own.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 64))]
    #[schemars(inner(length(max = 4_096)))]
    pub argv: Vec<String>,
    /// Its environment, beside the image's own.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("maxProperties" = 64))]
    pub env: BTreeMap<Name, String>,
    /// Whether it runs code or commands that are part of its input.
    #[serde(default, skip_serializing_if = "is_default")]
    pub runs_code: bool,
}

/// A WebAssembly component of WASI 0.2 that exports the tool's world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// The component, beside this file.
    pub file: FilePath,
}

/// A function that is linked into the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Native {
    /// Its name.
    pub function: FunctionName,
}
