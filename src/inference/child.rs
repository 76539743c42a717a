//! A process that serves a runtime, such as a llama.cpp server: started, waited for, stopped.
//!
//! What it never does: start the process again. Whoever owns the runtime decides that.

use std::collections::{BTreeMap, VecDeque};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::{Client, Url};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use super::{Error, http};
use crate::types::Cx;

/// Lines of the process's error output that are kept: enough for a stack trace, and bounded.
const KEPT_LINES: usize = 40;

/// Bytes of a line that are kept.
const LONGEST_LINE: u64 = 1024;

/// Time between two looks whether the process is ready. A model takes seconds to load, so nobody notices it.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Time for one look; a server that is loading may accept the connection and not answer.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// How to run a process that serves a runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChildCommand {
    /// The program, found by the search path.
    pub command: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Set in its environment, besides what it inherits.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Answers with a 2xx status when the process can be used.
    pub ready_url: String,
    /// Seconds it may take to get there.
    pub ready_timeout_s: u64,
    /// Seconds between asking it to end and ending it.
    pub stop_grace_s: u64,
}

impl ChildCommand {
    /// Starts the process. Its standard input stays open as long as the host lives, and dropping the result kills it.
    /// Must be called inside a tokio runtime, which reads the process's output.
    pub fn spawn(&self, runtime: &str) -> Result<Process, Error> {
        let failed = |reason: String| Error::Unavailable { runtime: runtime.to_owned(), reason };
        let ready_url: Url =
            self.ready_url.parse().map_err(|cause| failed(format!("its ready_url is no URL: {cause}")))?;
        let client = http::builder(&ready_url, LOOK_LIMIT)
            .timeout(LOOK_LIMIT)
            .build()
            .map_err(|cause| failed(http::why(cause)))?;
        let mut child = Command::new(&self.command)
            .args(&self.args)
            .envs(&self.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            // Ctrl-C at a terminal goes to its whole process group; the host stops its children itself, in order.
            .process_group(0)
            .spawn()
            .map_err(|cause| failed(format!("could not start {}: {cause}", self.command)))?;
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(output) = child.stdout.take() {
            keep(output, Arc::clone(&lines));
        }
        if let Some(output) = child.stderr.take() {
            keep(output, Arc::clone(&lines));
        }
        Ok(Process {
            runtime: runtime.to_owned(),
            _stdin: child.stdin.take(),
            group: child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw),
            ready_timeout: Duration::from_secs(self.ready_timeout_s),
            child,
            lines,
            client,
            ready_url,
        })
    }

    /// The time between asking the process to end and ending it.
    pub fn stop_grace(&self) -> Duration {
        Duration::from_secs(self.stop_grace_s)
    }
}

/// A running process, and all it started that did not leave its group. Killed when dropped.
pub struct Process {
    runtime: String,
    child: Child,
    /// The group it leads: a server's workers outlive it otherwise, with their port and their memory.
    group: Option<Pid>,
    /// Held open: a process that reads it sees its end when the host dies, however it dies.
    _stdin: Option<ChildStdin>,
    lines: Arc<Mutex<VecDeque<String>>>,
    client: Client,
    ready_url: Url,
    ready_timeout: Duration,
}

impl Process {
    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it said last, oldest line first.
    pub fn last_lines(&self) -> Vec<String> {
        self.lines.lock().iter().cloned().collect()
    }

    /// Waits until the process answers under its ready URL. Fails if it ends or takes too long, with its last words.
    pub async fn ready(&mut self, cx: &Cx) -> Result<(), Error> {
        let (client, url) = (self.client.clone(), self.ready_url.clone());
        let answers = async {
            loop {
                let answer = client.get(url.clone()).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    return;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let limit = self.ready_timeout;
        let ended = tokio::select! {
            () = answers => return Ok(()),
            () = cx.cancelled() => return Err(Error::Cancelled { usage: Default::default() }),
            () = tokio::time::sleep_until(cx.deadline()) => return Err(Error::TimedOut { usage: Default::default() }),
            () = tokio::time::sleep(limit) => format!("its process was not ready after {} s", limit.as_secs()),
            status = self.child.wait() => ending(status),
        };
        Err(self.failed(&ended))
    }

    /// Waits until the process ends, and says how. A process that serves a runtime never should.
    pub async fn wait(&mut self) -> Error {
        let status = self.child.wait().await;
        self.failed(&ending(status))
    }

    /// Asks the process to end, waits, and ends it if it does not.
    pub async fn stop(mut self, grace: Duration) -> Result<ExitStatus, Error> {
        self.signal(Signal::TERM);
        let ended = match timeout(grace, self.child.wait()).await {
            Ok(ended) => ended,
            Err(_) => match self.child.start_kill() {
                Ok(()) => self.child.wait().await,
                Err(cause) => Err(cause),
            },
        };
        ended.map_err(|cause| self.failed(&format!("its process could not be stopped: {cause}")))
    }

    /// Tells the whole group. It may have ended a moment ago; then nobody hears it.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, signal);
        }
    }

    fn failed(&self, reason: &str) -> Error {
        let words = self.last_lines();
        let reason = match words.last() {
            Some(_) => format!("{reason}; it said last: {}", words[words.len().saturating_sub(5)..].join(" | ")),
            None => reason.to_owned(),
        };
        Error::Unavailable { runtime: self.runtime.clone(), reason }
    }
}

impl Drop for Process {
    /// Whoever of the group is left, also where its leader has ended.
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

fn ending(status: std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("its process ended with {status}"),
        Err(cause) => format!("its process is lost: {cause}"),
    }
}

/// Reads the output to its end, so that the process never blocks on a full pipe, and keeps the last lines.
fn keep(output: impl AsyncRead + Send + Unpin + 'static, lines: Arc<Mutex<VecDeque<String>>>) {
    #[expect(clippy::disallowed_methods, reason = "ends with the process, whose pipe it reads")]
    tokio::spawn(async move {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        loop {
            line.clear();
            // A longer line is kept as several.
            match (&mut output).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let mut lines = lines.lock();
            if lines.len() == KEPT_LINES {
                lines.pop_front();
            }
            lines.push_back(text);
        }
    });
}
