//! A walk over the contract: every operation of `/openapi.json`, with data that fits it and data that does not, against
//! the real program. Whatever is answered must be as the contract says: status, content type, and every field. What fits
//! is accepted, but for what the schema cannot know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use syzygy::host::{projections, real_world};
use syzygy::store::{Durability, Journal, NewEvent, Sqlite};

use crate::program::{Running, configure, done, good, home, json, run};
use crate::support::{eventually, part};

/// What data that fits may be refused with: operation, status, and what decides that beside the data. Each row is seen in
/// every walk, so that none outlives its reason.
const REFUSED: &[(&str, u16, &str)] = &[
    ("DELETE /rib/candidates/{id}", 404, "one is announced, and it is withdrawn once"),
    ("PUT /rib/candidates/{id}", 422, "only the host knows what an agent offers"),
    ("DELETE /alerts/silences/{id}", 404, "there is one silence, and it is lifted once"),
    ("POST /alerts/silences", 422, "a silence has to name what it is for, which no schema of a map says"),
    ("POST /classify", 422, "only the host knows which agents there are"),
    ("POST /control/caps", 404, "only the host knows which candidates there are"),
    ("POST /control/weights", 404, "only the host knows which candidates there are"),
    ("POST /feedback", 404, "there may be no run of this id"),
    ("POST /fib/next", 422, "only the host knows which agents there are"),
    ("POST /hitl/{id}/approve", 409, "what is decided stays decided"),
    ("POST /hitl/{id}/approve", 422, "only the item knows what may be changed"),
    ("POST /hitl/{id}/delegate", 422, "only the host knows which tokens there are"),
    ("POST /hitl/{id}/deny", 409, "what is decided stays decided"),
    ("POST /hitl/{id}/deny", 422, "what is denied is not changed"),
    ("POST /hitl/{id}/expire", 409, "what is over is over"),
    ("POST /overrides", 404, "only the host knows which candidates there are"),
    ("POST /route", 403, "only the host knows which regions its candidates are in"),
    ("POST /route", 422, "only the host knows which agents there are, and how much fits into their contexts"),
    ("POST /route", 429, "a budget may be too small for the task it is for"),
    ("POST /runs/{id}/cancel", 409, "a run ends once"),
    ("POST /tokens", 409, "the name may be taken"),
    ("DELETE /tokens/{name}", 404, "there is one such token, and it is taken back once"),
    ("POST /tools/{id}/invoke", 403, "only the host knows in which region it is"),
    ("POST /tools/{id}/invoke", 404, "only the host knows which folders may be granted"),
    ("GET /tools/{id}", 422, "a range of versions has a form that no schema says"),
    ("POST /tools", 422, "what is handed in has to be a tool"),
    ("DELETE /tools/{id}/versions/{version}", 404, "there is one such version, and it is taken back once"),
    ("POST /tools/{id}/versions/{version}/stage", 409, "the only version in general use stays that"),
    ("POST /tools/{id}/invoke", 422, "only the tool knows what it takes, and a range of versions has a form"),
    ("POST /effects/doubts/{invocation}", 404, "there is one call in doubt, and it is settled once"),
];

/// What there is for operations that ask for something by its name.
struct Names {
    run: String,
    /// A run that has not ended.
    waiting: String,
    alert: u64,
    /// Items that wait for people: for those who look, who approve, who deny and who end the time of one.
    items: [String; 4],
}

impl Names {
    /// The parameters an operation is always given.
    fn parameters(&self, operation: &str) -> Option<String> {
        let [seen, approved, denied, ended] = &self.items;
        let id = match operation {
            "POST /runs/{id}/cancel" => &self.waiting,
            "POST /alerts/{id}/acknowledge" => return Some(format!("id = {}", self.alert)),
            "POST /hitl/{id}/approve" => approved,
            "POST /hitl/{id}/deny" => denied,
            "POST /hitl/{id}/expire" => ended,
            "PUT /rib/candidates/{id}" => return Some("id = \"marvin@elsewhere\"".to_owned()),
            "DELETE /rib/candidates/{id}" => return Some("id = \"zoi@elsewhere\"".to_owned()),
            "DELETE /tokens/{name}" => return Some("name = \"anna\"".to_owned()),
            "GET /tools/{id}" => "sum",
            "DELETE /tools/{id}/versions/{version}" => {
                return Some("id = \"walk.gone\", version = \"1.0.0\"".to_owned());
            }
            "POST /tools/{id}/versions/{version}/stage" => {
                return Some("id = \"walk.trial\", version = \"1.0.0\"".to_owned());
            }
            // It takes nothing, and so now and then what is made up.
            "POST /tools/{id}/invoke" => return Some("id = \"time\"".to_owned()),
            "POST /tools" => {
                return Some(
                    "\"body.format\" = \"json\", \"body.text\" = { dictionary = \"tools\", probability = 0.9 }"
                        .to_owned(),
                );
            }
            "POST /effects/doubts/{invocation}" => return Some(format!("invocation = \"{DOUBT}\"")),
            "GET /why-not" => return Some("destination = \"general/public\", candidate = \"marvin@local\"".to_owned()),
            "POST /hitl/{id}/delegate" => {
                return Some(format!(
                    "id = \"{seen}\", \"body.to\" = {{ dictionary = \"people\", probability = 0.5 }}"
                ));
            }
            _ if operation.contains("/hitl/{id}") => seen,
            _ if operation.contains("/runs/{id}") => &self.run,
            _ => return None,
        };
        Some(format!("id = \"{id}\""))
    }
}

/// How the walk judges: the settings of the file, what there is for those that name something, and [`REFUSED`].
fn rules(names: &Names, operations: &BTreeSet<String>) -> String {
    let mut rules = include_str!("../../scripts/walk.toml").to_owned();
    for operation in operations {
        rules.push_str(&format!("\n[[operations]]\ninclude-name = \"{operation}\"\n"));
        if let Some(parameters) = names.parameters(operation) {
            rules.push_str(&format!("parameters = {{ {parameters} }}\n"));
        }
        let refused = REFUSED.iter().filter(|(name, ..)| name == operation).map(|(_, status, _)| format!(", {status}"));
        let statuses: String = refused.collect();
        rules.push_str("[operations.checks.positive_data_acceptance]\n");
        rules.push_str(&format!("expected-statuses = [\"2xx\"{statuses}]\n"));
    }
    rules
}

/// A run that waits for people.
async fn waiting(data: &Path) -> String {
    let waits = good(data, &["ask", "--detach", "Build a xylophone"]).await.trim().to_owned();
    let item = format!("{waits}-1");
    eventually("it waits", async || (run(data, &["inbox", "show", &item]).await.0 == 0).then_some(())).await;
    waits
}

/// What it waits for.
async fn item(data: &Path) -> String {
    format!("{}-1", waiting(data).await)
}

/// The number of an alert that fires.
async fn alert(data: &Path) -> u64 {
    let first = async || json(data, &["alerts", "list"]).await["alerts"][0]["id"].as_u64();
    eventually("an alert", first).await
}

/// Says that nobody is to be told of something, and is the first to say so.
async fn silence(url: &str, token: &str) {
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let said = serde_json::json!({ "matcher": { "kind": "none" }, "expires_in_s": 600, "reason": "the walk" });
    let answer = http.post(format!("{url}/alerts/silences")).bearer_auth(token).json(&said).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

/// Announces what is to be withdrawn.
async fn announce(url: &str, token: &str) {
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let said = serde_json::json!({ "expires_in_s": 600, "reason": "the walk" });
    let put = http.put(format!("{url}/rib/candidates/zoi@elsewhere")).bearer_auth(token).json(&said);
    let answer = put.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

/// A call of which nobody knows whether it was made.
const DOUBT: &str = "0123456789abcdef0123456789abcdef";

/// Leaves it behind, as a host does that is killed while it makes one.
async fn doubt(data: &Path) {
    let all: toml::Table = toml::from_str(include_str!("../../config/default.toml")).unwrap();
    let config: syzygy::store::Config = all["store"].clone().try_into().unwrap();
    let path = syzygy::host::journal_path(data);
    let journal = Sqlite::open(&path, &config, real_world(), projections()).await.unwrap();
    let zero = "0".repeat(64);
    let body = serde_json::json!({
        "invocation": DOUBT, "key": { "tool": "note.add", "tenant": "operator", "text": "k" }, "version": "1.0.0",
        "hash": zero, "arguments": zero, "shown": {}, "principal": "operator", "until": i64::MAX,
    });
    let event = NewEvent::new("effect.begun", None, "host/crown/executors/tools", &body);
    journal.append(vec![event], Durability::Durable).await.unwrap();
    journal.close().await.unwrap();
}

/// Publishes what is to be taken back, and what is to be tried.
async fn publish(url: &str, token: &str) {
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let walk: toml::Table = toml::from_str(include_str!("../../scripts/walk.toml")).unwrap();
    for name in ["walk.gone", "walk.trial"] {
        let text = walk["dictionaries"]["tools"]["values"][0].as_str().unwrap().replace("walk.sum", name);
        let said = serde_json::json!({ "format": "json", "text": text });
        let answer = http.post(format!("{url}/tools")).bearer_auth(token).json(&said).send().await.unwrap();
        let (status, told) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{told}");
    }
}

/// Every operation of the contract, by method and path.
async fn operations(url: &str, token: &str) -> BTreeSet<String> {
    // Fails if another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let contract: Value = http.get(url).bearer_auth(token).send().await.unwrap().json().await.unwrap();
    let paths = contract["paths"].as_object().unwrap().iter();
    let named = paths.flat_map(|(path, methods)| {
        methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    named.collect()
}

/// What each operation answered to data that fits ("positive") or does not ("negative"), by the events of the walk.
fn answers(events: &Path, mode: &str) -> BTreeMap<String, BTreeSet<u16>> {
    let mut seen: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
    for line in std::fs::read_to_string(events).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let recorder = &event["ScenarioFinished"]["recorder"];
        let (Some(cases), Some(label)) = (recorder["cases"].as_object(), recorder["label"].as_str()) else { continue };
        for (id, case) in cases {
            // A check may send it once more with something of its own, such as no token.
            if !case["parent_id"].is_null() {
                continue;
            }
            let status = recorder["interactions"][id]["response"]["status_code"].as_u64();
            let Some(status) = status else { continue };
            if case["value"]["meta"]["generation"]["mode"].as_str() == Some(mode) {
                seen.entry(label.to_owned()).or_default().insert(u16::try_from(status).unwrap());
            }
        }
    }
    seen
}

/// What the host of the walk is configured with.
fn settings(data: &Path) -> String {
    // The walk says wrong tokens on purpose, and more of them than anybody may.
    let mut settings = std::fs::read_to_string(data.join("syzygy.toml")).unwrap();
    settings.push_str("[api]\ntoken_failures_max = 1_000_000\n");
    // A runtime that is nobody's, for somebody to be announced on.
    settings.push_str("[inference.runtimes.elsewhere]\nkind = \"scripted\"\nanswer = \"Yes.\"\ntier = \"local\"\n");
    settings.push_str(
        "[[review.rules]]\nname = \"walk\"\nkind = \"policy\"\naction = \"before\"\ndeadline_s = 600\nquorum = 1\n\
         on_expiry = \"deny\"\nkeywords = [\"xylophone\"]\n\
         [[alerts.rules]]\nname = \"asked\"\nfor_s = 0\nseverity = \"notice\"\nlabels = {}\n\
         when = { on = \"event\", kind = \"run.accepted\", window_s = 600, at_least = 1 }\n",
    );
    settings
}

#[tokio::test]
async fn every_operation_answers_as_the_contract_says() {
    let Some(schemathesis) = part("schemathesis", "venv/bin/schemathesis") else { return };
    let data = home();
    let data = data.path();
    configure(data, &settings(data));
    doubt(data).await;
    let host = Running::start(data).await;
    good(data, &["tokens", "make", "anna", "--scope", "read"]).await;
    // Something to ask about: without a run, most paths would only be asked for what does not exist.
    let first = json(data, &["ask", "What is six times seven?"]).await["run_id"].as_str().unwrap().to_owned();
    let items = [item(data).await, item(data).await, item(data).await, item(data).await];
    let names = Names { run: first, waiting: waiting(data).await, alert: alert(data).await, items };
    let running: Value = serde_json::from_str(&std::fs::read_to_string(data.join("host.json")).unwrap()).unwrap();
    let contract = format!("{}/openapi.json", running["url"].as_str().unwrap());
    let token = std::fs::read_to_string(data.join("operator.token")).unwrap();
    let operations = operations(&contract, token.trim()).await;
    silence(running["url"].as_str().unwrap(), token.trim()).await;
    announce(running["url"].as_str().unwrap(), token.trim()).await;
    publish(running["url"].as_str().unwrap(), token.trim()).await;
    let (file, events) = (data.join("walk.toml"), data.join("walk.ndjson"));
    std::fs::write(&file, rules(&names, &operations)).unwrap();
    let mut walk = tokio::process::Command::new(schemathesis);
    walk.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", data).current_dir(data).stdin(Stdio::null());
    walk.arg("--config-file").arg(&file).args(["run", &contract, "--no-color"]);
    walk.arg("--report-ndjson-path").arg(&events);
    walk.args(["-H", &format!("Authorization: Bearer {}", token.trim())]);
    let output = done(&mut walk).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    host.stop().await;

    let wrong = answers(&events, "negative");
    assert_eq!(
        wrong.keys().cloned().collect::<BTreeSet<_>>(),
        operations,
        "every operation was given data that does not fit"
    );
    for (operation, statuses) in &wrong {
        // The walk itself judges each; what it cannot send as wrong, such as a header left out, may be answered.
        assert!(statuses.iter().any(|status| (400..500).contains(status)), "{operation}: {statuses:?}");
    }
    let seen = answers(&events, "positive");
    assert_eq!(seen.keys().cloned().collect::<BTreeSet<_>>(), operations, "every operation was given data that fits");
    for (operation, status, reason) in REFUSED {
        assert!(
            seen[*operation].contains(status),
            "nothing is refused with {status} any more at {operation}: {reason}"
        );
    }
    for (operation, statuses) in &seen {
        // Where the walk is given the id, a wrong one is right again, and the first of all may be such a one.
        let given = names.parameters(operation).and_then(|_| wrong.get(operation)).into_iter().flatten();
        let mut all = statuses.iter().chain(given);
        assert!(all.any(|status| (200..300).contains(status)), "{operation}: {statuses:?}");
        let known = |status: &u16| {
            (200..300).contains(status) || REFUSED.iter().any(|row| row.0 == operation && row.1 == *status)
        };
        assert!(statuses.iter().all(known), "{operation}: {statuses:?}");
    }
}
