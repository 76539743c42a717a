//! Alerts: what fires, who has seen it, and what nobody is to be told of for a while.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::auth::Caller;
use super::bodies::Alerts;
use super::control::later;
use super::extract::{Body, Path, Query};
use super::problem::{Code, Problem, Problems};
use crate::actors::crown::{Alert, AlertState, Severity, Silence, Standings};

/// The longest a silence may be, in seconds: thirty days. What is to be silent for longer belongs out of the rules.
const SILENCE_MOST_S: u64 = 30 * 24 * 3600;

/// The longest text of a silence's matcher or reason, in bytes, and the most names it has.
const TEXT_BYTES_MAX: usize = 1_024;
const NAMES_MOST: usize = 16;

/// Which alerts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AlertsQuery {
    /// Only those that fire, or those that are over.
    #[serde(default)]
    state: Option<AlertState>,
    /// Only those at least this bad.
    #[serde(default)]
    least: Option<Severity>,
    /// Only of this kind.
    #[serde(default)]
    kind: Option<String>,
    /// Only about this subject, or about what begins so and goes on with a slash.
    #[serde(default)]
    subject: Option<String>,
    /// Only those that somebody has seen, or nobody.
    #[serde(default)]
    acknowledged: Option<bool>,
    /// Only those that are silenced, or are not.
    #[serde(default)]
    silenced: Option<bool>,
}

impl AlertsQuery {
    fn wants(&self, alert: &Alert) -> bool {
        let about = |subject: &String| {
            let rest = alert.subject.strip_prefix(subject.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.state.is_none_or(|state| alert.state == state)
            && self.least.is_none_or(|least| alert.severity >= least)
            && self.kind.as_ref().is_none_or(|kind| alert.kind == *kind)
            && self.subject.as_ref().is_none_or(about)
            && self.acknowledged.is_none_or(|seen| alert.acknowledged_by.is_some() == seen)
            && self.silenced.is_none_or(|silenced| alert.silenced_by.is_some() == silenced)
    }
}

/// A silence to make. Its author is the name of the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSilence {
    /// What an alert must be: `kind`, `subject`, `severity` or a label, each with a pattern in which `*` stands for
    /// anything. All of it must fit.
    pub matcher: BTreeMap<String, String>,
    /// Why.
    pub reason: String,
    /// Seconds until it ends; thirty days at the most.
    #[schema(minimum = 1, maximum = 2592000)]
    pub expires_in_s: u64,
}

/// The silences in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Silences {
    /// In the order they were made.
    pub silences: Vec<Silence>,
}

/// The alerts, newest first.
#[utoipa::path(get, path = "/alerts", tag = "control", params(AlertsQuery),
    responses((status = 200, body = Alerts), Problems))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<AlertsQuery>,
) -> Result<Json<Alerts>, Problem> {
    let mut alerts = app.parts.crown.alerts(&caller.cx).await?;
    alerts.retain(|alert| query.wants(alert));
    Ok(Json(Alerts { alerts }))
}

/// Notes that the caller has seen an alert.
#[utoipa::path(post, path = "/alerts/{id}/acknowledge", tag = "control", params(("id" = u64, Path)),
    responses((status = 204, description = "noted"), Problems))]
pub(super) async fn acknowledge(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let number =
        id.parse().map_err(|_| Problem::new(Code::UnknownAlert, format!("{id:?} is no number of an alert")))?;
    app.parts.crown.acknowledge(&caller.cx, number).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The silences in force.
#[utoipa::path(get, path = "/alerts/silences", tag = "control",
    responses((status = 200, body = Silences), Problems))]
pub(super) async fn silences(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Silences>, Problem> {
    Ok(Json(Silences { silences: app.parts.crown.silences(&caller.cx).await? }))
}

/// Tells nobody of what is raised from now on and matches, until a time. It is recorded all the same.
#[utoipa::path(post, path = "/alerts/silences", tag = "control", request_body = NewSilence,
    responses((status = 200, body = Silence), Problems))]
pub(super) async fn silence(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(wanted): Body<NewSilence>,
) -> Result<Json<Silence>, Problem> {
    let NewSilence { matcher, reason, expires_in_s } = wanted;
    if expires_in_s == 0 || expires_in_s > SILENCE_MOST_S {
        return Err(Problem::new(Code::InvalidRequest, format!("expires_in_s is from 1 to {SILENCE_MOST_S}")));
    }
    let long = |text: &String| text.len() > TEXT_BYTES_MAX;
    if matcher.len() > NAMES_MOST || matcher.iter().any(|(name, pattern)| long(name) || long(pattern)) || long(&reason)
    {
        let detail = format!("a silence has at most {NAMES_MOST} names, and texts of at most {TEXT_BYTES_MAX} bytes");
        return Err(Problem::new(Code::InvalidRequest, detail));
    }
    let until = later(app.parts.world.clock.wall(), expires_in_s);
    Ok(Json(app.parts.crown.silence(&caller.cx, matcher, until, reason).await?))
}

/// Lifts a silence.
#[utoipa::path(delete, path = "/alerts/silences/{id}", tag = "control", params(("id" = u64, Path)),
    responses((status = 204, description = "lifted"), Problems))]
pub(super) async fn unsilence(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let number = id.parse().map_err(|_| Problem::new(Code::NotFound, format!("{id:?} is no number of a silence")))?;
    app.parts.crown.unsilence(&caller.cx, number).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What rules have put in force for a while, and who is on the way back from quarantine.
#[utoipa::path(get, path = "/control/standing", tag = "control",
    responses((status = 200, body = Standings), Problems))]
pub(super) async fn standing(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Standings>, Problem> {
    Ok(Json(app.parts.crown.standings(&caller.cx).await?))
}
