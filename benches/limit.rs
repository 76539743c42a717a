//! Which way of learning a limit on concurrency, and what asking a gate costs.
//!
//! The first is a simulation in virtual time: a server with so many places and a line before them, whose best concurrency
//! is therefore known, and a crowd that sends as soon as the limit allows. The second is measured on the real clock.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::hint::black_box;
use std::time::Instant;

use syzygy::types::{Random, Seeded, Timestamp};
use syzygy::ziggy::limit::{
    Algorithm, Ask, Candidate, Concurrency, ConcurrencyConfig, Config, Provider, Rates, Verdict,
};

const SECOND: u64 = 1_000_000;

/// How long a server works on a request, in microseconds.
#[derive(Clone, Copy)]
enum Work {
    /// From 50 to 150 ms.
    Alike,
    /// Around 100 ms, log-normal with a sigma of 0.6: the lengths of conversations.
    Skewed,
    /// Nine of ten 50 ms, the tenth a second: short and long prompts.
    Mixed,
}

impl Work {
    fn draw(self, random: &Seeded) -> u64 {
        match self {
            Work::Alike => 50_000 + random.next() % 100_000,
            Work::Skewed => {
                // Box and Muller's way to a normal number.
                let share = || (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
                let normal = (-2.0 * (1.0 - share()).ln()).sqrt() * (std::f64::consts::TAU * share()).cos();
                (100_000.0 * (normal * 0.6 - 0.18).exp()) as u64
            }
            Work::Mixed if random.next().is_multiple_of(10) => SECOND,
            Work::Mixed => 50_000,
        }
    }

    fn mean(self) -> u64 {
        match self {
            Work::Alike | Work::Skewed => 100_000,
            Work::Mixed => 145_000,
        }
    }
}

struct Found {
    /// Share of what the server can do that was done.
    done: f64,
    /// Mean time from sending to the answer, as a multiple of the mean work.
    slower: f64,
    /// Mean limit.
    limit: f64,
}

/// Lets a crowd loose on a server whose places change at these times, and looks at the stretches after them.
fn simulate(config: &ConcurrencyConfig, work: Work, places: &[(u64, u32)], seed: u64) -> Vec<Found> {
    let random = Seeded::new(seed);
    let mut limit = Concurrency::new(config);
    let (mut now, mut stretch, mut in_flight, mut busy) = (0, 0, 0_u32, 0_u32);
    let mut line: VecDeque<(u64, u32)> = VecDeque::new();
    // When a request is done, when it was sent, and how many were in flight then.
    let mut working: BinaryHeap<Reverse<(u64, u64, u32)>> = BinaryHeap::new();
    let (mut found, mut sums) = (Vec::new(), (0_u64, 0_u64, 0_u64));
    let length = 60 * SECOND;
    let end = places.len() as u64 * length;
    while now < end {
        while in_flight < limit.limit() {
            in_flight += 1;
            line.push_back((now, in_flight));
        }
        while busy < places[stretch].1 {
            let Some((sent, with)) = line.pop_front() else { break };
            busy += 1;
            working.push(Reverse((now + work.draw(&random), sent, with)));
        }
        let Some(Reverse((done, sent, with))) = working.pop() else { break };
        now = done;
        (in_flight, busy) = (in_flight - 1, busy - 1);
        limit.answered(config, done - sent, with);
        // The second half of a stretch is what it settles at.
        if now >= places[stretch].0 + length / 2 {
            sums = (sums.0 + 1, sums.1 + (done - sent), sums.2 + u64::from(limit.limit()));
        }
        if now >= places[stretch].0 + length {
            let best = (length / 2) as f64 * f64::from(places[stretch].1) / work.mean() as f64;
            let count = sums.0.max(1) as f64;
            found.push(Found {
                done: count / best,
                slower: sums.1 as f64 / count / work.mean() as f64,
                limit: sums.2 as f64 / count,
            });
            (sums, stretch) = ((0, 0, 0), stretch + 1);
            if stretch == places.len() {
                break;
            }
        }
    }
    found
}

fn table() {
    println!("Learned limits: a server whose places are the best limit, a minute each, seen in its second half.");
    println!("| work | way | places | limit | of the best throughput | latency, of the work alone |");
    println!("|---|---|---|---|---|---|");
    let places = [(0, 50), (60 * SECOND, 15), (120 * SECOND, 50)];
    for (name, work) in [("alike", Work::Alike), ("skewed", Work::Skewed), ("mixed", Work::Mixed)] {
        for algorithm in [Algorithm::Fixed, Algorithm::Gradient2, Algorithm::Vegas] {
            let config = ConcurrencyConfig { algorithm, initial: 20, least: 4, most: 200 };
            for (found, (_, places)) in simulate(&config, work, &places, 7).iter().zip(places) {
                println!(
                    "| {name} | {algorithm:?} | {places} | {:.0} | {:.2} | {:.1}x |",
                    found.limit, found.done, found.slower
                );
            }
        }
    }
}

fn cost() {
    let config = Config {
        concurrency: ConcurrencyConfig { algorithm: Algorithm::Gradient2, initial: 20, least: 4, most: 200 },
        rates: BTreeMap::new(),
        ..Config::unlimited()
    };
    let (mut candidate, mut provider) = (Candidate::new(&config), Provider::default());
    let rate = Rates { requests_per_minute: 1_000_000_000, tokens_per_minute: 1_000_000_000, burst_s: 60 };
    let random = Seeded::new(1);
    let rounds = 2_000_000_u32;
    let began = Instant::now();
    for place in 0..rounds {
        let now = Timestamp(i64::from(place));
        let ask = Ask { tokens: 10, chance: random.next(), last_resort: false };
        let sent = candidate.send(&mut provider, &config, (&rate, &rate), ask, now);
        if let Ok(sent) = black_box(sent) {
            let verdict = Verdict::Answered { latency_us: 1_000, tokens: 5 };
            candidate.settle(&mut provider, &config, (&rate, &rate), (sent, verdict), now);
        }
    }
    let each = began.elapsed().as_nanos() / u128::from(rounds);
    println!("\nAll limiters of one candidate, asked and settled: {each} ns.");
}

fn main() {
    table();
    cost();
    gate::cost();
}

/// The gate as it stands in CROWN, with its locks, its clock and the governance.
mod gate {
    use super::{Instant, black_box};
    use syzygy::actors::crown::Asked;
    use syzygy::host::Host;
    use syzygy::inference::Scripted;
    use syzygy::ziggy::Value;
    use syzygy::ziggy::limit::Verdict;

    pub(super) fn cost() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let host = runtime.block_on(Host::builder().runtime(Scripted::saying("local", "Yes.")).start()).unwrap();
        let crown = host.crown().clone();
        let asked = Asked {
            candidate: "a@b",
            runtime: "b",
            cap: Some(1_000),
            value: Value::Normal,
            tokens: 100,
            last_resort: false,
        };
        for threads in [1, 2, 4] {
            let rounds = 500_000_u32;
            let began = Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        for _ in 0..rounds {
                            if let (_, Some(permit)) = black_box(crown.ask(&asked)) {
                                permit.settle(Verdict::Answered { latency_us: 1_000, tokens: 50 });
                            }
                        }
                    });
                }
            });
            let each = began.elapsed().as_nanos() / u128::from(rounds) / threads;
            println!("A gate of CROWN, asked and settled, {threads} threads at one gate: {each} ns each.");
        }
    }
}
