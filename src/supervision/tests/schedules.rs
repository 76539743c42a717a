//! The real supervisor, ractor and mailboxes and all, under random schedules on a clock that stands still: it starts,
//! stops and kills what the reference does, in the same order, and gives up and begins again when the reference does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicIsize, Ordering::SeqCst};

use proptest::prelude::*;

use super::reference::{Event, Reference, Row, any_event, any_supervisor};
use super::{Strategy, *};
use crate::supervision::spec::{Rules, Watched};

/// Time between two events: more than everything that follows from one takes.
const STEP: Duration = Duration::from_millis(400);

/// Half a step off any multiple of it, so that it is never a matter of microseconds which restarts are counted.
const PERIOD: Duration = Duration::from_millis(2_200);

/// What a hung child is given to end.
const GRACE: Duration = Duration::from_millis(5);

/// What a handler is given where it is watched. A tenth of a step later the supervisor has looked.
const LIMIT: Duration = Duration::from_millis(80);

enum Do {
    Fail,
    Panic,
    End,
    Hang,
}

/// What the lives of one child share with the test.
#[derive(Clone)]
struct Shared {
    name: char,
    log: Arc<Mutex<Vec<String>>>,
    failing: Arc<Mutex<u32>>,
    alive: Arc<AtomicIsize>,
}

impl Shared {
    fn say(&self, what: &str) {
        self.log.lock().push(format!("{what} {}", self.name));
    }
}

/// How the life of a subject comes to its end.
#[derive(PartialEq)]
enum End {
    /// Not by itself.
    Told,
    /// In the middle of its handler, of its own making.
    Broken,
    /// By its own decision.
    Own,
    /// It cannot be told.
    Hung,
    /// With its hook.
    Done,
}

struct Subject {
    shared: Shared,
    end: End,
}

impl Subject {
    fn new(shared: &Shared) -> Subject {
        assert_eq!(shared.alive.fetch_add(1, SeqCst), 0, "SU1: two lives of {}", shared.name);
        Subject { shared: shared.clone(), end: End::Broken }
    }
}

impl Actor for Subject {
    type Message = Do;

    async fn start(&mut self, _context: &mut Context<Do>) -> Result<(), Fault> {
        self.shared.say("start");
        let mut failing = self.shared.failing.lock();
        if *failing > 0 {
            *failing -= 1;
            return Err("broken".into());
        }
        self.end = End::Told;
        Ok(())
    }

    async fn handle(&mut self, envelope: Envelope<Do>, context: &mut Context<Do>) -> Result<(), Fault> {
        self.end = End::Broken;
        match envelope.message {
            Do::Fail => return Err("broken".into()),
            Do::Panic => panic!("broken"),
            Do::End => {
                self.end = End::Own;
                context.end();
            }
            Do::Hang => {
                self.end = End::Hung;
                std::future::pending::<()>().await;
            }
        }
        Ok(())
    }

    async fn stop(&mut self, _context: &mut Context<Do>) {
        if self.end == End::Told {
            self.shared.say("stop");
        }
        self.end = End::Done;
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        match self.end {
            End::Done | End::Broken => {}
            End::Hung => self.shared.say("kill"),
            End::Told | End::Own => self.shared.say("SU3: no stop hook for"),
        }
        self.shared.alive.fetch_sub(1, SeqCst);
    }
}

/// Odd children are watched, even ones are not.
fn rules(key: u64, restart: Restart, significant: bool) -> Rules {
    let made = Child::from_fn("any", &Address::new(Mailbox::new(1, Overflow::Refuse), &world()), || (), |(), ()| {});
    let watch =
        if key % 2 == 1 { Watched::Own(Some(Watch { limit: LIMIT, then: Stuck::Restart })) } else { Watched::AsTree };
    let shutdown = Shutdown::After(GRACE);
    Rules { restart, significant, shutdown, backoff: Backoff::NONE, watch, ..made.rules }
}

/// The real thing: a root over the supervisor under test.
struct Real {
    root: Root,
    handle: Handle,
    log: Arc<Mutex<Vec<String>>>,
    children: BTreeMap<u64, (Shared, Address<Do>)>,
}

impl Real {
    fn child(
        log: &Arc<Mutex<Vec<String>>>,
        known: Option<&Shared>,
        key: u64,
        rules: Rules,
    ) -> (Child, (Shared, Address<Do>)) {
        let name = char::from(b'a' + u8::try_from(key - 1).unwrap());
        let fresh = || Shared { name, log: Arc::clone(log), failing: Arc::default(), alive: Arc::default() };
        let shared = known.map_or_else(fresh, Shared::clone);
        let address = Address::new(Mailbox::new(9, Overflow::Refuse), &world());
        let of_lives = shared.clone();
        let mut child = Child::actor(name.to_string(), &address, move || Subject::new(&of_lives));
        child.rules = rules;
        (child, (shared, address))
    }

    async fn start(strategy: Strategy, auto: AutoShutdown, restarts: u32, table: &[Rules]) -> Real {
        let log = Arc::default();
        let mut tree = Tree::new("sub", strategy).intensity(restarts, PERIOD).auto_shutdown(auto);
        let mut children = BTreeMap::new();
        for (key, rules) in (1..).zip(table) {
            let (child, made) = Real::child(&log, None, key, *rules);
            tree = tree.child(child);
            children.insert(key, made);
        }
        let handle = tree.handle();
        let top = Tree::new("host", Strategy::OneForOne).intensity(1_000_000, SECOND);
        let (root, _) = start(top.child(Child::tree(tree).backoff(Backoff::NONE))).await;
        Real { root, handle, log, children }
    }

    /// Makes an event happen. What an operator asked for is answered when it is done, or never; either way the time
    /// until the next event is over first.
    async fn happen(&mut self, event: &Event, next: u64, rules: Option<Rules>) {
        let cx = Cx::housekeeping(now(), STEP / 2);
        let id = |key: &u64| char::from(b'a' + u8::try_from(*key - 1).unwrap()).to_string();
        let tell = |key: &u64, what| self.children[key].1.try_cast(&cx, what).unwrap();
        let _ = match event {
            Event::Exit(key, Exit::Normal) => return tell(key, Do::End),
            Event::Exit(key, Exit::Failed(_)) => return tell(key, Do::Fail),
            Event::Exit(key, _) => return tell(key, Do::Panic),
            Event::Hang(key) => return tell(key, Do::Hang),
            Event::FailNextStarts(key, times) => {
                return self.children.get(key).into_iter().for_each(|(shared, _)| *shared.failing.lock() = *times);
            }
            Event::Hold(key) => self.handle.hold(&cx, &id(key)).await,
            Event::Release(key) => self.handle.release(&cx, &id(key)).await,
            Event::Restart(key) => self.handle.restart(&cx, &id(key)).await,
            Event::Remove(key) => self.handle.remove(&cx, &id(key)).await,
            Event::Add(..) => {
                let known = self.children.get(&next).map(|(shared, _)| shared);
                let (child, made) = Real::child(&self.log, known, next, rules.unwrap());
                self.children.insert(next, made);
                self.handle.add(&cx, child).await
            }
            Event::Pass(_) => Ok(()),
            Event::Stop => self.root.shutdown(&cx).await.map_err(Error::from),
        };
    }
}

fn lines(log: Vec<String>) -> String {
    let done = |line: &String| ["start", "stop", "kill", "SU3"].iter().any(|what| line.starts_with(what));
    log.into_iter().filter(done).collect::<Vec<_>>().join(", ")
}

/// The level above starts it again from its table, until its first start succeeds.
fn begin_again(reference: &mut Reference, table: &[Rules]) {
    while reference.ended {
        reference.rows = (1..).zip(table).map(|(key, rules)| Row::new(key, *rules)).collect();
        reference.restarts.clear();
        (reference.ended, reference.ready) = (false, false);
        reference.start_all();
    }
}

async fn schedule(
    (strategy, auto, restarts, table): (Strategy, AutoShutdown, u32, Vec<(Restart, bool)>),
    events: Vec<Event>,
) -> Result<(), TestCaseError> {
    let table: Vec<Rules> = (1..).zip(table).map(|(key, (restart, own))| rules(key, restart, own)).collect();
    let mut real = Real::start(strategy, auto, restarts, &table).await;
    let mut reference = Reference {
        strategy,
        auto,
        intensity: Intensity { restarts, period: PERIOD },
        rows: Vec::new(),
        restarts: Vec::new(),
        failing: BTreeMap::new(),
        now: now(),
        ready: false,
        ended: true,
        log: Vec::new(),
    };
    begin_again(&mut reference, &table);
    let (mut next, mut at) = (table.len() as u64 + 1, now());
    prop_assert_eq!(lines(std::mem::take(&mut *real.log.lock())), lines(std::mem::take(&mut reference.log)));
    for event in events.into_iter().chain([Event::Stop]) {
        let free = |reference: &mut Reference, key| reference.row(key).is_some_and(|row| row.running && !row.hung);
        let (mut added, key) = (None, next);
        match &event {
            Event::Exit(key, _) | Event::Hang(key) if !free(&mut reference, *key) => continue,
            Event::Hold(key) | Event::Release(key) | Event::Restart(key) | Event::Remove(key)
                if reference.row(*key).is_none() =>
            {
                continue;
            }
            // A start that always fails is tried for ever by the level above, or not at all by this one.
            Event::FailNextStarts(key, _) if restarts == 0 || !real.children.contains_key(key) => continue,
            Event::Add(restart, significant) => {
                let rules = rules(next, *restart, *significant);
                reference.rows.push(Row::new(next, rules));
                added = Some(rules);
                next += 1;
            }
            Event::Pass(number) => at += STEP * u32::try_from(number % 8).unwrap(),
            _ => {}
        }
        reference.now = now();
        reference.happen(&event);
        let last = matches!(event, Event::Stop);
        if !last && reference.ended {
            begin_again(&mut reference, &table);
            next = table.len() as u64 + 1;
        }
        real.happen(&event, key, added).await;
        at += STEP;
        tokio::time::sleep_until(at).await;
        let did = lines(std::mem::take(&mut *real.log.lock()));
        prop_assert_eq!(did, lines(std::mem::take(&mut reference.log)), "after {:?}", event);
        if last {
            break;
        }
    }
    prop_assert_eq!(real.root.ended().await, Exit::Stopped);
    let alive: Vec<char> =
        real.children.values().filter(|(shared, _)| shared.alive.load(SeqCst) != 0).map(|(one, _)| one.name).collect();
    prop_assert!(alive.is_empty(), "orphans: {:?}", alive);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(300), ..ProptestConfig::default() })]

    #[test]
    fn the_real_supervisor_does_what_the_reference_does(
        supervisor in any_supervisor(),
        events in prop::collection::vec(any_event(), 1..25),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(schedule(supervisor, events))?;
    }
}
