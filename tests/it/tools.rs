//! The verbs for tools on the real program: begun, checked, compared, documented; and bad descriptions of every kind.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use syzygy::tds::{self, Format};
use syzygy::types::Class;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::program::{code, done};

/// What an agent's author gets from `tool docs --part rust`; that it compiles is part of the test.
#[path = "tools/stub.rs"]
#[expect(unreachable_pub, reason = "it is public in the agent it is made for")]
mod stub;

/// The program in a folder, with nothing of this process's environment but the search path.
async fn syzygy(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_syzygy"));
    command.env_clear().env("PATH", "/usr/bin:/bin").args(arguments).current_dir(folder);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = done(&mut command).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

async fn good(folder: &Path, arguments: &[&str]) -> String {
    let (code, out, error) = syzygy(folder, arguments).await;
    assert_eq!(code, 0, "{arguments:?}: {out}{error}");
    out
}

/// A folder with a new tool in it.
async fn begun() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    good(folder.path(), &["tool", "new", "text.count"]).await;
    folder
}

#[tokio::test]
async fn a_new_tool_is_checked_run_documented_and_not_overwritten() {
    let folder = begun().await;
    let out = good(folder.path(), &["tool", "check", "text.count", "text.count/tool.toml"]).await;
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 2, "{out}");
    assert!(lines[0].starts_with("text.count/tool.toml: ok text.count 0.1.0, low risk, "), "{out}");
    let told: Value =
        serde_json::from_str(&good(folder.path(), &["tool", "check", "text.count", "-o", "json"]).await).unwrap();
    assert_eq!(told[0]["tool"]["id"], "text.count");

    // The program does what its golden fixture says.
    let golden = std::fs::read_to_string(folder.path().join("text.count/golden/two-words.json")).unwrap();
    let golden: Value = serde_json::from_str(&golden).unwrap();
    let call = json!({ "input": golden["input"], "host": golden["host"] });
    let mut command = Command::new("python3");
    command.arg("tool.py").current_dir(folder.path().join("text.count")).kill_on_drop(true);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{call}\n").as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let last = String::from_utf8(output.stdout).unwrap().lines().last().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&last).unwrap(), json!({ "type": "result", "value": golden["output"] }));

    let page = good(folder.path(), &["tool", "docs", "text.count"]).await;
    assert!(page.starts_with("# text count\n"), "{page}");
    let call = good(folder.path(), &["tool", "docs", "text.count", "--part", "call"]).await;
    let call: Value = serde_json::from_str(&call).unwrap();
    assert_eq!(call, json!({ "name": "text.count", "arguments": { "text": "to be or not to be" } }));
    let rust = good(folder.path(), &["tool", "docs", "text.count", "--part", "rust"]).await;
    assert_eq!(rust, include_str!("tools/stub.rs"), "tests/it/tools/stub.rs is old");
    let _compiles = stub::text_count;

    let (again, _, error) = syzygy(folder.path(), &["tool", "new", "text.count"]).await;
    assert_eq!(again, code(Class::Conflict), "{error}");
    let (wrong, _, error) = syzygy(folder.path(), &["tool", "new", "../evil"]).await;
    assert_eq!((wrong, folder.path().join("../evil").exists()), (code(Class::Invalid), false), "{error}");
    good(folder.path(), &["tool", "new", "a.b", "--dir", "deep/er"]).await;
    assert!(folder.path().join("deep/er/tool.toml").is_file());
}

#[tokio::test]
async fn the_schema_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let schema: Value = serde_json::from_str(&good(folder.path(), &["tool", "schema"]).await).unwrap();
    assert_eq!(schema, *tds::published());
    let line = good(folder.path(), &["tool", "schema", "-o", "json"]).await;
    assert_eq!((line.lines().count(), serde_json::from_str::<Value>(&line).unwrap()), (1, schema));
}

#[tokio::test]
async fn bad_descriptions_of_every_kind_are_refused_at_their_place() {
    let folder = begun().await;
    let taken = std::fs::read_to_string(folder.path().join("text.count/tool.toml")).unwrap();
    let with = |old: &str, new: &str| {
        assert!(taken.contains(old), "{old}");
        taken.replacen(old, new, 1).into_bytes()
    };
    let deep = [b"a = ".as_slice(), &b"[".repeat(90_000), &b"]".repeat(90_000)].concat();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty.toml", Vec::new(), "1:1: error: lacks the key \"id\""),
        ("empty.json", Vec::new(), "1:1: error: not JSON: the text ends"),
        ("list.json", b"[]".to_vec(), "1:1: error: a list of 0; expected a table"),
        ("half.json", b"{\"tds\": 1, \"id\"".to_vec(), "1:16: error: not JSON: the text ends; expected a colon"),
        ("syntax.toml", with("tds = 1", "tds = = 1"), "error: not TOML"),
        ("twice.toml", with("tds = 1", "tds = 1\ntds = 1"), "for the second time; the first is at 5:1"),
        ("key.toml", with("side_effects =", "sideeffects ="), "did you mean \"side_effects\"?"),
        ("word.toml", with("\"jail\"", "\"jial\""), "did you mean \"jail\"?"),
        ("weak.toml", with("\"jail\"", "\"native\""), "native, which cannot run a program"),
        ("remote.toml", with("type = \"string\"", "\"$ref\" = \"https://example.com/x\""), "nothing is fetched"),
        ("pattern.toml", with("maxLength = 100_000", "pattern = \"((a{99}){99}){99}\""), "the pattern"),
        ("example.toml", with("output = { words = 6", "output = { wrds = 6"), "lacks the key \"words\""),
        ("pointer.toml", with("/input/text", "/input/txt"), "/input/txt, which points to nothing"),
        ("deep.toml", deep, "error: more than 64 levels"),
        (
            "bomb.yaml",
            b"a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n\
            d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\n"
                .to_vec(),
            "more than 20000 values",
        ),
        ("long.toml", vec![b'#'; 300_000], "262144 at the most"),
    ];
    for (name, bytes, said) in cases {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        let (exit, out, error) = syzygy(folder.path(), &["tool", "check", name]).await;
        assert_eq!((exit, error.as_str()), (code(Class::Invalid), ""), "{name}: {out}");
        assert!(out.lines().any(|line| line.starts_with(&format!("{name}:")) && line.contains(said)), "{name}: {out}");
        assert!(out.ends_with(&format!("{name}: refused\n")), "{name}: {out}");
    }
}

#[tokio::test]
async fn what_is_no_description_at_all_says_why_it_cannot_be_read() {
    let folder = begun().await;
    std::fs::write(folder.path().join("latin.toml"), b"name = \"caf\xe9\"").unwrap();
    std::fs::write(folder.path().join("late.toml"), b"tds = 1\nname = \"caf\xc3\xa9\xff\"").unwrap();
    std::fs::create_dir(folder.path().join("nothing")).unwrap();
    std::fs::create_dir(folder.path().join("two")).unwrap();
    std::fs::write(folder.path().join("two/tool.toml"), "").unwrap();
    std::fs::write(folder.path().join("two/tool.json"), "{}").unwrap();
    for (name, class, said) in [
        ("latin.toml", Class::Invalid, "byte 11 is not UTF-8 (line 1, column 12); save it as UTF-8"),
        ("late.toml", Class::Invalid, "byte 21 is not UTF-8 (line 2, column 13)"),
        ("absent.toml", Class::NotFound, "could not read absent.toml"),
        ("absent", Class::NotFound, "could not read absent"),
        ("two", Class::Invalid, "tool.toml, tool.json are there; keep one, or name the file"),
        ("nothing", Class::NotFound, "none of tool.toml"),
        ("text.count/tool.py", Class::Invalid, "its name ends in none of"),
    ] {
        let (exit, out, error) = syzygy(folder.path(), &["tool", "check", name]).await;
        assert_eq!((exit, out.as_str()), (code(class), ""), "{name}: {error}");
        assert!(error.contains(said), "{name}: {error}");
    }
    std::fs::remove_file(folder.path().join("text.count/tool.py")).unwrap();
    std::fs::write(folder.path().join("text.count/golden/two-words.json"), "{\"input\": {}}").unwrap();
    let (exit, out, _) = syzygy(folder.path(), &["tool", "check", "text.count"]).await;
    assert_eq!(exit, code(Class::Invalid));
    assert!(out.contains("run.program.files[0]: the file \"tool.py\", which is not there"), "{out}");
    assert!(out.contains("text.count/golden/two-words.json:1:11: error: input: lacks the key \"text\""), "{out}");
}

#[tokio::test]
async fn a_breaking_change_under_a_minor_version_is_refused_with_its_place() {
    let folder = begun().await;
    let old = std::fs::read_to_string(folder.path().join("text.count/tool.toml")).unwrap();
    let old = old.replacen("version = \"0.1.0\"", "version = \"1.1.0\"", 1);
    std::fs::write(folder.path().join("old.toml"), &old).unwrap();
    let new = old.replacen("maxLength = 100_000", "maxLength = 10", 1);
    let new = new.replacen("version = \"1.1.0\"", "version = \"1.2.0\"", 1);
    let new = new.replace("{ text = \"to be or not to be\" }", "{ text = \"to be\" }");
    let new = new.replace("{ text = \"one two three\" }", "{ text = \"a b c\" }");
    std::fs::write(folder.path().join("new.toml"), &new).unwrap();
    let line = new.lines().position(|line| line.starts_with("maxLength")).unwrap() + 1;
    let (exit, out, _) = syzygy(folder.path(), &["tool", "diff", "old.toml", "new.toml"]).await;
    assert_eq!(exit, code(Class::Invalid), "{out}");
    let expected = format!(
        "new.toml:{line}:13: major: interface.input.properties.text.maxLength: maxLength is 10 instead of 100000"
    );
    assert!(out.contains(&expected), "{out}");
    assert!(out.contains("refused: could not accept version 1.2.0 after 1.1.0"), "{out}");
    assert!(out.contains("such as 2.0.0"), "{out}");

    let major = new.replacen("version = \"1.2.0\"", "version = \"2.0.0\"", 1);
    std::fs::write(folder.path().join("new.toml"), major).unwrap();
    let told = good(folder.path(), &["tool", "diff", "old.toml", "new.toml", "-o", "json"]).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["refused"], &told["changes"][0]["level"]), (&Value::Null, &json!("major")));
    assert_eq!(told["changes"][0]["line"], json!(line));

    std::fs::write(folder.path().join("broken.toml"), "tds = 1").unwrap();
    let (exit, out, error) = syzygy(folder.path(), &["tool", "diff", "old.toml", "broken.toml"]).await;
    assert_eq!((exit, out.as_str()), (code(Class::Invalid), ""), "{error}");
    assert!(error.contains("broken.toml:1:1: error: lacks the key"), "{error}");
}

#[tokio::test]
async fn other_spellings_of_a_tool_have_its_hash() {
    let folder = begun().await;
    let text = std::fs::read_to_string(folder.path().join("text.count/tool.toml")).unwrap();
    let checked = tds::read(Format::Toml, &text).unwrap();
    let value = checked.document.value();
    let folder = folder.path().join("text.count");
    std::fs::write(folder.join("other.json"), serde_json::to_string_pretty(value).unwrap()).unwrap();
    std::fs::write(folder.join("other.yaml"), value.to_string()).unwrap();
    let told = good(&folder, &["tool", "check", "tool.toml", "other.json", "other.yaml", "-o", "json"]).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    let hash = json!(tds::hash(&checked.tool).to_string());
    assert!((0..3).all(|at| told[at]["tool"]["hash"] == hash), "{told}");
}
