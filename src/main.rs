//! Arguments, environment, program, exit code; nothing else.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use syzygy::cli::{self, Stdio};
use syzygy::config;
use syzygy::host::Program;
use syzygy::types::Class;

/// Small pieces are allocated and freed all the time and by changing threads, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Time for threads that still do something when everything has stopped.
const GUESTS_LEAVE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    // A process of a jail is this program too, and must not be more than that.
    #[cfg(target_os = "linux")]
    if let Some(code) = syzygy::sandbox::jail::jail_process(std::env::args_os()) {
        return code;
    }
    if let Err(message) = config::cpu_check() {
        return fail(&message);
    }
    // What is no text cannot be a setting of ours.
    #[expect(clippy::disallowed_methods, reason = "the environment is read here, once, and passed on")]
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("could not start the async runtime: {error}")),
    };
    let stdio = Stdio {
        stdin: Box::new(std::io::stdin()),
        stdout: Box::new(std::io::stdout()),
        stderr: Box::new(std::io::stderr()),
        stdin_is_terminal: std::io::stdin().is_terminal(),
        stdout_is_terminal: std::io::stdout().is_terminal(),
        stderr_is_terminal: std::io::stderr().is_terminal(),
        columns: None,
    };
    let program = Program::new(environment.clone());
    let exit = runtime.block_on(cli::run(std::env::args_os(), &environment, stdio, &program));
    // An agent that never gives its thread back would keep the process.
    runtime.shutdown_timeout(GUESTS_LEAVE);
    exit
}

fn fail(message: &str) -> ExitCode {
    // Nothing can be done about a stderr that is closed.
    let _ = writeln!(std::io::stderr(), "syzygy: {message}");
    ExitCode::from(Class::Unavailable.exit_code())
}
