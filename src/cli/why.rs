//! `syzygy why`: a run, explained.

use super::arguments;
use super::client::Client;
use super::console::Console;
use super::error::Error;
use super::paint::{Paint, wrap};
use super::runs::{find, word};
use crate::api::{Step, Why};

/// Tells why a run went as it did.
pub(super) async fn why(client: &Client, asked: &arguments::Why, console: &mut Console) -> Result<(), Error> {
    let run = find(client, &asked.run).await?;
    let told: Why = client.get(&format!("/runs/{run}/why")).await?;
    if console.json {
        return console.out_json(&told);
    }
    let (paint, columns) = (console.paint(), console.columns());
    console.out(&tell(&told, paint, columns))
}

/// The story as text: a heading for each step, its sentences below it.
pub(super) fn tell(why: &Why, paint: Paint, columns: usize) -> String {
    let mut text = format!("{} {}\n", paint.bold(&format!("run {}", why.run_id)), word(why.status));
    let began = why.steps.first().map_or(0, |step| step.at.0);
    for step in &why.steps {
        text.push('\n');
        text.push_str(&heading(step, began, paint));
        for sentence in &step.words {
            // What belongs under the sentence before it is set in by the one who wrote it.
            let (mark, rest) = sentence.strip_prefix("- ").map_or(("", sentence.as_str()), |rest| ("- ", rest));
            for (place, line) in wrap(rest, columns.saturating_sub(INDENT.len() + mark.len())).iter().enumerate() {
                let lead = if place == 0 { mark } else { &"  "[..mark.len()] };
                text.push_str(&format!("{INDENT}{lead}{line}\n"));
            }
        }
    }
    text
}

/// How far sentences are set in under their heading.
const INDENT: &str = "    ";

fn heading(step: &Step, began: i64, paint: Paint) -> String {
    let millis = (step.at.0 - began).max(0) / 1_000;
    let what = title(&step.kind);
    format!("{} {}\n", paint.bold(&what), paint.dim(&format!("+{millis} ms, event {} {}", step.seq, step.kind)))
}

/// What a kind of event means to a person; a kind this program does not know says it by itself.
fn title(kind: &str) -> String {
    match kind {
        "run.accepted" => "Asked",
        "task.classified" => "Understood",
        "task.chunked" => "Cut",
        "hop.decided" => "Decided",
        "hop.admitted" => "Admitted",
        "hop.step" => "Next step",
        "hop.trial" => "On trial",
        "tool.called" => "Tool called",
        "tool.answered" => "Tool answered",
        "memory.delta" => "Remembered",
        "trajectory.repeated" => "Round in circles",
        "hop.served" => "Served",
        "hop.failed" => "Failed",
        "budget.charged" => "Charged in full",
        "run.parked" => "Parked",
        "run.resumed" => "Resumed",
        "hitl.opened" => "People are asked",
        "hitl.verdict" => "A verdict",
        "hitl.delegated" => "Delegated",
        "hitl.expired" => "Out of time",
        "hitl.closed" => "Decided",
        "hitl.settled" => "Settled",
        "run.completed" => "Completed",
        "run.failed" => "Ended without an answer",
        "run.cancelled" => "Cancelled",
        "run.interrupted" => "Interrupted",
        "feedback.given" => "Judged",
        other => other,
    }
    .to_owned()
}
