//! Code and processes of others on a real clock and real threads: loops that never wait, and children that will not end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use syzygy::actors::agent::{Assignment, Definition, Kit, Work};
use syzygy::actors::executor::Tool;
use syzygy::actors::io::Task;
use syzygy::inference::{Scripted, Step};
use syzygy::prelude::async_trait;
use syzygy::supervision::Fault;
use syzygy::types::{Class, Cx};

use crate::program::{Running, configure};
use crate::support::{MINUTE, agent, cx, end, eventually, scripted, task};

/// Work that never waits until it is let go.
struct Spins(Arc<AtomicBool>);

fn spin(until: &AtomicBool) {
    while !until.load(Ordering::Acquire) {
        std::hint::spin_loop();
    }
}

#[async_trait]
impl Work for Spins {
    async fn work(&self, _cx: &Cx, _task: Assignment, _kit: Kit) -> Result<String, Fault> {
        spin(&self.0);
        Ok("at last".to_owned())
    }
}

// Promise 33: twice as many loops as there are workers hold up nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loops_that_never_wait_hold_their_own_threads_and_are_reported() {
    let until = Arc::new(AtomicBool::new(false));
    let spins = |name: &str| Definition::code(name, "Bad company.", &["general"], Spins(Arc::clone(&until)));
    let schema = json!({ "type": "object", "properties": {} });
    let held = Arc::clone(&until);
    let tool = Tool::new("spin", "Never waits.", schema, move |_cx, _: Value| {
        let held = Arc::clone(&held);
        async move {
            spin(&held);
            Ok(Value::Null)
        }
    });
    let mut caller = agent("caller");
    caller.profile.tools = vec!["spin".to_owned()];
    let wants = Scripted::new("caller", |_| vec![Step::call("1", "spin", json!({}))]);
    let host = scripted("Fine.").agent(spins("one")).agent(spins("two")).agent(spins("three"));
    let host = host.agent(caller).runtime(wants).tool(tool).start().await.unwrap();
    let asking = |name: &str| Task { agent: Some(name.to_owned()), ..task("Do what you do.") };
    let bad = ["one", "two", "three", "caller"];
    let second = || host.context("tester", Duration::from_secs(1));
    let asked: Vec<_> = bad.iter().map(|name| (second(), asking(name))).collect();
    let all = futures::future::join_all(asked.into_iter().map(|(cx, task)| {
        let host = &host;
        async move { host.ask(&cx, task).await }
    }));
    let patient = cx(&host);
    let meanwhile = host.ask(&patient, asking("marvin"));
    let (answers, fine) = tokio::join!(all, meanwhile);
    for (name, answer) in bad.iter().zip(answers) {
        assert_eq!(answer.unwrap_err().class(), Class::Timeout, "{name}");
    }
    assert_eq!(fine.unwrap().answer, "Fine.");
    let alerts = eventually("all four are reported", async || {
        let alerts = host.crown().alerts(&cx(&host)).await.unwrap();
        let behind: Vec<_> = alerts.into_iter().filter(|alert| alert.kind == "actor_left_behind").collect();
        (behind.len() == bad.len()).then_some(behind)
    })
    .await;
    assert!(alerts.iter().all(|alert| alert.message.contains("holds a thread")), "{alerts:?}");
    let again = host.ask(&cx(&host), asking("marvin")).await.unwrap();
    assert_eq!(again.answer, "Fine.");
    until.store(true, Ordering::Release);
    end(host).await;
}

/// Whether a process runs; one that has ended and was not waited for does not.
fn runs(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = status.rsplit_once(')').and_then(|(_, rest)| rest.trim().chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_host_that_stops_ends_children_that_will_not_and_what_they_started() {
    let server = wiremock::MockServer::start().await;
    let up = wiremock::ResponseTemplate::new(200).set_body_string("{\"data\":[]}");
    wiremock::Mock::given(wiremock::matchers::any()).respond_with(up).mount(&server).await;
    let data = tempfile::tempdir().unwrap();
    let told = data.path().join("told");
    let script = format!("trap '' TERM; sleep 3600 & echo $$ $! > {}; wait; wait", told.display());
    configure(
        data.path(),
        &format!(
            "[inference.runtimes.lab]\nkind = \"openai\"\nmodel = \"m\"\nbase_url = \"{url}/v1\"\ntier = \"local\"\n\
             tools = false\ncontext_tokens = 4096\nmax_tokens = 64\nprice = {{ input = 0, output = 0 }}\n\
             [inference.runtimes.lab.child]\ncommand = \"sh\"\nargs = [\"-c\", \"\"\"{script}\"\"\"]\n\
             ready_url = \"{url}/health\"\nready_timeout_s = 30\nstop_grace_s = 1\n",
            url = server.uri()
        ),
    );
    let host = Running::start(data.path()).await;
    let processes = eventually("the child has started one of its own", async || {
        let words = std::fs::read_to_string(&told).ok()?;
        let found: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        (found.len() == 2).then_some(found)
    })
    .await;
    assert!(processes.iter().all(|process| runs(process)));
    tokio::time::timeout(MINUTE, host.stop()).await.unwrap();
    eventually("both have ended", async || (!processes.iter().any(|process| runs(process))).then_some(())).await;
}
