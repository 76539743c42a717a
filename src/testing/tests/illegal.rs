//! Of a great many generated requests, none reaches a place that it may not reach, by any path: first choice, fallback,
//! retry, hedge, line, cache, memory, stand-ins, an export of the journal, telemetry; while runtimes fail at random.
//! `make privacy` makes a million.
//!
//! The judge stands in the runtimes, reads exports and overhears telemetry, and knows nothing of the host: every request
//! carries marks, and a table of the test's own says of each mark which places may see it as it is, which may see it with
//! stand-ins, and what must not be seen then. With a bug planted that lets everything out it has to find something.

use std::cell::RefCell;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::TryStreamExt;
use futures::stream::{self, StreamExt};
use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Dispatch, Metadata, Subscriber, dispatcher, span};

use crate::actors::agent::Definition;
use crate::actors::io::{Document, Task};
use crate::config::{self, Config, Flag, Inputs};
use crate::host::Host;
use crate::inference::{Error, Request, Scripted, Step};
use crate::rat;
use crate::types::planted::{Bug, with};
use crate::types::sensitive::redact;
use crate::types::{Class, Place, PrivacyClass, Random, Seeded, TrustTier};

const MINUTE: Duration = Duration::from_secs(60);

/// Where runtimes are. Two share a tier, so that a hedge has somewhere to go.
const PLACES: [(&str, TrustTier, Option<&str>); 6] = [
    ("here", TrustTier::Local, Some("eu")),
    ("ours", TrustTier::Private, Some("eu")),
    ("theirs", TrustTier::Partner, Some("ch")),
    ("abroad", TrustTier::External, Some("us")),
    ("elsewhere", TrustTier::External, Some("eu")),
    ("anywhere", TrustTier::External, None),
];

/// The place that is trusted least: where telemetry may end.
const ANYWHERE: usize = 5;

/// What a task may hold: the text, how private it makes it, and the values that a place with stand-ins must not see; no
/// values for what is never replaced.
const CONTENTS: [(&str, PrivacyClass, &[&str]); 7] = [
    ("The sky is blue.", PrivacyClass::Public, &[]),
    ("The server is 10.20.30.40.", PrivacyClass::Internal, &[]),
    ("Write to jane.doe@example.com about it.", PrivacyClass::Confidential, &["jane.doe", "example"]),
    ("My card is 4111 1111 1111 1111.", PrivacyClass::Restricted, &["1111 1111"]),
    ("bob@example.org pays with 5555555555554444.", PrivacyClass::Restricted, &["bob@", "5555555554444"]),
    ("Pay to DE89 3704 0044 0532 0130 00 please.", PrivacyClass::Restricted, &[]),
    ("password: hunter2hunter2", PrivacyClass::Restricted, &[]),
];

/// The content that may be anywhere.
const NOTHING: usize = 0;

const CLASSES: [PrivacyClass; 4] =
    [PrivacyClass::Public, PrivacyClass::Internal, PrivacyClass::Confidential, PrivacyClass::Restricted];

const RESIDENCIES: [&[&str]; 4] = [&[], &["eu"], &["ch", "us"], &["eu", "ch"]];

/// A request as it was generated.
#[derive(Clone, Copy)]
struct Made {
    content: usize,
    class: PrivacyClass,
    residency: usize,
}

fn may_see(class: PrivacyClass, tier: TrustTier) -> bool {
    match class {
        PrivacyClass::Public => true,
        PrivacyClass::Internal => tier != TrustTier::External,
        PrivacyClass::Confidential => matches!(tier, TrustTier::Local | TrustTier::Private),
        PrivacyClass::Restricted => tier == TrustTier::Local,
    }
}

impl Made {
    /// What is wrong with this text at that place, if anything is.
    fn judge(self, text: &str, tier: TrustTier, region: Option<&str>) -> Option<&'static str> {
        let named = RESIDENCIES[self.residency];
        if !named.is_empty() && !region.is_some_and(|region| named.contains(&region)) {
            return Some("its region is not among those named");
        }
        let (_, class, values) = CONTENTS[self.content];
        if may_see(self.class.max(class), tier) {
            return None;
        }
        match values {
            [] => Some("its tier may not see it, and it has no stand-ins"),
            _ if !may_see(self.class, tier) => Some("its tier may not see it, stand-ins or not"),
            values if values.iter().any(|value| text.contains(value)) => Some("a value was not replaced"),
            _ => None,
        }
    }
}

/// What every runtime writes into.
#[derive(Default)]
struct Judge {
    made: Mutex<Vec<Made>>,
    illegal: Mutex<Vec<String>>,
    seen: [AtomicU64; PLACES.len()],
    replaced: AtomicU64,
    /// Lines of exports that show a request.
    exported: AtomicU64,
    /// Fields of spans and of log lines.
    overheard: AtomicU64,
}

impl Judge {
    fn look(&self, place: usize, request: &Request) {
        self.seen[place].fetch_add(1, Ordering::Relaxed);
        let all: Vec<&str> = request.messages.iter().map(|message| message.content.as_str()).collect();
        let marked = self.read(place, "sent", &all.join("\n"));
        let hidden = |made: &Made| !may_see(CONTENTS[made.content].1.max(made.class), PLACES[place].1);
        self.replaced.fetch_add(marked.iter().filter(|made| hidden(made)).count() as u64, Ordering::Relaxed);
    }

    /// A line of an export that is for a place.
    fn exported(&self, place: usize, line: &str) {
        let marked = self.read(place, "exported", line);
        self.exported.fetch_add(u64::from(!marked.is_empty()), Ordering::Relaxed);
    }

    /// A value of telemetry, as it leaves the gate: where it goes nobody knows, and it needs no mark to be wrong.
    fn overhear(&self, value: &str) {
        self.overheard.fetch_add(1, Ordering::Relaxed);
        let value = redact(value);
        self.read(ANYWHERE, "logged", &value);
        for (text, class, values) in CONTENTS {
            let whole = class > PrivacyClass::Public && value.contains(text);
            if whole || values.iter().any(|one| value.contains(one)) {
                self.illegal.lock().push(format!("logged: {value}"));
            }
        }
    }

    /// Judges a text that is seen at a place, and says what its marks are of.
    fn read(&self, place: usize, how: &str, text: &str) -> Vec<Made> {
        let (name, tier, region) = PLACES[place];
        let number = |mark: &str| mark.split('>').next().unwrap().parse::<usize>().unwrap();
        let marks: Vec<usize> = text.split("<mark-").skip(1).map(number).collect();
        let marked: Vec<Made> = marks.iter().map(|number| self.made.lock()[*number]).collect();
        for (number, made) in marks.iter().zip(&marked) {
            if let Some(wrong) = made.judge(text, tier, region) {
                self.illegal.lock().push(format!("{number} {how} to {name}: {wrong}: {text}"));
            }
        }
        marked
    }

    /// What it found, if it found something.
    fn found(&self) -> Option<String> {
        let illegal = self.illegal.lock();
        illegal.first().map(|first| format!("{} illegal: {first}", illegal.len()))
    }
}

/// Takes what telemetry is told, whatever the level, and has every value of it judged.
struct Overhears(Arc<Judge>);

impl Visit for &Overhears {
    fn record_debug(&mut self, _field: &Field, value: &dyn Debug) {
        self.0.overhear(&format!("{value:?}"));
    }
}

impl Subscriber for Overhears {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        span.record(&mut &*self);
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, values: &span::Record<'_>) {
        values.record(&mut &*self);
    }

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut &*self);
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

/// A runtime that judges what it is sent; it fails, is full or answers as chance wills.
fn runtime(place: usize, seed: u64, judge: &Arc<Judge>) -> Scripted {
    let (name, tier, region) = PLACES[place];
    let (judge, chance) = (Arc::clone(judge), Seeded::new(seed * 31 + place as u64));
    let scripted = Scripted::new(name, move |request| {
        judge.look(place, request);
        let runtime = || name.to_owned();
        match chance.next() % 8 {
            0 => vec![Step::Fail(Error::Internal("told to fail".to_owned()))],
            1 => vec![Step::Fail(Error::Unavailable { runtime: runtime(), reason: "told to".to_owned() })],
            2 => vec![
                Step::text("Half of"),
                Step::Fail(Error::Protocol { runtime: runtime(), reason: "noise".to_owned() }),
            ],
            _ => vec![Step::text("Done.")],
        }
    });
    let scripted = scripted.in_tier(tier);
    match region {
        Some(region) => scripted.in_region(region),
        None => scripted,
    }
}

/// The defaults with every path open.
fn open() -> Config {
    let flag = |key: &str, value: &str| Flag { name: key.to_owned(), key: key.to_owned(), value: value.to_owned() };
    let flags = vec![
        flag("host.data_dir", "."),
        flag("io.durable_answers", "false"),
        flag("ladder.hedge", "true"),
        flag("ladder.off", "[]"),
        flag("ladder.wait_within_ms", "20"),
        flag("privacy.replace", r#"["email", "card"]"#),
        flag("limit.retry.first_ms", "0"),
        flag("limit.retry.most_ms", "1"),
    ];
    config::load(&Inputs { flags, ..Inputs::default() }).unwrap().config
}

/// One agent for each place; those of a partner and of an external place remember.
async fn host(seed: u64, judge: &Arc<Judge>) -> Host {
    let mut builder = Host::builder().config(open()).without_bundled_agents();
    for (place, (name, tier, _)) in PLACES.into_iter().enumerate() {
        let mut made = Definition::prompted(config::bundled_agents().unwrap().remove(0));
        (made.profile.name, made.profile.runtime) = (name.to_owned(), name.to_owned());
        made.profile.tools = Vec::new();
        if matches!(tier, TrustTier::Partner | TrustTier::External) {
            (made.profile.remembers, made.profile.recall_most) = (true, 3);
            made.profile.capabilities.push("memory".to_owned());
        }
        builder = builder.agent(made).runtime(runtime(place, seed, judge));
    }
    builder.start().await.unwrap()
}

/// A task by chance, and what is true of it.
fn generate(chance: &Seeded, number: usize) -> (Task, Made) {
    let below = |most: usize| (chance.next() % most as u64) as usize;
    let mut made =
        Made { content: below(CONTENTS.len()), class: CLASSES[below(8).saturating_sub(4)], residency: below(4) };
    let text = CONTENTS[made.content].0;
    let (prompt, documents) = match below(4) {
        0 => (format!("What does this say? <mark-{number}>"), vec![text.to_owned()]),
        // What is told is recalled for later requests, whose places must be allowed to see it too.
        1 => (format!("Remember that my word for <mark-{number}> is: {text}"), Vec::new()),
        2 => {
            // It holds nothing itself; what is recalled for it has marks of its own.
            made.content = NOTHING;
            (format!("What do you know of the mark and my word? <mark-{number}>"), Vec::new())
        }
        _ => (format!("<mark-{number}> {text}"), Vec::new()),
    };
    let agent = (below(3) == 0).then(|| PLACES[below(PLACES.len())].0.to_owned());
    let documents = documents.into_iter().map(|text| Document { name: "a.txt".to_owned(), text }).collect();
    let residency = RESIDENCIES[made.residency].iter().map(ToString::to_string).collect();
    (Task { prompt, documents, privacy: made.class, residency, agent, ..Task::default() }, made)
}

/// Requests one host serves before another, with other faults, takes over.
const EACH: usize = 2_000;

/// Requests under way at a time.
const AT_ONCE: usize = 32;

thread_local! {
    /// Keeps a thread's telemetry overheard for as long as it lives.
    static OVERHEARD: RefCell<Option<dispatcher::DefaultGuard>> = const { RefCell::new(None) };
}

/// What became of requests.
#[derive(Default)]
struct Ends {
    served: usize,
    denied: usize,
}

/// Has one host serve so many requests, then export its journal for these places; all of it judged. A planted bug is seen
/// with one thread only.
fn play(threads: usize, seed: u64, many: usize, judge: &Arc<Judge>, places: &[usize]) -> Ends {
    let ears = Dispatch::new(Overhears(Arc::clone(judge)));
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let heard = ears.clone();
    let listen = move || OVERHEARD.set(Some(dispatcher::set_default(&heard)));
    let runtime = builder.worker_threads(threads).on_thread_start(listen).enable_all().build().unwrap();
    dispatcher::with_default(&ears, || runtime.block_on(requests(seed, many, judge, places)))
}

async fn requests(seed: u64, many: usize, judge: &Arc<Judge>, places: &[usize]) -> Ends {
    let host = host(seed, judge).await;
    let chance = Seeded::new(seed);
    let tasks: Vec<Task> = (0..many)
        .map(|number| {
            let (task, made) = generate(&chance, number);
            judge.made.lock().push(made);
            task
        })
        .collect();
    let asks = tasks.into_iter().map(|task| {
        let host = &host;
        async move { host.ask(&host.context("tester", MINUTE), task).await }
    });
    let results: Vec<_> = stream::iter(asks).buffer_unordered(AT_ONCE).collect().await;
    host.journal().flush().await.unwrap();
    for place in places {
        let (_, tier, region) = PLACES[*place];
        let audience = Place { tier, region: region.map(str::to_owned) };
        let mut lines = pin!(rat::export(Arc::clone(host.journal()), 1, Some(audience)));
        while let Some(line) = lines.try_next().await.unwrap() {
            judge.exported(*place, &line);
        }
    }
    assert_eq!(host.journal().verify().await.unwrap().first_bad, None);
    host.shutdown(MINUTE).await.unwrap();
    let denied = |error: &crate::actors::io::Error| error.class() == Class::Denied;
    Ends {
        served: results.iter().filter(|result| result.is_ok()).count(),
        denied: results.iter().filter(|result| result.as_ref().is_err_and(denied)).count(),
    }
}

#[test]
fn none_of_many_generated_requests_reaches_a_place_it_may_not() {
    let (many, seed) = (number("SYZYGY_PRIVACY_REQUESTS", 2_000), number("SYZYGY_PRIVACY_SEED", 20_261_126) as u64);
    let (mut sent, mut all, mut replaced, mut overheard) = (0, Ends::default(), 0, 0);
    let mut seen = [0; PLACES.len()];
    while sent < many {
        let judge = Arc::new(Judge::default());
        let some = EACH.min(many - sent);
        let place = sent / EACH % PLACES.len();
        let ends = play(2, seed + sent as u64, some, &judge, &[place]);
        sent += some;
        (all.served, all.denied) = (all.served + ends.served, all.denied + ends.denied);
        assert_eq!(judge.found(), None, "seed {seed}, {sent} sent");
        assert!(judge.exported.load(Ordering::Relaxed) > 0, "{} saw no request in its export", PLACES[place].0);
        replaced += judge.replaced.load(Ordering::Relaxed);
        overheard += judge.overheard.load(Ordering::Relaxed);
        seen.iter_mut().zip(&judge.seen).for_each(|(all, more)| *all += more.load(Ordering::Relaxed));
    }
    let Ends { served, denied } = all;
    // The judge would be content with a host that does nothing.
    assert!(seen.iter().all(|seen| *seen > many as u64 / 100), "{seen:?}");
    assert!(served > many / 4 && denied > many / 100 && replaced > many as u64 / 100, "{served}, {denied}, {replaced}");
    assert!(overheard > many as u64, "{overheard} fields of telemetry");
    if many > 100_000 {
        use std::io::Write;
        // Straight to the descriptor: the harness hides what a passing test prints.
        let _ = writeln!(
            std::io::stderr(),
            "{sent} requests: {served} served, {denied} denied, {replaced} with stand-ins; seen {seen:?}; {overheard} \
             fields of telemetry; 0 illegal"
        );
    }
}

#[test]
fn no_export_for_a_place_shows_a_request_that_may_not_be_there() {
    let judge = Arc::new(Judge::default());
    play(2, 7, 300, &judge, &[0, 1, 2, 3, 4, 5]);
    assert_eq!(judge.found(), None);
}

#[test]
fn a_host_that_compares_nothing_is_found_out() {
    let judge = Arc::new(Judge::default());
    with(Bug::AnywhereCleared, || play(1, 7, 200, &judge, &[3, ANYWHERE]));
    let illegal = judge.illegal.lock();
    for how in [" sent to ", " exported to "] {
        assert!(illegal.iter().any(|one| one.contains(how)), "nothing illegal was{how}anywhere");
    }
}

/// A number from the environment, or the usual one.
fn number(name: &str, usual: usize) -> usize {
    #[expect(clippy::disallowed_methods, reason = "a test reads its own environment")]
    std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap())
}

/// The judge finds each sort of wrong; otherwise that it found none would mean nothing.
#[test]
fn the_judge_finds_what_is_wrong() {
    let made = |content, class, residency| Made { content, class, residency };
    let (public, confidential) = (PrivacyClass::Public, PrivacyClass::Confidential);
    let (out, text) = (TrustTier::External, "jane.doe@example.com");
    assert_eq!(made(2, public, 0).judge("xyz@qrs.com", out, None), None);
    assert!(made(2, public, 0).judge(text, out, None).is_some());
    assert!(made(2, confidential, 0).judge("xyz@qrs.com", out, None).is_some());
    assert!(made(5, public, 0).judge("anything", out, None).is_some());
    assert!(made(0, public, 1).judge("anything", TrustTier::Local, Some("us")).is_some());
    assert!(made(0, public, 1).judge("anything", TrustTier::Local, None).is_some());
    assert_eq!(made(5, public, 1).judge("anything", TrustTier::Local, Some("eu")), None);
    let judge = Judge::default();
    judge.made.lock().extend([made(0, public, 0), made(0, confidential, 0)]);
    judge.overhear("<mark-0> is public, and the address of jane.doe@example.com is hidden by the gate");
    assert_eq!(judge.found(), None);
    for (number, wrong) in ["<mark-1>", "The account is bob@"].into_iter().enumerate() {
        judge.overhear(wrong);
        assert_eq!(judge.illegal.lock().len(), number + 1, "{wrong}");
    }
}
