//! The whole host by itself: an agent that goes round in circles is stopped, taken out and comes back; a receiver is told;
//! the record says why.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use syzygy::actors::crown::{AlertState, Webhook};
use syzygy::actors::io::RunStatus;
use syzygy::api::why;
use syzygy::host::Host;
use syzygy::inference::{Request, Scripted, Step};
use syzygy::types::{RunId, TrustTier};
use syzygy::ziggy::govern::Severity;
use wiremock::matchers::{header_exists, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{agent, cx, end, events, eventually, task};

/// A host whose Ann calls the same tool again and again while she is ill; Bob is well and is worth less.
async fn host(ill: &Arc<AtomicBool>, receiver: &str) -> Host {
    let inputs = syzygy::config::Inputs {
        flags: vec![syzygy::config::Flag {
            name: "host.data_dir".to_owned(),
            key: "host.data_dir".to_owned(),
            value: ".".to_owned(),
        }],
        ..Default::default()
    };
    let mut config = syzygy::config::load(&inputs).unwrap().config;
    let probation = config.crown.probation.as_mut().unwrap();
    (probation.after_s, probation.share, probation.trials) = (1, 100, 2);
    config.alerts.webhooks.push(Webhook {
        name: "ops".to_owned(),
        url: receiver.to_owned(),
        tier: TrustTier::Partner,
        region: None,
        secret_env: Some("OPS_KEY".to_owned()),
        least: Severity::Critical,
        within_s: 5,
        attempts: 3,
        wait_s: 1,
        wait_most_s: 1,
    });
    let ill = Arc::clone(ill);
    let answer = move |_: &Request| match ill.load(Ordering::Relaxed) {
        true => vec![Step::call("c", "sum", json!({ "terms": [1, 2] }))],
        false => vec![Step::text("I am Ann.")],
    };
    let mut bob = agent("bob");
    bob.profile.weight = 60;
    let variables = [("OPS_KEY".to_owned(), "secret".to_owned())];
    let host = Host::builder().config(config).environment(variables.into_iter().collect());
    let host = host.without_bundled_agents().agent(agent("ann")).agent(bob);
    let host = host.runtime(Scripted::new("ann", answer)).runtime(Scripted::saying("bob", "I am Bob."));
    host.start().await.unwrap()
}

async fn served(host: &Host) -> (RunId, String) {
    let mut answer = host.ask(&cx(host), task("Who are you?")).await.unwrap();
    (answer.run_id, answer.served_by.remove(0))
}

async fn words(host: &Host, run: RunId) -> String {
    let told = why(run, RunStatus::Completed, &events(host, run).await, &Default::default());
    told.steps.into_iter().flat_map(|step| step.words).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn an_agent_that_goes_round_in_circles_is_taken_out_and_proves_itself() {
    let receiver = MockServer::start().await;
    let hears = Mock::given(method("POST")).and(header_exists("x-syzygy-signature"));
    hears.respond_with(ResponseTemplate::new(200)).mount(&receiver).await;
    let ill = Arc::new(AtomicBool::new(true));
    let host = host(&ill, &receiver.uri()).await;
    for _ in 0..3 {
        let (run, by) = served(&host).await;
        assert_eq!(by, "bob@bob", "a loop is a failure, and somebody else stands in");
        let words = words(&host, run).await;
        assert!(words.contains("ann went round in circles and was stopped: sum, 3 times"), "{words}");
    }
    let crown = host.crown().clone();
    let out = async || crown.governance().quarantined.get("ann@ann").cloned();
    let reason = eventually("ann is out", out).await;
    assert!(reason.contains("rule loops: 3 runs of ann@ann went round in circles within 600 s"), "{reason}");
    let found = async || {
        let alerts = crown.alerts(&cx(&host)).await.unwrap();
        alerts.into_iter().find(|alert| alert.kind == "loops")
    };
    let alert = eventually("an alert", found).await;
    assert_eq!((alert.state, alert.severity), (AlertState::Firing, Severity::Critical));
    // Others are about what this machine lacks, such as the default model.
    let letter = async || {
        let letters = receiver.received_requests().await.unwrap();
        letters.iter().map(|one| one.body_json::<Value>().unwrap()).find(|one| one["alert"]["kind"] == "loops")
    };
    assert_eq!(eventually("a letter", letter).await["event"], json!("alert.raised"));
    ill.store(false, Ordering::Relaxed);
    let trial = async || crown.governance().trials.contains_key("ann@ann").then_some(());
    eventually("a trial", trial).await;
    let version = crown.governance().version;
    eventually("a table with ann", async || (host.router().fib().governance >= version).then_some(())).await;
    let (run, by) = served(&host).await;
    assert_eq!(by, "ann@ann");
    let words = words(&host, run).await;
    assert!(
        words.contains("ann@ann is on trial after quarantine, and goes first here: 100 % of runs take part"),
        "{words}"
    );
    served(&host).await;
    eventually("ann is back", async || crown.governance().quarantined.is_empty().then_some(())).await;
    assert!(crown.governance().trials.is_empty());
    let seen = host.journal().read(1, 10_000).await.unwrap();
    let steps: Vec<String> = seen
        .iter()
        .filter(|event| event.kind == "crown.probation")
        .map(|event| event.body.value()["step"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        (steps.first().map(String::as_str), steps.last().map(String::as_str)),
        (Some("waiting"), Some("released"))
    );
    end(host).await;
}

#[tokio::test]
async fn a_plan_comes_from_what_was_measured() {
    let host = host(&Arc::new(AtomicBool::new(false)), "http://127.0.0.1:1").await;
    for _ in 0..5 {
        served(&host).await;
    }
    let crown = host.crown().clone();
    let measured = async || {
        let (loads, _) = crown.loads(60);
        loads.into_iter().find(|load| load.counts.served == 5)
    };
    let load = eventually("the load", measured).await;
    assert_eq!((load.candidate.as_str(), load.counts.arrived, load.counts.refused), ("ann@ann", 5, 0));
    assert!(load.counts.tokens_out > 0 && crown.known().iter().any(|known| known.candidate == "ann@ann"));
    end(host).await;
}
