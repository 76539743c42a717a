//! How a tool comes to be called, and ceases to be: what it says of itself is read, it passes its own tests in the sandbox
//! it asks for, its number says what changed, and the journal has it.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use serde_json::{Value, json};

use super::attempt::{Attempt, Tried, function, grant};
use super::call::Shared;
use super::handle::Error;
use super::library::{Entry, Library};
use super::request::Request;
use super::shelf::{Checked, Kept, Published, Retired, kind, open, put_down, volumes};
use super::stage::Stage;
use crate::lap::grant::Errand;
use crate::lap::{Caller, Case, Package, Ready, Unpacked};
use crate::store::{Durability, NewEvent};
use crate::tds::tool::{HostSource, Version};
use crate::tds::{self, Tool, compat};
use crate::types::{Class, Cx, Hash};

/// What was published, and what is odd about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// What was published.
    pub published: Published,
    /// What is odd about it.
    pub warnings: Vec<String>,
    /// Whether this very version was there already.
    pub known: bool,
    /// What came of inputs that were made of its schema, in words; nothing if it was there already.
    pub tried: String,
}

/// Publishes and takes back.
pub(super) struct Publisher<'a> {
    pub(super) shared: &'a Shared,
    pub(super) library: &'a Library,
    pub(super) cx: &'a Cx,
}

impl Publisher<'_> {
    /// Publishes a tool, if it passes.
    pub(super) async fn publish(&self, package: Package, stage: Stage) -> Result<Publication, Error> {
        let unpacked = package.unpack().map_err(|reasons| not("the tool", reasons))?;
        let (ready, mut published) = self.keep(&unpacked).await?;
        published.stage = stage;
        let label = ready.label();
        let id = ready.tool.id.to_string();
        if self.library.is_own(&id) {
            let reasons = vec![format!("{id} is a function of this host, whose place nobody takes")];
            return Err(not(&label, reasons));
        }
        let mut warnings = unpacked.warnings;
        if let Some(there) =
            self.library.versions(&id).iter().find(|entry| entry.ready.tool.version == ready.tool.version)
            && there.ready.hash == ready.hash
        {
            return Ok(Publication { published, warnings, known: true, tried: String::new() });
        }
        self.fits(&ready.tool).map_err(|reasons| not(&label, reasons))?;
        let entry = self.library.entry(ready, published.stage.clone()).map_err(|reasons| not(&label, reasons))?;
        let failures = self.try_out(&entry, &unpacked.cases).await;
        if !failures.is_empty() {
            return Err(not(&label, failures));
        }
        let tried = self.fuzz(&entry, &unpacked.cases).await.map_err(|reason| not(&label, vec![reason]))?;
        warnings.extend(self.odd(&entry.ready.tool));
        let checked = checked(&published, Vec::new());
        self.record(vec![(kind::PUBLISHED, json!(published)), (kind::CHECKED, json!(checked))], &label).await?;
        self.library.put(entry);
        Ok(Publication { published, warnings, known: false, tried })
    }

    /// Reads a package and runs its tests, and publishes nothing. Returns the tests that passed.
    pub(super) async fn test(&self, package: Package) -> Result<Vec<String>, Error> {
        let unpacked = package.unpack().map_err(|reasons| not("the tool", reasons))?;
        let (ready, _) = self.keep(&unpacked).await?;
        let label = ready.label();
        let entry = self.library.entry(ready, Stage::Active).map_err(|reasons| not(&label, reasons))?;
        let failures = self.try_out(&entry, &unpacked.cases).await;
        if !failures.is_empty() {
            return Err(not(&label, failures));
        }
        let tried = self.fuzz(&entry, &unpacked.cases).await.map_err(|reason| not(&label, vec![reason]))?;
        Ok(unpacked.cases.iter().map(Case::label).chain([tried]).collect())
    }

    /// Puts description and files where they are kept and where they are run from.
    async fn keep(&self, unpacked: &Unpacked) -> Result<(Ready, Published), Error> {
        let journal = &self.shared.ports.journal;
        let tool = Arc::new(unpacked.tool.clone());
        let label = format!("{}@{}", tool.id, tool.version);
        let unrecorded = |error: crate::store::Error| Error::Unrecorded {
            name: label.clone(),
            class: error.class(),
            reason: error.to_string(),
        };
        let not = |reason: String| Error::NotPublished { name: label.clone(), reasons: vec![reason] };
        let description = journal.put_payload(tds::canonical(&tool).into_bytes()).await.map_err(unrecorded)?;
        // The hash of the whole is known only when all files are, and the folder is named by it.
        let hashes = unpacked.files.iter().map(|(path, file)| crate::lap::File {
            path: path.clone(),
            hash: Hash::of(&file.bytes),
            source: path.into(),
            executable: file.executable,
        });
        let hash = Ready::new(Arc::clone(&tool), hashes.collect()).map_err(not)?.hash;
        let (mut files, mut kept) = (Vec::new(), Vec::new());
        for (path, file) in &unpacked.files {
            let hash_of_file = journal.put_payload(file.bytes.clone()).await.map_err(unrecorded)?;
            kept.push(Kept { path: path.clone(), hash: hash_of_file, executable: file.executable });
            files.push(put_down(self.shared.ports.shelf.as_deref(), hash, path, file).map_err(not)?);
        }
        let ready = Ready::new(tool, files).map_err(not)?;
        let published = Published {
            id: ready.tool.id.to_string(),
            version: ready.tool.version.to_string(),
            hash: ready.hash,
            description,
            files: kept,
            cases: unpacked.cases.len(),
            by: self.cx.principal().name.clone(),
            stage: Stage::Active,
        };
        Ok((ready, published))
    }

    /// Whether the version's number says what changed since the newest one before it.
    fn fits(&self, tool: &Tool) -> Result<(), Vec<String>> {
        let versions = self.library.versions(tool.id.as_str());
        let Some(before) = versions.iter().rfind(|entry| entry.ready.tool.version <= tool.version) else {
            return Ok(());
        };
        let old = &before.ready.tool;
        let changes = compat::diff(old, tool);
        let Err(refusal) = compat::judge(old, tool, &changes) else { return Ok(()) };
        let told =
            changes.iter().map(|change| format!("{}: {}: {}", change.level, tds::dotted(&change.pointer), change.what));
        Err(std::iter::once(refusal.to_string()).chain(told).collect())
    }

    /// What is odd about a tool on this host: where it cannot be run.
    fn odd(&self, tool: &Tool) -> Vec<String> {
        let instead = tool.deprecation.as_ref().and_then(|going| going.replaced_by.as_ref());
        let unknown = instead.filter(|other| self.library.find(other.id.as_str(), Some(&other.range)).is_err());
        unknown.map(|other| format!("it names {other} to be used instead, which is not here")).into_iter().collect()
    }

    /// Runs the tests of a tool, and returns what failed.
    pub(super) async fn try_out(&self, entry: &Entry, cases: &[Case]) -> Vec<String> {
        let mut failures = Vec::new();
        for (number, case) in cases.iter().enumerate() {
            let came = self.case(entry, case, number).await;
            if let Err(difference) = case.judge(&came) {
                failures.push(format!("{}: {difference}", case.label()));
            }
            if self.cx.is_cancelled() || self.cx.deadline() <= self.shared.world.clock.now() {
                failures.push("the tests were ended before they were done".to_owned());
                break;
            }
        }
        failures
    }

    async fn case(&self, entry: &Entry, case: &Case, number: usize) -> Result<Value, (Class, String)> {
        let ready = &entry.ready;
        let wrong = ready.wrong_input(&case.input);
        if !wrong.is_empty() {
            return Err((Class::Invalid, crate::lap::Mismatches(wrong).to_string()));
        }
        let tried = self.run(entry, &case.input, &case.host, &number.to_string()).await;
        let value = tried.outcome.answer.map_err(|failure| (failure.class, failure.message))?;
        let wrong = ready.wrong_output(&value);
        if wrong.is_empty() {
            return Ok(value);
        }
        Err((Class::Internal, format!("its answer is not what it promises: {}", crate::lap::Mismatches(wrong))))
    }

    /// Runs a tool as a call does, with what a host would add made up.
    pub(super) async fn run(&self, entry: &Entry, input: &Value, host: &BTreeMap<String, Value>, name: &str) -> Tried {
        let ready = &entry.ready;
        let envelope = json!({ "input": input, "host": made_up(&ready.tool, host) });
        if entry.is_function() {
            let work = AssertUnwindSafe(function(entry, self.cx, envelope, &*self.shared.world.clock));
            // A function that panics has failed its test, and the tests of others go on.
            return work.catch_unwind().await.unwrap_or_else(|_| Tried::refused(Class::Internal, "it panicked"));
        }
        let request = Request { tool: ready.tool.id.to_string(), arguments: input.clone(), ..Request::default() };
        let caller = Caller::of(self.cx.principal());
        let errand = Errand { tool: &ready.tool, arguments: input, caller: &caller, class: self.cx.privacy() };
        let (ports, clock) = (&self.shared.ports, &*self.shared.world.clock);
        let grant = match grant(ports.grants.as_deref(), &errand, self.cx, clock) {
            Ok(grant) => grant,
            Err(error) => return Tried::refused(error.class(), error.to_string()),
        };
        let attempt = Attempt {
            ports,
            ready,
            front: entry.front().map(|front| &**front),
            request: &request,
            caller: &caller,
            grant: grant.as_ref(),
            cx: self.cx,
            clock,
            id: format!("test-{}-{name}", crate::types::RunId::new(&self.shared.world)),
        };
        attempt.run(envelope).await
    }

    /// A version that was published and is called.
    pub(super) fn published(&self, id: &str, version: &Version) -> Result<Entry, Error> {
        let known = self.library.versions(id);
        let Some(entry) = known.iter().find(|entry| entry.ready.tool.version == *version) else {
            let known = known.iter().map(|entry| entry.ready.tool.version.to_string()).collect::<Vec<_>>().join(", ");
            return Err(Error::Unsatisfied { name: id.to_owned(), required: format!("={version}"), known });
        };
        if self.library.is_own(id) {
            let reasons = vec![format!("{id} is a function of this host and stays as long as it does")];
            return Err(Error::NotPublished { name: id.to_owned(), reasons });
        }
        Ok(entry.clone())
    }

    /// Takes a version back. It stays in the journal, and is not called any more.
    pub(super) async fn retire(&self, id: &str, version: &Version) -> Result<(), Error> {
        self.published(id, version)?;
        let by = self.cx.principal().name.clone();
        let retired = Retired { id: id.to_owned(), version: version.to_string(), by };
        self.record(vec![(kind::RETIRED, json!(retired))], id).await?;
        self.library.remove(id, version);
        Ok(())
    }

    /// Runs the tests of every version that this build has not tested yet, and takes what fails off the shelf.
    pub(super) async fn recheck_all(&self) -> Result<(), Error> {
        let unread = |error: crate::store::Error| Error::Unrecorded {
            name: "published tools".to_owned(),
            class: error.class(),
            reason: error.to_string(),
        };
        let volumes = volumes(&*self.shared.ports.journal).await.map_err(unread)?;
        let build = build();
        let due = volumes.into_values().filter(|volume| {
            let done = |checked: &Checked| checked.build == build && checked.hash == volume.published.hash;
            volume.retired.is_none() && !volume.checked.as_ref().is_some_and(done)
        });
        for volume in due {
            let published = volume.published;
            let failures = self.recheck(&published).await?;
            let (tool, version) = (&published.id, &published.version);
            if failures.is_empty() {
                tracing::info!(tool, version, "a published tool passed its tests under this build");
                continue;
            }
            tracing::error!(tool, version, ?failures, "a published tool failed its tests and is not called any more");
            if let Ok(version) = published.version.parse() {
                self.library.remove(&published.id, &version);
            }
        }
        Ok(())
    }

    /// Runs the tests of a published version.
    async fn recheck(&self, published: &Published) -> Result<Vec<String>, Error> {
        let journal = &*self.shared.ports.journal;
        let label = format!("{}@{}", published.id, published.version);
        let failures = match open(journal, published, self.shared.ports.shelf.as_deref()).await {
            Err(reason) => vec![reason],
            Ok(ready) => {
                let files = self.files(published).await?;
                let package = Package { format: tds::Format::Json, text: tds::canonical(&ready.tool), files };
                match package.unpack() {
                    Err(reasons) => reasons,
                    Ok(unpacked) => match self.library.entry(ready, Stage::Active) {
                        Err(problems) => problems,
                        Ok(entry) => self.try_out(&entry, &unpacked.cases).await,
                    },
                }
            }
        };
        self.record(vec![(kind::CHECKED, json!(checked(published, failures.clone())))], &label).await?;
        Ok(failures)
    }

    async fn files(&self, published: &Published) -> Result<BTreeMap<String, crate::lap::PackedFile>, Error> {
        let mut files = BTreeMap::new();
        for kept in &published.files {
            let found = self.shared.ports.journal.get_payload(kept.hash).await;
            let bytes = found.map_err(|error| Error::Unrecorded {
                name: published.id.clone(),
                class: error.class(),
                reason: error.to_string(),
            })?;
            let packed = crate::lap::PackedFile { bytes: bytes.unwrap_or_default(), executable: kept.executable };
            files.insert(kept.path.clone(), packed);
        }
        Ok(files)
    }

    async fn record(&self, events: Vec<(&str, Value)>, label: &str) -> Result<(), Error> {
        let events = events.into_iter().map(|(kind, body)| NewEvent::new(kind, None, &self.shared.source, &body));
        let written = self.shared.ports.journal.append(events.collect(), Durability::Durable).await;
        written.map(drop).map_err(|error| Error::Unrecorded {
            name: label.to_owned(),
            class: error.class(),
            reason: error.to_string(),
        })
    }
}

/// Which build of the host this is: another may run a tool in another way.
pub(super) fn build() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

fn not(name: &str, reasons: Vec<String>) -> Error {
    Error::NotPublished { name: name.to_owned(), reasons }
}

fn checked(published: &Published, failures: Vec<String>) -> Checked {
    Checked {
        id: published.id.clone(),
        version: published.version.clone(),
        hash: published.hash,
        build: build(),
        failures,
    }
}

/// What a host would add to a call that is a test: what the test says, and something of the right kind for the rest.
fn made_up(tool: &Tool, given: &BTreeMap<String, Value>) -> Value {
    let mut host = serde_json::Map::new();
    for (name, argument) in &tool.interface.host {
        let made = match argument.from {
            HostSource::Tenant | HostSource::Principal | HostSource::Agent => json!("test"),
            HostSource::RunId => json!("0".repeat(32)),
            HostSource::Trace => json!("00-00000000000000000000000000000001-0000000000000001-01"),
            HostSource::DeadlineMs => json!(tool.limits.timeout_ms),
            HostSource::PrivacyClass => json!("public"),
            HostSource::Residency => json!([]),
            HostSource::IdempotencyKey => json!("test"),
            HostSource::Workspace => json!("/work"),
        };
        host.insert(name.to_string(), given.get(name.as_str()).cloned().unwrap_or(made));
    }
    Value::Object(host)
}
