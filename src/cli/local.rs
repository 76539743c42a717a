//! `syzygy config check` and `syzygy doctor`: this machine, and the host on it.

use super::arguments::{Connection, Up};
use super::client::Client;
use super::console::Console;
use super::error::Error;
use super::paint::{Paint, columns_upto, wrap};
use super::{Check, Environment, InForce, Launcher, Setting, Verdict};
use crate::api::Liveness;
use crate::types::Class;

/// Shows what is in force, and where each value came from.
pub(super) fn config_check(options: &Up, console: &mut Console, launcher: &dyn Launcher) -> Result<(), Error> {
    let InForce { settings, warnings } = launcher.config_check(options)?;
    warnings.iter().for_each(|warning| console.remark(&format!("warning: {warning}")));
    if console.json { console.out_json(&settings) } else { console.out(&table(&settings)) }
}

/// Characters of a value up to which what follows stands in one column. Beside the longest key, 43 characters, a line is
/// then no wider than a terminal of 80; nearly all values are shorter, and one list of a hundred would make every line wrap.
const VALUE_MOST: usize = 22;

fn table(settings: &[Setting]) -> String {
    let row = |setting: &Setting| {
        let Setting { key, value, source } = setting;
        vec![key.clone(), format!("= {value}"), format!("# {source}")]
    };
    columns_upto(&settings.iter().map(row).collect::<Vec<_>>(), &[usize::MAX, VALUE_MOST])
}

/// Looks at everything a host needs, and at the host.
pub(super) async fn doctor(
    connection: &Connection,
    environment: &Environment,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<u8, Error> {
    let mut checks = launcher.doctor(&connection.local).await;
    checks.push(running(connection, environment, launcher).await);
    if console.json {
        console.out_json(&checks)?;
    } else {
        let (paint, width) = (console.paint(), console.columns());
        console.out(&report(&checks, paint, width))?;
    }
    let bad = checks.iter().any(|check| check.verdict == Verdict::Bad);
    Ok(if bad { Class::Unavailable.exit_code() } else { 0 })
}

/// How it stands with the host. That none runs is nothing bad.
async fn running(connection: &Connection, environment: &Environment, launcher: &dyn Launcher) -> Check {
    let check = |verdict, detail: String| Check { name: "host".to_owned(), verdict, detail };
    let client = match Client::connect(connection, environment, launcher) {
        Ok(client) => client,
        Err(Error::NotRunning { .. }) => return check(Verdict::Good, "none runs on this data directory".to_owned()),
        Err(error @ Error::Died { .. }) => return check(Verdict::Lacking, error.to_string()),
        Err(error) => return check(Verdict::Bad, error.to_string()),
    };
    match client.get::<Liveness>("/readyz").await {
        Ok(alive) => check(Verdict::Good, format!("{} is {}", client.url(), alive.status)),
        Err(Error::NoHost { url, .. }) => {
            check(Verdict::Lacking, format!("host.json names {url}, but nobody answers there; did it crash?"))
        }
        Err(error) => check(Verdict::Bad, error.to_string()),
    }
}

/// Checks as lines.
pub(super) fn report(checks: &[Check], paint: Paint, width: usize) -> String {
    let name_width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let mark = match check.verdict {
            Verdict::Good => paint.good("ok  "),
            Verdict::Lacking => paint.warn("note"),
            Verdict::Bad => paint.bad("BAD "),
        };
        let lead = name_width + 7;
        let room = width.saturating_sub(lead).max(30);
        for (place, line) in check.detail.lines().flat_map(|line| wrap(line, room)).enumerate() {
            if place == 0 {
                text.push_str(&format!("{mark} {:name_width$}  {line}\n", check.name));
            } else {
                text.push_str(&format!("{:lead$}{line}\n", ""));
            }
        }
    }
    text
}
