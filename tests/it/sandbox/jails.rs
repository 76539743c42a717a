//! What a tool finds in a jail: its inputs, its trees, its way out, and nothing else.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use syzygy::sandbox::jail::Jail;
use syzygy::sandbox::{Access, Change, Egress, Ended, Exit, Grant, Input, Resource, Spec, Speech, Written};
use syzygy::types::{Class, Hash};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{config, jail, once, python, shell};
use crate::support::MINUTE;

/// Whom tools are if this test is root; a tree that they may write has to be theirs.
pub(super) fn give(path: &Path) {
    if rustix::process::geteuid().is_root() {
        chown(path, Some(config().jails.user), Some(config().jails.user)).unwrap();
    }
}

pub(super) fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn grant(name: &str, source: &Path, access: Access) -> Grant {
    Grant { name: name.to_owned(), source: source.to_owned(), access, growth: None }
}

/// What a shell prints in a jail, line by line.
async fn said(jail: &Jail, change: impl FnOnce(&mut Spec), program: &str) -> Vec<String> {
    let mut spec = shell("shell", program);
    spec.speech = Speech::Plain;
    change(&mut spec);
    let outcome = once(jail, spec, json!(null)).await;
    let answer = outcome.answer.unwrap_or_else(|failure| panic!("{failure}: {}", outcome.stderr));
    answer["stdout"].as_str().unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_tool_sees_the_system_its_own_directories_and_nothing_of_the_host() {
    let Some(jail) = jail().await else { return };
    let listing = said(&jail, |_| (), "ls -A / | grep -vE '^(bin|lib.*|sbin)$'; id -u; id -un; hostname; pwd").await;
    let expected =
        ["dev", "etc", "granted", "inputs", "proc", "run", "tmp", "usr", "work", "1000", "tool", "jail", "/work"];
    assert_eq!(listing, expected);
    let environment = said(&jail, |spec| drop(spec.environment.insert("OWN".to_owned(), "1".to_owned())), "env").await;
    let mut names: Vec<&str> =
        environment.iter().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "OWN", "PATH", "PWD", "TMPDIR", "TZ", "USER"]);
    let processes = said(&jail, |_| (), "cd /proc; for p in [0-9]*; do echo $p; done").await;
    assert_eq!(processes.len(), 2, "the warden and the shell: {processes:?}");
    let network = said(&jail, |_| (), "cat /proc/net/dev /proc/self/net/dev 2>/dev/null | grep -c :").await;
    assert!(network == ["0"] || network == ["1"], "nothing or the loopback: {network:?}");
}

// The limits of a quick tool used to be set when it had begun already, and one in some hundred saw none.
#[tokio::test]
async fn a_tool_is_under_its_limits_from_its_first_moment_on() {
    let Some(jail) = jail().await else { return };
    for _ in 0..100 {
        assert_eq!(said(&jail, |_| (), "ulimit -d; ulimit -t").await, ["262144", "21"]);
    }
    let small = |spec: &mut Spec| spec.limits.memory = Some(16 << 20);
    let soft: u64 = said(&jail, small, "ulimit -d").await[0].parse().unwrap();
    assert!(soft <= 64 << 10, "{soft} KiB");
}

#[tokio::test]
async fn inputs_are_there_to_read_and_to_run_and_stay_what_they_are() {
    let Some(jail) = jail().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let input = |name: &str, text: &str, executable| {
        let source = folder.path().join(name);
        std::fs::write(&source, text).unwrap();
        Input { name: name.to_owned(), hash: Hash::of(text.as_bytes()), source, executable }
    };
    let inputs = vec![input("data", "forty-two", false), input("program", "#!/bin/sh\ncat /inputs/data", true)];
    let program =
        "/inputs/program; echo; echo x 2>/dev/null >> /inputs/data || echo kept; rm -f /inputs/data 2>&1 | wc -l";
    let lines = said(&jail, |spec| spec.inputs = inputs.clone(), program).await;
    assert_eq!(lines, ["forty-two", "kept", "1"]);
    // Changed after it was prepared: looked at again where it is shown.
    let mut spec = shell("changed", "true");
    spec.inputs = inputs;
    let cx = super::cx(MINUTE);
    let prepared = syzygy::sandbox::Sandbox::prepare(&jail, &cx, spec).await.unwrap();
    std::fs::write(folder.path().join("data"), "forty-three").unwrap();
    let call = syzygy::sandbox::Call::new("changed", json!(null));
    let outcome = syzygy::sandbox::Sandbox::invoke(&jail, &cx, &prepared, call).await;
    assert_eq!(outcome.ended, Ended::Failed);
    assert!(outcome.answer.unwrap_err().message.contains("not the file that was published"));
}

#[tokio::test]
async fn a_tree_is_read_or_written_as_it_was_granted_and_what_was_written_is_told() {
    let Some(jail) = jail().await else { return };
    let (look, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    open_to_all(look.path());
    for name in ["old", "gone"] {
        std::fs::write(look.path().join(name), name).unwrap();
        std::fs::write(work.path().join(name), name).unwrap();
        give(&work.path().join(name));
    }
    give(work.path());
    let grants = vec![grant("look", look.path(), Access::ReadOnly), grant("work", work.path(), Access::ReadWrite)];
    let program = "cat /granted/look/old; echo; \
                   (echo x > /granted/look/new) 2>/dev/null || echo kept; rm -f /granted/look/gone 2>/dev/null || echo kept; \
                   cd /granted/work && echo x >> old && rm gone && mkdir d && echo y > d/new && cat d/new";
    let mut spec = shell("trees", program);
    (spec.speech, spec.grants) = (Speech::Plain, grants);
    let outcome = once(&jail, spec, json!(null)).await;
    assert_eq!(outcome.answer, Ok(json!({"stdout": "old\nkept\nkept\ny\n", "exit": 0})), "{}", outcome.stderr);
    let written = [
        ("work/d", Change::Created),
        ("work/d/new", Change::Created),
        ("work/gone", Change::Removed),
        ("work/old", Change::Changed),
    ];
    let written = written.map(|(path, change)| Written { path: path.to_owned(), change });
    assert_eq!((outcome.effects.written, outcome.effects.written_all), (written.to_vec(), true));
    assert_eq!(std::fs::read_to_string(work.path().join("d/new")).unwrap(), "y\n");
    assert_eq!(std::fs::read_dir(look.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn a_tree_of_root_is_not_said_to_be_writable_when_it_is_not() {
    let Some(jail) = jail().await else { return };
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let tree = tempfile::tempdir().unwrap();
    let mut spec = shell("tree", "true");
    spec.grants.push(grant("tree", tree.path(), Access::ReadWrite));
    let error = syzygy::sandbox::Sandbox::prepare(&jail, &super::cx(MINUTE), spec).await.unwrap_err();
    assert_eq!(error.class(), Class::Denied);
    assert!(error.to_string().ends_with("write to tree, which belongs to root; give it to user 65534"), "{error}");
}

#[tokio::test]
async fn the_one_way_out_is_the_socket_that_was_named() {
    let Some(jail) = jail().await else { return };
    let folder = tempfile::tempdir().unwrap();
    open_to_all(folder.path());
    let path = folder.path().join("proxy.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let proxy = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = [0; 4];
        stream.read_exact(&mut heard).await.unwrap();
        stream.write_all(b"pong").await.unwrap();
        heard
    };
    let program = "import os, socket, json\ns = socket.socket(socket.AF_UNIX)\ns.connect(os.environ['SYZYGY_EGRESS'])\n\
                   s.sendall(b'ping')\nprint(json.dumps({'type': 'result', 'value': s.recv(4).decode()}))";
    let mut spec = python("out", program);
    spec.egress = Egress::Socket(path);
    let (heard, outcome) = tokio::join!(proxy, once(&jail, spec, json!(null)));
    assert_eq!((&heard, outcome.answer), (b"ping", Ok(json!("pong"))));
}

/// How a program ends that wants more of something than there is.
async fn greedy(jail: &Jail, program: &str, change: impl FnOnce(&mut Spec)) -> syzygy::sandbox::Outcome {
    let mut spec = python("greedy", &format!("import os, sys, time, threading\n{program}"));
    change(&mut spec);
    once(jail, spec, json!(null)).await
}

#[tokio::test]
async fn a_tool_that_reaches_a_limit_is_told_by_its_name() {
    let Some(jail) = jail().await else { return };
    let spin = "for _ in range(4): os.fork()\nwhile True: pass";
    let cpu = greedy(&jail, spin, |spec| spec.limits.cpu = Some(Duration::from_millis(500))).await;
    assert_eq!((cpu.ended, cpu.answer.unwrap_err().class), (Ended::Limit(Resource::Cpu), Class::Exhausted));
    assert!(cpu.usage.cpu >= Duration::from_millis(500), "{:?}", cpu.usage);
    let swell =
        "os.fork()\nos.fork()\nkept = bytearray(40 << 20)\nkept[::4096] = b'x' * len(kept[::4096])\ntime.sleep(60)";
    let memory = greedy(&jail, swell, |spec| spec.limits.memory = Some(100 << 20)).await;
    assert_eq!(memory.ended, Ended::Limit(Resource::Memory));
    assert!(memory.usage.memory_peak > 100 << 20 && memory.usage.processes_peak >= 3, "{:?}", memory.usage);
    let stderr = greedy(&jail, "while True: sys.stderr.write('x' * 1000)", |spec| spec.limits.stderr = 5_000).await;
    assert_eq!((stderr.ended, stderr.stderr.len()), (Ended::Limit(Resource::Stderr), 5_000));
    let long = "open('/work/x', 'wb').write(b'x' * (20 << 20))";
    let disk = greedy(&jail, long, |spec| spec.limits.disk = Some(8 << 20)).await;
    // Python ignores the signal and gets the error.
    assert_eq!((disk.ended, disk.effects.exit), (Ended::Finished, Some(Exit::Code(1))));
    assert!(disk.stderr.contains("File too large") || disk.stderr.contains("No space left"), "{}", disk.stderr);
}

#[tokio::test]
async fn what_cannot_be_started_is_told_in_words() {
    let Some(jail) = jail().await else { return };
    let missing = once(&jail, Spec::command("missing", &["no-such-program"], super::limits()), json!(null)).await;
    let failure = missing.answer.unwrap_err();
    assert_eq!((missing.ended, failure.class), (Ended::Failed, Class::NotFound));
    assert!(failure.message.starts_with("could not start no-such-program: "), "{failure}");
    let mut nowhere = shell("nowhere", "true");
    nowhere.directory = Some("/nowhere".to_owned());
    assert_eq!(once(&jail, nowhere, json!(null)).await.ended, Ended::Failed);
    let broken = syzygy::sandbox::jail::Config { program: "/bin/false".into(), ..config() };
    let error = Jail::open(broken, super::clock()).await.err().unwrap().to_string();
    assert!(error.starts_with("could not make a jail: the keeper of the jail ended without a word"), "{error}");
}

#[tokio::test]
async fn bubblewrap_makes_jails_that_hold_as_well() {
    let Some(jail) = super::wrapped_jail().await else { return };
    let notes = syzygy::sandbox::Sandbox::capabilities(&jail).notes.join("; ");
    assert!(notes.contains("made by /usr/bin/bwrap"), "{notes}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data"), "forty-two").unwrap();
    let source = folder.path().join("data");
    let input = Input { name: "data".to_owned(), hash: Hash::of(b"forty-two"), source, executable: false };
    let change = |spec: &mut Spec| {
        spec.inputs.push(input);
        spec.grants.push(grant("look", folder.path(), Access::ReadOnly));
    };
    let program = "cat /inputs/data; echo; ls /granted/look; (: > /granted/look/x) 2>/dev/null || echo kept; pwd; id -u; hostname";
    assert_eq!(said(&jail, change, program).await, ["forty-two", "data", "kept", "/work", "1000", "jail"]);
    let swell = "for i in range(100_000): open(f'/work/{i}', 'w').close()";
    let crowd = greedy(&jail, swell, |_| ()).await;
    assert_eq!(crowd.ended, Ended::Limit(Resource::Disk), "{}", crowd.stderr);
}

#[tokio::test]
async fn an_operator_is_told_which_tiers_can_be_used() {
    let data = tempfile::tempdir().unwrap();
    let out = crate::program::good(data.path(), &["doctor", "-o", "json"]).await;
    assert_eq!(crate::program::checked(&out, "sandbox native")["verdict"], "good");
    let expected = if jail().await.is_some() { "good" } else { "lacking" };
    let said = crate::program::checked(&out, "sandbox jail");
    assert_eq!(said["verdict"], expected, "{said}");
    assert!(expected == "lacking" || said["detail"].as_str().unwrap().contains("landlock"), "{said}");
    let said = crate::program::checked(&out, "sandbox wasm");
    assert_eq!(said["verdict"], "good", "{said}");
}

#[tokio::test]
async fn what_a_tool_used_is_told() {
    let Some(jail) = jail().await else { return };
    let program = "import json, sys, time\njson.load(sys.stdin)\nkept = bytearray(30 << 20)\nend = time.process_time() + 0.3\n\
                   while time.process_time() < end: pass\nprint(json.dumps({'type': 'result', 'value': None}))";
    let outcome = once(&jail, python("used", program), Value::from("12345678")).await;
    assert_eq!(outcome.answer, Ok(json!(null)), "{}", outcome.stderr);
    let usage = outcome.usage;
    assert!(usage.cpu >= Duration::from_millis(250) && usage.wall >= usage.cpu.mul_f32(0.9), "{usage:?}");
    assert!(usage.memory_peak >= 30 << 20 && usage.processes_peak == 1, "{usage:?}");
    assert_eq!((usage.stdin, usage.stdout), (10, 34));
}
