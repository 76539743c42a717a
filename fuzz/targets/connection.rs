//! The bytes of a connection, as the guard reads them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| syzygy::fuzz::target("connection")(bytes));
