//! A recorded question as another configuration would have put it: where its data may be, and how private it is. Pure.

use serde::Deserialize;

use crate::types::{Principal, PrivacyClass, Residency};
use crate::ziggy::route::Decision;
use crate::ziggy::{Classification, privacy};

/// What a run was asked to do, as far as a configuration has a say in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Asked {
    /// What its task said.
    pub(super) task: Named,
    /// What it was taken for, if there was personal data in it: else there is nothing to replace.
    pub(super) class: Option<Classification>,
}

/// What a task says of its data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Named {
    /// How private it is at least.
    #[serde(default)]
    pub(super) privacy: PrivacyClass,
    /// Regions it may be in.
    #[serde(default)]
    pub(super) residency: Vec<String>,
}

/// What of an accepted task counts here.
#[derive(Debug, Deserialize)]
pub(super) struct Accepted {
    pub(super) task: Named,
}

/// The decision with the question that the other configuration puts. `then` is what the configuration of the time said of
/// data; where it does not explain what was asked, something else was in force too, and stays in force.
pub(super) fn restated(
    recorded: &Decision,
    asked: &Asked,
    then: Option<&privacy::Config>,
    other: &privacy::Config,
) -> Decision {
    let request = &recorded.request;
    let principal = Principal::new(request.tenant.as_deref().unwrap_or_default(), &[]);
    let tenant = principal.tenant();
    let mut again = recorded.clone();
    let (was, named) = (Residency::within(&request.residency), Residency::within(&asked.task.residency));
    let own = other.of(tenant).and(&named);
    let explained = then.is_some_and(|then| then.of(tenant).and(&named) == was);
    again.request.residency = if explained { own } else { own.and(&was) }.named();
    if let (Some(class), Some(then)) = (&asked.class, then) {
        let routed = |config: &privacy::Config| {
            let mut class = Classification { replaced: None, ..class.clone() };
            config.replace(tenant, asked.task.privacy, &mut class);
            class.routed()
        };
        if routed(then) == request.destination.privacy {
            again.request.destination.privacy = routed(other);
        }
    }
    again
}
