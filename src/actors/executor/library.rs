//! The tools an executor has, by id and version, as a snapshot that readers load without waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::handle::Error;
use super::tools::Tool;
use crate::lap::{Front, Ready};
use crate::tds;
use crate::tds::tool::{Range, Reference, Run, Version};
use crate::types::ToolSpec;

/// A tool as it is called: its description, and the function behind it if it is one of the host that may wait.
#[derive(Clone)]
pub struct Entry {
    /// Its description, ready to be called.
    pub ready: Arc<Ready>,
    /// The function, if it is one of the host that waits without holding a thread.
    pub(super) function: Option<Tool>,
    /// Why this machine cannot run it, if it was tried and cannot.
    pub unavailable: Option<Arc<str>>,
}

impl Entry {
    /// Whether a function of the host is behind it that waits without holding a thread.
    pub(super) fn is_function(&self) -> bool {
        self.function.is_some() && self.front().is_none()
    }

    /// What makes steps of a call, if anything does.
    pub(super) fn front(&self) -> Option<&Arc<dyn Front>> {
        self.function.as_ref().and_then(Tool::front)
    }

    /// The tool as errors name it: with its version, if it has one of its own.
    pub(super) fn label(&self) -> String {
        let plain = self.function.as_ref().is_some_and(Tool::is_plain);
        if plain { self.id() } else { self.ready.label() }
    }

    fn id(&self) -> String {
        self.ready.tool.id.to_string()
    }
}

/// Functions of the host that wait, by the name a description may give them.
type Functions = BTreeMap<String, Tool>;

type Shelf = BTreeMap<String, BTreeMap<Version, Entry>>;

/// All tools. Shared between whoever adds some and those that are asked for them.
pub struct Library {
    shelf: ArcSwap<Shelf>,
    functions: Functions,
    /// Counts up with each change.
    changed: watch::Sender<u64>,
}

impl Library {
    /// These functions of the host.
    ///
    /// # Errors
    /// Two have one name, or a schema of one is none.
    pub fn of(tools: Vec<Tool>) -> Result<Library, Error> {
        let (mut shelf, mut functions) = (Shelf::new(), Functions::new());
        for tool in tools {
            let ready = Arc::new(tool.ready()?);
            let entry = Entry { ready, function: Some(tool), unavailable: None };
            let id = entry.id();
            if shelf.contains_key(&id) {
                return Err(Error::Twice { name: id });
            }
            functions.extend(entry.function.clone().map(|tool| (id.clone(), tool)));
            shelf.entry(id).or_default().insert(entry.ready.tool.version.clone(), entry);
        }
        Ok(Library { shelf: ArcSwap::from_pointee(shelf), functions, changed: watch::Sender::new(0) })
    }

    /// Whether this is a function of the host, which nobody publishes or takes back.
    pub(super) fn is_own(&self, id: &str) -> bool {
        self.functions.contains_key(id)
    }

    /// A published tool as it is called.
    pub(super) fn entry(&self, ready: Ready) -> Entry {
        let function = match &ready.tool.run {
            Run::Native(native) => self.functions.get(native.function.as_str()).map(|tool| tool.under(&ready.tool)),
            _ => None,
        };
        Entry { ready: Arc::new(ready), function, unavailable: None }
    }

    /// Puts in a version of a tool, in the place of the same version if there is one.
    pub fn put(&self, entry: Entry) {
        self.shelf.rcu(|shelf| {
            let mut shelf = Shelf::clone(shelf);
            shelf.entry(entry.id()).or_default().insert(entry.ready.tool.version.clone(), entry.clone());
            shelf
        });
        self.changed.send_modify(|count| *count += 1);
    }

    /// Says of a tool of the host that this machine cannot run it: it is listed with the reason, and no model is told of it.
    pub fn lacking(&self, id: &str, reason: &str) {
        for entry in self.versions(id) {
            self.put(Entry { unavailable: Some(reason.into()), ..entry });
        }
    }

    /// Takes out a version. Whether it was there.
    pub fn remove(&self, id: &str, version: &Version) -> bool {
        let mut found = false;
        self.shelf.rcu(|shelf| {
            let mut shelf = Shelf::clone(shelf);
            found = shelf.get_mut(id).is_some_and(|versions| versions.remove(version).is_some());
            shelf.retain(|_, versions| !versions.is_empty());
            shelf
        });
        self.changed.send_modify(|count| *count += u64::from(found));
        found
    }

    /// The newest version of each tool, by id.
    pub fn newest(&self) -> Vec<Entry> {
        self.shelf.load().values().filter_map(|versions| newest(versions, None)).collect()
    }

    /// Every version of a tool, oldest first.
    pub fn versions(&self, id: &str) -> Vec<Entry> {
        self.shelf.load().get(id).map(|versions| versions.values().cloned().collect()).unwrap_or_default()
    }

    /// The ids of all tools.
    pub fn ids(&self) -> Vec<String> {
        self.shelf.load().keys().cloned().collect()
    }

    /// Counts up with each change; follow it and read again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The newest version of a tool that a caller takes.
    ///
    /// # Errors
    /// There is no such tool, or no version of it that the caller takes; both say what there is.
    pub fn find(&self, id: &str, required: Option<&Range>) -> Result<Entry, Error> {
        let shelf = self.shelf.load();
        let Some(versions) = shelf.get(id) else {
            let known = tds::nearest(id, &shelf.keys().map(String::as_str).collect::<Vec<_>>());
            let known = known.map(|near| format!("did you mean {near:?}? ")).unwrap_or_default();
            let all: Vec<&str> = shelf.keys().take(NAMES_MOST).map(String::as_str).collect();
            let more = if shelf.len() > NAMES_MOST {
                format!(" and {} more", shelf.len() - NAMES_MOST)
            } else {
                String::new()
            };
            let known = format!("{known}there are {}{more}", all.join(", "));
            return Err(Error::Unknown { name: id.to_owned(), known });
        };
        newest(versions, required).ok_or_else(|| Error::Unsatisfied {
            name: id.to_owned(),
            required: required.map(ToString::to_string).unwrap_or_default(),
            known: versions.keys().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        })
    }

    /// What a model is told of those of these tools that are shown, each named as `id` or `id@range`; unknown ones are left
    /// out.
    pub(super) fn specs(&self, names: &[String], shows: impl Fn(&Entry) -> bool) -> Vec<ToolSpec> {
        let read = |name: &String| match name.parse::<Reference>() {
            Ok(reference) => self.find(reference.id.as_str(), Some(&reference.range)).ok(),
            // A function of an embedding program may have a name that is no id.
            Err(_) => self.find(name, None).ok(),
        };
        let mut told = BTreeSet::new();
        let entries = names.iter().filter_map(read).filter(|entry| shows(entry) && told.insert(entry.id()));
        entries.map(|entry| tds::spec(&entry.ready.tool)).collect()
    }
}

/// Names in an error at the most: a screen of them.
const NAMES_MOST: usize = 40;

/// The newest that is taken. One before a release is taken if there is nothing else, or if it is asked for by its name.
fn newest(versions: &BTreeMap<Version, Entry>, required: Option<&Range>) -> Option<Entry> {
    let taken = |version: &&Version| required.is_none_or(|range| range.takes(version));
    let released = versions.keys().rev().filter(taken).find(|version| !version.is_before_release());
    let version = released.or_else(|| versions.keys().rev().find(taken))?;
    versions.get(version).cloned()
}
