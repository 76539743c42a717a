//! Components that mean harm: every row of the tables is tried, and afterwards nothing may have been read, changed or left.

use std::time::Duration;

use serde_json::json;
use syzygy::sandbox::{Access, Call, Ended, Grant, Limits, Outcome, Sandbox};

use super::super::attacks::scene::Scene;
use super::tables::{Attack, ESCAPES, Held, RESOURCES, TALK};
use super::{Source, Tier, clock, command, limits, spec};
use crate::support::MINUTE;

/// Bytes by which the tree to write may grow.
const GROWTH: u64 = 1 << 20;

fn table() -> impl Iterator<Item = &'static Attack> {
    [RESOURCES, ESCAPES, TALK].into_iter().flatten()
}

fn component(attack: &Attack, scene: &Scene) -> Vec<u8> {
    let data = scene.given(false)["data"].as_str().unwrap().to_owned();
    let body = attack.body.replace("{data}", &data);
    command(Source { body: &body, functions: attack.functions, parts: attack.parts, files: attack.files })
}

/// What a run of an attack leaves to be looked at.
struct Tried {
    scene: Scene,
    tier: Tier,
    outcome: Outcome,
    /// What it took beyond its wall time.
    late: Duration,
}

async fn tried(attack: &Attack, wide: bool) -> Tried {
    let scene = Scene::new().await;
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    rustix::fs::mknodat(rustix::fs::CWD, scene.repo().join("pipe"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let component = component(attack, &scene);
    let narrow = Limits { wall: Duration::from_secs(20), memory: Some(96 << 20), ..limits() };
    let mut spec = spec(attack.name, &component, narrow);
    (attack.bounds)(&mut spec.limits);
    if wide {
        let limits = &mut spec.limits;
        (limits.memory, limits.disk, limits.open_files) = (Some(256 << 20), Some(1 << 30), Some(3_000));
    }
    let grant = |name: &str, source, access, growth| Grant { name: name.to_owned(), source, access, growth };
    let growth = if wide { None } else { Some(GROWTH) };
    spec.grants = vec![
        grant("tree", scene.tree(), Access::ReadOnly, None),
        grant("repo", scene.repo(), Access::ReadWrite, growth),
    ];
    let (tier, wall) = (Tier::new([component]).await, spec.limits.wall);
    let cx = super::super::cx(MINUTE);
    let prepared = tier.wasm.prepare(&cx, spec).await.unwrap();
    let began = clock().now();
    let outcome = tier.wasm.invoke(&cx, &prepared, Call::new(attack.name, json!(null))).await;
    let late = (clock().now() - began).saturating_sub(wall);
    Tried { scene, tier, outcome, late }
}

/// Why it succeeded, if it did.
async fn success(attack: &Attack) -> Option<String> {
    let Tried { scene, tier, outcome, late } = tried(attack, false).await;
    if late > Duration::from_secs(2) {
        return Some(format!("it was ended {late:?} too late"));
    }
    let held = match attack.held {
        Held::Empty => outcome.ended == Ended::Finished && outcome.answer == Ok(json!(null)),
        Held::Ended(ended) => outcome.ended == ended && outcome.answer.is_err(),
        Held::When(held) => held(&outcome),
    };
    if !held {
        return Some(format!("{}: {:?} {:?} {}", outcome.ended, outcome.answer, outcome.lines.first(), outcome.stderr));
    }
    let left = tier.left();
    if !left.is_empty() || tier.wasm.view().running != 0 {
        return Some(format!("it left {left:?} and {:?}", tier.wasm.view()));
    }
    scene.harm()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_component_succeeds_with_any_attack() {
    let mut succeeded = Vec::new();
    for attack in table() {
        if let Some(why) = success(attack).await {
            succeeded.push(format!("{}: {why}", attack.name));
        }
    }
    assert!(succeeded.is_empty(), "{}", succeeded.join("\n"));
    assert!(table().count() >= 40);
}

/// Attacks on bounds that show their teeth where the bounds are wide.
const BITES: [&str; 9] = [
    "memory bomb",
    "disk fill",
    "disk fill by removing what was written",
    "holes that are filled later",
    "inode fill",
    "directories without end",
    "open files",
    "growth of a granted tree",
    "growth of a granted tree by streams",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_bounds_are_wide_the_same_components_pass_them() {
    let bites: Vec<&Attack> = table().filter(|attack| BITES.contains(&attack.name)).collect();
    assert_eq!(bites.len(), BITES.len());
    for attack in bites {
        let outcome = tried(attack, true).await.outcome;
        assert_eq!(outcome.answer, Ok(json!("broke")), "{}: {}", attack.name, outcome.stderr);
    }
}

/// A thread of its own is what an endless loop would keep if nothing counted outside.
#[tokio::test]
async fn an_endless_loop_is_ended_where_there_is_one_thread() {
    let attack = RESOURCES.iter().find(|attack| attack.name == "endless loop").unwrap();
    assert_eq!(success(attack).await, None);
}
