//! The doors: what stands between a legal candidate and a request now, asked without counting anything.
//!
//! The table says who may serve. Whether somebody is admitted is asked when it is sent: of the run's own budget, of
//! governance and limits, and of the budgets. Here the same is asked in the same order, and nothing is taken.

use super::budget::asked;
use super::pipeline::Pipeline;
use crate::types::{Cx, Timestamp};
use crate::ziggy::budget::{Once, Room};
use crate::ziggy::route::{Candidate, Request};
use crate::ziggy::{Admission, Door, Refusal, Value};

impl Pipeline {
    /// What stands at the doors of these, in order; of who has left the table nothing is known.
    pub(super) fn doors(&self, cx: &Cx, request: &Request, value: Value, candidates: &[String]) -> Vec<Door> {
        let rib = self.parts.router.rib();
        let known = candidates.iter().filter_map(|id| rib.candidates.get(id));
        known.map(|candidate| self.door(cx, request, value, candidate)).collect()
    }

    fn door(&self, cx: &Cx, request: &Request, value: Value, candidate: &Candidate) -> Door {
        let (crown, now) = (&self.parts.crown, self.world.clock.wall());
        let governance = crown.governance();
        let wanted = request.wanted();
        let stake = self.stake_of(request.destination.to_string(), candidate, &wanted);
        let claim = stake.claim(cx, candidate);
        let own = || {
            let mut once = Once::new(cx.budget());
            match once.reserve(crown.treasury().once(&claim), stake.amounts) {
                Room::Never(shortage) => Some(Refusal::Budget { shortage }),
                Room::Reserved(_) | Room::Later => None,
            }
        };
        let gate = || match crown.look(&asked(candidate, value, &wanted, false)) {
            Admission::Refused { reason, .. } => Some(reason),
            Admission::Admitted { .. } => None,
        };
        let budgets = || {
            let shortage = crown.treasury().look(&claim, stake.amounts)?;
            Some(Refusal::Budget { shortage })
        };
        let refusal = own().or_else(gate).or_else(budgets);
        let lifted = || governance.disabled(&candidate.id, now).map(|one| one.expires);
        let until = refusal.as_ref().and_then(|refusal| match refusal {
            Refusal::Disabled { .. } => lifted(),
            Refusal::Limited(limited) => limited.again_us().map(|again| later(now, again)),
            Refusal::Budget { shortage } if !shortage.held_back() => shortage.ends(),
            _ => None,
        });
        let trial = governance.trial(&candidate.id, now).map(|trial| trial.share);
        Door { candidate: candidate.id.clone(), refusal, until, trial }
    }
}

fn later(now: Timestamp, micros: u64) -> Timestamp {
    Timestamp(now.0.saturating_add(i64::try_from(micros).unwrap_or(i64::MAX)))
}
