//! The pure state: what a change makes of the governance, and what is worth an alert.

use super::{config, disable};
use crate::actors::crown::state::{Found, State};
use crate::actors::crown::{Change, Severity};
use crate::actors::tests::{BEGIN, SECOND, later, read};
use crate::supervision::{Node, Status};
use crate::types::Timestamp;
use crate::ziggy::{Action, Announced, Capability, Governance, Override, Shed, Value};

fn state() -> State {
    State::new(config(), Governance::default())
}

/// The governance after these changes, all made at the beginning.
fn after(changes: &[Change]) -> Governance {
    let mut state = state();
    for change in changes {
        let next = state.plan(std::slice::from_ref(change), BEGIN).unwrap();
        assert_eq!(next.version, state.governance().version + 1, "each change is a version");
        state.adopt(next);
    }
    state.governance().clone()
}

fn weight(candidate: &str, percent: Option<u32>) -> Change {
    Change::Weight { candidate: candidate.to_owned(), percent }
}

#[test]
fn levers_are_set_and_taken_back() {
    let set = after(&[weight("a", Some(0)), weight("b", Some(1_000)), weight("a", Some(50))]);
    assert_eq!(set.weights, [("a".to_owned(), 50), ("b".to_owned(), 1_000)].into());
    assert!(after(&[weight("a", Some(5)), weight("a", None)]).weights.is_empty());
    let cap = |cap| Change::Cap { candidate: "a".to_owned(), cap };
    assert_eq!(after(&[cap(Some(3))]).caps, [("a".to_owned(), 3)].into());
    assert!(after(&[cap(Some(3)), cap(None)]).caps.is_empty());
    let out = Change::Quarantine { candidate: "a".to_owned(), reason: "lies".to_owned() };
    let back = Change::Unquarantine { candidate: "a".to_owned() };
    assert_eq!(after(std::slice::from_ref(&out)).quarantined, [("a".to_owned(), "lies".to_owned())].into());
    assert!(after(&[out, back]).quarantined.is_empty());
    let shed = Shed::Below(Value::Interactive);
    assert_eq!(after(&[Change::Shed { shed }]).shed, shed);
}

#[test]
fn what_makes_no_sense_changes_nothing() {
    let state = state();
    let rows = [
        (weight("a", Some(1_001)), "a weight is at most 1000 percent, not 1001"),
        (
            Change::Override(disable("a", BEGIN)),
            "an override must expire in the future, not at 2025-06-15T15:06:40.000000Z",
        ),
        (
            Change::Override(Override { reason: " ".to_owned(), ..disable("a", later(SECOND)) }),
            "an override needs a reason",
        ),
    ];
    for (change, expected) in rows {
        assert_eq!(state.plan(&[change], BEGIN).unwrap_err(), expected);
    }
    assert_eq!(*state.governance(), Governance::default());
}

#[test]
fn a_newer_override_of_the_same_thing_takes_the_place_of_the_older() {
    let pin = |candidate: &str, capability: Option<&str>| Override {
        action: Action::Pin { candidate: candidate.to_owned(), capability: capability.map(Capability::new) },
        ..disable("", later(SECOND))
    };
    let kept = |one: &Override, other: &Override| {
        after(&[Change::Override(one.clone()), Change::Override(other.clone())]).overrides
    };
    let (old, new) = (disable("a", later(SECOND)), disable("a", later(2 * SECOND)));
    assert_eq!(kept(&old, &new), std::slice::from_ref(&new));
    let (again, other) = (Override { expires: later(9 * SECOND), ..pin("a", None) }, pin("b", None));
    assert_eq!(kept(&pin("a", None), &again), std::slice::from_ref(&again));
    assert_eq!(kept(&again, &other), [again.clone(), other], "for when b cannot serve");
    let (code, all) = (pin("a", Some("code")), pin("a", None));
    assert_eq!(kept(&code, &all), [code.clone(), all]);
    assert_eq!(kept(&old, &code), [old, code]);
}

#[test]
fn overrides_are_limited_and_make_room_when_they_expire() {
    let mut state = state();
    for (candidate, lives) in [("a", 5), ("b", 50)] {
        let change = Change::Override(disable(candidate, later(lives * SECOND)));
        let next = state.plan(&[change], BEGIN).unwrap();
        state.adopt(next);
    }
    let third = Change::Override(disable("c", later(60 * SECOND)));
    assert_eq!(state.plan(std::slice::from_ref(&third), BEGIN).unwrap_err(), "at most 2 overrides are kept at a time");
    let next = state.plan(&[third], later(5 * SECOND)).unwrap();
    let names: Vec<_> = next.overrides.iter().map(|one| one.action.clone()).collect();
    assert_eq!(names, [disable("b", BEGIN).action, disable("c", BEGIN).action]);
}

/// A full house still lets an operator change their mind about what stands in it.
#[test]
fn a_full_house_lets_an_override_be_replaced() {
    let mut state = state();
    for candidate in ["a", "b"] {
        let next = state.plan(&[Change::Override(disable(candidate, later(SECOND)))], BEGIN).unwrap();
        state.adopt(next);
    }
    let longer = disable("b", later(9 * SECOND));
    let next = state.plan(&[Change::Override(longer.clone())], BEGIN).unwrap();
    assert_eq!(next.overrides, [disable("a", later(SECOND)), longer]);
}

fn node(path: &str, restarts: u64, status: Status, failure: Option<&str>, children: Vec<Node>) -> Node {
    let id = path.rsplit('/').next().unwrap();
    let mut node: Node = read(serde_json::json!({
        "path": path, "id": id, "supervisor": !children.is_empty(), "policy": "permanent", "status": status,
        "restarts": restarts, "left_behind": 0, "up_since_micros": 0, "last_failure": failure, "mailbox_depth": 0,
        "mailbox_oldest_micros": null, "busy_micros": null, "handled": 0, "expired": 0, "dropped": 0, "refused": 0,
        "handler_micros": 0, "longest_handler_micros": 0, "view": null, "children": [],
    }));
    node.children = children;
    node
}

fn told(found: &Found) -> Vec<(Severity, &str, &str, &str)> {
    found.news.iter().map(|one| (one.severity, one.kind.as_str(), one.subject.as_str(), one.message.as_str())).collect()
}

#[test]
fn what_is_new_in_the_tree_is_told_once() {
    let mut state = state();
    let tree = |restarts, status, failure| {
        vec![node("host", 0, Status::Up, None, vec![node("host/a", restarts, status, failure, Vec::new())])]
    };
    assert_eq!(told(&state.watch(&tree(0, Status::Up, None))), []);
    let restarted = state.watch(&tree(2, Status::Up, Some("no luck")));
    assert_eq!(told(&restarted), [(Severity::Warning, "actor_restarted", "host/a", "restarted 2 times: no luck")]);
    assert_eq!(told(&state.watch(&tree(2, Status::Up, Some("no luck")))), []);
    let ended = state.watch(&tree(2, Status::Ended, Some("gave up")));
    assert_eq!(told(&ended), [(Severity::Critical, "actor_ended", "host/a", "ended: gave up")]);
    assert_eq!(told(&state.watch(&tree(2, Status::Ended, Some("gave up")))), []);
    let mut stuck = tree(2, Status::Ended, Some("gave up"));
    stuck[0].children[0].left_behind = 1;
    assert_eq!(told(&state.watch(&stuck))[0].1, "actor_left_behind");
    (stuck[0].children[0].stuck, stuck[0].children[0].last_stuck) = (1, Some("has handled a Say for 9s".to_owned()));
    let expected = [(Severity::Critical, "actor_stuck", "host/a", "has handled a Say for 9s")];
    assert_eq!(told(&state.watch(&stuck)), expected);
    assert_eq!(told(&state.watch(&stuck)), []);
    let by_itself = vec![node("host/b", 0, Status::Ended, None, Vec::new())];
    assert_eq!(told(&state.watch(&by_itself)), [(Severity::Notice, "actor_ended", "host/b", "ended: it ended")]);
}

#[test]
fn a_runtime_that_goes_down_is_told_each_time_it_does() {
    let mut state = state();
    let mut told_of = |health: serde_json::Value| {
        let mut runtime = node("host/local", 0, Status::Up, None, Vec::new());
        runtime.view = serde_json::json!({ "health": health });
        let found = state.watch(&[runtime]);
        let news: Vec<_> = found.news.into_iter().map(|one| (one.severity, one.kind, one.message)).collect();
        (news, found.holding.len())
    };
    let (ready, down) =
        (serde_json::json!({ "status": "ready" }), serde_json::json!({ "status": "down", "reason": "no file" }));
    let alert = vec![(Severity::Critical, "runtime_down".to_owned(), "no file".to_owned())];
    assert_eq!(told_of(ready.clone()), (Vec::new(), 0));
    assert_eq!(told_of(down.clone()), (alert.clone(), 1));
    assert_eq!(told_of(down.clone()), (Vec::new(), 1), "said once, and so for as long as it is so");
    assert_eq!(told_of(ready), (Vec::new(), 0));
    assert_eq!(told_of(down), (alert, 1), "and again when it is news again");
}

fn announced(expires: Timestamp) -> Announced {
    let (author, reason, gone) = ("ada".to_owned(), "a trial".to_owned(), Timestamp(expires.0 + 6_000_000));
    Announced { author, reason, since: BEGIN, expires, gone, weight: None, quality: None, qualities: [].into() }
}

fn announce(candidate: &str, announced: Announced) -> Change {
    Change::Announce { candidate: candidate.to_owned(), announced }
}

#[test]
fn who_is_announced_is_kept_until_they_are_gone_or_withdrawn() {
    let mut state = state();
    for candidate in ["a@x", "b@x"] {
        let next = state.plan(&[announce(candidate, announced(later(SECOND)))], BEGIN).unwrap();
        state.adopt(next);
    }
    let third = announce("c@x", announced(later(9 * SECOND)));
    let full = state.plan(std::slice::from_ref(&third), BEGIN).unwrap_err();
    assert_eq!(full, "at most 2 candidates are announced at a time; withdraw one first");
    // The same one again takes no room.
    let longer = announced(later(8 * SECOND));
    let next = state.plan(&[announce("b@x", longer.clone())], BEGIN).unwrap();
    assert_eq!(next.announced["b@x"], longer);
    state.adopt(next);
    let withdraw = Change::Withdraw { candidate: "c@x".to_owned() };
    let nobody = state.plan(std::slice::from_ref(&withdraw), BEGIN).unwrap_err();
    assert_eq!(nobody, "nobody has announced c@x, so it cannot be withdrawn");
    // Stale is not gone.
    assert_eq!(state.plan(&[weight("a", None)], later(6 * SECOND)).unwrap().announced.len(), 2);
    let next = state.plan(&[third], later(7 * SECOND)).unwrap();
    assert_eq!(next.announced.keys().collect::<Vec<_>>(), ["b@x", "c@x"]);
    state.adopt(next);
    assert_eq!(state.plan(&[withdraw], later(7 * SECOND)).unwrap().announced.keys().collect::<Vec<_>>(), ["b@x"]);
    for (wrong, expected) in [
        (announced(BEGIN), "must expire in the future"),
        (Announced { reason: " ".to_owned(), ..announced(later(SECOND)) }, "needs a reason"),
        (Announced { weight: Some(1_001), ..announced(later(SECOND)) }, "at most 1000 percent"),
    ] {
        let reason = self::state().plan(&[announce("a@x", wrong)], BEGIN).unwrap_err();
        assert!(reason.contains(expected), "{reason}");
    }
}
