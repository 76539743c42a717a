//! How much harm a tool could do, by what it may do. The host sets the least isolation by it, not by what the author says.

use super::tool::{Deliver, Isolation, Risk, Run, SideEffects, Tool};

/// A risk and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// How much harm.
    pub risk: Risk,
    /// What makes it so, in words.
    pub reasons: Vec<String>,
    /// The weakest isolation for it.
    pub least: Isolation,
}

/// Programs whose argument is a program.
const SHELLS: [&str; 8] = ["sh", "bash", "dash", "ash", "zsh", "ksh", "fish", "busybox"];

/// Whether what is started is a line for a shell.
fn is_shell_line(argv: &[String]) -> bool {
    let named = |word: &String| SHELLS.contains(&word.rsplit('/').next().unwrap_or_default());
    // Options may be joined, as in `-ec`, and a shell may be started by another program, as in `env sh -c`.
    let command = |word: &String| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c');
    argv.iter().position(named).is_some_and(|at| argv[at + 1..].iter().any(command))
}

/// Judges a tool.
pub fn assess(tool: &Tool) -> Assessment {
    let mut reasons: Vec<(Risk, String)> = Vec::new();
    let mut because = |risk, reason: &str| reasons.push((risk, reason.to_owned()));
    let native = matches!(tool.run, Run::Native(_));
    let runs_code = match &tool.run {
        Run::Program(program) => program.runs_code,
        Run::Image(image) => image.runs_code,
        Run::Component(_) | Run::Native(_) => false,
    };
    if runs_code {
        because(Risk::Critical, "it runs code out of its input");
    }
    if is_shell_line(tool.run.argv()) {
        because(Risk::Critical, "it is started as a shell line");
    }
    // A function of the host does what the host could do anyway, so only what its author says raises its risk.
    if !native {
        if !tool.egress.is_empty() {
            because(Risk::Medium, "it reaches other machines");
        }
        if tool.egress.iter().any(|rule| rule.host.as_str().starts_with('*')) {
            because(Risk::High, "it reaches hosts that are not named one by one");
        }
        if !tool.secrets.is_empty() {
            because(Risk::Medium, "it is given a secret's power");
        }
        if tool.secrets.iter().any(|secret| matches!(secret.deliver, Deliver::File(_))) {
            because(Risk::High, "it sees a secret itself");
        }
        match tool.side_effects {
            SideEffects::None => {}
            SideEffects::Idempotent => because(Risk::Medium, "it changes something"),
            SideEffects::NonIdempotent => because(Risk::High, "it changes something each time it is called"),
        }
    }
    if let Some(said) = tool.risk {
        because(said, "its author says so");
    }
    let risk = reasons.iter().map(|(risk, _)| *risk).max().unwrap_or(Risk::Low);
    let reasons = reasons.into_iter().filter(|(own, _)| *own == risk).map(|(_, reason)| reason).collect();
    // Whatever is not part of the host is locked up at least.
    let floor = if native { Isolation::Native } else { Isolation::Jail };
    Assessment { risk, reasons, least: risk.least().max(floor) }
}
