//! Arguments, help, and where a host and its token are looked for.

use clap::{CommandFactory, Parser};

use super::support::{Setup, TestLauncher};
use crate::cli::Arguments;

#[test]
fn the_arguments_fit_together() {
    Arguments::command().debug_assert();
}

#[test]
fn help_does_not_move_unseen() {
    let mut text = String::new();
    for verb in [
        &["--help"][..],
        &["up", "--help"],
        &["ask", "--help"],
        &["tree", "--help"],
        &["why", "--help"],
        &["audit", "--help"],
        &["models", "--help"],
        &["tokens", "make", "--help"],
    ] {
        let error = Arguments::try_parse_from(["syzygy"].iter().chain(verb)).unwrap_err();
        text.push_str(&format!("$ syzygy {}\n{}\n", verb.join(" "), error.render()));
    }
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn misuse_has_its_own_exit_code_and_help_has_none() {
    let data = tempfile::tempdir().unwrap();
    let launcher = TestLauncher::new(data.path());
    let done = Setup::default().run(&launcher, &["asc", "hello"]).await;
    assert_eq!((done.code, done.out.as_str()), (64, ""));
    assert!(done.err.contains("'ask'"), "{}", done.err);
    let help = Setup::default().run(&launcher, &["--help"]).await;
    assert_eq!((help.code, help.err.as_str()), (0, ""));
    assert!(help.out.contains("Exit codes"));
    let version = Setup::default().run(&launcher, &["--version"]).await;
    assert_eq!((version.code, version.out), (0, format!("syzygy {}\n", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test]
async fn up_is_handed_to_the_root_and_its_error_keeps_its_class() {
    let data = tempfile::tempdir().unwrap();
    let mut launcher = TestLauncher::new(data.path());
    let arguments = ["up", "--data-dir", "d", "--listen", "127.0.0.1:0", "--config", "c.toml"];
    assert_eq!(Setup::default().run(&launcher, &arguments).await.code, 0);
    let started = launcher.started.lock().take().unwrap();
    assert_eq!(started.listen.as_deref(), Some("127.0.0.1:0"));
    assert_eq!(started.local.data_dir.as_deref(), Some("d".as_ref()));
    assert_eq!(started.local.config.as_deref(), Some("c.toml".as_ref()));
    launcher.broken = true;
    let done = Setup::default().run(&launcher, &["up"]).await;
    assert_eq!((done.code, done.err.as_str()), (73, "syzygy: could not use the data directory\n"));
}

#[tokio::test]
async fn a_host_that_is_not_there_is_told_with_what_would_help() {
    let data = tempfile::tempdir().unwrap();
    let launcher = TestLauncher::new(data.path());
    let done = Setup::default().run(&launcher, &["tree"]).await;
    assert_eq!(done.code, 69);
    assert!(done.err.contains("start one with `syzygy up`"), "{}", done.err);

    // A port nobody listens on: bound once, and let go.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{gone}");
    let done = Setup::default().run(&launcher, &["tree", "--url", &url]).await;
    assert_eq!(done.code, 69);
    assert!(done.err.starts_with(&format!("syzygy: no host answers at {url}/ (")), "{}", done.err);

    let done = Setup::default().run(&launcher, &["-o", "json", "tree", "--url", &url]).await;
    let told: serde_json::Value = serde_json::from_str(&done.err).unwrap();
    assert_eq!((&told["error"]["class"], done.out.as_str()), (&"unavailable".into(), ""));
    let done = Setup::default().run(&launcher, &["tree", "--url", "ftp://x"]).await;
    assert_eq!(done.code, 64);
}
