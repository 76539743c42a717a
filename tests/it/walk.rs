//! A walk over the contract: every operation of `/openapi.json`, with data that fits it and data that does not, against
//! the real program. Whatever is answered must be as the contract says: status, content type, and every field.

use std::process::Stdio;

use crate::program::{Running, configure, done, good, home, json, run};
use crate::support::{eventually, part};

#[tokio::test]
async fn every_operation_answers_as_the_contract_says() {
    let Some(schemathesis) = part("schemathesis", "venv/bin/schemathesis") else { return };
    let data = home();
    let data = data.path();
    // The walk says wrong tokens on purpose, and more of them than anybody may.
    let mut settings = std::fs::read_to_string(data.join("syzygy.toml")).unwrap();
    settings.push_str("[api]\ntoken_failures_max = 1_000_000\n");
    settings.push_str(
        "[[review.rules]]\nname = \"walk\"\nkind = \"policy\"\naction = \"before\"\ndeadline_s = 600\nquorum = 1\n\
         on_expiry = \"deny\"\nkeywords = [\"xylophone\"]\n",
    );
    configure(data, &settings);
    let host = Running::start(data).await;
    // Something to ask about: without a run, most paths would only be asked for what does not exist.
    let first = json(data, &["ask", "What is six times seven?"]).await["run_id"].as_str().unwrap().to_owned();
    let mut rules = include_str!("../../scripts/walk.toml").to_owned();
    for path in ["/runs/{id}", "/runs/{id}/events", "/runs/{id}/why", "/runs/{id}/cancel"] {
        rules.push_str(&format!("\n[[operations]]\ninclude-path = \"{path}\"\nparameters = {{ id = \"{first}\" }}\n"));
    }
    let waits = good(data, &["ask", "--detach", "Build a xylophone"]).await;
    let item = format!("{}-1", waits.trim());
    for path in ["/hitl/{id}", "/hitl/{id}/delegate", "/hitl/{id}/approve", "/hitl/{id}/deny"] {
        rules.push_str(&format!("\n[[operations]]\ninclude-path = \"{path}\"\nparameters = {{ id = \"{item}\" }}\n"));
    }
    eventually("it waits", async || (run(data, &["inbox", "show", &item]).await.0 == 0).then_some(())).await;
    let file = data.join("walk.toml");
    std::fs::write(&file, rules).unwrap();
    let running: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(data.join("host.json")).unwrap()).unwrap();
    let contract = format!("{}/openapi.json", running["url"].as_str().unwrap());
    let token = std::fs::read_to_string(data.join("operator.token")).unwrap();
    let mut walk = tokio::process::Command::new(schemathesis);
    walk.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", data).current_dir(data).stdin(Stdio::null());
    walk.arg("--config-file").arg(&file).args(["run", &contract, "--no-color"]);
    walk.args(["-H", &format!("Authorization: Bearer {}", token.trim())]);
    let output = done(&mut walk).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Tested: 37"), "{said}");
    host.stop().await;
}
