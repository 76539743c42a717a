//! The official conformance suite, which `scripts/test-parts.sh` fetches once, against the tools of `tests/fixtures/mcp`.
//!
//! The suite counts checks as passed that say nothing when no server answers, so what counts here is the exit code, the exact
//! number of scenarios and checks, and that calls reached the toolbox.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use super::super::{offer, shape::Kind};
use super::support::{NEW, OLD, config, mcp, serve};
use crate::adapters::tests::support::{Bench, fixtures};

/// Ten times what a run takes here.
const WITHIN: Duration = Duration::from_secs(180);

/// Where the suite is, or nothing if it cannot be had here, which is said.
fn suite() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a test reads its own environment")]
    let named = std::env::var("SYZYGY_TEST_PARTS");
    let parts = named.map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/parts"), PathBuf::from);
    let folder = parts.join("mcp-conformance");
    if folder.join(".complete").exists() {
        return Some(folder);
    }
    match std::fs::read_to_string(parts.join("mcp-conformance.unavailable")) {
        Ok(reason) => {
            use std::io::Write;
            // Straight to the descriptor: the harness hides what a passing test prints.
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: no MCP conformance suite could be fetched here: {}",
                reason.trim()
            );
            None
        }
        Err(_) => panic!("the MCP conformance suite is not in {}: run scripts/test-parts.sh", parts.display()),
    }
}

/// What a run of the suite came to.
#[derive(Debug, PartialEq)]
struct Came {
    exit: Option<i32>,
    /// Scenarios with a tick.
    scenarios: usize,
    /// What the suite says in the end.
    total: String,
    /// Checks by their outcome, out of the files the suite leaves.
    checks: BTreeMap<String, usize>,
}

async fn run(suite: &Path, url: &str, revision: &str) -> (Came, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(suite.join("node"));
    command.arg(suite.join("node_modules/@modelcontextprotocol/conformance/dist/index.js"));
    command.args(["server", "--url", url, "--requirements", revision, "--output-dir"]).arg(folder.path());
    command.env_clear().current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(WITHIN, command.output()).await.unwrap().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let scenarios = text.lines().filter(|line| line.starts_with("\u{2713} ") && line.ends_with(", 0 failed")).count();
    let total = text.lines().find_map(|line| line.strip_prefix("Total: ")).unwrap_or_default().to_owned();
    let mut checks = BTreeMap::new();
    found(folder.path(), &mut checks);
    (Came { exit: output.status.code(), scenarios, total, checks }, text)
}

/// Counts the checks of all `checks.json` in a folder.
fn found(folder: &Path, checks: &mut BTreeMap<String, usize>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found(&path, checks);
        } else if path.file_name().is_some_and(|name| name == "checks.json") {
            let read: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            for check in read {
                *checks.entry(check["status"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
    }
}

/// The tools that a run has to call, so that it cannot have passed without them.
fn called(bench: &Bench) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for one in bench.reached() {
        *names.entry(one.call.name).or_default() += 1;
    }
    names
}

async fn passes(revision: &str, scenarios: usize, checks: usize, tools: &[&str]) {
    let Some(suite) = suite() else { return };
    let bench = Bench::new(fixtures());
    let served = serve(&mcp(bench.clone(), config())).await;
    let (came, text) = run(&suite, &format!("http://{}/mcp", served.address), revision).await;
    assert_eq!((came.exit, came.scenarios), (Some(0), scenarios), "{text}");
    assert_eq!(came.total, format!("{checks} passed, 0 failed"), "{text}");
    for bad in ["FAILURE", "WARNING"] {
        assert_eq!(came.checks.get(bad), None, "{:?} {text}", came.checks);
    }
    assert_eq!(came.checks.get("SUCCESS"), Some(&checks), "{:?} {text}", came.checks);
    let names = called(&bench);
    assert!(tools.iter().all(|tool| names.contains_key(*tool)), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn revision_2025_11_25_passes_with_every_check() {
    let tools = ["test_simple_text", "test_sampling", "test_elicitation", "test_tool_with_logging", "static_binary"];
    passes(OLD, 33, 83, &tools).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revision_2026_07_28_passes_with_every_check() {
    let tools =
        ["test_custom_header", "slow_compute", "multi_input", "test_tool_with_task", "test_trigger_tool_change"];
    passes(NEW, 50, 197, &tools).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_the_same_run_fails() {
    let Some(suite) = suite() else { return };
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (came, text) = run(&suite, &format!("http://{closed}/mcp"), OLD).await;
    assert!(came.exit != Some(0) && came.total != "83 passed, 0 failed", "{came:?} {text}");
}

#[test]
fn the_fixtures_are_of_every_kind() {
    let mut kinds = BTreeMap::new();
    for tool in fixtures() {
        *kinds.entry(format!("{:?}", offer::kind(&tool))).or_insert(0) += 1;
    }
    let kind = |kind: Kind| kinds.get(&format!("{kind:?}")).copied();
    let all = [Kind::Tool, Kind::Prompt, Kind::Resource, Kind::Template].map(kind);
    assert_eq!(all, [Some(36), Some(6), Some(3), Some(1)]);
}
