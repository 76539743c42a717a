//! The real program: started, asked, stopped, killed, damaged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::Value;
use syzygy::types::Class;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::support::{MINUTE, eventually};

/// A data directory whose host answers with a fixed text.
pub(crate) fn home() -> TempDir {
    let data = tempfile::tempdir().unwrap();
    configure(
        data.path(),
        "[inference.runtimes.local]\nkind = \"scripted\"\nanswer = \"Forty-two.\"\ntier = \"local\"\n",
    );
    data
}

pub(crate) fn configure(data: &Path, text: &str) {
    std::fs::write(data.join("syzygy.toml"), text).unwrap();
}

/// The program with these arguments and nothing of this process's environment but the search path.
pub(crate) fn command(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_syzygy"));
    let (verb, rest) = arguments.split_first().unwrap();
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", data).arg(verb).args(rest);
    command.arg("--data-dir").arg(data).stdin(Stdio::null()).kill_on_drop(true);
    command
}

pub(crate) async fn done(command: &mut Command) -> Output {
    tokio::time::timeout(MINUTE, command.output()).await.unwrap().unwrap()
}

/// What the program prints, and its exit code.
pub(crate) async fn run(data: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = done(&mut command(data, arguments)).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

pub(crate) async fn good(data: &Path, arguments: &[&str]) -> String {
    let (code, out, error) = run(data, arguments).await;
    assert_eq!(code, 0, "{arguments:?}: {error}");
    out
}

pub(crate) async fn json(data: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&good(data, &[arguments, &["-o", "json"]].concat()).await).unwrap()
}

pub(crate) fn code(class: Class) -> i32 {
    i32::from(class.exit_code())
}

/// What starts a host on any port.
const UP: &[&str] = &["up", "--listen", "127.0.0.1:0"];

/// A host that runs as a process of its own.
pub(crate) struct Running {
    process: Child,
    data: PathBuf,
}

impl Running {
    /// Starts one and waits until it says where it is.
    pub(crate) async fn start(data: &Path) -> Running {
        Running::start_as(data, &[]).await
    }

    /// The same for a host that answers only who says this too.
    pub(crate) async fn start_as(data: &Path, papers: &[&str]) -> Running {
        Running::spawn(data, command(data, UP), papers).await
    }

    /// The same under a limit of the shell's, as `ulimit` takes it.
    pub(crate) async fn start_under(data: &Path, limit: &str) -> Running {
        let plain = command(data, UP);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit {limit} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_syzygy")]);
        shell.args(plain.as_std().get_args()).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", data);
        Running::spawn(data, shell, &[]).await
    }

    async fn spawn(data: &Path, mut up: Command, papers: &[&str]) -> Running {
        let log = std::fs::File::create(data.join("up.log")).unwrap();
        let up = up.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let mut process = up.spawn().unwrap();
        eventually("the host is ready", async || {
            if let Some(status) = process.try_wait().unwrap() {
                panic!("{status}: {}", std::fs::read_to_string(data.join("up.log")).unwrap());
            }
            let (code, ..) = run(data, &[&["tree"], papers].concat()).await;
            (code == 0).then_some(())
        })
        .await;
        Running { process, data: data.to_owned() }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.id()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id().unwrap()
    }

    /// Asks it to end, and waits.
    pub(crate) async fn stop(mut self) {
        self.signal(rustix::process::Signal::TERM);
        let status = tokio::time::timeout(MINUTE, self.process.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(0), "{}", std::fs::read_to_string(self.data.join("up.log")).unwrap());
        assert!(!self.data.join("host.json").exists(), "it left word of where it was");
    }

    /// Ends it as a power cut does.
    pub(crate) async fn kill(mut self) {
        self.process.start_kill().unwrap();
        tokio::time::timeout(MINUTE, self.process.wait()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_task_goes_in_by_text_file_and_stdin_and_every_verb_tells_of_it() {
    let data = home();
    let data = data.path();
    let host = Running::start(data).await;
    assert_eq!(good(data, &["ask", "What is six times seven?"]).await.trim(), "Forty-two.");
    let file = data.join("notes.txt");
    std::fs::write(&file, "Seven is a number.").unwrap();
    let answer = json(data, &["ask", "Summarise this", "--file", file.to_str().unwrap()]).await;
    assert_eq!((&answer["answer"], &answer["served_by"][0]), (&"Forty-two.".into(), &"marvin@local".into()));
    assert_eq!((&answer["privacy"], &answer["cost"]), (&"public".into(), &0.0.into()));
    let mut piped = command(data, &["ask", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(b"What is my card 4111 1111 1111 1111 for?").await.unwrap();
    let output = tokio::time::timeout(MINUTE, piped.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "Forty-two.");

    let accepted = good(data, &["ask", "--detach", "Later, please"]).await;
    let detached = accepted.trim();
    eventually("the detached run has ended", async || {
        let runs = json(data, &["runs"]).await;
        let row = runs["runs"].as_array().unwrap().iter().find(|row| row["run_id"] == detached).cloned().unwrap();
        (row["status"] == "completed").then_some(())
    })
    .await;
    let runs = json(data, &["runs"]).await;
    let prompts: Vec<&str> =
        runs["runs"].as_array().unwrap().iter().map(|row| row["prompt"].as_str().unwrap()).collect();
    assert_eq!((prompts.len(), prompts[0]), (4, "Later, please"));
    let why = good(data, &["why", "last"]).await;
    assert!(why.contains(detached) && why.contains("marvin@local"), "{why}");
    let private = json(data, &["why", runs["runs"][1]["run_id"].as_str().unwrap()]).await;
    assert!(private.to_string().contains("restricted"), "{private}");

    let tree = json(data, &["tree"]).await;
    let text = tree.to_string();
    for path in ["host/crown/agents/zoi", "host/crown/io/io-1", "host/crown/runtimes/local", "host/crown/router"] {
        assert!(text.contains(path), "{path} is not in {text}");
    }
    assert!(good(data, &["audit", "verify"]).await.starts_with("The chain is whole: "));
    let lines = good(data, &["audit", "export"]).await;
    assert!(lines.lines().filter(|line| line.contains("run.completed")).count() == 4, "{lines}");
    let exported = data.join("export.jsonl");
    std::fs::write(&exported, &lines).unwrap();
    good(data, &["audit", "verify", "--file", exported.to_str().unwrap()]).await;
    host.stop().await;
}

/// Something wrong in every list of tables.
const BROKEN: &str = r#"[api]
listen = "nowhere"

[[budgets.limits]]
scope = "team:a"
money = -1
[[budgets.limits]]
window = "dya"
tokens = "many"
[[budgets.limits]]
scope = "tenant:a"
window = "month"
money = 3

[[review.rules]]
name = "letters"
kind = "publicaton"
quorum = 0
[[review.webhooks]]
nam = "desk"
url = "desk"
events = ["opened", 5, "closd"]

[[crown.rules]]
name = "r"
watch = { signal = "errors", window_s = "x", lest = 1 }
of = "*"
act = { action = "restrat" }
severity = "warning"
cooldown_s = -1

[[alerts.rules]]
name = "a"
when = { on = "event", kind = "run.begun" }
for_s = 0
severity = 3
[[alerts.webhooks]]
url = 1

[[ziggy.policies]]
wieghts = { cost = 1 }
prefer = ["tier:moon"]
"#;

/// All of it, in order of lines, and nothing that only hangs on something else.
const TOLD: &str = r#"syzygy: could not use the configuration
  f:2: api.listen: found "nowhere", expected a value that fits (invalid socket address syntax), such as "127.0.0.1:7171"
  f:4: budgets.limits.0: found a table without `window`, expected every key of its kind that config/default.toml explains
  f:5: budgets.limits.0.scope: found "team:a", expected a scope such as `tenant:acme` or `tenant:*`, of the kinds tenant, principal, agent, destination, provider, model
  f:6: budgets.limits.0.money: found -1, expected from 1 to 10000000000000000; whoever may spend nothing is disabled
  f:7: budgets.limits.1: found a table without `scope`, expected every key of its kind that config/default.toml explains
  f:8: budgets.limits.1.window: found "dya", expected one of `request`, `minute`, `day`, `month`, `total`
  f:9: budgets.limits.1.tokens: found "many", expected a whole number from 0 up, such as 1
  f:15: review.rules.0: found a table without `action`, `deadline_s`, `on_expiry`, expected every key of its kind that config/default.toml explains
  f:15: review.rules.0.class: found nothing, expected at least one condition (class = "public" holds for everything)
  f:17: review.rules.0.kind: found "publicaton", expected one of `publication`, `sensitive_action`, `low_confidence`, `over_budget`, `policy`, `no_candidate`; did you mean `publication`?
  f:18: review.rules.0.quorum: found 0, expected from 1 to 32
  f:19: review.webhooks.0: found a table without `name`, expected every key of its kind that config/default.toml explains
  f:20: review.webhooks.0.nam: found a key that does not exist, expected one of `events`, `name`, `region`, `secret_env`, `tier`, `url`; did you mean `review.webhooks.0.name`?
  f:21: review.webhooks.0.url: found "desk", expected a URL such as `https://example.org/hook`
  f:22: review.webhooks.0.events.1: found 5, expected one of `opened`, `verdict`, `delegated`, `expired`, `closed`
  f:22: review.webhooks.0.events.2: found "closd", expected one of `opened`, `verdict`, `delegated`, `expired`, `closed`; did you mean `closed`?
  f:26: crown.rules.0.watch.lest: found a key that does not exist, expected one of `least`, `share`, `signal`, `window_s`; did you mean `crown.rules.0.watch.least`?
  f:26: crown.rules.0.watch.window_s: found "x", expected a whole number from 0 up, such as 1
  f:26: crown.rules.0.watch: found a table without `least`, `share`, expected every key of its kind that config/default.toml explains
  f:28: crown.rules.0.act: found { action = "restrat" }, expected one of `alert`, `throttle`, `restart`, `quarantine`, `shed`; did you mean `restart`?
  f:30: crown.rules.0.cooldown_s: found -1, expected a whole number from 0 up, such as 1
  f:34: alerts.rules.0.when: found a table without `at_least`, `window_s`, expected every key of its kind that config/default.toml explains
  f:36: alerts.rules.0.severity: found 3, expected one of `notice`, `warning`, `critical`
  f:37: alerts.webhooks.0: found a table without `attempts`, `least`, `name`, `wait_most_s`, `wait_s`, `within_s`, expected every key of its kind that config/default.toml explains
  f:38: alerts.webhooks.0.url: found 1, expected a string, such as "https://desk.example/alerts"
  f:41: ziggy.policies.0.wieghts: found a key that does not exist, expected one of `destination`, `prefer`, `tenant`, `weights`; did you mean `ziggy.policies.0.weights`?
  f:42: ziggy.policies.0.prefer: found ["tier:moon"], expected an id, an agent, runtime:NAME, tier:NAME or region:NAME instead of "tier:moon"
  SYZYGY_BUDGETS__LIMITS__2__MONEY: budgets.limits.2.money: found -3, expected from 1 to 10000000000000000; whoever may spend nothing is disabled
"#;

#[tokio::test]
async fn every_problem_of_a_configuration_is_told_at_once_with_its_line() {
    let data = home();
    good(data.path(), &["config", "check"]).await;
    configure(data.path(), BROKEN);
    let mut check = command(data.path(), &["config", "check"]);
    let Output { status, stdout, stderr } = done(check.env("SYZYGY_BUDGETS__LIMITS__2__MONEY", "-3")).await;
    let error = String::from_utf8(stderr).unwrap();
    assert_eq!((status.code(), stdout.as_slice()), (Some(code(Class::Invalid)), &b""[..]), "{error}");
    let file = data.path().join("syzygy.toml").display().to_string();
    assert_eq!(error.replace(&file, "f"), TOLD);
    let (exit, ..) = run(data.path(), &["up"]).await;
    assert_eq!(exit, code(Class::Invalid));
}

/// What doctor said of this.
pub(crate) fn checked(out: &str, name: &str) -> Value {
    let checks: Value = serde_json::from_str(out).unwrap();
    let found = checks.as_array().unwrap().iter().find(|check| check["name"] == name).cloned();
    found.unwrap_or_else(|| panic!("{name} is not in {out}"))
}

#[tokio::test]
async fn a_runtime_without_its_model_is_not_called_well() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    let missing = good(data, &["doctor", "-o", "json"]).await;
    let runtime = checked(&missing, "runtime local");
    let pull = "run `syzygy models pull smollm2-135m-instruct`";
    let detail = format!("cannot work: its model smollm2-135m-instruct is not installed; {pull}");
    assert_eq!((&runtime["verdict"], &runtime["detail"]), (&"lacking".into(), &detail.into()));
    std::fs::create_dir_all(data.join("models/smollm2-135m-instruct")).unwrap();
    std::fs::write(data.join("models/smollm2-135m-instruct/model.gguf"), "half of it").unwrap();
    let (exit, out, _) = run(data, &["doctor", "-o", "json"]).await;
    let runtime = checked(&out, "runtime local");
    let said = runtime["detail"].as_str().unwrap();
    assert!(said.contains("is damaged (model.gguf has 10 bytes") && said.contains(pull), "{said}");
    assert_eq!((exit, &runtime["verdict"]), (code(Class::Unavailable), &"bad".into()));
}

#[tokio::test]
async fn a_second_host_on_the_same_data_is_refused_and_the_first_is_unharmed() {
    let data = home();
    let host = Running::start(data.path()).await;
    let (exit, _, error) = run(data.path(), &["up", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(exit, code(Class::Conflict), "{error}");
    assert_eq!(good(data.path(), &["ask", "Still there?"]).await.trim(), "Forty-two.");
    host.stop().await;
}

/// An endpoint that is healthy and answers no question: it hands over the connection of the first. With the
/// configuration that names it.
pub(crate) async fn silent_endpoint() -> (JoinSet<TcpStream>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = format!(
        "[inference.runtimes.local]\nkind = \"openai\"\nmodel = \"silent\"\nbase_url = \"http://127.0.0.1:{port}/v1\"\n\
         tier = \"local\"\ntools = false\ncontext_tokens = 4096\nmax_tokens = 256\nprice = {{ input = 0, output = 0 }}\n"
    );
    let mut serving = JoinSet::new();
    serving.spawn(posted(listener));
    (serving, text)
}

/// The question, once the host has asked it.
pub(crate) async fn question(endpoint: &mut JoinSet<TcpStream>) -> TcpStream {
    tokio::time::timeout(MINUTE, endpoint.join_next()).await.unwrap().unwrap().unwrap()
}

#[tokio::test]
async fn a_run_that_was_accepted_survives_a_kill_as_interrupted() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    let (mut endpoint, config) = silent_endpoint().await;
    configure(data, &config);
    let host = Running::start(data).await;
    let accepted = good(data, &["ask", "--detach", "Think about it"]).await;
    let run_id = accepted.trim();
    let asked = question(&mut endpoint).await;
    host.kill().await;
    drop(asked);
    let host = Running::start(data).await;
    let runs = json(data, &["runs", "--status", "interrupted"]).await;
    let row = &runs["runs"][0];
    assert_eq!((&row["run_id"], &row["status"]), (&run_id.into(), &"interrupted".into()));
    assert_eq!(row["reason"], "the host stopped before the run had ended");
    let why = good(data, &["why", run_id]).await;
    assert!(why.contains("the host stopped before the run had ended"), "{why}");
    good(data, &["audit", "verify"]).await;
    host.stop().await;
    good(data, &["audit", "verify"]).await;
}

#[tokio::test]
async fn a_changed_byte_in_the_journal_is_found_and_named() {
    let data = home();
    let data = data.path();
    let host = Running::start(data).await;
    good(data, &["ask", "Remember the word xylophone"]).await;
    host.stop().await;
    let events = good(data, &["audit", "export"]).await;
    let event = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let bad = event.filter(|event| event.to_string().contains("xylophone")).map(|event| event["seq"].as_u64().unwrap());
    let bad = bad.min().unwrap();
    let path = data.join("journal.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let places: Vec<usize> = (0..bytes.len() - 9).filter(|at| &bytes[*at..*at + 9] == b"xylophone").collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at] = b'z';
    }
    std::fs::write(&path, bytes).unwrap();
    let (exit, out, error) = run(data, &["audit", "verify", "-o", "json"]).await;
    assert_eq!(exit, code(Class::Corrupt), "{out}{error}");
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&found["first_bad"]["seq"], &found["verified"]), (&bad.into(), &(bad - 1).into()));
    assert!(run(data, &["audit", "verify"]).await.1.contains(&bad.to_string()));
    // Nothing is built on it.
    let damaged = std::fs::read(&path).unwrap();
    let (exit, _, error) = run(data, &["up", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(exit, code(Class::Corrupt), "{error}");
    assert!(error.contains(&format!("event {bad}: ")) && error.contains("syzygy audit export"), "{error}");
    assert!(std::fs::read(&path).unwrap() == damaged, "a refused start changed the journal");
}

#[tokio::test]
async fn the_exit_code_says_what_kind_of_failure_it_was() {
    let data = home();
    let data = data.path();
    let (exit, _, error) = run(data, &["ask", "Anybody?"]).await;
    assert_eq!(exit, code(Class::Unavailable), "{error}");
    let host = Running::start(data).await;
    let rows: BTreeMap<&str, (Vec<&str>, Class)> = [
        ("a bad token", (vec!["ask", "Hello", "--token", "wrong"], Class::Unauthenticated)),
        ("an unknown run", (vec!["why", "0123456789abcdef0123456789abcdef"], Class::NotFound)),
        ("an unknown agent", (vec!["ask", "Hello", "--agent", "nobody"], Class::Invalid)),
        ("no task", (vec!["ask", " "], Class::Invalid)),
        ("a file that is not there", (vec!["ask", "Read", "--file", "/nowhere/at/all"], Class::NotFound)),
        ("an unknown flag", (vec!["ask", "--frobnicate"], Class::Invalid)),
    ]
    .into();
    for (what, (arguments, class)) in rows {
        let (exit, out, error) = run(data, &arguments).await;
        assert_eq!((exit, out.as_str()), (code(class), ""), "{what}: {error}");
        assert!(!error.is_empty(), "{what}");
    }
    host.stop().await;
}

#[tokio::test]
async fn a_stop_lets_the_work_at_hand_be_answered() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    let (mut endpoint, config) = silent_endpoint().await;
    configure(data, &config);
    let host = Running::start(data).await;
    let asking =
        command(data, &["ask", "Take your time"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut question = question(&mut endpoint).await;
    host.signal(rustix::process::Signal::TERM);
    let body = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"In the end.\"},\"finish_reason\":\"stop\"}]}\n\n\
                data: [DONE]\n\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    question.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    question.shutdown().await.unwrap();
    let Output { status, stdout, stderr } =
        tokio::time::timeout(MINUTE, asking.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0), "{}", String::from_utf8_lossy(&stderr));
    assert_eq!(String::from_utf8(stdout).unwrap().trim(), "In the end.");
    host.stop().await;
}

/// The first connection a question is posted on. Looks at the endpoint's health come before it and are answered.
async fn posted(endpoint: TcpListener) -> TcpStream {
    let mut heads = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = endpoint.accept() => heads.push(with_head(accepted.unwrap().0)),
            Some((mut stream, head)) = heads.next() => {
                if head.starts_with("POST") {
                    return stream;
                }
                let healthy = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\nconnection: close\r\n\r\n{\"data\":[]}";
                stream.write_all(healthy.as_bytes()).await.unwrap();
            }
        }
    }
}

/// A connection and the head of the request on it. One that is opened in reserve has none for long.
async fn with_head(mut stream: TcpStream) -> (TcpStream, String) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 1024];
        match stream.read(&mut part).await.unwrap() {
            0 => break,
            count => head.extend_from_slice(&part[..count]),
        }
    }
    (stream, String::from_utf8_lossy(&head).into_owned())
}
