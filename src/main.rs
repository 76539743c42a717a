//! Arguments, config, host, exit code.

fn main() {}
