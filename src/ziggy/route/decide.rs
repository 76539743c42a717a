//! The next hop of one request: a lookup in the FIB, the request's own constraints, then pin, score and id.

use serde::{Deserialize, Serialize};

use super::candidate::Capability;
use super::fib::{Constraint, Destination, Fib, Ranked, Route, ScoreParts};
use crate::types::{Budget, Hash, Money, Timestamp};
use crate::ziggy::fixed::Millionths;

/// What wants to be served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What it needs.
    pub destination: Destination,
    /// Tokens of the prompt.
    pub tokens_in: u64,
    /// Tokens the answer may have.
    pub tokens_out_max: u64,
    /// What may be spent.
    pub budget: Budget,
    /// Requests of one session go to the same one of several equal candidates, where their cached prompt is.
    pub session: Option<String>,
    /// The candidate or agent that the caller asks for by name.
    pub pin: Option<String>,
    /// When it is decided; pins that expired by then do not count.
    pub at: Timestamp,
}

/// What was found about one candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It may serve this request.
    Legal {
        /// Its score.
        score: Millionths,
        /// What the score is made of.
        parts: ScoreParts,
        /// The most that serving this request can cost.
        cost_max: Money,
        /// The penalty for which it ranks last, if it does.
        dampened: Option<u64>,
    },
    /// It may not.
    Excluded {
        /// Every rule it breaks, hardest first.
        constraints: Vec<Constraint>,
    },
}

/// One candidate and what was found about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Considered {
    /// Which candidate.
    pub candidate: String,
    /// Its agent.
    pub agent: String,
    /// What was found.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Why a decision came out as it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "why", rename_all = "snake_case")]
#[schema(as = DecisionReason)]
pub enum Reason {
    /// Nobody offers the capability; the general one stands in.
    Substituted {
        /// What was wanted.
        wanted: Capability,
    },
    /// Nobody offers the capability, and nobody is general.
    NoRoute {
        /// What was wanted.
        wanted: Capability,
        /// What is offered.
        offered: Vec<Capability>,
    },
    /// Everybody who offers the capability breaks a rule.
    Refused {
        /// Who breaks the fewest.
        closest: String,
        /// Which ones: satisfying these would let it serve.
        constraints: Vec<Constraint>,
    },
    /// A person prefers the winner.
    OperatorPin {
        /// Who.
        author: String,
        /// Why.
        reason: String,
        /// Until when.
        expires: Timestamp,
    },
    /// The caller asked for the winner by name.
    RequestPin,
    /// Somebody was asked for by name but may not serve.
    PinExcluded {
        /// Who was asked for.
        pin: String,
        /// The rules it breaks; none if nobody has that name.
        constraints: Vec<Constraint>,
    },
    /// Nobody else may serve.
    OnlyLegal,
    /// The winner has the best score, or the same and the smaller id.
    BestScore {
        /// Who comes next.
        runner_up: String,
        /// By how much it is behind.
        margin: Millionths,
    },
    /// Several are as good as equal; the session decides between them.
    Session {
        /// How many are.
        equal: u32,
    },
    /// The winner failed too often lately; nobody else may serve.
    LastResort {
        /// Its penalty.
        penalty: u64,
    },
}

/// Who serves a request, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Decision {
    /// Version of the FIB it was made from.
    pub fib: Hash,
    /// The destination that was looked up.
    pub destination: Destination,
    /// Everybody: the legal ones best first, then the excluded ones by id.
    pub considered: Vec<Considered>,
    /// Who serves; nobody if the request is refused.
    pub winner: Option<String>,
    /// The winner and then whom to try if it fails, in order.
    pub ladder: Vec<String>,
    /// The most that the winner can cost.
    pub cost_max: Money,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// Finds the next hop. Pure: the same FIB and request give the same bytes.
pub fn decide(fib: &Fib, request: &Request) -> Decision {
    let mut reasons = Vec::new();
    let mut destination = request.destination.clone();
    if !fib.routes.contains_key(&destination) && destination.capability.0 != Capability::GENERAL {
        let wanted = std::mem::replace(&mut destination.capability, Capability::new(Capability::GENERAL));
        if fib.routes.contains_key(&destination) {
            reasons.push(Reason::Substituted { wanted });
        } else {
            destination.capability = wanted;
        }
    }
    let Some(route) = fib.routes.get(&destination) else {
        let mut offered: Vec<Capability> = fib.routes.keys().map(|known| known.capability.clone()).collect();
        offered.dedup();
        reasons.push(Reason::NoRoute { wanted: destination.capability.clone(), offered });
        return Decision {
            fib: fib.version,
            destination,
            considered: Vec::new(),
            winner: None,
            ladder: Vec::new(),
            cost_max: Money::ZERO,
            reasons,
        };
    };
    let (legal, considered) = consider(route, request);
    let winner = choose(fib, route, request, &legal, &considered, &mut reasons);
    let ladder = winner.map(|winner| ladder(winner, &legal, request)).unwrap_or_default();
    Decision {
        fib: fib.version,
        destination,
        considered,
        winner: winner.map(|ranked| ranked.candidate.clone()),
        ladder,
        cost_max: winner.map_or(Money::ZERO, |ranked| ranked.price.cost(request.tokens_in, request.tokens_out_max)),
        reasons,
    }
}

/// The winner, then those that may stand in for it. Nobody stands in for an agent that the caller asked for by name.
fn ladder(winner: &Ranked, legal: &[&Ranked], request: &Request) -> Vec<String> {
    let pinned = |ranked: &&&Ranked| request.pin.as_ref().is_none_or(|pin| is(ranked, pin));
    let mut ladder: Vec<String> = legal.iter().filter(pinned).map(|ranked| ranked.candidate.clone()).collect();
    match ladder.iter().position(|id| *id == winner.candidate) {
        Some(place) => ladder[..=place].rotate_right(1),
        // An operator's pin goes before the caller's.
        None => ladder.insert(0, winner.candidate.clone()),
    }
    ladder
}

/// Whether this candidate is meant by a name: its own or its agent's.
fn is(ranked: &Ranked, name: &str) -> bool {
    ranked.candidate == name || ranked.agent == name
}

/// Applies the constraints that only the request knows, also to those that may not serve anyway: who lacks more than one
/// thing does not come nearer by getting one of them.
fn consider<'a>(route: &'a Route, request: &Request) -> (Vec<&'a Ranked>, Vec<Considered>) {
    let mut legal = Vec::with_capacity(route.ranked.len());
    let mut considered = Vec::with_capacity(route.ranked.len() + route.excluded.len());
    let mut excluded = Vec::with_capacity(route.excluded.len());
    for ranked in &route.ranked {
        let cost = ranked.price.cost(request.tokens_in, request.tokens_out_max);
        let constraints = too_much(request, cost, ranked.context_tokens);
        let (candidate, agent) = (ranked.candidate.clone(), ranked.agent.clone());
        if constraints.is_empty() {
            legal.push(ranked);
            let (score, parts, dampened) = (ranked.score, ranked.parts, ranked.dampened);
            let verdict = Verdict::Legal { score, parts, cost_max: cost, dampened };
            considered.push(Considered { candidate, agent, verdict });
        } else {
            excluded.push(Considered { candidate, agent, verdict: Verdict::Excluded { constraints } });
        }
    }
    excluded.extend(route.excluded.iter().map(|one| {
        let cost = one.price.cost(request.tokens_in, request.tokens_out_max);
        let constraints = [one.constraints.clone(), too_much(request, cost, one.context_tokens)].concat();
        let (candidate, agent) = (one.candidate.clone(), one.agent.clone());
        Considered { candidate, agent, verdict: Verdict::Excluded { constraints } }
    }));
    excluded.sort_by(|one, other| one.candidate.cmp(&other.candidate));
    considered.extend(excluded);
    (legal, considered)
}

/// What a request asks too much of: a context of this size, or its own budget.
fn too_much(request: &Request, cost: Money, context_tokens: u32) -> Vec<Constraint> {
    let needed = request.tokens_in.saturating_add(request.tokens_out_max);
    let mut constraints = Vec::new();
    if needed > u64::from(context_tokens) {
        constraints.push(Constraint::Context { needed, has: u64::from(context_tokens) });
    }
    if cost > request.budget.money {
        constraints.push(Constraint::Budget { cost, budget: request.budget.money });
    }
    if needed > request.budget.tokens {
        constraints.push(Constraint::Tokens { needed, budget: request.budget.tokens });
    }
    constraints
}

fn choose<'a>(
    fib: &Fib,
    route: &Route,
    request: &Request,
    legal: &[&'a Ranked],
    considered: &[Considered],
    reasons: &mut Vec<Reason>,
) -> Option<&'a Ranked> {
    let Some(best) = legal.first() else {
        reasons.extend(closest(considered));
        return None;
    };
    for pin in route.pins.iter().filter(|pin| request.at < pin.expires) {
        if let Some(pinned) = legal.iter().find(|ranked| ranked.candidate == pin.candidate) {
            let (author, reason) = (pin.author.clone(), pin.reason.clone());
            reasons.push(Reason::OperatorPin { author, reason, expires: pin.expires });
            return Some(pinned);
        }
        reasons.push(pin_excluded(&pin.candidate, considered));
    }
    if let Some(pin) = &request.pin {
        let pinned = legal.iter().find(|ranked| is(ranked, pin)).copied();
        reasons.push(if pinned.is_some() { Reason::RequestPin } else { pin_excluded(pin, considered) });
        return pinned;
    }
    if let Some(penalty) = best.dampened {
        reasons.push(Reason::LastResort { penalty });
    }
    let equal: Vec<&&Ranked> = legal
        .iter()
        .filter(|ranked| {
            ranked.dampened.is_some() == best.dampened.is_some() && best.score.0 - ranked.score.0 <= fib.equal_within.0
        })
        .collect();
    if let (Some(session), 2..) = (&request.session, equal.len()) {
        reasons.push(Reason::Session { equal: u32::try_from(equal.len()).unwrap_or(u32::MAX) });
        return equal.into_iter().max_by_key(|ranked| affinity(session, &ranked.candidate)).copied();
    }
    reasons.push(match legal.get(1) {
        Some(next) => Reason::BestScore {
            runner_up: next.candidate.clone(),
            margin: Millionths(best.score.0.saturating_sub(next.score.0)),
        },
        None => Reason::OnlyLegal,
    });
    Some(best)
}

/// Rendezvous hashing: a session keeps its candidate unless that one leaves or a newcomer hashes higher.
fn affinity(session: &str, candidate: &str) -> Hash {
    let length = (session.len() as u64).to_le_bytes();
    Hash::of(&[&length, session.as_bytes(), candidate.as_bytes()].concat())
}

fn pin_excluded(pin: &str, considered: &[Considered]) -> Reason {
    let constraints =
        considered.iter().find(|one| one.candidate == pin || one.agent == pin).map(|one| match &one.verdict {
            Verdict::Excluded { constraints } => constraints.clone(),
            Verdict::Legal { .. } => Vec::new(),
        });
    Reason::PinExcluded { pin: pin.to_owned(), constraints: constraints.unwrap_or_default() }
}

/// Of those who offer the capability, whoever breaks the fewest rules; of equals the first by id.
fn closest(considered: &[Considered]) -> Option<Reason> {
    let excluded = considered.iter().filter_map(|one| match &one.verdict {
        Verdict::Excluded { constraints } => Some((one, constraints)),
        Verdict::Legal { .. } => None,
    });
    let incapable = |constraints: &[Constraint]| matches!(constraints.first(), Some(Constraint::Capability { .. }));
    excluded
        .min_by_key(|(_, constraints)| (incapable(constraints), constraints.len()))
        .map(|(one, constraints)| Reason::Refused { closest: one.candidate.clone(), constraints: constraints.clone() })
}
