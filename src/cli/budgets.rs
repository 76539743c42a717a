//! `syzygy budgets`: what may be spent, what is spent, and how long it lasts.

use super::arguments;
use super::client::Client;
use super::console::Console;
use super::error::Error;
use super::paint::{Paint, columns, plain, short};
use crate::api;
use crate::types::Money;
use crate::ziggy::budget::{Pace, Standing, Unit};

/// Shows the budgets of a host.
pub(super) async fn budgets(client: &Client, asked: &arguments::Budgets, console: &mut Console) -> Result<(), Error> {
    let path = asked.scope.as_ref().map_or("/budgets".to_owned(), |scope| format!("/budgets?scope={}", encoded(scope)));
    let found: api::Budgets = client.get(&path).await?;
    if console.json {
        return console.out_json(&found);
    }
    if let Some(scope) = asked.scope.as_ref().filter(|_| found.budgets.is_empty()) {
        let all: api::Budgets = client.get("/budgets").await?;
        return console.out(&none_of(scope, &all.budgets));
    }
    let paint = console.paint();
    console.out(&table(&found.budgets, paint))?;
    if found.more > 0 {
        console.remark(&format!("there are {} more: name a scope", found.more));
    }
    Ok(())
}

/// A name as part of a path or a query: it may have any character.
pub(super) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b':' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Scopes that are named to somebody who asked for another one.
const NAMED_MOST: usize = 12;

/// That no scope begins so, and which there are.
pub(super) fn none_of(scope: &str, all: &[Standing]) -> String {
    let mut scopes: Vec<&str> = all.iter().map(|one| one.scope.as_str()).collect();
    scopes.dedup();
    let named: Vec<String> = scopes.iter().take(NAMED_MOST).map(|scope| short(scope, SCOPE_SHOWN)).collect();
    let more = scopes.len().saturating_sub(NAMED_MOST);
    let there = match (named.as_slice(), more) {
        ([], _) => "there is none at all".to_owned(),
        (_, 0) => format!("there are {}", named.join(", ")),
        (_, more) => format!("there are {} and {more} more", named.join(", ")),
    };
    format!("no budget's scope begins with {:?}; {there}\n", plain(scope))
}

/// Characters of a scope that are shown.
const SCOPE_SHOWN: usize = 40;

/// Budgets as a table.
pub(super) fn table(budgets: &[Standing], paint: Paint) -> String {
    if budgets.is_empty() {
        return "no budgets: [budgets] in the configuration has no limits, or only some for each name (`tenant:*`), which \
                begin with the first request of that name\n"
            .to_owned();
    }
    let heading = ["SCOPE", "WINDOW", "LIMIT", "RESERVED", "SPENT", "LEFT", "BURN", "FORECAST"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(budgets.iter().map(row));
    let text = columns(&rows);
    let mut lines = text.lines().zip(std::iter::once(None).chain(budgets.iter().map(Some)));
    let mut painted = String::new();
    for (line, budget) in &mut lines {
        let line = match budget {
            None => paint.bold(line),
            Some(budget) if budget.left == 0 || budget.pace == Pace::Fast => paint.bad(line),
            Some(budget) if budget.pace == Pace::Slow => paint.warn(line),
            Some(_) => line.to_owned(),
        };
        painted.push_str(&line);
        painted.push('\n');
    }
    painted
}

fn row(budget: &Standing) -> Vec<String> {
    let amount = |amount: u64| match budget.unit {
        Unit::Money => Money(i64::try_from(amount).unwrap_or(i64::MAX)).to_string(),
        Unit::Tokens => format!("{amount} tok"),
        Unit::Requests => format!("{amount} req"),
    };
    let burn = budget.burn.map_or("-".to_owned(), |burn| {
        let rate = |thousandths: u64| format!("{}.{}", thousandths / 1_000, thousandths % 1_000 / 100);
        format!("{}x", rate(burn.slow_long.max(burn.fast_long)))
    });
    let day = |at: &crate::types::Timestamp| at.rfc3339().chars().take(16).collect::<String>();
    let forecast = match (&budget.used_up_at, &budget.ends) {
        _ if budget.left == 0 => "used up".to_owned(),
        (Some(at), _) => format!("used up {}", day(at)),
        (None, Some(ends)) => format!("lasts to {}", day(ends)),
        (None, None) => "lasts".to_owned(),
    };
    vec![
        short(&budget.scope, SCOPE_SHOWN),
        budget.window.word().to_owned(),
        amount(budget.limit),
        amount(budget.reserved),
        amount(budget.spent),
        amount(budget.left),
        burn,
        forecast,
    ]
}
