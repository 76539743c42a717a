//! The shell over a journal in memory: verdicts, edits, lists, deadlines, and what a restart finds.

use std::sync::Arc;

use serde_json::json;

use super::support::{bench, bench_on, config, item, need};
use crate::actors::inbox::{Error, Said, settled};
use crate::actors::tests::{SECOND, configs, later};
use crate::store::{Disk, Durability, Journal};
use crate::types::Class;
use crate::ziggy::review::{Edits, ItemStatus, Need, OnExpiry};

fn edits(text: &str) -> Said {
    Said { edits: Edits::from([("/answer".to_owned(), text.to_owned())]), ..Said::default() }
}

#[tokio::test(start_paused = true)]
async fn a_verdict_is_in_the_journal_with_its_author_before_it_is_answered() {
    let bench = bench().await;
    let opened = bench.open(1, need(1, 60)).await;
    let mut closings = bench.inbox.closings();
    closings.mark_unchanged();
    let said = Said { comment: Some("fine".to_owned()), ..Said::default() };
    let item = bench.inbox.approve(&bench.who("ann"), &opened.id, said).await.unwrap();
    assert_eq!((item.status, item.goes_on), (ItemStatus::Approved, true));
    let kinds: Vec<String> = bench.events("hitl.").await.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["hitl.opened", "hitl.verdict", "hitl.closed"]);
    let verdict = bench.events("hitl.verdict").await.remove(0).body.value();
    assert_eq!((&verdict["verdict"]["author"], &verdict["verdict"]["comment"]), (&json!("ann"), &json!("fine")));
    assert_eq!(bench.inbox.item(&opened.id).await.unwrap(), item, "what was answered is what a restart finds");
    assert!(closings.has_changed().unwrap());
    let closed = bench.inbox.deny(&bench.who("bob"), &opened.id, Said::default()).await.unwrap_err();
    assert_eq!(closed.class(), Class::Conflict);
    assert!(closed.to_string().contains("it is approved since") && closed.to_string().contains("by ann"), "{closed}");
    let unknown = bench.inbox.deny(&bench.who("bob"), "nothing-1", Said::default()).await.unwrap_err();
    assert!(matches!(unknown, Error::Unknown(_)) && unknown.class() == Class::NotFound, "{unknown}");
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_changes_what_is_shown_and_is_in_no_event() {
    let bench = bench().await;
    let opened = bench.open(1, need(2, 60)).await;
    bench.inbox.approve(&bench.who("ann"), &opened.id, Said::default()).await.unwrap();
    let edited = bench.inbox.approve(&bench.who("bob"), &opened.id, edits("Forty-three, in secret.")).await.unwrap();
    assert_eq!((edited.revision, edited.status), (1, ItemStatus::Open), "ann has not seen that (IT4)");
    let stale = Said { seen: Some(0), ..Said::default() };
    let error = bench.inbox.approve(&bench.who("ann"), &opened.id, stale).await.unwrap_err();
    assert!(error.to_string().contains("revision 1 and not 0"), "{error}");
    assert_eq!(bench.inbox.payload(&edited).await.unwrap()["answer"], "Forty-three, in secret.");
    let done = bench.inbox.approve(&bench.who("ann"), &opened.id, Said::default()).await.unwrap();
    assert_eq!(done.status, ItemStatus::Approved);
    for event in bench.events("").await {
        let text = event.body.text();
        assert!(!text.contains("in secret") && !text.contains("Forty-two"), "IN3: {}", event.kind);
    }
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_changed_or_makes_no_sense_is_refused() {
    let bench = bench().await;
    let opened = bench.open(1, need(1, 60)).await;
    let ann = bench.who("ann");
    let other = Said { edits: Edits::from([("/task/prompt".to_owned(), "x".to_owned())]), ..Said::default() };
    let long = "x".repeat(1_001);
    let rows = [(other, "what may is /answer"), (edits(" "), "to nothing"), (edits(&long), "review.edit_bytes_max")];
    for (said, expected) in rows {
        let error = bench.inbox.approve(&ann, &opened.id, said).await.unwrap_err();
        assert_eq!(error.class(), Class::Invalid, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = bench.inbox.deny(&ann, &opened.id, edits("Forty-three.")).await.unwrap_err();
    assert_eq!(error.class(), Class::Invalid, "{error}");
    let comment = Some("x".repeat(5_000));
    let error = bench.inbox.deny(&ann, &opened.id, Said { comment, ..Said::default() }).await.unwrap_err();
    assert!(error.to_string().contains("at most 4096 bytes"), "{error}");
    assert_eq!(bench.inbox.delegate(&ann, &opened.id, " ", None).await.unwrap_err().class(), Class::Invalid);
    let asked = bench.inbox.delegate(&ann, &opened.id, "bob", None).await.unwrap();
    assert!(asked.asks().starts_with("It waits for bob until"), "{}", asked.asks());
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_item_nobody_decides_on_expires_as_its_rule_says_also_while_the_host_is_down() {
    let disk = Disk::default();
    let first = bench_on(&disk, configs::inbox(), &Arc::default()).await;
    let mut closings = first.inbox.closings();
    closings.mark_unchanged();
    let denied = first.open(1, need(1, 60)).await;
    let granted = first.open(2, Need { on_expiry: OnExpiry::Approve, ..need(1, 3_600) }).await;
    // It has a minute, so waiting for as long as other things may take is a little too short.
    tokio::time::timeout(120 * SECOND, closings.changed()).await.unwrap().unwrap();
    let item = first.inbox.item(&denied.id).await.unwrap();
    assert_eq!((item.status, item.goes_on), (ItemStatus::Expired, false));
    assert!(item.closed_at >= Some(item.deadline) && item.closed_at < Some(later(61 * SECOND)), "{item:?}");
    first.end().await;
    tokio::time::advance(2 * 3_600 * SECOND).await;
    // The wall of the second life begins where the first one's did, so it waits its own hour.
    let second = bench_on(&disk, configs::inbox(), &Arc::default()).await;
    let mut closings = second.inbox.closings();
    tokio::time::timeout(2 * 3_600 * SECOND, closings.wait_for(|count| *count >= 2)).await.unwrap().unwrap();
    let item = second.inbox.item(&granted.id).await.unwrap();
    assert_eq!((item.status, item.goes_on), (ItemStatus::Expired, true));
    second.end().await;
}

// IN4.
#[tokio::test(start_paused = true)]
async fn a_closed_item_is_unsettled_until_its_run_has_heard_of_it_over_restarts_too() {
    let disk = Disk::default();
    let first = bench_on(&disk, configs::inbox(), &Arc::default()).await;
    let one = first.open(1, need(1, 60)).await;
    let other = first.open(2, need(1, 60)).await;
    first.inbox.deny(&first.who("ann"), &one.id, Said::default()).await.unwrap();
    first.end().await;
    let second = bench_on(&disk, configs::inbox(), &Arc::default()).await;
    let unsettled = second.inbox.unsettled().await.unwrap();
    assert_eq!(unsettled.iter().map(|item| item.id.clone()).collect::<Vec<_>>(), std::slice::from_ref(&one.id));
    second.journal.append(vec![settled(&unsettled[0], "test")], Durability::Durable).await.unwrap();
    assert!(second.inbox.unsettled().await.unwrap().is_empty());
    assert!(second.inbox.item(&one.id).await.unwrap().settled);
    let item = second.inbox.approve(&second.who("ann"), &other.id, Said::default()).await.unwrap();
    assert_eq!(item.status, ItemStatus::Approved, "an open item is open after a restart");
    second.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_list_goes_page_by_page_and_by_status() {
    let bench = bench_on(&Disk::default(), config(|config| config.open_most = 100), &Arc::default()).await;
    let mut ids = Vec::new();
    for number in 1..=9 {
        ids.push(bench.open(number, need(1, 60)).await.id);
    }
    bench.inbox.deny(&bench.who("ann"), &ids[4], Said::default()).await.unwrap();
    ids.reverse();
    let (mut listed, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
    loop {
        let page = bench.inbox.list(None, after.as_deref(), 4).await.unwrap();
        listed.extend(page.items.into_iter().map(|item| item.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed, ids);
    let open = bench.inbox.list(Some(ItemStatus::Open), None, 100).await.unwrap();
    assert_eq!((open.items.len(), open.next), (8, None));
    let denied = bench.inbox.list(Some(ItemStatus::Denied), None, 100).await.unwrap();
    assert_eq!(denied.items.iter().map(|item| item.id.clone()).collect::<Vec<_>>(), [ids[4].clone()]);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_inbox_that_failed_goes_on_from_the_journal() {
    let bench = bench().await;
    let opened = bench.open(1, need(1, 60)).await;
    bench.journal.fail_next_commit("disk full");
    let error = bench.inbox.approve(&bench.who("ann"), &opened.id, Said::default()).await.unwrap_err();
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    assert_eq!(
        bench.inbox.item(&opened.id).await.unwrap(),
        item(1, 1, 60, opened.opened_at).with_payload(opened.payload)
    );
}

trait WithPayload {
    fn with_payload(self, payload: crate::types::Hash) -> Self;
}

impl WithPayload for crate::ziggy::review::Item {
    fn with_payload(mut self, payload: crate::types::Hash) -> Self {
        self.payload = payload;
        self
    }
}
