//! The context every call carries: who asks, until when, at what cost, how private, and whether anybody still waits.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::sensitive::StandIns;
use super::{Label, Money, PrivacyClass, Residency, RunId, TraceId};

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

    /// Those it belongs to: what stands before the first slash of its name. Who names nobody stands for themselves.
    pub fn tenant(&self) -> &str {
        self.name.split_once('/').map_or(&self.name, |(tenant, _)| tenant)
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
    #[schema(value_type = i64, minimum = 0, maximum = 9_223_372_036_854_775_807usize)]
    pub money: Money,
    /// Tokens at the most, prompt and answer together.
    #[schema(maximum = 18_446_744_073_709_551_615usize)]
    pub tokens: u64,
}

/// The context of a call. Cheap to clone; every derived context keeps or tightens what it came from.
#[derive(Debug, Clone)]
pub struct Cx {
    inner: Arc<Inner>,
    /// Beside the rest, so that a question of an actor adds one link and copies nothing.
    asker: Option<Arc<Asker>>,
}

/// One actor on the way of a question, and those before it.
#[derive(Debug)]
struct Asker {
    /// Its path. Compared by address: every actor has a path of its own, even where two hosts use the same words.
    path: Arc<str>,
    /// It takes up nothing else until it is answered.
    held: bool,
    before: Option<Arc<Asker>>,
}

#[derive(Debug, Clone)]
struct Inner {
    trace: TraceId,
    run: Option<RunId>,
    principal: Principal,
    deadline: Instant,
    budget: Budget,
    label: Label,
    stand_ins: Option<Arc<StandIns>>,
    cancel: CancellationToken,
}

impl Cx {
    /// The trace of the host's own housekeeping, which nobody outside began.
    pub const HOUSEKEEPING: TraceId = TraceId(1);

    /// A context at the edge of the host: everything below derives from it.
    pub fn new(trace: TraceId, principal: Principal, deadline: Instant, budget: Budget) -> Cx {
        let inner = Inner {
            trace,
            run: None,
            principal,
            deadline,
            budget,
            label: Label::default(),
            stand_ins: None,
            cancel: CancellationToken::new(),
        };
        Cx { inner: Arc::new(inner), asker: None }
    }

    /// A context for the host's own housekeeping, which spends nothing.
    pub fn housekeeping(now: Instant, limit: Duration) -> Cx {
        let budget = Budget { money: Money::ZERO, tokens: 0 };
        Cx::new(Cx::HOUSEKEEPING, Principal::host(), now + limit, budget)
    }

    /// The same context under a run.
    pub fn with_run(&self, run: RunId) -> Cx {
        self.derive(|inner| inner.run = Some(run))
    }

    /// The same context with its class raised to at least this one.
    pub fn with_privacy(&self, class: PrivacyClass) -> Cx {
        self.derive(|inner| inner.label.class = inner.label.class.max(class))
    }

    /// The same context for data that may only be where this allows too.
    pub fn with_residency(&self, residency: &Residency) -> Cx {
        self.derive(|inner| inner.label.residency = inner.label.residency.and(residency))
    }

    /// The same context for data that may also go where only stand-ins may be seen.
    pub fn with_stand_ins(&self, stand_ins: StandIns) -> Cx {
        self.derive(|inner| inner.stand_ins = Some(Arc::new(stand_ins)))
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

    /// The same context cut loose from its caller's cancellation, for work that goes on after the caller left. Nobody
    /// waits for it, so it may ask everybody.
    pub fn detached(&self) -> Cx {
        Cx { asker: None, ..self.derive(|inner| inner.cancel = CancellationToken::new()) }
    }

    /// The same context on its way from this actor. `held` says that the actor takes up nothing else until it is
    /// answered, so that a question back to it under this context could never be answered.
    pub fn asked_by(&self, path: &Arc<str>, held: bool) -> Cx {
        let known = |last: &Arc<Asker>| Arc::ptr_eq(&last.path, path) && (last.held || !held);
        if self.asker.as_ref().is_some_and(known) {
            return self.clone();
        }
        let asker = Asker { path: Arc::clone(path), held, before: self.asker.clone() };
        Cx { inner: Arc::clone(&self.inner), asker: Some(Arc::new(asker)) }
    }

    /// The same context with the way of another: for what travels inside a message beside the message's own context.
    pub fn on_the_way_of(&self, other: &Cx) -> Cx {
        Cx { inner: Arc::clone(&self.inner), asker: other.asker.clone() }
    }

    /// The same context for what nobody waits for.
    pub fn unasked(&self) -> Cx {
        Cx { inner: Arc::clone(&self.inner), asker: None }
    }

    /// Whether this actor waits for what is asked under this context. Then the way from it back to it:
    /// `host/a -> host/b -> host/a`.
    pub fn cycle(&self, path: &Arc<str>) -> Option<String> {
        let mut way = vec![&**path];
        let mut next = self.asker.as_deref();
        while let Some(asker) = next {
            way.push(&asker.path);
            if asker.held && Arc::ptr_eq(&asker.path, path) {
                way.reverse();
                return Some(way.join(" -> "));
            }
            next = asker.before.as_deref();
        }
        None
    }

    fn derive(&self, change: impl FnOnce(&mut Inner)) -> Cx {
        let mut inner = Inner::clone(&self.inner);
        change(&mut inner);
        Cx { inner: Arc::new(inner), asker: self.asker.clone() }
    }

    /// The trace this call belongs to.
    pub fn trace(&self) -> TraceId {
        self.inner.trace
    }

    /// The run this call belongs to, if it is part of one.
    pub fn run(&self) -> Option<RunId> {
        self.inner.run
    }

    /// Who asks.
    pub fn principal(&self) -> &Principal {
        &self.inner.principal
    }

    /// When the answer is no longer of use.
    pub fn deadline(&self) -> Instant {
        self.inner.deadline
    }

    /// What may be spent.
    pub fn budget(&self) -> Budget {
        self.inner.budget
    }

    /// How private what travels in this call is.
    pub fn privacy(&self) -> PrivacyClass {
        self.inner.label.class
    }

    /// What a place has to be to see what travels in this call.
    pub fn label(&self) -> Label {
        self.inner.label.clone()
    }

    /// What may stand for personal data where the data itself may not go, if anything may.
    pub fn stand_ins(&self) -> Option<&StandIns> {
        self.inner.stand_ins.as_deref()
    }

    /// The token that tells work under this call to stop.
    pub fn cancel_token(&self) -> &CancellationToken {
        &self.inner.cancel
    }

    /// Says that nobody waits any longer.
    pub fn cancel(&self) {
        self.inner.cancel.cancel();
    }

    /// Whether nobody waits any longer.
    pub fn is_cancelled(&self) -> bool {
        self.inner.cancel.is_cancelled()
    }

    /// Completes when nobody waits any longer.
    pub async fn cancelled(&self) {
        self.inner.cancel.cancelled().await;
    }
}
