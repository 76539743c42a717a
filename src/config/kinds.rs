//! Tables of several kinds, each with keys of its own: runtimes, and the entries of lists. Nobody has defaults for them, so what somebody writes is
//! judged by laying it over a right table of its kind: each key by itself, and what it lacks all at once.

use std::collections::BTreeSet;

use serde::Serialize;

use super::error::{Problem, Source};
use super::judge::{self, Checked};
use super::tree::{self, Node, Override};
use crate::actors::{crown, inbox};
use crate::inference::RuntimeConfig;
use crate::ziggy::budget::Limit;
use crate::ziggy::route::Policy;
use crate::ziggy::{govern, review};

/// Where runtimes stand, by name.
const RUNTIMES: [&str; 2] = ["inference", "runtimes"];

/// How many keys of this path are those of a runtime, and a right runtime of the kind that this one says it is.
pub(super) fn runtime(path: &[String], whole: &Node) -> Option<(usize, toml::Value)> {
    let length = RUNTIMES.len() + 1;
    let place = path.get(..length).filter(|place| place.iter().zip(RUNTIMES).all(|(said, known)| said == known))?;
    let kind = whole.get(&[place, &["kind".to_owned()]].concat())?.value();
    let examples = RuntimeConfig::examples().into_iter();
    let found =
        examples.filter_map(|one| toml::Value::try_from(one).ok()).find(|one| one.get("kind") == Some(&kind))?;
    Some((length, found))
}

/// Right entries of each list of tables there is, with what every one of its kind needs.
pub(super) fn entries(list: &str) -> Vec<toml::Value> {
    fn all<E: Serialize>(examples: impl IntoIterator<Item = E>) -> Vec<toml::Value> {
        examples.into_iter().filter_map(|one| toml::Value::try_from(one).ok()).collect()
    }
    match list {
        "ziggy.policies" => all(Policy::examples()),
        "budgets.limits" => all(Limit::examples()),
        "review.rules" => all(review::Rule::examples()),
        "review.webhooks" => all(inbox::Hook::examples()),
        "crown.rules" => all(govern::Rule::examples()),
        "alerts.rules" => all(govern::AlertRule::examples()),
        "alerts.webhooks" => all(crown::Webhook::examples()),
        _ => Vec::new(),
    }
}

/// Lays an example under each table that is to be like one, cuts the overrides of the table into one a key, and says
/// what it lacks. `whole` is everything that was said together: what one layer lacks another may have.
pub(super) fn opened<T: Checked>(
    mut base: Node,
    overrides: &[Override],
    whole: &Node,
) -> (Node, Vec<Override>, Vec<Problem>) {
    let (mut laid, mut cut, mut found) = (BTreeSet::new(), Vec::new(), Vec::new());
    for over in overrides {
        if let Some((length, example)) = T::example(&over.path, whole)
            && let place = &over.path[..length]
            && laid.insert(place)
        {
            base.set(place, tree::value_node(example, &Source::Default));
            found.extend(lacks::<T>(&base, place, whole).into_iter().map(Lack::problem::<T>));
        }
        cut.extend(base.cut(over.clone()));
    }
    (base, cut, found)
}

/// A table that lacks keys.
pub(super) struct Lack {
    /// Where the table is.
    pub(super) place: Vec<String>,
    /// Every key that it lacks and cannot do without.
    pub(super) keys: Vec<String>,
    source: Source,
}

impl Lack {
    pub(super) fn problem<T: Checked>(self) -> Problem {
        let names: Vec<String> = self.keys.iter().map(|key| format!("`{key}`")).collect();
        Problem {
            source: self.source,
            key: self.place.join("."),
            found: format!("a table without {}", names.join(", ")),
            expected: format!("every key of its kind that {} explains", T::EXPLAINED),
            meant: None,
        }
    }
}

/// Each table from here on that lacks keys of its example. Those it can do without are the ones without which the example
/// still has the right shape.
pub(super) fn lacks<T: Checked>(base: &Node, place: &[String], whole: &Node) -> Vec<Lack> {
    let (Some(Node::Table(example, _)), Some(Node::Table(said, source))) = (base.get(place), whole.get(place)) else {
        return Vec::new();
    };
    let (mut keys, mut inside) = (Vec::new(), Vec::new());
    for key in example.keys() {
        let path = [place, std::slice::from_ref(key)].concat();
        if said.contains_key(key) {
            inside.extend(lacks::<T>(base, &path, whole));
        } else if judge::misshapen::<T>(&base.without(&path)).is_some() {
            keys.push(key.clone());
        }
    }
    let own = (!keys.is_empty()).then(|| Lack { place: place.to_vec(), keys, source: source.clone() });
    own.into_iter().chain(inside).collect()
}
