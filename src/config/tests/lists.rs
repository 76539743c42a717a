//! Lists of tables: every entry, every key of it, each at its own line.

use super::*;
use crate::config::kinds;

/// Every list of tables that the defaults name, as a value or as an example in a comment.
fn lists() -> BTreeSet<String> {
    let header = |line: &str| {
        let named = line.trim_start_matches("# ").strip_prefix("[[")?;
        Some(named.split_once("]]")?.0.to_owned())
    };
    let mut lists: BTreeSet<String> = DEFAULTS.lines().filter_map(header).collect();
    let defaults = Node::parse(DEFAULTS, &|_| Source::Default).unwrap();
    let inside = |(path, ..): (Vec<String>, &toml::Value, &Source)| {
        let place = path.iter().position(|key| key.parse::<usize>().is_ok())?;
        Some(path[..place].join("."))
    };
    lists.extend(defaults.leaves().into_iter().filter_map(inside));
    lists
}

/// An entry as a file has it, a key a line.
fn entry(list: &str, table: &toml::Value) -> String {
    let keys = table.as_table().unwrap().iter().map(|(key, value)| format!("{key} = {value}\n"));
    format!("[[{list}]]\n{}", keys.collect::<String>())
}

/// Every way to put something of another type into a table, with the key that has it.
fn spoilt(table: &toml::Value) -> Vec<(Vec<String>, toml::Value)> {
    let mut all = Vec::new();
    for (key, value) in table.as_table().unwrap() {
        let within = |rest: Vec<String>, inner: toml::Value| {
            let mut whole = table.clone();
            whole[key] = inner;
            ([vec![key.clone()], rest].concat(), whole)
        };
        if value.is_table() {
            all.extend(spoilt(value).into_iter().map(|(rest, inner)| within(rest, inner)));
        } else {
            let wrong = toml::Value::Table([("wrong".to_owned(), true.into())].into_iter().collect());
            all.push(within(Vec::new(), wrong));
        }
    }
    all
}

fn said(text: &str) -> Vec<String> {
    let (_folder, inputs) = with_file(text);
    let file = inputs.file.clone().unwrap().display().to_string();
    let Err(Error::Problems(problems)) = load(&inputs) else { panic!("it is taken: {text}") };
    problems.iter().map(|problem| problem.to_string().replace(&file, "f")).collect()
}

#[test]
fn whatever_is_wrong_in_an_entry_is_told_at_its_own_line_whichever_list_and_key() {
    let lists = lists();
    assert!(lists.len() >= 7, "{lists:?}");
    let mut tried = 0;
    for list in &lists {
        let examples = kinds::entries(list);
        assert!(!examples.is_empty(), "nobody knows what an entry of {list} looks like");
        for example in &examples {
            for (path, wrong) in spoilt(example) {
                let right = entry(list, example);
                let text = format!("{right}{}", entry(list, &wrong));
                let key = format!("{} = ", path[0]);
                let line = text.lines().enumerate().filter(|(_, line)| line.starts_with(&key)).last().unwrap().0 + 1;
                let found = said(&text);
                // A table of a kind that nobody knows is judged as a whole, under its own name.
                let starts = format!("f:{line}: {list}.1.{}", path[0]);
                assert!(found.iter().any(|one| one.starts_with(&starts)), "{text}\n{starts}\n{found:#?}");
                assert!(found.iter().all(|one| one.starts_with("f:")), "{text}\n{found:#?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "{tried}");
}

/// Something wrong in each of six lists, and a list of words.
const SEVERAL: &str = r#"[[budgets.limits]]
scope = "team:a"
window = "fortnight"
money = -1
[[budgets.limits]]
scop = "tenant:b"
window = "day"
[[review.rules]]
name = "a b"
kind = "publication"
action = "later"
deadline_s = 0
quorum = "two"
[[review.rules]]
name = "right"
kind = "policy"
action = "before"
deadline_s = 60
quorum = 1
on_expiry = "deny"
class = "public"
[[crown.rules]]
name = "r"
watch = { signal = "errors", window_s = 0, least = "one", share = 1 }
of = "*"
act = { action = "explode" }
severity = "bad"
cooldown_s = 1
[[ziggy.policies]]
prefer = ["tier:moon"]
wieghts = { cost = 1 }
[[review.webhooks]]
name = "desk"
url = "ftp://desk"
events = ["opened", "shut", "clozed"]
[ladder]
order = ["local", "walk", "refuse", "runaway"]
"#;

#[test]
fn everything_that_is_wrong_in_several_lists_is_told_at_once() {
    let found = said(SEVERAL);
    let expected = [
        "f:2: budgets.limits.0.scope: found \"team:a\", expected a scope such as `tenant:acme`",
        "f:3: budgets.limits.0.window: found \"fortnight\", expected ",
        "f:4: budgets.limits.0.money: found -1, expected from 1 to ",
        "f:6: budgets.limits.1.scop: found a key that does not exist, expected one of ",
        "f:5: budgets.limits.1: found a table without `scope`, expected ",
        "f:9: review.rules.0.name: found \"a b\", expected a word",
        "f:11: review.rules.0.action: found \"later\", expected `before` or `after`",
        "f:12: review.rules.0.deadline_s: found 0, expected from 1",
        "f:13: review.rules.0.quorum: found \"two\", expected a whole number",
        "f:8: review.rules.0: found a table without `on_expiry`, expected ",
        "f:8: review.rules.0.class: found nothing, expected at least one condition",
        "f:24: crown.rules.0.watch.window_s: found 0, expected from 1",
        "f:24: crown.rules.0.watch.least: found \"one\", expected a whole number",
        "f:26: crown.rules.0.act: found { action = \"explode\" }, expected ",
        "f:27: crown.rules.0.severity: found \"bad\", expected ",
        "f:30: ziggy.policies.0.prefer: found [\"tier:moon\"], expected an id",
        "f:31: ziggy.policies.0.wieghts: found a key that does not exist, expected one of ",
        "f:34: review.webhooks.0.url: found \"ftp://desk\", expected a URL",
        "f:35: review.webhooks.0.events.1: found \"shut\", expected ",
        "f:35: review.webhooks.0.events.2: found \"clozed\", expected ",
        "f:37: ladder.order.1: found \"walk\", expected ",
        "f:37: ladder.order.3: found \"runaway\", expected ",
    ];
    for line in expected {
        assert!(found.iter().any(|text| text.starts_with(line)), "{line}\nis not among\n{found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    assert!(found.iter().any(|text| text.ends_with("did you mean `budgets.limits.1.scope`?")), "{found:#?}");
    assert!(found.iter().any(|text| text.ends_with("did you mean `closed`?")), "{found:#?}");
}

#[test]
fn what_entries_must_be_to_each_other_is_told_when_each_is_right_by_itself() {
    let row = "[[budgets.limits]]\nscope = \"tenant:a\"\nwindow = \"day\"\nmoney = 1\n";
    let found = said(&format!("{row}{row}"));
    assert_eq!(
        found,
        ["f:6: budgets.limits.1.scope: found \"tenant:a\", expected one row for each scope and window; \
             budgets.limits.0 is of the same"]
    );
    let nothing = said("[[budgets.limits]]\nscope = \"tenant:a\"\nwindow = \"day\"\n");
    assert!(nothing.len() == 1 && nothing[0].contains("at least one of money, tokens and requests"), "{nothing:?}");
    let mixed = said("[budgets]\nlimits = [{ scope = \"tenant:a\" }, 5]\n");
    assert!(mixed.len() == 2 && mixed[1] == "f:2: budgets.limits.1: found 5, expected a table", "{mixed:?}");
}
