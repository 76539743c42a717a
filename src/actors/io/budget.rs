//! The budget of a hop: the worst case is reserved before anybody is asked, and what it took is charged after (IO7, IO8).
//!
//! Also the budgets as a projection of the journal, so that a host which died is followed by one that knows what was
//! spent, and charges in full what was reserved when it died.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::Answer;
use super::admission::Missed;
use super::handle::Error;
use super::pipeline::{Piece, Pipeline, Run};
use super::purse::Share;
use super::record::{Admitted, Recorder, kind};
use crate::actors::agent::{self, Outcome};
use crate::actors::crown::{Asked, Hold, Permit};
use crate::store::{self, Durability, Event, Journal, NewEvent, Projection, RowQuery};
use crate::types::planted::{Bug, planted};
use crate::types::{Cx, Money, Price, RunId, Timestamp};
use crate::ziggy::budget::{Amounts, Charge, Claim, Config, Ledger, Reservation, Settlement, Unit, Window};
use crate::ziggy::limit::Verdict;
use crate::ziggy::route::{Candidate, Decision, Reason};
use crate::ziggy::{Admission, Refusal, Value, Wanted};

/// What came of asking for a place and a budget.
pub(super) struct Place {
    pub(super) admission: Admission,
    pub(super) permit: Option<Permit>,
    pub(super) hold: Option<Hold>,
    pub(super) share: Option<Share>,
}

/// What an attempt may take, and in whose name.
pub(super) struct Stake {
    destination: String,
    model: String,
    pub(super) amounts: Amounts,
    price: Price,
}

/// What a candidate's gate is asked.
pub(super) fn asked<'a>(candidate: &'a Candidate, value: Value, wanted: &Wanted, last_resort: bool) -> Asked<'a> {
    Asked {
        candidate: &candidate.id,
        runtime: &candidate.runtime,
        cap: candidate.cap,
        value,
        tokens: wanted.tokens_in.saturating_add(wanted.tokens_out_max),
        last_resort,
    }
}

impl Stake {
    pub(super) fn claim<'a>(&'a self, cx: &'a Cx, candidate: &'a Candidate) -> Claim<'a> {
        let principal = cx.principal();
        Claim {
            tenant: principal.tenant(),
            principal: &principal.name,
            agent: &candidate.agent,
            destination: &self.destination,
            provider: &candidate.runtime,
            model: &self.model,
        }
    }
}

/// Microseconds after which a budget is asked again that is held back by reservations of others. Only the first in line
/// asks.
const HELD_AGAIN_US: u64 = 20_000;

impl Pipeline {
    /// Whether a candidate may be asked now: whether the run has enough left, then whether the candidate has a place,
    /// which goes back if a budget of several runs is too short. The other way round those who wait for a place would
    /// hold a budget back that others could use; what a run has left is its own.
    pub(super) async fn take_place(
        &self,
        run: &Run<'_>,
        piece: &Piece,
        candidate: &Candidate,
        last_resort: bool,
    ) -> Place {
        let crown = &self.parts.crown;
        let stake = self.stake(run, piece, candidate);
        let claim = stake.claim(&run.cx, candidate);
        let limits = crown.treasury().once(&claim);
        let short = |shortage: Box<crate::ziggy::budget::Refusal>| {
            let governance = crown.governance().version;
            let admission = Admission::Refused { governance, reason: Refusal::Budget { shortage: *shortage } };
            Place { admission, permit: None, hold: None, share: None }
        };
        let mut share = match run.purse.take(&limits, stake.amounts).await {
            Ok(share) => share,
            Err(shortage) => return short(shortage),
        };
        let wanted = self.wanted(run.task, piece.size(), run.purse.left().tokens);
        let asked = asked(candidate, run.task.value, &wanted, last_resort);
        let (admission, permit) = crown.admit_run(run.record.run, &asked);
        let Some(permit) = permit else { return Place { admission, permit: None, hold: None, share: None } };
        match crown.treasury().reserve(run.record.run, &claim, stake.amounts, stake.price) {
            Ok(mut hold) => {
                // From here on the journal may say that it was asked.
                hold.as_mut().map(Hold::ask);
                share.ask();
                Place { admission, permit: Some(permit), hold, share: Some(share) }
            }
            Err(shortage) => {
                permit.settle(Verdict::NotSent);
                short(Box::new(shortage))
            }
        }
    }

    /// WO1: the worst case by the facts that decisions are made by, at the price that is charged.
    fn stake(&self, run: &Run<'_>, piece: &Piece, candidate: &Candidate) -> Stake {
        let wanted = self.wanted(run.task, piece.size(), run.purse.left().tokens);
        self.stake_of(self.destination(run.task, &run.class).to_string(), candidate, &wanted)
    }

    pub(super) fn stake_of(&self, destination: String, candidate: &Candidate, wanted: &Wanted) -> Stake {
        let treasury = self.parts.crown.treasury();
        let price = treasury.price(&candidate.runtime).unwrap_or(candidate.price);
        let model = treasury.provider(&candidate.runtime).map_or(String::new(), |provider| provider.model.clone());
        let amounts = candidate.appetite.worst(price, candidate.context_tokens, wanted);
        Stake { destination, model, amounts, price }
    }

    /// Why a run can never be done, if of its pieces it is known beforehand that they have more tokens than it may take.
    pub(super) fn unaffordable(&self, cx: &Cx, pieces: &[Piece]) -> Option<Error> {
        let wanted = pieces.iter().fold(0u64, |sum, piece| sum.saturating_add(piece.tokens));
        let limit = cx.budget().tokens;
        let refusal = crate::ziggy::budget::Refusal::Short {
            scope: "request".to_owned(),
            window: Window::Request,
            unit: Unit::Tokens,
            limit,
            spent: 0,
            reserved: 0,
            wanted,
            ends: None,
        };
        let short = pieces.len() > 1 && wanted > limit;
        short.then(|| Error::Budget { refusal: Box::new(refusal), wait: None })
    }

    /// The most that a piece can take of whoever would serve it, or comes nearest to that.
    pub(super) fn worst(&self, run: &Run<'_>, piece: &Piece, decision: &Decision) -> Amounts {
        let rib = self.parts.router.rib();
        let nearest = decision.reasons.iter().find_map(|reason| match reason {
            Reason::Refused { closest, .. } => Some(closest),
            _ => None,
        });
        let candidate = decision.winner.as_ref().or(nearest).and_then(|id| rib.candidates.get(id));
        candidate.map_or(Amounts::ZERO, |candidate| self.stake(run, piece, candidate).amounts)
    }

    /// Writes down that a candidate is to be asked, or not; on disk when this returns if money was reserved for it.
    pub(super) async fn write_admitted(&self, run: &Run<'_>, admitted: &Admitted) -> Result<(), Error> {
        let money = admitted.reserved.as_ref().map_or(Money::ZERO, |reserved| reserved.amounts.money);
        let durability = if money > Money::ZERO { Durability::Durable } else { Durability::Behind };
        self.parts.journal.append(vec![run.record.event(kind::ADMITTED, admitted)], durability).await?;
        Ok(())
    }

    /// Why a candidate was not asked.
    pub(super) fn not_admitted(&self, admission: Admission) -> Missed {
        match admission {
            Admission::Refused { reason: Refusal::Budget { shortage }, .. } => {
                let wait = self.parts.crown.treasury().wait(&shortage);
                let passes = shortage.held_back().then_some(Some(HELD_AGAIN_US));
                Missed::Refused { error: Error::Budget { refusal: Box::new(shortage), wait }, passes, out: false }
            }
            other => Missed::refused(&other),
        }
    }

    /// What a hop cost, and how its reservation ended.
    pub(super) fn charge(
        &self,
        candidate: &Candidate,
        (hold, share): (Option<Hold>, Option<Share>),
        result: &Result<Outcome, agent::Error>,
    ) -> (Money, Option<Settlement>) {
        let listed = || self.parts.crown.treasury().price(&candidate.runtime).unwrap_or(candidate.price);
        let price = hold.as_ref().map_or_else(listed, Hold::price);
        let used = match result {
            Ok(outcome) => Some(outcome.usage),
            Err(error) => error.usage(),
        };
        let cost = used.map_or(Money::ZERO, |used| used.cost(price));
        if let (Some(share), Some(used)) = (share, used) {
            share.settle(Amounts { money: cost, tokens: used.tokens(), requests: 1 });
        }
        let Some(hold) = hold else { return (cost, None) };
        let spent = match used {
            Some(used) => hold.commit(Amounts { money: cost, tokens: used.tokens(), requests: 1 }),
            None => hold.charge("it failed, and how much it had used by then is not known"),
        };
        (cost, spent)
    }

    /// The last event of a run, after what was charged for hops of which it did not wait for the end.
    pub(super) fn last_events(&self, record: &Recorder, result: &Result<Answer, Error>) -> Vec<NewEvent> {
        let dropped = self.parts.crown.treasury().dropped(record.run);
        let again = if planted(Bug::ChargedTwice) { &dropped[..] } else { &[] };
        let charged = dropped.iter().chain(again).map(|settlement| record.event(kind::CHARGED, settlement));
        charged.chain([record.ending(result)]).collect()
    }
}

/// The context of a hop, in which no more may be used than is reserved for it.
pub(super) fn bounded(cx: &Cx, share: Option<&Share>) -> Cx {
    match share {
        Some(share) => {
            let Amounts { money, tokens, .. } = share.amounts();
            cx.with_budget(crate::types::Budget { money, tokens })
        }
        None => cx.clone(),
    }
}

/// What a projection needs of the events that reserve or settle; the rest of them is not read.
#[derive(Deserialize)]
struct Budgeted {
    #[serde(default)]
    reserved: Option<Reservation>,
    #[serde(default)]
    spent: Option<Settlement>,
}

/// What was charged to one account in its window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Account {
    scope: String,
    window: Window,
    began: Timestamp,
    spent: Amounts,
    at: Timestamp,
}

/// A reservation that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Unsettled {
    run: RunId,
    reservation: Reservation,
}

/// Keeps one row for each account with what was charged, and one for each reservation that has not ended.
pub struct BudgetsProjection;

impl BudgetsProjection {
    /// Name of the projection.
    pub const NAME: &'static str = "budgets";
}

const ACCOUNTS: &str = "account/";
const UNSETTLED: &str = "open/";

fn account_key(charge: &Charge) -> String {
    format!("{ACCOUNTS}{}/{}", charge.window.word(), charge.scope)
}

fn unsettled_key(run: RunId, hold: u64) -> String {
    format!("{UNSETTLED}{run}/{hold}")
}

fn reserved(event: &Event) -> Option<Unsettled> {
    let concerns = event.kind == kind::ADMITTED && event.body.text().contains("\"reserved\"");
    let reservation = concerns.then(|| event.body.parse::<Budgeted>())??.reserved?;
    Some(Unsettled { run: event.run?, reservation })
}

fn settled(event: &Event) -> Option<Settlement> {
    match event.kind.as_str() {
        kind::SERVED | kind::FAILED if event.body.text().contains("\"spent\"") => event.body.parse::<Budgeted>()?.spent,
        kind::CHARGED => event.body.parse(),
        _ => None,
    }
}

impl Projection for BudgetsProjection {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn keys(&self, event: &Event) -> Vec<String> {
        if let Some(Unsettled { run, reservation }) = reserved(event) {
            return vec![unsettled_key(run, reservation.hold)];
        }
        let (Some(settlement), Some(run)) = (settled(event), event.run) else { return Vec::new() };
        let accounts = settlement.accounts.iter().map(account_key);
        accounts.chain([unsettled_key(run, settlement.hold)]).collect()
    }

    fn fold(&self, key: &str, row: Option<Json>, event: &Event) -> Option<Json> {
        if key.starts_with(UNSETTLED) {
            return serde_json::to_value(reserved(event)?).ok();
        }
        let settlement = settled(event)?;
        let charge = settlement.accounts.iter().find(|charge| account_key(charge) == key)?;
        let before = row.and_then(|row| serde_json::from_value::<Account>(row).ok());
        let (scope, window, began) = (charge.scope.to_string(), charge.window, charge.began);
        let account = match before {
            // One that reserved in a window which is over counts there.
            Some(before) if before.began > began => before,
            Some(before) if before.began == began => {
                Account { spent: before.spent.plus(settlement.charged), at: before.at.max(event.at), ..before }
            }
            _ => Account { scope, window, began, spent: settlement.charged, at: event.at },
        };
        serde_json::to_value(account).ok()
    }
}

/// Rows read at a time when a host starts.
const READ_AT_ONCE: usize = 256;

/// What a host finds of its budgets when it starts.
pub struct Found {
    /// The ledger with everything that was charged.
    pub ledger: Ledger,
    /// The latest time anything was charged at.
    pub since: Timestamp,
    /// Number of the journal's last event.
    pub last: u64,
    /// Reservations that were open when the host before this one ended, and are charged in full now.
    pub charged: usize,
}

/// Makes the ledger of what the journal says. To be called once, before anything new is accepted and before unfinished
/// runs are marked.
pub async fn find(
    journal: &Arc<dyn Journal>,
    config: &Config,
    now: Timestamp,
    source: &str,
) -> Result<Found, store::Error> {
    let charged = charge_unsettled(journal, source).await?;
    let mut accounts = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let rows = journal.rows(page(ACCOUNTS, after.as_deref())).await?;
        let Some((last, _)) = rows.last() else { break };
        after = Some(last.clone());
        accounts.extend(rows.into_iter().filter_map(|(_, row)| serde_json::from_value::<Account>(row).ok()));
    }
    let since = accounts.iter().map(|account| account.at).max().unwrap_or_default();
    let now = now.max(since);
    let mut ledger = Ledger::new(config, now);
    for Account { scope, window, began, spent, .. } in accounts {
        ledger.load(&Charge { scope: scope.into(), window, began }, spent, now);
    }
    Ok(Found { ledger, since, last: journal.view().last_seq, charged })
}

/// B5 of `ziggy::budget`: the host that made these reservations is gone, so nobody knows what came of them.
async fn charge_unsettled(journal: &Arc<dyn Journal>, source: &str) -> Result<usize, store::Error> {
    let (mut charged, mut after) = (0, None::<String>);
    loop {
        let rows = journal.rows(page(UNSETTLED, after.as_deref())).await?;
        let Some((last, _)) = rows.last() else { return Ok(charged) };
        after = Some(last.clone());
        let mut events = Vec::new();
        for (_, row) in rows {
            let Ok(Unsettled { run, reservation }) = serde_json::from_value::<Unsettled>(row) else { continue };
            let Reservation { hold, amounts, accounts, .. } = reservation;
            let unknown = Some("the host stopped before the outcome was known".to_owned());
            let settlement = Settlement { hold, reserved: amounts, charged: amounts, accounts, over: false, unknown };
            events.push(NewEvent::new(kind::CHARGED, Some(run), source, &settlement));
        }
        charged += events.len();
        if !events.is_empty() {
            journal.append(events, Durability::Durable).await?;
        }
    }
}

fn page<'a>(prefix: &'a str, after: Option<&'a str>) -> RowQuery<'a> {
    RowQuery { projection: BudgetsProjection::NAME, prefix, reverse: false, after, limit: READ_AT_ONCE }
}
