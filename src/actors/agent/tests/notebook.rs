//! Tools that remember, recall and forget: what is kept for whom, and how long.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::actors::agent::{MemoryProjection, Notebooks};
use crate::actors::executor::{EffectsProjection, Error, Handle, Library, Ports, Request};
use crate::actors::tests::{SECOND, configs, journal, soon, start, stop, world};
use crate::inference::Lexical;
use crate::lap::{Rules, core};
use crate::store::{Disk, Journal};
use crate::supervision::Root;
use crate::types::{Budget, Class, Cx, Money, Principal, PrivacyClass, TraceId, World};

struct Bench {
    world: World,
    handle: Handle,
    journal: Arc<dyn Journal>,
    root: Root,
}

/// Agents and people who may remember, and one who may only recall.
async fn bench(disk: &Disk) -> Bench {
    let world = world();
    let journal: Arc<dyn Journal> =
        journal(disk, &world, vec![Arc::new(MemoryProjection), Arc::new(EffectsProjection)]);
    let (embedder, config) = (Arc::new(Lexical), configs::memory());
    let books = Notebooks { journal: Arc::clone(&journal), embedder, config, world: world.clone() };
    let tools = core::ALL.iter().filter(|own| own.is_meant("memory"));
    let tools = tools.map(|own| books.tool(own.tool().unwrap()).unwrap()).collect();
    let all = vec!["memory.*".to_owned()];
    let grants = ["agent:marvin", "agent:zoi", "tenant:acme", "tenant:other"].map(|who| (who.to_owned(), all.clone()));
    let mut grants = std::collections::BTreeMap::from(grants);
    grants.insert("agent:reader".to_owned(), vec!["memory.read".to_owned()]);
    let mut ports = Ports::bare(Arc::clone(&journal));
    ports.rules = Arc::new(Rules { grants, ..Rules::default() });
    let library = Arc::new(Library::of(tools).unwrap());
    let (handle, child) = Handle::launch("tools", library, ports, configs::executor(), &world);
    let (root, _) = start(vec![child], &world).await;
    Bench { world, handle, journal, root }
}

impl Bench {
    async fn call(&self, who: (&str, &str), class: PrivacyClass, tool: &str, input: Value) -> Result<Value, Error> {
        let (tenant, agent) = who;
        let budget = Budget { money: Money(i64::MAX), tokens: u64::MAX };
        let who = Principal::new(&format!("{tenant}/ann"), &[]);
        let cx = Cx::new(TraceId(1), who, self.world.clock.now() + 30 * SECOND, budget);
        let agent = (!agent.is_empty()).then(|| agent.to_owned());
        let request = Request { tool: format!("memory.{tool}"), arguments: input, agent, ..Request::default() };
        Ok(soon(self.handle.invoke(&cx.with_privacy(class), request)).await?.value)
    }

    async fn value(&self, who: (&str, &str), tool: &str, input: Value) -> Value {
        self.call(who, PrivacyClass::Public, tool, input).await.unwrap()
    }

    async fn known(&self, who: (&str, &str), question: &str) -> Vec<String> {
        let found = self.value(who, "recall", json!({ "question": question })).await;
        found["facts"].as_array().unwrap().iter().map(|fact| fact["text"].as_str().unwrap().to_owned()).collect()
    }
}

const ACME: (&str, &str) = ("acme", "marvin");
const ASKED: &str = "What is the staging server called?";
const FACT: &str = "The staging server is called kirk.";

#[tokio::test(start_paused = true)]
async fn tools_of_memory_pass_their_contract_tests_and_their_recorded_calls() {
    for own in core::ALL.iter().filter(|own| own.is_meant("memory")) {
        let bench = bench(&Disk::default()).await;
        for case in own.package().unpack().unwrap().cases {
            let tool = own.id.trim_start_matches("memory.");
            let came = bench.call(ACME, PrivacyClass::Public, tool, case.input.clone()).await;
            let came = came.map_err(|error| (error.class(), error.to_string()));
            case.judge(&came).unwrap_or_else(|difference| panic!("{}: {}: {difference}", own.id, case.label()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_recalled_also_after_a_restart_and_forgotten_when_asked() {
    let disk = Disk::default();
    let first = bench(&disk).await;
    let made = first.value(ACME, "remember", json!({ "text": FACT, "subject": "name of staging" })).await;
    assert_eq!(made["change"], "added");
    let again = first.value(ACME, "remember", json!({ "text": FACT })).await;
    assert_eq!((&again["change"], &again["id"]), (&json!("repeated"), &made["id"]));
    stop(&first.root, &first.world).await;
    drop(first);
    let bench = bench(&disk).await;
    assert_eq!(bench.known(ACME, ASKED).await, [FACT]);
    assert_eq!(bench.known(ACME, "How high is the moon?").await, Vec::<String>::new());
    let newer = json!({ "text": "The staging server is called spock.", "subject": "name of staging" });
    assert_eq!(bench.value(ACME, "remember", newer).await["change"], "superseded");
    assert_eq!(bench.known(ACME, ASKED).await, ["The staging server is called spock."]);
    let found = bench.value(ACME, "recall", json!({ "question": ASKED })).await;
    let id = &found["facts"][0]["id"];
    assert_eq!(bench.value(ACME, "forget", json!({ "id": id })).await, json!({ "forgotten": 1 }));
    assert_eq!(bench.value(ACME, "forget", json!({ "id": id })).await, json!({ "forgotten": 0 }));
    assert_eq!(bench.known(ACME, ASKED).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_one_tenant_or_agent_keeps_is_nobody_elses() {
    let bench = bench(&Disk::default()).await;
    bench.value(ACME, "remember", json!({ "text": FACT })).await;
    let id = bench.value(ACME, "recall", json!({ "question": ASKED })).await["facts"][0]["id"].clone();
    for other in [("other", "marvin"), ("acme", "zoi"), ("acme", ""), ("other", "")] {
        assert_eq!(bench.known(other, ASKED).await, Vec::<String>::new(), "{other:?}");
        assert_eq!(bench.value(other, "forget", json!({ "id": id })).await, json!({ "forgotten": 0 }), "{other:?}");
    }
    assert_eq!(bench.known(ACME, ASKED).await, [FACT]);
}

#[tokio::test(start_paused = true)]
async fn a_fact_is_not_recalled_where_it_is_too_private_and_not_kept_for_who_may_not() {
    let bench = bench(&Disk::default()).await;
    let told = json!({ "text": FACT });
    bench.call(ACME, PrivacyClass::Confidential, "remember", told.clone()).await.unwrap();
    assert_eq!(bench.known(ACME, ASKED).await, Vec::<String>::new());
    let asked = json!({ "question": ASKED });
    let private = bench.call(ACME, PrivacyClass::Confidential, "recall", asked.clone()).await.unwrap();
    assert_eq!(private["facts"].as_array().unwrap().len(), 1);
    // Who was granted to recall was not granted to remember, and who was granted nothing does neither.
    let reader = ("acme", "reader");
    assert!(bench.call(reader, PrivacyClass::Public, "recall", asked.clone()).await.is_ok());
    for (who, tool, input) in [
        (reader, "remember", told.clone()),
        (("acme", "nobody"), "recall", asked),
        (("acme", "nobody"), "remember", told),
    ] {
        let denied = bench.call(who, PrivacyClass::Public, tool, input).await.unwrap_err();
        assert_eq!(denied.class(), Class::Denied, "{denied}");
    }
    let events = bench.journal.read(1, 100).await.unwrap();
    assert_eq!(events.iter().filter(|event| event.kind == "memory.delta").count(), 1);
}
