//! The same tests as somebody who is not root.

use std::os::unix::process::CommandExt;
use std::process::Command;

use super::loudly;

/// Run again as `nobody`. Each makes jails of its own.
const AGAIN: [&str; 4] = [
    "sandbox::jails::",
    "sandbox::kills::a_call_that_nobody_waits_for_any_more_leaves_nothing",
    "sandbox::conformance::",
    "sandbox::attacks::no_attack_succeeds_in_any_tier",
];

/// The user of no rights that every Linux has.
const NOBODY: u32 = 65_534;

#[test]
fn jails_hold_for_an_ordinary_user_too() {
    if !rustix::process::geteuid().is_root() {
        // Then every other test of this folder was it.
        return;
    }
    // Both programs may lie where only root gets to; copies do not.
    let folder = tempfile::tempdir().unwrap();
    super::jails::open_to_all(folder.path());
    let own = std::env::current_exe().unwrap();
    let tests = folder.path().join("it");
    std::fs::hard_link(&own, &tests).or_else(|_| std::fs::copy(&own, &tests).map(drop)).unwrap();
    let scratch = folder.path().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    std::os::unix::fs::chown(&scratch, Some(NOBODY), Some(NOBODY)).unwrap();
    let program = folder.path().join("syzygy");
    let built = env!("CARGO_BIN_EXE_syzygy");
    std::fs::hard_link(built, &program).or_else(|_| std::fs::copy(built, &program).map(drop)).unwrap();
    let output = Command::new(&tests)
        .args(AGAIN)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TMPDIR", &scratch)
        .env(super::PROGRAM, &program)
        .current_dir(&scratch)
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    if text.contains("jails are not tested here") {
        loudly(&format!("an ordinary user may not make jails on this machine: {text}"));
    } else {
        // As many as there are at the least; a filter that fits nothing passes too.
        assert!(text.matches(" ... ok").count() >= 17, "{text}");
    }
}
