//! Routing: a decision with its record, tables made and made anew, decisions made again.
//!
//! `cargo bench --bench router`. Everything here is pure, so one thread and no disk; what is timed is what the host does:
//! the decision, and the text of the event's body that holds it.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints what it saw and stops if it cannot")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the real clock")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use syzygy::config::{Inputs, load};
use syzygy::types::{Budget, Modality, Money, Price, PrivacyClass, Timestamp, TrustTier};
use syzygy::ziggy::route::{
    Candidate, Capability, Decision, Destination, Fault, Feedback, Fib, Health, Live, Origin, Policy, Request, Rib,
    Rules, build, decide_under, replay,
};
use syzygy::ziggy::{Action, Appetite, Governance, Millionths, Override};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Decisions of a row: a percentile of 99 stands on two hundred of them.
const DECISIONS: u64 = 20_000;
/// Tables built of each kind.
const BUILDS: usize = 101;
/// Decisions that are made again.
const REPLAYED: u64 = 200_000;

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

fn main() {
    let inputs = Inputs { environment: vec![("HOME".to_owned(), "/nowhere".to_owned())], ..Inputs::default() };
    let rules = load(&inputs).unwrap().config.ziggy.rules();
    decisions(&rules);
    rebuilds(&rules);
    replays(&rules);
}

/// One of a number of candidates that differ in everything that counts.
fn candidate(number: u32, capabilities: &[&str]) -> Candidate {
    let spread = |by: u32, over: u32| number.wrapping_mul(by) % over;
    let tier = [TrustTier::External, TrustTier::Partner, TrustTier::Private, TrustTier::Local][(number % 4) as usize];
    Candidate {
        id: format!("agent-{number:05}@runtime-{:03}", number % 100),
        agent: format!("agent-{number:05}"),
        runtime: format!("runtime-{:03}", number % 100),
        provider: format!("https://provider-{}.example by KEY", number % 10),
        model: format!("model-{:03}", number % 100),
        same_as: String::new(),
        capabilities: capabilities.iter().map(|name| Capability::new(name)).collect(),
        modalities: vec![Modality::Text],
        tier,
        region: Some("eu".to_owned()),
        price: Price::new(i64::from(spread(7_919, 500_000)), i64::from(spread(104_729, 2_000_000))),
        context_tokens: 4_096 + spread(31, 100_000),
        appetite: Appetite::default(),
        quality: Millionths(500_000 + spread(15_485_863, 500_000)),
        qualities: BTreeMap::new(),
        live: Live::assumed(u64::from(100_000 + spread(32_452_843, 900_000)), 10_000, NOW),
        origin: Origin::Config,
        since: NOW,
        expires: None,
        weight: 100,
        cap: Some(16),
        enabled: true,
        health: Health::Healthy,
        quarantined: None,
    }
}

fn rib(count: u32) -> Rib {
    Rib::of((0..count).map(|number| candidate(number, &["general"]))).unwrap()
}

fn request(number: u64) -> Request {
    Request {
        destination: Destination { capability: Capability::new("general"), privacy: PrivacyClass::Public },
        tokens_in: 200 + number % 1_000,
        bytes_in: None,
        tokens_out_max: 256,
        budget: Budget { money: Money(1_000_000), tokens: 262_144 },
        session: number.is_multiple_of(3).then(|| format!("session-{number}")),
        pin: None,
        tenant: Some("operator".to_owned()),
        modalities: Vec::new(),
        residency: Vec::new(),
        seed: Some(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        at: NOW,
    }
}

fn load_of(candidate: &str) -> u32 {
    u32::from(candidate.as_bytes()[10]) % 4
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100]
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Requests of one kind: its name, whether it is served, and what makes one.
type Kind<'a> = (&'a str, bool, &'a dyn Fn(u64) -> Request);

/// With its record: the text of the body that goes into the journal.
fn decisions(rules: &Rules) {
    println!("decision with its record                p50 us   p99 us   bytes");
    for count in [10, 100, 1_000] {
        let fib = build(&rib(count), &Governance::default(), rules, None, NOW);
        let plain = |number| request(number);
        // A budget that some cannot keep, so that everybody has to be looked at.
        let tight = |number| Request { budget: Budget { money: Money(300), tokens: 262_144 }, ..request(number) };
        // Nobody is there, so that everybody has to be looked at and named.
        let nowhere = |number| Request { residency: vec!["mars".to_owned()], ..request(number) };
        let here = |number| Request { residency: vec!["eu".to_owned()], ..request(number) };
        let kinds: [Kind<'_>; 4] = [
            ("", true, &plain),
            (", tight budget", true, &tight),
            (", with a residency", true, &here),
            (", refused for its residency", false, &nowhere),
        ];
        for (kind, served, make) in kinds {
            let (mut times, mut bytes) = (Vec::new(), 0);
            for number in 0..DECISIONS {
                let request = make(number);
                let began = Instant::now();
                let decision = decide_under(black_box(&fib), black_box(&request), &load_of);
                let body = serde_json::to_string(&decision).unwrap();
                times.push(began.elapsed());
                bytes = black_box(body).len();
                assert_eq!(decision.winner.is_some(), served);
            }
            let name = format!("{count} candidates{kind}");
            let (half, most) = (percentile(&mut times, 50), percentile(&mut times, 99));
            println!("  {name:34}   {:7.2}  {:7.2}  {bytes:6}", micros(half), micros(most));
        }
    }
}

fn rebuilds(rules: &Rules) {
    println!("table of 10,000 candidates              p50 ms   p99 ms");
    let row = |name: &str, times: &mut [Duration]| {
        let (half, most) = (percentile(times, 50), percentile(times, 99));
        println!("  {name:34}   {:7.2}  {:7.2}", micros(half) / 1e3, micros(most) / 1e3);
    };
    let observed = |number: usize| Feedback {
        candidate: candidate(u32::try_from(number % 10_000).unwrap(), &[]).id,
        fault: Fault::Own,
        ..Feedback::default()
    };
    let spread: Vec<String> = (0..100).map(|number| format!("capability-{number:02}")).collect();
    for (name, own) in [("one capability", false), ("a hundred capabilities", true)] {
        let all = (0..10_000).map(|number| {
            let word = if own { spread[(number % 100) as usize].as_str() } else { "general" };
            candidate(number, &[word])
        });
        let mut rib = Rib::of(all).unwrap();
        let governance = Governance::default();
        let build_from = |rib: &Rib, before: Option<&Fib>| {
            let began = Instant::now();
            let fib = build(black_box(rib), &governance, rules, before, NOW);
            (began.elapsed(), fib)
        };
        let mut times: Vec<Duration> = (0..BUILDS).map(|_| build_from(&rib, None).0).collect();
        row(&format!("{name}, from nothing"), &mut times);
        let mut fib = build_from(&rib, None).1;
        let (mut times, mut other) = (Vec::new(), Governance::default());
        for _ in 0..BUILDS {
            // Another version of the governance takes nothing over but the facts.
            other.version += 1;
            let began = Instant::now();
            black_box(build(&rib, &other, rules, Some(&fib), NOW));
            times.push(began.elapsed());
        }
        row(&format!("{name}, everything anew"), &mut times);
        let mut times = Vec::new();
        for number in 0..BUILDS {
            rib.observe(&observed(number * 7), &rules.live, NOW);
            let (took, next) = build_from(&rib, Some(&fib));
            assert_ne!(next.version, fib.version);
            times.push(took);
            fib = next;
        }
        row(&format!("{name}, after one change"), &mut times);
        // The same where a person prefers somebody and a policy somebody else.
        let action = Action::Pin { candidate: candidate(7, &[]).id, capability: None };
        let (author, reason, expires) = ("ada".to_owned(), "a trial".to_owned(), Timestamp(i64::MAX));
        let pinned =
            Governance { overrides: vec![Override { author, reason, expires, action }], ..Governance::default() };
        let prefer = vec!["runtime:runtime-042".to_owned()];
        let policies = vec![Policy { tenant: None, destination: None, weights: None, prefer }];
        let rules = &Rules { policies, ..rules.clone() };
        let mut fib = build(&rib, &pinned, rules, None, NOW);
        let mut times = Vec::new();
        for number in 0..BUILDS {
            rib.observe(&observed(number * 11), &rules.live, NOW);
            let began = Instant::now();
            let next = build(black_box(&rib), &pinned, rules, Some(&fib), NOW);
            times.push(began.elapsed());
            fib = next;
        }
        row(&format!("{name}, the same with a pin and a policy"), &mut times);
    }
}

fn replays(rules: &Rules) {
    println!("replay on one core                    decisions/s");
    for count in [3, 100, 1_000] {
        let fib = build(&rib(count), &Governance::default(), rules, None, NOW);
        let recorded: Vec<Decision> = (0..1_000).map(|number| decide_under(&fib, &request(number), &load_of)).collect();
        let began = Instant::now();
        for number in 0..REPLAYED {
            let one = &recorded[usize::try_from(number % 1_000).unwrap()];
            assert!(replay(black_box(&fib), black_box(one)).is_none());
        }
        let rate = REPLAYED as f64 / began.elapsed().as_secs_f64();
        println!("  {:34}   {rate:12.0}", format!("{count} candidates"));
    }
}
