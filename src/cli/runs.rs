//! `syzygy runs`, and how a run is named by less than its whole id.

use super::arguments;
use super::client::Client;
use super::console::Console;
use super::error::Error;
use super::paint::{Paint, columns, short};
use crate::actors::io::{RunRow, RunStatus};
use crate::api;
use crate::types::RunId;

/// Lists runs, newest first.
pub(super) async fn runs(client: &Client, asked: &arguments::Runs, console: &mut Console) -> Result<(), Error> {
    let mut path = format!("/runs?limit={}", asked.limit);
    if let Some(after) = &asked.after {
        path.push_str(&format!("&after={}", find(client, after).await?));
    }
    if let Some(status) = asked.status {
        path.push_str(&format!("&status={}", word(status.into())));
    }
    let found: api::Runs = client.get(&path).await?;
    if console.json {
        return console.out_json(&found);
    }
    let (paint, width) = (console.paint(), console.columns());
    console.out(&table(&found.runs, paint, width))?;
    if let (Some(next), true) = (found.next, console.stderr_is_terminal()) {
        console.remark(&format!("there are more: syzygy runs --after {next}"));
    }
    Ok(())
}

/// Runs as a table.
pub(super) fn table(runs: &[RunRow], paint: Paint, width: usize) -> String {
    if runs.is_empty() {
        return "no runs\n".to_owned();
    }
    // Only runs without an answer have a reason, and a list of good ones needs no column for it.
    let reasons = runs.iter().any(|run| run.reason.is_some());
    let mut heading = vec!["RUN", "WHEN", "STATUS", "COST", "SERVED BY", "TASK"];
    heading.extend(reasons.then_some("REASON"));
    let mut rows = vec![heading.into_iter().map(str::to_owned).collect()];
    rows.extend(runs.iter().map(|run| {
        let mut row = vec![
            run.run_id.to_string(),
            run.accepted_at.rfc3339().chars().take(19).collect(),
            word(run.status).to_owned(),
            run.cost.to_string(),
            if run.served_by.is_empty() { "-".to_owned() } else { run.served_by.join(", ") },
            short(&run.prompt, width.max(60) / 2),
        ];
        row.extend(run.reason.as_ref().map(|reason| short(reason, width.max(60))));
        row
    }));
    let text = columns(&rows);
    match text.split_once('\n') {
        Some((first, rest)) => format!("{}\n{rest}", paint.bold(first)),
        None => text,
    }
}

pub(super) fn word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "running",
        RunStatus::Parked => "parked",
        RunStatus::Completed => "completed",
        RunStatus::Failed => "failed",
        RunStatus::Cancelled => "cancelled",
        RunStatus::Interrupted => "interrupted",
    }
}

/// The run somebody means: its id, the beginning of one, or `last`.
pub(super) async fn find(client: &Client, said: &str) -> Result<RunId, Error> {
    if let Ok(id) = said.parse() {
        return Ok(id);
    }
    if said == "last" {
        let newest: api::Runs = client.get("/runs?limit=1").await?;
        return newest
            .runs
            .first()
            .map(|run| run.run_id)
            .ok_or_else(|| Error::NoRun("there are no runs yet; `syzygy ask` makes one".to_owned()));
    }
    let prefix = said.to_ascii_lowercase().replace('-', "");
    if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Error::Usage(format!("{said:?} names no run (expected an id, the beginning of one, or `last`)")));
    }
    let found: api::Runs = client.get(&format!("/runs?limit=2&prefix={prefix}")).await?;
    match found.runs.as_slice() {
        [only] => Ok(only.run_id),
        [] => Err(Error::NoRun(format!("there is no run whose id begins with {prefix}; `syzygy runs` lists them"))),
        _ => Err(Error::NoRun(format!("several runs begin with {prefix}; give more of the id"))),
    }
}
