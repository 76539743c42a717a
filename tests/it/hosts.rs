//! Two hosts in one process do not see each other.

use crate::support::{cx, end, scripted, task};

// TE3.
#[tokio::test]
async fn two_hosts_in_one_process_do_not_see_each_other() {
    let (one, other) =
        (scripted("I am one.").start().await.unwrap(), scripted("I am the other.").start().await.unwrap());
    let paths =
        |host: &syzygy::host::Host| -> Vec<String> { host.tree().iter().map(|node| node.path.clone()).collect() };
    assert_eq!((paths(&one), paths(&other)), (vec!["host".to_owned()], vec!["host".to_owned()]));
    let (asked, answered) = (cx(&one), cx(&other));
    let (first, second) = tokio::join!(one.ask(&asked, task("Who?")), other.ask(&answered, task("Who?")));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!((first.answer.as_str(), second.answer.as_str()), ("I am one.", "I am the other."));
    other.journal().flush().await.unwrap();
    assert!(other.journal().read_run(first.run_id, 10).await.unwrap().is_empty());
    end(one).await;
    let still = other.ask(&cx(&other), task("Who?")).await.unwrap();
    assert_eq!(still.answer, "I am the other.", "the end of one is nothing to the other");
    end(other).await;
}
