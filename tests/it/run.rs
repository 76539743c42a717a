//! One task, from request to answer, through every layer.

use std::time::Duration;

use syzygy::actors::io::Task;

use crate::support::scripted;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_task_is_answered_and_every_step_is_on_the_record() {
    let host = scripted("Forty-two.").start().await.unwrap();
    let cx = host.context("tester", MINUTE);
    let task = Task { prompt: "What is six times seven?".to_owned(), ..Task::default() };
    let answer = host.ask(&cx, task).await.unwrap();
    assert_eq!(answer.answer, "Forty-two.");
    assert_eq!(answer.served_by, ["marvin@local"]);
    host.journal().flush().await.unwrap();
    let events = host.journal().read_run(answer.run_id, 100).await.unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    let expected = [
        "run.accepted",
        "task.classified",
        "task.chunked",
        "hop.decided",
        "hop.admitted",
        "hop.served",
        "run.completed",
    ];
    assert_eq!(kinds, expected);
    let verification = host.journal().verify().await.unwrap();
    assert_eq!(verification.first_bad, None);
    host.shutdown(MINUTE).await.unwrap();
}
