//! The tools an executor has, by id and version, as a snapshot that readers load without waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::handle::Error;
use super::stage::{Asker, Stage, chosen};
use super::tools::Tool;
use crate::lap::policy::{Book, Problem, Slice};
use crate::lap::{Caller, Front, Gate, Ready, Rules};
use crate::tds;
use crate::tds::tool::{Date, Range, Reference, Run, Version};
use crate::types::{Timestamp, ToolSpec};
use crate::ziggy::budget::date;

/// A tool as it is called: its description, and the function behind it if it is one of the host that may wait.
#[derive(Clone)]
pub struct Entry {
    /// Its description, ready to be called.
    pub ready: Arc<Ready>,
    /// The function, if it is one of the host that waits without holding a thread.
    pub(super) function: Option<Tool>,
    /// Its policies. None if they are a permit of everything.
    pub(super) policies: Option<Arc<Slice>>,
    /// Why this machine cannot run it, if it was tried and cannot.
    pub unavailable: Option<Arc<str>>,
    /// Whom it serves.
    pub stage: Stage,
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

    /// The day from which on it is not called any more, if that has come.
    pub(super) fn gone_since(&self, now: Timestamp) -> Option<Date> {
        let day = self.ready.tool.deprecation.as_ref()?.sunset_at?;
        date(&day.to_string()).is_some_and(|begins| begins <= now).then_some(day)
    }

    /// What stands before it at this time.
    pub(super) fn gate<'a>(&'a self, rules: &'a Rules, now: Timestamp) -> Gate<'a> {
        Gate { tool: &self.ready.tool, policies: self.policies.as_deref(), rules, now }
    }

    /// Whether this caller is shown it: there could be a call of it that is admitted, and its day has not come (LAP4).
    pub(super) fn shows(&self, caller: &Caller, rules: &Rules, now: Timestamp) -> bool {
        self.gone_since(now).is_none() && self.gate(rules, now).shows(caller)
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
    /// The policies tools are called under.
    book: Book,
    /// Counts up with each change.
    changed: watch::Sender<u64>,
}

impl Library {
    /// These functions of the host.
    ///
    /// # Errors
    /// Two have one name, or a schema of one is none.
    pub fn of(tools: Vec<Tool>) -> Result<Library, Error> {
        let wrong = |problems: Vec<Problem>| Error::Description { name: "policy".to_owned(), reason: told(&problems) };
        Library::under(Book::of_nobody().map_err(wrong)?, tools)
    }

    /// These functions of the host, and whatever is put in, under these policies.
    ///
    /// # Errors
    /// Two have one name, a schema of one is none, or a policy does not fit one.
    pub fn under(book: Book, tools: Vec<Tool>) -> Result<Library, Error> {
        let (mut shelf, mut functions) = (Shelf::new(), Functions::new());
        for tool in tools {
            let ready = Arc::new(tool.ready()?);
            let policies = book
                .of_tool(&ready.tool)
                .map_err(|problems| Error::Description { name: ready.tool.id.to_string(), reason: told(&problems) })?;
            let policies = policies.map(Arc::new);
            let entry = Entry { ready, function: Some(tool), policies, unavailable: None, stage: Stage::Active };
            let id = entry.id();
            if shelf.contains_key(&id) {
                return Err(Error::Twice { name: id });
            }
            functions.extend(entry.function.clone().map(|tool| (id.clone(), tool)));
            shelf.entry(id).or_default().insert(entry.ready.tool.version.clone(), entry);
        }
        Ok(Library { shelf: ArcSwap::from_pointee(shelf), functions, book, changed: watch::Sender::new(0) })
    }

    /// Whether this is a function of the host, which nobody publishes or takes back.
    pub(super) fn is_own(&self, id: &str) -> bool {
        self.functions.contains_key(id)
    }

    /// A published tool as it is called.
    ///
    /// # Errors
    /// Each policy that does not fit it, with its place, in words.
    pub(super) fn entry(&self, ready: Ready, stage: Stage) -> Result<Entry, Vec<String>> {
        let words = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
        let policies = self.book.of_tool(&ready.tool).map_err(words)?.map(Arc::new);
        let function = match &ready.tool.run {
            Run::Native(native) => self.functions.get(native.function.as_str()).map(|tool| tool.under(&ready.tool)),
            _ => None,
        };
        Ok(Entry { ready: Arc::new(ready), function, policies, unavailable: None, stage })
    }

    /// Puts in a version of a tool, in the place of the same version if there is one.
    pub fn put(&self, entry: Entry) {
        self.put_all(&[entry]);
    }

    /// Puts in all of them with one change, as a host that starts does with thousands.
    pub(super) fn put_all(&self, entries: &[Entry]) {
        self.shelf.rcu(|shelf| {
            let mut shelf = Shelf::clone(shelf);
            for entry in entries {
                shelf.entry(entry.id()).or_default().insert(entry.ready.tool.version.clone(), entry.clone());
            }
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
        self.shelf.load().iter().filter_map(|(id, versions)| taken(id, versions, None, None)).collect()
    }

    /// Every version of a tool, oldest first.
    pub fn versions(&self, id: &str) -> Vec<Entry> {
        self.shelf.load().get(id).map(|versions| versions.values().cloned().collect()).unwrap_or_default()
    }

    /// How many tools there are, each counted once for all its versions.
    pub(super) fn count(&self) -> usize {
        self.shelf.load().len()
    }

    /// Whether this is the only version of a tool in general use.
    pub(super) fn is_last(&self, id: &str, version: &Version) -> bool {
        let others = |entry: &&Entry| entry.ready.tool.version != *version && entry.stage == Stage::Active;
        self.shelf.load().get(id).is_none_or(|versions| versions.values().filter(others).count() == 0)
    }

    /// The ids of all tools.
    pub fn ids(&self) -> Vec<String> {
        self.shelf.load().keys().cloned().collect()
    }

    /// Counts up with each change; follow it and read again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The newest version of a tool that a caller takes, of those in general use.
    ///
    /// # Errors
    /// There is no such tool, or no version of it that the caller takes; both say what there is.
    pub fn find(&self, id: &str, required: Option<&Range>) -> Result<Entry, Error> {
        self.find_for(id, required, None, &|_| true)
    }

    /// Policies about tools or tags that are not here: too early, or misspelled.
    pub fn unbound(&self) -> Vec<Problem> {
        let shelf = self.shelf.load();
        let entries = || shelf.values().flat_map(BTreeMap::values);
        let tags = entries().flat_map(|entry| entry.ready.tool.tags.iter().map(ToString::to_string));
        self.book.unbound(&shelf.keys().cloned().collect(), &tags.collect())
    }

    /// The version of a tool that serves who asks: one on trial, if it is meant for them. `shows` says of which tools they
    /// may be told.
    ///
    /// # Errors
    /// Those of [`Library::find`].
    pub(super) fn find_for(
        &self,
        id: &str,
        required: Option<&Range>,
        asker: Option<&Asker<'_>>,
        shows: &dyn Fn(&Entry) -> bool,
    ) -> Result<Entry, Error> {
        let shelf = self.shelf.load();
        let Some(versions) = shelf.get(id) else { return Err(unknown(id, &shelf, shows)) };
        taken(id, versions, required, asker).ok_or_else(|| Error::Unsatisfied {
            name: id.to_owned(),
            required: required.map_or("in general use".to_owned(), ToString::to_string),
            known: versions.values().map(shown).collect::<Vec<_>>().join(", "),
        })
    }

    /// That there is no such tool, with those there are of which who asks may be told.
    pub(super) fn unknown(&self, id: &str, shows: &dyn Fn(&Entry) -> bool) -> Error {
        unknown(id, &self.shelf.load(), shows)
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

/// What is wrong with policies, in a line.
fn told(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn unknown(id: &str, shelf: &Shelf, shows: &dyn Fn(&Entry) -> bool) -> Error {
    // A name in an error is as good as one in a list.
    let shown = |versions: &BTreeMap<Version, Entry>| versions.values().any(shows);
    let mut names = shelf.iter().filter(|(_, versions)| shown(versions)).map(|(id, _)| id.as_str());
    let mut all: Vec<&str> = names.by_ref().take(NAMES_MOST).collect();
    let listed = all.len();
    all.extend(names);
    let near = tds::nearest(id, &all).map(|near| format!("did you mean {near:?}? ")).unwrap_or_default();
    let more = if all.len() > listed { format!(" and {} more", all.len() - listed) } else { String::new() };
    let known = match listed {
        0 => "there are none".to_owned(),
        _ => format!("{near}there are {}{more}", all[..listed].join(", ")),
    };
    Error::Unknown { name: id.to_owned(), known }
}

/// The version that serves.
fn taken(
    id: &str,
    versions: &BTreeMap<Version, Entry>,
    required: Option<&Range>,
    asker: Option<&Asker<'_>>,
) -> Option<Entry> {
    let stages = versions.iter().map(|(version, entry)| (version.clone(), entry.stage.clone())).collect();
    versions.get(chosen(id, &stages, required, asker)?).cloned()
}

/// A version as errors list it.
fn shown(entry: &Entry) -> String {
    let version = &entry.ready.tool.version;
    match &entry.stage {
        Stage::Active => version.to_string(),
        Stage::Canary(_) => format!("{version} (on trial)"),
        Stage::Quarantined { reason } => format!("{version} (taken out: {reason})"),
    }
}
