//! Whether a tool is shown and called: the host's own rules first, and what they admit is asked of policies. One place, so
//! that a list, a search, a description and a call do not say different things of one tool.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

use super::admit::{admit, covers, granted, may};
use super::policy::{Circumstances, Kind, Slice, Subject};
use super::{Caller, Denial, Rules};
use crate::tds::Tool;
use crate::tds::tool::Approval;
use crate::types::sensitive;
use crate::types::{Label, PrivacyClass, Residency, Timestamp};

/// What stands before one version of a tool.
#[derive(Debug, Clone, Copy)]
pub struct Gate<'a> {
    /// The tool.
    pub tool: &'a Tool,
    /// Its policies. None if they are a permit of everything.
    pub policies: Option<&'a Slice>,
    /// What the operator says about callers and this host.
    pub rules: &'a Rules,
    /// When.
    pub now: Timestamp,
}

/// A call that may be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted<'v> {
    /// With what.
    pub given: Cow<'v, Value>,
    /// Why a person has to agree to it first, if one has to: the tool says so, or this policy gives way to nothing less.
    pub asks: Option<Denial>,
}

/// Every class, the least private first: who may call a tool with anything may mostly call it with that.
const CLASSES: [PrivacyClass; 4] =
    [PrivacyClass::Public, PrivacyClass::Internal, PrivacyClass::Confidential, PrivacyClass::Restricted];

impl Gate<'_> {
    /// Whether there could be a call of it by this caller that is admitted, with data that may be anywhere.
    pub fn shows(&self, caller: &Caller) -> bool {
        if may(self.tool, caller, self.rules).is_err() {
            return false;
        }
        let Some(policies) = self.policies else { return true };
        let Ok(subject) = self.subject(caller) else { return false };
        let mut call = self.circumstances(caller, &Label::default(), false);
        CLASSES.into_iter().filter(|class| *class <= self.tool.policy.privacy).any(|class| {
            call.privacy = class;
            policies.lists(&subject, &call).is_shown()
        })
    }

    /// What a call may be made with. Policies are asked about what the tool is going to be given, so that nothing else than
    /// what was judged is ever run (LAP5).
    ///
    /// # Errors
    /// Why it may not be made.
    pub fn admit<'v>(&self, caller: &Caller, label: &Label, arguments: &'v Value) -> Result<Admitted<'v>, Denial> {
        let given = admit(self.tool, caller, label, self.rules, arguments)?;
        let always = (self.tool.policy.approval == Approval::Always).then_some(Denial::Approval);
        let Some(policies) = self.policies else { return Ok(Admitted { given, asks: always }) };
        let subject = self.subject(caller)?;
        // What was replaced by a mark was found in what came in.
        let personal = policies.looks_at("personal_data") && !sensitive::find(&arguments.to_string()).is_empty();
        let call = self.circumstances(caller, label, personal);
        let Some(explanation) = policies.refuses(&subject, &call, &given) else {
            return Ok(Admitted { given, asks: always });
        };
        let denial = Denial::Policy(Box::new(explanation));
        let agreed = Circumstances { approved: true, ..call };
        match policies.refuses(&subject, &agreed, &given) {
            None => Ok(Admitted { given, asks: Some(denial) }),
            Some(_) => Err(denial),
        }
    }

    /// The caller as policies see it.
    fn subject(&self, caller: &Caller) -> Result<Subject, Denial> {
        let roles: BTreeSet<String> = granted(caller, self.rules)
            .iter()
            .filter_map(|own| own.strip_prefix("role:").map(ToOwned::to_owned))
            .collect();
        let (kind, name) = match &caller.agent {
            Some(agent) => (Kind::Agent, agent),
            None if self.rules.accounts.contains(&caller.principal) => (Kind::ServiceAccount, &caller.principal),
            None => (Kind::User, &caller.principal),
        };
        Subject::new(kind, name, &caller.tenant, &roles).map_err(|unfit| Denial::Unjudged { why: unfit.to_string() })
    }

    fn circumstances(&self, caller: &Caller, label: &Label, personal_data: bool) -> Circumstances {
        let granted = granted(caller, self.rules);
        let mut scopes: BTreeSet<String> = granted.iter().filter(|own| !own.starts_with("role:")).cloned().collect();
        // Policies know no stars, so what one covers of the tool's own scopes is named beside it.
        let required = self.tool.auth.scopes.iter().map(ToString::to_string);
        scopes.extend(required.filter(|scope| covers(&granted, scope)));
        Circumstances {
            scopes,
            privacy: label.class,
            residency: Residency::clone(&label.residency),
            personal_data,
            // A tool that asks people is never run before one of them agreed to the call, so what is run was.
            approved: self.tool.policy.approval == Approval::Always,
            now: self.now,
        }
    }
}
