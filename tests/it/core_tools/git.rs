//! git on a granted folder, the real program in a jail.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use syzygy::actors::executor::Request;
use syzygy::lap::Workspace;
use syzygy::sandbox::{Access, Tier};
use syzygy::types::Class;

use super::{Bench, give_all};
use crate::support::cx;

/// The program itself, with times and names that are always the same.
pub(super) fn git(folder: &Path, words: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "safe.directory=*", "-c", "init.defaultBranch=main"]).args(words);
    for (name, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "Ada"),
        ("GIT_AUTHOR_EMAIL", "ada@example.com"),
        ("GIT_COMMITTER_NAME", "Ada"),
        ("GIT_COMMITTER_EMAIL", "ada@example.com"),
        ("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z"),
        ("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z"),
    ] {
        command.env(name, value);
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

/// A repository of two commits, whose ids are always the same.
pub(super) fn two_commits(folder: &Path) {
    git(folder, &["init", "--quiet"]);
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("poem.txt", "one\ntwo\n");
    git(folder, &["add", "poem.txt"]);
    git(folder, &["commit", "--quiet", "--message=Begin the poem"]);
    write("poem.txt", "one\ntwo\nthree\n");
    write("notes.txt", "naïve\n");
    git(folder, &["add", "."]);
    git(folder, &["commit", "--quiet", "--message=Go on with the poem\n\nIt had only two lines."]);
}

/// A bench of which the granted folder is such a repository.
async fn bench() -> Option<Bench> {
    Bench::new(&["git"], two_commits).await
}

#[tokio::test]
async fn each_tool_of_git_passes_its_contract_tests_and_its_recorded_calls() {
    let Some(bench) = bench().await else { return };
    for tool in ["git.log", "git.show", "git.diff", "git.commit", "git.clone"] {
        bench.prove(tool).await;
    }
    bench.end().await;
}

#[tokio::test]
async fn history_is_looked_at_in_a_jail_and_nothing_is_changed() {
    let Some(bench) = bench().await else { return };
    let answer = bench.call("git.log", json!({ "limit": 1 })).await.unwrap();
    assert_eq!(answer.tier, Some(Tier::Jail));
    assert_eq!(answer.effects.written, []);
    assert_eq!(answer.value["more"], true);
    let commit = &answer.value["commits"][0];
    assert_eq!((&commit["subject"], &commit["author"]), (&json!("Go on with the poem"), &json!("Ada")));
    let first = bench.value("git.log", json!({ "path": "notes.txt", "revision": "main" })).await;
    assert_eq!(first["commits"].as_array().unwrap().len(), 1);
    let shown = bench.value("git.show", json!({ "revision": "HEAD" })).await;
    let text = shown["text"].as_str().unwrap();
    assert!(text.contains("It had only two lines.") && text.contains("+three"), "{text}");
    let cut = bench.value("git.show", json!({ "revision": "HEAD", "bytes": 100 })).await;
    assert!(cut["cut"].as_u64().unwrap() > 0 && cut["text"].as_str().unwrap().ends_with("bytes]"), "{cut}");
    let stat = bench.value("git.diff", json!({ "from": "HEAD~1", "stat": true })).await;
    assert!(stat["text"].as_str().unwrap().contains("notes.txt"), "{stat}");
    for (tool, input, class) in [
        ("git.log", json!({ "revision": "nowhere" }), Class::NotFound),
        ("git.show", json!({ "revision": "HEAD", "path": "absent.txt" }), Class::NotFound),
        ("git.log", json!({ "repository": "absent" }), Class::Invalid),
    ] {
        let refused = bench.call(tool, input.clone()).await.unwrap_err();
        assert_eq!(refused.class(), class, "{tool} {input}: {refused}");
    }
    bench.end().await;
}

#[tokio::test]
async fn a_commit_takes_the_named_files_and_a_second_one_finds_nothing() {
    let Some(bench) = bench().await else { return };
    let trees = bench.trees.path();
    std::fs::write(trees.join("new.txt"), "new\n").unwrap();
    std::fs::write(trees.join("other.txt"), "other\n").unwrap();
    give_all(trees);
    let input = json!({ "message": "Add new\n\n# kept", "paths": ["new.txt"] });
    let made = bench.value("git.commit", input.clone()).await;
    assert_eq!(made["made"], true);
    let again = bench.value("git.commit", input).await;
    assert_eq!((&again["made"], &again["commit"]), (&json!(false), &made["commit"]));
    let id = made["commit"].as_str().unwrap();
    assert_eq!(git(trees, &["show", "--format=%an|%B", "--name-only", id]), "tester|Add new\n\n# kept\n\n\nnew.txt");
    assert!(git(trees, &["status", "--porcelain"]).contains("?? other.txt"));

    // Under a granted folder that may only be looked at there is no commit.
    let workspace = Some(Workspace { source: trees.to_owned(), access: Access::ReadOnly });
    let arguments = json!({ "message": "x", "paths": ["other.txt"] });
    let request = Request { tool: "git.commit".to_owned(), arguments, workspace, ..Request::default() };
    let refused = bench.host.tools().invoke(&cx(&bench.host), request).await.unwrap_err();
    assert_eq!(refused.class(), Class::Denied, "{refused}");
    bench.end().await;
}

#[tokio::test]
async fn a_copy_has_the_whole_history_and_takes_nobodys_place() {
    let fill = |trees: &Path| {
        std::fs::create_dir(trees.join("site")).unwrap();
        two_commits(&trees.join("site"));
    };
    let Some(bench) = Bench::new(&["git"], fill).await else { return };
    let input = json!({ "source": "site", "target": "trial" });
    let made = bench.value("git.clone", input.clone()).await;
    assert_eq!(made["head"], git(&bench.trees.path().join("site"), &["rev-parse", "HEAD"]));
    let log = bench.value("git.log", json!({ "repository": "trial" })).await;
    assert_eq!(log["commits"].as_array().unwrap().len(), 2);
    assert_eq!(std::fs::read_to_string(bench.trees.path().join("trial/poem.txt")).unwrap(), "one\ntwo\nthree\n");
    let input = json!({ "source": "trial", "target": "site" });
    let refused = bench.call("git.clone", input).await.unwrap_err();
    assert_eq!(refused.class(), Class::Conflict, "{refused}");
    bench.end().await;
}

/// A program that leaves a mark in the granted folder.
fn marker(trees: &Path) -> String {
    use std::os::unix::fs::PermissionsExt;
    let program = trees.join("mark.sh");
    std::fs::write(&program, "#!/bin/sh\ntouch /granted/workspace/MARK \"$0.mark\"\ncat\nexit 0\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    "/granted/workspace/mark.sh".to_owned()
}

/// Sets everything in a repository that makes git run a program.
fn armed(trees: &Path) {
    two_commits(trees);
    let program = marker(trees);
    for key in [
        "core.fsmonitor",
        "core.pager",
        "core.editor",
        "core.sshCommand",
        "core.askPass",
        "core.alternateRefsCommand",
        "diff.external",
        "diff.evil.command",
        "diff.evil.textconv",
        "credential.helper",
        "gpg.program",
        "gpg.ssh.program",
        "pager.log",
        "pager.show",
        "pager.diff",
        "alias.log",
        "alias.show",
        "alias.commit",
        "sequence.editor",
        "uploadpack.packObjectsHook",
    ] {
        let value = if key.starts_with("alias.") { format!("!{program}") } else { program.clone() };
        git(trees, &["config", key, &value]);
    }
    git(trees, &["config", "log.showSignature", "true"]);
    git(trees, &["config", "commit.gpgSign", "true"]);
    git(trees, &["config", "core.hooksPath", "hooks"]);
    std::fs::create_dir(trees.join("hooks")).unwrap();
    for hook in [
        "pre-commit",
        "commit-msg",
        "prepare-commit-msg",
        "post-commit",
        "post-checkout",
        "post-index-change",
        "reference-transaction",
    ] {
        for folder in ["hooks", ".git/hooks"] {
            std::fs::create_dir_all(trees.join(folder)).unwrap();
            std::fs::copy(trees.join("mark.sh"), trees.join(folder).join(hook)).unwrap();
        }
    }
    std::fs::create_dir_all(trees.join(".git/info")).unwrap();
    std::fs::write(trees.join(".git/info/attributes"), "* diff=evil\n").unwrap();
    std::fs::write(trees.join(".gitattributes"), "* diff=evil\n").unwrap();
    std::fs::write(trees.join("changed.txt"), "changed\n").unwrap();
}

#[tokio::test]
async fn nothing_that_a_repository_says_is_run() {
    let Some(bench) = Bench::new(&["git"], armed).await else { return };
    let trees = bench.trees.path();
    // That the repository is armed is seen where nothing is held back.
    let calls: Vec<(&str, Value)> = vec![
        ("git.log", json!({})),
        ("git.log", json!({ "path": "poem.txt" })),
        ("git.show", json!({ "revision": "HEAD" })),
        ("git.show", json!({ "revision": "HEAD", "path": "poem.txt" })),
        ("git.diff", json!({ "from": "HEAD~1" })),
        ("git.diff", json!({ "from": "HEAD~1", "stat": true })),
        ("git.commit", json!({ "message": "m", "paths": ["changed.txt"] })),
    ];
    for (tool, input) in calls {
        bench.value(tool, input.clone()).await;
        let marks: Vec<String> = std::fs::read_dir(trees)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains("MARK") || name.ends_with(".mark"))
            .collect();
        assert_eq!(marks, Vec::<String>::new(), "{tool} {input} ran what the repository says");
    }
    // A filter has a name that nobody knows beforehand; such a repository is not committed to.
    git(trees, &["config", "filter.evil.clean", "/granted/workspace/mark.sh"]);
    std::fs::write(trees.join(".git/info/attributes"), "* filter=evil\n").unwrap();
    std::fs::write(trees.join("changed.txt"), "changed again\n").unwrap();
    give_all(trees);
    let refused = bench.call("git.commit", json!({ "message": "m", "paths": ["changed.txt"] })).await.unwrap_err();
    assert_eq!(refused.class(), Class::Denied, "{refused}");
    assert!(refused.to_string().contains("filter.evil.clean") && !trees.join("MARK").exists(), "{refused}");
    bench.end().await;
}

#[tokio::test]
async fn an_armed_repository_does_run_programs_where_nothing_is_held_back() {
    let trees = tempfile::tempdir().unwrap();
    two_commits(trees.path());
    let program = trees.path().join("mark.sh");
    marker(trees.path());
    // The same program at a place that is there outside of a jail too.
    git(trees.path(), &["config", "diff.evil.textconv", program.to_str().unwrap()]);
    std::fs::write(trees.path().join(".gitattributes"), "* diff=evil\n").unwrap();
    git(trees.path(), &["show", "HEAD"]);
    assert!(trees.path().join("mark.sh.mark").exists(), "the test above would prove nothing");
}

#[tokio::test]
async fn nothing_outside_of_the_granted_folder_is_seen() {
    let fill = |trees: &Path| {
        two_commits(trees);
        std::os::unix::fs::symlink("/etc", trees.join("etc")).unwrap();
        std::fs::create_dir(trees.join("linked")).unwrap();
        std::fs::write(trees.join("linked/.git"), "gitdir: /etc\n").unwrap();
        std::fs::create_dir(trees.join("borrowed")).unwrap();
        git(&trees.join("borrowed"), &["init", "--quiet"]);
        std::fs::write(trees.join("borrowed/.git/objects/info/alternates"), "/etc\n").unwrap();
    };
    let Some(bench) = Bench::new(&["git"], fill).await else { return };
    for (tool, input) in [
        ("git.log", json!({ "repository": "etc" })),
        ("git.log", json!({ "repository": "linked" })),
        ("git.log", json!({ "repository": "borrowed" })),
        ("git.show", json!({ "revision": "HEAD", "path": "etc/passwd" })),
        ("git.clone", json!({ "source": "etc", "target": "copy" })),
        ("git.commit", json!({ "message": "m", "paths": ["etc/passwd"] })),
    ] {
        let refused = bench.call(tool, input.clone()).await.unwrap_err();
        assert!(!refused.to_string().contains("root:"), "{tool} {input}: {refused}");
    }
    bench.end().await;
}
