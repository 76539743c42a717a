//! L1, L2 and the rules of deciding, for policies, tools and calls that are drawn.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

use crate::types::PrivacyClass;

use super::super::slice::Compiled;
use super::super::tree::Want;
use super::super::{Book, Circumstances, Kind, Listed, Subject, ToolFacts};
use super::{circumstances, said, sources, tool, words};
use crate::tds::tool::SideEffects;

pub(super) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        rng_seed: RngSeed::Fixed(20_261_127),
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// The input of every tool of these tests.
fn input() -> Value {
    json!({
        "type": "object",
        "properties": {
            "path": { "type": "string" },
            "amount": { "type": "integer", "minimum": -1, "maximum": 3 },
            "flag": { "type": "boolean" },
            "labels": { "type": "array", "items": { "type": "string" } },
        },
        "required": ["path", "amount", "flag"],
    })
}

/// Conditions about unknowns, of the supported shape.
const TELLABLE: [&str; 16] = [
    "context.args.path == \"ab\"",
    "context.args.path != \"c\"",
    "context.args.path like \"a*\"",
    "context.args.path like \"*b\"",
    "context.args.path like \"a*b\"",
    "[\"ab\", \"c\"].contains(context.args.path)",
    "context.args.path == principal.tenant",
    "context.args.amount < 1",
    "context.args.amount >= 2",
    "context.args.amount == 0",
    "context.args.flag",
    "(context.args has labels && context.args.labels.contains(\"p\"))",
    "(context.args has labels && context.args.labels.isEmpty())",
    "(context.args has labels && context.args.labels.containsAll([\"p\", \"q\"]))",
    "context.approved",
    "context.personal_data",
];

/// Conditions about unknowns, of other shapes. Some of them cannot be evaluated for some arguments.
const UNTELLABLE: [&str; 4] = [
    "context.args.amount + 1 < 3",
    "context.args.amount * 9223372036854775807 > 0",
    "(if context.args.flag then context.args.amount else 5) == 1",
    "[context.args.path].contains(\"ab\")",
];

/// Conditions about what is known.
const KNOWN: [&str; 6] = [
    "principal is Agent",
    "principal in Role::\"ops\"",
    "resource.side_effects == \"none\"",
    "context.privacy_level <= 1",
    "context.scopes.contains(\"s\")",
    "true",
];

fn condition(leaves: Vec<&'static str>) -> impl Strategy<Value = String> {
    proptest::sample::select(leaves).prop_map(str::to_owned).prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} && {other})")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} || {other})")),
            inner.clone().prop_map(|one| format!("!({one})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(test, one, other)| format!("(if {test} then {one} else {other})")),
        ]
    })
}

#[derive(Debug, Clone)]
struct Drawn {
    permits: bool,
    principal: &'static str,
    resource: &'static str,
    when: String,
    unless: Option<String>,
}

impl Drawn {
    fn text(&self, id: usize) -> String {
        let effect = if self.permits { "permit" } else { "forbid" };
        let unless = self.unless.as_ref().map(|unless| format!("unless {{ {unless} }}")).unwrap_or_default();
        format!(
            "@id(\"p{id}\") @because(\"drawn\")\n{effect} ({}, action == Action::\"invoke\", {})\nwhen {{ {} }} {unless};\n",
            self.principal, self.resource, self.when
        )
    }
}

fn policy(leaves: Vec<&'static str>) -> impl Strategy<Value = Drawn> {
    let principal =
        proptest::sample::select(vec!["principal", "principal", "principal in Role::\"ops\"", "principal is Agent"]);
    let resource = proptest::sample::select(vec![
        "resource",
        "resource == Tool::\"one\"",
        "resource == Tool::\"two\"",
        "resource in Tag::\"t\"",
        "resource is Tool in Tag::\"u\"",
        "resource is Tool",
    ]);
    let unless = proptest::option::weighted(0.3, condition(leaves.clone()));
    (any::<bool>(), principal, resource, condition(leaves), unless)
        .prop_map(|(permits, principal, resource, when, unless)| Drawn { permits, principal, resource, when, unless })
}

fn tools() -> [ToolFacts; 2] {
    let one = ToolFacts { tags: words(&["t"]), ..tool("one", input()) };
    let two = ToolFacts { tags: words(&["t", "u"]), side_effects: SideEffects::Idempotent, ..tool("two", input()) };
    [one, two]
}

fn callers() -> Vec<Subject> {
    let of = |kind, tenant: &str, roles: &[&str]| Subject::new(kind, "x", tenant, &words(roles)).unwrap();
    vec![of(Kind::Agent, "ab", &["ops"]), of(Kind::Agent, "c", &[]), of(Kind::User, "ab", &[])]
}

fn calls() -> Vec<Circumstances> {
    let some = Circumstances { scopes: words(&["s"]), privacy: PrivacyClass::Confidential, ..circumstances() };
    vec![circumstances(), some]
}

/// Arguments that give every outcome of every condition of these tests.
fn arguments() -> Vec<Value> {
    let mut all = Vec::new();
    for path in ["", "a", "b", "ab", "aab", "c", "x"] {
        for amount in -1..=3 {
            for flag in [false, true] {
                for labels in [None, Some(Vec::new()), Some(vec!["p"]), Some(vec!["q", "z"]), Some(vec!["q", "p"])] {
                    let mut one = json!({ "path": path, "amount": amount, "flag": flag });
                    if let Some(labels) = labels {
                        one["labels"] = json!(labels);
                    }
                    all.push(one);
                }
            }
        }
    }
    all
}

fn book(policies: &[Drawn]) -> Result<Book, String> {
    let text: String = policies.iter().enumerate().map(|(place, policy)| policy.text(place)).collect();
    Book::read(&sources(&text)).map_err(|problems| format!("{text}\n{}", said(&problems)))
}

fn sliced(book: &Book, tool: &ToolFacts) -> Result<super::super::Slice, TestCaseError> {
    match book.slice(tool) {
        Ok(slice) => Ok(slice),
        // A condition that contradicts itself can make a policy for one tool impossible, which is refused, rightly.
        Err(problems) if problems.iter().all(|one| one.says.contains("never apply")) => {
            Err(TestCaseError::reject("impossible"))
        }
        Err(problems) => Err(TestCaseError::fail(said(&problems))),
    }
}

fn all_leaves() -> Vec<&'static str> {
    [&TELLABLE[..], &UNTELLABLE[..], &KNOWN[..]].concat()
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn a_slice_decides_as_the_whole_book_would(
        policies in proptest::collection::vec(policy(all_leaves()), 0..8),
        picks in proptest::collection::vec((0_usize..350, 0_usize..3, 0_usize..2, any::<bool>()), 12),
    ) {
        let book = book(&policies).map_err(TestCaseError::fail)?;
        let (everything, all) = (arguments(), Want::whole());
        for tool in tools() {
            let (slice, whole) = (sliced(&book, &tool)?, book.whole(&tool).unwrap());
            let unpruned = Compiled { set: whole.invoke.set.clone(), want: all.clone() };
            for (argument, caller, call, approved) in &picks {
                let call = Circumstances { approved: *approved, ..calls()[*call].clone() };
                let (arguments, caller) = (&everything[*argument], &callers()[*caller]);
                let decided = slice.decide(caller, &call, arguments);
                prop_assert_eq!(&decided, &whole.decide(caller, &call, arguments));
                // And as if every argument and circumstance had been passed to Cedar.
                prop_assert_eq!(&decided, &whole.judge(&unpruned, caller, &call, arguments).unwrap());
            }
        }
    }

    #[test]
    fn a_call_is_allowed_if_and_only_if_a_permit_applies_no_forbid_does_and_nothing_fails(
        policies in proptest::collection::vec(policy(all_leaves()), 0..8),
        picks in proptest::collection::vec((0_usize..350, 0_usize..3, 0_usize..2), 8),
    ) {
        let book = book(&policies).map_err(TestCaseError::fail)?;
        let everything = arguments();
        for tool in tools() {
            let slice = sliced(&book, &tool)?;
            // Each policy by itself, as a permit: what it says of a call without any other.
            let alone: Vec<_> = policies.iter().map(|policy| {
                let policy = Drawn { permits: true, ..policy.clone() };
                super::laws::book(&[policy]).unwrap().whole(&tool).unwrap()
            }).collect();
            for (argument, caller, call) in &picks {
                let (arguments, caller, call) = (&everything[*argument], &callers()[*caller], &calls()[*call]);
                let said: Vec<_> = alone.iter().map(|one| one.decide(caller, call, arguments)).collect();
                let applies = |permits: bool| policies.iter().zip(&said).any(|(policy, one)| policy.permits == permits && one.allowed);
                let failed = said.iter().any(|one| !one.faults.is_empty());
                let decision = slice.decide(caller, call, arguments);
                prop_assert_eq!(decision.allowed, applies(true) && !applies(false) && !failed);
                prop_assert_eq!(!decision.faults.is_empty(), failed);
            }
        }
    }
}

/// Whether any call would be allowed, by trying all of them.
fn any_allowed(slice: &super::super::Slice, caller: &Subject, asked: &Circumstances, arguments: &[Value]) -> bool {
    [false, true].iter().any(|approved| {
        [false, true].iter().any(|personal_data| {
            let call = Circumstances { approved: *approved, personal_data: *personal_data, ..asked.clone() };
            arguments.iter().any(|arguments| slice.decide(caller, &call, arguments).allowed)
        })
    })
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn a_list_hides_exactly_what_no_arguments_could_allow(
        policies in proptest::collection::vec(policy([&TELLABLE[..], &KNOWN[..]].concat()), 1..5),
        caller in 0_usize..3, asked in 0_usize..2,
    ) {
        let book = book(&policies).map_err(TestCaseError::fail)?;
        let slice = sliced(&book, &tools()[1])?;
        let (caller, asked) = (&callers()[caller], &calls()[asked]);
        prop_assert!(slice.plan.exact);
        let expected = if any_allowed(&slice, caller, asked, &arguments()) { Listed::Shown } else { Listed::Hidden };
        prop_assert_eq!(slice.lists(caller, asked), expected);
    }

    #[test]
    fn a_list_hides_nothing_that_some_arguments_could_allow(
        policies in proptest::collection::vec(policy(all_leaves()), 1..5),
        caller in 0_usize..3, asked in 0_usize..2,
    ) {
        let book = book(&policies).map_err(TestCaseError::fail)?;
        let slice = sliced(&book, &tools()[1])?;
        let (caller, asked) = (&callers()[caller], &calls()[asked]);
        let listed = slice.lists(caller, asked);
        if any_allowed(&slice, caller, asked, &arguments()) {
            prop_assert!(listed.is_shown());
        } else {
            prop_assert_ne!(listed, Listed::Shown);
        }
    }

    #[test]
    fn no_text_breaks_the_reader(text in "[ -~\n]{0,200}", cut in 0_usize..2_000, with in "[\\[\\](){};\"*.&|!a-z ]{0,6}") {
        let _ = Book::read(&sources(&text));
        let whole: String = super::super::builtin().iter().map(|source| source.text.clone()).collect();
        let at = cut.min(whole.len());
        let changed = format!("{}{with}{}", &whole[..at], &whole[at..]);
        if let Err(problems) = Book::read(&sources(&changed)) {
            prop_assert!(problems.iter().all(|one| one.line >= 1 && one.column >= 1 && !one.says.is_empty()));
        }
    }
}
