//! An exported journal: its chain, the folds over its events, the story of a run.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| syzygy::fuzz::target("journal")(bytes));
