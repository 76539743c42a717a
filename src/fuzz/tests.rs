//! The short run of every target: its corpus as it is, then changed, from fixed seeds.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::mutate::mutated;
use super::{TARGETS, Target, target};

/// Changed inputs of one target, if its time is not over before.
const INPUTS: usize = 4_000;

/// Changed inputs that are tried whatever the time: a machine that is busy does less, and never nothing.
const LEAST: usize = 100;

/// Time for one target, so that all of them together take seconds.
const WITHIN: Duration = Duration::from_secs(5);

/// Time for one input. All take milliseconds; a machine may be busy.
const INPUT_WITHIN: Duration = Duration::from_secs(3);

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(corpus(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

#[expect(clippy::disallowed_methods, reason = "it is about the time the code really takes")]
fn now() -> Instant {
    Instant::now()
}

fn run((name, readers): Target) {
    let (seeds, target) = (seeds(name), target(name));
    assert!(!seeds.is_empty(), "{name} has no corpus");
    for (what, read) in readers {
        assert!(seeds.iter().any(|seed| read(seed)), "nothing in the corpus of {name} is taken as {what}");
    }
    let mut random = fastrand::Rng::with_seed(7);
    let changed = std::iter::repeat_with(|| mutated(&mut random, &seeds)).take(INPUTS);
    let (began, mut done) = (now(), 0);
    for input in seeds.iter().cloned().chain(changed) {
        let before = now();
        if std::panic::catch_unwind(|| target(&input)).is_err() {
            panic!("{name} panicked at {:?}", String::from_utf8_lossy(&input));
        }
        assert!(before.elapsed() < INPUT_WITHIN, "{name} took {:?}: {input:?}", before.elapsed());
        done += 1;
        if began.elapsed() > WITHIN && done >= seeds.len() + LEAST {
            break;
        }
    }
}

#[test]
fn any_configuration_is_read_or_explained() {
    run(TARGETS[0]);
}

#[test]
fn any_body_is_read_or_refused() {
    run(TARGETS[1]);
}

#[test]
fn any_connection_has_one_reading_or_none() {
    run(TARGETS[2]);
}

#[test]
fn any_journal_is_checked_folded_and_explained() {
    run(TARGETS[3]);
}

#[test]
fn any_model_is_loaded_or_refused() {
    run(TARGETS[4]);
}

#[test]
fn any_stream_is_read_or_refused() {
    run(TARGETS[5]);
}

#[test]
fn any_list_is_read_or_explained() {
    run(TARGETS[6]);
}

#[test]
fn any_tool_is_read_or_explained() {
    run(TARGETS[7]);
}

#[test]
fn anything_a_tool_prints_is_read_the_same_however_it_is_cut() {
    run(TARGETS[8]);
}

#[test]
fn any_traffic_of_a_tool_has_one_reading_or_none() {
    run(TARGETS[9]);
}

#[test]
fn every_target_has_a_program_and_a_corpus_and_nothing_else_has() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let found = |folder: PathBuf| -> BTreeSet<String> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    assert_eq!(found(fuzz.join("corpus")), names);
    assert_eq!(found(fuzz.join("targets")), names);
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for name in &names {
        assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name}");
        let program = std::fs::read_to_string(fuzz.join(format!("targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("syzygy::fuzz::target(\"{name}\")(bytes)")), "{name} runs another target");
    }
}

#[test]
fn every_body_that_a_handler_takes_is_among_those_that_are_fuzzed() {
    let mut taken = BTreeSet::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        taken.extend(text.split(": Body<").skip(1).map(|rest| rest.split_once('>').unwrap().0.to_owned()));
    }
    assert!(taken.contains("RouteRequest"), "the handlers were not found: {taken:?}");
    let fuzzed: BTreeSet<String> = crate::api::fuzz::BODIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(taken, fuzzed);
}
