//! Of a great many generated requests, none reaches a place that it may not reach, by any path: first choice, fallback,
//! retry, hedge, line, cache, memory, stand-ins; while runtimes fail at random. `make privacy` makes a million.
//!
//! The judge stands in the runtimes and knows nothing of the host: every request carries marks, and a table of the test's
//! own says of each mark which places may see it as it is, which may see it with stand-ins, and what must not be seen then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::stream::{self, StreamExt};
use parking_lot::Mutex;
use syzygy::actors::io::{Document, Task};
use syzygy::config::{self, Config, Flag, Inputs};
use syzygy::host::Host;
use syzygy::inference::{Error, Request, Scripted, Step};
use syzygy::types::{Class, PrivacyClass, Random, Seeded, TrustTier};

use crate::support::{agent, cx, end};

/// Where runtimes are. Two share a tier, so that a hedge has somewhere to go.
const PLACES: [(&str, TrustTier, Option<&str>); 6] = [
    ("here", TrustTier::Local, Some("eu")),
    ("ours", TrustTier::Private, Some("eu")),
    ("theirs", TrustTier::Partner, Some("ch")),
    ("abroad", TrustTier::External, Some("us")),
    ("elsewhere", TrustTier::External, Some("eu")),
    ("anywhere", TrustTier::External, None),
];

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
}

impl Judge {
    fn look(&self, place: usize, request: &Request) {
        let (name, tier, region) = PLACES[place];
        self.seen[place].fetch_add(1, Ordering::Relaxed);
        let all: Vec<&str> = request.messages.iter().map(|message| message.content.as_str()).collect();
        let text = all.join("\n");
        for mark in text.split("<mark-").skip(1) {
            let number: usize = mark.split('>').next().unwrap().parse().unwrap();
            let made = self.made.lock()[number];
            if let Some(wrong) = made.judge(&text, tier, region) {
                self.illegal.lock().push(format!("{number} at {name}: {wrong}: {text}"));
            }
            let class = CONTENTS[made.content].1.max(made.class);
            self.replaced.fetch_add(u64::from(!may_see(class, tier)), Ordering::Relaxed);
        }
    }
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
        let mut made = agent(name);
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
    let made = Made { content: below(CONTENTS.len()), class: CLASSES[below(8).saturating_sub(4)], residency: below(4) };
    let text = CONTENTS[made.content].0;
    let (prompt, documents) = match below(4) {
        0 => (format!("What does this say? <mark-{number}>"), vec![text.to_owned()]),
        // What is told is recalled for later requests, whose places must be allowed to see it too.
        1 => (format!("Remember that my word for <mark-{number}> is: {text}"), Vec::new()),
        2 => ("What do you know of the mark and my word?".to_owned(), Vec::new()),
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn none_of_many_generated_requests_reaches_a_place_it_may_not() {
    let (many, seed) = (number("SYZYGY_PRIVACY_REQUESTS", 2_000), number("SYZYGY_PRIVACY_SEED", 20_261_126) as u64);
    let (mut sent, mut denied, mut served, mut replaced) = (0, 0, 0, 0);
    let mut seen = [0; PLACES.len()];
    while sent < many {
        let judge = Arc::new(Judge::default());
        let host = host(seed + sent as u64, &judge).await;
        let chance = Seeded::new(seed + sent as u64);
        let tasks: Vec<Task> = (0..EACH.min(many - sent))
            .map(|number| {
                let (task, made) = generate(&chance, number);
                judge.made.lock().push(made);
                task
            })
            .collect();
        sent += tasks.len();
        let asks = tasks.into_iter().map(|task| {
            let host = &host;
            async move { host.ask(&cx(host), task).await }
        });
        let results: Vec<_> = stream::iter(asks).buffer_unordered(AT_ONCE).collect().await;
        served += results.iter().filter(|result| result.is_ok()).count();
        denied +=
            results.iter().filter(|result| result.as_ref().is_err_and(|error| error.class() == Class::Denied)).count();
        end(host).await;
        let illegal = judge.illegal.lock();
        assert!(illegal.is_empty(), "seed {seed}, {sent} sent: {} illegal: {}", illegal.len(), illegal[0]);
        replaced += judge.replaced.load(Ordering::Relaxed);
        seen.iter_mut().zip(&judge.seen).for_each(|(all, more)| *all += more.load(Ordering::Relaxed));
    }
    // The judge would be content with a host that does nothing.
    assert!(seen.iter().all(|seen| *seen > many as u64 / 100), "{seen:?}");
    assert!(served > many / 4 && denied > many / 100 && replaced > many as u64 / 100, "{served}, {denied}, {replaced}");
    if many > 100_000 {
        use std::io::Write;
        // Straight to the descriptor: the harness hides what a passing test prints.
        let _ = writeln!(
            std::io::stderr(),
            "{sent} requests: {served} served, {denied} denied, {replaced} with stand-ins; seen {seen:?}; 0 illegal"
        );
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
}
