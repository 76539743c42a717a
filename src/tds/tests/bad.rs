//! One bad description for everything that can be wrong: each is refused at its place, with what is expected.

use super::super::{Format, fixture, read};
use super::support::{FULL, SMALL, good, refused, value, with};

/// Where `part` stands in a text, as `line:column`.
fn place(text: &str, part: &str) -> String {
    let at = text.find(part).unwrap_or_else(|| panic!("{part:?} is not there"));
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    format!("{line}:{}", before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1)
}

/// A change of the full tool, and what is said about it: at the place of `at` in the changed text, in these words.
struct Case {
    old: &'static str,
    new: &'static str,
    at: &'static str,
    said: &'static str,
}

const fn case(old: &'static str, new: &'static str, at: &'static str, said: &'static str) -> Case {
    Case { old, new, at, said }
}

#[track_caller]
fn tell(base: &str, cases: &[Case]) {
    let mut missed = String::new();
    for Case { old, new, at, said } in cases {
        let text = with(base, old, new);
        let report = refused(&text).to_string();
        let expected = format!("{}: error: ", place(&text, at));
        if !report.lines().any(|line| line.starts_with(&expected) && line.contains(said)) {
            missed.push_str(&format!("\n{new:?}\nexpected {expected}...{said}\n{report}"));
        }
    }
    assert!(missed.is_empty(), "{missed}");
}

/// Keys and values that are none.
const STRUCTURE: &[Case] = &[
    case(
        "side_effects =",
        "sideeffects =",
        "sideeffects",
        "unknown key \"sideeffects\"; did you mean \"side_effects\"?",
    ),
    case(
        "side_effects = \"non_idempotent\"\n",
        "",
        "# A tool",
        "lacks the key \"side_effects\"; expected what a call does",
    ),
    case(
        "timeout_ms",
        "timeout_sm",
        "timeout_sm",
        "limits.timeout_sm: unknown key \"timeout_sm\"; expected one of batch_items",
    ),
    case("timeout_ms", "timeout-ms", "timeout-ms", "did you mean \"timeout_ms\"?"),
    case(
        "= \"docker\"",
        "= \"dokcer\"",
        "\"dokcer\"",
        "one of native, jail, docker, wasm, gvisor, microvm; did you mean \"docker\"?",
    ),
    case("= 10_000\n", "= \"10s\"\n", "\"10s\"", "limits.timeout_ms: the text \"10s\"; expected a whole number"),
    case("timeout_ms = 10_000", "timeout_ms = 0", "0\ncpu", "the number 0; expected at least 1"),
    case("timeout_ms = 10_000", "timeout_ms = 1.5", "1.5", "the number 1.5; expected a whole number"),
    case("attempts = 3", "attempts = 11", "11\non", "at most 10"),
    case("tds = 1", "tds = 2", "2\nid", "the number 2; expected 1"),
    case("\"2.3.1\"", "\"2.3\"", "\"2.3\"", "expected a version as Semantic Versioning 2.0 writes it, such as `1.4.0`"),
    case("\">=2.1, <3\"", "\"two\"", "\"two\"", "expected which versions"),
    case("2026-11-20", "\"2026-02-30\"", "\"2026-02-30\"", "expected a day in UTC"),
    case("2026-11-20", "2026-02-30", "2026-02-30", "not TOML: invalid date"),
    case("id = \"tracker.create\"", "id = \"Tracker\"", "\"Tracker\"", "expected id of a tool: lower-case words"),
    case(
        "[run.image]",
        "[run.imgae]",
        "imgae",
        "unknown key \"imgae\"; expected one of component, image, native, program",
    ),
    case(
        "[limits]",
        "[run.native]\nfunction = \"f\"\n[limits]",
        "run.image",
        "a table with 2 keys; expected exactly one of",
    ),
    case("@sha256:0123456789abcdef", ":latest@", "\"registry", "expected an image by its content"),
    case("host = \"tracker.example.com\"", "host = \"127.0.0.1\"", "\"127.0.0.1\"", "expected a host by its name"),
    case("host = \"tracker.example.com\"", "host = \"localhost\"", "\"localhost\"", "expected a host by its name"),
    case("[\"GET\", \"POST\"]", "[\"GET\", \"GET\"]", "[\"GET\"", "an item for the second time"),
    case("[\"GET\", \"POST\"]", "[\"get\"]", "\"get\"]", "did you mean \"GET\"?"),
    case("[\"action\"]", "[]", "[]", "at least 1 items"),
    case(
        "key = \"/input/request_id\"",
        "key = \"request_id\"",
        "\"request_id\"\nkeep",
        "expected `host`, or the JSON pointer",
    ),
    case("redact = [\"/input/body\"", "redact = [\"input.body\"", "\"input.body\"", "expected a value in a call"),
    case("{ error = \"invalid\" }", "{ error = \"wrong\" }", "\"wrong\"", "expected one of not_found, invalid"),
    case(
        "{ number = \"/output/number\" }",
        "{ \"1st\" = \"/output/number\" }",
        "\"/output/number\" }\nwithin",
        "the name \"1st\"",
    ),
    case("replaces = [\"tracker.new\"", "replaces = [\"Tracker\"", "\"Tracker\"", "expected a tool and which versions"),
];

#[test]
fn structure_is_explained_with_its_place() {
    tell(FULL, STRUCTURE);
}

#[test]
fn everything_is_told_at_once_in_the_order_of_the_text() {
    let mut text = FULL.to_owned();
    for (old, new) in [("isolation =", "isolaton ="), ("timeout_ms = 10_000", "timeout_ms = -1"), ("\"eu\"", "7")] {
        text = with(&text, old, new);
    }
    text = with(&text, "{ \"$ref\" = \"#/$defs/label\" }", "{ \"$ref\" = \"https://example.com/label\" }");
    let report = refused(&text);
    let spots: Vec<_> = report.problems.iter().map(|problem| problem.spot).collect();
    assert!(spots.is_sorted() && spots.len() == 5, "{report}");
}

#[test]
fn values_of_secrets_are_not_repeated() {
    let text = with(FULL, "path = \"tracker/token\"", "path = \"sk-live 4711\"");
    let report = refused(&text).to_string();
    assert!(report.contains("secrets[0].path: another text; expected where a secret is kept"), "{report}");
    assert!(!report.contains("4711"), "{report}");
}

#[test]
fn what_is_repeated_of_a_description_is_short_and_steers_no_terminal() {
    let text = with(FULL, "timeout_ms = 10_000", &format!("timeout_ms = {}", "1".repeat(9_000)));
    assert!(refused(&text).to_string().len() < 600);
    let text = with(FULL, "tags = [", "tags = [\"\\u001b[31m\", ");
    let report = refused(&with(&text, "timeout_ms", "\"\\u001b[2J\"")).to_string();
    assert!(report.lines().count() >= 3 && !report.contains('\u{1b}'), "{report:?}");
}

#[test]
fn combinations_that_make_no_sense_are_refused() {
    tell(
        FULL,
        &[
            case(">=2.1, <3", "^1", "\"^1\"", "without the version 2.3.1 itself"),
            case("[\"action\"]", "[\"query\"]", "[\"query\"]", "a query with side effects"),
            case(
                "side_effects = \"non_idempotent\"",
                "side_effects = \"none\"",
                "[\"action\"]",
                "an action without side effects",
            ),
            case(
                "side_effects = \"non_idempotent\"",
                "side_effects = \"none\"",
                "compensation",
                "how to undo a call that changes nothing",
            ),
            case(
                "[idempotency]\nkey = \"/input/request_id\"\nkeep_s = 604_800\n",
                "",
                "3\non",
                "3 attempts of a call that does something each time",
            ),
            case(
                "key = \"/input/request_id\"",
                "key = \"/input/body\"",
                "\"/input/body\"\nkeep",
                "a key from /input/body, which need not be there",
            ),
        ],
    );
}

#[test]
fn keys_that_need_or_exclude_each_other_are_told_apart() {
    let host = with(FULL, "key = \"/input/request_id\"", "key = \"host\"");
    good(&host);
    tell(
        &host,
        &[case(
            "from = \"idempotency_key\"",
            "from = \"trace\"",
            "\"host\"",
            "a key of the host that the tool is not told",
        )],
    );
    tell(
        FULL,
        &[
            case("first_ms = 500", "first_ms = 6_000", "{ first_ms", "a first wait of 6000 ms"),
            case("batch_items = 1", "batch_items = 9", "9\n\n[quota]", "`batch` among the capabilities"),
            case("[\"action\"]", "[\"action\", \"batch\"]", "1\n\n[quota]", "`batch` with one item a call"),
            case(
                "[\"action\"]",
                "[\"action\", \"stream\"]",
                "interface.input]",
                "an answer in pieces without their schema",
            ),
            case(
                "[interface.host.tenant]",
                "[interface.chunk]\n[interface.host.tenant]",
                "chunk]",
                "a schema of pieces for an answer in one",
            ),
            case("sunset_at = 2027-06-30", "sunset_at = 2026-06-30", "2026-06-30", "before the release on 2026-11-20"),
            case("\"tracker.create@<2\"", "\"tracker.create\"", "\"tracker.create\"]", "a tool that replaces itself"),
            case("\"tracker.create@^3\"", "\"tracker.create@^2\"", "\"tracker.create@^2\"", "replaced by itself"),
            case(
                "[cost]",
                "[cache]\nkeep_s = 5\n[cost]",
                "cache",
                "answers used again of a call that changes something",
            ),
            case(
                "[interface.host.key]",
                "[interface.host.title]",
                "{ type = \"string\", minLength",
                "what the host adds is not the model's",
            ),
        ],
    );
}

#[test]
fn an_end_in_the_past_is_none_of_our_business() {
    let old = with(&with(FULL, "2026-11-20", "1999-01-01"), "2027-06-30", "1999-02-01");
    good(&old);
}

#[test]
fn isolation_that_is_too_weak_or_cannot_run_the_tool_is_refused() {
    tell(
        FULL,
        &[
            case(
                "isolation = \"docker\"",
                "isolation = \"jail\"",
                "\"jail\"",
                "jail, which cannot run an image; expected one of docker, gvisor, microvm",
            ),
            case(
                "runs_code = false",
                "runs_code = true",
                "\"docker\"",
                "docker for a tool of critical risk (it runs code out of its input); expected gvisor or stronger",
            ),
            case("risk = \"high\"", "risk = \"critical\"", "\"docker\"", "its author says so"),
            case(
                "argv = [\"/bin/tracker\", \"create\"]",
                "argv = [\"bash\", \"-c\", \"x\"]",
                "\"docker\"",
                "started as a shell line",
            ),
        ],
    );
    tell(
        SMALL,
        &[
            case("isolation = \"jail\"", "isolation = \"native\"", "\"native\"", "native, which cannot run a program"),
            case("isolation = \"jail\"", "isolation = \"wasm\"", "\"wasm\"", "wasm, which cannot run a program"),
            case("files = [\"count.py\"]", "files = []", "\"./count.py\"", "not among its files"),
        ],
    );
    let lower = with(FULL, "risk = \"high\"", "risk = \"low\"");
    let weak = with(&lower, "[run.image]\nimage", "[run.program]\nargv = [\"t\"]\n#");
    let weak = with(&weak, "argv = [\"/bin/tracker\", \"create\"]\n", "");
    let weak = with(&weak, "isolation = \"docker\"", "isolation = \"jail\"");
    let report = refused(&weak).to_string();
    assert!(report.contains("high risk (it changes something each time it is called)"), "{report}");
}

#[test]
fn secrets_that_nobody_can_use_are_refused() {
    tell(
        FULL,
        &[
            case(
                "hosts = [\"tracker.example.com\"]",
                "hosts = [\"other.example.com\"]",
                "\"other.example.com\"",
                "where no egress rule lets it go",
            ),
            case("tls = true", "tls = false", "\"tracker.example.com\"]", "where requests go in the clear"),
            case(
                "[policy]",
                "[[secrets]]\npath = \"tracker/token\"\ndeliver = { file = { name = \"t\" } }\n[policy]",
                "\"tracker/token\"\ndeliver",
                "a secret for the second time",
            ),
            case(
                "[policy]",
                "[[secrets]]\npath = \"b\"\ndeliver = { header = { name = \"authorization\", hosts = [\"tracker.example.com\"] } }\n[policy]",
                "\"tracker.example.com\"] } }",
                "a second secret in the header authorization",
            ),
            case("privacy = \"confidential\"", "privacy = \"restricted\"", "\"restricted\"", "such data never leaves"),
            case(
                "[observability]",
                "[[egress]]\nhost = \"tracker.example.com\"\n[observability]",
                "[[egress]]\nhost = \"tracker.example.com\"\n[obs",
                "a second rule for tracker.example.com:443",
            ),
        ],
    );
}

#[test]
fn pointers_to_nothing_are_refused() {
    tell(
        FULL,
        &[
            case("\"/input/body\"", "\"/input/boby\"", "\"/input/boby\"", "/input/boby, which points to nothing"),
            case("\"/input/labels/*\"", "\"/input/labels/*/x\"", "\"/input/labels/*/x\"", "points to nothing"),
            case("\"/host/tenant\"", "\"/host/agent\"", "\"/host/agent\"", "points to nothing"),
            case("\"/input/body\"", "\"/chunk/x\"", "\"/chunk/x\"", "points to nothing"),
            case(
                "tenant = \"/host/tenant\"",
                "tenant = \"/input/body\"",
                "\"/input/body\" }",
                "in a trace, though it is redacted",
            ),
            case(
                "{ number = \"/output/number\" }",
                "{ number = \"/output/id\" }",
                "\"/output/id\"",
                "points to nothing",
            ),
        ],
    );
}

#[test]
fn examples_and_tests_that_do_not_satisfy_the_schemas_are_refused() {
    tell(
        FULL,
        &[
            case(
                "title = \"The lamp is broken\", ",
                "",
                "{ body =",
                "interface.examples[0].input: lacks the key \"title\"; expected what is to be done",
            ),
            case("{ number = 7,", "{ number = 0,", "0, url", "the number 0; expected at least 1"),
            case("{ title = \"A\",", "{ title = \"A\", titel = 1,", "titel", "did you mean \"title\"?"),
            case("tenant = \"acme\", key", "key", "{ key = \"k\" }", "lacks the key \"tenant\""),
            case(
                "expect = { contains = { number = 1 } }",
                "expect = { output = { number = 1 } }",
                "{ number = 1 } }",
                "lacks the key \"url\"",
            ),
            case("expect = { contains = { number = 1 } }", "expect = { contains = 5 }", "5 }", "expected a table"),
            case("name = \"lamp\"", "name = \"creates\"", "\"creates\"\nfile", "a second test named creates"),
            case(
                "type = \"object\"\nrequired = [\"title\"",
                "required = [\"title\"",
                "input]\n\"$schema\"",
                "an input that is no object",
            ),
        ],
    );
    let tool = good(FULL).tool;
    let told = |text: &str| fixture(&tool, text).unwrap_err().to_string();
    assert!(told("[]").contains("1:1: error: a list of 0; expected an object with `input` and `output`"));
    let lacking = told("{\"input\": {\"title\": 5}, \"outptu\": {}}");
    for part in [
        "1:21: error: input.title: the number 5",
        "did you mean \"output\"?",
        "lacks the key \"host\"",
        "lacks the key \"output\"",
    ] {
        assert!(lacking.contains(part), "{part}: {lacking}");
    }
}

#[test]
fn signs_that_nobody_sees_are_refused() {
    tell(
        FULL,
        &[
            case("Creates an issue in", "Creates\u{200b} an issue in", "\"\"\"\nCreates", "U+200B"),
            case("What is to be done.", "What\u{e0041} is", "\"What\u{e0041}", "U+E0041"),
            case("\"The lamp is broken\"", "\"The \u{202e}lamp\"", "\"The", "U+202E"),
        ],
    );
}

#[test]
fn what_is_odd_is_said_and_taken() {
    let said = |text: &str| good(text).warnings.to_string();
    let without = SMALL.split("[[tests.contract]]").next().unwrap();
    assert!(said(without).contains("1:1: warning: no tests"), "{}", said(without));
    let unknown = with(SMALL, "minimum = 0", "minimun = 0");
    assert!(said(&unknown).contains("unknown key \"minimun\"; did you mean \"minimum\"?"), "{}", said(&unknown));
    let extended = with(SMALL, "minimum = 0", "x-unit = \"words\"");
    assert_eq!(said(&extended), "");
    let env = with(SMALL, "files =", "env = { API_TOKEN = \"x\" }\nfiles =");
    assert!(said(&env).contains("sounds like a secret"));
    let post = format!("{SMALL}\n[[egress]]\nhost = \"a.example.com\"\nmethods = [\"POST\"]\n");
    assert!(said(&post).contains("a writing method in a tool without side effects"));
}

#[test]
fn the_same_is_said_of_every_format() {
    let text = with(&with(FULL, "isolation = \"docker\"", "isolation = \"dokcer\""), "timeout_ms", "timeout_sm");
    let tree = value(&text);
    let told = |format, text: &str| -> Vec<(String, String)> {
        let mut told: Vec<_> =
            read(format, text).unwrap_err().problems.into_iter().map(|one| (one.pointer, one.found)).collect();
        told.sort();
        told
    };
    let expected = told(Format::Toml, &text);
    assert_eq!(expected.len(), 2);
    assert_eq!(told(Format::Json, &tree.to_string()), expected);
    assert_eq!(told(Format::Yaml, &super::support::yaml(&tree)), expected);
    let pretty = serde_json::to_string_pretty(&tree).unwrap();
    let report = read(Format::Json, &pretty).unwrap_err().to_string();
    assert!(report.contains(&format!("{}: error: isolation", place(&pretty, "\"dokcer\""))), "{report}");
}
