//! Policies: what a decision costs, from the text of the arguments to the verdict, and what slicing saves.
//!
//! `cargo bench --bench policy`. A thousand tools with five policies each, besides those that come with the host. The
//! aim is a decision with validation of the arguments in 10 us at the median; it is compared with the same decision over
//! the whole book in the same run. The last table is what a list and a grant cost.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints what it saw and stops if it cannot")]
#![expect(clippy::disallowed_methods, reason = "a benchmark is a composition root: it has a clock")]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Instant;

use serde_json::{Value, json};
use syzygy::lap::grant::{Account, Bounds, Root, Use, Verifier};
use syzygy::lap::policy::{Book, Circumstances, Kind, Slice, Source, Subject, ToolFacts, builtin};
use syzygy::tds::tool::{PersonalData, SideEffects};
use syzygy::types::{Hash, PrivacyClass, Residency, Timestamp, TrustTier};

/// Tools, as many as a large organisation has.
const TOOLS: usize = 1_000;
/// Policies of each of them.
const POLICIES: usize = 5;
/// Decisions that are timed one by one.
const DECISIONS: usize = 20_000;
/// Decisions over the whole book, each of which takes milliseconds.
const WHOLE: usize = 200;

fn words(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(ToString::to_string).collect()
}

fn input() -> Value {
    json!({
        "type": "object",
        "properties": {
            "path": { "type": "string", "maxLength": 500 },
            "count": { "type": "integer", "minimum": 1, "maximum": 1_000 },
            "labels": { "type": "array", "items": { "type": "string" }, "maxItems": 20 },
            "author": { "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] },
        },
        "required": ["path", "count"],
        "additionalProperties": false,
    })
}

fn tool(number: usize) -> ToolFacts {
    ToolFacts {
        id: format!("tool{number}"),
        version: "1.0.0".to_owned(),
        side_effects: SideEffects::Idempotent,
        scopes: words(&["git:read"]),
        tags: words(&["git"]),
        roles: words(&["dev"]),
        regions: words(&["eu"]),
        egress: words(&["git.example.com"]),
        privacy: PrivacyClass::Confidential,
        tier: TrustTier::Private,
        pii_input: PersonalData::Redact,
        pii_output: PersonalData::Redact,
        approval: false,
        input: input(),
    }
}

/// Five policies of a tool, all of which look at arguments.
fn policies(number: usize) -> String {
    let conditions = [
        ("permit", "context.args.path like \"src/*\" && context.args.count <= 100"),
        ("permit", "principal in Role::\"ops\" && context.args.path like \"*\""),
        ("forbid", "context.args.path like \"*.key\" || context.args.path like \"*/secrets/*\""),
        ("forbid", "context.args has labels && context.args.labels.contains(\"private\")"),
        ("forbid", "context.args has author && context.args.author.name == \"root\""),
    ];
    let policy = |(place, (effect, condition)): (usize, &(&str, &str))| {
        format!(
            "@id(\"tool{number}-{place}\") @because(\"a benchmark\")\n{effect} (principal, action == Action::\"invoke\", \
             resource == Tool::\"tool{number}\") when {{ {condition} }};\n"
        )
    };
    conditions.iter().take(POLICIES).enumerate().map(policy).collect()
}

/// Microseconds of each run, in order.
fn timed<T>(runs: usize, mut run: impl FnMut() -> T) -> Vec<f64> {
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let began = Instant::now();
            black_box(run());
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

fn row(name: &str, times: &[f64]) {
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!("  {name:46} {:9.2} {:9.2} {:9.2}", at(50), at(90), at(99));
}

fn main() {
    let mut sources: Vec<Source> = builtin().into_iter().filter(|source| source.name != "admitted").collect();
    let files: Vec<String> = (0..TOOLS).map(policies).collect();
    for (number, chunk) in files.chunks(100).enumerate() {
        sources.push(Source { name: format!("{number}.cedar"), text: chunk.concat() });
    }
    let (book, slices) = read(&sources);
    decisions(&book, &slices);
}

/// The policies, and those of each tool.
fn read(sources: &[Source]) -> (Book, Vec<Slice>) {
    let began = Instant::now();
    let book = Book::read(sources).unwrap();
    println!("{} policies read in {:.0} ms", book.policies(), began.elapsed().as_secs_f64() * 1e3);
    let began = Instant::now();
    let slices: Vec<_> = (0..TOOLS).map(|number| book.slice(&tool(number)).unwrap()).collect();
    println!("{TOOLS} tools typed and sliced in {:.0} ms", began.elapsed().as_secs_f64() * 1e3);
    (book, slices)
}

/// What decisions cost, sliced and over the whole book.
fn decisions(book: &Book, slices: &[Slice]) {
    let caller = Subject::new(Kind::Agent, "marvin", "acme", &words(&["dev"])).unwrap();
    let call = Circumstances {
        scopes: words(&["git:read", "jira"]),
        privacy: PrivacyClass::Internal,
        residency: Residency::within(&["eu".to_owned()]),
        personal_data: false,
        approved: false,
        now: Timestamp(1_764_000_000_000_000),
    };
    let text = "{\"path\":\"src/lib.rs\",\"count\":10,\"labels\":[\"a\",\"b\"],\"author\":{\"name\":\"anna\"}}";
    let arguments: Value = serde_json::from_str(text).unwrap();
    let validator = jsonschema::validator_for(&input()).unwrap();
    let whole = book.whole(&tool(0)).unwrap();
    let decision = slices[0].decide(&caller, &call, &arguments);
    assert!(decision.allowed, "{}", slices[0].explain(&decision, &caller, &call, &arguments));
    assert_eq!(decision, whole.decide(&caller, &call, &arguments), "a slice and the whole book disagree");

    println!("one decision, us                                       p50       p90       p99");
    let mut next = 0;
    let mut turn = || {
        next = (next + 7) % TOOLS;
        &slices[next]
    };
    row("sliced, arguments parsed", &timed(DECISIONS, || turn().decide(&caller, &call, &arguments)));
    row(
        "parse and validate the arguments alone",
        &timed(DECISIONS, || {
            let arguments: Value = serde_json::from_str(text).unwrap();
            validator.is_valid(&arguments)
        }),
    );
    row(
        "sliced, with parsing and validation",
        &timed(DECISIONS, || {
            let arguments: Value = serde_json::from_str(text).unwrap();
            validator.is_valid(&arguments) && turn().decide(&caller, &call, &arguments).allowed
        }),
    );
    row(
        "the whole book, with parsing and validation",
        &timed(WHOLE, || {
            let arguments: Value = serde_json::from_str(text).unwrap();
            validator.is_valid(&arguments) && whole.decide(&caller, &call, &arguments).allowed
        }),
    );
    let bad = json!({ "path": "src/a.key", "count": 10 });
    let refused = slices[0].decide(&caller, &call, &bad);
    row("an explanation of a refusal", &timed(1_000, || slices[0].explain(&refused, &caller, &call, &bad)));

    println!("lists and grants, us                                   p50       p90       p99");
    row("whether one tool is listed", &timed(DECISIONS, || turn().lists(&caller, &call)));
    grants(&call, text);
}

/// What it costs to narrow a grant to one call with these arguments, and to check it.
fn grants(call: &Circumstances, text: &str) {
    let root = Root::from_secret(&[7; 32]).unwrap();
    let until = Some(Timestamp(call.now.0 + 60_000_000));
    let bounds = Bounds { scopes: Some(words(&["git:read"])), until, ..Bounds::default() };
    let token = root.issue(&Account { name: "marvin".to_owned(), bounds }, &[1; 32]).unwrap();
    let hash = Hash::of(text.as_bytes());
    let narrow = Bounds {
        tools: Some(words(&["tool1"])),
        versions: Some(words(&["1.0.0"])),
        arguments: Some(BTreeSet::from([hash])),
        ..Bounds::default()
    };
    row("narrow a grant to one call", &timed(1_000, || token.narrow(&narrow, &[2; 32])));
    let token = token.narrow(&narrow, &[2; 32]).unwrap();
    row("verify it for the first time", &timed(1_000, || Verifier::new(&root, 1).verify(&token, call.now)));
    let verifier = Verifier::new(&root, 1_000);
    let needs = words(&["git:read"]);
    row(
        "verify it again, and check the call",
        &timed(DECISIONS, || {
            let grant = verifier.verify(&token, call.now).unwrap();
            let class = PrivacyClass::Internal;
            let call = Use {
                tool: "tool1",
                version: "1.0.0",
                arguments: hash,
                tenant: "acme",
                audience: "egress",
                scopes: &needs,
                class,
                now: call.now,
            };
            grant.check(&call).is_ok()
        }),
    );
}
