//! The context every call carries: who asks, until when, at what cost, how private, and whether anybody still waits.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Money, PrivacyClass, RunId, TraceId};

/// Who asks. The name is for records; scopes decide what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// A person, token or service, such as `operator`.
    pub name: String,
    /// What it may do, such as `route` or `control`.
    pub scopes: Vec<String>,
}

impl Principal {
    /// The host itself, for work nobody outside asked for.
    pub fn host() -> Principal {
        Principal { name: "host".to_owned(), scopes: Vec::new() }
    }

    /// A principal of this name and these scopes.
    pub fn new(name: &str, scopes: &[&str]) -> Principal {
        Principal { name: name.to_owned(), scopes: scopes.iter().map(ToString::to_string).collect() }
    }
}

/// The most a call may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Budget {
    /// Money at the most.
    pub money: Money,
    /// Tokens at the most, prompt and answer together.
    pub tokens: u64,
}

/// The context of a call. Cheap to clone; every derived context keeps or tightens what it came from.
#[derive(Debug, Clone)]
pub struct Cx(Arc<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    trace: TraceId,
    run: Option<RunId>,
    principal: Principal,
    deadline: Instant,
    budget: Budget,
    privacy: PrivacyClass,
    cancel: CancellationToken,
}

impl Cx {
    /// A context at the edge of the host: everything below derives from it.
    pub fn new(trace: TraceId, principal: Principal, deadline: Instant, budget: Budget) -> Cx {
        Cx(Arc::new(Inner {
            trace,
            run: None,
            principal,
            deadline,
            budget,
            privacy: PrivacyClass::Public,
            cancel: CancellationToken::new(),
        }))
    }

    /// A context for the host's own housekeeping, which spends nothing.
    pub fn housekeeping(now: Instant, limit: Duration) -> Cx {
        let budget = Budget { money: Money::ZERO, tokens: 0 };
        Cx::new(TraceId(1), Principal::host(), now + limit, budget)
    }

    /// The same context under a run.
    pub fn with_run(&self, run: RunId) -> Cx {
        self.derive(|inner| inner.run = Some(run))
    }

    /// The same context with its class raised to at least this one.
    pub fn with_privacy(&self, class: PrivacyClass) -> Cx {
        self.derive(|inner| inner.privacy = inner.privacy.max(class))
    }

    /// The same context with a deadline no later than this one.
    pub fn with_deadline(&self, deadline: Instant) -> Cx {
        self.derive(|inner| inner.deadline = inner.deadline.min(deadline))
    }

    /// The same context with a budget no larger than this one.
    pub fn with_budget(&self, budget: Budget) -> Cx {
        self.derive(|inner| {
            inner.budget.money = inner.budget.money.min(budget.money);
            inner.budget.tokens = inner.budget.tokens.min(budget.tokens);
        })
    }

    /// A context that can be cancelled by itself and is cancelled with its parent.
    pub fn child(&self) -> Cx {
        self.derive(|inner| inner.cancel = inner.cancel.child_token())
    }

    /// The same context cut loose from its caller's cancellation, for work that goes on after the caller left.
    pub fn detached(&self) -> Cx {
        self.derive(|inner| inner.cancel = CancellationToken::new())
    }

    fn derive(&self, change: impl FnOnce(&mut Inner)) -> Cx {
        let mut inner = Inner::clone(&self.0);
        change(&mut inner);
        Cx(Arc::new(inner))
    }

    /// The trace this call belongs to.
    pub fn trace(&self) -> TraceId {
        self.0.trace
    }

    /// The run this call belongs to, if it is part of one.
    pub fn run(&self) -> Option<RunId> {
        self.0.run
    }

    /// Who asks.
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// When the answer is no longer of use.
    pub fn deadline(&self) -> Instant {
        self.0.deadline
    }

    /// What may be spent.
    pub fn budget(&self) -> Budget {
        self.0.budget
    }

    /// How private what travels in this call is.
    pub fn privacy(&self) -> PrivacyClass {
        self.0.privacy
    }

    /// The token that tells work under this call to stop.
    pub fn cancel_token(&self) -> &CancellationToken {
        &self.0.cancel
    }

    /// Says that nobody waits any longer.
    pub fn cancel(&self) {
        self.0.cancel.cancel();
    }

    /// Whether nobody waits any longer.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancel.is_cancelled()
    }

    /// Completes when nobody waits any longer.
    pub async fn cancelled(&self) {
        self.0.cancel.cancelled().await;
    }
}
