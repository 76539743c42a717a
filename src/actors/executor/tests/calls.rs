//! Calls of tools in a sandbox that plays scripts: what is done once, what is tried again, what is kept back.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use super::super::*;
use crate::actors::executor;
use crate::actors::tests::{SECOND, cx, journal, read, soon, start, world};
use crate::lap::{Caller, Ready};
use crate::sandbox::{Puppet, Script, Tier};
use crate::secrets::{self, Secrets};
use crate::store::{Disk, Durability, Event, Journal, Memory, NewEvent, RowQuery};
use crate::supervision::Root;
use crate::tds::{self, Format};
use crate::types::{Class, Cx, Money, Principal, PrivacyClass, World};

/// What a tool is, but for what a test says.
pub(super) fn described(id: &str, change: impl FnOnce(&mut Value)) -> Ready {
    let mut value = json!({
        "tds": 1, "id": id, "name": "A tool", "version": "1.0.0",
        "description": "Does what the script of a test says, and is never run otherwise.",
        "capabilities": ["query"], "side_effects": "none", "isolation": "jail",
        "interface": {
            "input": { "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"],
                       "additionalProperties": false },
            "output": { "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] },
        },
        "run": { "program": { "argv": ["tool"] } },
        "limits": { "timeout_ms": 4_000 },
    });
    change(&mut value);
    let tool = tds::read(Format::Json, &value.to_string()).unwrap_or_else(|report| panic!("{report}")).tool;
    Ready::new(Arc::new(tool), Vec::new()).unwrap()
}

/// Something that happens each time it is called, under a key that is in the input or made by the host.
pub(super) fn effect(value: &mut Value) {
    value["side_effects"] = json!("non_idempotent");
    value["capabilities"] = json!(["action"]);
    value["isolation"] = json!("docker");
    value["run"] = json!({ "image": { "image": format!("tool@sha256:{}", "0".repeat(64)) } });
    value["idempotency"] = json!({ "key": "host" });
    value["interface"]["host"] = json!({ "once": { "from": "idempotency_key" } });
}

pub(super) fn answers(n: u32) -> Script {
    Script::default().prints(json!({ "type": "result", "value": { "n": n } }).to_string())
}

fn fails(class: &str) -> Script {
    Script::default().prints(json!({ "type": "error", "class": class, "message": "could not" }).to_string()).exits(1)
}

pub(super) struct Stage {
    pub(super) world: World,
    pub(super) handle: Handle,
    pub(super) journal: Arc<Memory>,
    jail: Arc<Puppet>,
    pub(super) docker: Arc<Puppet>,
    _root: Root,
}

/// An executor on this disk with these tools, each played by its script in both tiers.
async fn stage_on(disk: &Disk, tools: Vec<(Ready, Script)>, secrets: Option<Arc<dyn Secrets>>) -> Stage {
    staged(disk, tools, secrets, (None, 0)).await
}

/// The same with people, and seconds that callers wait for them.
pub(super) async fn stage_with(tools: Vec<(Ready, Script)>, people: Arc<dyn People>, patience: u64) -> Stage {
    staged(&Disk::default(), tools, None, (Some(people), patience)).await
}

async fn staged(
    disk: &Disk,
    tools: Vec<(Ready, Script)>,
    secrets: Option<Arc<dyn Secrets>>,
    (people, patience): (Option<Arc<dyn People>>, u64),
) -> Stage {
    let world = world();
    let journal = journal(disk, &world, vec![Arc::new(EffectsProjection), Arc::new(ToolsProjection)]);
    let library = Arc::new(Library::of(Vec::new()).unwrap());
    let mut puppets = [Tier::Jail, Tier::Docker].map(|tier| Puppet::new(tier, Arc::clone(&world.clock)));
    for (ready, script) in tools {
        puppets = puppets.map(|puppet| puppet.with(&ready.label(), script.clone()));
        library.put(library.entry(ready, executor::Stage::Active).unwrap());
    }
    let [jail, docker] = puppets.map(Arc::new);
    let mut ports = Ports::bare(journal.clone());
    ports.tiers = BTreeMap::from([(Tier::Jail, jail.clone() as Arc<_>), (Tier::Docker, docker.clone() as Arc<_>)]);
    ports.unusable = BTreeMap::from([(Tier::Gvisor, "there is none".to_owned())]);
    ports.secrets = secrets;
    ports.grants = Some(super::issuer());
    ports.people = people;
    ports.folder = Some(std::env::temp_dir());
    let config = read(json!({
        "concurrency": 32, "waiting": 32, "call_within_s": 60, "result_bytes_max": 1_000, "cache_bytes_max": 10_000, "approval_s": 3_600, "approval_wait_s": patience,
    }));
    let (handle, child) = Handle::launch("tools", library, ports, config, &world);
    let (root, _) = start(vec![child], &world).await;
    Stage { world, handle, journal, jail, docker, _root: root }
}

pub(super) async fn stage(tools: Vec<(Ready, Script)>) -> Stage {
    stage_on(&Disk::default(), tools, None).await
}

impl Stage {
    pub(super) fn cx(&self) -> Cx {
        cx(&self.world, 30 * SECOND)
    }

    pub(super) async fn call(&self, tool: &str, key: Option<&str>, text: &str) -> Result<Answer, Error> {
        self.call_under(&self.cx(), tool, key, text).await
    }

    pub(super) async fn call_under(&self, cx: &Cx, tool: &str, key: Option<&str>, text: &str) -> Result<Answer, Error> {
        let (tool, key) = (tool.to_owned(), key.map(ToOwned::to_owned));
        let request = Request { tool, key, arguments: json!({ "text": text }), ..Request::default() };
        soon(self.handle.invoke(cx, request)).await
    }

    pub(super) async fn events(&self) -> Vec<Event> {
        self.journal.flush().await.unwrap();
        self.journal.read(1, 1_000).await.unwrap()
    }

    pub(super) async fn kinds(&self) -> Vec<String> {
        self.events().await.into_iter().map(|event| event.kind).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_done_under_a_key_is_not_done_again_and_its_result_is_the_same() {
    let stage = stage(vec![(described("note.add", effect), answers(7))]).await;
    let first = stage.call("note.add", Some("k"), "milk").await.unwrap();
    assert_eq!((first.how, first.value.clone(), first.tier), (How::Performed, json!({ "n": 7 }), Some(Tier::Docker)));
    // E4: it is on the record before and after.
    assert_eq!(stage.kinds().await, ["effect.begun", "effect.ended"]);
    let again = stage.call("note.add", Some("k"), "milk").await.unwrap();
    assert_eq!((again.how, again.value, again.invocation), (How::Repeated, first.value, first.invocation));
    let other = stage.call("note.add", Some("k"), "bread").await.unwrap_err();
    assert_eq!(other.class(), Class::Conflict);
    assert!(other.to_string().contains("was used with other arguments"), "{other}");
    assert_eq!(stage.docker.calls().len(), 1);
    // Somebody else's key is another key.
    let principal = Principal::new("acme/anna", &[]);
    let cx = Cx::new(stage.cx().trace(), principal, stage.cx().deadline(), stage.cx().budget());
    assert_eq!(stage.call_under(&cx, "note.add", Some("k"), "bread").await.unwrap().how, How::Performed);
    assert_eq!(stage.docker.calls().len(), 2);
    assert_eq!(stage.docker.calls()[0].1["host"], json!({ "once": "k" }));
}

#[tokio::test(start_paused = true)]
async fn the_order_of_keys_makes_no_other_call_and_no_other_answer() {
    let wide = |value: &mut Value| {
        effect(value);
        value["interface"]["input"]["additionalProperties"] = json!(true);
    };
    let script = |text: &str| Script::default().prints(format!(r#"{{"type":"result","value":{text}}}"#));
    let tools = vec![
        (described("note.add", wide), script(r#"{"n":1,"of":{"b":2,"a":3}}"#)),
        (described("note.put", wide), script(r#"{"of":{"a":3,"b":2},"n":1}"#)),
    ];
    let stage = stage(tools).await;
    let call = async |tool: &str, text: &str| {
        let (tool, key, arguments) = (tool.to_owned(), Some("k".to_owned()), serde_json::from_str(text).unwrap());
        soon(stage.handle.invoke(&stage.cx(), Request { tool, key, arguments, ..Request::default() })).await.unwrap()
    };
    let first = call("note.add", r#"{"text":"milk","more":{"y":1,"x":2}}"#).await;
    let again = call("note.add", r#"{"more":{"x":2,"y":1},"text":"milk"}"#).await;
    assert_eq!((first.how, again.how), (How::Performed, How::Repeated));
    let other = call("note.put", r#"{"more":{"x":2,"y":1},"text":"milk"}"#).await;
    assert_eq!(first.value.to_string(), other.value.to_string());
    let given: Vec<String> = stage.docker.calls().iter().map(|(_, given)| given["input"].to_string()).collect();
    assert_eq!(given, vec![r#"{"more":{"x":2,"y":1},"text":"milk"}"#; 2]);
    let ended = stage.events().await.into_iter().filter(|event| event.kind == "effect.ended");
    let kept: Vec<_> = ended.map(|event| event.body.parse::<EndedCall>().unwrap().answer.unwrap()).collect();
    assert_eq!(kept[0], kept[1], "one text has one address");
}

#[tokio::test(start_paused = true)]
async fn equal_calls_at_a_time_are_one() {
    let slow = answers(1).waits(SECOND);
    let cached = described("text.count", |value| value["cache"] = json!({ "keep_s": 60 }));
    let stage = stage(vec![(described("note.add", effect), slow.clone()), (cached, slow)]).await;
    let at_once = join_all((0..10).map(|_| stage.call("note.add", Some("k"), "milk"))).await;
    let performed = at_once.iter().filter(|answer| answer.as_ref().unwrap().how == How::Performed).count();
    assert_eq!((performed, stage.docker.calls().len()), (1, 1));
    let at_once = join_all((0..10).map(|_| stage.call("text.count", None, "milk"))).await;
    let performed = at_once.iter().filter(|answer| answer.as_ref().unwrap().how == How::Performed).count();
    assert_eq!((performed, stage.jail.calls().len()), (1, 1));
    // More private data are another question, and after its time an answer is none.
    let private = stage.cx().with_privacy(PrivacyClass::Internal);
    assert_eq!(stage.call_under(&private, "text.count", None, "milk").await.unwrap().how, How::Performed);
    tokio::time::advance(61 * SECOND).await;
    assert_eq!(stage.call("text.count", None, "milk").await.unwrap().how, How::Performed);
    assert_eq!(stage.jail.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_ended_in_the_middle_is_in_doubt_and_not_made_again() {
    let stage = stage(vec![(described("note.add", effect), Script::default().hangs())]).await;
    let ended = stage.call("note.add", Some("k"), "milk").await.unwrap_err();
    assert_eq!(ended.class(), Class::Conflict);
    assert!(ended.to_string().contains("it was ended in the middle: it reached its limit of wall time"), "{ended}");
    let again = stage.call("note.add", Some("k"), "milk").await.unwrap_err();
    assert!(matches!(again, Error::InDoubt { .. }), "{again}");
    assert_eq!(stage.docker.calls().len(), 1);
    assert_eq!(stage.kinds().await, ["effect.begun", "effect.doubted"]);
    // A person has looked: it was done, and this is what came of it.
    let doubts = stage.handle.doubts(&stage.cx()).await.unwrap();
    let invocation = doubts[0].begun.invocation.clone();
    assert_eq!((doubts.len(), doubts[0].begun.shown.clone()), (1, json!({ "text": "milk" })));
    stage.handle.settle(&stage.cx(), &invocation, Some(json!({ "n": 9 }))).await.unwrap();
    let settled = stage.call("note.add", Some("k"), "milk").await.unwrap();
    assert_eq!((settled.how, settled.value), (How::Repeated, json!({ "n": 9 })));
    let again = stage.handle.settle(&stage.cx(), &invocation, None).await.unwrap_err();
    assert_eq!(again.class(), Class::NotFound);
    // Or it was not, and is made again.
    assert!(stage.call("note.add", Some("l"), "milk").await.is_err());
    let invocation = stage.handle.doubts(&stage.cx()).await.unwrap()[0].begun.invocation.clone();
    stage.handle.settle(&stage.cx(), &invocation, None).await.unwrap();
    assert!(matches!(stage.call("note.add", Some("l"), "milk").await, Err(Error::InDoubt { .. })));
    assert_eq!(stage.docker.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_a_host_did_not_live_to_end_is_in_doubt_for_the_next() {
    let tools = || vec![(described("note.add", effect), answers(7))];
    let first = stage(tools()).await;
    first.call("note.add", Some("k"), "milk").await.unwrap();
    let begun = first.events().await.remove(0);
    // What is left of a host that was killed in between.
    let second = stage(tools()).await;
    let event = NewEvent { kind: begun.kind, run: begun.run, source: begun.source, body: begun.body };
    second.journal.append(vec![event], Durability::Durable).await.unwrap();
    let again = second.call("note.add", Some("k"), "milk").await.unwrap_err();
    assert!(again.to_string().contains("the host ended before it did"), "{again}");
    assert!(second.docker.calls().is_empty());
    assert_eq!(second.kinds().await, ["effect.begun", "effect.doubted"]);
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_and_what_happened_is_not() {
    let retried = |value: &mut Value| {
        value["retry"] = json!({ "attempts": 3, "on": ["unavailable", "timeout"], "backoff": { "jitter": false } });
    };
    let stage = stage(vec![
        (described("down.query", retried), fails("unavailable")),
        (described("wrong.query", retried), fails("invalid")),
        (
            described("down.effect", |value| {
                effect(value);
                retried(value);
            }),
            Script::default().hangs(),
        ),
    ])
    .await;
    let began = stage.world.clock.now();
    let down = stage.call("down.query", None, "x").await.unwrap_err();
    assert_eq!((down.class(), stage.jail.calls().len()), (Class::Unavailable, 3));
    // Two waits, of which each is twice the one before: 200 and 400 ms.
    assert_eq!((stage.world.clock.now() - began).as_millis(), 600);
    assert_eq!(stage.call("wrong.query", None, "x").await.unwrap_err().class(), Class::Invalid);
    assert_eq!(stage.jail.calls().len(), 4);
    assert!(matches!(stage.call("down.effect", None, "x").await, Err(Error::InDoubt { .. })));
    assert_eq!(stage.docker.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_lies_has_no_answer() {
    let rows: [(&str, Script, &str); 5] = [
        ("lies.type", Script::default().prints(r#"{"type":"result","value":{"n":"7"}}"#), "not what it promises: /n"),
        ("lies.exit", answers(7).exits(3), "exit code 3"),
        ("lies.half", Script::default().prints(r#"{"type":"result","val"#), "it gave no result"),
        (
            "lies.twice",
            answers(7).prints("\n").prints(r#"{"type":"result","value":{"n":8}}"#),
            "could not believe the tool",
        ),
        (
            "lies.long",
            Script::default().prints(format!(r#"{{"type":"result","value":{{"n":7,"x":"{}"}}}}"#, "x".repeat(2_000))),
            "more than 1000 bytes",
        ),
    ];
    let tools = rows.iter().map(|(id, script, _)| (described(id, |_| {}), script.clone()));
    let stage = stage(tools.collect()).await;
    for (id, _, expected) in rows {
        let error = stage.call(id, None, "x").await.unwrap_err();
        assert!(error.to_string().contains(expected), "{id}: {error}");
        // Whoever called is told so: it is the tool that failed, and not the host.
        let class = if id == "lies.long" { Class::Exhausted } else { Class::Internal };
        assert_eq!((matches!(error, Error::Broken { .. }), error.class()), (class == Class::Internal, class), "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_has_no_more_calls_at_a_time_than_it_says() {
    let narrow = described("slow.query", |value| value["limits"]["concurrency"] = json!(2));
    let stage = stage(vec![(narrow, answers(1).waits(SECOND))]).await;
    let began = stage.world.clock.now();
    let texts: Vec<String> = (0..6).map(|number| number.to_string()).collect();
    let answers = join_all(texts.iter().map(|text| stage.call("slow.query", None, text))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((stage.world.clock.now() - began).as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_run_or_paid_here_is_refused_with_the_reason() {
    let strong = described("strong.query", |value| value["isolation"] = json!("gvisor"));
    let dear =
        described("dear.query", |value| value["cost"] = json!({ "call_micro_usd": 500, "second_micro_usd": 100 }));
    let stage = stage(vec![(strong, answers(1)), (dear, answers(1).waits(SECOND))]).await;
    let refused = stage.call("strong.query", None, "x").await.unwrap_err();
    assert_eq!(refused.class(), Class::Unavailable);
    assert!(refused.to_string().contains("gvisor: there is none; microvm: it is not there"), "{refused}");
    assert_eq!(stage.call("dear.query", None, "x").await.unwrap().cost, Money(600));
    // Its whole time of four seconds may be needed.
    let poor = stage.cx().with_budget(crate::types::Budget { money: Money(899), tokens: 0 });
    let refused = stage.call_under(&poor, "dear.query", None, "x").await.unwrap_err();
    assert_eq!(refused.class(), Class::Exhausted);
    assert_eq!(stage.jail.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_a_tool_is_given_comes_back_nowhere() {
    let place = Arc::new(secrets::Fake::new(world().clock));
    place.put("team/key", &[("value", "correct-horse-battery")]);
    let holding = |id: &str| {
        described(id, |value| {
            effect(value);
            value["secrets"] = json!([{ "path": "team/key", "deliver": { "file": { "name": "key" } } }]);
        })
    };
    let told = json!({ "type": "log", "text": "it is correct-horse-battery" }).to_string();
    let echo = json!({ "type": "error", "class": "invalid", "message": "wrong: correct-horse-battery" }).to_string();
    let stage = stage_on(
        &Disk::default(),
        vec![
            (holding("says.log"), Script::default().prints(told + "\n").prints(r#"{"type":"result","value":{"n":1}}"#)),
            (holding("says.error"), Script::default().prints(echo).exits(1)),
        ],
        Some(place.clone()),
    )
    .await;
    let answer = stage.call("says.log", None, "x").await.unwrap();
    assert_eq!(answer.effects.secrets, ["team/key"]);
    assert!(!format!("{:?}", answer.lines).contains("horse") && format!("{:?}", answer.lines).contains("withheld"));
    let (spec, _) = &stage.docker.calls()[0];
    assert_eq!(spec.inputs[0].name, "key");
    // The file is gone with the call, and the lease with it.
    assert!(!Path::new(&spec.inputs[0].source).exists());
    assert_eq!(place.out(), 0);
    let error = stage.call("says.error", None, "x").await.unwrap_err();
    assert_eq!(error.class(), Class::Denied);
    assert!(!error.to_string().contains("horse"), "{error}");
    let record = format!("{:?}", stage.events().await);
    assert!(!record.contains("horse") && record.contains("team/key"));
}

#[tokio::test(start_paused = true)]
async fn lines_that_are_not_loud_enough_and_personal_data_in_them_are_not_kept() {
    let line = |level: &str, text: &str| json!({ "type": "log", "level": level, "text": text }).to_string() + "\n";
    let says = line("debug", "how it was done") + &line("warn", "write to anna@example.com") + "";
    let script = Script::default().prints(says).prints(json!({ "type": "result", "value": { "n": 1 } }).to_string());
    let loud = described("loud.query", |value| value["observability"] = json!({ "log_level": "debug" }));
    let stage = stage(vec![(described("quiet.query", |_| {}), script.clone()), (loud, script)]).await;
    let quiet = format!("{:?}", stage.call("quiet.query", None, "x").await.unwrap().lines);
    assert!(!quiet.contains("how it was done") && quiet.contains("write to [email]"), "{quiet}");
    let loud = format!("{:?}", stage.call("loud.query", None, "x").await.unwrap().lines);
    assert!(loud.contains("how it was done") && !loud.contains("anna@"), "{loud}");
}

#[test]
fn waits_between_attempts_grow_and_are_bounded() {
    let backoff = tds::tool::Backoff { first_ms: 100, factor: 3, most_ms: 1_000, jitter: false };
    let random = crate::types::Seeded::new(1);
    let waits: Vec<u128> = (1..=5).map(|attempts| call::pause(&backoff, attempts, &random).as_millis()).collect();
    assert_eq!(waits, [100, 300, 900, 1_000, 1_000]);
    let jittered = tds::tool::Backoff { jitter: true, ..backoff };
    assert!((1..=20).all(|attempts| call::pause(&jittered, attempts, &random) <= Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn keys_are_let_go_of_when_their_time_is_over_and_doubts_are_not() {
    let hour = |value: &mut Value| {
        effect(value);
        value["idempotency"]["keep_s"] = json!(3_600);
    };
    let hangs = Script::default().hangs();
    let stage = stage(vec![(described("note.add", hour), answers(7)), (described("note.hang", hour), hangs)]).await;
    stage.call("note.add", Some("k"), "milk").await.unwrap();
    stage.call("note.hang", Some("d"), "milk").await.unwrap_err();
    let keys = async || {
        let query =
            RowQuery { projection: EffectsProjection::NAME, prefix: "key/", reverse: false, after: None, limit: 10 };
        stage.journal.rows(query).await.unwrap().len()
    };
    assert_eq!(keys().await, 2);
    tokio::time::sleep(Duration::from_secs(2 * 3_600 + 60)).await;
    assert!(stage.kinds().await.contains(&"effect.forgotten".to_owned()));
    assert_eq!(keys().await, 1, "what is in doubt is kept");
    let anew = stage.call("note.add", Some("k"), "bread").await.unwrap();
    assert_eq!(anew.how, How::Performed);
    // Its time is over too, and still nobody knows.
    let doubt = stage.call("note.hang", Some("d"), "milk").await.unwrap_err();
    assert!(matches!(doubt, Error::InDoubt { .. }), "{doubt}");
}

#[tokio::test(start_paused = true)]
async fn a_tool_whose_day_has_come_is_not_called_nor_shown_any_more() {
    let going = |day: &'static str| {
        move |value: &mut Value| {
            value["deprecation"] =
                json!({ "sunset_at": day, "replaced_by": "note.new@^2", "message": "Use the new one." });
        }
    };
    let (gone, stays) = (described("note.old", going("2000-01-01")), described("note.later", going("2999-01-01")));
    let stage = stage(vec![(gone, answers(7)), (stays, answers(7))]).await;
    let error = stage.call("note.old", None, "milk").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not call note.old@1.0.0: it is not called any more since 2000-01-01; use note.new@^2"
    );
    let answer = stage.call("note.later", None, "milk").await.unwrap();
    assert!(answer.warnings[0].contains("goes on 2999-01-01"), "{:?}", answer.warnings);
    let shown: Vec<String> =
        stage.handle.list(&Caller::default()).iter().map(|entry| entry.ready.tool.id.to_string()).collect();
    assert_eq!(shown, ["note.later"]);
}
