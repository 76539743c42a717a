//! Arguments, config, host, exit code; nothing else.

use std::io::Write;
use std::process::ExitCode;

use syzygy::config;

fn main() -> ExitCode {
    if let Err(message) = config::cpu_check() {
        // Nothing can be done about a stderr that is closed.
        let _ = writeln!(std::io::stderr(), "syzygy: {message}");
        return ExitCode::from(syzygy::types::Class::Unavailable.exit_code());
    }
    ExitCode::SUCCESS
}
