//! `syzygy budgets`: what may be spent, what is spent, and how long it lasts.

use super::arguments;
use super::client::Client;
use super::console::Console;
use super::error::Error;
use super::paint::{Paint, columns, short};
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
    let paint = console.paint();
    console.out(&table(&found.budgets, paint))?;
    if found.more > 0 {
        console.remark(&format!("there are {} more: name a scope", found.more));
    }
    Ok(())
}

/// A scope as part of a query: names may have any character.
pub(super) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b':' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Characters of a scope that are shown.
const SCOPE_SHOWN: usize = 40;

/// Budgets as a table.
pub(super) fn table(budgets: &[Standing], paint: Paint) -> String {
    if budgets.is_empty() {
        return "no budgets: nothing is limited but each request; [budgets] in the configuration limits more\n"
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
