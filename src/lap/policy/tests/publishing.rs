//! What is found wrong with policies when they are published, and where.

use serde_json::json;

use super::super::limits::{BRACKETS_MAX, OPERATORS_MAX};
use super::super::{Book, Problem, Source};
use super::{git_log, permit, said, sources, tool, words};

/// What is wrong with a text: line, column and words.
fn wrong(text: &str) -> Vec<Problem> {
    let git = tool("git.log", git_log());
    Book::read(&sources(text)).and_then(|book| book.slice(&git).map(|_| Vec::new())).unwrap_or_else(|problems| problems)
}

#[track_caller]
fn expect(text: &str, line: usize, column: usize, says: &str) {
    let problems = wrong(text);
    let found = problems.iter().any(|one| (one.line, one.column) == (line, column) && one.says.contains(says));
    assert!(found, "expected {line}:{column} {says:?}, found:\n{}", said(&problems));
}

#[test]
fn an_argument_that_does_not_exist_is_refused_with_its_place() {
    let text = "// A comment.\n".to_owned() + &permit("context.args.paht like \"src/*\"");
    expect(&text, 4, 8, "paht");
    let problem = wrong(&text).remove(0).to_string();
    assert!(problem.starts_with("test.cedar:4:8: policy allow: for tool git.log: "), "{problem}");
    assert!(problem.contains("path"), "nothing says what it should have been: {problem}");
}

#[test]
fn a_place_is_counted_in_characters_and_from_the_beginning_of_the_file() {
    let text =
        permit("true") + "\n" + &permit("\"é\" == \"é\" && context.args.no == 1").replace("\"allow\"", "\"second\"");
    expect(&text, 7, 22, "no");
}

#[test]
fn types_are_checked() {
    for (condition, says) in [
        ("context.args.path > 5", "Long"),
        ("context.args.count == \"5\"", "String"),
        ("context.args.count.lessThan(decimal(\"1.0\"))", "decimal"),
        ("context.args.merges", "optional"),
        ("context.args.labels.contains(\"a\")", "optional"),
        ("context.args has labels && context.args.labels.contains(1)", "Long"),
        ("principal.age > 5", "age"),
        ("resource.color == \"red\"", "color"),
        ("context.day == 5", "day"),
        ("decimal(\"1.23456\").lessThan(decimal(\"2.0\"))", "decimal"),
        ("principal in Group::\"x\"", "Group"),
    ] {
        let problems = wrong(&permit(condition));
        assert!(said(&problems).contains(says), "{condition}: {}", said(&problems));
        assert!(problems.iter().all(|one| one.line == 3 || one.line == 1), "{condition}: {}", said(&problems));
    }
}

#[test]
fn an_argument_without_a_type_is_refused_with_the_reason() {
    let problems = wrong(&permit("context.args.filter == \"x\""));
    assert!(
        said(&problems).contains("argument filter cannot be named: it may be string or integer"),
        "{}",
        said(&problems)
    );
}

#[test]
fn a_policy_for_all_tools_may_ask_whether_a_tool_has_an_argument() {
    let everywhere = |condition: &str| permit(condition).replace(" == Tool::\"git.log\"", "");
    let text = everywhere("context.args has url && context.args.url like \"https://*\"");
    let book = Book::read(&sources(&text)).unwrap();
    let fetch = tool("http.get", json!({ "type": "object", "properties": { "url": { "type": "string" } } }));
    assert!(book.slice(&tool("git.log", git_log())).is_ok());
    assert!(book.slice(&fetch).is_ok());
    // For one that has no such argument alone it could never apply.
    expect(&permit("context.args has url && context.args.url like \"https://*\""), 1, 1, "never apply");
    // And where it is of another type, the tool is named.
    let other = tool("http.all", json!({ "type": "object", "properties": { "url": { "type": "integer" } } }));
    let problems = book.slice(&other).unwrap_err();
    assert!(said(&problems).contains("for tool http.all"), "{}", said(&problems));
}

#[test]
fn a_policy_has_an_id_and_a_reason_of_its_own() {
    let body = "permit (principal, action == Action::\"invoke\", resource);";
    expect(body, 1, 1, "no @id");
    expect(&format!("@id(\"\") @because(\"b\") {body}"), 1, 1, "no @id");
    expect(&format!("@id(\"a b\") @because(\"b\") {body}"), 1, 1, "letters, digits");
    expect(&format!("\n@id(\"a\") {body}"), 2, 1, "no @because");
    expect(&format!("@id(\"a\") @because(\"b\") @becuase(\"c\") {body}"), 1, 1, "nobody reads @becuase");
    expect(&(permit("true") + &permit("false")), 4, 1, "taken: test.cedar:1:1");
    expect(&format!("@id(\"a\") @because(\"{}\") {body}", "b".repeat(600)), 1, 1, "more than 512 bytes");
}

#[test]
fn a_policy_is_about_one_action() {
    for (scope, says) in [
        ("action", "must name one action"),
        ("action in [Action::\"invoke\", Action::\"list\"]", "must name one action"),
        ("action == Action::\"list\"", "only a forbid"),
        ("action == Action::\"delete\"", "there is no action"),
    ] {
        expect(&permit("true").replace("action == Action::\"invoke\"", scope), 1, 1, says);
    }
    let template = permit("true").replace("principal,", "principal == ?principal,");
    assert!(!wrong(&template).is_empty());
}

#[test]
fn what_cannot_be_parsed_is_refused_with_its_place_and_the_rest_is_still_read() {
    let text = permit("context.args.count ==") + &permit("context.args.count === 1") + "permit (";
    let problems = wrong(&text);
    let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
    assert!(lines.contains(&3) && lines.contains(&6) && lines.contains(&7), "{}", said(&problems));
}

#[test]
fn a_statement_ends_where_cedar_says_it_does() {
    let odd = permit("context.args.path == \"a;b\\\";\" || context.args.path like \"//*\"") + "// permit; this\n";
    assert_eq!(wrong(&odd), Vec::new());
}

#[test]
fn everything_has_a_limit() {
    let deep = format!("{}true{}", "(".repeat(40), ")".repeat(40));
    // `when {` is the first of them.
    expect(&permit(&deep), 3, 7 + BRACKETS_MAX, "brackets, ifs and sums within each other");
    // What stands beside each other is not within each other.
    let beside = |one: &str| vec![one; BRACKETS_MAX + 1].join(" && ");
    assert_eq!(wrong(&permit(&beside("(if context.args.count == 1 then true else true)"))), Vec::new());
    assert_eq!(wrong(&permit(&beside("(context.args.count + 1 > 0)"))), Vec::new());
    let long = vec!["context.args.count == 1"; 200].join(" || ");
    let problems = wrong(&permit(&long));
    assert!(said(&problems).contains(&format!("more than {OPERATORS_MAX} operators")), "{}", said(&problems));
    let huge = Source { name: "huge.cedar".to_owned(), text: " ".repeat(300 << 10) };
    assert!(said(&Book::read(&[huge]).unwrap_err()).contains("bytes"));
    let many: String = (0..129).map(|number| permit("true").replace("\"allow\"", &format!("\"p{number}\""))).collect();
    let problems = wrong(&many);
    assert!(said(&problems).contains("more than 128 policies can apply to one tool"), "{}", said(&problems));
}

#[test]
fn the_deepest_policy_that_is_taken_fits_on_the_stack_of_a_thread() {
    let run = |condition: String| {
        let built = move || wrong(&permit(&condition)).len();
        // Two megabytes, as the threads of the host have.
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        thread.spawn(built).unwrap().join().unwrap()
    };
    // As deep as is taken within the brackets of `when`, and as long with the four that are written around it.
    let (deep, long) = (BRACKETS_MAX - 1, OPERATORS_MAX - 4);
    let fold =
        |around: fn(String) -> String| (0..deep).fold("context.args.count == 1".to_owned(), |inner, _| around(inner));
    let found = [
        vec!["true"; long / 2 + 1].join(" && "),
        fold(|inner| format!("!(true && {inner})")),
        fold(|inner| format!("(false || {inner})")),
        fold(|inner| format!("if true then {inner} else false")),
        fold(|inner| format!("if false then true else {inner}")),
        format!("context.args.count == {}1", "1 + ".repeat(deep)),
    ]
    .map(run);
    assert_eq!(found, [0; 6]);
    // One more is refused, and not by the stack.
    let ifs = (0..1_000).fold("true".to_owned(), |inner, _| format!("if true then true else {inner}"));
    let sum = format!("context.args.count == {}1", "1 + ".repeat(1_000));
    for long in [ifs, sum] {
        assert!(said(&wrong(&permit(&long))).contains("brackets, ifs and sums within each other"));
    }
}

#[test]
fn policies_about_what_is_not_there_are_found() {
    let text = permit("true").replace("git.log", "gti.log")
        + &permit("true").replace("== Tool::\"git.log\"", "in Tag::\"vcs\"").replace("\"allow\"", "\"tagged\"");
    let book = Book::read(&sources(&text)).unwrap();
    let unbound = |tags: &[&str]| -> Vec<String> {
        let found = book.unbound(&words(&["git.log"]), &words(tags));
        found.into_iter().filter_map(|one| one.policy).collect()
    };
    assert_eq!(unbound(&[]), ["allow", "tagged"]);
    assert_eq!(unbound(&["vcs"]), ["allow"]);
}

#[test]
fn a_schema_with_names_that_cedar_keeps_for_itself_does_not_break_anything() {
    let input = json!({ "type": "object", "properties": {
        "__cedar": { "type": "string" }, "a b": { "type": "string" }, "": { "type": "string" }, "if": { "type": "string" },
        "__entity": { "type": "string" }, "type": { "type": "string" }
    } });
    let text = permit("context.args has \"a b\" && context.args[\"a b\"] == \"x\"");
    let slice = Book::read(&sources(&text)).unwrap().slice(&tool("git.log", input)).unwrap();
    assert!(super::decide(&slice, &json!({ "a b": "x", "__entity": "y" })).allowed);
}
