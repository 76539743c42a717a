//! `syzygy plan`: what to add where, what it would cost, and what it would buy. It changes nothing.

use super::arguments;
use super::client::Client;
use super::console::Console;
use super::error::Error;
use super::paint::{Paint, columns, micros, wrap};
use crate::ziggy::plan::Plan;

/// Shows a plan.
pub(super) async fn plan(client: &Client, asked: &arguments::Plan, console: &mut Console) -> Result<(), Error> {
    let path = asked.window.map_or("/plan".to_owned(), |window_s| format!("/plan?window_s={window_s}"));
    let plan: Plan = client.get(&path).await?;
    if console.json {
        return console.out_json(&plan);
    }
    let (paint, width) = (console.paint(), console.columns());
    console.out(&text(&plan, paint, width))
}

fn text(plan: &Plan, paint: Paint, width: usize) -> String {
    let mut text = String::new();
    if !plan.carried.is_empty() {
        let heading = ["CANDIDATE", "PER SECOND", "EACH", "IN WORK", "PLACES", "NEEDED", "WAIT", "REFUSED", "A DAY"];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        let parts = |millionths: u64| format!("{:.2}", millionths as f64 / 1e6);
        rows.extend(plan.carried.iter().map(|one| {
            vec![
                one.candidate.clone(),
                parts(one.arrivals),
                micros(one.service_us),
                parts(one.in_work),
                one.concurrency.to_string(),
                one.needed.to_string(),
                one.wait_us.map_or("grows".to_owned(), micros),
                format!("{:.1} %", one.refused as f64 / 1e4),
                one.cost_a_day.to_string(),
            ]
        }));
        let table = columns(&rows);
        let (first, rest) = table.split_once('\n').unwrap_or((table.as_str(), ""));
        text.push_str(&format!("{}\n{rest}\n", paint.bold(first)));
    }
    for words in &plan.words {
        text.push_str(&wrap(words, width).join("\n"));
        text.push('\n');
    }
    text
}
