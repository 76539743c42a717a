//! Descriptions of core tools: each is right, proves itself, and is called as its folder is.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::collections::BTreeSet;

use super::*;
use crate::tds::tool::{Isolation, SideEffects};

#[test]
fn every_core_tool_is_described_without_a_warning_and_proved() {
    let mut ids = BTreeSet::new();
    for own in ALL {
        let unpacked = own.package().unpack().unwrap_or_else(|reasons| panic!("{}: {}", own.id, reasons.join("\n")));
        assert_eq!(unpacked.warnings, Vec::<String>::new(), "{}", own.id);
        assert_eq!(unpacked.tool.id.as_str(), own.id);
        assert!(!unpacked.tool.interface.examples.is_empty(), "{}: nobody is told how it is called", own.id);
        assert!(unpacked.cases.iter().any(|case| case.kind == "contract"), "{}", own.id);
        let looks = unpacked.tool.side_effects == SideEffects::None;
        assert!(!looks || unpacked.cases.iter().any(|case| case.kind == "golden"), "{}", own.id);
        assert!(ids.insert(own.id), "{} is there twice", own.id);
    }
    let folders = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lap/core/tools")).unwrap();
    let folders: BTreeSet<String> = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(folders, ids.into_iter().map(str::to_owned).collect());
}

#[test]
fn a_program_of_the_system_runs_in_a_jail_at_least() {
    for own in ALL {
        let tool = own.tool().unwrap();
        let native = matches!(tool.run, tds::tool::Run::Native(_));
        assert!(native || tool.isolation >= Isolation::Jail, "{}", own.id);
    }
}

#[test]
fn a_word_means_a_tool_or_a_family() {
    let meant = |word: &str| ALL.iter().filter(|own| own.is_meant(word)).map(|own| own.id).collect::<Vec<_>>();
    assert_eq!(meant("git.log"), ["git.log"]);
    assert_eq!(meant("git"), ["git.clone", "git.commit", "git.diff", "git.log", "git.show"]);
    assert_eq!(meant("gi"), Vec::<&str>::new());
}
