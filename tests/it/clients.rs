//! Programs of others that know nothing of this host: the inspector of MCP, its official Python SDK, and OpenAI's. They are
//! fetched by `scripts/test-parts.sh`; the scripts are in `scripts/clients`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::program::{Running, configure, good};
use crate::support::part;

/// Ten times what the slowest of them takes here: each starts a program for every call.
const WITHIN: Duration = Duration::from_secs(180);

/// A tool that does well, or not, as it is asked.
const MOODS: &str = r#"tds = 1
id = "test.moods"
name = "Moods"
version = "1.0.0"
description = "Answers well or badly, as it is asked."
capabilities = ["query", "stream"]
side_effects = "none"
isolation = "jail"

[interface.input]
type = "object"
required = ["mood"]
additionalProperties = false
properties.mood = { enum = ["well", "half", "lies", "refuses", "pieces", "waits"] }

[interface.output]
type = "object"
required = ["said"]
properties.said = { type = "integer" }

[interface.chunk]
type = "string"

[policy.pii]
output = "allow"

[run.program]
argv = ["sh", "tool.sh"]
files = ["tool.sh"]

[[tests.contract]]
name = "does-well"
input = { mood = "well" }
expect = { output = { said = 1 } }
"#;

const MOODS_PROGRAM: &str = r#"read -r line
case "$line" in
*half*) printf '{"type":"result","val' ;;
*lies*) printf '{"type":"result","value":{"said":"many"}}\n' ;;
*refuses*) printf '{"type":"error","class":"conflict","message":"could not do it: it is late"}\n' ;;
*pieces*) for piece in one two three; do printf '{"type":"chunk","text":"%s"}\n' "$piece"; done
    printf '{"type":"result","value":{"said":3}}\n' ;;
*waits*) sleep 600 ;;
*) printf '{"type":"result","value":{"said":1}}\n' ;;
esac
"#;

/// A host with two tools of its own and git on a folder that may be looked at; none where there are no jails.
struct Stage {
    data: TempDir,
    host: Running,
    _site: TempDir,
}

impl Stage {
    async fn new() -> Option<Stage> {
        crate::sandbox::jail().await?;
        let (data, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        repository(site.path()).await;
        // One of its tools breaks on purpose, which what is made of its schema finds.
        configure(
            data.path(),
            &format!(
                "[inference.runtimes.local]\nkind = \"scripted\"\nanswer = \"Forty-two.\"\ntier = \"local\"\n\
                 [tools]\ncore = [\"git\"]\n[tools.fuzz]\ninputs = 0\n[tools.readable]\nsite = {:?}\n",
                site.path()
            ),
        );
        let host = Running::start(data.path()).await;
        let tools = data.path().join("tools");
        let moods = tools.join("moods");
        std::fs::create_dir_all(&moods).unwrap();
        std::fs::write(moods.join("tool.toml"), MOODS).unwrap();
        std::fs::write(moods.join("tool.sh"), MOODS_PROGRAM).unwrap();
        let count = tools.join("count");
        let (code, _, error) = plain(&["tool", "new", "text.count", "--dir", count.to_str().unwrap()]).await;
        assert_eq!(code, 0, "{error}");
        for folder in [&moods, &count] {
            good(data.path(), &["tool", "publish", folder.to_str().unwrap()]).await;
        }
        Some(Stage { data, host, _site: site })
    }

    fn url(&self) -> String {
        let said: Value = serde_json::from_str(&self.read("host.json")).unwrap();
        said["url"].as_str().unwrap().to_owned()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.data.path().join(name)).unwrap().trim().to_owned()
    }

    /// What a script of `scripts/clients` came to.
    async fn script(&self, python: &Path, name: &str, arguments: &[&str]) -> Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/clients").join(name);
        let mut command = bare(python, self.data.path());
        let (code, out, error) = ended(command.arg(script).args(arguments)).await;
        assert_eq!(code, Some(0), "{error}");
        serde_json::from_str(&out).unwrap_or_else(|reason| panic!("{reason}: {out}{error}"))
    }
}

/// A program with nothing of this process's environment but the search path.
fn bare(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home).stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn ended(command: &mut Command) -> (Option<i32>, String, String) {
    let output = tokio::time::timeout(WITHIN, command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The program where no host is needed.
async fn plain(arguments: &[&str]) -> (i32, String, String) {
    let mut command = bare(Path::new(env!("CARGO_BIN_EXE_syzygy")), Path::new("/"));
    let (code, out, error) = ended(command.args(arguments)).await;
    (code.unwrap(), out, error)
}

/// A repository with one commit, which everybody may read.
async fn repository(folder: &Path) {
    std::fs::write(folder.join("a.txt"), "one\n").unwrap();
    for arguments in [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "--message", "The first"]] {
        let mut git = bare(Path::new("git"), folder);
        git.args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]).args(arguments).current_dir(folder);
        let (code, _, error) = ended(&mut git).await;
        assert_eq!(code, Some(0), "{error}");
    }
    crate::core_tools::give_all(folder);
}

const NAMES: [&str; 10] =
    ["count", "git.clone", "git.commit", "git.diff", "git.log", "git.show", "sum", "test.moods", "text.count", "time"];

const WRONG: &str = "could not call text.count@0.1.0: the arguments do not fit: the whole: unknown keys: txt, expected only \
                     text; the whole: lacks the key \"text\", expected the text to count";
const LIES: &str = "could not call test.moods@1.0.0: its answer is not what it promises: /said: the text \"many\", expected a \
                    whole number";
const HALF: &str =
    "could not call test.moods@1.0.0: could not believe the tool: it gave no result, and ended with exit code 0";
const NO_FOLDER: &str = "could not call git.log@1.0.0: git.log needs a folder that is granted with the call (`workspace`) for \
                         its host argument `workspace`";

#[tokio::test]
async fn the_inspector_lists_and_calls_tools_in_both_revisions_and_both_ways() {
    let Some(inspector) = part("mcp-inspector", "mcp-inspector/.complete") else { return };
    let Some(stage) = Stage::new().await else { return };
    let inspector = inspector.parent().unwrap();
    let (url, token) = (format!("{}/mcp?workspace=site", stage.url()), stage.read("operator.token"));
    let (bearer, data) = (format!("Authorization: Bearer {token}"), stage.data.path().to_str().unwrap());
    let program = env!("CARGO_BIN_EXE_syzygy");
    let web = ["--transport", "http", "--server-url", &url, "--header", &bearer];
    let pipe = [program, "mcp", "--workspace", "site", "--data-dir", data];
    for era in ["legacy", "modern"] {
        for way in [&web[..], &pipe[..]] {
            let ask = async |arguments: &[&str]| {
                let mut command = bare(&inspector.join("node"), stage.data.path());
                command.arg(
                    inspector.join("node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"),
                );
                let options = ["--format", "json", "--quiet", "--protocol-era", era];
                let (code, out, error) = ended(command.arg("--cli").args(way).args(options).args(arguments)).await;
                (code, serde_json::from_str::<Value>(&out).unwrap_or_default()["result"].take(), error)
            };
            let call = async |tool: &str, arguments: &str| {
                ask(&["--method", "tools/call", "--tool-name", tool, "--tool-args-json", arguments]).await
            };
            let (code, listed, error) = ask(&["--method", "tools/list", "--strict"]).await;
            let names: Vec<&str> =
                listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
            assert_eq!((code, names.as_slice()), (Some(0), &NAMES[..]), "{era}: {error}");
            let (code, came, error) = call("text.count", r#"{"text": "one two three"}"#).await;
            assert_eq!((code, &came["structuredContent"]["words"]), (Some(0), &json!(3)), "{era}: {error}");
            let (code, came, error) = call("git.log", "{}").await;
            let subject = &came["structuredContent"]["commits"][0]["subject"];
            assert_eq!((code, subject), (Some(0), &json!("The first")), "{era}: {error}");
            // What is refused, and what fails, is an answer that says why: the inspector's own code for it is 5.
            for (tool, arguments, class, said) in [
                ("text.count", r#"{"txt": "one"}"#, "invalid", WRONG),
                ("test.moods", r#"{"mood": "lies"}"#, "internal", LIES),
                ("test.moods", r#"{"mood": "half"}"#, "internal", HALF),
            ] {
                let (code, came, error) = call(tool, arguments).await;
                let told = (&came["isError"], &came["_meta"]["syzygy/class"], &came["content"][0]["text"]);
                assert_eq!(code, Some(5), "{era} {tool}: {error}");
                assert_eq!(told, (&json!(true), &json!(class), &json!(said)), "{era} {tool}: {error}");
            }
            let (code, _, error) = call("no.such", "{}").await;
            assert_eq!((code, error.contains("tool_not_found")), (Some(5), true), "{era}: {error}");
            for (method, list) in [("resources/list", "resources"), ("prompts/list", "prompts")] {
                let (code, came, error) = ask(&["--method", method]).await;
                assert_eq!((code, &came[list]), (Some(0), &json!([])), "{era}: {error}");
            }
        }
    }
    // Who has no token is told so where a person sees it, whatever the client makes of it.
    let mut stranger = bare(&inspector.join("node"), stage.data.path());
    stranger.arg(inspector.join("node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"));
    stranger.args(["--cli", "--format", "json", "--method", "tools/list", "--", program, "mcp", "--data-dir", data]);
    let (code, _, error) = ended(stranger.args(["--token", "syz_wrong"])).await;
    assert_eq!((code, error.contains("the host refused with status 401")), (Some(1), true), "{error}");
    stage.host.stop().await;
}

#[tokio::test]
async fn the_python_sdk_of_mcp_gets_the_same_by_every_way() {
    let Some(python) = part("clients", "clients/bin/python") else { return };
    let Some(stage) = Stage::new().await else { return };
    let data = stage.data.path().to_str().unwrap();
    let came = stage.script(&python, "mcp_sdk.py", &[env!("CARGO_BIN_EXE_syzygy"), data]).await;
    let expected = json!({
        "tools": NAMES,
        "schema": {
            "type": "object", "required": ["text"], "additionalProperties": false,
            "properties": { "text": { "type": "string", "description": "The text to count.", "maxLength": 100_000 } },
        },
        "read_only": { "text.count": true, "git.clone": false },
        "resources": 0,
        "prompts": 0,
        "good": { "value": { "words": 3, "characters": 13 } },
        "wrong": { "class": "invalid", "said": WRONG },
        "lies": { "class": "internal", "said": LIES },
        "half": { "class": "internal", "said": HALF },
        "refuses": { "class": "conflict", "said": "could not call test.moods@1.0.0: could not do it: it is late" },
        "git": ["The first"],
        "unknown": { "code": -32_602, "said": "could not find a tool \"no.such\"" },
        "streamed": { "value": { "said": 3 } },
        "pieces": [[1.0, null, "one"], [2.0, null, "two"], [3.0, null, "three"]],
    });
    let mut ways: Vec<&String> = came.as_object().unwrap().keys().collect();
    ways.sort_unstable();
    assert_eq!(ways, ["http legacy", "http modern", "pipe legacy", "pipe modern"]);
    for way in ways {
        assert_eq!(came[way], expected, "{way}");
    }
    stage.host.stop().await;
}

#[tokio::test]
async fn the_python_sdk_of_openai_calls_tools_for_a_model_and_raises_what_is_refused() {
    let Some(python) = part("clients", "clients/bin/python") else { return };
    let Some(stage) = Stage::new().await else { return };
    let came = stage.script(&python, "openai_sdk.py", &[stage.data.path().to_str().unwrap()]).await;
    let names = came["all"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().replace("__", "."));
    assert_eq!(names.collect::<Vec<_>>(), NAMES);
    assert_eq!(came["strict"], json!(["git__log", "test__moods", "text__count"]));
    let count =
        came["tools"].as_array().unwrap().iter().find(|tool| tool["function"]["name"] == "text__count").unwrap();
    let text = json!({ "type": "string", "description": "The text to count. 100000 characters at the most." });
    let parameters = json!({
        "type": "object", "required": ["text"], "additionalProperties": false, "properties": { "text": text },
    });
    assert_eq!(
        (&count["function"]["strict"], &count["function"]["parameters"]),
        (&json!(true), &parameters),
        "{count}"
    );
    let message = |at: usize, content: Value| json!({ "role": "tool", "tool_call_id": format!("call_{at}"), "content": content.to_string() });
    let plain = came["plain"]["answers"].as_array().unwrap();
    assert_eq!(plain[0], message(0, json!({ "characters": 13, "words": 3 })));
    let log: Value = serde_json::from_str(plain[1]["content"].as_str().unwrap()).unwrap();
    assert_eq!((&plain[1]["tool_call_id"], &log["commits"][0]["subject"]), (&json!("call_1"), &json!("The first")));
    // What the model says last is what the last of its calls was answered.
    assert_eq!(came["plain"]["said"], log);
    assert_eq!(came["streamed"]["answers"], json!([message(0, json!({ "characters": 13, "words": 3 }))]));
    assert_eq!(came["parsed"], json!({ "text": "one two three" }));
    let failed = |class: &str, said: &str| json!({ "error": { "class": class, "message": said } });
    let bad = came["bad"].as_array().unwrap();
    assert_eq!(bad[0], message(0, failed("invalid", WRONG)));
    let half: Value = serde_json::from_str(bad[1]["content"].as_str().unwrap()).unwrap();
    assert_eq!(half["error"]["class"], "invalid");
    assert!(
        half["error"]["message"].as_str().unwrap().starts_with("could not read the arguments as JSON: EOF"),
        "{half}"
    );
    assert_eq!(bad[2], message(2, failed("not_found", "could not find a tool \"no.such\"")));
    assert_eq!(bad[3], message(3, failed("internal", LIES)));
    assert_eq!(bad[4], message(4, failed("invalid", NO_FOLDER)));
    assert_eq!(came["none"], json!([]));
    let raised = |name: &str, status: u16, code: &str| (json!(name), json!(status), json!(code));
    for (what, expected) in [
        ("no token", raised("AuthenticationError", 401, "unauthenticated")),
        ("no such tool", raised("NotFoundError", 404, "not_found")),
        ("no such path", raised("NotFoundError", 404, "unknown_path")),
        ("no calls", raised("UnprocessableEntityError", 422, "invalid")),
        ("too many calls", raised("UnprocessableEntityError", 422, "invalid")),
    ] {
        let refused = &came["refused"][what];
        let found = (refused["raised"].clone(), refused["status"].clone(), refused["code"].clone());
        assert_eq!(found, expected, "{what}: {refused}");
        assert!(refused["said"].as_str().is_some_and(|said| !said.is_empty()), "{what}: {refused}");
    }
    assert_eq!(came["guessed"], json!({ "raised": "RateLimitError", "status": 429, "code": "token_guesses" }));
    stage.host.stop().await;
}
