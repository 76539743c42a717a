//! The tables, why somebody is not in them, and decisions made again from a journal that no host has open.

use std::path::Path;

use serde_json::json;

use super::support::{Done, Setup, TestLauncher};
use crate::actors::io::record::{Hop, kind as hops};
use crate::actors::router::record::{Built, Part, Recorded, kind as tables};
use crate::actors::tests::configs;
use crate::api::tests::support::{TestHost, Wanted, world};
use crate::cli::paint::Paint;
use crate::cli::routing::rib_table;
use crate::store::{Body, Durability, Journal, NewEvent, Sqlite};
use crate::types::{Budget, Hash, Money, Price, PrivacyClass, RunId, Timestamp};
use crate::ziggy::Governance;
use crate::ziggy::route::{
    Basis, BasisDelta, Candidate, Capability, Destination, Digests, Fib, FibDelta, Request, Rib, Rules, ScoreWeights,
    decide,
};

async fn run(host: &TestHost, arguments: &[&str]) -> Done {
    Setup::default().run(&TestLauncher::new(host.data.path()), arguments).await
}

#[tokio::test]
async fn the_tables_are_shown_and_read_by_programs() {
    let host = TestHost::start(Wanted::default()).await;
    let rib = run(&host, &["rib", "show"]).await;
    assert!(
        rib.out.starts_with("CANDIDATE") && rib.out.contains("near@near") && rib.out.contains("healthy"),
        "{rib:?}"
    );
    let fib = run(&host, &["fib", "show"]).await;
    assert!(fib.out.contains("general/public") && fib.out.contains("FIB "), "{fib:?}");
    assert!(fib.out.lines().any(|line| line.contains("general/restricted") && line.contains("near@near")), "{fib:?}");
    assert!(run(&host, &["rib", "show", "-o", "json"]).await.json()["candidates"]["far@far"]["agent"].is_string());
    assert!(run(&host, &["fib", "show", "-o", "json"]).await.json()["routes"]["general/public"]["ranked"].is_array());
    host.stop().await;
}

#[test]
fn who_is_held_back_is_shown_so_with_the_time_until_when() {
    let at = world().clock.wall();
    let rules = configs::ziggy().rules();
    let mut flaps = configs::candidate("flaps", 0.5, at);
    flaps.live.dampening.strike(rules.live.ceiling, at, &rules.live);
    let rib = Rib::of([flaps, configs::candidate("sound", 0.5, at)]).unwrap();
    let fib = Basis { rib: rib.clone(), governance: Governance::default(), at }.under(&rules);
    let until = fib.row("flaps").unwrap().dampened.unwrap().until;
    let shown = rib_table(&rib, &fib.snapshot(), Paint(false));
    let states: Vec<&str> = shown.lines().skip(1).map(|line| line.rsplit("  ").next().unwrap()).collect();
    assert_eq!(states, [format!("held back until {}", &until.rfc3339()[..19]).as_str(), "healthy"], "{shown}");
}

#[tokio::test]
async fn why_not_names_the_rule_and_what_would_help() {
    let host = TestHost::start(Wanted::default()).await;
    let done = run(&host, &["why-not", "general/restricted", "far@far"]).await;
    assert!(done.out.contains("restricted data may not go to the"), "{done:?}");
    assert!(done.out.contains("It could serve if all of this held:\n- it runs at the local tier"), "{done:?}");
    let ahead = run(&host, &["why-not", "general/restricted", "near@near"]).await;
    assert!(ahead.out.starts_with("It would serve general/restricted."), "{ahead:?}");
    host.post("/control/caps", json!({ "candidate": "near@near", "cap": 0 })).await;
    let full = run(&host, &["why-not", "general/restricted", "near@near"]).await;
    assert!(
        full.out.starts_with("It would be chosen for general/restricted.\nnear@near is legal, but not"),
        "{full:?}"
    );
    let next = run(&host, &["fib", "next", "general", "--privacy", "restricted", "--tokens-in", "10"]).await;
    assert!(next.out.starts_with("near@near serves general/restricted"), "{next:?}");
    assert!(
        next.out.contains("near@near is legal, but not admitted now") && next.out.contains("raise the cap"),
        "{next:?}"
    );
    let data = run(&host, &["fib", "next", "general", "--privacy", "restricted", "-o", "json"]).await.json();
    assert_eq!((&data["doors"][0]["candidate"], &data["doors"][0]["admitted"]), (&json!("near@near"), &json!(false)));
    let both = run(&host, &["why-not", "general/public", "far@far"]).await;
    assert_eq!(both.code, 0, "{both:?}");
    let blind = run(&host, &["why-not", "general/public", "far@far", "--modality", "image"]).await;
    assert!(blind.out.contains("it cannot read image"), "{blind:?}");
    let long = run(&host, &["why-not", "general/public", "near@near", "--tokens-in", "9000000"]).await;
    assert!(long.out.contains("9000256 tokens"), "{long:?}");
    let there = run(&host, &["why-not", "general/public", "near@near", "--residency", "moon"]).await;
    assert!(there.out.contains("moon"), "{there:?}");
    for (destination, candidate, lists) in
        [("nowhere/public", "far@far", "general/public"), ("general/public", "x y&z", "far@far")]
    {
        let unknown = run(&host, &["why-not", destination, candidate]).await;
        assert_eq!(unknown.code, 66, "{unknown:?}");
        assert!(unknown.err.contains(lists) && unknown.out.is_empty(), "{unknown:?}");
    }
    host.stop().await;
}

fn request(at: Timestamp) -> Request {
    Request {
        destination: Destination { capability: Capability::new("general"), privacy: PrivacyClass::Public },
        tokens_in: 500,
        bytes_in: None,
        tokens_out_max: 200,
        budget: Budget { money: Money(1_000_000), tokens: 10_000 },
        session: None,
        pin: None,
        tenant: None,
        modalities: Vec::new(),
        residency: Vec::new(),
        seed: Some(7),
        at,
    }
}

/// A journal of one run with three decisions: one as it was made, one with another winner, one from a table that the
/// journal does not have.
async fn recorded(data: &Path) -> RunId {
    let world = world();
    let at = world.clock.wall();
    let dear = Candidate { price: Price::new(4_000_000, 4_000_000), ..configs::candidate("dear", 1.0, at) };
    let rib = Rib::of([dear, configs::candidate("cheap", 0.6, at)]).unwrap();
    let basis = Basis { rib, governance: Governance::default(), at };
    let fib = basis.under(&configs::ziggy().rules());
    let decision = decide(&fib, &request(at));
    assert_eq!(decision.winner.as_deref(), Some("dear"));
    let basis_hash = Hash::of(&serde_json::to_vec(&basis).unwrap());
    let journal = Sqlite::open(&data.join("journal.db"), &configs::store(), world.clone(), Vec::new()).await.unwrap();
    // One table inline and its basis in parts, so that both ways are gone.
    let text = serde_json::to_string(&basis).unwrap();
    let parts = [&text[..100], &text[100..]].map(|text| {
        let part = Part { text: text.to_owned() };
        NewEvent::new(tables::PART, None, "host/router", &part)
    });
    let recorded = Recorded { basis_hash, basis: None, base: None, delta: None, parts: parts.len() };
    let (version, candidates, destinations) = (fib.version, fib.rows.len(), fib.routes.len());
    let fib = Some(fib);
    let built = Built {
        version,
        basis: basis_hash,
        at,
        candidates,
        destinations,
        fib,
        base: None,
        delta: None,
        depth: 0,
        parts: 0,
        with: 3,
        forgotten: Vec::new(),
        left: Vec::new(),
        registry: None,
        complete: false,
    };
    let run = RunId::new(&world);
    let hop = |chunk, decision| NewEvent::new(hops::DECIDED, Some(run), "host/io-1", &Hop { chunk, decision });
    let mut forged = decision.clone();
    forged.winner = Some("cheap".to_owned());
    let mut lost = decision.clone();
    lost.fib = Hash::of(b"gone");
    let [first, second] = parts;
    let events = vec![
        // A decision can be on disk before its table.
        hop(0, decision),
        first,
        second,
        NewEvent::new(tables::BASIS, None, "host/router", &recorded),
        NewEvent::new(tables::BUILT, None, "host/router", &built),
        hop(1, forged),
        hop(2, lost),
    ];
    journal.append(events, Durability::Durable).await.unwrap();
    journal.close().await.unwrap();
    run
}

#[tokio::test]
async fn a_recorded_decision_is_made_again_and_a_forged_one_is_found() {
    let data = tempfile::tempdir().unwrap();
    let run = recorded(data.path()).await.to_string();
    let launcher = TestLauncher::new(data.path());
    for named in [run.as_str(), &run[..12], "last"] {
        let done = Setup::default().run(&launcher, &["replay", "--decision", named]).await;
        assert_eq!(done.code, 65, "{done:?}");
        assert!(done.out.contains("event 1 of run"), "{done:?}");
        assert!(done.out.contains(": equal, from FIB "), "{done:?}");
        let difference = "DIFFERENT at /decision/winner: recorded \"cheap\", computed \"dear\"";
        assert!(done.out.contains(difference), "{done:?}");
        assert!(done.out.contains("is not in the journal any more"), "{done:?}");
        assert!(done.out.ends_with("3 decisions: 1 equal, 1 different, 1 without their table\n"), "{done:?}");
    }
    let done = Setup::default().run(&launcher, &["replay", "--since", "7d"]).await;
    assert_eq!((done.code, done.out.lines().count()), (65, 2), "what is the same is only counted: {done:?}");
    assert!(done.out.contains(": DIFFERENT at /decision/winner"), "{done:?}");
    let done = Setup::default().run(&launcher, &["replay", "--since", "7d", "-o", "json"]).await;
    assert_eq!(done.json()["different"], json!(1));
    for wrong in [&["replay", "--decision", "ffff"][..], &["replay", "--decision", "!"]] {
        assert_eq!(Setup::default().run(&launcher, wrong).await.code, 66);
    }
    for wrong in [&["replay", "--since", "soon"][..], &["replay"], &["replay", "--since", "-1d"]] {
        assert_eq!(Setup::default().run(&launcher, wrong).await.code, 64);
    }
}

/// A table as it is written: whole, or as what it has otherwise than the one before.
fn tabled(before: Option<(&Basis, &Fib)>, basis: &Basis, fib: &Fib, depth: u32) -> [NewEvent; 2] {
    let basis_hash = Digests::default().of(basis);
    let base = before.map(|(basis, _)| Digests::default().of(basis));
    let delta = before.map(|(before, _)| BasisDelta::between(before, basis));
    let whole = before.is_none().then(|| basis.clone());
    let recorded = Recorded { basis_hash, basis: whole, base, delta, parts: 0 };
    let built = Built {
        version: fib.version,
        basis: basis_hash,
        at: fib.at,
        candidates: fib.rows.len(),
        destinations: fib.routes.len(),
        fib: before.is_none().then(|| fib.clone()),
        base: before.map(|(_, fib)| fib.version),
        delta: before.map(|(_, before)| FibDelta::between(before, fib)),
        depth,
        parts: 0,
        with: 1,
        forgotten: Vec::new(),
        left: Vec::new(),
        registry: None,
        complete: depth == 0,
    };
    let event = |kind: &str, body: Body| NewEvent { kind: kind.to_owned(), run: None, source: "r".to_owned(), body };
    [event(tables::BASIS, Body::of(&recorded)), event(tables::BUILT, Body::of(&built))]
}

#[tokio::test]
async fn a_decision_whose_table_is_written_as_a_change_is_made_again_as_long_as_the_one_before_is_there() {
    let rules = configs::ziggy().rules();
    let world = world();
    let at = world.clock.wall();
    for lost in [None, Some(0), Some(1)] {
        let data = tempfile::tempdir().unwrap();
        let names = ["ann", "bob", "cid", "dee"];
        let mut rib = Rib::of(names.map(|name| configs::candidate(name, 0.9, at))).unwrap();
        let (mut line, mut hops_made): (Vec<(Basis, Fib)>, Vec<NewEvent>) = (Vec::new(), Vec::new());
        let mut events = Vec::new();
        for (depth, name) in (0..).zip(names) {
            rib.put(configs::candidate(name, 0.2, at)).unwrap();
            let basis = Basis { rib: rib.clone(), governance: Governance::default(), at };
            let fib = basis.under(&rules);
            let decision = decide(&fib, &request(at));
            let run = RunId::new(&world);
            hops_made.push(NewEvent::new(hops::DECIDED, Some(run), "host/io-1", &Hop { chunk: 0, decision }));
            let table = tabled(line.last().map(|(basis, fib)| (basis, fib)), &basis, &fib, depth);
            // What is lost was never written, as far as anybody who reads can tell.
            if lost != Some(depth) {
                events.extend(table);
            }
            line.push((basis, fib));
        }
        // The last first: what comes later is not made from it.
        events.extend(hops_made.into_iter().rev());
        let journal = data.path().join("journal.db");
        let journal = Sqlite::open(&journal, &configs::store(), world.clone(), Vec::new()).await.unwrap();
        journal.append(events, Durability::Durable).await.unwrap();
        journal.close().await.unwrap();
        let launcher = TestLauncher::new(data.path());
        let done = Setup::default().run(&launcher, &["replay", "--since", "7d"]).await;
        let kept = lost.map_or(4, |lost| lost);
        let told = format!("4 decisions: {kept} equal, 0 different, {} without their table\n", 4 - kept);
        assert!(done.out.ends_with(&told), "{lost:?}: {done:?}");
        let one = Setup::default().run(&launcher, &["replay", "--decision", "last"]).await;
        match lost {
            Some(0) => assert!(one.out.contains("not made again, since FIB"), "{one:?}"),
            _ => assert!(one.out.contains(": equal, from FIB "), "{one:?}"),
        }
        let launcher = TestLauncher { rules: Some(rules.clone()), ..TestLauncher::new(data.path()) };
        let done = Setup::default().run(&launcher, &["replay", "--since", "1d", "--with", "other.toml"]).await;
        let told = format!("{} could not be made again for want of their table\n", 4 - kept);
        assert!(done.out.ends_with(&told), "what a table was made from follows too: {done:?}");
    }
}

#[tokio::test]
async fn another_configuration_is_asked_what_it_would_have_decided() {
    let data = tempfile::tempdir().unwrap();
    recorded(data.path()).await;
    let mut rules: Rules = configs::ziggy().rules();
    rules.score.weights = ScoreWeights { latency: 0, cost: 1, truthfulness: 0, reliability: 0, load: 0, freshness: 0 };
    let launcher = TestLauncher { rules: Some(rules), ..TestLauncher::new(data.path()) };
    let asked = ["replay", "--since", "1d", "--with", "other.toml"];
    let done = Setup::default().run(&launcher, &asked).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("1 x dear -> cheap"), "{done:?}");
    let end = "3 decisions: 1 would go elsewhere, 0 of these would be refused and 0 no more; 1 could not be made again for want of their table\n";
    assert!(done.out.ends_with(end), "{done:?}");
    let report = Setup::default().run(&launcher, &[&asked[..], &["-o", "json"]].concat()).await.json();
    let general = &report["destinations"]["general/public"];
    assert_eq!((&general["decisions"], &general["changed"]), (&json!(2), &json!(1)));
    assert_eq!((&general["before"]["tiers"], &general["after"]["cost_max"]), (&json!({ "local": 2 }), &json!(0)));
}

#[tokio::test]
async fn a_candidate_is_announced_and_withdrawn() {
    let host = TestHost::start(Wanted::default()).await;
    let put = ["rib", "put", "near@far", "--expires-in", "600", "--reason", "a trial"];
    let done = run(&host, &[&put[..], &["--quality", "0.5", "--quality-of", "general=0.75"]].concat()).await;
    assert_eq!((done.code, done.out.as_str()), (0, "near@far is announced for 600 s\n"), "{done:?}");
    host.post("/rib/rebuild", json!({})).await;
    let shown = run(&host, &["rib", "show"]).await.out;
    let row = shown.lines().find(|line| line.starts_with("near@far")).unwrap();
    assert!(row.contains("operator") && row.contains("known until"), "{row}");
    assert!(run(&host, &[&put[..], &["-o", "json"]].concat()).await.json()["governance"].is_u64());
    for wrong in ["2", "-3", "-0.1", "NaN", "inf", "much"] {
        let refused = run(&host, &[&put[..], &["--quality", wrong]].concat()).await;
        assert!(refused.code == 64 && refused.err.contains("expected a number from 0 to 1"), "{wrong}: {refused:?}");
        let pair = format!("general={wrong}");
        let refused = run(&host, &[&put[..], &["--quality-of", &pair]].concat()).await;
        assert!(refused.code == 64 && refused.err.contains("such as code=0.3"), "{wrong}: {refused:?}");
    }
    for wrong in ["general", "=0.5"] {
        assert_eq!(run(&host, &[&put[..], &["--quality-of", wrong]].concat()).await.code, 64, "{wrong}");
    }
    let nowhere = run(&host, &["rib", "put", "near@the moon/x", "--expires-in", "9", "--reason", "r"]).await;
    assert!(nowhere.code == 66 && nowhere.err.contains("the moon/x"), "{nowhere:?}");
    assert_eq!(run(&host, &["rib", "withdraw", "near@far"]).await.out, "near@far is withdrawn\n");
    assert_eq!(run(&host, &["rib", "withdraw", "near@far"]).await.code, 66);
    host.stop().await;
}
