//! Programs that an operator listed, on a granted folder.

use serde_json::json;
use syzygy::sandbox::Tier;
use syzygy::types::Class;

use super::Bench;

async fn bench() -> Option<Bench> {
    let fill = |trees: &std::path::Path| std::fs::write(trees.join("poem.txt"), "one\ntwo\n").unwrap();
    Bench::new(&["shell"], fill).await
}

#[tokio::test]
async fn a_listed_program_passes_its_contract_tests_and_its_recorded_calls() {
    let Some(bench) = bench().await else { return };
    bench.prove("shell.run").await;
    bench.end().await;
}

#[tokio::test]
async fn a_listed_program_reads_the_granted_folder_and_writes_nowhere() {
    let Some(bench) = bench().await else { return };
    let answer = bench.call("shell.run", json!({ "argv": ["wc", "-l", "poem.txt"] })).await.unwrap();
    assert_eq!((&answer.value["text"], answer.tier), (&json!("2 poem.txt\n"), Some(Tier::Jail)));
    // The folder was granted to be changed; a tool that says it changes nothing cannot.
    let touched = bench.value("shell.run", json!({ "argv": ["touch", "new.txt"] })).await;
    assert!(touched["exit"] != 0 && touched["side"].as_str().unwrap().contains("Read-only file system"), "{touched}");
    assert!(!bench.trees.path().join("new.txt").exists());
    for secret in ["/etc/shadow", "/proc/1/environ", "/root/.ssh/id_rsa"] {
        let refused = bench.value("shell.run", json!({ "argv": ["cat", secret] })).await;
        assert!(
            refused["exit"] != 0 || refused["text"] == "" || !refused["text"].as_str().unwrap().contains("HOME=/root"),
            "{refused}"
        );
    }
    let absent = bench.call("shell.run", json!({ "argv": ["absent-program"] })).await.unwrap_err();
    assert_eq!(absent.class(), Class::NotFound, "{absent}");
    bench.end().await;
}

#[tokio::test]
async fn a_shell_line_is_listed_with_the_reason_and_not_run_in_less_than_it_asks_for() {
    let Some(bench) = bench().await else { return };
    let found = bench.host.tools().library().find("shell.line", None).unwrap();
    let reason = found.unavailable.as_deref().unwrap();
    assert!(reason.contains("gvisor: this build has no such tier"), "{reason}");
    let refused = bench.call("shell.line", json!({ "line": "echo one" })).await.unwrap_err();
    assert_eq!(refused.class(), Class::Unavailable, "{refused}");
    bench.end().await;
}
