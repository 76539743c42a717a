//! Marvin answers a question about a repository by calling git.

use std::path::Path;

use serde_json::json;
use syzygy::actors::agent::{Definition, Profile};
use syzygy::actors::io::Task;
use syzygy::inference::{Scripted, Step};
use syzygy::sandbox::jail::Jail;

use super::git::{git, two_commits};
use super::{configured, give_all, jailed};
use crate::sandbox;
use crate::support::{cx, end, events, task};

/// Marvin as he is, with tools to look at a repository in the folder `poems`.
fn marvin() -> Definition {
    let mut profile: Profile = toml::from_str(include_str!("../../../config/agents/marvin.toml")).unwrap();
    profile.workspace = "poems".to_owned();
    profile.tools = ["git.log", "git.show"].map(str::to_owned).to_vec();
    Definition::prompted(profile)
}

#[tokio::test]
async fn marvin_answers_a_question_about_a_repository_by_calling_git() {
    let _: Jail = match sandbox::jail().await {
        Some(jail) => jail,
        None => return,
    };
    let (data, trees) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let poems: &Path = trees.path();
    two_commits(poems);
    give_all(poems);
    let head = git(poems, &["rev-parse", "HEAD"]);
    // A model that knows nothing: each turn is made of what the tools said in the one before.
    let model = Scripted::new("local", |request| {
        let told: Vec<&str> = request
            .messages
            .iter()
            .filter(|message| message.tool_call_id.is_some())
            .map(|message| message.content.as_str())
            .collect();
        match told.as_slice() {
            [] => {
                assert_eq!(
                    request.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(),
                    ["git.log", "git.show"]
                );
                vec![Step::call("1", "git.log", json!({ "limit": 1 }))]
            }
            [log] => {
                let log: serde_json::Value = serde_json::from_str(log).unwrap();
                vec![Step::call("2", "git.show", json!({ "revision": log["commits"][0]["id"] }))]
            }
            [_, shown] => {
                let shown: serde_json::Value = serde_json::from_str(shown).unwrap();
                let text = shown["text"].as_str().unwrap();
                let author = text.lines().find_map(|line| line.strip_prefix("author ")).unwrap();
                let added: Vec<&str> = text
                    .lines()
                    .filter_map(|line| line.strip_prefix('+'))
                    .filter(|line| !line.starts_with("++"))
                    .collect();
                vec![Step::text(format!("{author} added {}.", added.join(" and ")))]
            }
            more => panic!("{more:?}"),
        }
    });
    let mut config = configured(data.path(), &["git.log", "git.show"]);
    config.tools.readable.insert("poems".to_owned(), poems.to_owned());
    let host = jailed(data.path(), config).runtime(model).agent(marvin()).start().await.unwrap();
    let asked = Task { agent: Some("marvin".to_owned()), ..task("Who changed the poem last, and what was added?") };
    let answer = host.ask(&cx(&host), asked).await.unwrap();
    assert_eq!(answer.answer, "Ada added naïve and three.");
    assert_eq!(answer.served_by, ["marvin@local"]);
    // On the record is what was called, with what, and what came of it.
    let seen = events(&host, answer.run_id).await;
    let of = |kind: &str| seen.iter().filter(|event| event.kind == kind).count();
    assert_eq!((of("tool.called"), of("tool.invoked"), of("tool.answered")), (2, 2, 2));
    let called = seen.iter().rfind(|event| event.kind == "tool.called").unwrap();
    assert_eq!(called.body.value()["arguments"]["revision"], json!(head));
    end(host).await;
}
