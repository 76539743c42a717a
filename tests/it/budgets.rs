//! Budgets of a whole host: a crowd does not overrun them, what is under way when the host is killed is not free, and
//! whoever is refused hears which budget it was and until when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use syzygy::actors::crown::{self, Opening};
use syzygy::actors::io::{Error, Task};
use syzygy::config::{self, Config, Flag, Inputs};
use syzygy::host::{Builder, Host};
use syzygy::inference::{Scripted, Step};
use syzygy::store::{Disk, Memory};
use syzygy::types::{Class, Money, Price, RunId};
use syzygy::ziggy::budget::{Amounts, Claim, Ledger, PriceList, Standing, Unit};
use tokio::task::JoinSet;

use crate::program::{Running, code, configure, good, json, question, run, silent_endpoint};
use crate::support::{agent, cx, end, events, task};

const CALLERS: usize = 1_000;

/// The defaults with these limits, and room for a crowd.
fn limited(limits: &str) -> Config {
    let flag = |key: &str, value: &str| Flag { name: key.to_owned(), key: key.to_owned(), value: value.to_owned() };
    let flags = vec![
        flag("host.data_dir", "."),
        flag("budgets.limits", limits),
        flag("runtime.waiting", "2000"),
        flag("io.durable_answers", "false"),
        // Nothing but the budget is to stand in a crowd's way.
        flag("limit.concurrency.algorithm", "fixed"),
        flag("limit.concurrency.initial", "2000"),
        flag("limit.concurrency.most", "2000"),
        flag("ladder.wait_most", "2000"),
    ];
    config::load(&Inputs { flags, ..Inputs::default() }).unwrap().config
}

/// One agent with room for a crowd, at one micro-dollar a token.
fn host(limits: &str) -> Builder {
    let mut only = agent("only");
    (only.profile.concurrency, only.profile.tools) = (2_000, Vec::new());
    let runtime = Scripted::saying("only", "Forty-two.").at_price(Price::new(1_000_000, 1_000_000));
    Host::builder().config(limited(limits)).without_bundled_agents().agent(only).runtime(runtime)
}

fn standing(host: &Host, scope: &str, unit: Unit) -> Standing {
    let all = host.crown().treasury().standings();
    all.iter().find(|one| one.scope == scope && one.unit == unit).unwrap_or_else(|| panic!("{all:?}")).clone()
}

/// Asks with everybody at once. Returns what was answered, and how often a budget refused.
async fn crowd(host: &Arc<Host>) -> (Vec<Money>, usize) {
    let mut asking = JoinSet::new();
    for number in 0..CALLERS {
        let host = Arc::clone(host);
        asking.spawn(async move { host.ask(&cx(&host), task(&format!("What is {number} times seven?"))).await });
    }
    let (mut costs, mut refused) = (Vec::new(), 0);
    for answer in asking.join_all().await {
        match answer {
            Ok(answer) => costs.push(answer.cost),
            Err(Error::Budget { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    (costs, refused)
}

// Promise 90.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_callers_at_once_are_served_exactly_as_often_as_the_budget_is_worth() {
    let limits = r#"[{ scope = "tenant:*", window = "total", requests = 200 }]"#;
    let host = Arc::new(host(limits).start().await.unwrap());
    let (costs, refused) = crowd(&host).await;
    assert_eq!((costs.len(), refused), (200, CALLERS - 200));
    let found = standing(&host, "tenant:tester", Unit::Requests);
    assert_eq!((found.spent, found.reserved, found.left), (200, 0, 0));
    end(Arc::into_inner(host).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn money_is_never_overrun_and_used_up_to_what_one_more_request_may_cost() {
    let most = 3_000;
    let limits = format!(r#"[{{ scope = "principal:*", window = "total", money = {most} }}]"#);
    let host = Arc::new(host(&limits).start().await.unwrap());
    let (costs, refused) = crowd(&host).await;
    assert!(refused > 0, "the crowd wants more than there is");
    let all: i64 = costs.iter().map(|cost| cost.0).sum();
    // Whoever is held back by reservations waits for what they do not use, so the crowd itself uses it up.
    let wanted = match host.ask(&cx(&host), task("What is six times seven?")).await {
        Err(Error::Budget { refusal, wait: None }) if !refusal.held_back() => {
            serde_json::to_value(&*refusal).unwrap()["wanted"].as_u64().unwrap()
        }
        other => panic!("{other:?}"),
    };
    let found = standing(&host, "principal:tester", Unit::Money);
    assert_eq!((found.spent, found.reserved, found.over), (u64::try_from(all).unwrap(), 0, 0));
    assert!(all <= most && found.left < wanted, "{found:?} and {wanted} wanted");
    end(Arc::into_inner(host).unwrap()).await;
}

// Promise 152.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_held_back_by_reservations_alone_waits_and_is_served_and_nobody_is_alarmed() {
    // Room for one worst case at a time, and for all of what is really taken.
    let limits = r#"[{ scope = "tenant:*", window = "day", money = 3_000 }]"#;
    let mut only = agent("only");
    (only.profile.concurrency, only.profile.tools) = (2_000, Vec::new());
    let slowly = |_: &_| vec![Step::Wait(Duration::from_millis(20)), Step::text("Forty-two.")];
    let runtime = Scripted::new("only", slowly).at_price(Price::new(1_000_000, 1_000_000));
    let host = Host::builder().config(limited(limits)).without_bundled_agents().agent(only).runtime(runtime);
    let host = Arc::new(host.start().await.unwrap());
    let mut asking = JoinSet::new();
    for _ in 0..12 {
        let host = Arc::clone(&host);
        let task = Task { max_tokens: Some(1_800), ..task("What is six times seven?") };
        asking.spawn(async move { host.ask(&cx(&host), task).await.map(|answer| answer.run_id) });
    }
    let runs: Vec<RunId> = asking.join_all().await.into_iter().map(Result::unwrap).collect();
    let found = standing(&host, "tenant:tester", Unit::Money);
    assert!(found.spent < 3_000 && (found.reserved, found.refused, found.over) == (0, 0, 0), "{found:?}");
    let mut waited = 0;
    for run in runs {
        let told = events(&host, run).await.into_iter().filter(|event| event.kind == "hop.step");
        waited += told.filter(|event| event.body.text().contains("\"wait\"")).count();
    }
    assert!(waited > 0, "nobody was held back, which proves nothing");
    assert!(host.crown().alerts(&cx(&host)).await.unwrap().is_empty());
    end(Arc::into_inner(host).unwrap()).await;
}

// The treasury alone, on real threads, each holding on to its reservation while others come.
#[test]
fn threads_that_reserve_at_once_never_hold_more_than_there_is() {
    let config = limited(
        r#"[{ scope = "tenant:*", window = "total", money = 2000 }, { scope = "model:small", window = "total", tokens = 1990 }]"#,
    );
    let world = syzygy::host::real_world();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();
    let journal = Memory::open(&Disk::default(), &config.store, world.clone(), Vec::new()).unwrap();
    let (crown, _governor) = crown::Handle::launch(journal, config.crown, &world);
    let now = world.clock.wall();
    let ledger = Ledger::new(&config.budgets, now);
    let (prices, providers) = (PriceList::default(), BTreeMap::new());
    crown.treasury().open(Opening { ledger, since: now, first: 0, prices, providers });
    let run = RunId::new(&world);
    let (admitted, barrier) = (AtomicU64::new(0), std::sync::Barrier::new(50));
    let worst = Amounts { money: Money(10), tokens: 10, requests: 1 };
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                let claim = Claim {
                    tenant: "acme",
                    principal: "acme/anna",
                    agent: "marvin",
                    destination: "general/public",
                    provider: "local",
                    model: "small",
                };
                let mut held = Vec::new();
                barrier.wait();
                for _ in 0..20 {
                    if let Ok(Some(hold)) = crown.treasury().reserve(run, &claim, worst, Price::default()) {
                        admitted.fetch_add(1, Ordering::AcqRel);
                        held.push(hold);
                    }
                }
                barrier.wait();
                held.into_iter().for_each(|hold| drop(hold.commit(worst)));
            });
        }
    });
    // 1,000 tried; 2,000 micro-dollars are 200 times ten, and 1,990 tokens are 199 times ten.
    assert_eq!(admitted.load(Ordering::Acquire), 199);
    let spent: Vec<u64> = crown.treasury().standings().iter().map(|one| one.spent).collect();
    assert_eq!(spent, [1_990, 1_990]);
}

// Promise 92.
#[tokio::test]
async fn what_was_under_way_when_the_host_was_killed_is_charged_in_full_by_the_next() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    let (mut endpoint, runtime) = silent_endpoint().await;
    let runtime = runtime.replace("input = 0, output = 0", "input = 1000000, output = 2000000");
    let limits = "[[budgets.limits]]\nscope = \"provider:local\"\nwindow = \"total\"\nmoney = 1000000\n";
    configure(data, &format!("{limits}{runtime}"));
    let host = Running::start(data).await;
    let accepted = good(data, &["ask", "--detach", "Think about it"]).await;
    let run_id = accepted.trim();
    let asked = question(&mut endpoint).await;
    let before = json(data, &["budgets"]).await;
    let reserved = before["budgets"][0]["reserved"].as_u64().unwrap();
    // 256 tokens of answer at two micro-dollars, and a prompt.
    assert!(reserved > 512 && before["budgets"][0]["spent"] == 0, "{before}");
    host.kill().await;
    drop(asked);
    let host = Running::start(data).await;
    let after = json(data, &["budgets", "provider:"]).await;
    assert_eq!(
        (&after["budgets"][0]["spent"], &after["budgets"][0]["reserved"]),
        (&reserved.into(), &0.into()),
        "{after}"
    );
    let why = good(data, &["why", run_id]).await;
    assert!(why.contains("charged in full") && why.contains("before the outcome was known"), "{why}");
    let table = good(data, &["budgets"]).await;
    assert!(table.starts_with("SCOPE") && table.contains("provider:local  total   $1.000000"), "{table}");
    host.stop().await;
    let host = Running::start(data).await;
    let again = json(data, &["budgets"]).await;
    assert_eq!(again["budgets"][0]["spent"], reserved, "it is charged once");
    host.stop().await;
    good(data, &["audit", "verify"]).await;
}

#[tokio::test]
async fn who_is_refused_hears_which_budget_it_was_and_what_is_wrong_with_limits_stops_the_start() {
    let data = crate::program::home();
    let data = data.path();
    let own = std::fs::read_to_string(data.join("syzygy.toml")).unwrap();
    let limits = "[[budgets.limits]]\nscope = \"destination:*\"\nwindow = \"day\"\nrequests = 1\n";
    configure(data, &format!("{limits}{own}"));
    let host = Running::start(data).await;
    good(data, &["ask", "What is six times seven?"]).await;
    let (status, _, said) = run(data, &["ask", "What is six times seven?"]).await;
    assert_eq!(status, code(Class::Exhausted));
    assert!(said.contains("0 requests left of 1 request a day"), "{said}");
    let why = good(data, &["why", "last"]).await;
    assert!(why.contains("0 requests left") && why.contains("the day ends at"), "{why}");
    host.stop().await;
    configure(data, &format!("{}{limits}{own}", limits.replace("day", "moon")));
    let (status, _, said) = run(data, &["config", "check"]).await;
    assert!(status == code(Class::Invalid) && said.contains("budgets.limits"), "{said}");
    configure(data, &format!("{limits}{limits}{}{own}", limits.replace("requests = 1", "money = 0")));
    let (status, _, said) = run(data, &["config", "check"]).await;
    assert_eq!(status, code(Class::Invalid));
    let scope = "syzygy.toml:6: budgets.limits.1.scope: found \"destination:*\", expected one row";
    for part in [scope, "syzygy.toml:12: budgets.limits.2.money: found 0, expected from 1"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

// Promise 95.
#[tokio::test]
async fn a_price_is_the_row_in_force_and_the_runtimes_own_goes_before() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    let (_endpoint, runtime) = silent_endpoint().await;
    let unpriced = runtime.replace("price = { input = 0, output = 0 }\n", "");
    configure(data, &unpriced);
    for asked in [&["config", "check"][..], &["up", "--listen", "127.0.0.1:0"]] {
        let (_, _, said) = run(data, asked).await;
        assert!(said.contains("a row of prices.toml that matches local/silent"), "{said}");
    }
    assert!(!data.join("journal.db").exists(), "nothing is opened before all that was written is read");
    let row = |input: u32, from: &str| {
        format!(
            "[[prices]]\nmatch = \"*/silent\"\ninput = {input}\noutput = 9\nfrom = \"{from}\"\nsource = \"a test\"\n"
        )
    };
    std::fs::write(data.join("prices.toml"), row(3, "2020-01-01") + &row(4, "2021-01-01") + &row(5, "2999-01-01"))
        .unwrap();
    let host = Running::start(data).await;
    let price = |rib: &Value| rib["candidates"]["marvin@local"]["price"].clone();
    let found = rib(data).await;
    assert_eq!(price(&found), serde_json::json!({ "input": 4, "output": 9 }));
    host.stop().await;
    configure(data, &runtime);
    let host = Running::start(data).await;
    assert_eq!(price(&rib(data).await), serde_json::json!({ "input": 0, "output": 0 }));
    host.stop().await;
    std::fs::write(data.join("prices.toml"), row(3, "2020-01-01") + &row(4, "2020-01-01")).unwrap();
    let (status, _, said) = run(data, &["up", "--listen", "127.0.0.1:0"]).await;
    assert!(
        status != 0 && said.contains("prices.toml:8: prices.1.match: found \"*/silent\", expected one price at a time"),
        "{said}"
    );
    let (checked, _, told) = run(data, &["config", "check"]).await;
    assert!(checked == status && told.contains("prices.toml:8: prices.1.match"), "{told}");
}

/// The candidates of a running host.
async fn rib(data: &std::path::Path) -> Value {
    let running: Value = serde_json::from_str(&std::fs::read_to_string(data.join("host.json")).unwrap()).unwrap();
    let token = std::fs::read_to_string(data.join("operator.token")).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http =
        reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(20)).build().unwrap();
    let url = format!("{}/rib", running["url"].as_str().unwrap());
    let text = http.get(url).bearer_auth(token.trim()).send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn an_answer_is_charged_what_it_took_and_why_says_so() {
    let host = host(r#"[{ scope = "tenant:*", window = "day", money = 10000 }]"#).start().await.unwrap();
    let answer = host.ask(&cx(&host), task("What is six times seven?")).await.unwrap();
    let told = events(&host, answer.run_id).await;
    let why = syzygy::api::why(answer.run_id, syzygy::actors::io::RunStatus::Completed, &told, &Default::default());
    let words: Vec<String> = why.steps.into_iter().flat_map(|step| step.words).collect();
    let said = words.join("\n");
    assert!(said.contains("were reserved for it, of tenant:tester (day)."), "{said}");
    assert!(said.contains("That table has left the journal, so who else was considered is not known."), "{said}");
    assert!(said.contains(&format!("Charged were {}", answer.cost)) && said.contains("went back"), "{said}");
    end(host).await;
}
