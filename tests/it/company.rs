//! Bad company: agents, runtimes and surroundings that do what they must not. Each ends in a clear error, in a tree that
//! is up, and in a host that serves the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use syzygy::actors::agent::{Assignment, Definition, Kit, Work};
use syzygy::actors::io::Task;
use syzygy::host::{Builder, Host, real_world};
use syzygy::inference::{Error, Pacing, Scripted, Step};
use syzygy::prelude::async_trait;
use syzygy::supervision::{
    Actor, Address, Child, Context, Envelope, Fault, JobError, Mailbox, Node, Overflow, Reply, Status,
};
use syzygy::types::{Class, Clock, Cx, Timestamp, World};

use crate::program::{Running, code, configure, good, home, json, run};
use crate::support::{end, events, scripted, task};

/// A second is long enough for everything that is not meant to last, on a clock that stands still.
const SECOND: Duration = Duration::from_secs(1);

fn asking(agent: &str) -> Task {
    Task { agent: Some(agent.to_owned()), ..task("Do what you do.") }
}

fn all_up(nodes: &[Node]) {
    for node in nodes {
        assert_eq!(node.status, Status::Up, "{}: {:?}", node.path, node.last_failure);
        all_up(&node.children);
    }
}

/// Asks the bad one, which must fail in this class and these words, and then a good one.
async fn fails(host: &Host, bad: Task, class: Class, words: &str) {
    let error = host.ask(&host.context("tester", SECOND), bad).await.unwrap_err();
    assert_eq!(error.class(), class, "{error}");
    assert!(error.to_string().contains(words), "{words:?} is not in {error}");
    let answer = host.ask(&host.context("tester", SECOND), asking("marvin")).await.unwrap();
    assert_eq!(answer.answer, "Fine.");
    all_up(&host.tree());
}

/// An agent in code that does one bad thing.
enum Bad {
    Panics,
    Loops,
    NeverAnswers,
    SaysTooMuch,
}

#[async_trait]
impl Work for Bad {
    async fn work(&self, _cx: &Cx, _task: Assignment, _kit: Kit) -> Result<String, Fault> {
        match self {
            Bad::Panics => panic!("this agent is broken"),
            Bad::Loops => {
                let mut clock = tokio::time::interval(Duration::from_millis(1));
                loop {
                    clock.tick().await;
                }
            }
            Bad::NeverAnswers => std::future::pending().await,
            // Zeroes that nobody wrote take no memory until somebody copies them, which nobody may.
            Bad::SaysTooMuch => Ok(String::from_utf8(vec![0; 1 << 30])?),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn agents_that_do_not_answer_as_they_should_fail_alone() {
    let agent = |name: &str, bad: Bad| Definition::code(name, "Bad company.", &["general"], bad);
    let host = scripted("Fine.")
        .agent(agent("panics", Bad::Panics))
        .agent(agent("loops", Bad::Loops))
        .agent(agent("silent", Bad::NeverAnswers))
        .agent(agent("talker", Bad::SaysTooMuch))
        .start()
        .await
        .unwrap();
    fails(&host, asking("panics"), Class::Internal, "this agent is broken").await;
    fails(&host, asking("loops"), Class::Timeout, "deadline").await;
    fails(&host, asking("silent"), Class::Timeout, "deadline").await;
    fails(&host, asking("talker"), Class::Unavailable, "1073741824 bytes: at most 131072").await;
    end(host).await;
}

enum Order {
    /// Send yourself as much mail as you can.
    Flood(Reply<usize>),
    /// Start as many jobs as you can.
    Spawn(Reply<u32>),
    /// One of the jobs has begun, or was not allowed to.
    Begun(bool),
    Noise,
}

/// An actor that overdoes it.
struct Busy {
    refused: u32,
    waiting: Option<Reply<u32>>,
}

/// More jobs than one actor may have.
const JOBS: u32 = 12_000;

impl Actor for Busy {
    type Message = Order;

    async fn handle(&mut self, envelope: Envelope<Order>, context: &mut Context<Order>) -> Result<(), Fault> {
        match envelope.message {
            Order::Flood(reply) => {
                let sent = (0..100_000).take_while(|_| context.address().try_cast(&envelope.cx, Order::Noise).is_ok());
                reply.send(sent.count());
            }
            Order::Spawn(reply) => {
                self.waiting = Some(reply);
                for _ in 0..JOBS {
                    context.job(&envelope.cx, std::future::pending::<()>(), |outcome| {
                        Order::Begun(!matches!(outcome, Err(JobError::TooMany(_))))
                    });
                }
            }
            Order::Begun(true) | Order::Noise => {}
            Order::Begun(false) => {
                self.refused += 1;
                if self.refused == JOBS - 10_000
                    && let Some(reply) = self.waiting.take()
                {
                    reply.send(self.refused);
                }
            }
        }
        Ok(())
    }
}

struct Overdoes(Address<Order>, bool);

#[async_trait]
impl Work for Overdoes {
    async fn work(&self, cx: &Cx, _task: Assignment, _kit: Kit) -> Result<String, Fault> {
        Ok(match self.1 {
            true => format!("{} sent", self.0.call(cx, Order::Flood).await?),
            false => format!("{} refused", self.0.call(cx, Order::Spawn).await?),
        })
    }
}

fn overdoes(world: &World, name: &str, floods: bool) -> Definition {
    let address = Address::new(Mailbox::new(64, Overflow::Refuse), world);
    Definition::code(name, "Bad company.", &["general"], Overdoes(address.clone(), floods)).child(Child::actor(
        "busy",
        &address,
        || Busy { refused: 0, waiting: None },
    ))
}

#[tokio::test(start_paused = true)]
async fn an_actor_can_neither_flood_its_mailbox_nor_start_jobs_without_end() {
    let world = real_world();
    let (floods, spawns) = (overdoes(&world, "floods", true), overdoes(&world, "spawns", false));
    let host = scripted("Fine.").agent(floods).agent(spawns).world(world).start().await.unwrap();
    for (agent, expected) in [("floods", "64 sent"), ("spawns", "2000 refused")] {
        let answer = host.ask(&host.context("tester", SECOND), asking(agent)).await.unwrap();
        assert_eq!(answer.answer, expected);
        let answer = host.ask(&host.context("tester", SECOND), asking("marvin")).await.unwrap();
        assert_eq!(answer.answer, "Fine.");
        all_up(&host.tree());
    }
    end(host).await;
}

/// A runtime that behaves as the prompt says, and well to everything else.
fn moody() -> Builder {
    let answer = |request: &syzygy::inference::Request| {
        let prompt = request.messages.last().unwrap().content.clone();
        let runtime = || "local".to_owned();
        let part = Step::text("Well, ");
        match prompt.as_str() {
            "die" => {
                let (reason, usage) = ("connection reset".to_owned(), syzygy::inference::Usage::default());
                vec![part, Step::Fail(Error::Cut { runtime: runtime(), reason, usage })]
            }
            "garbage" => {
                let reason = "expected value at line 1 column 1".to_owned();
                vec![Step::Fail(Error::Protocol { runtime: runtime(), reason })]
            }
            "limit" => {
                vec![Step::Fail(Error::RateLimited {
                    runtime: runtime(),
                    retry_after: Some(30 * SECOND),
                    pacing: Pacing::default(),
                })]
            }
            "hang" => vec![part, Step::Hang],
            "panic" => panic!("a runtime with a bug"),
            _ => vec![Step::text("Fine.")],
        }
    };
    Host::builder().runtime(Scripted::new("local", answer))
}

#[tokio::test(start_paused = true)]
async fn runtimes_that_break_fail_the_run_and_nothing_else() {
    let host = moody().start().await.unwrap();
    for (mood, class, words) in [
        ("die", Class::Unavailable, "connection reset"),
        ("garbage", Class::Unavailable, "could not understand local"),
        ("hang", Class::Timeout, "deadline"),
        ("panic", Class::Internal, "a runtime with a bug"),
    ] {
        fails(&host, task(mood), class, words).await;
    }
    end(host).await;
}

// RT5.
#[tokio::test(start_paused = true)]
async fn a_provider_that_asks_to_wait_is_left_in_peace_by_everybody() {
    let host = moody().start().await.unwrap();
    for (prompt, words) in [("limit", "rate limiting"), ("Fine?", "asked to wait 30.000 s more")] {
        let error = host.ask(&host.context("tester", SECOND), task(prompt)).await.unwrap_err();
        assert_eq!(error.class(), Class::Exhausted, "{error}");
        assert!(error.to_string().contains(words), "{words:?} is not in {error}");
    }
    tokio::time::advance(30 * SECOND).await;
    let answer = host.ask(&host.context("tester", SECOND), task("Fine?")).await.unwrap();
    assert_eq!(answer.answer, "Fine.");
    all_up(&host.tree());
    end(host).await;
}

/// A clock on the wall that somebody sets; what is measured does not depend on it.
struct SetBack {
    real: Arc<dyn Clock>,
    by: AtomicI64,
}

impl Clock for SetBack {
    fn now(&self) -> tokio::time::Instant {
        self.real.now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(self.real.wall().0 + self.by.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_changes_dates_and_nothing_else() {
    /// A day, in microseconds.
    const DAY: i64 = 86_400_000_000;
    let real = real_world();
    let clock = Arc::new(SetBack { real: real.clock, by: AtomicI64::new(0) });
    let world = World { clock: clock.clone(), random: real.random };
    let host = scripted("Fine.").world(world).start().await.unwrap();
    let mut runs = Vec::new();
    for by in [0, -DAY, DAY, -30 * DAY] {
        clock.by.store(by, Ordering::SeqCst);
        let answer = host.ask(&host.context("tester", 60 * SECOND), asking("marvin")).await.unwrap();
        assert!(answer.took_us < 60_000_000, "{}", answer.took_us);
        runs.push(answer.run_id);
    }
    let mut last = 0;
    for run in runs {
        let events = events(&host, run).await;
        assert!(events.iter().all(|event| event.seq > last), "the order is that of the journal, not of the clock");
        last = events.last().unwrap().seq;
        assert_eq!(events.last().unwrap().kind, "run.completed");
    }
    all_up(&host.tree());
    end(host).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_and_nothing_is_left_running() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = home();
    let (exit, _, error) = run(data.path(), &["up", "--listen", &address]).await;
    assert_ne!(exit, 0);
    let last = error.trim_end().lines().last().unwrap_or_default();
    assert!(last.contains(&address) && last.contains("in use"), "{error}");
    drop(taken);
    // Nobody holds the data directory.
    let host = Running::start(data.path()).await;
    host.stop().await;
}

/// Whether a process runs; one that has ended and was not waited for does not.
#[cfg(target_os = "linux")]
fn runs(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = status.rsplit_once(')').and_then(|(_, rest)| rest.trim().chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_a_killed_host_had_started_is_ended_by_the_next() {
    let data = home();
    let data = data.path();
    // A server that hears nothing, with a worker in a session of its own.
    let script = "trap '' TERM; setsid sh -c 'echo $$ >> ids; exec sleep 3600' & echo $$ >> ids; \
                  while :; do sleep 1; done";
    let runtime = format!(
        "[inference.runtimes.local]\nkind = \"openai\"\nmodel = \"m\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
         tier = \"local\"\ntools = false\ncontext_tokens = 4096\nmax_tokens = 64\nprice = {{ input = 0, output = 0 }}\n\
         [inference.runtimes.local.child]\ncommand = \"sh\"\nargs = [\"-c\", {:?}]\n\
         ready_url = \"http://127.0.0.1:1/health\"\nready_timeout_s = 600\nstop_grace_s = 1\n",
        script.replace("ids", &data.join("ids").display().to_string())
    );
    configure(data, &runtime);
    let ids = || std::fs::read_to_string(data.join("ids")).unwrap_or_default().lines().map(str::to_owned).collect();
    let started = async |number: usize| {
        crate::support::eventually("the server and its worker run", async || {
            let ids: Vec<String> = ids();
            (ids.len() == number).then_some(ids)
        })
        .await
    };
    let host = Running::start(data).await;
    let first = started(2).await;
    host.kill().await;
    assert!(first.iter().all(|process| runs(process)), "a kill takes nobody along: {first:?}");
    let host = Running::start(data).await;
    let both = started(4).await;
    assert!(!first.iter().any(|process| runs(process)), "{first:?} were to be ended");
    assert!(both[2..].iter().all(|process| runs(process)), "{both:?}");
    host.kill().await;
    // Also by one that starts nothing of the kind any more.
    configure(data, "[inference.runtimes.local]\nkind = \"scripted\"\nanswer = \"Yes.\"\ntier = \"local\"\n");
    let host = Running::start(data).await;
    assert!(!both.iter().any(|process| runs(process)), "{both:?} were to be ended");
    host.stop().await;
}

// KE1.
#[tokio::test]
async fn a_stop_under_load_leaves_no_run_without_an_end() {
    let data = home();
    let data = data.path();
    configure(data, "[inference.runtimes.local]\nkind = \"scripted\"\nanswer = \"Forty-two.\"\ntier = \"local\"\n");
    let host = Running::start(data).await;
    let asks = futures::future::join_all((0..24).map(|_| run(data, &["ask", "What is six times seven?"])));
    let stop = async {
        // Some have been answered by then, some have not been asked yet.
        crate::support::eventually("a run has ended", async || {
            let runs = json(data, &["runs"]).await;
            runs["runs"].as_array().is_some_and(|runs| !runs.is_empty()).then_some(())
        })
        .await;
        host.stop().await;
    };
    let (asked, ()) = tokio::join!(asks, stop);
    for (exit, out, error) in asked {
        let answered = exit == 0 && out.trim() == "Forty-two.";
        assert!(answered || exit == code(Class::Unavailable), "{exit} {out} {error}");
    }
    good(data, &["audit", "verify"]).await;
    let host = Running::start(data).await;
    let open = json(data, &["runs", "--status", "running"]).await;
    assert_eq!(open["runs"].as_array().map(Vec::len), Some(0), "{open}");
    host.stop().await;
}
