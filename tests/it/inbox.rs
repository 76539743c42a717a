//! Work that waits for people: parked, restarted under, approved, changed, denied, expired, cancelled, killed.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use syzygy::actors::inbox::Said;
use syzygy::actors::io::{Error, RunRow, RunStatus, RunsProjection, Task, Waiting};
use syzygy::config::{Config, Flag, Inputs};
use syzygy::host::{Builder, Host};
use syzygy::inference::{Error as Failed, Scripted, Step};
use syzygy::store::{Disk, RowQuery};
use syzygy::types::{Budget, Class, Money, Price, PrivacyClass, RunId, TrustTier};
use syzygy::ziggy::review::{Edits, ItemStatus, Rule};

use crate::program::{Running, code, command, configure, done, good, home, json, run};
use crate::support::{MINUTE, agent, cx, end, events, eventually, task};

/// The defaults with these rules.
fn reviewing(rules: &str) -> Config {
    #[derive(serde::Deserialize)]
    struct Rules {
        rules: Vec<Rule>,
    }
    let place = Flag { name: "data_dir".to_owned(), key: "host.data_dir".to_owned(), value: ".".to_owned() };
    let mut config = syzygy::config::load(&Inputs { flags: vec![place], ..Inputs::default() }).unwrap().config;
    config.review.rules = toml::from_str::<Rules>(rules).unwrap().rules;
    config
}

/// A rule that holds for everything, at this stage, with this besides.
fn rule(stage: &str, more: &str) -> String {
    let defaults = [("quorum", "1"), ("deadline_s", "600"), ("on_expiry", "\"deny\""), ("class", "\"public\"")];
    let mut text = format!("[[rules]]\nname = \"all\"\nkind = \"policy\"\naction = \"{stage}\"\n{more}\n");
    for (key, value) in defaults.iter().filter(|(key, _)| !more.contains(key)) {
        text.push_str(&format!("{key} = {value}\n"));
    }
    text
}

/// A host whose agent says back what it was asked.
fn echo(disk: &Disk, rules: &str) -> Builder {
    let echo = Scripted::new("local", |request| {
        vec![Step::text(format!("You said: {}", request.messages.last().unwrap().content))]
    });
    Host::builder().without_bundled_agents().agent(agent("local")).runtime(echo).disk(disk).config(reviewing(rules))
}

/// Asks, and is told that it waits.
async fn parked(host: &Host, prompt: &str) -> Waiting {
    match host.ask(&cx(host), task(prompt)).await {
        Err(Error::Parked(waiting)) => *waiting,
        other => panic!("{other:?}"),
    }
}

async fn row(host: &Host, run: RunId) -> RunRow {
    host.journal().flush().await.unwrap();
    let row = host.journal().row(RunsProjection::NAME, &run.to_string()).await.unwrap();
    serde_json::from_value(row.unwrap()).unwrap()
}

/// The row of a run once it is over.
async fn over(host: &Host, run: RunId) -> RunRow {
    eventually("the run is over", async || Some(row(host, run).await).filter(|row| row.status.is_over())).await
}

async fn kinds(host: &Host, run: RunId) -> Vec<String> {
    events(host, run).await.into_iter().map(|event| event.kind).collect()
}

fn count(kinds: &[String], kind: &str) -> usize {
    kinds.iter().filter(|one| *one == kind).count()
}

fn changing(pointer: &str, text: &str) -> Said {
    Said { edits: Edits::from([(pointer.to_owned(), text.to_owned())]), ..Said::default() }
}

#[tokio::test]
async fn a_run_waits_over_a_restart_and_goes_on_once_with_what_was_changed() {
    let (disk, rules) = (Disk::default(), rule("before", "keywords = [\"wire\"]"));
    let first = echo(&disk, &rules).start().await.unwrap();
    let free = first.ask(&cx(&first), task("Say hello")).await.unwrap();
    assert!(free.answer.contains("Say hello"), "no rule holds");
    let waiting = parked(&first, "Wire the money").await;
    let run = waiting.run_id;
    assert_eq!(waiting.item, format!("{run}-1"));
    assert!(waiting.reason.contains("somebody with the scope `review`"), "{}", waiting.reason);
    assert!(!kinds(&first, run).await.contains(&"hop.decided".to_owned()), "nobody works on it");
    end(first).await;

    let second = echo(&disk, &rules).start().await.unwrap();
    let stands = row(&second, run).await;
    assert_eq!((stands.status, stands.item.as_ref()), (RunStatus::Parked, Some(&waiting.item)));
    let ann = second.context("ann", MINUTE);
    let said = changing("/task/prompt", "Do not wire the money");
    second.inbox().approve(&ann, &waiting.item, said).await.unwrap();
    let done = over(&second, run).await;
    assert_eq!((done.status, done.item, done.reason), (RunStatus::Completed, None, None));
    assert!(done.answer.unwrap().answer.contains("You said: Do not wire the money"));
    let kinds = kinds(&second, run).await;
    let order = [
        "run.accepted",
        "run.parked",
        "hitl.opened",
        "hitl.verdict",
        "hitl.closed",
        "hitl.settled",
        "run.resumed",
        "hop.served",
        "run.completed",
    ];
    let seen: Vec<&str> = kinds.iter().map(String::as_str).filter(|kind| order.contains(kind)).collect();
    assert_eq!(seen, order, "each once, in this order");
    let late = second.inbox().deny(&ann, &waiting.item, Said::default()).await.unwrap_err();
    assert!(late.to_string().contains("it is approved since") && late.class() == Class::Conflict, "{late}");
    end(second).await;
}

// IO6.
#[tokio::test]
async fn an_answer_is_withheld_until_it_is_approved_and_nothing_of_it_is_seen_before() {
    let host = echo(&Disk::default(), &rule("after", "")).start().await.unwrap();
    let (news, mut told) = tokio::sync::mpsc::channel(256);
    let asked = host.io().route(&cx(&host), task("xylophone"), news).await;
    let Err(Error::Parked(waiting)) = asked else { panic!("{asked:?}") };
    while let Ok(progress) = told.try_recv() {
        assert!(!serde_json::to_string(&progress).unwrap().contains("You said"), "{progress:?}");
    }
    for event in events(&host, waiting.run_id).await {
        assert!(!event.body.text().contains("You said"), "{}: {}", event.kind, event.body.text());
    }
    let item = host.inbox().item(&waiting.item).await.unwrap();
    let shown = host.inbox().shown(&item).await.unwrap();
    assert!(shown["answer"].as_str().unwrap().contains("You said: xylophone"), "{shown}");
    assert_eq!((&shown["facts"]["served_by"][0], shown.get("resume")), (&"local@local".into(), None));
    host.inbox().approve(&host.context("ann", MINUTE), &item.id, changing("/answer", "Better so.")).await.unwrap();
    let done = over(&host, waiting.run_id).await;
    assert_eq!(done.answer.unwrap().answer, "Better so.");
    assert_eq!(count(&kinds(&host, waiting.run_id).await, "hop.served"), 1, "it was worked on once");
    let judged = events(&host, waiting.run_id).await.into_iter().find(|event| event.kind == "feedback.given").unwrap();
    assert_eq!((&judged.body.value()["quality"], &judged.body.value()["principal"]), (&1.0.into(), &"ann".into()));
    end(host).await;
}

#[tokio::test]
async fn who_is_denied_hears_by_whom_and_why_and_the_candidate_learns_from_it() {
    let host = echo(&Disk::default(), &rule("after", "")).start().await.unwrap();
    let quality = || host.router().rib().candidates["local@local"].quality;
    let (waiting, before) = (parked(&host, "Tell a lie").await, quality());
    let said = Said { comment: Some("not true".to_owned()), ..Said::default() };
    host.inbox().deny(&host.context("ann", MINUTE), &waiting.item, said).await.unwrap();
    let row = over(&host, waiting.run_id).await;
    assert_eq!((row.status, row.class), (RunStatus::Failed, Some(Class::Denied)));
    let reason = row.reason.unwrap();
    assert!(reason.contains("ann denied it") && reason.contains("not true"), "{reason}");
    let judged = events(&host, waiting.run_id).await.into_iter().find(|event| event.kind == "feedback.given").unwrap();
    assert_eq!(judged.body.value()["quality"], 0.0);
    eventually("the candidate is thought less of", async || (quality() < before).then_some(())).await;
    end(host).await;
}

#[tokio::test]
async fn nobody_decides_and_the_rule_says_what_happens_then() {
    for (on_expiry, status) in [("deny", RunStatus::Failed), ("approve", RunStatus::Completed)] {
        let rules = rule("before", &format!("deadline_s = 1\non_expiry = \"{on_expiry}\""));
        let host = echo(&Disk::default(), &rules).start().await.unwrap();
        let waiting = parked(&host, "Hello").await;
        let row = over(&host, waiting.run_id).await;
        assert_eq!(row.status, status, "{on_expiry}");
        if status == RunStatus::Failed {
            assert_eq!(row.class, Some(Class::Denied));
            assert!(row.reason.unwrap().contains("nobody approved it until"));
        }
        assert_eq!(host.inbox().item(&waiting.item).await.unwrap().status, ItemStatus::Expired);
        end(host).await;
    }
}

#[tokio::test]
async fn a_quorum_is_of_different_people_and_a_run_may_wait_twice() {
    let rules = rule("before", "quorum = 2") + &rule("after", "").replace("\"all\"", "\"answers\"");
    let host = echo(&Disk::default(), &rules).start().await.unwrap();
    let waiting = parked(&host, "Hello").await;
    let (ann, bob) = (host.context("ann", MINUTE), host.context("bob", MINUTE));
    let item = host.inbox().approve(&ann, &waiting.item, Said::default()).await.unwrap();
    assert_eq!(item.status, ItemStatus::Open);
    let again = host.inbox().approve(&ann, &waiting.item, Said::default()).await.unwrap_err();
    assert!(again.to_string().contains("ann has approved it already"), "{again}");
    assert_eq!(host.inbox().approve(&bob, &waiting.item, Said::default()).await.unwrap().status, ItemStatus::Approved);
    let next = format!("{}-2", waiting.run_id);
    let item = eventually("the answer waits too", async || host.inbox().item(&next).await.ok()).await;
    assert_eq!(item.reasons[0].rule, "answers");
    host.inbox().approve(&ann, &next, Said::default()).await.unwrap();
    assert_eq!(over(&host, waiting.run_id).await.status, RunStatus::Completed);
    assert_eq!(count(&kinds(&host, waiting.run_id).await, "run.resumed"), 2);
    end(host).await;
}

#[tokio::test]
async fn a_person_answers_or_pays_where_no_candidate_may() {
    let dear = Scripted::saying("dear", "Yes.").at_price(Price::new(1_000_000, 1_000_000));
    let rules = rule("before", "nobody = true");
    let host = Host::builder().without_bundled_agents().agent(agent("dear")).runtime(dear).config(reviewing(&rules));
    let host = host.start().await.unwrap();
    let poor = cx(&host).with_budget(Budget { money: Money::ZERO, tokens: u64::MAX });
    let ask = async || match host.ask(&poor, task("Are you there?")).await {
        Err(Error::Parked(waiting)) => *waiting,
        other => panic!("{other:?}"),
    };
    let ann = host.context("ann", MINUTE);
    let by_hand = ask().await;
    host.inbox().approve(&ann, &by_hand.item, changing("/answer", "I am.")).await.unwrap();
    let answer = over(&host, by_hand.run_id).await.answer.unwrap();
    assert_eq!((answer.answer.as_str(), answer.served_by), ("I am.", vec!["human:ann".to_owned()]));
    let paid = ask().await;
    let item = host.inbox().item(&paid.item).await.unwrap();
    let shown = host.inbox().shown(&item).await.unwrap();
    let gives = shown["facts"]["approval_gives"]["money"].as_i64().unwrap();
    host.inbox().approve(&ann, &paid.item, Said::default()).await.unwrap();
    let answer = over(&host, paid.run_id).await.answer.unwrap();
    assert_eq!((answer.answer.as_str(), answer.served_by), ("Yes.", vec!["dear@dear".to_owned()]));
    assert!(
        answer.cost > Money::ZERO && answer.cost.0 <= gives,
        "{answer:?} for at most {gives}",
        answer = answer.cost
    );
    end(host).await;
}

#[tokio::test]
async fn a_document_too_long_for_an_event_is_shown_and_comes_along() {
    let (disk, rules) = (Disk::default(), rule("before", ""));
    let first = echo(&disk, &rules).start().await.unwrap();
    let text = "Xylophones are made of wood. ".repeat(800);
    let documents = vec![syzygy::actors::io::Document { name: "long.txt".to_owned(), text: text.clone() }];
    let asked = syzygy::actors::io::Task { documents, ..task("What is it about?") };
    let Err(Error::Parked(waiting)) = first.ask(&cx(&first), asked).await else { panic!("it waits") };
    end(first).await;
    let second = echo(&disk, &rules).start().await.unwrap();
    let item = second.inbox().item(&waiting.item).await.unwrap();
    assert_eq!(second.inbox().shown(&item).await.unwrap()["documents"][0]["text"], text);
    second.inbox().approve(&second.context("ann", MINUTE), &item.id, Said::default()).await.unwrap();
    let answer = over(&second, waiting.run_id).await.answer.unwrap();
    assert!(answer.chunks > 1 && answer.answer.contains("made of wood"), "{} chunks", answer.chunks);
    end(second).await;
}

/// A home whose host has these rules.
fn home_with(rules: &str) -> tempfile::TempDir {
    let home = home();
    let mut settings = std::fs::read_to_string(home.path().join("syzygy.toml")).unwrap();
    settings.push_str(&rules.replace("[[rules]]", "[[review.rules]]"));
    configure(home.path(), &settings);
    home
}

#[tokio::test]
async fn every_verb_of_the_inbox_does_what_it_says() {
    let data = home_with(&rule("before", ""));
    let data = data.path();
    let host = Running::start(data).await;
    let asked = good(data, &["ask", "--detach", "What is six times seven?"]).await;
    let run_id = asked.trim();
    let waiting = |status: &'static str| async move {
        eventually("it waits", async || {
            let items = json(data, &["inbox", "list", "--status", status]).await;
            items["items"].as_array().unwrap().iter().find(|item| item["run"] == run_id).cloned()
        })
        .await
    };
    let item = waiting("open").await["id"].as_str().unwrap().to_owned();
    assert!(good(data, &["inbox"]).await.contains(&item));
    let page = good(data, &["inbox", "show", &item]).await;
    assert!(page.contains("six times seven") && page.contains("Rule \"all\" holds"), "{page}");
    good(data, &["tokens", "make", "ann", "--scope", "review"]).await;
    let (exit, _, error) = run(data, &["inbox", "delegate", &item, "ghost"]).await;
    assert!(exit == code(Class::Invalid) && error.contains("there is no token of this name"), "{error}");
    let said = good(data, &["inbox", "delegate", &item, "ann"]).await;
    assert!(said.contains("is delegated to ann. It waits for ann until"), "{said}");
    let (exit, _, error) = run(data, &["inbox", "edit", &item, "New", "--at", "/nowhere"]).await;
    assert_eq!(exit, code(Class::Invalid), "{error}");
    let said = good(data, &["inbox", "edit", run_id, "What is six times nine?", "-c", "more"]).await;
    assert!(said.contains("is approved, so run"), "{said}");
    eventually("it is answered", async || {
        let runs = json(data, &["runs"]).await;
        (runs["runs"][0]["status"] == "completed").then_some(())
    })
    .await;
    let why = good(data, &["why", run_id]).await;
    for expected in ["Parked", "operator approved it after changing /task/prompt", "They said: more", "Resumed"] {
        assert!(why.contains(expected), "{expected} is not in {why}");
    }
    let (exit, _, error) = run(data, &["inbox", "deny", &item]).await;
    assert_eq!(exit, code(Class::Conflict));
    assert!(error.contains("it is approved since"), "{error}");
    let reader = good(data, &["tokens", "make", "reader", "--scope", "read", "--scope", "route"]).await;
    let (exit, _, error) = run(data, &["inbox", "list", "--token", reader.trim()]).await;
    assert_eq!(exit, code(Class::Denied), "{error}");
    host.stop().await;
}

#[tokio::test]
async fn somebody_ends_the_time_of_an_item_and_its_run_ends_although_the_deadline_would_approve_it() {
    let data = home_with(&rule("before", "on_expiry = \"approve\""));
    let data = data.path();
    let host = Running::start(data).await;
    let asked = good(data, &["ask", "--detach", "What is six times seven?"]).await;
    let run_id = asked.trim();
    let item = format!("{run_id}-1");
    eventually("it waits", async || (run(data, &["inbox", "show", &item]).await.0 == 0).then_some(())).await;
    let said = good(data, &["inbox", "expire", &item]).await;
    assert!(said.contains("is expired by operator, so run") && said.contains("ends"), "{said}");
    eventually("its run has ended", async || {
        let runs = json(data, &["runs"]).await;
        (runs["runs"][0]["status"] == "failed").then_some(())
    })
    .await;
    let why = good(data, &["why", run_id]).await;
    assert!(why.contains("operator ended its time before its deadline") && !why.contains("in time"), "{why}");
    let (exit, _, error) = run(data, &["inbox", "expire", &item]).await;
    assert!(exit == code(Class::Conflict) && error.contains("it is expired since"), "{error}");
    host.stop().await;
}

#[tokio::test]
async fn an_ask_says_for_whom_it_waits_and_prints_the_answer_when_it_comes() {
    let data = home_with(&rule("after", "delegate = \"ann\""));
    let data = data.path();
    let host = Running::start(data).await;
    let mut asking = command(data, &["ask", "What is six times seven?"]);
    let asking = asking.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let item = eventually("it waits", async || {
        let items = json(data, &["inbox"]).await;
        items["items"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    good(data, &["inbox", "approve", &item]).await;
    let output = tokio::time::timeout(MINUTE, asking.wait_with_output()).await.unwrap().unwrap();
    let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!((output.status.code(), out.trim()), (Some(0), "Forty-two."), "{error}");
    assert!(error.contains("It waits for ann until") && error.contains("operator approved it"), "{error}");
    host.stop().await;
}

#[tokio::test]
async fn an_answer_that_nobody_judged_in_time_teaches_nobody() {
    let host = echo(&Disk::default(), &rule("after", "deadline_s = 1")).start().await.unwrap();
    let waiting = parked(&host, "Hello").await;
    assert_eq!(over(&host, waiting.run_id).await.class, Some(Class::Denied));
    let kinds = kinds(&host, waiting.run_id).await;
    assert_eq!((count(&kinds, "hop.served"), count(&kinds, "feedback.given")), (1, 0), "{kinds:?}");
    end(host).await;
}

#[tokio::test]
async fn what_the_class_of_a_task_forbids_nobody_can_approve() {
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counts = std::sync::Arc::clone(&asked);
    let far = Scripted::new("far", move |_| {
        counts.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        vec![Step::text("Yes.")]
    });
    let builder =
        Host::builder().without_bundled_agents().agent(agent("far")).runtime(far.in_tier(TrustTier::External));
    let host = builder.config(reviewing(&rule("before", "nobody = true"))).start().await.unwrap();
    let secret = Task { privacy: PrivacyClass::Restricted, ..task("Are you there?") };
    let Err(Error::Parked(waiting)) = host.ask(&cx(&host), secret).await else { panic!("nobody was asked") };
    host.inbox().approve(&host.context("ann", MINUTE), &waiting.item, Said::default()).await.unwrap();
    let row = over(&host, waiting.run_id).await;
    assert_eq!((row.status, row.class), (RunStatus::Failed, Some(Class::Denied)), "{:?}", row.reason);
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 0);
    end(host).await;
}

#[tokio::test]
async fn cancelling_a_run_closes_what_it_waits_for() {
    let host = echo(&Disk::default(), &rule("before", "")).start().await.unwrap();
    let waiting = parked(&host, "Hello").await;
    let ann = host.context("ann", MINUTE);
    assert!(!host.io().cancel(&ann, waiting.run_id).await.unwrap(), "it is not under way");
    host.inbox().cancel(&ann, waiting.run_id).await.unwrap();
    let row = over(&host, waiting.run_id).await;
    assert_eq!((row.status, row.class), (RunStatus::Cancelled, Some(Class::Cancelled)));
    let item = host.inbox().item(&waiting.item).await.unwrap();
    assert_eq!((item.status, item.goes_on), (ItemStatus::Cancelled, false));
    end(host).await;
}

/// The numbers of the events of this kind, as `audit export` has them.
async fn numbers(data: &Path, kind: &str) -> Vec<u64> {
    let lines = good(data, &["audit", "export"]).await;
    let events = lines.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["kind"] == kind).map(|event| event["seq"].as_u64().unwrap()).collect()
}

/// Parks a run in a data directory and stops the host.
async fn parked_in(data: &Path) -> String {
    let host = Running::start(data).await;
    let asked = good(data, &["ask", "--detach", "What is six times seven?"]).await;
    let run_id = asked.trim().to_owned();
    eventually("it waits", async || {
        let runs = json(data, &["runs", "--status", "parked"]).await;
        runs["runs"][0]["run_id"].as_str().map(|_| ())
    })
    .await;
    host.stop().await;
    run_id
}

/// After how many events of its second life the host is killed. It writes that it started, and its table once or twice;
/// then comes the verdict, and that the item is closed. What is too late shows that the run went on already, so the kill
/// comes earlier each time.
const KILLED_AFTER: std::ops::RangeInclusive<u64> = 3..=8;

#[tokio::test]
async fn a_kill_between_the_verdict_and_what_follows_resumes_the_run_once() {
    for after in KILLED_AFTER.rev() {
        let data = home_with(&rule("before", ""));
        let data = data.path();
        let run_id = parked_in(data).await;
        let settings = std::fs::read_to_string(data.join("syzygy.toml")).unwrap();
        let last = numbers(data, "host.stopped").await[0];
        configure(data, &format!("{settings}\n[store]\ncrash_after_event = {}\n", last + after));
        let host = Running::start(data).await;
        let item = format!("{run_id}-1");
        let _ = done(&mut command(data, &["inbox", "approve", &item])).await;
        host.kill().await;
        configure(data, &settings);
        let (closed, resumed) = (numbers(data, "hitl.closed").await, numbers(data, "run.resumed").await);
        if closed.is_empty() || !resumed.is_empty() {
            continue;
        }
        let host = Running::start(data).await;
        eventually("it goes on by itself", async || {
            let runs = json(data, &["runs"]).await;
            (runs["runs"][0]["status"] == "completed").then_some(())
        })
        .await;
        host.stop().await;
        for kind in ["run.resumed", "hitl.closed", "hitl.settled", "hop.served", "run.completed"] {
            assert_eq!(numbers(data, kind).await.len(), 1, "{kind}");
        }
        good(data, &["audit", "verify"]).await;
        return;
    }
    panic!("no kill came between the verdict and what follows");
}

#[tokio::test]
async fn rows_made_anew_from_the_events_are_the_same() {
    let disk = Disk::default();
    let host = echo(&disk, &rule("before", "")).start().await.unwrap();
    let (one, _other) = (parked(&host, "Hello").await, parked(&host, "Hello again").await);
    host.inbox().approve(&host.context("ann", MINUTE), &one.item, Said::default()).await.unwrap();
    over(&host, one.run_id).await;
    let query = RowQuery { projection: "inbox", prefix: "", reverse: false, after: None, limit: 100 };
    let rows = host.journal().rows(query).await.unwrap();
    let keys: Vec<&str> = rows.iter().map(|(key, _)| key.split('/').next().unwrap()).collect();
    assert_eq!(keys, ["item", "item", "open"], "one is settled");
    // `verify` folds every event once more and compares.
    assert_eq!(host.journal().verify().await.unwrap().first_bad, None);
    host.shutdown(Duration::from_secs(20)).await.unwrap();
}

/// A rule that hands over what nobody serves, and a candidate that serves nothing.
#[tokio::test]
async fn what_every_candidate_failed_at_goes_to_a_person_as_the_last_step_and_waits_over_a_restart() {
    let (disk, rules) = (Disk::default(), rule("before", "nobody = true"));
    let failing = || {
        let answer = |_: &syzygy::inference::Request| vec![Step::Fail(Failed::Internal("told to fail".to_owned()))];
        let builder = Host::builder().without_bundled_agents().agent(agent("only")).disk(&disk);
        builder.runtime(Scripted::new("only", answer)).config(reviewing(&rules))
    };
    let first = failing().start().await.unwrap();
    let waiting = parked(&first, "Are you there?").await;
    let steps = events(&first, waiting.run_id).await;
    let last = steps.iter().rfind(|event| event.kind == "hop.step").unwrap().body.value();
    assert_eq!(last["rung"], "human", "{last}");
    let item = first.inbox().item(&waiting.item).await.unwrap();
    assert!(serde_json::to_string(&item.reasons).unwrap().contains("told to fail"), "{item:?}");
    end(first).await;
    let second = failing().start().await.unwrap();
    let ann = second.context("ann", MINUTE);
    second.inbox().approve(&ann, &waiting.item, changing("/answer", "I am.")).await.unwrap();
    let answer = over(&second, waiting.run_id).await.answer.unwrap();
    assert_eq!((answer.answer.as_str(), answer.served_by), ("I am.", vec!["human:ann".to_owned()]));
    // Whoever approves without an answer lets it be tried again, and is not asked twice.
    let again = parked(&second, "And now?").await;
    second.inbox().approve(&ann, &again.item, Said::default()).await.unwrap();
    assert_eq!(over(&second, again.run_id).await.status, RunStatus::Failed);
    end(second).await;
}
