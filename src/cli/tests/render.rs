//! What people see: the tree, the story of a run, tables, streams.

use std::sync::Arc;

use indicatif::{ProgressDrawTarget, TermLike};
use parking_lot::Mutex;
use serde_json::json;

use crate::api::{TreeAnswer, Why};
use crate::cli::calls::line;
use crate::cli::models::Bars;
use crate::cli::paint::{Paint, bytes, columns, micros, plain, short, wrap};
use crate::cli::sse::{Parser, SentEvent};
use crate::cli::tree::draw;
use crate::cli::why::tell;
use crate::inference::models::{Progress, Stage};

fn node(path: &str, status: &str, more: serde_json::Value, children: Vec<serde_json::Value>) -> serde_json::Value {
    let mut node = json!({
        "path": path, "id": path.rsplit('/').next(), "supervisor": !children.is_empty(),
        "policy": if children.is_empty() { "permanent" } else { "one_for_one" }, "status": status, "restarts": 0,
        "left_behind": 0, "up_since_micros": 1_000_000, "last_failure": null, "mailbox_depth": 0,
        "mailbox_oldest_micros": null, "busy_micros": null, "handled": 0, "expired": 0, "dropped": 0, "refused": 0,
        "handler_micros": 0, "longest_handler_micros": 0, "view": null, "children": children,
    });
    for (key, value) in more.as_object().unwrap() {
        node[key] = value.clone();
    }
    node
}

fn tree() -> TreeAnswer {
    let router = json!({ "handled": 12, "handler_micros": 480, "view": { "fib": "abc", "candidates": 2, "built": 0 } });
    let down = json!({ "restarts": 3, "last_failure": "could not load: no such file" });
    let busy = json!({ "mailbox_depth": 4, "mailbox_oldest_micros": 1_200_000, "refused": 1, "restarts": 1 });
    let marvin = node("host/crown/agents/marvin", "up", busy, Vec::new());
    let zoi = node("host/crown/agents/zoi", "restarting", down, Vec::new());
    let last = json!({ "view": { "answered": 3, "last_answer_at_micros": 56_000_000 } });
    let ann = node("host/crown/agents/ann", "up", last, Vec::new());
    let agents = node("host/crown/agents", "up", json!({}), vec![marvin, zoi, ann]);
    let router = node("host/crown/router", "up", router, Vec::new());
    let crown = node("host/crown", "up", json!({}), vec![agents, router]);
    let view = json!({ "commit_micros": 1_482, "log_bytes": 98_400_000, "last_seq": 53, "commits": 0 });
    let store = node("host/store", "up", json!({ "view": view }), Vec::new());
    let root = node("host", "up", json!({}), vec![store, crown]);
    serde_json::from_value(json!({ "version": "1", "at": 61_000_000, "actors": [root] })).unwrap()
}

#[test]
fn the_tree_is_drawn() {
    insta::assert_snapshot!(draw(&tree(), Paint(false), 100));
}

#[test]
fn a_tool_that_cannot_be_run_here_is_listed_with_all_of_the_reason() {
    let row = |more: serde_json::Value| {
        let mut row = json!({
            "id": "git.log", "name": "Git history", "version": "1.0.0", "description": "Lists commits. ".repeat(9),
            "tags": [], "capabilities": ["query"], "side_effects": "none", "scopes": [],
        });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line(&serde_json::from_value(row).unwrap(), 30)
    };
    assert!(row(json!({}))[3].chars().count() <= 30);
    let reason = "git does not run in a jail: could not find git in any folder of PATH";
    let told = row(json!({ "unavailable": reason }));
    assert_eq!(told, ["git.log", "1.0.0", "none", &format!("cannot be run here: {reason}")]);
}

#[test]
fn colours_are_for_terminals_and_a_narrow_one_cuts_facts() {
    let painted = draw(&tree(), Paint(true), 60);
    assert!(painted.contains("\x1b[33mrestarting\x1b[0m"), "{painted}");
    let narrow = draw(&tree(), Paint(false), 60);
    assert!(!narrow.contains('\x1b') && narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
}

#[test]
fn the_story_of_a_run_is_told() {
    let why: Why = serde_json::from_value(json!({
        "run_id": "0197a2b3c4d5e6f708192a3b4c5d6e7f",
        "status": "completed",
        "steps": [
            { "seq": 7, "at": 1_000_000, "kind": "run.accepted", "words": ["operator asked: \"a\""], "data": {} },
            { "seq": 9, "at": 1_025_000, "kind": "hop.decided", "data": {}, "words": [
                "marvin@local serves general/internal for at most $0.000000.",
                "zerene@openai: excluded, because internal data may not go to the external tier, and its weight is zero, \
                 and it is quarantined: it failed.",
                "- it runs at the partner tier or closer"
            ] },
            { "seq": 12, "at": 2_500_000, "kind": "new.kind", "words": ["something"], "data": {} },
        ],
    }))
    .unwrap();
    insta::assert_snapshot!(tell(&why, Paint(false), 80));
}

#[test]
fn a_model_that_is_awaited_has_no_bar_and_one_that_is_counted_has() {
    let screen = Screen::default();
    let bars = Bars::new(ProgressDrawTarget::term_like(Box::new(screen.clone())));
    bars.report("tiny", Stage::Asking { program: "pip", size: 98_400_000 });
    let awaited = screen.take();
    assert!(awaited.contains("downloading with pip, 98.4 MB once unpacked, 0s"), "{awaited}");
    assert!(!awaited.contains(" / ") && !awaited.contains('█'), "{awaited}");
    bars.report("tiny", Stage::Unpacking { done: 50_000_000, total: 98_400_000 });
    bars.report("tiny", Stage::Verifying { done: 98_400_000, total: 98_400_000 });
    let counted = screen.take();
    assert!(counted.contains("98.40 MB / 98.40 MB"), "{counted}");
    bars.report("tiny", Stage::Ready);
}

/// A terminal that keeps what is written on it.
#[derive(Debug, Default, Clone)]
struct Screen(Arc<Mutex<String>>);

impl Screen {
    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock())
    }

    fn keep(&self, text: &str) -> std::io::Result<()> {
        self.0.lock().push_str(text);
        Ok(())
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        120
    }

    fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> std::io::Result<()> {
        self.keep(text)
    }

    fn write_str(&self, text: &str) -> std::io::Result<()> {
        self.keep(text)
    }

    fn clear_line(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn texts_fit_where_they_are_put() {
    assert_eq!(wrap("one two three", 7), ["one two", "three"]);
    assert_eq!(wrap("unbreakable", 3), ["unbreakable"]);
    assert_eq!(wrap("", 3), [""]);
    assert_eq!(short("one\n two  three", 9), "one two …");
    assert_eq!(short("naïve", 5), "naïve");
    assert_eq!(plain("a\u{1b}[31mb\tc\n"), "a\u{fffd}[31mb\tc\n");
    let rows = [vec!["a".to_owned(), "bb".to_owned()], vec!["ccc".to_owned(), String::new()]];
    assert_eq!(columns(&rows), "a    bb\nccc\n");
    assert_eq!([bytes(999), bytes(98_400_000)], ["999 B", "98.4 MB"]);
    assert_eq!(
        [micros(7), micros(1_500), micros(61_000_000), micros(7_300_000_000)],
        ["7 µs", "1.5 ms", "61.0 s", "2 h"]
    );
}

#[test]
fn events_are_read_however_they_are_cut() {
    let text = ": keep-alive\n\nevent: text\ndata: {\"a\":1}\n\ndata: one\r\ndata: two\r\n\r\nevent: empty\n\n";
    let expected = [
        SentEvent { name: "text".to_owned(), data: "{\"a\":1}".to_owned() },
        SentEvent { name: String::new(), data: "one\ntwo".to_owned() },
    ];
    for size in 1..text.len() {
        let mut parser = Parser::default();
        let events: Vec<SentEvent> =
            text.as_bytes().chunks(size).flat_map(|bytes| parser.push(bytes).unwrap()).collect();
        assert_eq!(events, expected, "in pieces of {size}");
    }
}
