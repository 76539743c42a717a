//! Every metric of the host, in one table: name, what it counts, its labels.
//!
//! Names follow Prometheus: a prefix, base units (seconds, dollars, tokens), and `_total` on counters, which the text
//! format adds. Labels take few values: no run ids, no texts.

/// A count that only grows.
#[derive(Debug, Clone, Copy)]
pub struct CounterSpec {
    /// Name without `_total`.
    pub name: &'static str,
    /// What it counts, for `# HELP`.
    pub help: &'static str,
    /// Names of its labels, in the order values are given.
    pub labels: &'static [&'static str],
}

/// A value that goes up and down.
#[derive(Debug, Clone, Copy)]
pub struct GaugeSpec {
    /// Name.
    pub name: &'static str,
    /// What it shows, for `# HELP`.
    pub help: &'static str,
    /// Names of its labels, in the order values are given.
    pub labels: &'static [&'static str],
}

/// A distribution.
#[derive(Debug, Clone, Copy)]
pub struct HistogramSpec {
    /// Name.
    pub name: &'static str,
    /// What it measures, for `# HELP`.
    pub help: &'static str,
    /// Names of its labels, in the order values are given.
    pub labels: &'static [&'static str],
    /// Upper bounds of its buckets.
    pub buckets: Buckets,
}

/// Upper bounds of a histogram's buckets, in seconds. Each bound is about three times the one before, which is fine
/// enough to see a change of half an order and keeps a series at a dozen numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buckets {
    /// 10 microseconds to 1 second: message handlers and commits.
    Short,
    /// 1 millisecond to 10 minutes: requests, runs and generations.
    Long,
}

impl Buckets {
    /// The bounds, in seconds.
    pub fn bounds(self) -> &'static [f64] {
        match self {
            Buckets::Short => &[0.000_01, 0.000_03, 0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0],
            Buckets::Long => &[0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 600.0],
        }
    }
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> CounterSpec {
    CounterSpec { name, help, labels }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> GaugeSpec {
    GaugeSpec { name, help, labels }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    buckets: Buckets,
    help: &'static str,
) -> HistogramSpec {
    HistogramSpec { name, help, labels, buckets }
}

/// Runs that ended; `outcome` is `ok` or the word of an error class.
pub const RUNS: CounterSpec = counter("syzygy_runs", &["outcome"], "Runs that ended, by outcome");
/// Runs that were accepted and have not ended.
pub const RUNS_ACTIVE: GaugeSpec = gauge("syzygy_runs_active", &[], "Runs in progress");
/// From acceptance to the end of a run.
pub const RUN_SECONDS: HistogramSpec =
    histogram("syzygy_run_seconds", &["outcome"], Buckets::Long, "Time from acceptance to the end of a run");

/// HTTP requests that were answered; `route` is the pattern and not the path.
pub const HTTP_REQUESTS: CounterSpec =
    counter("syzygy_http_requests", &["route", "status"], "HTTP requests, by route and status");
/// Connections that were closed at once, since their peer has as many as it may have.
pub const HTTP_CONNECTIONS_CLOSED: CounterSpec =
    counter("syzygy_http_connections_closed", &[], "Connections closed at once, for there being too many of one peer");
/// From the first byte of a request to the last of its answer's head.
pub const HTTP_REQUEST_SECONDS: HistogramSpec =
    histogram("syzygy_http_request_seconds", &["route"], Buckets::Long, "Time to answer an HTTP request");

/// Calls to an inference runtime; `outcome` is `ok` or the word of an error class.
pub const RUNTIME_REQUESTS: CounterSpec =
    counter("syzygy_runtime_requests", &["runtime", "outcome"], "Calls to inference runtimes, by outcome");
/// How long an agent takes for one assignment on a runtime, all its turns together.
pub const RUNTIME_REQUEST_SECONDS: HistogramSpec = histogram(
    "syzygy_runtime_request_seconds",
    &["runtime"],
    Buckets::Long,
    "Time of one assignment, all turns together",
);
/// Tokens that went through a runtime; `direction` is `input` or `output`.
pub const RUNTIME_TOKENS: CounterSpec =
    counter("syzygy_runtime_tokens", &["runtime", "direction"], "Tokens processed, by direction");
/// Money spent on a runtime, by its configured prices.
pub const COST_DOLLARS: GaugeSpec =
    gauge("syzygy_cost_dollars", &["runtime"], "Money spent since the start, by configured prices");

/// Messages that wait in an actor's mailbox.
pub const MAILBOX_DEPTH: GaugeSpec = gauge("syzygy_mailbox_depth", &["actor"], "Messages that wait in a mailbox");
/// Messages that an actor's address did not take; `reason` is the word of the delivery failure.
pub const MAILBOX_REFUSED: CounterSpec =
    counter("syzygy_mailbox_refused", &["actor", "reason"], "Messages that were not delivered, by reason");
/// Messages that an actor handled.
pub const MESSAGES: CounterSpec = counter("syzygy_messages", &["actor"], "Messages handled");
/// Time an actor spent in its handler since the start: divided by its messages, how long one takes.
pub const HANDLER_SECONDS: GaugeSpec =
    gauge("syzygy_handler_seconds", &["actor"], "Time spent handling messages since the start");
/// How often an actor was restarted.
pub const ACTOR_RESTARTS: CounterSpec = counter("syzygy_actor_restarts", &["actor"], "Restarts of an actor");

/// What rules did; `action` is the word of the act, or `spared` if nothing came of it.
pub const CROWN_ACTIONS: CounterSpec =
    counter("syzygy_crown_actions", &["rule", "action"], "Actions of rules, by rule and action");
/// Alerts that were raised.
pub const ALERTS: CounterSpec = counter("syzygy_alerts", &["severity"], "Alerts raised, by severity");
/// Alerts that fire.
pub const ALERTS_FIRING: GaugeSpec = gauge("syzygy_alerts_firing", &[], "Alerts that fire");
/// Candidates in quarantine, those on trial included.
pub const QUARANTINED: GaugeSpec = gauge("syzygy_quarantined", &[], "Candidates in quarantine, on trial or not");
/// Messages to webhooks; `outcome` is `delivered` or `gave_up`.
pub const WEBHOOK_MESSAGES: CounterSpec =
    counter("syzygy_webhook_messages", &["webhook", "outcome"], "Messages to webhooks, by outcome");
/// Webhooks that have still to be told something.
pub const WEBHOOK_WAITING: GaugeSpec =
    gauge("syzygy_webhook_waiting", &[], "Webhooks that have still to be told something");
/// Runs of a candidate that went round in circles.
pub const LOOPS: CounterSpec =
    counter("syzygy_loops", &["candidate"], "Runs that went round in circles and were stopped, by candidate");
/// Requests in work at a time, by Little's law, over the window of `crown.plan`.
pub const CANDIDATE_IN_WORK: GaugeSpec =
    gauge("syzygy_candidate_in_work", &["candidate"], "Requests in work at a time, by Little's law");
/// How fast a budget burns: 1 uses it up just at its end.
pub const BUDGET_BURN: GaugeSpec =
    gauge("syzygy_budget_burn", &["scope"], "How fast a budget burns, 1 lasts just to its end");
/// Age of the oldest message in a mailbox.
pub const MAILBOX_OLDEST_SECONDS: GaugeSpec =
    gauge("syzygy_mailbox_oldest_seconds", &["actor"], "Age of the oldest message in a mailbox");

/// Decisions on admission; `decision` is `admitted`, `offloaded` or `shed`.
pub const ADMISSIONS: CounterSpec = counter("syzygy_admissions", &["decision"], "Decisions on admission");
/// How often the table of winners was computed anew.
pub const FIB_REBUILDS: CounterSpec = counter("syzygy_fib_rebuilds", &[], "Times the FIB was computed anew");

/// Events on disk.
pub const JOURNAL_EVENTS: CounterSpec = counter("syzygy_journal_events", &[], "Events written to the journal");
/// Events that wait for the journal's writer.
pub const JOURNAL_QUEUED: GaugeSpec = gauge("syzygy_journal_queued", &[], "Events that wait for the writer");
/// How long a commit takes, sync included.
pub const JOURNAL_COMMIT_SECONDS: HistogramSpec =
    histogram("syzygy_journal_commit_seconds", &[], Buckets::Short, "Time of one commit, sync included");

/// What a budget may hold in its window, in dollars, tokens or requests; `unit` says in which.
pub const BUDGET_LIMIT: GaugeSpec = gauge(
    "syzygy_budget_limit",
    &["scope", "window", "unit"],
    "What may be spent in a window, in dollars or as a count",
);
/// What was charged to a budget in its window.
pub const BUDGET_SPENT: GaugeSpec =
    gauge("syzygy_budget_spent", &["scope", "window", "unit"], "What was spent in this window");
/// What is reserved for requests that have not ended.
pub const BUDGET_RESERVED: GaugeSpec =
    gauge("syzygy_budget_reserved", &["scope", "window", "unit"], "What is reserved for requests under way");
/// What was charged above what had been reserved.
pub const BUDGET_OVER: GaugeSpec =
    gauge("syzygy_budget_over", &["scope", "window", "unit"], "What was spent above its reservation in this window");
/// Requests that a budget refused.
pub const BUDGET_REFUSED: GaugeSpec =
    gauge("syzygy_budget_refused", &["scope", "window", "unit"], "Requests refused for it in this window");
/// How fast a budget burns: 1 lasts exactly for its window. `over` is the look back, as `/budgets` names it.
pub const BUDGET_BURN_RATE: GaugeSpec =
    gauge("syzygy_budget_burn_rate", &["scope", "window", "unit", "over"], "Pace of spending; 1 lasts for the window");

pub(super) const COUNTERS: &[CounterSpec] = &[
    RUNS,
    HTTP_REQUESTS,
    HTTP_CONNECTIONS_CLOSED,
    RUNTIME_REQUESTS,
    RUNTIME_TOKENS,
    MAILBOX_REFUSED,
    MESSAGES,
    ACTOR_RESTARTS,
    ADMISSIONS,
    FIB_REBUILDS,
    JOURNAL_EVENTS,
    CROWN_ACTIONS,
    ALERTS,
    WEBHOOK_MESSAGES,
    LOOPS,
];

pub(super) const GAUGES: &[GaugeSpec] = &[
    RUNS_ACTIVE,
    COST_DOLLARS,
    MAILBOX_DEPTH,
    HANDLER_SECONDS,
    JOURNAL_QUEUED,
    BUDGET_LIMIT,
    BUDGET_SPENT,
    BUDGET_RESERVED,
    BUDGET_OVER,
    BUDGET_REFUSED,
    BUDGET_BURN_RATE,
    ALERTS_FIRING,
    QUARANTINED,
    WEBHOOK_WAITING,
    CANDIDATE_IN_WORK,
    BUDGET_BURN,
    MAILBOX_OLDEST_SECONDS,
];

pub(super) const HISTOGRAMS: &[HistogramSpec] =
    &[RUN_SECONDS, HTTP_REQUEST_SECONDS, RUNTIME_REQUEST_SECONDS, JOURNAL_COMMIT_SECONDS];
