//! Tools that are handed in: what is published, what is not and why, and what is left after a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::*;
use crate::actors::executor;
use crate::actors::tests::{SECOND, cx, journal, read, soon, start, stop, world};
use crate::lap::{Fuzz, Package, PackedFile};
use crate::sandbox::{Puppet, Script, Tier};
use crate::store::{Disk, Durability, Journal, Memory, NewEvent};
use crate::supervision::Root;
use crate::tds::Format;
use crate::types::{Class, Cx, World};

/// A tool with one contract test, with these changes.
pub(super) fn package(version: &str, change: impl FnOnce(&mut Value)) -> Package {
    let mut value = json!({
        "tds": 1, "id": "text.count", "name": "Count", "version": version,
        "description": "Counts what the script of a test says, and is never run otherwise.",
        "capabilities": ["query"], "side_effects": "none", "isolation": "jail",
        "interface": {
            "input": { "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"],
                       "additionalProperties": false },
            "output": { "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] },
        },
        "run": { "program": { "argv": ["./tool"], "files": ["tool"] } },
        "tests": { "contract": [
            { "name": "counts", "input": { "text": "a b" }, "expect": { "contains": { "n": 7 } } },
            { "name": "needs-a-text", "input": {}, "expect": { "error": "invalid" } },
        ] },
    });
    change(&mut value);
    let file = PackedFile { bytes: b"#!/bin/sh\n".to_vec(), executable: true };
    Package { format: Format::Json, text: value.to_string(), files: BTreeMap::from([("tool".to_owned(), file)]) }
}

pub(super) struct Stage {
    world: World,
    pub(super) handle: Handle,
    pub(super) library: Arc<Library>,
    journal: Arc<Memory>,
    pub(super) jail: Arc<Puppet>,
    root: Root,
}

/// An executor on this disk and this folder, whose jail answers with this number.
async fn stage(disk: &Disk, folder: &std::path::Path, n: u32) -> Stage {
    stage_with(disk, folder, answers(&json!({ "n": n })), Fuzz { inputs: 24, within_s: 20 }).await
}

/// A tool that answers with this.
pub(super) fn answers(value: &Value) -> Script {
    Script::default().prints(json!({ "type": "result", "value": value }).to_string())
}

/// The same whose jail does this, and whose tools are tried so much.
pub(super) async fn stage_with(disk: &Disk, folder: &std::path::Path, script: Script, fuzz: Fuzz) -> Stage {
    let world = world();
    let journal = journal(disk, &world, vec![Arc::new(EffectsProjection), Arc::new(ToolsProjection)]);
    let tools = core_tools(Arc::clone(&world.clock));
    let library = Arc::new(Library::of(tools).unwrap());
    let mut jail = Puppet::new(Tier::Jail, Arc::clone(&world.clock));
    for version in ["1.0.0", "1.0.1", "1.1.0", "2.0.0"] {
        jail = jail.with(&format!("text.count@{version}"), script.clone());
    }
    let jail = Arc::new(jail);
    let mut ports = Ports::bare(journal.clone());
    ports.tiers = BTreeMap::from([(Tier::Jail, jail.clone() as Arc<_>)]);
    ports.shelf = Some(folder.to_owned());
    ports.fuzz = fuzz;
    let troubles = shelve(&library, &*journal, ports.shelf.as_deref()).await.unwrap();
    assert_eq!(troubles, Vec::<String>::new());
    let config = read(json!({
        "concurrency": 4, "waiting": 8, "call_within_s": 60, "result_bytes_max": 1_000, "cache_bytes_max": 0, "approval_s": 3_600, "approval_wait_s": 0,
    }));
    let (handle, child) = Handle::launch("tools", Arc::clone(&library), ports, config, &world);
    let (root, _) = start(vec![child], &world).await;
    Stage { world, handle, library, journal, jail, root }
}

impl Stage {
    pub(super) fn cx(&self) -> Cx {
        cx(&self.world, 30 * SECOND)
    }

    pub(super) async fn publish(&self, package: Package) -> Result<Publication, Error> {
        soon(self.handle.publish(&self.cx(), package)).await
    }

    async fn call(&self) -> Result<Answer, Error> {
        let request =
            Request { tool: "text.count".to_owned(), arguments: json!({ "text": "a" }), ..Request::default() };
        soon(self.handle.invoke(&self.cx(), request)).await
    }

    async fn ends(self) {
        stop(&self.root, &self.world).await;
        let journal = Arc::downgrade(&self.journal);
        drop(self);
        while journal.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_published_and_called_also_after_a_restart() {
    let (disk, folder) = (Disk::default(), tempfile::tempdir().unwrap());
    let first = stage(&disk, folder.path(), 7).await;
    assert_eq!(first.call().await.unwrap_err().class(), Class::NotFound);
    let publication = first.publish(package("1.0.0", |_| {})).await.unwrap();
    assert_eq!((publication.known, publication.published.cases), (false, 2));
    assert_eq!(first.call().await.unwrap().value, json!({ "n": 7 }));
    assert!(first.publish(package("1.0.0", |_| {})).await.unwrap().known);
    // It runs the file it was published with.
    let (spec, _) = first.jail.calls().pop().unwrap();
    assert_eq!(std::fs::read(&spec.inputs[0].source).unwrap(), b"#!/bin/sh\n");
    assert!(spec.inputs[0].executable);
    // One that serves only some stays so over a restart.
    let trial = executor::Stage::Canary(Canary { agents: vec!["zoi".to_owned()], ..Canary::default() });
    soon(first.handle.publish_as(&first.cx(), package("1.0.1", |_| {}), trial)).await.unwrap();
    assert_eq!(first.call().await.unwrap().version, "1.0.0");
    // What is only tried out is gone with the next start, and nothing else is.
    let tried = package("1.1.0", |value| value["description"] = json!("Counts in another way, and is only tried out."));
    soon(first.handle.test(&first.cx(), tried)).await.unwrap();
    let folders = || std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(folders(), 3);
    std::fs::create_dir(folder.path().join("of-the-operator")).unwrap();
    first.ends().await;
    stage(&disk, folder.path(), 7).await.ends().await;
    assert_eq!(folders(), 3);
    std::fs::remove_dir_all(folder.path()).unwrap();
    let second = stage(&disk, folder.path(), 7).await;
    let answer = second.call().await.unwrap();
    assert_eq!((answer.value, answer.version), (json!({ "n": 7 }), "1.0.0".to_owned()));
    assert!(matches!(second.library.versions("text.count")[1].stage, executor::Stage::Canary(_)));
    // The file came out of the journal, and the tests were not run again by the same build.
    assert_eq!(second.jail.calls().len(), 1);
    for version in ["1.0.0", "1.0.1"] {
        soon(second.handle.retire(&second.cx(), "text.count", version.parse().unwrap())).await.unwrap();
    }
    assert_eq!(second.call().await.unwrap_err().class(), Class::NotFound);
    second.ends().await;
    let third = stage(&disk, folder.path(), 7).await;
    assert_eq!(third.call().await.unwrap_err().class(), Class::NotFound);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_is_not_published_and_says_which_test() {
    let (disk, folder) = (Disk::default(), tempfile::tempdir().unwrap());
    let stage = stage(&disk, folder.path(), 8).await;
    let failed = stage.publish(package("1.0.0", |_| {})).await.unwrap_err();
    assert_eq!(failed.class(), Class::Invalid);
    let told = failed.to_string();
    assert!(
        told.contains("text.count@1.0.0: contract counts: expected an answer with {\"n\":7}, got {\"n\":8}"),
        "{told}"
    );
    assert!(!told.contains("needs-a-text"), "{told}");
    assert!(stage.library.versions("text.count").is_empty());
    let untested = stage.publish(package("1.0.0", |value| drop(value.as_object_mut().unwrap().remove("tests")))).await;
    assert!(untested.unwrap_err().to_string().contains("has no tests"));
    let wrong = stage.publish(package("1.0.0", |value| value["isolation"] = json!("jial"))).await.unwrap_err();
    assert!(wrong.to_string().contains("isolation"), "{wrong}");
    let mut lacking = package("1.0.0", |_| {});
    lacking.files.clear();
    assert!(stage.publish(lacking).await.unwrap_err().to_string().contains("\"tool\", which is not there"));
    let mut own = package("1.0.0", |value| value["id"] = json!("sum"));
    own.files.insert("spare".to_owned(), PackedFile { bytes: Vec::new(), executable: false });
    assert!(stage.publish(own).await.unwrap_err().to_string().contains("a function of this host"));
}

#[tokio::test(start_paused = true)]
async fn a_version_says_what_changed_and_callers_choose_by_it() {
    let (disk, folder) = (Disk::default(), tempfile::tempdir().unwrap());
    let stage = stage(&disk, folder.path(), 7).await;
    let needs = |value: &mut Value| {
        value["interface"]["input"]["properties"]["more"] = json!({ "type": "string" });
        value["interface"]["input"]["required"] = json!(["text", "more"]);
        value["tests"]["contract"][0]["input"] = json!({ "text": "a b", "more": "" });
    };
    stage.publish(package("1.0.0", |_| {})).await.unwrap();
    let same = stage.publish(package("1.0.0", |value| value["name"] = json!("Other"))).await.unwrap_err();
    assert!(same.to_string().contains("another content under the same version"), "{same}");
    let small = stage.publish(package("1.1.0", needs)).await.unwrap_err();
    assert!(small.to_string().contains("the changes need a new major version"), "{small}");
    stage.publish(package("2.0.0", needs)).await.unwrap();
    let request = |required: &str| Request {
        tool: "text.count".to_owned(),
        required: Some(required.parse().unwrap()),
        arguments: json!({ "text": "a" }),
        ..Request::default()
    };
    let cx = stage.cx();
    assert_eq!(soon(stage.handle.invoke(&cx, request("^1"))).await.unwrap().version, "1.0.0");
    let newer = soon(stage.handle.invoke(&cx, request("^2"))).await.unwrap_err();
    assert!(newer.to_string().contains("arguments do not fit"), "{newer}");
    let none = soon(stage.handle.invoke(&cx, request("^3"))).await.unwrap_err();
    assert!(none.to_string().ends_with("no version of it is ^3; there are 1.0.0, 2.0.0"), "{none}");
}

#[tokio::test(start_paused = true)]
async fn another_build_of_the_host_runs_the_tests_again_and_stops_calling_what_fails() {
    let (disk, folder) = (Disk::default(), tempfile::tempdir().unwrap());
    let first = stage(&disk, folder.path(), 7).await;
    first.publish(package("1.0.0", |_| {})).await.unwrap();
    // As if another build had tested it last.
    let hash = first.library.versions("text.count")[0].ready.hash;
    let body = json!({ "id": "text.count", "version": "1.0.0", "hash": hash, "build": "0.0.0", "failures": [] });
    let event = NewEvent::new("tool.checked", None, "test", &body);
    first.journal.append(vec![event], Durability::Durable).await.unwrap();
    first.ends().await;
    let second = stage(&disk, folder.path(), 8).await;
    while !second.library.versions("text.count").is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(second.call().await.unwrap_err().class(), Class::NotFound);
    let rows = second.journal.row(ToolsProjection::NAME, "text.count@1.0.0").await.unwrap().unwrap();
    assert!(rows["checked"]["failures"][0].as_str().unwrap().starts_with("contract counts"), "{rows}");
}
