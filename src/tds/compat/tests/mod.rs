//! What changed between versions: a table for every kind of change, and the laws of the comparison.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod laws;

use super::super::tests::support::{FULL, SMALL, good, with};
use super::super::tool::Tool;
use super::{Level, Refusal, diff, judge, least, step};

fn heaviest(old: &Tool, new: &Tool) -> Option<Level> {
    diff(old, new).into_iter().map(|change| change.level).max()
}

#[test]
fn a_tool_does_not_differ_from_itself() {
    for text in [SMALL, FULL] {
        assert_eq!(diff(&good(text).tool, &good(text).tool), []);
    }
}

/// A change of the full tool: how heavy it is, and how heavy the way back.
struct Row {
    old: &'static str,
    new: &'static str,
    there: Level,
    back: Level,
    at: &'static str,
}

const fn row(old: &'static str, new: &'static str, there: Level, back: Level, at: &'static str) -> Row {
    Row { old, new, there, back, at }
}

#[track_caller]
fn weigh(base: &str, rows: &[Row]) {
    let mut wrong = String::new();
    for Row { old, new, there, back, at } in rows {
        let (before, after) = (good(base).tool, good(&with(base, old, new)).tool);
        let changes = diff(&before, &after);
        let found = (heaviest(&before, &after), heaviest(&after, &before));
        if found != (Some(*there), Some(*back)) || !changes.iter().any(|change| change.pointer == *at) {
            let again = diff(&after, &before);
            wrong.push_str(&format!(
                "\n{new:?}: {found:?}, not {there:?} and {back:?}, or not at {at}: {changes:#?} {again:#?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Changes of the input.
const INPUT: &[Row] = &[
    row(
        "priority = {",
        "note = { type = \"string\" }\npriority = {",
        Level::Minor,
        Level::Major,
        "/interface/input/properties/note",
    ),
    row(
        "maxLength = 200",
        "maxLength = 300",
        Level::Minor,
        Level::Major,
        "/interface/input/properties/title/maxLength",
    ),
    row(
        "minLength = 1, maxLength",
        "minLength = 0, maxLength",
        Level::Minor,
        Level::Major,
        "/interface/input/properties/title/minLength",
    ),
    row(
        "[\"low\", \"high\"], default",
        "[\"low\", \"high\", \"urgent\"], default",
        Level::Minor,
        Level::Major,
        "/interface/input/properties/priority/enum",
    ),
    row(
        "default = \"low\"",
        "default = \"high\"",
        Level::Major,
        Level::Major,
        "/interface/input/properties/priority/default",
    ),
    row(
        "body = { type = \"string\"",
        "body = { type = [\"string\", \"null\"]",
        Level::Minor,
        Level::Major,
        "/interface/input/properties/body/type",
    ),
    row(", uniqueItems = true", "", Level::Minor, Level::Major, "/interface/input/properties/labels/uniqueItems"),
    row(
        "pattern = \"^[0-9a-f]{32}$\"",
        "pattern = \"^[0-9a-f]{32,}$\"",
        Level::Major,
        Level::Major,
        "/interface/input/properties/request_id/pattern",
    ),
    row(
        "required = [\"title\", \"request_id\"]",
        "required = [\"title\", \"request_id\", \"body\"]",
        Level::Major,
        Level::Minor,
        "/interface/input/required",
    ),
    row(
        "type = \"string\"\nmaxLength = 40",
        "type = \"string\"\nmaxLength = 30",
        Level::Major,
        Level::Minor,
        "/interface/input/properties/labels/items/maxLength",
    ),
    row(
        "additionalProperties = false",
        "additionalProperties = true",
        Level::Minor,
        Level::Major,
        "/interface/input/additionalProperties",
    ),
];

#[test]
fn an_input_may_take_more_and_never_less() {
    weigh(FULL, INPUT);
}

#[test]
fn an_output_may_promise_more_and_never_less() {
    use Level::{Major, Minor};
    weigh(
        FULL,
        &[
            row(
                "url = { type = \"string\" }",
                "url = { type = \"string\" }\nid = { type = \"string\" }",
                Minor,
                Major,
                "/interface/output/properties/id",
            ),
            row(
                "required = [\"number\", \"url\"]",
                "required = [\"number\"]",
                Major,
                Minor,
                "/interface/output/required",
            ),
            row("minimum = 1", "minimum = 0", Major, Minor, "/interface/output/properties/number/minimum"),
            row(
                "url = { type = \"string\" }",
                "url = { type = [\"string\", \"null\"] }",
                Major,
                Minor,
                "/interface/output/properties/url/type",
            ),
        ],
    );
}

#[test]
fn a_tool_may_ask_for_less_and_never_for_more() {
    use Level::{Major, Minor, Patch};
    let base = with(FULL, "host = { tenant = \"acme\", key = \"k\" }\n", "");
    weigh(
        &base,
        &[
            row(
                "[interface.host.key]",
                "[interface.host.who]\nfrom = \"principal\"\n[interface.host.key]",
                Major,
                Minor,
                "/interface/host/who",
            ),
            row("from = \"idempotency_key\"", "from = \"trace\"", Major, Major, "/interface/host/key"),
            row("[\"issues.write\"]", "[\"issues.write\", \"issues.read\"]", Major, Minor, "/auth/scopes"),
            row(
                "hosts = [\"tracker.example.com\"]",
                "hosts = [\"tracker.example.com\"]\n[[secrets]]\npath = \"b\"\ndeliver = { file = { name = \"b\" } }",
                Major,
                Minor,
                "/secrets",
            ),
            row("[\"GET\", \"POST\"]", "[\"GET\", \"POST\", \"DELETE\"]", Major, Minor, "/egress/0/methods"),
            row("\"/api/issues\", ", "\"/api/issues\", \"/api/users\", ", Major, Minor, "/egress/0/paths"),
            row("paths = [\"/api/issues\", \"/api/issues/*\"]\n", "", Major, Minor, "/egress/0/paths"),
            row("[observability]", "[[egress]]\nhost = \"b.example.com\"\n[observability]", Major, Minor, "/egress/1"),
            row("request_bytes = 65_536", "request_bytes = 65_537", Major, Minor, "/egress/0/request_bytes"),
            row("roles = [\"operator\", \"support\"]", "roles = [\"operator\"]", Major, Minor, "/policy/roles"),
            row("residency = [\"eu\"]", "residency = [\"eu\", \"us\"]", Major, Minor, "/policy/residency"),
            row("privacy = \"confidential\"", "privacy = \"internal\"", Major, Minor, "/policy/privacy"),
            row("input = \"redact\"", "input = \"refuse\"", Major, Major, "/policy/pii/input"),
            row("approval = \"always\"", "approval = \"never\"", Minor, Major, "/policy/approval"),
            row("isolation = \"docker\"", "isolation = \"microvm\"", Minor, Major, "/isolation"),
            row("redact = [\"/input/body\", ", "redact = [", Major, Patch, "/observability/redact"),
            row("[\"action\"]", "[\"action\", \"query\"]", Minor, Major, "/capabilities"),
            row("side_effects = \"non_idempotent\"", "side_effects = \"idempotent\"", Minor, Major, "/side_effects"),
        ],
    );
}

#[test]
fn what_is_promised_about_a_call_is_kept() {
    use Level::{Major, Minor, Patch};
    weigh(
        FULL,
        &[
            row("timeout_ms = 10_000", "timeout_ms = 9_000", Major, Minor, "/limits/timeout_ms"),
            row("output_bytes = 65_536", "output_bytes = 1_024", Major, Minor, "/limits/output_bytes"),
            row("memory_bytes = 134_217_728", "memory_bytes = 268_435_456", Minor, Patch, "/limits/memory_bytes"),
            row("calls_per_minute = 600", "calls_per_minute = 6", Major, Minor, "/quota"),
            row("[quota]\ncalls_per_minute = 600\n", "", Minor, Major, "/quota"),
            row("success_percent = 99", "success_percent = 90", Patch, Patch, "/slo"),
            row("keep_s = 604_800", "keep_s = 60", Major, Minor, "/idempotency/keep_s"),
            row("within_s = 86_400\n", "", Minor, Major, "/compensation"),
            row("call_micro_usd = 100", "call_micro_usd = 200", Minor, Patch, "/cost/call_micro_usd"),
            row("sunset_at = 2027-06-30", "sunset_at = 2027-05-30", Minor, Minor, "/deprecation"),
            row("attempts = 3", "attempts = 4", Patch, Patch, "/retry"),
            row("Creates an issue", "Makes an issue", Patch, Patch, "/description"),
            row("\"What is to be done.\"", "\"What shall be done.\"", Patch, Patch, "/interface/input"),
            row("\"/bin/tracker\"", "\"/bin/tracker2\"", Patch, Patch, "/run"),
        ],
    );
    let undone = FULL.replace(
        "[compensation]\ntool = \"tracker.close@^2\"\narguments = { number = \"/output/number\" }\nwithin_s = 86_400\n",
        "",
    );
    assert_eq!(heaviest(&good(FULL).tool, &good(&undone).tool), Some(Major));
    let twice = with(
        &with(FULL, "attempts = 3", "attempts = 1"),
        "[idempotency]\nkey = \"/input/request_id\"\nkeep_s = 604_800\n",
        "",
    );
    assert_eq!(heaviest(&good(FULL).tool, &good(&twice).tool), Some(Major));
}

#[test]
fn the_step_of_a_version_is_that_of_semantic_versioning() {
    let version = |text: &str| text.parse().unwrap();
    for (old, new, expected) in [
        ("1.2.3", "1.2.4", "Up(Patch)"),
        ("1.2.3", "1.3.0", "Up(Minor)"),
        ("1.2.3", "2.0.0", "Up(Major)"),
        ("1.2.3", "1.2.3", "None"),
        ("1.2.3+a", "1.2.3+b", "None"),
        ("1.2.3", "1.2.2", "Back"),
        ("0.2.3", "0.2.4", "Up(Minor)"),
        ("0.2.3", "0.3.0", "Up(Major)"),
        ("0.0.3", "0.0.4", "Up(Major)"),
        ("0.9.0", "1.0.0", "Up(Major)"),
        ("1.0.0-alpha", "1.0.0", "Free"),
        ("1.0.0-a", "1.0.0-b", "Free"),
        ("1.0.0", "1.0.0-alpha", "Back"),
        ("1.2.3", "2.0.0-alpha", "Up(Major)"),
    ] {
        assert_eq!(format!("{:?}", step(&version(old), &version(new))), expected, "{old} -> {new}");
    }
    for old in ["1.2.3", "0.2.3", "0.0.3"] {
        for needed in [Level::Patch, Level::Minor, Level::Major] {
            let next = least(&version(old), needed);
            let super::Step::Up(given) = step(&version(old), &next) else { panic!("{old} -> {next}") };
            assert!(given >= needed, "{old} -> {next} is no {needed} step");
        }
    }
}

#[test]
fn a_number_that_says_too_little_is_refused() {
    let bump = |text: &str, version: &str| {
        let text = with(text, "version = \"2.3.1\"", &format!("version = \"{version}\""));
        good(&with(&text, "semver_range = \">=2.1, <3\"\n", "")).tool
    };
    let base = bump(FULL, "2.3.1");
    let breaking = with(FULL, "maxLength = 200", "maxLength = 100");
    let adding = with(FULL, "maxLength = 200", "maxLength = 300");
    let telling = with(FULL, "Creates an issue", "Makes an issue");
    let verdict = |text: &str, version: &str| {
        let new = bump(text, version);
        judge(&base, &new, &diff(&base, &new)).map_err(|refusal| refusal.to_string())
    };
    assert_eq!(
        verdict(&breaking, "2.4.0").unwrap_err(),
        "could not accept version 2.4.0 after 2.3.1: the changes need a new major version, such as 3.0.0"
    );
    assert_eq!(verdict(&breaking, "2.9.9").unwrap_err().split(", ").last().unwrap(), "such as 3.0.0");
    assert!(verdict(&adding, "2.3.2").unwrap_err().contains("need a new minor version, such as 2.4.0"));
    assert!(verdict(&telling, "2.3.1").unwrap_err().contains("another content under the same version 2.3.1"));
    assert!(verdict(&telling, "2.3.0").unwrap_err().contains("it is older"));
    assert_eq!(verdict(FULL, "2.3.1"), Ok(()));
    assert_eq!(verdict(&telling, "2.3.2"), Ok(()));
    assert_eq!(verdict(&adding, "2.4.0"), Ok(()));
    let other = good(SMALL).tool;
    assert!(matches!(judge(&base, &other, &[]), Err(Refusal::Other { .. })));
}

#[test]
fn below_one_the_second_number_breaks() {
    let small = |version: &str, most: &str| {
        let text = with(SMALL, "version = \"1.0.0\"", &format!("version = \"{version}\""));
        good(&with(&text, "10_000", most)).tool
    };
    let old = small("0.2.0", "10_000");
    for (version, most, taken) in [("0.2.1", "9_000", false), ("0.3.0", "9_000", true), ("0.2.1", "11_000", true)] {
        let new = small(version, most);
        assert_eq!(judge(&old, &new, &diff(&old, &new)).is_ok(), taken, "{version} {most}");
    }
}
