//! Processes of the system as children: they start, fail, linger and are stopped.

use super::*;

fn shell(script: &str, ready_url: &str) -> ChildCommand {
    ChildCommand {
        command: "sh".to_owned(),
        args: vec!["-c".to_owned(), script.to_owned()],
        env: [("WORD".to_owned(), "from the environment".to_owned())].into(),
        ready_url: ready_url.to_owned(),
        ready_timeout_s: 30,
        stop_grace_s: 5,
    }
}

const NOWHERE: &str = "http://127.0.0.1:1/health";

#[tokio::test]
async fn a_child_that_dies_leaves_its_last_words() {
    let mut child = shell("echo out; echo $WORD >&2; exit 3", NOWHERE).spawn("lab").unwrap();
    let error = child.ready(&patient()).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Unavailable { .. }));
    assert!(text.contains("exit status: 3"), "{text}");
    let text = child.wait().await.to_string();
    assert!(text.contains("exit status: 3"), "{text}");
}

#[tokio::test]
async fn what_it_says_is_kept_and_bounded() {
    let script = "i=0; while [ $i -lt 200 ]; do echo line $i >&2; i=$((i+1)); done; exec cat >/dev/null";
    let child = shell(script, NOWHERE).spawn("lab").unwrap();
    while child.last_lines().last().is_none_or(|line| line != "line 199") {
        tokio::task::yield_now().await;
    }
    assert_eq!(child.last_lines().len(), 40);
    assert_eq!(child.last_lines()[0], "line 160");
    child.stop(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn stopping_asks_first_and_kills_then() {
    let polite = shell("trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done", NOWHERE).spawn("lab").unwrap();
    while polite.last_lines().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(polite.stop(Duration::from_secs(20)).await.unwrap().code(), Some(7));

    let stubborn = shell("trap '' TERM; echo up; while :; do sleep 0.01; done", NOWHERE).spawn("lab").unwrap();
    while stubborn.last_lines().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(stubborn.stop(Duration::from_millis(50)).await.unwrap().code(), None);
}

/// Whether a process runs; one that has ended and was not waited for does not.
fn runs(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = status.rsplit_once(')').and_then(|(_, rest)| rest.trim().chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_it_started_ends_with_it_however_it_ends() {
    // Both ignore the request to end; the child of the child would hold a port.
    let script = "trap '' TERM; sleep 3600 & echo $!; wait";
    for way in ["stopped", "dropped", "gone"] {
        let script = if way == "gone" { "sleep 3600 & echo $!; exit 0" } else { script };
        let mut child = shell(script, NOWHERE).spawn("lab").unwrap();
        let process = loop {
            match child.last_lines().first() {
                Some(line) => break line.clone(),
                None => tokio::task::yield_now().await,
            }
        };
        match way {
            "stopped" => drop(child.stop(Duration::from_millis(50)).await.unwrap()),
            "dropped" => drop(child),
            _ => {
                child.wait().await;
                drop(child);
            }
        }
        let gone = async {
            while runs(&process) {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(20), gone).await.is_ok(), "{way}");
    }
}

#[tokio::test]
async fn waiting_for_it_ends_with_the_deadline() {
    let mut child = shell("exec cat", NOWHERE).spawn("lab").unwrap();
    let error = child.ready(&cx(Duration::from_millis(100))).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    let impatient = ChildCommand { ready_timeout_s: 0, ..shell("exec cat", NOWHERE) };
    let error = impatient.spawn("lab").unwrap().ready(&patient()).await.unwrap_err();
    assert!(error.to_string().contains("not ready after 0 s"), "{error}");
}

#[tokio::test]
async fn a_command_that_is_none_says_so() {
    let missing = ChildCommand { command: "no-such-program-here".to_owned(), ..shell("", NOWHERE) };
    let error = missing.spawn("lab").err().unwrap();
    assert!(error.to_string().contains("no-such-program-here"), "{error}");
    assert!(shell("", "no url").spawn("lab").is_err());
}
