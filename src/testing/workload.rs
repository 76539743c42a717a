//! What a soak asks of a host: tasks of every kind, from callers who wait, give up, or come back later.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::simulated::Life;
use super::{Error, Simulated, Simulation, errands};
use crate::actors::agent::{Assignment, Definition, Kit, Work};
use crate::actors::crown::{Severity, Webhook};
use crate::actors::inbox::{Delivery, Hook, HookEvent, Said};
use crate::actors::io::{self, Answer, Document, Task};
use crate::host::Host;
use crate::inference::{Request, Role, Scripted, Step};
use crate::supervision::Fault;
use crate::types::{Budget, Class, Cx, Money, Price, PrivacyClass, Random, RunId, Seeded, TrustTier};
use crate::ziggy::budget::{Limit, Window};
use crate::ziggy::review::{ItemStatus, Kind, OnExpiry, Rule, Stage};

/// What one caller heard of one task.
pub(super) struct Heard {
    /// The first words of its prompt, which no other has.
    pub(super) marker: String,
    pub(super) privacy: PrivacyClass,
    pub(super) budget: Money,
    /// No runtime lies about what it took, so that costs can be held against budgets.
    pub(super) honest: bool,
    /// The id of its run was handed out.
    pub(super) acknowledged: bool,
    pub(super) what: What,
    /// When it asked, when it heard, and when it would wait no longer: microseconds since the simulation began, on the
    /// clock that never goes back.
    pub(super) began_us: u64,
    pub(super) at_us: u64,
    pub(super) deadline_us: u64,
    /// Which life of the host it spoke to.
    pub(super) life: u32,
}

pub(super) enum What {
    Answered(Box<Answer>),
    Failed(Class, String),
    /// The host crashed before an answer came.
    Crashed,
    /// The caller did not wait for the answer.
    Left,
}

/// One caller. Draws from the seed what it asks, and how long it waits.
pub(super) struct Caller {
    pub(super) number: u32,
    dice: Seeded,
}

/// Prompts of several kinds, so that classification, memory and tools come to their turn.
const PROMPTS: [&str; 6] = [
    "Say hello.",
    "Summarise what is attached.",
    "Remember that my favourite colour is green.",
    "What is my favourite colour?",
    "Count the words of this sentence, please.",
    "Translate to French: good morning.",
];

/// What a caller waits for an answer, in seconds: impatient, usual, patient.
const PATIENCE_S: [u64; 3] = [2, 20, 60];

/// What an answer may cost: nothing, a little, plenty; in micro-dollars.
const BUDGETS: [i64; 3] = [0, 400, 1_000_000];

impl Caller {
    pub(super) fn new(number: u32, seed: u64) -> Caller {
        // Callers of one seed differ, and so do the callers of two seeds.
        let dice = Seeded::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(number));
        Caller { number, dice }
    }

    fn up_to(&self, most: u64) -> u64 {
        self.dice.next() % (most + 1)
    }

    fn one_of<T: Copy>(&self, all: &[T]) -> T {
        all[usize::try_from(self.up_to(all.len() as u64 - 1)).unwrap_or(0)]
    }

    /// Lets a while pass, and asks for something.
    pub(super) async fn turn(&self, simulated: &Simulated, turn: u32, agents: &[String]) -> Heard {
        tokio::time::sleep(Duration::from_millis(self.up_to(1_500))).await;
        let marker = format!("Ticket {}-{turn}", self.number);
        let task = self.task(&marker, agents);
        let (privacy, patience) = (task.privacy, Duration::from_secs(self.one_of(&PATIENCE_S)));
        let budget = Budget { money: Money(self.one_of(&BUDGETS)), tokens: 1_000_000 };
        let life = simulated.life().await;
        let cx = life.host.context(&format!("caller-{}", self.number), patience).with_budget(budget);
        let began_us = simulated.since_us();
        let deadline_us = began_us + u64::try_from(patience.as_micros()).unwrap_or(0);
        let mut acknowledged = false;
        let what = match self.up_to(9) {
            0..6 => heard(life.during(life.host.ask(&cx, task)).await),
            6 => {
                let patience = Duration::from_millis(self.up_to(400));
                match tokio::time::timeout(patience, life.during(life.host.ask(&cx, task))).await {
                    Ok(done) => heard(done),
                    Err(_) => What::Left,
                }
            }
            _ => detached(&life, &cx, task, &mut acknowledged).await,
        };
        let honest = simulated.plan().faults.runtime_lies == 0;
        let (budget, at_us, life) = (budget.money, simulated.since_us(), life.number);
        Heard { marker, privacy, budget, honest, acknowledged, what, began_us, at_us, deadline_us, life }
    }

    fn task(&self, marker: &str, agents: &[String]) -> Task {
        let classes = [
            PrivacyClass::Public,
            PrivacyClass::Public,
            PrivacyClass::Internal,
            PrivacyClass::Confidential,
            PrivacyClass::Restricted,
        ];
        let mut task = Task {
            prompt: format!("{marker}: {}", self.one_of(&PROMPTS)),
            privacy: self.one_of(&classes),
            ..Task::default()
        };
        match self.up_to(9) {
            0..3 if !agents.is_empty() => {
                let place = self.up_to(agents.len() as u64 - 1);
                task.agent = agents.get(usize::try_from(place).unwrap_or(0)).cloned();
            }
            3 => {
                let text = "A paragraph of some length, about nothing in particular.\n\n".repeat(200);
                task.documents.push(Document { name: "notes.txt".to_owned(), text });
            }
            4 => task.session = Some(format!("session {}", self.number)),
            5 => task.max_tokens = Some(0),
            _ => {}
        }
        task
    }
}

/// Takes the id of a run first, and comes back for the answer.
async fn detached(life: &Life, cx: &Cx, task: Task, acknowledged: &mut bool) -> What {
    let io = life.host.io();
    let run: RunId = match life.during(io.accept(cx, task)).await {
        Ok(Ok(run)) => run,
        Ok(Err(error)) => return What::Failed(error.class(), error.to_string()),
        Err(_) => return What::Crashed,
    };
    *acknowledged = true;
    match life.during(io.wait(cx, run)).await {
        // It ended before anybody waited; the record has the answer.
        Ok(Err(io::Error::NotRunning(_))) => What::Left,
        done => heard(done),
    }
}

fn heard(done: Result<Result<Answer, io::Error>, Error>) -> What {
    match done {
        Ok(Ok(answer)) => What::Answered(Box::new(answer)),
        Ok(Err(error)) => What::Failed(error.class(), error.to_string()),
        Err(_) => What::Crashed,
    }
}

/// Everybody a task can be asked of by name, in the host as it runs.
pub(super) fn agents_of(host: &Host) -> Vec<String> {
    let mut agents: Vec<String> =
        host.router().rib().candidates.values().map(|candidate| candidate.agent.clone()).collect();
    agents.dedup();
    agents
}

/// A simulation that names no runtime gets two, one on this machine and one far away that costs money, and an agent in
/// code on the far one that takes one task at a time. Budgets are short, people are asked now and then, slow candidates
/// are hedged and answers given again. Errands are run in a tier of scripts.
pub(super) fn staged(simulation: Simulation) -> Simulation {
    if !simulation.runtimes.is_empty() {
        return simulation;
    }
    let simulation = simulation.configured(|config| {
        config.budgets.limits = LIMITS.map(limit).to_vec();
        config.review.rules = rules();
        (config.alerts.webhooks, config.review.webhooks) = (vec![ops()], vec![desk()]);
        config.review.delivery = Delivery { attempts: 4, within_s: 2, first_wait_ms: 500, longest_wait_ms: 4_000 };
        config.alerts.quiet_s = 20;
        config.ladder.off.clear();
        config.ladder.hedge = true;
    });
    let far = Scripted::new("field", script).in_tier(TrustTier::External).at_price(Price::new(2, 900_000));
    let simulation = simulation.runtime(Scripted::new("local", script)).runtime(far).sandbox(errands::sandbox);
    simulation.agent(|_| {
        let mut courier =
            Definition::code("courier", "Asks far away.", &["general", "translate"], Courier).runtime("field");
        (courier.profile.concurrency, courier.profile.waiting) = (1, 4);
        courier
    })
}

/// Scope, window, micro-dollars and requests: what runs out in a soak, for some and in some windows.
const LIMITS: [(&str, Window, Option<i64>, Option<u64>); 4] = [
    ("tenant:*", Window::Minute, Some(30_000), None),
    ("provider:field", Window::Total, Some(60_000), None),
    ("agent:courier", Window::Minute, None, Some(3)),
    ("tenant:caller-1", Window::Day, None, Some(2)),
];

fn limit((scope, window, money, requests): (&str, Window, Option<i64>, Option<u64>)) -> Limit {
    Limit { scope: scope.to_owned(), window, money, tokens: None, requests }
}

/// Somebody who is told of every alert. Patience is short: whoever does not come back holds up the rest of a soak.
fn ops() -> Webhook {
    Webhook {
        name: "ops".to_owned(),
        url: "https://ops.example/alerts".to_owned(),
        tier: TrustTier::Partner,
        region: None,
        secret_env: None,
        least: Severity::Notice,
        within_s: 2,
        attempts: 4,
        wait_s: 1,
        wait_most_s: 4,
    }
}

/// Somebody who is told of everything that happens in the inbox.
fn desk() -> Hook {
    let events =
        [HookEvent::Opened, HookEvent::Verdict, HookEvent::Delegated, HookEvent::Expired, HookEvent::Closed].to_vec();
    let (name, url) = ("desk".to_owned(), "https://desk.example/inbox".to_owned());
    Hook { name, url, tier: TrustTier::Partner, region: None, secret_env: None, events }
}

/// People are asked before French is written, after the courier has answered, and where nobody may serve.
fn rules() -> Vec<Rule> {
    let rule = |name: &str, kind, action, on_expiry| Rule {
        name: name.to_owned(),
        kind,
        action,
        deadline_s: PEOPLE_WITHIN_S,
        quorum: 1,
        on_expiry,
        delegate: None,
        class: None,
        intents: Vec::new(),
        confidence_below: None,
        agents: Vec::new(),
        cost_over: None,
        keywords: Vec::new(),
        nobody: false,
    };
    vec![
        Rule {
            keywords: vec!["french".to_owned()],
            ..rule("french", Kind::SensitiveAction, Stage::Before, OnExpiry::Deny)
        },
        Rule { agents: vec!["courier".to_owned()], ..rule("far", Kind::Publication, Stage::After, OnExpiry::Approve) },
        Rule { nobody: true, ..rule("nobody", Kind::NoCandidate, Stage::Before, OnExpiry::Deny) },
    ]
}

/// Seconds people have to decide.
const PEOPLE_WITHIN_S: u64 = 20;

/// Somebody who looks into the inbox now and then, and approves, denies, changes or overlooks what is there.
pub(super) async fn reviewer(simulated: &Simulated, seed: u64) {
    let dice = Caller::new(u32::MAX, seed);
    loop {
        tokio::time::sleep(Duration::from_millis(500 + dice.up_to(6_000))).await;
        let life = simulated.life().await;
        let inbox = life.host.inbox();
        let cx = life.host.context("reviewer", Duration::from_secs(5));
        let deciding = async {
            let Ok(page) = inbox.list(Some(ItemStatus::Open), None, 16).await else { return };
            for item in page.items {
                if item.kind == Kind::ToolDoubt {
                    if dice.up_to(5) > 0 {
                        errands::say(&life, &cx, &item, dice.up_to(u64::MAX - 1)).await;
                    }
                    continue;
                }
                let said = Said::default();
                // What it hears is of no use to it: items close under it, and hosts die.
                let _ = match dice.up_to(5) {
                    0..3 => inbox.approve(&cx, &item.id, said).await,
                    3 => inbox.deny(&cx, &item.id, said).await,
                    4 => {
                        let edits = BTreeMap::from([("prompt".to_owned(), "Say hello instead.".to_owned())]);
                        inbox.approve(&cx, &item.id, Said { edits, ..said }).await
                    }
                    _ => continue,
                };
            }
        };
        let _ = life.during(deciding).await;
    }
}

struct Courier;

#[async_trait]
impl Work for Courier {
    async fn work(&self, cx: &Cx, task: Assignment, kit: Kit) -> Result<String, Fault> {
        kit.ask(cx, "Answer in one sentence.", &task.prompt, &task).await
    }
}

/// What a scripted model answers: now and then with a tool first, always in pieces that take their time.
fn script(request: &Request) -> Vec<Step> {
    let last = request.messages.last();
    let letters = last.map_or(0, |message| message.content.len() as u64);
    let asked = last.is_some_and(|message| message.role == Role::User);
    let wait = Step::Wait(Duration::from_millis(letters % 180));
    if asked && letters.is_multiple_of(3) && !request.tools.is_empty() {
        return vec![wait, Step::call("1", "time", serde_json::json!({}))];
    }
    vec![
        wait,
        Step::text("Well, "),
        Step::Wait(Duration::from_millis(letters % 40)),
        Step::text(format!("{letters} letters.")),
    ]
}
