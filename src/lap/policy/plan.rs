//! Lists: whether a caller could be allowed to call a tool at all.
//!
//! The rule of a list is the rule of calls, asked with arguments that are not known yet. A tool is hidden if a forbid
//! about `Action::"list"` applies, or if no arguments, no agreement and no finding of personal data could make a call
//! allowed. That is found out by trying: conditions of the supported shape (`atom`) compare an unknown with something
//! known, so finitely many values give every outcome (`guess`), and each combination is decided as a call is.
//!
//! What has another shape is taken to turn out in favour of the call: true in a permit, false in a forbid. So a list may
//! show what no call is allowed to do, and never hides what one could be.
//!
//! "Any arguments" are all that have the types, `enum`s, ranges of numbers and list lengths of the tool's schema. Its
//! patterns, formats, lengths of text and relations between arguments are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Clause, Expr, Policy as Tree, StaticPolicy, UnaryOp};
use cedar_policy::{Policy, RestrictedExpression};

use super::atom::{Atom, Holder, Operand, UNKNOWN, atom, is_unknown, shape_at};
use super::facts::{Attribute, Attributes, Circumstances, Subject};
use super::guess::{Compared, Guess, guesses};
use super::shape::{Field, Shape};
use super::slice::{Compiled, Slice};
use super::source::Rule;
use super::tree::{Want, and, clauses, not, or, truth, wants};

/// Whether a tool is shown to a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// Some call would be allowed.
    Shown,
    /// Nothing rules out that some call would be allowed; the policies are not of a shape in which that can be told.
    Perhaps,
    /// No call would be allowed, or a policy hides it.
    Hidden,
}

impl Listed {
    /// Whether it is in the list.
    pub fn is_shown(self) -> bool {
        self != Listed::Hidden
    }
}

/// How a list is made of a slice.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    policies: Compiled,
    compared: Compared,
    /// The record of all unknowns.
    shape: Shape,
    /// Whether every condition about unknowns is of the supported shape.
    pub(super) exact: bool,
    /// What is tried, where it does not depend on the caller.
    fixed: Option<Vec<Guess>>,
}

struct Relaxing<'a> {
    shape: &'a Shape,
    /// Unknowns that would take too many values.
    dropped: &'a BTreeSet<Vec<String>>,
    compared: Compared,
    exact: bool,
}

impl Relaxing<'_> {
    /// The same condition with what cannot be told taken for `favour`.
    fn relax(&mut self, expression: &Arc<Expr>, favour: bool) -> Arc<Expr> {
        if !is_unknown(expression) {
            return Arc::clone(expression);
        }
        match &**expression {
            Expr::BinaryOp { op: BinaryOp::And, left, right } => {
                and(self.relax(left, favour), self.relax(right, favour))
            }
            Expr::BinaryOp { op: BinaryOp::Or, left, right } => or(self.relax(left, favour), self.relax(right, favour)),
            Expr::UnaryOp { op: UnaryOp::Not, expr } => not(self.relax(expr, !favour)),
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                let (then, otherwise) = (self.relax(then_expr, favour), self.relax(else_expr, favour));
                let (holds, fails) = (self.relax(cond, favour), not(self.relax(cond, !favour)));
                or(and(holds, then), and(fails, otherwise))
            }
            whole => match atom(whole, self.shape) {
                Some(Atom { path, operands, value }) if !self.dropped.contains(&path) => {
                    self.compared.add(&path, &operands, value);
                    Arc::clone(expression)
                }
                _ => {
                    self.exact = false;
                    truth(favour)
                }
            },
        }
    }
}

/// The record of all that is unknown to a list.
fn unknowns(arguments: &Shape) -> Shape {
    let field = |name: &str| {
        let shape = if name == "args" { arguments.clone() } else { Shape::Flag };
        (name.to_owned(), Field { shape, required: true })
    };
    Shape::Record(UNKNOWN.iter().map(|name| field(name)).collect())
}

impl Plan {
    pub(super) fn new(rules: &[Arc<Rule>], arguments: &Shape) -> Result<Plan, String> {
        let shape = unknowns(arguments);
        let mut dropped = BTreeSet::new();
        loop {
            let plan = Plan::without(rules, &shape, &dropped)?;
            // As if attributes had no values; those of a caller are counted when it asks.
            if plan.fixed.is_some() || guesses(&shape, &plan.compared, &values(None)).is_some() {
                return Ok(plan);
            }
            // The one with the most values goes first; each round drops one, so this ends.
            let count = |path: &Vec<String>| {
                let found = shape_at(&shape, path).and_then(|leaf| {
                    let compared = path.iter().try_fold(&plan.compared, |inner, name| inner.fields.get(name))?;
                    guesses(leaf, compared, &values(None))
                });
                found.map_or(usize::MAX, |found| found.len())
            };
            let leaves = plan.compared.leaves();
            let Some(widest) = leaves.into_iter().max_by_key(count) else { return Ok(plan) };
            dropped.insert(widest);
        }
    }

    fn without(rules: &[Arc<Rule>], shape: &Shape, dropped: &BTreeSet<Vec<String>>) -> Result<Plan, String> {
        let mut relaxing = Relaxing { shape, dropped, compared: Compared::default(), exact: true };
        let mut relaxed: Vec<(Policy, Want)> = Vec::with_capacity(rules.len());
        for rule in rules {
            let mut want = Want::default();
            let mut whole = Vec::new();
            for clause in clauses(rule.tree.clauses()) {
                let clause = relaxing.relax(&clause, rule.permits);
                wants(&clause, &mut want);
                whole.push(Clause::When(clause));
            }
            let tree = rule.tree.as_ref().clone().with_id(rule.id.as_ref().into());
            let tree = tree.try_with_clauses(whole).map_err(|error| error.to_string())?;
            let tree = Tree::Static(StaticPolicy::try_from(tree).map_err(|error| error.to_string())?);
            relaxed.push((Policy::from_pst(tree).map_err(|error| error.to_string())?, want));
        }
        let policies = Compiled::of(relaxed.iter().map(|(policy, want)| (policy, want)))?;
        let Relaxing { compared, exact, .. } = relaxing;
        let fixed = match depends(&compared) {
            true => None,
            false => guesses(shape, &compared, &values(None)),
        };
        Ok(Plan { policies, compared, shape: shape.clone(), exact, fixed })
    }
}

/// Whether anything is compared with an attribute.
fn depends(compared: &Compared) -> bool {
    compared.operands.iter().any(|operand| matches!(operand, Operand::Attribute(..)))
        || compared.fields.values().any(depends)
}

/// What is known of who asks for a list.
type Askers<'a> = BTreeMap<Holder, &'a Attributes>;

/// The values that an operand has.
fn values<'a>(askers: Option<&'a Askers<'a>>) -> impl Fn(&Operand) -> Vec<Guess> + 'a {
    move |operand| match operand {
        Operand::Value(value) => vec![value.clone()],
        Operand::Pattern(_) => Vec::new(),
        Operand::Attribute(holder, name) => {
            let found = askers.and_then(|askers| askers.get(holder)).and_then(|known| known.get(name.as_str()));
            match found {
                Some(Attribute::Text(text)) => vec![Guess::Text(text.clone())],
                Some(Attribute::Texts(texts)) => texts.iter().cloned().map(Guess::Text).collect(),
                Some(Attribute::Whole(number)) => vec![Guess::Whole(*number)],
                Some(Attribute::Flag(flag)) => vec![Guess::Flag(*flag)],
                None => Vec::new(),
            }
        }
    }
}

/// What may vary when it is asked whether a call could be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vary {
    /// All that a list does not know.
    Unknowns,
    /// The arguments alone; the rest is as it was in a call.
    Arguments,
}

impl Slice {
    /// Whether this tool is shown to this caller.
    pub fn lists(&self, caller: &Subject, asked: &Circumstances) -> Listed {
        // What cannot be told is not hidden: a call will say what is wrong.
        self.hides(caller, asked)
            .and_then(|hidden| if hidden { Ok(Listed::Hidden) } else { self.could(caller, asked, Vary::Unknowns) })
            .unwrap_or(Listed::Perhaps)
    }

    fn hides(&self, caller: &Subject, asked: &Circumstances) -> Result<bool, String> {
        let (ids, faults) = self.hiding(caller, asked)?;
        Ok(faults || !ids.is_empty())
    }

    /// The policies that hide this tool from this caller, and whether one of them could not be evaluated.
    pub(super) fn hiding(&self, caller: &Subject, asked: &Circumstances) -> Result<(Vec<String>, bool), String> {
        if self.hide.set.is_empty() {
            return Ok((Vec::new(), false));
        }
        let context = self.known(&self.hide.want, asked);
        let request = self.request(caller, &self.actions.list, context)?;
        let response = cedar_policy::Authorizer::new().is_authorized(&request, &self.hide.set, &self.entities(caller)?);
        // There are only forbids among them, so whichever is named applies.
        let ids = response.diagnostics().reason().map(ToString::to_string).collect();
        Ok((ids, response.diagnostics().errors().next().is_some()))
    }

    fn known(&self, want: &Want, asked: &Circumstances) -> Vec<(String, RestrictedExpression)> {
        let attributes = asked.attributes(|name| !UNKNOWN.contains(&name) && want.field(name).is_some());
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.expression())).collect()
    }

    /// Whether any call could be allowed.
    pub(super) fn could(&self, caller: &Subject, asked: &Circumstances, vary: Vary) -> Result<Listed, String> {
        asked.fit().map_err(|error| error.to_string())?;
        let plan = &self.plan;
        let own;
        let tried = match &plan.fixed {
            Some(fixed) => fixed,
            None => {
                let circumstances = asked.attributes(|name| !UNKNOWN.contains(&name));
                let askers: Askers<'_> = BTreeMap::from([
                    (Holder::Caller, &caller.attributes),
                    (Holder::Tool, &self.attributes),
                    (Holder::Circumstances, &circumstances),
                ]);
                match guesses(&plan.shape, &plan.compared, &values(Some(&askers))) {
                    Some(found) => {
                        own = found;
                        &own
                    }
                    None => return Ok(Listed::Perhaps),
                }
            }
        };
        let (entities, mut unsure) = (self.entities(caller)?, false);
        for guess in tried {
            let Guess::Record(unknowns) = guess else { continue };
            let as_called = |name: &str, flag: bool| unknowns.get(name).is_none_or(|value| *value == Guess::Flag(flag));
            if vary == Vary::Arguments
                && !(as_called("approved", asked.approved) && as_called("personal_data", asked.personal_data))
            {
                continue;
            }
            let mut context = self.known(&plan.policies.want, asked);
            for (name, value) in unknowns {
                let value = value.expression().ok_or("could not make a value to try")?;
                context.push((name.clone(), value));
            }
            let request = self.request(caller, &self.actions.invoke, context)?;
            let decision = self.verdict(&request, &plan.policies.set, &entities);
            if decision.allowed {
                return Ok(if plan.exact { Listed::Shown } else { Listed::Perhaps });
            }
            unsure |= !plan.exact && !decision.faults.is_empty();
        }
        Ok(if unsure { Listed::Perhaps } else { Listed::Hidden })
    }
}
