//! Tiers on this machine: one suite that all of them pass, one table of attacks, a great many kills.

mod attacks;
mod components;
mod conformance;
pub(crate) mod containers;
mod jails;
mod kills;
mod users;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use syzygy::host::real_world;
use syzygy::sandbox::jail::{Config, Jail};
use syzygy::sandbox::{Call, Limits, Outcome, Sandbox, Spec};
use syzygy::types::{Clock, Cx};

use crate::support::MINUTE;

pub(crate) fn clock() -> Arc<dyn Clock> {
    real_world().clock
}

pub(crate) fn cx(within: Duration) -> Cx {
    Cx::housekeeping(clock().now(), within)
}

/// What a host has if nobody says otherwise.
pub(crate) fn defaults() -> syzygy::sandbox::Config {
    let all: toml::Table = toml::from_str(include_str!("../../../config/default.toml")).unwrap();
    all["sandbox"].clone().try_into().unwrap()
}

/// The variable with the program, where the one that was built cannot be reached.
pub(crate) const PROGRAM: &str = "SYZYGY_TEST_PROGRAM";

pub(crate) fn config() -> Config {
    #[expect(clippy::disallowed_methods, reason = "a test reads its own environment")]
    let named = std::env::var_os(PROGRAM);
    let program = PathBuf::from(named.unwrap_or_else(|| env!("CARGO_BIN_EXE_syzygy").into()));
    Config { program, private: Vec::new(), jails: defaults().jail }
}

/// The jail tier, if this machine lets one be made; says so if it does not.
pub(crate) async fn jail() -> Option<Jail> {
    match Jail::open(config(), clock()).await {
        Ok(jail) => Some(jail),
        Err(error) => {
            // A machine that lets jails be made starts what is in them; this would be a fault of ours.
            assert!(!error.to_string().contains("could not start"), "{error}");
            loudly(&format!("jails are not tested here: {error}"));
            None
        }
    }
}

/// Jails that bubblewrap makes, if it is there, for whoever is not root.
pub(crate) async fn wrapped_jail() -> Option<Jail> {
    let wrapper = PathBuf::from("/usr/bin/bwrap");
    if rustix::process::geteuid().is_root() {
        return None;
    }
    if !wrapper.exists() {
        loudly("jails of bubblewrap are not tested here: it is not installed");
        return None;
    }
    match Jail::open_wrapped(config(), clock(), wrapper).await {
        Ok(jail) => Some(jail),
        Err(error) => {
            loudly(&format!("jails of bubblewrap are not tested here: {error}"));
            None
        }
    }
}

/// Straight to the descriptor: the harness hides what a passing test prints.
pub(crate) fn loudly(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Bounds that an honest small program does not notice.
pub(crate) fn limits() -> Limits {
    Limits {
        cpu: Some(Duration::from_secs(20)),
        memory: Some(256 << 20),
        processes: Some(32),
        disk: Some(16 << 20),
        open_files: Some(64),
        ..Limits::talking(MINUTE, 1 << 20)
    }
}

pub(crate) fn python(tool: &str, program: &str) -> Spec {
    Spec::command(tool, &["/usr/bin/python3", "-I", "-c", program], limits())
}

pub(crate) fn shell(tool: &str, program: &str) -> Spec {
    Spec::command(tool, &["/bin/sh", "-c", program], limits())
}

/// Prepares and runs it once, within a minute.
pub(crate) async fn once(sandbox: &dyn Sandbox, spec: Spec, input: serde_json::Value) -> Outcome {
    let cx = cx(MINUTE);
    let id = spec.tool.clone();
    let prepared = sandbox.prepare(&cx, spec).await.unwrap();
    sandbox.invoke(&cx, &prepared, Call::new(id, input)).await
}

/// The variable by which a test finds what it started.
pub(crate) const MARK: &str = "SYZYGY_TEST_MARK";

/// The processes of this machine that carry this mark.
pub(crate) fn marked(mark: &str) -> Vec<i32> {
    let entry = format!("{MARK}={mark}");
    let carries = |id: &i32| {
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == entry.as_bytes())
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter(carries).collect()
}
