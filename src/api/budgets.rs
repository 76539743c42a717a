//! Budgets as they stand, and what they are worth to `/metrics`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::extract::Query;
use super::problem::Problems;
use crate::telemetry::{self, Metrics};
use crate::types::Timestamp;
use crate::ziggy::budget::{Scope, Standing, Unit};

/// Budgets of one answer at the most; `scope` asks for others.
const BUDGETS_MOST: usize = 1_000;

/// Budgets of each kind that metrics show: three units of five kinds stay within the series a metric may have.
const METERED_MOST: usize = 60;

/// Budgets, each with what is spent and left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Budgets {
    /// When they stood so.
    pub at: Timestamp,
    /// One row for each scope, window and unit, in that order.
    pub budgets: Vec<Standing>,
    /// Budgets there are beyond these.
    pub more: usize,
}

/// Which budgets.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BudgetsQuery {
    /// Only scopes that begin so: `tenant:`, or `tenant:acme`.
    #[serde(default)]
    scope: Option<String>,
}

/// What may be spent, what is reserved and spent, how fast it burns and when it will be used up.
#[utoipa::path(get, path = "/budgets", tag = "control", params(BudgetsQuery),
    responses((status = 200, body = Budgets), Problems))]
pub(super) async fn budgets(State(app): State<Arc<App>>, Query(query): Query<BudgetsQuery>) -> Json<Budgets> {
    let prefix = query.scope.unwrap_or_default();
    let (budgets, more) = app.parts.crown.treasury().standings_of(&prefix, BUDGETS_MOST);
    Json(Budgets { at: app.parts.world.clock.wall(), budgets, more })
}

/// What metrics show. Principals are left out, since there may be one for each person; `/budgets` has them.
pub(super) fn metered(app: &App) -> Vec<Standing> {
    let kinds = Scope::ALL.into_iter().filter(|kind| *kind != Scope::Principal);
    kinds.flat_map(|kind| app.parts.crown.treasury().standings_of(&format!("{kind}:"), METERED_MOST).0).collect()
}

/// Shows budgets as gauges.
pub(super) fn show(metrics: &Metrics, standings: &[Standing]) {
    for standing in standings {
        let value = |amount: u64| match standing.unit {
            Unit::Money => amount as f64 / 1e6,
            Unit::Tokens | Unit::Requests => amount as f64,
        };
        let labels = [standing.scope.as_str(), standing.window.word(), standing.unit.word()];
        metrics.gauge(&telemetry::BUDGET_LIMIT, &labels).set(value(standing.limit));
        metrics.gauge(&telemetry::BUDGET_SPENT, &labels).set(value(standing.spent));
        metrics.gauge(&telemetry::BUDGET_RESERVED, &labels).set(value(standing.reserved));
        metrics.gauge(&telemetry::BUDGET_OVER, &labels).set(value(standing.over));
        metrics.gauge(&telemetry::BUDGET_REFUSED, &labels).set(standing.refused as f64);
        if let Some(burn) = standing.burn {
            let rates = [
                ("fast_long", burn.fast_long),
                ("fast_short", burn.fast_short),
                ("slow_long", burn.slow_long),
                ("slow_short", burn.slow_short),
            ];
            for (over, rate) in rates {
                let labels = [labels[0], labels[1], labels[2], over];
                metrics.gauge(&telemetry::BUDGET_BURN_RATE, &labels).set(rate as f64 / 1e3);
            }
        }
    }
}
