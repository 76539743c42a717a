//! The policies that can apply to one tool, ready to decide.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, Decision as Verdict, Entities, EntityUid, EvaluationError, Policy, PolicySet, Request,
    RestrictedExpression,
};
use serde_json::Value;

use super::explain::Explanation;
use super::facts::{Attributes, Circumstances, Subject, ToolFacts, Unfit, uid};
use super::plan::Plan;
use super::shape::Shape;
use super::source::Rule;
use super::tree::Want;
use super::value;

/// Policies and what they look at in the context.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub(super) set: PolicySet,
    pub(super) want: Want,
}

/// The policies that can apply to one version of a tool, typed against its schema.
#[derive(Debug, Clone)]
pub struct Slice {
    pub(super) tool: Arc<ToolFacts>,
    pub(super) attributes: Attributes,
    pub(super) shape: Shape,
    /// Those about calls, in the order in which they were written.
    pub(super) rules: Vec<Arc<Rule>>,
    pub(super) invoke: Compiled,
    /// Those that hide, and what Cedar has of them.
    pub(super) hiding: Vec<Arc<Rule>>,
    pub(super) hide: Compiled,
    pub(super) plan: Plan,
    pub(super) resource: EntityUid,
    pub(super) actions: Actions,
    entities: Entities,
    order: BTreeMap<Arc<str>, usize>,
}

/// The two actions.
#[derive(Debug, Clone)]
pub(super) struct Actions {
    pub(super) invoke: EntityUid,
    pub(super) list: EntityUid,
}

impl Actions {
    pub(super) fn new() -> Result<Actions, Unfit> {
        Ok(Actions { invoke: uid("Action", "invoke")?, list: uid("Action", "list")? })
    }
}

/// Something that could not be evaluated, so that the call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The policy, if it was one.
    pub policy: Option<Arc<str>>,
    /// What went wrong. It never shows a value.
    pub says: String,
}

/// Whether a call is allowed, and by which policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is.
    pub allowed: bool,
    /// The policies that decided: the permits that applied if it is allowed, the forbids that did if it is not. None if
    /// it is refused because no permit applied.
    pub determining: Vec<Arc<str>>,
    /// What could not be evaluated. With one of these a call is never allowed.
    pub faults: Vec<Fault>,
}

impl Decision {
    pub(super) fn fault(says: String) -> Decision {
        Decision { allowed: false, determining: Vec::new(), faults: vec![Fault { policy: None, says }] }
    }
}

impl Compiled {
    pub(super) fn of<'a>(policies: impl IntoIterator<Item = (&'a Policy, &'a Want)>) -> Result<Compiled, String> {
        let mut compiled = Compiled { set: PolicySet::new(), want: Want::default() };
        for (policy, want) in policies {
            compiled.set.add(policy.clone()).map_err(|error| error.to_string())?;
            compiled.want.merge(want);
        }
        Ok(compiled)
    }
}

impl Slice {
    /// A slice of policies that were typed before.
    pub(super) fn new(
        tool: Arc<ToolFacts>,
        shape: Shape,
        invoke: Vec<Arc<Rule>>,
        hiding: Vec<Arc<Rule>>,
    ) -> Result<Slice, String> {
        let say = |error: Unfit| error.to_string();
        let attributes = tool.attributes();
        let entity = tool.entity(&attributes).map_err(say)?;
        let compiled = Compiled::of(invoke.iter().map(|rule| (&rule.policy, &rule.want)))?;
        let plan = Plan::new(&invoke, &shape)?;
        Ok(Slice {
            resource: uid("Tool", &tool.id).map_err(say)?,
            entities: Entities::from_entities([entity], None).map_err(|error| error.to_string())?,
            order: invoke.iter().enumerate().map(|(place, rule)| (Arc::clone(&rule.id), place)).collect(),
            hide: Compiled::of(hiding.iter().map(|rule| (&rule.policy, &rule.want)))?,
            hiding,
            actions: Actions::new().map_err(say)?,
            invoke: compiled,
            rules: invoke,
            tool,
            attributes,
            shape,
            plan,
        })
    }

    /// The tool it is for.
    pub fn tool(&self) -> &ToolFacts {
        &self.tool
    }

    /// The ids of its policies about calls.
    pub fn policies(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| &*rule.id)
    }

    /// The tool and this caller, as Cedar sees them.
    pub(super) fn entities(&self, caller: &Subject) -> Result<Entities, String> {
        self.entities.clone().add_entities([caller.entity.clone()], None).map_err(|error| error.to_string())
    }

    /// A request of this caller, under circumstances and with arguments that were made before.
    pub(super) fn request(
        &self,
        caller: &Subject,
        action: &EntityUid,
        context: Vec<(String, RestrictedExpression)>,
    ) -> Result<Request, String> {
        let context = Context::from_pairs(context).map_err(|error| error.to_string())?;
        Request::new(caller.uid.clone(), action.clone(), self.resource.clone(), context, None)
            .map_err(|error| error.to_string())
    }

    /// What policies look at in the context of a call.
    pub(super) fn context(
        &self,
        want: &Want,
        call: &Circumstances,
        arguments: &Value,
    ) -> Result<Vec<(String, RestrictedExpression)>, String> {
        let attributes = call.attributes(|name| want.field(name).is_some());
        let mut pairs: Vec<(String, RestrictedExpression)> =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), value.expression())).collect();
        if let Some(want) = want.field("args") {
            let arguments = value::expression(&self.shape, arguments, want, &mut Vec::new());
            pairs.push(("args".to_owned(), arguments.map_err(|unjudged| unjudged.to_string())?));
        }
        Ok(pairs)
    }

    /// Whether any policy about calls looks at this part of the context.
    pub fn looks_at(&self, part: &str) -> bool {
        self.invoke.want.field(part).is_some()
    }

    /// Why this caller may not call the tool with these arguments; none if it may. A policy that hides the tool refuses its
    /// calls too: what somebody must not see they cannot call by knowing its name.
    pub fn refuses(&self, caller: &Subject, call: &Circumstances, arguments: &Value) -> Option<Explanation> {
        if let Some(hidden) = self.hidden(caller, call) {
            return Some(hidden);
        }
        let decision = self.decide(caller, call, arguments);
        (!decision.allowed).then(|| self.explain(&decision, caller, call, arguments))
    }

    /// Whether this caller may call the tool with these arguments, which were found to fit the tool's schema before.
    pub fn decide(&self, caller: &Subject, call: &Circumstances, arguments: &Value) -> Decision {
        self.judge(&self.invoke, caller, call, arguments).unwrap_or_else(Decision::fault)
    }

    pub(super) fn judge(
        &self,
        policies: &Compiled,
        caller: &Subject,
        call: &Circumstances,
        arguments: &Value,
    ) -> Result<Decision, String> {
        call.fit().map_err(|error| error.to_string())?;
        let context = self.context(&policies.want, call, arguments)?;
        let request = self.request(caller, &self.actions.invoke, context)?;
        Ok(self.verdict(&request, &policies.set, &self.entities(caller)?))
    }

    pub(super) fn verdict(&self, request: &Request, set: &PolicySet, entities: &Entities) -> Decision {
        let response = Authorizer::new().is_authorized(request, set, entities);
        let place = |id: &str| self.order.get_key_value(id);
        // Cedar names them in no order, and a record should not depend on that.
        let mut determining: Vec<(usize, Arc<str>)> = response
            .diagnostics()
            .reason()
            .filter_map(|id| place(id.as_ref()).map(|(id, place)| (*place, Arc::clone(id))))
            .collect();
        determining.sort_unstable();
        let mut faults: Vec<(usize, Fault)> = response
            .diagnostics()
            .errors()
            .map(|cedar_policy::AuthorizationError::PolicyEvaluationError(error)| {
                let known = place(error.policy_id().as_ref());
                let policy = known.map(|(id, _)| Arc::clone(id));
                let says = format!("could not evaluate the policy: {}", fault_words(error.inner()));
                (known.map_or(usize::MAX, |(_, place)| *place), Fault { policy, says })
            })
            .collect();
        faults.sort_by_key(|(place, _)| *place);
        Decision {
            allowed: response.decision() == Verdict::Allow && faults.is_empty(),
            determining: determining.into_iter().map(|(_, id)| id).collect(),
            faults: faults.into_iter().map(|(_, fault)| fault).collect(),
        }
    }
}

/// What went wrong in an evaluation, without the values that Cedar's own words show.
fn fault_words(error: &EvaluationError) -> &'static str {
    match error {
        EvaluationError::IntegerOverflow(_) => "a sum or product is larger than 64 bits",
        EvaluationError::RecursionLimit(_) => "it is nested too deep",
        EvaluationError::FailedExtensionFunctionExecution(_) => "a decimal is malformed or too large",
        EvaluationError::EntityDoesNotExist(_) => "it names an attribute of somebody who is not there",
        EvaluationError::EntityAttrDoesNotExist(_) | EvaluationError::RecordAttrDoesNotExist(_) => {
            "it names an attribute that is not there"
        }
        EvaluationError::TypeError(_) => "a value has another type than the policy takes it for",
        _ => "the engine gave it up",
    }
}
