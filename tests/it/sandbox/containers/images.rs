//! Tools that bring an image: which one it is, what comes with it, what is refused.
//!
//! The image is a static busybox, made an image here, so that nothing is fetched.

use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::json;
use syzygy::sandbox::docker::Docker;
use syzygy::sandbox::{Call, Ended, Program, Sandbox, Spec, Speech};
use syzygy::types::Class;

use super::super::{cx, limits, once};
use super::{ENGINE, Tier, config, containers, engine, there, tier};
use crate::support::MINUTE;

/// What the tool of the image does: its input is its result.
const ECHO: &str = r#"printf '{"type":"result","value":%s}\n' "$(cat)""#;

/// Makes an image of busybox with these instructions of a Dockerfile, and returns its identity.
pub(super) fn image(name: &str, changes: &[&str]) -> String {
    static ROOT: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::copy(ENGINE.as_ref().unwrap().programs.join("bin/busybox"), bin.join("busybox")).unwrap();
        for name in ["sh", "cat", "env", "id", "ls", "printf", "sleep"] {
            std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
        }
        let tool = bin.join("tool");
        std::fs::write(&tool, format!("#!/bin/sh\n{ECHO}")).unwrap();
        std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        root
    });
    let own = ENGINE.as_ref().unwrap();
    let mut tar =
        Command::new("tar").arg("-C").arg(ROOT.path()).args(["-c", "."]).stdout(Stdio::piped()).spawn().unwrap();
    let changes = changes.iter().flat_map(|change| ["--change", change]);
    let output = Command::new(own.programs.join("usr/bin/docker"))
        .arg("import")
        .args(changes)
        .args(["-", name])
        .env_clear()
        .env("DOCKER_HOST", format!("unix://{}", own.socket.display()))
        .stdin(tar.stdout.take().unwrap())
        .output()
        .unwrap();
    assert!(tar.wait().unwrap().success() && output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn spec(reference: &str, command: &[&str]) -> Spec {
    let mut spec = Spec::command("image", &["unused"], limits());
    let command = command.iter().map(ToString::to_string).collect();
    spec.program = Program::Image { reference: reference.to_owned(), command };
    spec
}

async fn refusal(docker: &Docker, reference: &str, command: &[&str]) -> (Class, String) {
    let error = docker.prepare(&cx(MINUTE), spec(reference, command)).await.unwrap_err();
    (error.class(), error.to_string())
}

// 214.
#[tokio::test]
async fn an_image_is_the_one_of_its_digest_and_a_tag_is_none() {
    let Some(Tier { docker, .. }) = tier("images-digest").await else { return };
    let id = image("digest:1", &[]);
    let echo = ["/bin/sh", "-c", ECHO];
    for reference in [id.clone(), format!("digest@{id}"), format!("registry.example/any/name@{id}")] {
        let outcome = once(&docker, spec(&reference, &echo), json!({"n": [1]})).await;
        assert_eq!(outcome.answer, Ok(json!({"n": [1]})), "{reference}: {}", outcome.stderr);
    }
    for tagged in ["digest:1", "digest", "digest:1@sha256:12", "digest@md5:00"] {
        let (class, text) = refusal(&docker, tagged, &echo).await;
        assert!(class == Class::Invalid && text.contains("is not named by its digest"), "{text}");
    }
    let absent = format!("digest@sha256:{}", "0".repeat(64));
    let (class, text) = refusal(&docker, &absent, &echo).await;
    assert!(class == Class::NotFound && text.contains("sandbox.docker.pull"), "{text}");
    // What was prepared stays what it was, whatever the name stands for now.
    let cx = cx(MINUTE);
    let prepared = docker.prepare(&cx, spec(&format!("digest@{id}"), &["/bin/cat", "/etc/which"])).await.unwrap();
    assert!(matches!(&prepared.spec().program, Program::Image { reference, .. } if *reference == id));
    engine(&["rmi", "--force", &id]);
    let outcome = docker.invoke(&cx, &prepared, Call::new("gone", json!(null))).await;
    assert_eq!((outcome.ended, outcome.answer.unwrap_err().class), (Ended::Failed, Class::Unavailable));
    assert_eq!(there("images-digest"), Vec::<String>::new());
}

#[tokio::test]
async fn an_image_brings_its_program_and_its_environment_and_nothing_of_the_system() {
    let Some(Tier { docker, .. }) = tier("images-own").await else { return };
    let id = image(
        "own:1",
        &["ENTRYPOINT [\"/bin/env\"]", "ENV OF_THE_IMAGE=1", "ENV LANG=de", "USER root", "WORKDIR /bin"],
    );
    let mut own = spec(&id, &[]);
    own.speech = Speech::Plain;
    own.environment.insert("OWN".to_owned(), "2".to_owned());
    let outcome = once(&docker, own, json!(null)).await;
    let text = outcome.answer.unwrap()["stdout"].as_str().unwrap().to_owned();
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("PATH=")).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        ["HOME=/work", "LANG=de", "OF_THE_IMAGE=1", "OWN=2", "TMPDIR=/tmp", "USER=tool"],
        "{}",
        outcome.stderr
    );
    let mut other = spec(
        &id,
        &["/bin/sh", "-c", "id -u; ls /; ls /bin /usr 2>&1 | wc -l; (: > /bin/new) 2>/dev/null || echo kept; pwd"],
    );
    other.speech = Speech::Plain;
    let outcome = once(&docker, other, json!(null)).await;
    let text = outcome.answer.unwrap()["stdout"].as_str().unwrap().to_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[lines.len() - 1], lines[lines.len() - 2]), ("65534", "/work", "kept"), "{text}");
    assert!(!text.contains("usr\n"), "{text}");
}

// 212.
#[tokio::test]
async fn an_image_that_cannot_be_kept_within_bounds_is_refused() {
    let Some(Tier { docker, .. }) = tier("images-refused").await else { return };
    let volumes = image("volumes:1", &["VOLUME /data"]);
    let (class, text) = refusal(&docker, &volumes, &["/bin/sh"]).await;
    assert!(class == Class::Denied && text.contains("bound what the image writes to its volumes (/data)"), "{text}");
    let silent = image("silent:1", &[]);
    let (class, text) = refusal(&docker, &silent, &[]).await;
    assert!(class == Class::Invalid && text.contains("names a program"), "{text}");
}

#[tokio::test]
async fn nothing_is_fetched_unless_the_configuration_says_so() {
    let Some(mut own) = containers() else { return };
    own.pull = true;
    let folder = tempfile::tempdir().unwrap();
    let docker = Docker::open(config(&folder, "images-pull", own), super::super::clock()).await.unwrap();
    // Nobody answers at this port, which is what shows that it was tried.
    let absent = format!("127.0.0.1:9/none@sha256:{}", "0".repeat(64));
    let (class, text) = refusal(&docker, &absent, &["/bin/sh"]).await;
    assert!(class == Class::NotFound && text.contains("could not be fetched"), "{text}");
    let Some(Tier { docker, .. }) = tier("images-none").await else { return };
    let (_, text) = refusal(&docker, &absent, &["/bin/sh"]).await;
    assert!(text.contains("it is not fetched"), "{text}");
}
