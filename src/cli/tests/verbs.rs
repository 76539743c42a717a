//! Every verb against a running host.

use serde_json::json;

use super::support::journal;
use super::support::{Done, Setup, TestLauncher};
use crate::api::Scope;
use crate::api::tests::support::{TestHost, Wanted, data_with};
use crate::inference::Step;
use crate::ziggy::budget::{Limit, Window};

async fn run(host: &TestHost, arguments: &[&str]) -> Done {
    Setup::default().run(&TestLauncher::new(host.data.path()), arguments).await
}

// CLI1 and CLI3.
#[tokio::test]
async fn ask_prints_the_answer_alone_and_json_has_what_programs_need() {
    let host = TestHost::start(Wanted::default()).await;
    let done = run(&host, &["ask", "What is", "six times seven?"]).await;
    assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (0, "Forty-two.\n", ""));
    let done = run(&host, &["ask", "What is six times seven?", "-o", "json", "--privacy", "restricted"]).await;
    let answer = done.json();
    assert_eq!(answer["served_by"], json!(["near@near"]));
    assert_eq!((&answer["answer"], &answer["privacy"]), (&json!("Forty-two."), &json!("restricted")));
    assert_eq!((&answer["cost"], answer["run_id"].as_str().unwrap().len()), (&json!(0.0), 32));
    host.stop().await;
}

#[tokio::test]
async fn tools_are_searched_by_words_and_by_what_they_are_to_do() {
    let host = TestHost::start(Wanted::default()).await;
    let words = run(&host, &["tool", "search", "numbers"]).await;
    assert!(words.out.lines().nth(1).unwrap().starts_with("sum "), "{}", words.out);
    let like = run(&host, &["tool", "search", "--like", "add numbers up to a sum"]).await;
    assert!(like.out.lines().nth(1).unwrap().starts_with("sum "), "{}", like.out);
    assert!(like.err.contains("the best first, by their words and by lexical-512"), "{}", like.err);
    let json = run(&host, &["tool", "search", "--like", "add numbers", "-o", "json"]).await.json();
    assert_eq!(json["by"], "lexical-512");
    assert_ne!(run(&host, &["tool", "search"]).await.code, 0, "it is looked for nothing");
    host.stop().await;
}

#[tokio::test]
async fn ask_at_a_terminal_streams_and_says_how_it_went() {
    let steps = vec![Step::Reading { tokens: 512, total: 2_048 }, Step::text("Forty-"), Step::text("\u{1b}[2Jtwo.")];
    let host = TestHost::start(Wanted::steps(steps)).await;
    let setup = Setup { stdout_terminal: true, stderr_terminal: true, ..Setup::default() };
    let launcher = TestLauncher::new(host.data.path());
    let done = setup.run(&launcher, &["ask", "What is six times seven?", "--agent", "near"]).await;
    assert_eq!(done.out, "Forty-\u{fffd}[2Jtwo.\n", "an answer does not steer the terminal");
    assert!(done.err.contains("read 512 of 2048 tokens"), "{}", done.err);
    assert!(done.err.contains("near@near · public · $0.000000 · ") && done.err.contains("syzygy why "), "{}", done.err);
    host.stop().await;
}

#[tokio::test]
async fn ask_takes_files_and_stdin() {
    let host = TestHost::start(Wanted::default()).await;
    let file = host.data.path().join("notes.txt");
    std::fs::write(&file, "The answer is in here.").unwrap();
    let path = file.to_str().unwrap();
    assert_eq!(run(&host, &["ask", "What does it say?", "-f", path]).await.code, 0);
    let launcher = TestLauncher::new(host.data.path());
    let piped = Setup { stdin: "What is six times seven?".to_owned(), piped: true, ..Setup::default() };
    assert_eq!(piped.run(&launcher, &["ask"]).await.out, "Forty-two.\n");
    assert_eq!(piped.run(&launcher, &["ask", "Answer this:", "-"]).await.out, "Forty-two.\n");
    let accepted: Vec<serde_json::Value> = host
        .journal
        .read(1, 1_000)
        .await
        .unwrap()
        .into_iter()
        .filter(|event| event.kind == "run.accepted")
        .map(|event| event.body.value())
        .collect();
    let document = |place: usize| (&accepted[place]["documents"][0]["name"], &accepted[place]["documents"][0]["text"]);
    assert_eq!(document(0), (&json!("notes.txt"), &json!("The answer is in here.")));
    assert_eq!(accepted[1]["task"]["prompt"], "What is six times seven?");
    assert_eq!(accepted[1]["documents"], json!([]));
    assert_eq!(document(2), (&json!("stdin"), &json!("What is six times seven?")));
    let missing = run(&host, &["ask", "What?", "-f", "nowhere.txt"]).await;
    assert_eq!(missing.code, 66);
    let nothing = run(&host, &["ask"]).await;
    assert_eq!(nothing.code, 64);
    host.stop().await;
}

#[tokio::test]
async fn ask_detached_prints_the_run_and_runs_and_why_find_it() {
    let host = TestHost::start(Wanted::default()).await;
    let done = run(&host, &["ask", "What is six times seven?", "--detach", "--privacy", "restricted"]).await;
    let id = done.out.trim().to_owned();
    assert_eq!((done.code, id.len()), (0, 32));
    while host.get(&format!("/runs/{id}")).await.json()["status"] == "running" {}
    let listed = run(&host, &["runs"]).await;
    assert!(listed.out.contains(&id) && listed.out.contains("completed"), "{}", listed.out);
    for name in [id.as_str(), "last", &id[..24]] {
        let told = run(&host, &["why", name]).await;
        assert!(told.out.starts_with(&format!("run {id} completed")), "{}", told.out);
        assert!(told.out.contains("near@near serves general/restricted"), "{}", told.out);
        assert!(told.out.contains("external tier"), "who was excluded, and why: {}", told.out);
    }
    let json = run(&host, &["why", "last", "-o", "json"]).await.json();
    assert_eq!((&json["run_id"], &json["steps"][0]["kind"]), (&json!(id), &json!("run.accepted")));
    for (name, code) in [("ffff", 66), ("first", 64), (&"0".repeat(32), 66)] {
        assert_eq!(run(&host, &["why", name]).await.code, code, "{name}");
    }
    host.stop().await;
}

// CLI2.
#[tokio::test]
async fn a_refusal_ends_with_the_exit_code_of_its_class() {
    let host = TestHost::start(Wanted::default()).await;
    let done = run(&host, &["ask", "Translate this into French: good morning", "--privacy", "restricted"]).await;
    assert_eq!(done.code, 77);
    assert!(done.err.contains("nobody who could do the task may see it") && done.err.contains("syzygy why"));
    let listed = run(&host, &["runs"]).await.out;
    let row = listed.lines().nth(1).unwrap();
    assert!(listed.starts_with("RUN ") && listed.lines().next().unwrap().ends_with("REASON"), "{listed}");
    assert!(row.contains("Translate this into French: good morning") && row.contains("nobody may serve"), "{row}");
    let done = run(&host, &["ask", "Hello", "--agent", "nobody", "-o", "json"]).await;
    let told: serde_json::Value = serde_json::from_str(&done.err).unwrap();
    assert_eq!((done.code, &told["error"]["code"]), (64, &json!("invalid_request")));
    host.stop().await;
}

#[tokio::test]
async fn a_task_that_is_too_large_is_refused_with_the_limit() {
    let host = TestHost::start(Wanted::default()).await;
    let file = host.data.path().join("large.txt");
    std::fs::write(&file, "nine bytes".repeat(900_000)).unwrap();
    let done = run(&host, &["ask", "Summarise this", "-f", file.to_str().unwrap()]).await;
    assert_eq!(done.code, 64, "{done:?}");
    assert!(done.err.contains("more than 10000 bytes (api.body_bytes_max)"), "{}", done.err);
    let done = run(&host, &["ask", &"word ".repeat(1_000), "-o", "json"]).await;
    let told: serde_json::Value = serde_json::from_str(&done.err).unwrap();
    assert_eq!((done.code, &told["error"]["code"]), (64, &json!("too_large")));
    let endless = run(&host, &["ask", "Summarise this", "-f", "/dev/zero"]).await;
    assert_eq!(endless.code, 64);
    assert!(endless.err.contains("/dev/zero has more than 67108864 bytes"), "{}", endless.err);
    host.stop().await;
}

#[tokio::test]
async fn a_host_that_stops_under_a_run_says_so() {
    let mut wanted = Wanted::steps(vec![Step::text("One moment"), Step::Hang]);
    wanted.config.drain_s = 0;
    let host = TestHost::start(wanted).await;
    let launcher = TestLauncher::new(host.data.path());
    let (stdio, out, err) = Setup::default().streams();
    let arguments = ["syzygy", "ask", "--stream", "What is six times seven?", "--privacy", "restricted"];
    let environment = Vec::new();
    let asked = crate::cli::execute(arguments.map(Into::into), &environment, stdio, &launcher);
    let stopped = async {
        while out.text() != "One moment" {
            tokio::task::yield_now().await;
        }
        host.shutdown().await;
    };
    let (code, ()) = tokio::join!(asked, stopped);
    assert_eq!(code, 69);
    assert!(err.text().contains("the host stops, and has waited 0 s") && err.text().contains("syzygy why "));
}

#[tokio::test]
async fn an_interrupt_stops_the_run() {
    let host = TestHost::start(Wanted::steps(vec![Step::text("One moment"), Step::Hang])).await;
    let launcher = TestLauncher::new(host.data.path());
    let mut news = host.journal.subscribe();
    let (stdio, out, err) = Setup::default().streams();
    let arguments = ["syzygy", "ask", "--stream", "What is six times seven?", "--privacy", "restricted"];
    let environment = Vec::new();
    let asked = crate::cli::execute(arguments.map(Into::into), &environment, stdio, &launcher);
    let stopped = async {
        while out.text() != "One moment" {
            tokio::task::yield_now().await;
        }
        launcher.interrupt.cancel();
        while news.recv().await.unwrap().kind != "run.cancelled" {}
    };
    let (code, ()) = tokio::join!(asked, stopped);
    assert_eq!(code, 130);
    assert!(err.text().contains("interrupted; run ") && err.text().contains(" was cancelled"), "{}", err.text());
    host.stop().await;
}

#[tokio::test]
async fn the_token_is_taken_from_the_flag_the_environment_or_the_data_directory() {
    let scopes: &[Scope] = &[Scope::Read];
    let data = data_with(&[("flag", "syz_flag", scopes, None), ("variable", "syz_variable", scopes, None)]);
    let host = TestHost::start_in(data, Wanted::default()).await.unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let launcher = TestLauncher::new(elsewhere.path());
    let url = format!("http://{}", host.address);
    let variables = |token: &str| {
        let pairs = [("SYZYGY_URL", url.as_str()), ("SYZYGY_TOKEN", token)];
        let environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Setup { environment, ..Setup::default() }
    };
    assert_eq!(Setup::default().run(&launcher, &["tree", "--url", &url, "--token", "syz_flag"]).await.code, 0);
    assert_eq!(variables("syz_variable").run(&launcher, &["tree"]).await.code, 0);
    assert_eq!(variables("syz_wrong").run(&launcher, &["tree"]).await.code, 77);
    assert_eq!(variables("syz_wrong").run(&launcher, &["tree", "--token", "syz_flag"]).await.code, 0, "a flag wins");
    let none = Setup::default().run(&launcher, &["tree", "--url", &url]).await;
    assert_eq!(none.code, 77);
    assert!(none.err.contains("operator.token"), "{}", none.err);
    let there = host.data.path().to_str().unwrap();
    assert_eq!(Setup::default().run(&launcher, &["tree", "--data-dir", there]).await.code, 0);
    assert_eq!(Setup::default().run(&launcher, &["runs", "--url", &url, "--data-dir", there]).await.code, 0);
    let narrow = Setup::default().run(&launcher, &["audit", "verify", "--url", &url, "--token", "syz_flag"]).await;
    assert_eq!(narrow.code, 77, "{}", narrow.err);
    host.stop().await;
}

#[tokio::test]
async fn audits_work_with_a_host_without_one_and_on_a_file() {
    let host = TestHost::start(Wanted::default()).await;
    run(&host, &["ask", "What is six times seven?"]).await;
    let done = run(&host, &["audit", "verify"]).await;
    assert!(done.code == 0 && done.out.starts_with("The chain is whole: "), "{done:?}");
    let exported = run(&host, &["audit", "export"]).await.out;
    let file = host.data.path().join("export.ndjson");
    std::fs::write(&file, &exported).unwrap();
    let path = file.to_str().unwrap();
    let checked = run(&host, &["audit", "verify", "--file", path, "-o", "json"]).await;
    assert_eq!((checked.code, &checked.json()["first_bad"]), (0, &serde_json::Value::Null));
    std::fs::write(&file, exported.replacen("six times", "sex times", 1)).unwrap();
    let changed = run(&host, &["audit", "verify", "--file", path]).await;
    assert!(changed.code == 65 && changed.out.contains("The chain is broken at event"), "{changed:?}");
    let data = host.stop().await;
    let launcher = TestLauncher::new(data.path());
    journal(data.path(), 1).await;
    let offline = Setup::default().run(&launcher, &["audit", "verify"]).await;
    assert!(offline.out.starts_with("The chain is whole: 1 event"), "{offline:?}");
    // A host that was killed leaves its address behind.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let left = json!({ "url": format!("http://{gone}"), "pid": 1 }).to_string();
    std::fs::write(data.path().join(crate::api::HOST_FILE), left).unwrap();
    let lines = Setup::default().run(&launcher, &["audit", "export"]).await.out;
    assert_eq!(lines.lines().count(), 2, "a header and an event: {lines}");
}

#[tokio::test]
async fn tree_is_drawn_once_or_until_interrupted() {
    let host = TestHost::start(Wanted::default()).await;
    let done = run(&host, &["tree"]).await;
    assert!(done.out.starts_with("host ") && done.out.contains("├─ router"), "{}", done.out);
    assert!(done.out.contains("│  └─ far") && done.out.contains("└─ api"), "{}", done.out);
    let launcher = TestLauncher::new(host.data.path());
    launcher.interrupt.cancel();
    let watched = Setup::default().run(&launcher, &["tree", "--watch", "-o", "json"]).await;
    assert_eq!((watched.code, watched.out.lines().count()), (0, 1));
    host.stop().await;
}

#[tokio::test]
async fn who_asks_for_budgets_that_are_not_there_hears_which_are() {
    let limit = Limit {
        scope: "tenant:*".to_owned(),
        window: Window::Day,
        money: None,
        tokens: Some(100_000),
        requests: Some(9),
    };
    let host = TestHost::start(Wanted { budgets: vec![limit], ..Wanted::default() }).await;
    let none = run(&host, &["budgets", "bogus"]).await;
    assert_eq!(none.out, "no budget's scope begins with \"bogus\"; there is none at all\n");
    assert!(run(&host, &["budgets"]).await.out.contains("begin with the first request"), "a limit is in force");
    run(&host, &["ask", "What is six times seven?"]).await;
    let none = run(&host, &["budgets", "bogus"]).await;
    assert_eq!(none.out, "no budget's scope begins with \"bogus\"; there are tenant:operator\n");
    assert!(run(&host, &["budgets", "tenant:o"]).await.out.contains("tenant:operator"));
    host.stop().await;
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked() {
    let host = TestHost::start(Wanted::default()).await;
    let made = run(&host, &["tokens", "make", "ci", "--scope", "read", "--scope", "route"]).await;
    let token = made.out.trim().to_owned();
    assert_eq!(run(&host, &["ask", "What is six times seven?", "--token", &token]).await.out, "Forty-two.\n");
    let listed = run(&host, &["tokens", "list"]).await.out;
    assert!(listed.lines().any(|line| line.split_whitespace().eq(["ci", "read,", "route", "never"])), "{listed}");
    assert_eq!(run(&host, &["tokens", "revoke", "ci"]).await.code, 0);
    assert_eq!(run(&host, &["tree", "--token", &token]).await.code, 77);
    let made = run(&host, &["tokens", "make", "acme/anna", "--scope", "read"]).await;
    assert_eq!(run(&host, &["tokens", "revoke", "acme/anna"]).await.out, "acme/anna was revoked\n");
    assert_eq!(run(&host, &["tree", "--token", made.out.trim()]).await.code, 77);
    host.stop().await;
}

#[tokio::test]
async fn a_host_that_was_killed_is_told_apart_from_none() {
    let data = tempfile::tempdir().unwrap();
    let launcher = TestLauncher::new(data.path());
    let ask = async |verb: &[&str]| Setup::default().run(&launcher, verb).await;
    let none = ask(&["runs"]).await;
    assert!(none.code == 69 && none.err.contains("it has no host.json"), "{none:?}");
    // Process ids end far below this one.
    let file = json!({ "url": "http://127.0.0.1:1", "pid": u32::MAX });
    std::fs::write(data.path().join(crate::api::HOST_FILE), file.to_string()).unwrap();
    for verb in [&["ask", "Hello"][..], &["runs"], &["why", "last"], &["tree"]] {
        let died = ask(verb).await;
        assert_eq!(died.code, 69, "{died:?}");
        let expected = format!(
            "the host on {} (pid 4294967295) ended without stopping; start it again (`syzygy up`), and `syzygy why RUN` \
             tells what became of its runs",
            data.path().display()
        );
        assert!(died.err.contains(&expected), "{verb:?}: {}", died.err);
    }
    let doctor = ask(&["doctor", "-o", "json"]).await;
    let host = doctor.json()[1].clone();
    assert_eq!((doctor.code, &host["name"], &host["verdict"]), (0, &json!("host"), &json!("lacking")));
    assert!(host["detail"].as_str().unwrap().contains("(pid 4294967295) ended without stopping"), "{host}");
}

#[tokio::test]
async fn verbs_about_this_machine_need_no_host() {
    let data = tempfile::tempdir().unwrap();
    let mut launcher = TestLauncher::new(data.path());
    let checked = Setup::default().run(&launcher, &["config", "check"]).await;
    insta::assert_snapshot!(checked.out, @r#"
    api.listen           = "127.0.0.1:7171"  # default
    host.stop_timeout_s  = 5                 # SYZYGY_HOST__STOP_TIMEOUT_S
    ladder.order         = ["local", "private", "partner", "external"]  # default
    smallest.value       = 123456789012345678901  # default
    "#);
    assert_eq!((checked.code, checked.err.as_str()), (0, "warning: nobody is called so\n"));
    let well = Setup::default().run(&launcher, &["doctor"]).await;
    insta::assert_snapshot!(well.out, @r"
    ok   data directory  it is writable
    ok   host            none runs on this data directory
    ");
    launcher.broken = true;
    let ill = Setup::default().run(&launcher, &["doctor", "-o", "json"]).await;
    assert_eq!((ill.code, &ill.json()[0]["verdict"]), (69, &json!("bad")));
    let models = Setup::default().run(&launcher, &["models", "list", "-o", "json"]).await.json();
    assert!(models.as_array().unwrap().iter().all(|model| model["state"] == "missing"), "{models}");
    let id = models[0]["id"].as_str().unwrap();
    let removed = Setup::default().run(&launcher, &["models", "rm", id]).await;
    assert_eq!(removed.out, format!("{id} was not here\n"));
    assert_eq!(Setup::default().run(&launcher, &["models", "rm", "nothing"]).await.code, 66);
    let failed = Setup::default().run(&launcher, &["models", "pull", id]).await;
    assert_eq!(failed.code, 69, "{}", failed.err);
}
