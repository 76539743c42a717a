//! A runner that holds nothing back and believes everything, as the first version of such a thing usually is.

use std::process::Stdio;

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use syzygy::sandbox::{
    Call, Capabilities, Ended, Error, Exit, Failure, Killed, Outcome, Prepared, Program, Puppet, Resource, Sandbox,
    Script, Spec, Tier, View,
};
use syzygy::types::{Class, Cx};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::{timeout, timeout_at};

use super::super::{clock, marked};
use super::scene::{GRACE, SECRET, VARIABLE};

/// Bytes of output that even this reads no further than: the attacks print 32 MiB at the most.
const READS: u64 = 64 << 20;

/// What it is asked for it takes from a puppet, which claims to be able to do everything.
pub(super) struct Bare(Puppet);

impl Bare {
    pub(super) fn new() -> Bare {
        Bare(Puppet::new(Tier::Jail, clock()))
    }
}

/// The last line that could be a result is one; no result is one as well, and so is an exit code.
fn believe(text: &str) -> Value {
    let result = |line: &str| serde_json::from_str::<Value>(line).ok().filter(|line| line["type"] == "result");
    text.lines().rev().find_map(result).map_or(Value::Null, |mut line| line["value"].take())
}

#[async_trait]
impl Sandbox for Bare {
    fn capabilities(&self) -> &Capabilities {
        self.0.capabilities()
    }

    async fn prepare(&self, cx: &Cx, spec: Spec) -> Result<Prepared, Error> {
        let tool = spec.tool.clone();
        Puppet::new(Tier::Jail, clock()).with(&tool, Script::default()).prepare(cx, spec).await
    }

    async fn invoke(&self, _cx: &Cx, prepared: &Prepared, call: Call) -> Outcome {
        let spec = prepared.spec();
        let Program::Command(command) = &spec.program else { panic!("it runs programs only") };
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .env(VARIABLE, SECRET)
            .envs(&spec.environment)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stdin, call.input.to_string().as_bytes()).await;
        drop(stdin);
        let (mut stdout, mut stderr) =
            (child.stdout.take().unwrap().take(READS), child.stderr.take().unwrap().take(READS));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let deadline = clock().now() + spec.limits.wall;
        let talk = async {
            let _ = tokio::join!(stdout.read_to_end(&mut out), stderr.read_to_end(&mut err));
            child.wait().await
        };
        let status = timeout_at(deadline, talk).await.ok().and_then(Result::ok);
        let mut outcome = Outcome::nothing(Ended::Finished, Failure::new(Class::Internal, ""));
        outcome.stderr = String::from_utf8_lossy(&err).chars().take(1_000).collect();
        if status.is_none() {
            // As a careful person would write it at first: ask, and wait.
            let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
            let _ = id.map(|id| kill_process(id, Signal::TERM));
            let gone = timeout(GRACE, child.wait()).await.is_ok();
            outcome.ended = if gone { Ended::Limit(Resource::Wall) } else { Ended::Failed };
            return outcome;
        }
        outcome.effects.exit = status.and_then(|status| status.code()).map(Exit::Code);
        outcome.answer = Ok(believe(&String::from_utf8_lossy(&out)));
        outcome
    }

    async fn kill(&self, _id: &str) -> Killed {
        Killed::Unknown
    }

    fn view(&self) -> View {
        View::default()
    }
}

/// Ends what an attack left behind.
pub(super) fn clean(mark: &str) {
    for id in marked(mark) {
        let _ = Pid::from_raw(id).map(|id| kill_process(id, Signal::KILL));
    }
}
