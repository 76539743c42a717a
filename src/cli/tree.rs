//! `syzygy tree`: the actors of a host, drawn.

use std::time::Duration;

use serde_json::{Number, Value};

use super::Launcher;
use super::arguments;
use super::client::Client;
use super::console::Console;
use super::error::Error;
use super::paint::{Paint, bytes, micros, short};
use crate::api::TreeAnswer;
use crate::supervision::{Node, Status};
use crate::types::Timestamp;

/// Clears the screen and goes to its beginning.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Prints the tree, once or again and again.
pub(super) async fn tree(
    client: &Client,
    asked: &arguments::Tree,
    console: &mut Console,
    launcher: &dyn Launcher,
) -> Result<(), Error> {
    loop {
        let answer: TreeAnswer = client.get("/tree").await?;
        if console.json {
            console.out_json(&answer)?;
        } else {
            if asked.watch && console.stdout_is_terminal() {
                console.out(CLEAR)?;
            }
            let (paint, columns) = (console.paint(), console.columns());
            console.out(&draw(&answer, paint, columns))?;
        }
        console.finish()?;
        if !asked.watch {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(asked.every)) => {}
            () = launcher.interrupted() => return Ok(()),
        }
    }
}

/// The forest as lines.
pub(super) fn draw(answer: &TreeAnswer, paint: Paint, columns: usize) -> String {
    let mut rows = Vec::new();
    for node in &answer.actors {
        collect(node, "", "", &mut rows);
    }
    let name_width = rows.iter().map(|row| row.branch.chars().count() + row.node.id.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for row in &rows {
        text.push_str(&row.line(answer, paint, name_width, columns));
        text.push('\n');
    }
    text
}

struct Row<'a> {
    branch: String,
    node: &'a Node,
}

fn collect<'a>(node: &'a Node, branch: &str, below: &str, rows: &mut Vec<Row<'a>>) {
    rows.push(Row { branch: branch.to_owned(), node });
    for (place, child) in node.children.iter().enumerate() {
        let last = place + 1 == node.children.len();
        let (own, rest) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        collect(child, &format!("{below}{own}"), &format!("{below}{rest}"), rows);
    }
}

impl Row<'_> {
    fn line(&self, answer: &TreeAnswer, paint: Paint, name_width: usize, columns: usize) -> String {
        let node = self.node;
        let used = self.branch.chars().count() + node.id.chars().count();
        let status = status_word(node.status);
        let facts = self.facts(answer);
        let gap = " ".repeat(name_width - used + 2);
        let room = columns.saturating_sub(name_width + 2 + STATUS_WIDTH + 2).max(FACTS_LEAST);
        let facts = short(&facts, room);
        let painted = match node.status {
            Status::Up if node.left_behind > 0 => paint.warn(status),
            Status::Up => paint.good(status),
            Status::Starting | Status::Restarting | Status::Stopping | Status::Held => paint.warn(status),
            Status::Stuck => paint.bad(status),
            Status::Ended if node.last_failure.is_some() => paint.bad(status),
            Status::Ended => paint.dim(status),
        };
        let pad = " ".repeat(STATUS_WIDTH - status.len() + 2);
        let name = if node.supervisor { paint.bold(&node.id) } else { node.id.clone() };
        format!("{}{name}{gap}{painted}{pad}{}", paint.dim(&self.branch), paint.dim(&facts)).trim_end().to_owned()
    }

    /// What is worth saying, most important first, since a narrow terminal cuts the end off.
    fn facts(&self, answer: &TreeAnswer) -> String {
        let node = self.node;
        let mut facts = Vec::new();
        if node.restarts > 0 {
            facts.push(format!("{} restart{}", node.restarts, plural(node.restarts)));
        }
        if node.left_behind > 0 {
            facts.push(format!("{} left behind", node.left_behind));
        }
        if node.status == Status::Stuck {
            facts.extend(node.last_stuck.clone());
        } else if node.status != Status::Up
            && let Some(failure) = &node.last_failure
        {
            facts.push(failure.clone());
        }
        if node.mailbox_depth > 0 {
            let age = node.mailbox_oldest_micros.map_or(String::new(), |age| format!(" for {}", micros(age)));
            facts.push(format!("{} waiting{age}", node.mailbox_depth));
        }
        if node.refused > 0 {
            facts.push(format!("{} refused", node.refused));
        }
        if node.supervisor {
            facts.push(node.policy.replace('_', "-"));
        }
        facts.extend(view(&node.view, answer.at));
        if node.handled > 0 {
            facts.push(format!("{} handled, {} each", node.handled, micros(node.handler_micros / node.handled)));
        }
        if node.status == Status::Up && node.up_since_micros > 0 {
            let up = u64::try_from(answer.at.0 - node.up_since_micros).unwrap_or(0);
            facts.push(format!("up {}", micros(up)));
        }
        facts.join(" · ")
    }
}

/// The longest word for a status.
const STATUS_WIDTH: usize = "restarting".len();

/// Characters of facts that are shown however narrow the terminal is.
const FACTS_LEAST: usize = 20;

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn status_word(status: Status) -> &'static str {
    match status {
        Status::Starting => "starting",
        Status::Up => "up",
        Status::Restarting => "restarting",
        Status::Stopping => "stopping",
        Status::Ended => "ended",
        Status::Held => "held",
        Status::Stuck => "stuck",
    }
}

/// Facts of a view that are shown.
const VIEW_FACTS: usize = 4;

/// The plain facts of a view that say something: numbers that are not zero, and short words.
fn view(view: &Value, now: Timestamp) -> Vec<String> {
    let Value::Object(fields) = view else { return Vec::new() };
    let fact = |(name, value): (&String, &Value)| match value {
        Value::Number(number) if number.as_f64() != Some(0.0) => Some(figure(name, number, now)),
        Value::String(word) if !word.is_empty() && word.len() <= 24 => {
            Some(format!("{} {word}", name.replace('_', " ")))
        }
        Value::Object(inner) => inner.get("status").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    // As they are sent they have the order of the types, which says nothing.
    let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
    fields.sort_unstable_by_key(|(name, _)| *name);
    fields.into_iter().filter_map(fact).take(VIEW_FACTS).collect()
}

/// A number as people say it. Its name ends in what it is: `_at_micros` is a moment, `_micros` a duration, `_bytes` a
/// size; anything else is a count.
fn figure(name: &str, number: &Number, now: Timestamp) -> String {
    let said = |name: &str, text: String| format!("{} {text}", name.replace('_', " "));
    if let Some((name, at)) = name.strip_suffix("_at_micros").zip(number.as_i64()) {
        let age = u64::try_from(now.0.saturating_sub(at)).unwrap_or(0);
        return said(name, format!("{} ago", micros(age)));
    }
    if let Some((name, count)) = name.strip_suffix("_micros").zip(number.as_u64()) {
        return said(name, micros(count));
    }
    if let Some((name, count)) = name.strip_suffix("_bytes").zip(number.as_u64()) {
        return said(name, bytes(count));
    }
    said(name, number.to_string())
}
