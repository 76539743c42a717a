//! What `/metrics` shows of the governor: what its rules did, what fires, who is told, and what candidates carry.

use crate::actors::crown;
use crate::store::Event;
use crate::supervision::Node;
use crate::telemetry::{self, Metrics};

/// Counts an event of the governor, if it is one.
pub(super) fn count(metrics: &Metrics, event: &Event) {
    let text = |body: &serde_json::Value, field: &str| body[field].as_str().unwrap_or_default().to_owned();
    match event.kind.as_str() {
        "crown.acted" => {
            let body = event.body.value();
            let act = text(&body["act"], "action");
            let act = if body["spared"].is_null() { act.as_str() } else { "spared" };
            metrics.counter(&telemetry::CROWN_ACTIONS, &[&text(&body, "rule"), act]).add(1);
        }
        "alert.raised" => {
            metrics.counter(&telemetry::ALERTS, &[&text(&event.body.value(), "severity")]).add(1);
        }
        "webhook.delivered" | "webhook.gave_up" => {
            let outcome = event.kind.trim_start_matches("webhook.");
            metrics.counter(&telemetry::WEBHOOK_MESSAGES, &[&text(&event.body.value(), "webhook"), outcome]).add(1);
        }
        "trajectory.repeated" => {
            metrics.counter(&telemetry::LOOPS, &[&text(&event.body.value(), "candidate")]).add(1);
        }
        _ => {}
    }
}

/// Shows what is so now.
pub(super) fn show(metrics: &Metrics, crown: &crown::Handle, tree: &[Node]) {
    if let Some(view) = view(tree) {
        metrics.gauge(&telemetry::ALERTS_FIRING, &[]).set(view.alerts_firing as f64);
        metrics.gauge(&telemetry::QUARANTINED, &[]).set(view.quarantined as f64);
        metrics.gauge(&telemetry::WEBHOOK_WAITING, &[]).set(view.webhooks_waiting as f64);
    }
    for (scope, rate) in crown.burning() {
        metrics.gauge(&telemetry::BUDGET_BURN, &[&scope]).set(rate as f64 / 1e6);
    }
    let Some(plan) = crown.plans() else { return };
    let (loads, window_s) = crown.loads(plan.window_s);
    let mut in_work = std::collections::BTreeMap::<&str, f64>::new();
    for load in &loads {
        let each = load.counts.took_us as f64 / 1e6 / load.counts.served.max(1) as f64;
        *in_work.entry(&load.candidate).or_default() += load.counts.arrived as f64 / window_s as f64 * each;
    }
    for (candidate, in_work) in in_work {
        metrics.gauge(&telemetry::CANDIDATE_IN_WORK, &[candidate]).set(in_work);
    }
}

fn view(nodes: &[Node]) -> Option<crown::View> {
    nodes.iter().find_map(|node| match node.id.as_str() {
        "governor" => serde_json::from_value(node.view.clone()).ok(),
        _ => view(&node.children),
    })
}
