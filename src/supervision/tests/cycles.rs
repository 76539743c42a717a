//! Questions that would wait for themselves.

use super::*;

/// An actor that asks along a list, from its handler or from a job, and answers with what it heard.
struct Relay;

struct Ask {
    way: Vec<Address<Ask>>,
    /// Which of the askers leave it to a job, first to last.
    by_job: Vec<bool>,
    /// Tell instead of asking on the last leg.
    tell: bool,
    reply: Option<Reply<Result<(), Failure>>>,
}

async fn pass_on(cx: &Cx, mut ask: Ask) -> Result<(), Failure> {
    let Some(next) = (!ask.way.is_empty()).then(|| ask.way.remove(0)) else { return Ok(()) };
    if ask.tell && ask.way.is_empty() {
        return next.cast(cx, Ask { reply: None, ..ask }).await.map_err(Failure::from);
    }
    next.call(cx, |reply| Ask { reply: Some(reply), ..ask }).await?
}

impl Actor for Relay {
    type Message = Ask;

    async fn handle(&mut self, envelope: Envelope<Ask>, context: &mut Context<Ask>) -> Result<(), Fault> {
        let Envelope { message: mut ask, cx, .. } = envelope;
        let reply = ask.reply.take();
        let by_job = !ask.by_job.is_empty() && ask.by_job.remove(0);
        if by_job {
            let own = cx.clone();
            context.jot(&cx, async move {
                let answer = pass_on(&own, ask).await;
                reply.into_iter().for_each(|reply| reply.send(answer.clone()));
            });
        } else {
            let answer = pass_on(&cx, ask).await;
            reply.into_iter().for_each(|reply| reply.send(answer.clone()));
        }
        Ok(())
    }
}

async fn relays<const N: usize>(ids: [&'static str; N]) -> (Root, [Address<Ask>; N]) {
    let addresses = ids.map(|_| Address::new(Mailbox::new(9, Overflow::Wait), &world()));
    let children = ids.iter().zip(&addresses).map(|(id, address)| Child::actor(*id, address, || Relay));
    let (root, _) = start(tree(Strategy::OneForOne).children(children)).await;
    (root, addresses)
}

async fn ask(way: &[&Address<Ask>], by_job: &[bool], tell: bool) -> Result<(), Failure> {
    let way = way.iter().map(|address| (*address).clone()).collect();
    let began = now();
    let answer = pass_on(&cx(), Ask { way, by_job: by_job.to_vec(), tell, reply: None }).await;
    assert_eq!(now(), began, "refused or answered at once");
    answer
}

fn cycle(way: &str) -> Result<(), Failure> {
    Err(Failure::Cycle(way.into()))
}

#[tokio::test(start_paused = true)]
async fn who_asks_an_actor_that_waits_for_the_answer_is_refused_at_once_with_the_cycle_named() {
    let (_root, [a, b, c]) = relays(["a", "b", "c"]).await;
    assert_eq!(ask(&[&a, &a], &[], false).await, cycle("host/a -> host/a"));
    assert_eq!(ask(&[&a, &b, &a], &[], false).await, cycle("host/a -> host/b -> host/a"));
    assert_eq!(ask(&[&a, &b, &c, &a], &[], false).await, cycle("host/a -> host/b -> host/c -> host/a"));
    assert_eq!(ask(&[&a, &b, &c, &b], &[], false).await, cycle("host/b -> host/c -> host/b"));
    assert_eq!(ask(&[&a, &b, &c], &[], false).await, Ok(()));
    assert_eq!(ask(&[&a], &[], false).await, Ok(()), "and nobody was harmed");
}

#[tokio::test(start_paused = true)]
async fn a_job_carries_the_way_on_but_leaves_its_own_actor_free() {
    let (_root, [a, b, c]) = relays(["a", "b", "c"]).await;
    let refused = ask(&[&a, &b, &c, &a], &[false, true, true], false).await;
    assert_eq!(refused, cycle("host/a -> host/b -> host/c -> host/a"), "a waits for the jobs of b and c");
    assert_eq!(ask(&[&a, &b, &a], &[true], false).await, Ok(()), "a does not wait: its job does");
    assert_eq!(ask(&[&a, &a], &[true], false).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_way_ends_where_nobody_waits() {
    let (_root, [a, b]) = relays(["a", "b"]).await;
    assert_eq!(ask(&[&a, &b, &a], &[], true).await, Ok(()), "a cast back is no question");
    let elsewhere: Arc<str> = Arc::from("host/elsewhere");
    let held = cx().asked_by(&elsewhere, true);
    assert_eq!(held.cycle(&elsewhere).as_deref(), Some("host/elsewhere -> host/elsewhere"));
    assert!(held.cycle(&Arc::from("host/elsewhere")).is_none(), "paths are compared by address, not by words");
    assert!(held.detached().cycle(&elsewhere).is_none() && held.unasked().cycle(&elsewhere).is_none());
    assert!(held.child().with_deadline(now()).cycle(&elsewhere).is_some(), "every derived context is on the same way");
}

// SU6.
#[tokio::test(start_paused = true)]
async fn a_refused_question_is_handed_back() {
    let diary = Diary::default();
    let (_root, address, _) = alone(&diary, Mailbox::new(9, Overflow::Wait)).await;
    let (own, refused) = (address.clone(), Arc::new(Mutex::new(None)));
    let seen = Arc::clone(&refused);
    let ask = Say::Do(Box::new(move |context| {
        let cx = context.holding(&cx());
        context.jot(&cx.clone(), async move { *seen.lock() = own.call_control(&cx, Say::Count).await.err() });
    }));
    address.cast(&cx(), ask).await.unwrap();
    assert_eq!(count(&address).await, 2);
    let undelivered = refused.lock().take().unwrap();
    assert!(matches!(undelivered.message, Some(Say::Count(_))));
    assert_eq!(undelivered.failure, Failure::Cycle("host/a -> host/a".into()));
    assert_eq!(undelivered.failure.class(), crate::types::Class::Conflict);
}
