//! The files that lie beside the configuration in the data directory: agents, prices, models. Everything that is wrong in
//! any of them is found at once, with its place, as it is in the configuration.

use std::path::Path;
use std::sync::LazyLock;

use super::agents::agents_in;
use super::error::{Error, Problem, Source};
use super::judge::{self, Checked};
use super::tree::Node;
use crate::actors::agent::Profile;
use crate::inference::models::Catalog;
use crate::ziggy::budget::{PriceFile, PriceList};

/// What the binary knows, and what each key means.
const PRICES: (&str, &str) = ("config/prices.toml", include_str!("../../config/prices.toml"));
const MODELS: (&str, &str) = ("config/models.toml", Catalog::BUILT_IN);

/// The operator's own, in the data directory.
const PRICES_FILE: &str = "prices.toml";
const MODELS_FILE: &str = "models.toml";

/// Prices of the binary. A test rules out that they are wrong.
static OWN_PRICES: LazyLock<PriceFile> = LazyLock::new(|| toml::from_str(PRICES.1).unwrap_or_default());

/// Lists of the binary as values, which are examples of entries.
static EXAMPLES: LazyLock<toml::Table> = LazyLock::new(|| {
    let both = [PRICES.1, MODELS.1].map(|text| toml::from_str::<toml::Table>(text).unwrap_or_default());
    both.into_iter().flatten().collect()
});

/// Each kind of place that a model may come from.
const SOURCES: &str = r#"sources = [
    { python = { package = "NAME", version = "1.0.0" } },
    { hub = { url = "https://example.com/" } },
    { local = { path = "/FOLDER" } },
]"#;

/// What an operator wrote beside the configuration, over what the binary knows.
#[derive(Debug, Clone)]
pub struct Beside {
    /// The operator's own agents, in order of file name.
    pub agents: Vec<Profile>,
    /// Every price.
    pub prices: PriceList,
    /// Every model.
    pub models: Catalog,
}

/// Reads the files of a data directory, or only what the binary knows if there is none. At most so many agents are read.
///
/// # Errors
/// Everything that is wrong in any of the files.
pub fn beside(data: Option<&Path>, agents_most: usize) -> Result<Beside, Vec<Problem>> {
    let agents = data.map_or_else(|| Ok(Vec::new()), |data| agents_in(data, agents_most).map_err(Error::problems));
    match (agents, prices_in(data), models_in(data)) {
        (Ok(agents), Ok(prices), Ok(models)) => Ok(Beside { agents, prices, models }),
        (agents, prices, models) => {
            Err([agents.err(), prices.err(), models.err()].into_iter().flatten().flatten().collect())
        }
    }
}

/// Every price: those of the binary, and those of this data directory over them.
///
/// # Errors
/// Everything that is wrong in the operator's file.
pub fn prices_in(data: Option<&Path>) -> Result<PriceList, Vec<Problem>> {
    let own = file::<PriceFile>(data, PRICES_FILE, "prices")?.unwrap_or_default();
    // What cannot be was told when the file was judged.
    Ok(PriceList::of(&OWN_PRICES, &own).unwrap_or_default())
}

/// Every model: those of the binary, and those of this data directory over them.
///
/// # Errors
/// Everything that is wrong in the operator's file, or in the binary's, which a test rules out.
pub fn models_in(data: Option<&Path>) -> Result<Catalog, Vec<Problem>> {
    let built_in = Catalog::read(MODELS.1)
        .map_err(|error| vec![Problem::of_whole(Path::new(MODELS.0), error.to_string(), "a catalogue".to_owned())])?;
    Ok(match file::<Catalog>(data, MODELS_FILE, "model")? {
        Some(own) => built_in.merged(own),
        None => built_in,
    })
}

/// Reads a file that is a list of tables, if it is there.
fn file<T: Checked>(data: Option<&Path>, name: &str, list: &str) -> Result<Option<T>, Vec<Problem>> {
    // A host without a data directory reads nobody's files, least of all those of the directory it happens to run in.
    let Some(path) = data.filter(|data| !data.as_os_str().is_empty()).map(|data| data.join(name)) else {
        return Ok(None);
    };
    let Some(text) = text(&path)? else { return Ok(None) };
    listed(&path.display().to_string(), list, &text).map(Some)
}

/// Judges a text that is a list of tables.
pub(super) fn listed<T: Checked>(path: &str, list: &str, text: &str) -> Result<T, Vec<Problem>> {
    let base = Node::parse(&format!("{list} = []"), &|_| Source::Default)?;
    let own = Node::parse(text, &|line| Source::File { path: path.to_owned(), line })?;
    let overrides = base.overrides(own);
    judge::decide::<T>(base, overrides).map(|(read, _)| read)
}

/// The text of a file; nothing if there is none.
pub(super) fn text(path: &Path) -> Result<Option<String>, Vec<Problem>> {
    match std::fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            vec![Problem::no_text(path, error.as_bytes(), valid)]
        }),
        Err(error) if absent(&error) => Ok(None),
        Err(error) => Err(vec![Problem::unreadable(path, &error)]),
    }
}

/// Whether there is no such file, be it that its folder is none.
pub(super) fn absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

fn examples(list: &str) -> Vec<toml::Value> {
    EXAMPLES.get(list).and_then(toml::Value::as_array).cloned().unwrap_or_default()
}

impl Checked for PriceFile {
    const EXPLAINED: &'static str = PRICES.0;

    fn impossible(&self) -> Vec<(String, String)> {
        PriceList::of(&OWN_PRICES, self).err().unwrap_or_default()
    }

    fn entries(path: &[String]) -> Vec<toml::Value> {
        if path.len() == 1 { examples(&path[0]) } else { Vec::new() }
    }
}

impl Checked for Catalog {
    const EXPLAINED: &'static str = MODELS.0;

    fn impossible(&self) -> Vec<(String, String)> {
        Catalog::impossible(self)
    }

    fn entries(path: &[String]) -> Vec<toml::Value> {
        let models = examples("model");
        match path {
            [list] if list == "model" => {
                let sources = toml::from_str::<toml::Table>(SOURCES).unwrap_or_default();
                let sources = sources.get("sources").and_then(toml::Value::as_array).cloned().unwrap_or_default();
                let sourced = models.iter().cycle().zip(sources).map(|(model, source)| {
                    let mut model = model.clone();
                    model.as_table_mut().and_then(|table| table.insert("source".to_owned(), source));
                    model
                });
                sourced.collect()
            }
            [list, _, files] if list == "model" && files == "file" => {
                models.iter().filter_map(|model| model.get("file")?.as_array()).flatten().cloned().collect()
            }
            _ => Vec::new(),
        }
    }
}
