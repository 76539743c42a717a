//! What a soak has a tool do that happens anew each time it is called: calls under keys, some of them again and again, from
//! callers who wait, who give up, and who come back after a crash; and people who say what became of those in doubt.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use super::simulated::Life;
use super::{Error, Simulated};
use crate::actors::executor::{self, Answer, Request};
use crate::actors::inbox::Said;
use crate::lap::Package;
use crate::sandbox::{Puppet, Script, Tier};
use crate::tds::Format;
use crate::types::{Cx, Random, Seeded, World};
use crate::ziggy::review::{Item, ItemStatus, Kind};

/// The tool, and its version. What it gives has the trace of the call that gave it, so that doing it twice shows.
const ERRAND: &str = "errand.run";
const VERSION: &str = "1.0.0";

/// The tool as sandboxes know it.
pub(super) const LABEL: &str = "errand.run@1.0.0";

/// Seconds for which a key is remembered: thirty days, more than the clock on the wall is set in rough weather.
pub(super) const KEEP_S: u64 = 30 * 24 * 3_600;

/// How long an errand takes: longer than most commits, so that hosts die in the middle of it.
const TAKES: Duration = Duration::from_millis(60);

/// Clerks at a time. They belong to one tenant, so they share their keys.
const CLERKS: u32 = 5;

/// Keys that clerks come back to: few enough that most are used again.
const KEYS_KEPT: usize = 6;

/// What a clerk waits for an errand, in milliseconds: shorter than a slow commit, usual, patient.
const PATIENCE_MS: [u64; 3] = [250, 3_000, 15_000];

/// Time to publish the tool, or to say what became of a call.
const WITHIN: Duration = Duration::from_secs(10);

/// What one caller heard of one errand that has a key.
#[derive(Debug, Clone)]
pub(super) struct Errand {
    pub(super) key: String,
    /// When it asked and when it heard: microseconds since the simulation began.
    pub(super) began_us: u64,
    pub(super) at_us: u64,
    pub(super) came: Came,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Came {
    /// This.
    Told(Value),
    /// Nobody knows whether it was done.
    Doubted,
    /// There was no answer, or another one.
    Nothing,
}

/// Everything that was asked of the tool in a soak, in the order in which it was heard of.
#[derive(Default)]
pub(super) struct Office {
    errands: RefCell<Vec<Errand>>,
    keys: RefCell<VecDeque<String>>,
}

impl Office {
    pub(super) fn errands(&self) -> Vec<Errand> {
        self.errands.borrow().clone()
    }

    /// Everybody who has been told a result asks once more.
    pub(super) async fn come_back(&self, simulated: &Simulated) {
        let told = |errand: &Errand| matches!(errand.came, Came::Told(_)).then(|| errand.key.clone());
        let keys: std::collections::BTreeSet<String> = self.errands.borrow().iter().filter_map(told).collect();
        for key in keys {
            let began_us = simulated.since_us();
            let life = simulated.life().await;
            let cx = life.host.context("errands/auditor", WITHIN);
            let done = life.during(life.host.tools().invoke(&cx, request(Some(&key)))).await;
            self.note(simulated, (Some(key), began_us), came(done));
        }
    }

    fn note(&self, simulated: &Simulated, (key, began_us): (Option<String>, u64), came: Came) {
        let Some(key) = key else { return };
        self.errands.borrow_mut().push(Errand { key, began_us, at_us: simulated.since_us(), came });
    }
}

/// Somebody who has errands run.
struct Clerk {
    number: u32,
    dice: Seeded,
}

/// The tier the tool is played in.
pub(super) fn sandbox(world: &World) -> Puppet {
    Puppet::new(Tier::Docker, world.clock.clone()).with(LABEL, Script::default().waits(TAKES).echoes())
}

fn package() -> Package {
    let described = json!({
        "tds": 1, "id": ERRAND, "name": "Errand", "version": VERSION,
        "description": "Runs an errand, once each time it is called. It is played by a script.",
        "capabilities": ["action"], "side_effects": "non_idempotent", "isolation": "docker",
        "interface": {
            "input": { "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"],
                       "additionalProperties": false },
            "output": { "type": "object", "properties": { "input": { "type": "object" } }, "required": ["input"] },
            "host": { "once": { "from": "idempotency_key" }, "trace": { "from": "trace" } },
        },
        "run": { "image": { "image": format!("tool@sha256:{}", "0".repeat(64)) } },
        "idempotency": { "key": "host", "keep_s": KEEP_S },
        "limits": { "timeout_ms": 4_000, "concurrency": 8 },
        "policy": { "pii": { "output": "allow" } },
        "tests": { "contract": [
            { "name": "runs", "input": { "text": "a" }, "expect": { "contains": { "input": { "text": "a" } } } },
        ] },
    });
    Package { format: Format::Json, text: described.to_string(), files: BTreeMap::new() }
}

pub(super) fn request(key: Option<&str>) -> Request {
    // One key is for one errand.
    let text = key.unwrap_or("whatever there is to do");
    Request {
        tool: ERRAND.to_owned(),
        arguments: json!({ "text": text }),
        key: key.map(ToOwned::to_owned),
        ..Request::default()
    }
}

fn came(done: Result<Result<Answer, executor::Error>, Error>) -> Came {
    match done {
        Ok(Ok(answer)) => Came::Told(answer.value),
        Ok(Err(executor::Error::InDoubt { .. })) => Came::Doubted,
        _ => Came::Nothing,
    }
}

/// Publishes the tool, and has it called for ever.
pub(super) async fn clerks(simulated: &Simulated, seed: u64, office: &Office) {
    publish(simulated).await;
    let clerks = (0..CLERKS).map(async |number| {
        let dice = Seeded::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xc1e2_0000 ^ u64::from(number));
        let clerk = Clerk { number, dice };
        let mut again = None;
        for turn in 0_u64.. {
            again = clerk.turn(simulated, turn, (office, again)).await;
        }
    });
    join_all(clerks).await;
}

/// Hands the tool in until it is published: its tests are run in the same weather as everything else.
pub(super) async fn publish(simulated: &Simulated) {
    loop {
        let life = simulated.life().await;
        let cx = life.host.context("errands/publisher", WITHIN);
        if let Ok(Ok(_)) = life.during(life.host.tools().publish(&cx, package())).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

impl Clerk {
    fn up_to(&self, most: u64) -> u64 {
        self.dice.next() % (most + 1)
    }

    /// Which errand it is: the one that came to nothing, a new one, one of the last, or one whose key the host makes.
    fn key(&self, turn: u64, office: &Office, again: Option<String>) -> Option<String> {
        if let Some(key) = again.filter(|_| self.up_to(2) > 0) {
            return Some(key);
        }
        let mut keys = office.keys.borrow_mut();
        match self.up_to(9) {
            0 => None,
            1..6 if !keys.is_empty() => {
                let place = usize::try_from(self.up_to(keys.len() as u64 - 1)).unwrap_or(0);
                keys.get(place).cloned()
            }
            _ => {
                let key = format!("errand {}-{turn}", self.number);
                keys.push_back(key.clone());
                if keys.len() > KEYS_KEPT {
                    keys.pop_front();
                }
                Some(key)
            }
        }
    }

    /// Lets a while pass, and has an errand run. Returns the key of one that came to nothing.
    async fn turn(
        &self,
        simulated: &Simulated,
        turn: u64,
        (office, again): (&Office, Option<String>),
    ) -> Option<String> {
        tokio::time::sleep(Duration::from_millis(self.up_to(700))).await;
        let key = self.key(turn, office, again);
        let patience = PATIENCE_MS[usize::try_from(self.up_to(PATIENCE_MS.len() as u64 - 1)).unwrap_or(0)];
        let life = simulated.life().await;
        let cx = life.host.context(&format!("errands/clerk-{}", self.number), Duration::from_millis(patience));
        let began_us = simulated.since_us();
        let asked = life.during(life.host.tools().invoke(&cx, request(key.as_deref())));
        let came = match self.up_to(5) {
            // It does not wait for the answer.
            0 => match tokio::time::timeout(Duration::from_millis(self.up_to(200)), asked).await {
                Ok(done) => came(done),
                Err(_) => Came::Nothing,
            },
            _ => came(asked.await),
        };
        let comes_back = key.clone().filter(|_| !matches!(came, Came::Told(_)));
        office.note(simulated, (key, began_us), came);
        comes_back
    }
}

/// Says what became of a call in doubt, as chance has it: in the inbox, in words of its own, or beside the inbox.
pub(super) async fn say(life: &Life, cx: &Cx, item: &Item, dice: u64) {
    let (inbox, tools) = (life.host.inbox(), life.host.tools());
    let said = Said::default();
    // What it hears is of no use to it: hosts die, and others may have said so before.
    match dice % 6 {
        0 | 1 => _ = inbox.deny(cx, &item.id, said).await,
        2 => _ = inbox.approve(cx, &item.id, said).await,
        3 => {
            let edits = BTreeMap::from([("/answer".to_owned(), json!({ "seen": item.id }).to_string())]);
            _ = inbox.approve(cx, &item.id, Said { edits, ..said }).await;
        }
        4 => _ = tools.settle(cx, &item.run.to_string(), None).await,
        _ => _ = tools.settle(cx, &item.run.to_string(), Some(json!({ "seen": "elsewhere" }))).await,
    }
}

/// Says what became of calls in doubt until nobody asks any more, for ever.
pub(super) async fn settle_all(simulated: &Simulated, seed: u64) {
    let dice = Seeded::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5e77_1e00);
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let life = simulated.life().await;
        let cx = life.host.context("reviewer", WITHIN);
        let settling = async {
            let Ok(page) = life.host.inbox().list(Some(ItemStatus::Open), None, 64).await else { return };
            for item in page.items.iter().filter(|item| item.kind == Kind::ToolDoubt) {
                say(&life, &cx, item, dice.next()).await;
            }
        };
        // A life that is over has no items; the next one has them.
        let _ = life.during(settling).await;
    }
}
