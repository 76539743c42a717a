//! What a tool finds in a container: its inputs, its trees, its way out, and nothing else.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use syzygy::sandbox::docker::Docker;
use syzygy::sandbox::{
    Access, Call, Change, Egress, Ended, Exit, Grant, Input, Resource, Sandbox, Spec, Speech, Written,
};
use syzygy::types::{Class, Hash};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::jails::{give, open_to_all};
use super::super::{cx, once, python, shell};
use super::{Tier, config, there, tier};
use crate::support::MINUTE;

/// What a shell prints in a container, line by line.
async fn said(docker: &Docker, change: impl FnOnce(&mut Spec), program: &str) -> Vec<String> {
    let mut spec = shell("shell", program);
    spec.speech = Speech::Plain;
    change(&mut spec);
    let outcome = once(docker, spec, json!(null)).await;
    let answer = outcome.answer.unwrap_or_else(|failure| panic!("{failure}: {}", outcome.stderr));
    answer["stdout"].as_str().unwrap().lines().map(str::to_owned).collect()
}

fn grant(name: &str, source: &Path, access: Access) -> Grant {
    Grant { name: name.to_owned(), source: source.to_owned(), access, growth: None }
}

#[tokio::test]
async fn a_program_of_the_system_sees_it_and_nothing_of_the_host() {
    let Some(Tier { docker, .. }) = tier("given-system").await else { return };
    let environment =
        said(&docker, |spec| drop(spec.environment.insert("OWN".to_owned(), "1".to_owned())), "env").await;
    let mut names: Vec<&str> =
        environment.iter().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "OWN", "PATH", "PWD", "TMPDIR", "TZ", "USER"]);
    let own =
        said(&docker, |_| (), "id -u; id -un; hostname; pwd; cat /etc/resolv.conf; ls /inputs; ls /sys | wc -l").await;
    assert_eq!(own, ["65534", "tool", "container", "/work", "0"]);
    let processes = said(&docker, |_| (), "cd /proc; for p in [0-9]*; do echo $p; done").await;
    assert_eq!(processes, ["1"], "it is alone");
    assert_eq!(there("given-system"), Vec::<String>::new());
}

// 213.
#[tokio::test]
async fn inputs_are_there_to_read_and_to_run_and_stay_what_they_are() {
    let Some(Tier { docker, folder }) = tier("given-inputs").await else { return };
    let place = tempfile::tempdir().unwrap();
    let input = |name: &str, text: &str, executable| {
        let source = place.path().join(name.replace('/', "-"));
        std::fs::write(&source, text).unwrap();
        Input { name: name.to_owned(), hash: Hash::of(text.as_bytes()), source, executable }
    };
    let inputs = vec![input("data", "forty-two", false), input("bin/program", "#!/bin/sh\ncat /inputs/data", true)];
    let program =
        "/inputs/bin/program; echo; echo x 2>/dev/null >> /inputs/data || echo kept; rm -f /inputs/data 2>&1 | wc -l";
    let lines = said(&docker, |spec| spec.inputs = inputs.clone(), program).await;
    assert_eq!(lines, ["forty-two", "kept", "1"]);
    // Changed after it was prepared: looked at again where it is shown.
    let mut spec = shell("changed", "true");
    spec.inputs = inputs;
    let cx = cx(MINUTE);
    let prepared = docker.prepare(&cx, spec).await.unwrap();
    std::fs::write(place.path().join("data"), "forty-three").unwrap();
    let outcome = docker.invoke(&cx, &prepared, Call::new("changed", json!(null))).await;
    assert_eq!(outcome.ended, Ended::Failed);
    assert!(outcome.answer.unwrap_err().message.contains("is not the file that was published"));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().collect();
    // Its own word, and the empty directory of this life.
    assert!(left.len() <= 2, "{left:?}");
    assert!(std::fs::read_dir(folder.path().join("given-inputs")).is_ok_and(|mut all| all.next().is_none()));
}

#[tokio::test]
async fn a_tree_is_read_or_written_as_it_was_granted_and_what_was_written_is_told() {
    let Some(Tier { docker, folder }) = tier("given-trees").await else { return };
    let place = tempfile::tempdir().unwrap();
    open_to_all(place.path());
    let (look, edit) = (place.path().join("look"), place.path().join("edit"));
    for tree in [&look, &edit] {
        std::fs::create_dir(tree).unwrap();
        std::fs::write(tree.join("file"), "as it was").unwrap();
        open_to_all(tree);
    }
    give(&edit);
    give(&edit.join("file"));
    let mut spec = shell(
        "trees",
        "cat /granted/look/file; (: > /granted/look/new) 2>/dev/null || echo kept; echo 2 > /granted/edit/file; \
         echo 3 > /granted/edit/new; mkdir /granted/edit/folder",
    );
    spec.speech = Speech::Plain;
    spec.grants = vec![grant("look", &look, Access::ReadOnly), grant("edit", &edit, Access::ReadWrite)];
    let outcome = once(&docker, spec, json!(null)).await;
    assert_eq!(outcome.answer.unwrap()["stdout"], "as it waskept\n", "{}", outcome.stderr);
    let row = |path: &str, change| Written { path: path.to_owned(), change };
    let expected =
        [row("edit/file", Change::Changed), row("edit/folder", Change::Created), row("edit/new", Change::Created)];
    assert_eq!((&outcome.effects.written[..], outcome.effects.written_all), (&expected[..], true));
    assert_eq!(std::fs::read_to_string(edit.join("new")).unwrap(), "3\n");

    // Another directory in its place is not shown.
    let mut spec = shell("moved", "cat /granted/look/file");
    spec.grants = vec![grant("look", &look, Access::ReadOnly)];
    let cx = cx(MINUTE);
    let prepared = docker.prepare(&cx, spec).await.unwrap();
    std::fs::rename(&look, place.path().join("away")).unwrap();
    std::fs::create_dir(&look).unwrap();
    let outcome = docker.invoke(&cx, &prepared, Call::new("moved", json!(null))).await;
    assert!(outcome.answer.unwrap_err().message.contains("is not the directory that was granted"));

    // What it cannot keep is refused, and named.
    for (source, access, class, text) in [
        (folder.path(), Access::ReadOnly, Class::Denied, "keeps to itself"),
        (Path::new("/etc"), Access::ReadOnly, Class::Denied, "keeps to itself"),
        (look.as_path(), Access::ReadWrite, Class::Denied, "which belongs to root"),
        (&place.path().join("nowhere"), Access::ReadOnly, Class::NotFound, "is not at"),
    ] {
        let mut spec = shell("refused", "true");
        spec.grants = vec![grant("tree", source, access)];
        let error = docker.prepare(&cx, spec).await.unwrap_err();
        assert!(error.class() == class && error.to_string().contains(text), "{error}");
    }
    let mut spec = shell("growing", "true");
    spec.grants = vec![Grant { growth: Some(1), ..grant("edit", &edit, Access::ReadWrite) }];
    let error = docker.prepare(&cx, spec).await.unwrap_err();
    assert!(error.to_string().contains("bound growth of a granted tree"), "{error}");
}

#[tokio::test]
async fn the_one_way_out_is_the_socket_it_was_given() {
    let Some(Tier { docker, .. }) = tier("given-egress").await else { return };
    let place = tempfile::tempdir().unwrap();
    open_to_all(place.path());
    let path = place.path().join("proxy.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let program = "import json, os, socket, sys\njson.load(sys.stdin)\ns = socket.socket(socket.AF_UNIX)\n\
                   s.connect(os.environ['SYZYGY_EGRESS'])\ns.sendall(b'hello\\n')\nanswer = s.recv(100).decode()\n\
                   try: os.unlink(os.environ['SYZYGY_EGRESS']); answer += ' and gone'\nexcept OSError: pass\n\
                   print(json.dumps({'type': 'result', 'value': answer}))";
    let mut spec = python("out", program);
    spec.egress = Egress::Socket(path);
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut said = [0; 6];
        stream.read_exact(&mut said).await.unwrap();
        stream.write_all(b"who is there").await.unwrap();
        said
    };
    let (outcome, said) = tokio::join!(once(&docker, spec, json!(null)), serve);
    assert_eq!((outcome.answer, &said), (Ok(json!("who is there")), b"hello\n"), "{}", outcome.stderr);
    // One that is not there is none.
    let mut spec = shell("nowhere", "true");
    spec.egress = Egress::Socket(place.path().join("nowhere.sock"));
    let outcome = once(&docker, spec, json!(null)).await;
    assert_eq!(outcome.ended, Ended::Failed, "{outcome:?}");
    assert_eq!(there("given-egress"), Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_be_begun_says_so_and_leaves_nothing() {
    let Some(Tier { docker, .. }) = tier("given-unstarted").await else { return };
    let outcome =
        once(&docker, Spec::command("absent", &["/no/such/program"], super::super::limits()), json!(null)).await;
    assert_eq!(outcome.ended, Ended::Failed);
    let failure = outcome.answer.unwrap_err();
    assert_eq!(failure.class, Class::NotFound, "{failure}");
    assert_eq!((there("given-unstarted"), outcome.effects.exit), (Vec::new(), None));
    assert_eq!(docker.view(), syzygy::sandbox::View::default());
}

#[tokio::test]
async fn what_a_tool_used_and_how_it_ended_is_told() {
    let Some(Tier { docker, .. }) = tier("given-usage").await else { return };
    let program = "import json, os, sys, time\njson.load(sys.stdin)\nkept = bytearray(b'x') * (30 << 20)\n\
                   end = time.process_time() + 2.5\nwhile time.process_time() < end: pass\n\
                   print(json.dumps({'type': 'result', 'value': None}))";
    let outcome = once(&docker, python("used", program), Value::from("12345678")).await;
    assert_eq!(outcome.answer, Ok(json!(null)), "{}", outcome.stderr);
    let usage = outcome.usage;
    // The last look was a tenth of a second before the end, or more where the engine is slow to answer.
    assert!(usage.cpu >= Duration::from_millis(300) && usage.wall >= Duration::from_millis(800), "{usage:?}");
    assert!(usage.memory_peak >= 30 << 20 && usage.processes_peak >= 1, "{usage:?}");
    assert_eq!((usage.stdin, usage.stdout, outcome.effects.exit), (10, 34, Some(Exit::Code(0))));
    // A fault of its own, which also a first process of a container dies of.
    let crashed = once(&docker, python("crash", "import ctypes; ctypes.string_at(0)"), json!(null)).await;
    assert_eq!((crashed.ended, crashed.effects.exit), (Ended::Finished, Some(Exit::Signal(11))), "{crashed:?}");
    let mut spec = python("hungry", "kept = [bytearray(b'x') * (10 << 20) for _ in range(40)]");
    spec.limits.memory = Some(64 << 20);
    let hungry = once(&docker, spec, json!(null)).await;
    assert!(hungry.answer.is_err(), "{hungry:?}");
    let mut spec = shell("busy", "while :; do :; done");
    spec.limits.cpu = Some(Duration::from_millis(500));
    let busy = once(&docker, spec, json!(null)).await;
    assert_eq!(busy.ended, Ended::Limit(Resource::Cpu), "{busy:?}");
    assert!(busy.usage.wall < Duration::from_secs(5), "{:?}", busy.usage);
    let mut spec = shell("late", "while :; do :; done");
    spec.limits.wall = Duration::from_secs(2);
    let late = once(&docker, spec, json!(null)).await;
    assert_eq!(late.ended, Ended::Limit(Resource::Wall), "{late:?}");
    assert!(late.usage.cpu > Duration::from_millis(200), "{:?}", late.usage);
}

// 215.
#[tokio::test]
async fn where_no_engine_answers_there_are_no_containers_and_the_reason_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent.sock");
    let mut own = super::super::defaults().docker;
    own.socket = absent;
    let Err(error) = Docker::open(config(&folder, "absent", own.clone()), super::super::clock()).await else {
        panic!("an engine that is not there was found")
    };
    assert!(
        error.to_string().contains("no engine answers at") && error.to_string().contains("sandbox.docker.socket"),
        "{error}"
    );
    // Somebody else who answers, and nobody who does.
    own.answer_s = 1;
    own.socket = folder.path().join("other.sock");
    let listener = tokio::net::UnixListener::bind(&own.socket).unwrap();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 mail is here\r\n").await.unwrap();
        let (_silent, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
    };
    let open = async {
        for life in ["other", "silent"] {
            let opened = Docker::open(config(&folder, life, own.clone()), super::super::clock()).await;
            assert!(opened.is_err_and(|error| error.to_string().contains("no engine answers at")), "{life}");
        }
    };
    tokio::select! {
        () = serve => (),
        () = open => (),
    }
}
