//! Jobs and timers: what may wait so that a handler need not.

use super::*;

/// Has the actor start a job under this context, whose outcome comes back as what `report` makes of it.
fn job<T: Send + 'static>(
    cx: &Cx,
    work: impl Future<Output = T> + Send + 'static,
    report: impl FnOnce(Result<T, JobError>) -> Say + Send + 'static,
) -> Say {
    let cx = cx.clone();
    Say::Do(Box::new(move |context| context.job(&cx, work, report)))
}

/// Writes an outcome into the diary, from within the actor.
fn noted<T: std::fmt::Debug + Send + 'static>(diary: &Diary) -> impl FnOnce(Result<T, JobError>) -> Say + use<T> {
    let diary = diary.clone();
    move |outcome| Say::Do(Box::new(move |_| diary.note(format!("{outcome:?}"))))
}

#[tokio::test(start_paused = true)]
async fn the_outcome_of_a_job_comes_back_as_a_message() {
    let diary = Diary::default();
    let (_root, address, _) = alone(&diary, Mailbox::new(9, Overflow::Wait)).await;
    address.cast(&cx(), job(&cx(), async { 7 }, noted(&diary))).await.unwrap();
    diary.wait_for("Ok(7)", 1).await;

    let late = Cx::housekeeping(now(), SECOND);
    address.cast(&cx(), job(&late, std::future::pending::<u8>(), noted(&diary))).await.unwrap();
    diary.wait_for("Err(TimedOut)", 1).await;

    let cancelled = cx();
    address.cast(&cx(), job(&cancelled, std::future::pending::<u8>(), noted(&diary))).await.unwrap();
    assert!(count(&address).await > 0);
    cancelled.cancel();
    diary.wait_for("Err(Cancelled)", 1).await;

    let breaks = async { if cx().is_cancelled() { 1 } else { panic!("no luck") } };
    address.cast(&cx(), job(&cx(), breaks, noted(&diary))).await.unwrap();
    diary.wait_for("Err(Panicked(\"no luck\"))", 1).await;
    assert_eq!(diary.text().matches("start").count(), 1, "none of this is a failure of the actor");
    tokio::time::advance(60 * SECOND).await;
    assert!(count(&address).await > 0);
    for outcome in ["Ok(7)", "Err(TimedOut)", "Err(Cancelled)", "Err(Panicked"] {
        assert_eq!(diary.text().matches(outcome).count(), 1, "{outcome} comes back once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_comes_before_user_mail() {
    let diary = Diary::default();
    let (_root, address, _) = alone(&diary, Mailbox::new(9, Overflow::Wait)).await;
    address.try_cast(&cx(), job(&cx(), async {}, |_| Say::Note(1))).unwrap();
    address.try_cast(&cx(), Say::Wait(SECOND)).unwrap();
    address.try_cast(&cx(), Say::Note(2)).unwrap();
    diary.wait_for("waits", 1).await;
    // The report is there by the end of the wait, and so is a control message that came after it.
    tokio::time::advance(SECOND / 2).await;
    address.control(&cx(), Say::Note(3)).unwrap();
    diary.wait_for("2", 1).await;
    assert_eq!(diary.text(), "start a, waits, 3, 1, 2");
}

#[tokio::test(start_paused = true)]
async fn jobs_and_their_reports_end_with_the_life_that_started_them() {
    let diary = Diary::default();
    let (_root, address, registry) = alone(&diary, Mailbox::new(9, Overflow::Wait)).await;
    // One job has reported, one still runs and so does a timer when their actor fails, before it hears of any.
    address.try_cast(&cx(), job(&cx(), async {}, |_| Say::Note(1))).unwrap();
    address.try_cast(&cx(), job(&cx(), tokio::time::sleep(5 * SECOND), |_| Say::Note(2))).unwrap();
    address.try_cast(&cx(), Say::Do(Box::new(|context| context.after(3 * SECOND, Say::Note(3))))).unwrap();
    address.try_cast(&cx(), Say::FailAfter(SECOND)).unwrap();
    diary.wait_for("start a", 2).await;
    address.cast(&cx(), Say::Wait(10 * SECOND)).await.unwrap();
    assert_eq!(count(&address).await, 2);
    assert_eq!(diary.text(), "start a, drop a, start a, waits");
    assert_eq!(
        registry.node("host/a", now()).unwrap().dropped,
        2,
        "the message it failed at, and the report that was not heard"
    );
}

#[tokio::test(start_paused = true)]
async fn a_timer_tells_the_actor_after_its_time() {
    let diary = Diary::default();
    let (_root, address, _) = alone(&diary, Mailbox::new(9, Overflow::Wait)).await;
    let before = now();
    address.cast(&cx(), Say::Do(Box::new(|context| context.after(3 * SECOND, Say::Note(1))))).await.unwrap();
    diary.wait_for("1", 1).await;
    assert!((3 * SECOND..3 * SECOND + SECOND / 10).contains(&(now() - before)));
}

#[tokio::test(start_paused = true)]
async fn jobs_over_the_limit_are_refused_and_timers_dropped() {
    let diary = Diary::default();
    let (_root, address, registry) = alone(&diary, Mailbox::new(9, Overflow::Wait)).await;
    let (many, outcome) = (cx(), noted::<()>(&diary));
    let crowd = Say::Do(Box::new(move |context| {
        for _ in 0..10_000 {
            context.job(&many, std::future::pending::<()>(), |_| Say::Note(0));
        }
        context.job(&many, std::future::pending(), outcome);
        context.after(SECOND, Say::Note(1));
    }));
    address.cast(&cx(), crowd).await.unwrap();
    diary.wait_for("Err(TooMany(10000))", 1).await;
    assert_eq!(registry.node("host/a", now()).unwrap().dropped, 1);
}

/// The door opens after the start hook, but what the hook has started may report before that.
#[tokio::test(start_paused = true)]
async fn a_job_of_the_start_hook_reports_to_the_life_it_belongs_to() {
    struct Early(Diary);
    impl Actor for Early {
        type Message = u32;
        async fn start(&mut self, context: &mut Context<u32>) -> Result<(), Fault> {
            let cx = Cx::housekeeping(context.now(), SECOND);
            context.job(&cx, async {}, |_| 5);
            tokio::time::sleep(SECOND).await;
            Ok(())
        }
        async fn handle(&mut self, envelope: Envelope<u32>, context: &mut Context<u32>) -> Result<(), Fault> {
            self.0.note(format!("{} in {}", envelope.message, context.path()));
            Ok(())
        }
    }
    let diary = Diary::default();
    let address = Address::new(Mailbox::new(1, Overflow::Wait), &world());
    let of_lives = diary.clone();
    let child = Child::actor("early", &address, move || Early(of_lives.clone()));
    let (_root, _) = start(tree(Strategy::OneForOne).child(child)).await;
    diary.wait_for("5 in host/early", 1).await;
}
