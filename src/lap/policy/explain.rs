//! Why a call was allowed or refused, policy by policy and clause by clause, and what would have made it allowed.
//!
//! It is made when somebody asks, or for the record of a refusal, so it may take longer than the decision. It names
//! clauses as they stand in the policy and never shows the value of an argument.

use std::fmt;
use std::sync::Arc;

use cedar_policy::pst::{
    Clause, Effect, Policy as Tree, PrincipalConstraint, ResourceConstraint, StaticPolicy, Template,
};
use cedar_policy::{Authorizer, Policy, PolicySet};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::atom::is_unknown;
use super::facts::{Circumstances, Subject};
use super::plan::{Listed, Vary};
use super::slice::{Decision, Slice};
use super::source::{Rule, scope_words};
use super::tree::{Want, clauses, wants, words};

/// What one policy had to do with a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Its id.
    pub policy: String,
    /// Why it exists, by its `@because`.
    pub because: String,
    /// File, line and column at which it begins.
    pub at: String,
    /// The clauses that decided: all of a policy that applied, the first that failed of one that did not.
    pub clauses: Vec<String>,
    /// What the operator says would help, by its `@remedy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// What would make a refused call allowed. Each was tried: with it, and all else as it was, the call is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// A grant that holds these scopes as well.
    Scopes(Vec<String>),
    /// A person who agrees to the call.
    Approval,
    /// Both of them.
    ScopesAndApproval(Vec<String>),
    /// Other arguments, for which these clauses turn out otherwise.
    Arguments(Vec<String>),
}

/// A decision and its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The tool.
    pub tool: String,
    /// Whether the call is allowed.
    pub allowed: bool,
    /// The policies that decided. A call that no policy allows is refused by none.
    pub determining: Vec<Said>,
    /// Permits that did not apply, each with the clause at which it failed.
    pub unmet: Vec<Said>,
    /// What could not be evaluated.
    pub faults: Vec<String>,
    /// What would make it allowed, as far as that can be said.
    pub remedies: Vec<Remedy>,
}

impl Slice {
    /// Why a caller who must not see the tool may not call it either; none if nothing hides it.
    pub(super) fn hidden(&self, caller: &Subject, call: &Circumstances) -> Option<Explanation> {
        let found = self.hiding(caller, call);
        let (ids, faults) = match found {
            Ok((ids, false)) if ids.is_empty() => return None,
            Ok((ids, fault)) => (ids, fault.then(|| "a policy that hides could not be evaluated".to_owned())),
            Err(says) => (Vec::new(), Some(says)),
        };
        let hiding = self.hiding.iter().filter(|rule| ids.iter().any(|id| **id == *rule.id));
        Some(Explanation {
            tool: self.tool.id.clone(),
            allowed: false,
            determining: hiding.map(Explanation::whole).collect(),
            unmet: Vec::new(),
            faults: faults.into_iter().collect(),
            remedies: Vec::new(),
        })
    }

    /// Why this decision came out of these inputs.
    pub fn explain(
        &self,
        decision: &Decision,
        caller: &Subject,
        call: &Circumstances,
        arguments: &Value,
    ) -> Explanation {
        let applied = |rule: &&Arc<Rule>| decision.determining.contains(&rule.id);
        let failed = |rule: &Arc<Rule>| rule.said(self.failed(rule, caller, call, arguments).into_iter().collect());
        let unmet = match decision.allowed {
            true => Vec::new(),
            false => self.rules.iter().filter(|rule| rule.permits && !applied(rule)).map(failed).collect(),
        };
        let fault = |fault: &super::Fault| match &fault.policy {
            Some(policy) => format!("policy {policy}: {}", fault.says),
            None => fault.says.clone(),
        };
        Explanation {
            tool: self.tool.id.clone(),
            allowed: decision.allowed,
            determining: self.rules.iter().filter(applied).map(Explanation::whole).collect(),
            unmet,
            faults: decision.faults.iter().map(fault).collect(),
            remedies: if decision.allowed { Vec::new() } else { self.remedies(decision, caller, call, arguments) },
        }
    }

    /// The first clause of a permit that does not hold; its scope comes before them.
    fn failed(&self, rule: &Rule, caller: &Subject, call: &Circumstances, arguments: &Value) -> Option<String> {
        let clauses = clauses(rule.tree.clauses());
        let scope = Template::new(
            "0",
            Effect::Permit,
            rule.tree.principal.clone(),
            rule.tree.action.clone(),
            rule.tree.resource.clone(),
        );
        let mut parts = vec![(scope, scope_words(&rule.tree))];
        for (place, clause) in clauses.iter().enumerate() {
            let id = (place + 1).to_string();
            let (any, everything) = (PrincipalConstraint::Any, ResourceConstraint::Any);
            let part = Template::new(id.as_str(), Effect::Permit, any, rule.tree.action.clone(), everything);
            parts.push((part.try_with_clauses([Clause::When(Arc::clone(clause))]).ok()?, words(clause)));
        }
        let (mut set, mut want) = (PolicySet::new(), Want::default());
        let mut texts = Vec::with_capacity(parts.len());
        for (part, text) in parts {
            set.add(Policy::from_pst(Tree::Static(StaticPolicy::try_from(part).ok()?)).ok()?).ok()?;
            texts.push(text);
        }
        clauses.iter().for_each(|clause| wants(clause, &mut want));
        let request = self.request(caller, &self.actions.invoke, self.context(&want, call, arguments).ok()?).ok()?;
        let response = Authorizer::new().is_authorized(&request, &set, &self.entities(caller).ok()?);
        let held: Vec<&str> = response.diagnostics().reason().map(AsRef::as_ref).collect();
        // Cedar stops at the first that fails, so a later one that cannot be evaluated alone says nothing.
        texts
            .into_iter()
            .enumerate()
            .find(|(place, _)| !held.contains(&place.to_string().as_str()))
            .map(|(_, text)| text)
    }

    /// What would make a refused call allowed.
    fn remedies(&self, decision: &Decision, caller: &Subject, call: &Circumstances, arguments: &Value) -> Vec<Remedy> {
        let lacking: Vec<String> = self.tool.scopes.difference(&call.scopes).cloned().collect();
        let mut scoped = call.clone();
        scoped.scopes.extend(lacking.iter().cloned());
        let approved = Circumstances { approved: true, ..call.clone() };
        let both = Circumstances { approved: true, ..scoped.clone() };
        let allowed = |call: &Circumstances| self.decide(caller, call, arguments).allowed;
        let mut remedies = Vec::new();
        if !lacking.is_empty() && allowed(&scoped) {
            remedies.push(Remedy::Scopes(lacking.clone()));
        }
        if !call.approved && allowed(&approved) {
            remedies.push(Remedy::Approval);
        }
        if remedies.is_empty() && !lacking.is_empty() && !call.approved && allowed(&both) {
            remedies.push(Remedy::ScopesAndApproval(lacking));
        }
        if self.could(caller, call, Vary::Arguments) == Ok(Listed::Shown) {
            let clauses = self.about_arguments(decision, caller, call, arguments);
            if !clauses.is_empty() {
                remedies.push(Remedy::Arguments(clauses));
            }
        }
        remedies
    }

    /// The clauses about arguments at which the call failed: of forbids that applied, and the first failed of permits.
    fn about_arguments(
        &self,
        decision: &Decision,
        caller: &Subject,
        call: &Circumstances,
        arguments: &Value,
    ) -> Vec<String> {
        let mut found = Vec::new();
        for rule in &self.rules {
            let about: Vec<String> = clauses(rule.tree.clauses())
                .iter()
                .filter(|clause| is_unknown(clause))
                .map(|clause| words(clause))
                .collect();
            if rule.permits {
                let failed = self.failed(rule, caller, call, arguments);
                found
                    .extend(failed.filter(|failed| about.contains(failed)).map(|text| format!("{text} [{}]", rule.id)));
            } else if decision.determining.contains(&rule.id) {
                found.extend(about.into_iter().map(|text| format!("not all of {text} [{}]", rule.id)));
            }
        }
        found
    }
}

impl Explanation {
    /// A policy that applied, with all its clauses.
    fn whole(rule: &Arc<Rule>) -> Said {
        let clauses = clauses(rule.tree.clauses());
        let scope = scope_words(&rule.tree);
        let scope = (!scope.is_empty()).then_some(scope);
        rule.said(scope.into_iter().chain(clauses.iter().map(|clause| words(clause))).collect())
    }

    /// Why a call is refused, in a line: the policies with their clauses, and what would help.
    pub fn line(&self) -> String {
        let said = |what: &str, said: &Said| {
            let clauses = if said.clauses.is_empty() { "always".to_owned() } else { said.clauses.join(" and ") };
            format!("{what} {} ({}): {} [{clauses}]", said.policy, said.at, said.because)
        };
        let mut parts: Vec<String> = match (self.determining.is_empty(), self.faults.is_empty()) {
            (true, true) if self.unmet.is_empty() => {
                vec!["no policy allows it, and there is none that could".to_owned()]
            }
            (true, true) => vec!["no policy allows it".to_owned()],
            _ => self.faults.iter().map(|fault| format!("it cannot be judged: {fault}")).collect(),
        };
        if self.faults.is_empty() {
            parts.extend(self.determining.iter().map(|one| said("refused by the policy", one)));
            if self.determining.is_empty() {
                parts.extend(self.unmet.iter().map(|one| said("not met is", one)));
            }
        }
        let own = self.determining.iter().chain(&self.unmet).filter_map(|said| said.remedy.clone());
        parts.extend(own);
        parts.extend(self.remedies.iter().map(|remedy| format!("it would be allowed with {remedy}")));
        parts.join("; ")
    }
}

impl Rule {
    fn said(&self, clauses: Vec<String>) -> Said {
        Said {
            policy: self.id.to_string(),
            because: self.because.to_string(),
            at: format!("{}:{}:{}", self.source, self.line, self.column),
            clauses,
            remedy: self.remedy.as_deref().map(str::to_owned),
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remedy::Scopes(scopes) => write!(f, "a grant that holds {}", scopes.join(" and ")),
            Remedy::Approval => f.write_str("a person who agrees to the call"),
            Remedy::ScopesAndApproval(scopes) => {
                write!(f, "a grant that holds {}, and a person who agrees to the call", scopes.join(" and "))
            }
            Remedy::Arguments(clauses) => write!(f, "other arguments: {}", clauses.join("; ")),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.allowed { "allowed" } else { "refused" };
        write!(f, "calling {} is {verdict}", self.tool)?;
        if !self.allowed && self.determining.is_empty() && self.faults.is_empty() {
            f.write_str(": no policy allows it")?;
        }
        let mut line = |kind: &str, said: &Said| {
            write!(f, "\n  {kind} {} ({}): {}", said.policy, said.at, said.because)?;
            said.clauses.iter().try_for_each(|clause| write!(f, "\n    {clause}"))?;
            said.remedy.iter().try_for_each(|remedy| write!(f, "\n    remedy: {remedy}"))
        };
        let kind = if self.allowed { "allowed by" } else { "refused by" };
        // With a fault, permits may have applied and not counted.
        let kind = if !self.allowed && !self.faults.is_empty() { "applied:" } else { kind };
        self.determining.iter().try_for_each(|said| line(kind, said))?;
        self.unmet.iter().try_for_each(|said| line("not met:", said))?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n  fault: {fault}"))?;
        self.remedies.iter().try_for_each(|remedy| write!(f, "\n  would be allowed with {remedy}"))
    }
}
