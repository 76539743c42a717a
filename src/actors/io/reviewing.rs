//! Whether a run needs people: before anybody works on it, once nobody serves it, and before its answer is given.

use tokio::sync::mpsc;

use super::parking::{Fate, Held, Passed};
use super::pipeline::{Piece, Pipeline, Run};
use super::prompt::whole;
use super::record::{Served, kind};
use super::refusal::refusal;
use super::{Answer, Progress};
use crate::store::NewEvent;
use crate::types::{Budget, Money, aside};
use crate::ziggy::Millionths;
use crate::ziggy::budget::Amounts;
use crate::ziggy::review::{self, Need, Rule, Situation, Stage, may_withhold};
use crate::ziggy::route::{Constraint, Decision, Reason};

impl Pipeline {
    /// What a run needs before anybody works on it, and what it would have to be allowed to spend.
    pub(super) async fn review_before(&self, run: &Run<'_>, pieces: &[Piece], passed: Passed) -> Option<Held> {
        let rules = self.parts.inbox.rules();
        if passed.before || !rules.iter().any(|rule| rule.action == Stage::Before) {
            return None;
        }
        let (mut situation, mut needed) = (run.situation(""), None);
        let (mut worst, mut lacks) = (Amounts::ZERO, false);
        if rules.iter().any(Rule::wants_a_decision) {
            let rib = self.parts.router.rib();
            for piece in pieces {
                let decision = self.decide(&run.cx, run.task, &run.class, piece.size());
                situation.cost += decision.cost_max;
                worst = worst.plus(self.worst(run, piece, &decision));
                let agent = decision.winner.as_ref().and_then(|winner| rib.candidates.get(winner));
                situation.agents.extend(agent.map(|candidate| candidate.agent.clone()));
                if decision.winner.is_none() {
                    lacks |= lacks_budget_alone(&decision);
                    situation.nobody.get_or_insert_with(|| refusal(&decision).to_string());
                }
            }
            if let Some(error) = self.unaffordable(&run.cx, pieces) {
                lacks = true;
                situation.nobody.get_or_insert_with(|| error.to_string());
            }
            let has = run.cx.budget();
            // Approval gives what all pieces can take, since they share it.
            needed = lacks.then(|| Budget { money: has.money.max(worst.money), tokens: has.tokens.max(worst.tokens) });
        }
        let need = self.judged(Stage::Before, situation, || whole(run.task)).await?;
        Some(Held { need, answer: None, needed, left: run.purse.left(), class: run.class.clone() })
    }

    /// Whether a run that nobody serves may go to people.
    pub(super) fn has_people(&self, run: &Run<'_>) -> bool {
        !run.passed.before && self.parts.inbox.rules().iter().any(|rule| rule.nobody)
    }

    /// What a run needs that came to the rung of people, if a rule hands it over.
    pub(super) async fn review_nobody(&self, run: &Run<'_>) -> Option<Held> {
        let situation = Situation { nobody: Some(run.nobody.get()?.clone()), ..run.situation("") };
        let need = self.judged(Stage::Before, situation, || whole(run.task)).await?;
        Some(Held { need, answer: None, needed: None, left: run.purse.left(), class: run.class.clone() })
    }

    /// What becomes of an answer: it is given, or withheld until people have seen it.
    pub(super) async fn review_after(&self, run: &Run<'_>, answer: Answer) -> Fate {
        if !self.parts.inbox.rules().iter().any(|rule| rule.action == Stage::After) {
            return Fate::Answered(Box::new(answer));
        }
        let mut situation = run.situation("");
        let rib = self.parts.router.rib();
        let agents = answer.served_by.iter().filter_map(|id| rib.candidates.get(id));
        situation.agents.extend(agents.map(|candidate| candidate.agent.clone()));
        situation.cost = answer.cost;
        match self.judged(Stage::After, situation, || answer.answer.clone()).await {
            Some(need) => Fate::Held(Box::new(Held {
                need,
                answer: Some(answer),
                needed: None,
                left: run.purse.left(),
                class: run.class.clone(),
            })),
            None => Fate::Answered(Box::new(answer)),
        }
    }

    /// Holds the rules against a situation, beside the others if the text is long.
    async fn judged(&self, stage: Stage, known: Situation<'_>, text: impl FnOnce() -> String) -> Option<Need> {
        let rules = self.parts.inbox.rules().to_vec();
        let text = if rules.iter().any(|rule| !rule.keywords.is_empty()) { text() } else { String::new() };
        let Situation { privacy, intent, confidence, agents, cost, nobody, .. } = known;
        let bytes = text.len();
        let judge = move || {
            let situation = Situation { privacy, intent, confidence, agents, cost, text: &text, nobody };
            review::review(&rules, stage, &situation)
        };
        aside(bytes, judge).await
    }
}

impl Run<'_> {
    /// What is known of a run before anybody works on it, with this text.
    fn situation<'a>(&self, text: &'a str) -> Situation<'a> {
        Situation {
            privacy: self.class.privacy,
            intent: self.class.intent,
            confidence: Millionths::of(f64::from(self.class.confidence)),
            agents: Vec::new(),
            cost: Money::ZERO,
            text,
            nobody: None,
        }
    }

    /// Whether its answer may be withheld, so that nobody sees a part of it meanwhile.
    pub(super) fn withheld(&self, pipeline: &Pipeline) -> bool {
        may_withhold(pipeline.parts.inbox.rules(), &self.situation(""))
    }

    /// Who is shown the answer while it grows: nobody while it may be withheld.
    pub(super) fn audience(&self, pipeline: &Pipeline) -> mpsc::Sender<Progress> {
        if self.withheld(pipeline) { mpsc::channel(1).0 } else { self.news.clone() }
    }

    /// What a candidate's answer leaves in the journal: not its text while it may be withheld, since whoever may see
    /// runs may see their events.
    pub(super) fn served(&self, served: &Served, pipeline: &Pipeline) -> NewEvent {
        if !self.withheld(pipeline) {
            return self.record.event(kind::SERVED, served);
        }
        let mut hidden = served.clone();
        hidden.outcome.text.clear();
        self.record.event(kind::SERVED, &hidden)
    }
}

/// Whether nothing but the budget stands in the way of the nearest candidate.
fn lacks_budget_alone(decision: &Decision) -> bool {
    decision.reasons.iter().any(|reason| match reason {
        Reason::Refused { constraints, .. } => constraints
            .iter()
            .all(|constraint| matches!(constraint, Constraint::Budget { .. } | Constraint::Tokens { .. })),
        _ => false,
    })
}
