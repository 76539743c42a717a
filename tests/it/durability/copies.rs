//! Backups of a host at work, and data directories made of them.

use serde_json::Value;
use syzygy::types::Class;
use tokio::sync::watch;

use super::host::{Host, Promised, configured};
use crate::program::{code, good, json, run};
use crate::support::MINUTE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_host_at_work_restores_to_a_host_that_knows_its_runs() {
    let home = tempfile::tempdir().unwrap();
    let (data, other) = (home.path().join("data"), home.path().join("other"));
    // What has its price in the operator's own list does not start without that list.
    let priced = "[inference.runtimes.paid]\nkind = \"openai\"\nmodel = \"paid-for\"\n\
                  base_url = \"http://127.0.0.1:9/v1\"\ntier = \"local\"\ntools = false\ncontext_tokens = 4096\n\
                  max_tokens = 64\n";
    configured(&data, priced);
    let prices =
        "[[prices]]\nmatch = \"*/paid-for\"\ninput = 1\noutput = 1\nfrom = \"2020-01-01\"\nsource = \"a test\"\n";
    std::fs::write(data.join("prices.toml"), prices).unwrap();
    std::fs::create_dir(data.join("agents")).unwrap();
    let own = include_str!("../../../config/agents/marvin.toml").replace("\"marvin\"", "\"own\"");
    std::fs::write(data.join("agents/own.toml"), own).unwrap();
    let host = Host::start(&data).await;
    let first = good(&data, &["ask", "--agent", "own", "-o", "json", "Who are you?"]).await;
    let first = serde_json::from_str::<Value>(&first).unwrap()["run_id"].as_str().unwrap().to_owned();
    let (told, mut hears) = watch::channel(0);
    let clients = host.load(8, "what is six times seven?", &told);
    tokio::time::timeout(MINUTE, hears.wait_for(|count| *count > 40)).await.unwrap().unwrap();
    let file = home.path().join("host.backup");
    let file = file.to_str().unwrap();
    let kept = json(&data, &["backup", file]).await;
    assert!(kept["kept"]["events"].as_u64().unwrap() > 200, "{kept}");
    assert_eq!(
        kept["kept"]["files"],
        serde_json::json!(["agents/own.toml", "prices.toml", "syzygy.toml", "tokens.json"])
    );
    let (exit, _, error) = run(&data, &["backup", file]).await;
    assert!(exit == code(Class::Conflict) && error.contains("nothing is overwritten"), "{exit}: {error}");
    let (exit, _, error) = run(&data, &["restore", file]).await;
    assert_eq!(exit, code(Class::Conflict), "onto the running host: {error}");
    host.kill().await;
    clients.ended(&mut Promised::default()).await;

    let told = good(&other, &["restore", file]).await;
    assert!(told.starts_with("restored ") && told.contains("agents/own.toml"), "{told}");
    let verified = json(&other, &["audit", "verify"]).await;
    assert_eq!((&verified["verified"], &verified["head"]), (&kept["kept"]["events"], &kept["kept"]["head"]));
    let (exit, _, error) = run(&other, &["restore", file]).await;
    assert_eq!(exit, code(Class::Conflict), "{error}");
    // The hashes of the tokens are in the backup, the operator's token is not: who has it brings it.
    std::fs::copy(data.join("operator.token"), other.join("operator.token")).unwrap();
    let host = Host::start(&other).await;
    let runs = host.runs().await;
    assert_eq!(runs[&first]["status"], "completed");
    assert!(runs.values().all(|row| row["status"] != "running"));
    assert_eq!(good(&other, &["ask", "--agent", "own", "Still you?"]).await.trim(), "Forty-two.");
    let (exit, _, error) = run(&other, &["audit", "rebuild"]).await;
    assert_eq!(exit, code(Class::Conflict), "while the host runs: {error}");
    host.stop().await;
    assert!(good(&other, &["audit", "rebuild"]).await.starts_with("The chain is whole"));
}

#[tokio::test]
async fn what_is_no_backup_is_refused_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let file = home.path().join("file");
    let path = file.to_str().unwrap();
    let (exit, ..) = run(&data, &["restore", path]).await;
    assert_eq!(exit, code(Class::NotFound));
    std::fs::write(&file, "no backup at all\n".repeat(1_000)).unwrap();
    let (exit, _, error) = run(&data, &["restore", path]).await;
    assert_eq!(exit, code(Class::Corrupt), "{error}");
    assert!(!data.join("journal.db").exists());
    let (exit, _, error) = run(&data, &["backup", path]).await;
    assert_eq!(exit, code(Class::Conflict), "{error}");
    let (exit, _, error) = run(&data, &["backup", &format!("{path}.new")]).await;
    assert!(exit == code(Class::Unavailable) && error.contains("there is no such file"), "{exit}: {error}");
}
