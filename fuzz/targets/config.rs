//! A configuration file, an agent's file, a variable of the environment.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| syzygy::fuzz::target("config")(bytes));
