//! Tools that are found by what they are for, and by whom they are not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::super::likeness::Learning;
use super::super::*;
use super::publishing::answers;
use super::{SECOND, cx, read};
use crate::actors::tests::{journal, soon, start, world};
use crate::inference::{self, Embedder, Lexical};
use crate::lap::{Caller, Fuzz, Package, Ready, Rules};
use crate::sandbox::{Puppet, Tier};
use crate::store::Disk;
use crate::supervision::Root;
use crate::tds::Format;
use crate::types::{Class, Cx, World};

fn described(id: &str, does: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut value = json!({
        "tds": 1, "id": id, "name": id, "version": "1.0.0", "description": does,
        "capabilities": ["query"], "side_effects": "none", "isolation": "jail",
        "interface": { "input": { "type": "object" }, "output": { "type": "object" } },
        "run": { "program": { "argv": ["cat"] } },
        "tests": { "contract": [{ "name": "answers", "input": {} }] },
    });
    change(&mut value);
    value
}

fn ready(value: Value) -> Ready {
    Ready::new(Arc::new(read(value)), Vec::new()).unwrap()
}

/// An embedder that fails so often before it does what it should, and keeps what it was given.
#[derive(Default)]
struct Late {
    failures: AtomicUsize,
    given: Mutex<Vec<String>>,
}

#[async_trait]
impl Embedder for Late {
    fn name(&self) -> &str {
        Lexical.name()
    }

    fn dimensions(&self) -> usize {
        Lexical.dimensions()
    }

    async fn embed(&self, cx: &Cx, texts: Vec<String>) -> Result<Vec<Vec<f32>>, inference::Error> {
        let left = self.failures.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1));
        if left.is_ok() {
            return Err(inference::Error::Internal("it is asleep".to_owned()));
        }
        self.given.lock().extend(texts.clone());
        Lexical.embed(cx, texts).await
    }
}

struct Bench {
    world: World,
    handle: Handle,
    _root: Root,
    _folder: tempfile::TempDir,
}

/// An executor with tools about weather, money and plans, of which the last are only zoi's.
async fn bench(embedder: Option<Arc<dyn Embedder>>) -> Bench {
    let (world, folder) = (world(), tempfile::tempdir().unwrap());
    let journal = journal(&Disk::default(), &world, vec![Arc::new(EffectsProjection), Arc::new(ToolsProjection)]);
    let library = Arc::new(Library::of(Vec::new()).unwrap());
    let scoped = |value: &mut Value| value["auth"] = json!({ "scopes": ["plans.read"] });
    for value in [
        described("sky.tell", "Forecasts rain and sunshine of a place. Use it for weather.", |_| {}),
        described("purse.sum", "Adds amounts of money up, in any currency.", |_| {}),
        described("plans.show", "Shows secret plans for the weather of tomorrow: rain and sunshine.", scoped),
    ] {
        library.put(library.entry(ready(value), Stage::Active).unwrap());
    }
    let puppet = Puppet::new(Tier::Jail, Arc::clone(&world.clock)).with("bird.call@1.0.0", answers(&json!({})));
    let mut ports = Ports::bare(journal);
    ports.tiers = BTreeMap::from([(Tier::Jail, Arc::new(puppet) as Arc<_>)]);
    ports.shelf = Some(folder.path().to_owned());
    ports.fuzz = Fuzz { inputs: 4, within_s: 5 };
    ports.embedder = embedder;
    let grants = BTreeMap::from([("agent:zoi".to_owned(), vec!["plans.read".to_owned()])]);
    ports.rules = Arc::new(Rules { grants, ..Rules::default() });
    let config = read(json!({
        "concurrency": 4, "waiting": 4, "call_within_s": 10, "result_bytes_max": 1_000, "cache_bytes_max": 0, "approval_s": 3_600, "approval_wait_s": 0,
    }));
    let (handle, child) = Handle::launch("tools", library, ports, config, &world);
    let (root, _) = start(vec![child], &world).await;
    Bench { world, handle, _root: root, _folder: folder }
}

fn zoi() -> Caller {
    Caller { agent: Some("zoi".to_owned()), ..Caller::default() }
}

impl Bench {
    fn cx(&self) -> Cx {
        cx(&self.world, 30 * SECOND)
    }

    async fn like(&self, caller: &Caller, text: &str) -> Vec<String> {
        let found = soon(self.handle.like(&self.cx(), caller, text)).await.unwrap();
        assert_eq!(found.by, "lexical-512");
        found.tools.iter().map(|entry| entry.ready.tool.id.to_string()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_is_found_by_what_it_is_for_also_one_that_was_just_published() {
    let embedder = Arc::new(Late::default());
    let bench = bench(Some(embedder.clone())).await;
    let nobody = Caller::default();
    // No word of it is a whole word of the tool's own.
    while bench.like(&nobody, "sunshiny?").await.first().is_none_or(|first| first != "sky.tell") {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.like(&nobody, "How much money is that?").await[0], "purse.sum");
    assert_eq!(embedder.given.lock().iter().filter(|text| text.contains("currency")).count(), 1, "each tool once");
    let text = described("bird.call", "Sings as blackbirds do.", |_| {}).to_string();
    let package = Package { format: Format::Json, text, files: BTreeMap::new() };
    soon(bench.handle.publish(&bench.cx(), package)).await.unwrap();
    while !bench.like(&nobody, "blackbirdish").await.contains(&"bird.call".to_owned()) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_embedder_it_is_said_what_is_missing() {
    let bench = bench(None).await;
    let missing = soon(bench.handle.like(&bench.cx(), &Caller::default(), "weather")).await.err().unwrap();
    assert_eq!(missing.class(), Class::Unavailable);
    assert!(missing.to_string().contains("`[inference] embedder` of the configuration names one"), "{missing}");
    let long = soon(bench.handle.like(&bench.cx(), &Caller::default(), &"é".repeat(2_001))).await.err().unwrap();
    assert_eq!((long.class(), long.to_string().contains("2000 is the most")), (Class::Invalid, true));
}

#[tokio::test(start_paused = true)]
async fn an_embedder_that_fails_is_asked_again_after_a_while_and_words_find_until_then() {
    let embedder = Arc::new(Late { failures: AtomicUsize::new(1), ..Late::default() });
    let bench = bench(Some(embedder.clone())).await;
    while embedder.failures.load(Ordering::Acquire) > 0 {
        tokio::task::yield_now().await;
    }
    let nobody = Caller::default();
    assert_eq!(bench.like(&nobody, "sunshiny?").await, [""; 0]);
    assert_eq!(bench.like(&nobody, "weather").await, ["sky.tell"]);
    tokio::time::advance(61 * SECOND).await;
    while bench.like(&nobody, "sunshiny?").await.first().is_none_or(|first| first != "sky.tell") {
        tokio::task::yield_now().await;
    }
}

// LAP4.
#[tokio::test(start_paused = true)]
async fn who_may_not_call_a_tool_is_not_shown_it_however_they_ask() {
    let bench = bench(Some(Arc::new(Lexical))).await;
    let nobody = Caller::default();
    let shown = async |caller: &Caller| bench.like(caller, "rainy sunshiny").await.contains(&"plans.show".to_owned());
    while !shown(&zoi()).await {
        tokio::task::yield_now().await;
    }
    assert!(!shown(&nobody).await);
    assert_eq!(bench.handle.list(&nobody).len() + 1, bench.handle.list(&zoi()).len());
    let range = "^7".parse().unwrap();
    for required in [None, Some(&range)] {
        let unknown = bench.handle.find(&nobody, "plans.show", required).err().unwrap();
        assert!(matches!(unknown, Error::Unknown { .. }), "{unknown}");
        assert!(unknown.to_string().ends_with("there are purse.sum, sky.tell"), "{unknown}");
    }
    assert!(bench.handle.versions(&nobody, "plans.show").is_empty());
    assert_eq!(bench.handle.versions(&zoi(), "plans.show").len(), 1);
    assert!(bench.handle.find(&zoi(), "plans.show", None).is_ok());
    let other = bench.handle.find(&zoi(), "plans.show", Some(&range)).err().unwrap();
    assert!(matches!(other, Error::Unsatisfied { .. }), "{other}");
    // Nor is its name given away to who misspells it, in whatever way they call.
    let near = Request { tool: "plans.sho".to_owned(), arguments: json!({}), ..Request::default() };
    let told = soon(bench.handle.invoke(&bench.cx(), near)).await.unwrap_err().to_string();
    assert!(told.ends_with("there is no such tool; there are purse.sum, sky.tell"), "{told}");
    let told = bench.handle.known(&nobody, "plans.sho", None).unwrap_err().to_string();
    assert!(!told.contains("plans.show"), "{told}");
    assert!(bench.handle.known(&zoi(), "plans.sho", None).unwrap_err().to_string().contains("plans.show"));
}

#[test]
fn one_learns_at_a_time_and_what_failed_is_learnt_again() {
    let mut learning = Learning::default();
    assert!(learning.begins(1) && !learning.begins(1) && !learning.begins(2), "somebody does");
    learning.ended(true);
    assert!(!learning.begins(1) && learning.begins(2));
    learning.ended(false);
    assert!(learning.begins(2), "it failed");
}
