//! The files beside the configuration: each wrong key of each of them, at its line, and all at once.

use super::*;

fn data(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    std::fs::create_dir(data.path().join("agents")).unwrap();
    for (name, bytes) in files {
        std::fs::write(data.path().join(name), bytes).unwrap();
    }
    data
}

fn told(data: &Path) -> Vec<String> {
    let problems = super::super::beside(Some(data), 100).unwrap_err();
    let folder = format!("{}/", data.display());
    problems.iter().map(|problem| problem.to_string().replace(&folder, "")).collect()
}

fn assert_told(told: &[String], expected: &[&str]) {
    for start in expected {
        assert!(told.iter().any(|one| one.starts_with(start)), "{start} is not in {told:#?}");
    }
    assert_eq!(told.len(), expected.len(), "{told:#?}");
}

const PRICES: &str = r#"[[prices]]
match = "noslash"
input = -1
output = 10
from = "2024-02-30"
source = "a test"

[[prices]]
match = "*/b"
input = 1.5
output = nan
from = "2024-01-01"
sauce = "a test"

[[prices]]
match = "*/e"
input = 1
output = 1
from = "2024-01-01"
source = "a test"
[[prices]]
match = "*/e"
input = 2
output = 1
from = "2024-01-01"
source = "a test"
cached_input = 3
[[price]]
match = "*/x"
"#;

#[test]
fn every_wrong_price_is_told_at_its_line() {
    let data = data(&[("prices.toml", PRICES.as_bytes())]);
    assert_told(
        &told(data.path()),
        &[
            "prices.toml:2: prices.0.match: found \"noslash\", expected a match such as",
            "prices.toml:3: prices.0.input: found -1, expected at least 0",
            "prices.toml:5: prices.0.from: found \"2024-02-30\", expected a day such as",
            "prices.toml:10: prices.1.input: found 1.5, expected a whole number",
            "prices.toml:11: prices.1.output: found nan, expected a whole number",
            "prices.toml:13: prices.1.sauce: found a key that does not exist, expected one of `cached_input`",
            "prices.toml:8: prices.1: found a table without `source`, expected every key of its kind that config/prices.toml",
            "prices.toml:22: prices.3.match: found \"*/e\", expected one price at a time: prices.2 is for the same models",
            "prices.toml:27: prices.3.cached_input: found 3, expected at most input, which is 2",
            "prices.toml:28: price: found a key that does not exist, expected one of `prices`; did you mean `prices`?",
        ],
    );
}

const MODELS: &str = r#"[[model]]
id = "../etc"
kind = "gguf"
about = "One."
license = "MIT"
source = { local = { path = "/models" } }
[[model.file]]
role = "config"
from = "a.json"
size = "big"
sha256 = "B179"

[[model]]
id = "mine"
kind = "bert"
about = 5
license = "MIT"
source = { hug = { url = "https://example.com/" } }
[[model.file]]
role = "gguf"
from = "m.gguf"
size = 1
sha256 = "aa"
[[model.file]]
role = "gguff"
size = 1
sha256 = "bb"
"#;

#[test]
fn every_wrong_model_is_told_at_its_line() {
    let data = data(&[("models.toml", MODELS.as_bytes())]);
    assert_told(
        &told(data.path()),
        &[
            "models.toml:2: model.0.id: found \"../etc\", expected lowercase letters",
            "models.toml:10: model.0.file.0.size: found \"big\", expected a whole number",
            "models.toml:3: model.0.kind: found \"gguf\", expected a kind of which the files are config; this one has gguf",
            "models.toml:11: model.0.file.0.sha256: found \"B179\", expected 64 lowercase hexadecimal digits",
            "models.toml:15: model.1.kind: found \"bert\", expected one of `gguf`, `static-embedding`, `bert-embedding`",
            "models.toml:16: model.1.about: found 5, expected a string",
            "models.toml:18: model.1.source: found { hug = { url = \"https://example.com/\" } }, expected one of `python`",
            "models.toml:23: model.1.file.0.sha256: found \"aa\", expected 64 lowercase hexadecimal digits",
            "models.toml:25: model.1.file.1.role: found \"gguff\", expected one of `gguf`",
            "models.toml:24: model.1.file.1: found a table without `from`, expected every key of its kind that config/models",
            "models.toml:27: model.1.file.1.sha256: found \"bb\", expected 64 lowercase hexadecimal digits",
        ],
    );
}

#[test]
fn files_that_are_no_text_or_no_toml_are_told_with_their_lines_beside_all_else() {
    let data = data(&[
        ("prices.toml", b"# one\n# two\nsource = \"\xff\"\n"),
        ("models.toml", b"[[model]\n"),
        ("agents/ann.toml", b"name = \"ann\"\n\xc3\x28"),
        ("agents/bob.toml", b"name = \n"),
    ]);
    assert_told(
        &told(data.path()),
        &[
            "prices.toml:3: found bytes that are no UTF-8, expected text in UTF-8",
            "models.toml:1: found what is no TOML",
            "agents/ann.toml:2: found bytes that are no UTF-8, expected text in UTF-8",
            "agents/bob.toml:1: found what is no TOML",
        ],
    );
}

#[test]
fn what_is_right_is_laid_over_what_the_binary_knows() {
    let known = super::super::beside(None, 100).unwrap();
    let own = PRICES.split("[[prices]]").nth(3).unwrap();
    let model = Catalog::BUILT_IN.split("[[model]]").nth(1).unwrap().replace("smollm2-135m-instruct", "mine");
    let (prices, model) = (format!("[[prices]]{own}"), format!("[[model]]{model}"));
    let data = data(&[("prices.toml", prices.as_bytes()), ("models.toml", model.as_bytes())]);
    let both = super::super::beside(Some(data.path()), 100).unwrap();
    assert_eq!(both.prices.rows().count(), known.prices.rows().count() + 1);
    assert_eq!(both.models.models.len(), known.models.models.len() + 1);
    assert!(known.prices.rows().count() > 0 && known.models.models.len() > 1 && known.agents.is_empty());
}

#[test]
fn a_wrong_configuration_is_gone_on_without_what_is_wrong() {
    let data = tempfile::tempdir().unwrap();
    let text = "[router]\ncandidates_most = 7\nfoo = 1\n[api]\nlisten = 5\n[[budgets.limits]]\nscope = \"team:a\"\n";
    std::fs::write(data.path().join("syzygy.toml"), text).unwrap();
    let flag = Flag {
        name: "--data-dir".to_owned(),
        key: "host.data_dir".to_owned(),
        value: data.path().display().to_string(),
    };
    let attempt = attempt(&Inputs { flags: vec![flag], ..Inputs::default() }).unwrap();
    let config = attempt.loaded.unwrap().config;
    assert_eq!((config.router.candidates_most, config.host.data_dir.as_path()), (7, data.path()));
    assert!(attempt.problems.len() >= 4, "{:#?}", attempt.problems);
}

#[test]
fn a_file_that_may_have_said_where_data_is_is_not_gone_on_without() {
    let (_folder, inputs) = with_file("[host\ndata_dir = \"/data\"\n");
    let attempt = attempt(&inputs).unwrap();
    assert!(attempt.loaded.is_none() && !attempt.problems.is_empty());
    let (_folder, inputs) = with_file("[host]\ndata_dir = \"/data\"\n[api]\nlisten = 5\n");
    let attempt = super::super::attempt(&inputs).unwrap();
    let config = attempt.loaded.unwrap().config;
    assert_eq!(config.host.data_dir, Path::new("/data"));
}
