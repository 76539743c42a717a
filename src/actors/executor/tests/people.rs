//! People who are asked about calls: who agrees, who denies, and what becomes of calls in doubt.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::calls::{Stage, answers, described, effect, stage, stage_with};
use super::*;
use crate::actors::executor;
use crate::sandbox::Script;
use crate::store::{Durability, NewEvent};
use crate::types::{Cx, Hash, RunId, Timestamp};
use crate::ziggy::review::{Item, ItemStatus, Kind, Opinion, Verdict};

/// An inbox in memory that decides as the real one does.
pub(super) struct Desk {
    items: Mutex<Vec<(Item, Value)>>,
    closings: watch::Sender<u64>,
    world: World,
}

impl Desk {
    pub(super) fn new(world: &World) -> Arc<Desk> {
        Arc::new(Desk { items: Mutex::default(), closings: watch::Sender::default(), world: world.clone() })
    }

    pub(super) fn items(&self) -> Vec<Item> {
        self.items.lock().iter().map(|(item, _)| item.clone()).collect()
    }

    /// Ann says something of the last item.
    pub(super) fn says(&self, opinion: Opinion, answer: Option<&str>) {
        let mut items = self.items.lock();
        let (item, payload) = items.last_mut().unwrap();
        if let Some(answer) = answer {
            payload["answer"] = json!(answer);
        }
        let comment = Some("I looked".to_owned());
        let (edited, at, revision) = (Vec::new(), Timestamp::default(), item.revision);
        let verdict = Verdict { author: "ann".to_owned(), at, opinion, comment, edited, revision };
        let happened = item.judge(verdict, None, self.world.clock.wall()).unwrap();
        *item = happened.iter().fold(Some(item.clone()), Item::after).unwrap();
        drop(items);
        self.closings.send_modify(|count| *count += 1);
    }

    fn change(&self, id: &str, change: impl Fn(&mut Item)) {
        self.items.lock().iter_mut().filter(|(item, _)| item.id == id).for_each(|(item, _)| change(item));
    }
}

#[async_trait]
impl People for Desk {
    async fn newest(&self, subject: RunId) -> Result<Option<Item>, Unheard> {
        let begin = format!("{subject}-");
        Ok(self.items().into_iter().rfind(|item| item.id.starts_with(&begin)))
    }

    async fn ask(&self, _cx: &Cx, question: Question) -> Result<Item, Unheard> {
        let Question { subject, number, run, need, payload, editable } = question;
        let (id, hash) = (format!("{subject}-{number}"), Hash::of(payload.to_string().as_bytes()));
        let item = Item::new(id, run.unwrap_or(subject), need, hash, editable, self.world.clock.wall());
        self.items.lock().push((item.clone(), payload));
        Ok(item)
    }

    async fn is_open(&self, id: &str) -> Result<bool, Unheard> {
        Ok(self.items().iter().any(|item| item.id == id && item.status == ItemStatus::Open))
    }

    async fn payload(&self, item: &Item) -> Result<Value, Unheard> {
        let items = self.items.lock();
        Ok(items.iter().find(|(known, _)| known.id == item.id).map(|(_, payload)| payload.clone()).unwrap())
    }

    async fn closed(&self) -> Result<Vec<Item>, Unheard> {
        Ok(self.items().into_iter().filter(|item| item.status != ItemStatus::Open && !item.settled).collect())
    }

    async fn settle(&self, item: &Item) -> Result<(), Unheard> {
        self.change(&item.id, |item| item.settled = true);
        Ok(())
    }

    async fn withdraw(&self, _cx: &Cx, id: &str) -> Result<(), Unheard> {
        self.change(id, |item| item.status = ItemStatus::Cancelled);
        self.closings.send_modify(|count| *count += 1);
        Ok(())
    }

    fn closings(&self) -> watch::Receiver<u64> {
        self.closings.subscribe()
    }
}

fn careful(value: &mut Value) {
    effect(value);
    value["policy"] = json!({ "approval": "always" });
}

async fn bench(patience: u64) -> (Stage, Arc<Desk>) {
    let desk = Desk::new(&world());
    let slow = described("note.slow", effect);
    let tools = vec![(described("note.add", careful), answers(7)), (slow, Script::default().hangs())];
    (stage_with(tools, desk.clone(), patience).await, desk)
}

/// Lets what the executor does beside calls come to rest.
async fn settled(desk: &Desk) {
    for _ in 0..200 {
        if desk.closed().await.unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody acts on {:?}", desk.items());
}

fn waits(answer: Result<executor::Answer, Error>) -> String {
    match answer {
        Err(Error::Waits { item, .. }) => item,
        other => panic!("it does not wait: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_a_person_has_to_agree_to_is_made_once_for_each_agreement() {
    let (stage, desk) = bench(0).await;
    let item = waits(stage.call("note.add", Some("k"), "milk").await);
    // Who asks again waits for the same, and another call is another question.
    assert_eq!(waits(stage.call("note.add", Some("k"), "milk").await), item);
    assert_ne!(waits(stage.call("note.add", Some("k"), "bread").await), item);
    assert_eq!((stage.docker.calls().len(), desk.items().len()), (0, 2));
    desk.says(Opinion::Approve, None);
    assert_eq!(stage.call("note.add", Some("l"), "bread").await.unwrap().value, json!({ "n": 7 }));
    // The same key is the same call, which has been made; another one is asked about again.
    assert_eq!(stage.call("note.add", Some("l"), "bread").await.unwrap().how, How::Repeated);
    let next = waits(stage.call("note.add", Some("m"), "bread").await);
    assert!(next.ends_with("-2"), "{next}");
    assert_eq!((stage.docker.calls().len(), desk.items().len()), (1, 3));
    let asked = desk.items().pop().unwrap();
    assert_eq!((asked.kind, asked.quorum), (Kind::ToolCall, 1));
    assert!(asked.reasons[0].words().contains("calls note.add@1.0.0, and a person has to agree"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn where_nobody_can_be_asked_it_is_not_called() {
    let stage = stage(vec![(described("note.add", careful), answers(7))]).await;
    let denied = stage.call("note.add", None, "milk").await.unwrap_err();
    assert_eq!(denied.class(), Class::Denied);
    assert!(denied.to_string().contains("this host has nobody to ask"), "{denied}");
    assert!(stage.docker.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_calls_do_not_share_an_agreement() {
    let (stage, desk) = bench(0).await;
    waits(stage.call("note.add", None, "milk").await);
    desk.says(Opinion::Approve, None);
    let both = join_all([Some("k"), Some("l")].map(|key| stage.call("note.add", key, "milk"))).await;
    assert_eq!(both.iter().filter(|answer| answer.is_ok()).count(), 1, "{both:?}");
    assert_eq!(stage.docker.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_denial_counts_and_nobody_is_asked_the_same_until_its_time_is_over() {
    let (stage, desk) = bench(0).await;
    let item = waits(stage.call("note.add", None, "milk").await);
    desk.says(Opinion::Deny, None);
    settled(&desk).await;
    let denied = stage.call("note.add", None, "milk").await.unwrap_err();
    assert_eq!(denied.class(), Class::Denied);
    let words = denied.to_string();
    assert!(words.contains("ann denied it") && words.contains(&item) && words.contains(": I looked"), "{words}");
    assert_eq!(desk.items().len(), 1);
    tokio::time::advance(3_601 * SECOND).await;
    waits(stage.call("note.add", None, "milk").await);
    assert_eq!((stage.docker.calls().len(), desk.items().len()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn an_agreement_does_not_hold_for_ever() {
    let (stage, desk) = bench(0).await;
    waits(stage.call("note.add", None, "milk").await);
    desk.says(Opinion::Approve, None);
    tokio::time::advance(3_601 * SECOND).await;
    let item = waits(stage.call("note.add", None, "milk").await);
    assert!(item.ends_with("-2"), "{item}");
    assert!(stage.docker.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_waits_has_its_answer_when_a_person_agrees_and_takes_no_place_meanwhile() {
    let (stage, desk) = bench(20).await;
    let began = stage.world.clock.now();
    let call = stage.call("note.add", None, "milk");
    let agrees = async {
        tokio::time::sleep(5 * SECOND).await;
        assert_eq!(desk.items().len(), 1);
        desk.says(Opinion::Approve, None);
    };
    let (answer, ()) = tokio::join!(call, agrees);
    assert_eq!(answer.unwrap().value, json!({ "n": 7 }));
    assert_eq!((stage.world.clock.now() - began).as_secs(), 5);
    // Nobody says anything: half of the thirty seconds of the caller's time.
    let began = stage.world.clock.now();
    waits(stage.call("note.add", None, "bread").await);
    assert_eq!((stage.world.clock.now() - began).as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn people_say_in_the_inbox_what_became_of_a_call_in_doubt() {
    let (stage, desk) = bench(0).await;
    let doubted = |key| stage.call("note.slow", Some(key), "milk");
    assert!(matches!(doubted("k").await, Err(Error::InDoubt { .. })));
    let item = desk.items().pop().unwrap();
    assert_eq!((item.kind, item.status), (Kind::ToolDoubt, ItemStatus::Open));
    assert!(item.reasons[0].words().contains("nobody knows whether that was done"), "{item:?}");
    desk.says(Opinion::Approve, Some(r#"{"n": 9}"#));
    settled(&desk).await;
    let known = doubted("k").await.unwrap();
    assert_eq!((known.how, known.value), (How::Repeated, json!({ "n": 9 })));
    // It was not done, and so it is made again.
    assert!(matches!(doubted("l").await, Err(Error::InDoubt { .. })));
    desk.says(Opinion::Deny, None);
    settled(&desk).await;
    assert!(matches!(doubted("l").await, Err(Error::InDoubt { .. })));
    assert_eq!((stage.docker.calls().len(), desk.items().len()), (3, 3));
    // Who says it elsewhere takes it out of the inbox.
    let row = stage.handle.doubts(&stage.cx()).await.unwrap().remove(0);
    stage.handle.settle(&stage.cx(), &row.begun.invocation, None).await.unwrap();
    settled(&desk).await;
    assert_eq!(desk.items().pop().unwrap().status, ItemStatus::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn people_are_asked_about_what_a_host_did_not_live_to_end() {
    let (first, _) = bench(0).await;
    assert!(first.call("note.slow", Some("k"), "milk").await.is_err());
    let begun = first.events().await.remove(0);
    let (second, desk) = bench(0).await;
    let event = NewEvent { kind: begun.kind, run: begun.run, source: begun.source, body: begun.body };
    second.journal.append(vec![event], Durability::Durable).await.unwrap();
    // Nobody calls; what stands in the journal is enough.
    tokio::time::sleep(31 * SECOND).await;
    let item = desk.items().pop().unwrap();
    assert!(item.reasons[0].words().contains("the host ended before it did"), "{item:?}");
    assert_eq!(second.kinds().await, ["effect.begun", "effect.doubted"]);
    assert_eq!(desk.items().len(), 1);
}
