//! Zoi: told a fact, she knows it after the host was started again.

use std::path::Path;

use syzygy::actors::io::Task;
use syzygy::host::Host;
use syzygy::inference::{Scripted, Step};

use crate::support::{cx, end, events, real_models, task};

fn to_zoi(prompt: &str) -> Task {
    Task { agent: Some("zoi".to_owned()), ..task(prompt) }
}

/// A host on this directory whose model says back what it is asked.
async fn echoing(data: &Path) -> Host {
    let echo = Scripted::new("local", |request| vec![Step::text(request.messages.last().unwrap().content.clone())]);
    Host::builder().data_dir(data).runtime(echo).start().await.unwrap()
}

#[tokio::test]
async fn what_zoi_is_told_she_knows_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let host = echoing(data.path()).await;
    let told = host.ask(&cx(&host), to_zoi("My dog is called Rex.")).await.unwrap();
    assert_eq!(told.served_by, ["zoi@local"]);
    let deltas = events(&host, told.run_id).await.into_iter().filter(|event| event.kind == "memory.delta").count();
    assert_eq!(deltas, 1);
    end(host).await;
    let host = echoing(data.path()).await;
    let asked = host.ask(&cx(&host), to_zoi("What is my dog called?")).await.unwrap();
    assert!(asked.answer.contains("My dog is called Rex"), "{}", asked.answer);
    let beside = host.ask(&cx(&host), to_zoi("How high is the moon?")).await.unwrap();
    assert_eq!(beside.answer, "How high is the moon?");
    // What Zoi knows is hers: Marvin is told nothing of it.
    let other = Task { agent: Some("marvin".to_owned()), ..task("What is my dog called?") };
    let marvin = host.ask(&cx(&host), other).await.unwrap();
    assert_eq!((marvin.answer.as_str(), marvin.served_by), ("What is my dog called?", vec!["marvin@local".to_owned()]));
    end(host).await;
}

#[tokio::test]
async fn the_real_model_answers_from_what_zoi_was_told_before_the_restart() {
    let Some(models) = real_models() else { return };
    let data = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(models, data.path().join("models")).unwrap();
    let start = async || Host::builder().data_dir(data.path()).start().await.unwrap();
    let host = start().await;
    let told = host.ask(&cx(&host), to_zoi("Please remember: my dog is called Rex.")).await.unwrap();
    assert!(!told.answer.trim().is_empty());
    end(host).await;
    let host = start().await;
    let asked = host.ask(&cx(&host), to_zoi("What is my dog called?")).await.unwrap();
    assert!(asked.answer.contains("Rex"), "{}", asked.answer);
    assert!(asked.usage.output_tokens > 0);
    end(host).await;
}
