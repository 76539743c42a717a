//! The real models and the real server the tests run against, which `scripts/test-parts.sh` fetches once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::OnceCell;

use super::*;
use crate::inference::models::{Catalog, Config, Installed, Store};

/// Where the parts are: `SYZYGY_TEST_PARTS`, or `target/parts` of this checkout.
pub(super) fn folder() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "a test reads its own environment")]
    let named = std::env::var("SYZYGY_TEST_PARTS");
    named.map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/parts"), PathBuf::from)
}

/// Whether a part that is not there is known to be out of reach here. Says so, as the test that asks will pass.
/// Panics if nobody tried to fetch it.
fn out_of_reach(part: &str) -> bool {
    match std::fs::read_to_string(folder().join(format!("{part}.unavailable"))) {
        Ok(reason) => {
            use std::io::Write;
            // Straight to the descriptor: the harness hides what a passing test prints.
            let _ = writeln!(std::io::stderr(), "SKIPPED: {part} could not be installed here: {}", reason.trim());
            true
        }
        Err(_) => panic!("the test part {part:?} is not in {}: run scripts/test-parts.sh", folder().display()),
    }
}

pub(super) fn pip() -> Config {
    let command = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    Config { pip: vec![command(&["python3", "-m", "pip"]), command(&["pip3"])], pull_timeout_s: 600 }
}

/// The store with the real models.
pub(super) fn store() -> Arc<Store> {
    Arc::new(Store::new(&folder(), Catalog::read(Catalog::BUILT_IN).unwrap(), pip()))
}

/// A real model, or nothing if it cannot be had here.
pub(super) fn model(id: &str) -> Option<Installed> {
    match store().locate(id) {
        Ok(model) => Some(model),
        Err(crate::inference::models::Error::Missing { .. }) => {
            out_of_reach("models");
            None
        }
        Err(other) => panic!("{other}"),
    }
}

/// The chat model in this process. One for all tests: it takes a quarter of a gigabyte.
pub(super) async fn embedded() -> Option<&'static Embedded> {
    static RUNTIME: OnceCell<Option<Embedded>> = OnceCell::const_new();
    let load = || async {
        model("smollm2-135m-instruct")?;
        let mut settings = embedded_config();
        settings.queue = 1000;
        Some(Embedded::new("local", super::embedded::runtime(), settings, store(), clock()))
    };
    RUNTIME.get_or_init(load).await.as_ref()
}

/// How to start the llama.cpp server on a free port, and the URL it will have.
pub(super) fn llama_server() -> Option<(ChildCommand, String)> {
    let model = model("smollm2-135m-instruct")?.file(crate::inference::models::FileRole::Gguf)?;
    let python = folder().join("venv/bin/python");
    if !folder().join("venv/.complete").exists() {
        out_of_reach("llama-server");
        return None;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/llama-server.py");
    let words = [script.display().to_string(), model.display().to_string(), port.to_string()];
    let command = ChildCommand {
        command: python.display().to_string(),
        args: words.to_vec(),
        env: Default::default(),
        ready_url: format!("http://127.0.0.1:{port}/health"),
        ready_timeout_s: 60,
        stop_grace_s: 5,
    };
    Some((command, format!("http://127.0.0.1:{port}/v1")))
}
