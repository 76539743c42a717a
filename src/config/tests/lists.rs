//! Lists of tables: every entry, every key of it, each at its own line.

use super::*;

fn said(text: &str) -> Vec<String> {
    let (_folder, inputs) = with_file(text);
    let file = inputs.file.clone().unwrap().display().to_string();
    let Err(Error::Problems(problems)) = load(&inputs) else { panic!("it is taken: {text}") };
    problems.iter().map(|problem| problem.to_string().replace(&file, "f")).collect()
}

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
        "f:5: budgets.limits.1: found { scop = \"tenant:b\", window = \"day\" }, expected at least one of money, tokens",
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
    let expected = [
        "f:2: budgets.limits.0: found a table without `window`, expected ",
        "f:2: budgets.limits.1: found 5, expected a table",
        "f:2: budgets.limits.0: found { scope = \"tenant:a\" }, expected at least one of money, tokens and requests",
    ];
    assert_eq!(mixed.len(), expected.len(), "{mixed:?}");
    assert!(mixed.iter().zip(expected).all(|(one, start)| one.starts_with(start)), "{mixed:?}");
}

/// What these entries lack or have in the wrong shape hides what hangs on it, and nothing else.
#[test]
fn what_hangs_on_something_wrong_is_not_told_with_it() {
    let money = "[[budgets.limits]]\nscope = \"tenant:a\"\nwindow = \"day\"\nmoney = \"x\"\n\
                 [[budgets.limits]]\nscope = \"tenant:a\"\nwindow = \"minute\"\nmoney = 5\n";
    let right = "[[budgets.limits]]\nscope = \"tenant:a\"\nwindow = \"day\"\nmoney = 1\n";
    let requests = "[[budgets.limits]]\nscope = \"tenant:*\"\nwindow = \"request\"\nrequests = \"many\"\n";
    let misspelt = "[[budgets.limits]]\nscope = \"tenant:*\"\nwindow = \"day\"\nmony = 1\n";
    let scopeless = "[[budgets.limits]]\nscope = 1\nwindow = \"day\"\nmoney = 1\n\
                     [[budgets.limits]]\nscope = \"tenant:*\"\nwindow = \"day\"\nmoney = 1\n";
    let slow = "[[crown.rules]]\nname = \"r\"\nof = \"*\"\nact = { action = \"alert\" }\nseverity = \"notice\"\n\
                cooldown_s = 1\n[crown.rules.watch]\nsignal = \"slow\"\nwindow_s = \"x\"\nshort_s = 60\nleast = 1\n\
                within_ms = 1\nobjective = 500_000\nburn = 1\n";
    let unnamed = "[[review.webhooks]]\nname = 1\nurl = \"http://a\"\nevents = [\"opened\"]\n\
                   [[review.webhooks]]\nname = \"desk\"\nurl = \"http://a\"\nevents = [\"opened\"]\n";
    let kindless = "[[crown.rules]]\nname = \"r\"\nof = \"*\"\nact = { action = \"alert\" }\nseverity = \"notice\"\n\
                    cooldown_s = 1\nwatch = { signal = \"hours\", least = 1 }\n";
    let cases = [
        (money.to_owned(), "f:4: budgets.limits.0.money: found \"x\""),
        (format!("{requests}{right}"), "f:4: budgets.limits.0.requests: found \"many\""),
        (misspelt.to_owned(), "f:4: budgets.limits.0.mony: found a key that does not exist"),
        (scopeless.to_owned(), "f:2: budgets.limits.0.scope: found 1"),
        (slow.to_owned(), "f:9: crown.rules.0.watch.window_s: found \"x\""),
        (unnamed.to_owned(), "f:2: review.webhooks.0.name: found 1"),
        (
            kindless.to_owned(),
            "f:7: crown.rules.0.watch: found { least = 1, signal = \"hours\" }, expected one of `errors`",
        ),
    ];
    for (text, expected) in cases {
        let found = said(&text);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{expected}\nis not all of\n{found:#?}");
    }
    let found = said("[[ziggy.policies]]\ntenant = 5\nweights = { cost = 1 }\n[[ziggy.policies]]\n");
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[1].starts_with("f:3: ziggy.policies.0.weights: found a table without `freshness`, "), "{found:#?}");
    assert_eq!(found[2], "f:4: ziggy.policies.1: found {}, expected weights, or somebody to prefer");
}

#[test]
fn a_kind_in_a_table_of_an_entry_is_a_key_as_any_other() {
    let found = said(
        "[[alerts.rules]]\nname = \"r\"\nfor_s = 1\nseverity = \"notice\"\n[alerts.rules.when]\non = \"event\"\n\
         kind = \"run.begun\"\nwindow_s = \"x\"\nat_least = 0\n[[alerts.rules]]\nlabels = { team = 1 }\n",
    );
    let expected = [
        "f:8: alerts.rules.0.when.window_s: found \"x\", expected a whole number from 0 up, such as 1",
        "f:9: alerts.rules.0.when.at_least: found 0, expected at least 1",
        "f:10: alerts.rules.1: found a table without `for_s`, `name`, `severity`, `when`, expected every key of its kind \
         that config/default.toml explains",
        "f:11: alerts.rules.1.labels.team: found 1, expected a string",
    ];
    assert_eq!(found, expected);
}

const LIMITS: &str = "[[budgets.limits]]\nscope = \"tenant:a\"\nwindow = \"day\"\nmoney = 9\n\
                      [[budgets.limits]]\nscope = \"tenant:b\"\nwindow = \"day\"\nmoney = 9\n";

#[test]
fn a_variable_may_name_a_key_of_an_entry_and_is_not_blamed_for_the_rest_of_the_list() {
    let (_folder, mut inputs) = with_file(LIMITS);
    inputs
        .environment
        .extend(pairs(&[("SYZYGY_BUDGETS__LIMITS__1__MONEY", "7"), ("SYZYGY_BUDGETS__LIMITS__1__TOKENS", "3")]));
    inputs.flags = vec![flag("--less", "crown.rules.0.cooldown_s", "5")];
    let loaded = load(&inputs).unwrap();
    let limits = &loaded.config.budgets.limits;
    assert_eq!((limits[0].money, limits[1].money, limits[1].tokens), (Some(9), Some(7), Some(3)));
    assert_eq!(loaded.config.crown.rules[0].cooldown_s, 5);
    assert_eq!(source_of(&loaded, "budgets.limits.1.money").1, "SYZYGY_BUDGETS__LIMITS__1__MONEY");
    assert_eq!(source_of(&loaded, "crown.rules.0.cooldown_s").1, "--less");
    let broken = LIMITS.replacen("\"day\"", "\"fortnight\"", 1);
    let found = told(&broken, &[("SYZYGY_BUDGETS__LIMITS__1__MONEY", "7"), ("SYZYGY_BUDGETS__LIMITS__1__TOKENS", "x")]);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("f:3: budgets.limits.0.window: found \"fortnight\", expected one of"), "{found:#?}");
    let variable = "SYZYGY_BUDGETS__LIMITS__1__TOKENS: budgets.limits.1.tokens: found \"x\", expected a whole number";
    assert!(found[1].starts_with(variable), "{found:#?}");
    let mended = told(&broken, &[("SYZYGY_BUDGETS__LIMITS__0__WINDOW", "month"), ("SYZYGY_IO__POOL", "0")]);
    assert_eq!(mended, ["SYZYGY_IO__POOL: io.pool: found 0, expected at least 1"]);
}

#[test]
fn an_entry_that_does_not_exist_is_told_by_its_own_place() {
    let number = "the number of an entry, from 0 to 1, or the list as a whole";
    let found = told(
        LIMITS,
        &[
            ("SYZYGY_BUDGETS__LIMITS__2__MONEY", "7"),
            ("SYZYGY_LADDER__ORDER__0", "wait"),
            ("SYZYGY_REVIEW__RULES__NAME", "7"),
            ("SYZYGY_REVIEW__WEBHOOKS", "[{ name = \"desk\", url = 1, evens = [] }]"),
        ],
    );
    let mut expected = vec![
        format!("SYZYGY_BUDGETS__LIMITS__2__MONEY: budgets.limits.2.money: found an entry that does not exist, expected {number}"),
        "SYZYGY_LADDER__ORDER__0: ladder.order.0: found an entry that does not exist, expected the list as a whole, since \
         no table is in it"
            .to_owned(),
        "SYZYGY_REVIEW__RULES__NAME: review.rules: found { name = 7 }, expected a list".to_owned(),
        "SYZYGY_REVIEW__WEBHOOKS: review.webhooks.0: found a table without `events`, expected every key".to_owned(),
        "SYZYGY_REVIEW__WEBHOOKS: review.webhooks.0.evens: found a key that does not exist, expected one of".to_owned(),
        "SYZYGY_REVIEW__WEBHOOKS: review.webhooks.0.url: found 1, expected a string".to_owned(),
    ];
    let mut sorted = found.clone();
    sorted.sort();
    expected.sort();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (one, expected) in sorted.iter().zip(&expected) {
        assert!(one.starts_with(expected), "{expected}\nis not the start of\n{one}");
    }
}
