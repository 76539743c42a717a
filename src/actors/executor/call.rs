//! One call from what was asked to its answer: checked, looked up, done at most once, tried again where that is right, and
//! written down.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::Config;
use super::attempt::{Attempt, Tried, function, grant};
use super::cache::{Cache, Locks};
use super::cost::{cost, most_cost};
use super::doubts;
use super::handle::Error;
use super::health::{Allowance, Health};
use super::ledger::{Begun, EndedCall, Row, Standing, in_doubt, kind, standing};
use super::library::{Entry, Library};
use super::ports::Ports;
use super::request::{Answer, How, Request};
use crate::lap::grant::{Errand, Token};
use crate::lap::{self, Caller, Denial, Facts, Key, Mismatches, Unfit, Workspace};
use crate::sandbox::{Ended, Failure, Outcome};
use crate::store::Durability;
use crate::tds::canonical_value;
use crate::tds::tool::{RetryOn, SideEffects};
use crate::types::planted::{Bug, planted};
use crate::types::{Class, Cx, Hash, Money, Timestamp, World};

/// What all calls of an executor share.
pub(super) struct Shared {
    pub(super) ports: Ports,
    pub(super) config: Config,
    pub(super) world: World,
    pub(super) cache: Cache,
    pub(super) locks: Locks,
    /// Places of each tool, by what it is.
    pub(super) places: DashMap<Hash, Arc<Semaphore>>,
    /// How good each was lately, by what it is.
    pub(super) health: DashMap<Hash, Health>,
    /// Room under quotas, by tool and tenant.
    pub(super) rooms: DashMap<(String, String), Allowance>,
    /// What there is.
    pub(super) library: Arc<Library>,
    /// Held while what there is changes.
    pub(super) changing: tokio::sync::Mutex<()>,
    /// The path of the actor, for records.
    pub(super) source: String,
}

/// One call.
pub(super) struct Invocation<'a> {
    pub(super) shared: &'a Shared,
    pub(super) entry: &'a Entry,
    pub(super) request: &'a Request,
    pub(super) cx: &'a Cx,
    /// Its id.
    pub(super) id: String,
}

/// A call whose arguments are good.
pub(super) struct Checked {
    pub(super) caller: Caller,
    pub(super) arguments: Value,
    envelope: Value,
    key: Option<Key>,
    cached: Option<Hash>,
    /// Why a person has to agree to it first, if one has to.
    pub(super) asks: Option<Box<Denial>>,
}

impl Invocation<'_> {
    /// Makes the call.
    pub(super) async fn make(&self) -> Result<Answer, Error> {
        let made = self.made().await;
        if let Err(error) = &made {
            self.refused(error).await;
        }
        made
    }

    async fn made(&self) -> Result<Answer, Error> {
        let checked = self.check()?;
        if let Some(hash) = checked.cached {
            self.agreed(&checked).await?;
            return self.again_or_anew(hash, &checked).await;
        }
        match &checked.key {
            Some(key) => self.once(key.clone(), &checked).await,
            None => {
                self.agreed(&checked).await?;
                self.perform(&checked).await
            }
        }
    }

    pub(super) fn name(&self) -> String {
        self.entry.label()
    }

    fn now(&self) -> Timestamp {
        self.shared.world.clock.wall()
    }

    /// Everything that can be said before anything is spent.
    fn check(&self) -> Result<Checked, Error> {
        let (ready, request) = (&self.entry.ready, self.request);
        if let Some(reason) = &self.entry.unavailable {
            let reason = format!("it cannot be run here: {reason}");
            return Err(Error::Failed { name: self.name(), class: Class::Unavailable, reason });
        }
        if let Some(day) = self.entry.gone_since(self.now()) {
            return Err(Error::Gone { name: self.name(), day, instead: self.instead() });
        }
        match ready.unfit(&request.arguments) {
            Some(Unfit::Long { bytes, most }) => return Err(Error::TooLarge { name: self.name(), bytes, most }),
            Some(Unfit::Wrong(wrong)) => return Err(Error::Arguments { name: self.name(), wrong }),
            None => {}
        }
        let (needed, left) = (most_cost(&ready.tool.cost, &ready.tool.limits), self.cx.budget().money);
        if needed > Money::ZERO && needed > left {
            return Err(Error::Budget { name: self.name(), needed, left });
        }
        let caller = self.caller();
        let label = self.cx.label();
        let gate = self.entry.gate(&self.shared.ports.rules, self.now());
        let (arguments, asks) = match gate.admit(&caller, &label, &request.arguments) {
            Ok(lap::Admitted { given, asks }) => (given.into_owned(), asks.map(Box::new)),
            Err(denial) => return Err(Error::Denied { name: self.name(), denial }),
        };
        self.admit_often(&caller.tenant)?;
        let impossible = |reason: String| Error::Impossible { name: self.name(), reason };
        let said = request.key.as_deref();
        let key = lap::key(ready, &caller, &arguments, said, &self.made_key()).map_err(impossible)?;
        let left = self.cx.deadline().saturating_duration_since(self.shared.world.clock.now());
        let inside = Workspace::inside();
        let facts = Facts {
            caller: &caller,
            run: self.cx.run(),
            trace: self.cx.trace(),
            span: Hash::of(self.id.as_bytes()).0[..8].iter().fold(0, |all, byte| all << 8 | u64::from(*byte)),
            left_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX).min(ready.tool.limits.timeout_ms),
            label: &label,
            key: key.as_ref().map(|key| key.text.as_str()),
            workspace: request.workspace.as_ref().map(|_| inside.as_path()),
        };
        let envelope = lap::envelope(ready, &arguments, &facts).map_err(impossible)?;
        let cached = lap::cache_key(ready, &envelope, self.cx.privacy(), &caller);
        Ok(Checked { caller, arguments, envelope, key, cached, asks })
    }

    pub(super) fn caller(&self) -> Caller {
        Caller { agent: self.request.agent.clone(), ..Caller::of(self.cx.principal()) }
    }

    /// The key of a call that has none: its run and its name in the run, so that a run that goes on after a crash asks for
    /// the same; or, for who has neither, the call itself.
    fn made_key(&self) -> String {
        match (self.cx.run(), self.request.call.as_str()) {
            (Some(run), call) if !call.is_empty() => {
                // Models number their calls anew in each answer, so the arguments are in it too.
                let text = format!("{run}\n{call}\n{}", canonical_value(&self.request.arguments));
                Hash::of(text.as_bytes()).to_string()
            }
            _ => self.id.clone(),
        }
    }

    /// The answer of an equal call if there is one; equal calls wait for the first of them.
    async fn again_or_anew(&self, hash: Hash, checked: &Checked) -> Result<Answer, Error> {
        let found = || {
            let value = self.shared.cache.get(hash, self.shared.world.clock.now())?;
            Some(self.answer(Value::clone(&value), How::Cached))
        };
        if let Some(answer) = found() {
            return Ok(answer);
        }
        let lock = self.shared.locks.of(&hash.to_string());
        let _held = self.until_over(lock.lock()).await?;
        if let Some(answer) = found() {
            return Ok(answer);
        }
        let answer = self.perform(checked).await?;
        let keep = self.entry.ready.tool.cache.as_ref().map_or(0, |cache| cache.keep_s);
        let bytes = serde_json::to_vec(&answer.value).map_or(usize::MAX, |bytes| bytes.len());
        let now = self.shared.world.clock.now();
        self.shared.cache.put(hash, Arc::new(answer.value.clone()), bytes, Duration::from_secs(keep), now);
        Ok(answer)
    }

    /// Waits no longer than the caller does.
    pub(super) async fn until_over<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        let over = |class, reason: &str| Error::Failed { name: self.name(), class, reason: reason.to_owned() };
        tokio::select! {
            biased;
            () = self.cx.cancelled() => Err(over(Class::Cancelled, "its caller gave up")),
            () = tokio::time::sleep_until(self.cx.deadline()) => Err(over(Class::Timeout, "its time was over")),
            done = work => Ok(done),
        }
    }

    /// A call that changes something: done under its key at most once.
    async fn once(&self, key: Key, checked: &Checked) -> Result<Answer, Error> {
        let row = key.row();
        let lock = self.shared.locks.of(&row);
        let _held = self.until_over(lock.lock()).await?;
        let arguments = canonical_value(&checked.arguments);
        let hash = Hash::of(arguments.as_bytes());
        let found = standing(self.shared, &row).await.map_err(|error| self.unrecorded(&error))?;
        let found = found.filter(|found| !found.is_over(self.now()));
        if let Some(found) = found
            && let Some(answer) = self.again(found, hash).await?
        {
            return Ok(answer);
        }
        self.agreed(checked).await?;
        let begun = self.begin(key.clone(), arguments, checked).await?;
        let mut answer = self.perform_keyed(checked, &begun).await?;
        answer.warnings.extend(self.warnings());
        Ok(answer)
    }

    /// What a key that was used before comes to: the result of then, a refusal, or nothing if it was not done.
    async fn again(&self, found: Row, arguments: Hash) -> Result<Option<Answer>, Error> {
        let key = found.begun.key.text.clone();
        if found.begun.arguments != arguments {
            return Err(Error::KeyReused { name: self.name(), key });
        }
        match found.standing {
            Standing::NotDone => Ok(None),
            Standing::Done { answer } => {
                let bytes =
                    self.shared.ports.journal.get_payload(answer).await.map_err(|error| self.unrecorded(&error))?;
                let bytes = bytes.filter(|_| !planted(Bug::ResultMislaid));
                let value = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
                let Some(value) = value else {
                    let reason = "what came of it is not in the journal any more".to_owned();
                    return Err(Error::InDoubt { name: self.name(), key, reason });
                };
                let mut answer = self.answer(value, How::Repeated);
                answer.invocation = found.begun.invocation;
                answer.version = found.begun.version;
                Ok(Some(answer))
            }
            Standing::Begun | Standing::InDoubt { .. } if planted(Bug::DoubtMadeAgain) => Ok(None),
            Standing::InDoubt { reason } => Err(Error::InDoubt { name: self.name(), key, reason }),
            Standing::Begun => {
                // Whoever makes a call holds its lock, so whoever began this one is gone.
                let reason = doubts::HOST_ENDED.to_owned();
                self.doubt(found.begun, found.run, &reason).await?;
                Err(Error::InDoubt { name: self.name(), key, reason })
            }
        }
    }

    async fn perform_keyed(&self, checked: &Checked, begun: &Begun) -> Result<Answer, Error> {
        let (tried, attempts) = self.tries(checked).await;
        if in_doubt(tried.outcome.ended) && self.entry.ready.tool.side_effects == SideEffects::NonIdempotent {
            let reason = format!("it was ended in the middle: {}", tried.outcome.ended);
            self.doubt(begun.clone(), self.cx.run(), &reason).await?;
            return Err(Error::InDoubt { name: self.name(), key: begun.key.text.clone(), reason });
        }
        self.close(checked, tried, attempts, Some(begun.key.clone())).await
    }

    /// A call that changes nothing.
    async fn perform(&self, checked: &Checked) -> Result<Answer, Error> {
        let (tried, attempts) = self.tries(checked).await;
        let mut answer = self.close(checked, tried, attempts, None).await?;
        answer.warnings.extend(self.warnings());
        Ok(answer)
    }

    /// Attempts until one is good, or was bad in a way that does not pass, or there were enough.
    async fn tries(&self, checked: &Checked) -> (Tried, u32) {
        let retry = &self.entry.ready.tool.retry;
        let (tool, class) = (&*self.entry.ready.tool, self.cx.privacy());
        let errand = Errand { tool, arguments: &checked.arguments, caller: &checked.caller, class };
        let issuer = self.shared.ports.grants.as_deref();
        let grant = match grant(issuer, &errand, self.cx, &*self.shared.world.clock) {
            Ok(grant) => grant,
            Err(error) => return (Tried::refused(error.class(), error.to_string()), 0),
        };
        let mut attempts = 1;
        loop {
            let tried = self.attempt(checked, grant.as_ref(), attempts).await;
            let passes = matches!(&tried.outcome.answer, Err(failure) if self.may_pass(failure, tried.outcome.ended));
            if !passes || u64::from(attempts) >= retry.attempts || self.cx.is_cancelled() {
                return (tried, attempts);
            }
            let wait = pause(&retry.backoff, attempts, &*self.shared.world.random);
            if self.shared.world.clock.now() + wait >= self.cx.deadline() {
                return (tried, attempts);
            }
            tokio::select! {
                biased;
                () = self.cx.cancelled() => return (tried, attempts),
                () = tokio::time::sleep(wait) => attempts += 1,
            }
        }
    }

    /// Whether another attempt may do better and does no harm. A call of which nobody knows whether it was done is not
    /// made again, unless again changes nothing more.
    fn may_pass(&self, failure: &Failure, ended: Ended) -> bool {
        let on = &self.entry.ready.tool.retry.on;
        let class = match failure.class {
            Class::Unavailable => on.contains(&RetryOn::Unavailable),
            Class::Exhausted => on.contains(&RetryOn::Exhausted),
            Class::Timeout => on.contains(&RetryOn::Timeout),
            _ => false,
        };
        class && (self.entry.ready.tool.side_effects != SideEffects::NonIdempotent || !in_doubt(ended))
    }

    async fn attempt(&self, checked: &Checked, grant: Option<&Token>, number: u32) -> Tried {
        let ready = &self.entry.ready;
        let most = usize::try_from(ready.tool.limits.concurrency).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let places =
            Arc::clone(&self.shared.places.entry(ready.hash).or_insert_with(|| Arc::new(Semaphore::new(most))));
        let place = match self.until_over(places.acquire()).await {
            Ok(place) => place,
            Err(error) => {
                let failure = Failure::new(error.class(), "it waited for others until its time was over");
                return Tried { outcome: Box::new(Outcome::nothing(Ended::Refused, failure)), tier: None, grant: None };
            }
        };
        let tried = if self.entry.is_function() {
            function(self.entry, self.cx, checked.envelope.clone(), &*self.shared.world.clock).await
        } else {
            let attempt = Attempt {
                ports: &self.shared.ports,
                ready,
                front: self.entry.front().map(|front| &**front),
                request: self.request,
                caller: &checked.caller,
                grant,
                cx: self.cx,
                clock: &*self.shared.world.clock,
                id: format!("{}-{number}", self.id),
            };
            attempt.run(checked.envelope.clone()).await
        };
        drop(place);
        tried
    }

    /// Looks at the answer, writes down what happened, and says it.
    async fn close(&self, checked: &Checked, tried: Tried, attempts: u32, key: Option<Key>) -> Result<Answer, Error> {
        let Tried { outcome, tier, grant } = tried;
        let mut outcome = *outcome;
        self.judge(&mut outcome);
        self.counted(&outcome).await;
        let cost = cost(&self.entry.ready.tool.cost, &outcome);
        let answer = match &outcome.answer {
            Ok(value) => {
                let put = self.shared.ports.journal.put_payload(value.to_string().into_bytes()).await;
                Ok(put.map_err(|error| self.unrecorded(&error))?)
            }
            Err(failure) => Err(failure.clone()),
        };
        let keyed = key.is_some();
        let ended = EndedCall {
            invocation: self.id.clone(),
            key,
            tool: self.entry.ready.tool.id.to_string(),
            version: self.entry.ready.tool.version.to_string(),
            tier,
            answer,
            ended: outcome.ended,
            grant,
            attempts,
            effects: outcome.effects.clone(),
            usage: outcome.usage.clone(),
            cost,
        };
        let (kind, durability) =
            if keyed { (kind::ENDED, Durability::Durable) } else { (kind::INVOKED, Durability::Behind) };
        self.record(kind, self.cx.run(), &ended, durability).await?;
        let tool = self.name();
        tracing::info!(tool, tenant = checked.caller.tenant, ended = %outcome.ended, attempts, "a tool was called");
        match outcome.answer {
            Ok(value) => {
                let mut answer = self.answer(value, How::Performed);
                (answer.tier, answer.attempts, answer.cost) = (tier, attempts, cost);
                (answer.lines, answer.effects, answer.usage) = (outcome.lines, outcome.effects, outcome.usage);
                Ok(answer)
            }
            Err(failure) => Err(Error::of_tool(tool, failure)),
        }
    }

    /// A tool that says what it does not promise has no answer (E6).
    fn judge(&self, outcome: &mut Outcome) {
        if let Ok(value) = &mut outcome.answer {
            // The journal knows an answer by the hash of its text.
            value.sort_all_objects();
            outcome.answer = self.judged(value);
        }
    }

    fn judged(&self, value: &Value) -> Result<Value, Failure> {
        let ready = &self.entry.ready;
        let most = self.shared.config.result_bytes_max;
        if serde_json::to_writer(Room(most), value).is_err() {
            let text = format!("its result has more than {most} bytes (executor.result_bytes_max)");
            return Err(Failure::new(Class::Exhausted, text));
        }
        let wrong = ready.wrong_output(value);
        if !wrong.is_empty() {
            let text = format!("its answer is not what it promises: {}", Mismatches(wrong));
            return Err(Failure::new(Class::Internal, text));
        }
        let personal = |what| Failure::new(Class::Denied, format!("its answer holds personal data: {what}"));
        lap::clean(ready.tool.policy.pii.output, value).map(std::borrow::Cow::into_owned).map_err(personal)
    }

    fn answer(&self, value: Value, how: How) -> Answer {
        Answer {
            value,
            invocation: self.id.clone(),
            tool: self.entry.ready.tool.id.to_string(),
            version: self.entry.ready.tool.version.to_string(),
            how,
            tier: None,
            attempts: 0,
            warnings: Vec::new(),
            lines: Vec::new(),
            effects: crate::sandbox::Effects { written_all: true, ..Default::default() },
            usage: Default::default(),
            cost: Money::ZERO,
        }
    }

    /// What is to be used instead of this version, as the end of a sentence.
    fn instead(&self) -> String {
        let other = self.entry.ready.tool.deprecation.as_ref().and_then(|going| going.replaced_by.as_ref());
        other.map(|other| format!("; use {other}")).unwrap_or_default()
    }

    /// What callers of this version should know.
    fn warnings(&self) -> Vec<String> {
        let Some(going) = &self.entry.ready.tool.deprecation else { return Vec::new() };
        if going.replaced_by.is_none() && going.sunset_at.is_none() {
            return Vec::new();
        }
        let instead = self.instead();
        let until = going.sunset_at.map(|day| format!(" and goes on {day}")).unwrap_or_default();
        let message = if going.message.is_empty() { String::new() } else { format!(": {}", going.message) };
        vec![format!("{} is deprecated{until}{instead}{message}", self.name())]
    }
}

/// So many bytes fit. Nothing is kept of them: what is too large is not copied to find that out.
struct Room(usize);

impl std::io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How long to wait after so many attempts.
pub(super) fn pause(backoff: &crate::tds::tool::Backoff, attempts: u32, random: &dyn crate::types::Random) -> Duration {
    let factor = backoff.factor.saturating_pow(attempts.saturating_sub(1));
    let most = backoff.first_ms.saturating_mul(factor).min(backoff.most_ms);
    // Full jitter: anything from nothing to the whole, so that callers who failed together do not come back together.
    let wait = if backoff.jitter && most > 0 { random.next() % (most + 1) } else { most };
    Duration::from_millis(wait)
}
