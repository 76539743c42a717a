//! Layers, places and explanations, on the real defaults and on a small configuration with every shape of key.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod beside;
mod impossible;
mod lists;
mod names;
mod profiles;
mod shapes;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::judge::{self, Checked};
use super::tree::{self, Node};
use super::*;
use crate::inference::models::Catalog;

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn flag(name: &str, key: &str, value: &str) -> Flag {
    Flag { name: name.to_owned(), key: key.to_owned(), value: value.to_owned() }
}

/// A folder with a file in it, and inputs that read it with `--config`.
fn with_file(text: &str) -> (tempfile::TempDir, Inputs) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, text).unwrap();
    (folder, Inputs { file: Some(path), environment: pairs(&[("HOME", "/h")]), flags: Vec::new() })
}

fn source_of(loaded: &Loaded, key: &str) -> (String, String) {
    let setting = loaded.explain().into_iter().find(|setting| setting.key == key).unwrap();
    (setting.value, setting.source)
}

#[test]
fn the_defaults_are_a_whole_configuration_and_say_so() {
    let inputs = Inputs { environment: pairs(&[("HOME", "/h")]), ..Inputs::default() };
    let loaded = load(&inputs).unwrap();
    assert_eq!(loaded.config.host.data_dir, Path::new("/h/.local/share/syzygy"));
    assert!(loaded.config.api.listen.ip().is_loopback());
    assert_eq!(source_of(&loaded, "host.data_dir"), ("\"/h/.local/share/syzygy\"".to_owned(), "HOME".to_owned()));
    let others = loaded.explain().into_iter().filter(|setting| setting.key != "host.data_dir");
    assert!(others.map(|setting| setting.source).all(|source| source == "default"));
}

// CF1.
#[test]
fn later_layers_win_and_each_value_says_where_it_came_from() {
    let (_folder, mut inputs) = with_file("[api]\nlisten = \"127.0.0.1:1\"\nrequests_max = 5\nbody_bytes_max = 7\n");
    inputs.environment = pairs(&[
        ("XDG_DATA_HOME", "/x"),
        ("SYZYGY_API__LISTEN", "127.0.0.1:2"),
        ("SYZYGY_API__REQUESTS_MAX", "6"),
        ("SYZYGY_URL", "http://elsewhere"),
        ("PATH", "a__b"),
    ]);
    inputs.flags = vec![flag("--listen", "api.listen", "127.0.0.1:3"), flag("--data-dir", "host.data_dir", "d")];
    let loaded = load(&inputs).unwrap();
    let config = &loaded.config;
    assert_eq!((config.api.listen.port(), config.api.requests_max, config.api.body_bytes_max), (3, 6, 7));
    assert_eq!(config.host.data_dir, Path::new("d"));
    assert_eq!(source_of(&loaded, "api.listen").1, "--listen");
    assert_eq!(source_of(&loaded, "api.requests_max").1, "SYZYGY_API__REQUESTS_MAX");
    let place = format!("{}:4", inputs.file.unwrap().display());
    assert_eq!(source_of(&loaded, "api.body_bytes_max"), ("7".to_owned(), place));
}

// CF2.
#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_place() {
    let text = "[api]\nlisten = \"nowhere\"\nbody_byte_max = 1\nrequests_max = -1\nrequest_timeout_s = 0\n[telemetri]\nlog = 1\n";
    let (_folder, mut inputs) = with_file(text);
    inputs.environment.extend(pairs(&[
        ("SYZYGY_TELEMETRY__FORMAT", "jsn"),
        ("SYZYGY_TELEMETRY__LOG", "a=b=c"),
        ("SYZYGY_API_LISTEN", "127.0.0.1:9"),
        ("SYZYGY_HOST__STOP_TIMEOUT_S", "soon"),
    ]));
    inputs.flags = vec![flag("--listen", "api.listen", "127.0.0.1")];
    let Err(Error::Problems(problems)) = load(&inputs) else { unreachable!() };
    let file = inputs.file.unwrap().display().to_string();
    let said: Vec<String> = problems.iter().map(|problem| problem.to_string().replace(&file, "mine.toml")).collect();
    let expected = [
        "SYZYGY_API_LISTEN: api.listen: found `SYZYGY_API_LISTEN`, expected two underscores between section and key; did you mean `SYZYGY_API__LISTEN`?",
        "mine.toml:3: api.body_byte_max: found a key that does not exist, expected one of `allow_plain`, `allowed_hosts`, `allowed_origins`, `bodies_bytes_max`, `body_bytes_max`, `connections_max`, `connections_per_peer_max`, `drain_s`, `head_bytes_max`, `head_timeout_s`, `headers_max`, `idle_timeout_s`, `json_depth_max`, `keep_alive_s`, `listen`, `read_timeout_s`, `request_cost_max`, `request_timeout_s`, `request_tokens_max`, `requests_max`, `tls`, `token_failures_max`, `token_failures_window_s`, `write_timeout_s`; did you mean `api.body_bytes_max`?",
        "mine.toml:2: api.listen: found \"nowhere\", expected a value that fits (invalid socket address syntax), such as \"127.0.0.1:7171\"",
        "mine.toml:5: api.request_timeout_s: found 0, expected at least 1",
        "mine.toml:4: api.requests_max: found -1, expected a whole number from 0 up, such as 1024",
        "SYZYGY_HOST__STOP_TIMEOUT_S: host.stop_timeout_s: found \"soon\", expected a whole number from 0 up, such as 25",
        "SYZYGY_TELEMETRY__FORMAT: telemetry.format: found \"jsn\", expected `text` or `json`; did you mean `json`?",
        "--listen: api.listen: found \"127.0.0.1\", expected a value that fits (invalid socket address syntax), such as \"127.0.0.1:7171\"",
    ];
    for line in expected {
        assert!(said.iter().any(|text| text == line), "{line}\nis not among\n{said:#?}");
    }
    let section = said.iter().find(|text| text.starts_with("mine.toml:6: telemetri: found a key that does not exist"));
    assert!(section.is_some_and(|text| text.ends_with("did you mean `telemetry`?")), "{said:#?}");
    let log = said
        .iter()
        .find(|text| text.starts_with("SYZYGY_TELEMETRY__LOG: telemetry.log: found \"a=b=c\", expected a level"));
    assert!(log.is_some(), "{said:#?}");
    assert_eq!(said.len(), expected.len() + 2, "{said:#?}");
}

#[test]
fn a_file_that_is_no_toml_is_refused_with_every_error_and_its_line() {
    let (_folder, inputs) = with_file("[api]\nlisten = \n[host\n");
    let Err(error @ Error::Problems(_)) = load(&inputs) else { unreachable!() };
    let text = error.to_string();
    assert!(text.contains("mine.toml:2: found what is no TOML") && text.contains("mine.toml:3: "), "{text}");
    assert_eq!(error.class(), crate::types::Class::Invalid);
    let missing = Inputs { file: Some(PathBuf::from("no/such.toml")), ..Inputs::default() };
    assert_eq!(load(&missing).unwrap_err().class(), crate::types::Class::NotFound);
}

#[test]
fn the_file_in_the_data_directory_is_found_and_cannot_move_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let inputs = Inputs { environment: pairs(&[("SYZYGY_HOST__DATA_DIR", &path)]), ..Inputs::default() };
    assert_eq!(load(&inputs).unwrap().config.api.requests_max, 1_024);
    std::fs::write(folder.path().join(FILE_NAME), "[api]\nrequests_max = 3\n").unwrap();
    assert_eq!(load(&inputs).unwrap().config.api.requests_max, 3);
    let flags = vec![flag("--data-dir", "host.data_dir", &path)];
    let flagged = Inputs { environment: pairs(&[("SYZYGY_HOST__DATA_DIR", "/elsewhere")]), flags, ..Inputs::default() };
    assert_eq!(load(&flagged).unwrap().config.api.requests_max, 3);
    std::fs::write(folder.path().join(FILE_NAME), "[host]\ndata_dir = \"/elsewhere\"\n").unwrap();
    let said = load(&inputs).unwrap_err().to_string();
    assert!(said.contains("syzygy.toml:2: host.data_dir: found it in the file"), "{said}");
}

#[test]
fn the_data_directory_follows_the_platform_and_needs_a_home() {
    let place =
        |said: &str, environment: &[(&str, &str)]| data_dir(Path::new(said), &pairs(environment)).map(|found| found.0);
    let home = ("HOME", "/h");
    assert_eq!(place("", &[home, ("XDG_DATA_HOME", "/x")]), Ok(PathBuf::from("/x/syzygy")));
    assert_eq!(place("", &[home, ("XDG_DATA_HOME", "relative")]), Ok(PathBuf::from("/h/.local/share/syzygy")));
    assert_eq!(place("", &[home, ("XDG_DATA_HOME", "")]), Ok(PathBuf::from("/h/.local/share/syzygy")));
    assert_eq!(place("~/deep/er", &[home]), Ok(PathBuf::from("/h/deep/er")));
    assert_eq!(place("here", &[]), Ok(PathBuf::from("here")));
    assert_eq!(place("", &[]), Err(Error::NoHome));
    assert_eq!(place("~/a", &[("HOME", "")]), Err(Error::NoHome));
}

#[test]
fn a_secret_that_got_into_the_configuration_is_not_repeated() {
    let (_folder, inputs) = with_file("[api]\nlisten = \"password=hunter2-and-more\"\n");
    let said = load(&inputs).unwrap_err().to_string();
    assert!(!said.contains("hunter2") && said.contains("not shown"), "{said}");
}

/// Every shape of key at once: an optional one, a float, a list, a map of tables told apart by `kind`.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shapes {
    ratio: f64,
    names: Vec<String>,
    #[serde(default)]
    extra: Option<String>,
    engines: BTreeMap<String, Engine>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Engine {
    Local { model: String, size: u32 },
    Remote { url: String },
}

impl Checked for Shapes {
    const EXPLAINED: &'static str = "config/default.toml";

    fn impossible(&self) -> Vec<(String, String)> {
        let wrong = self.ratio > 1.0;
        wrong.then(|| ("ratio".to_owned(), "at most 1".to_owned())).into_iter().collect()
    }
}

const SHAPES: &str =
    "ratio = 0.5\nnames = [\"a\", \"b\"]\n[engines.main-one]\nkind = \"local\"\nmodel = \"m\"\nsize = 1\n";

fn shapes(file: &str, environment: &[(&str, &str)]) -> Result<Shapes, Vec<String>> {
    let base = Node::parse(SHAPES, &|_| Source::Default).unwrap();
    let source = |line: usize| Source::File { path: "f".to_owned(), line };
    let said = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let from_file = base.overrides(Node::parse(file, &source).map_err(said)?);
    let with_file = lay(base.clone(), &from_file);
    let (layer, _) = tree::environment_layer(&with_file, &pairs(environment));
    let overrides = [from_file, with_file.overrides(layer)].concat();
    judge::decide::<Shapes>(base, overrides).map(|(shapes, _)| shapes).map_err(said)
}

#[test]
fn variables_take_the_type_of_what_they_replace() {
    let shapes = shapes(
        "",
        &[
            ("SYZYGY_X", "ignored"),
            ("SYZYGY_ENGINES__MAIN_ONE__MODEL", "12"),
            ("SYZYGY_ENGINES__MAIN_ONE__SIZE", "12"),
            ("SYZYGY_ENGINES__SPARE", "{ kind = \"remote\", url = \"u\" }"),
        ],
    )
    .unwrap();
    let main = Engine::Local { model: "12".to_owned(), size: 12 };
    assert_eq!(shapes.engines["main-one"], main);
    assert_eq!(shapes.engines["spare"], Engine::Remote { url: "u".to_owned() });
}

// CF1.
#[test]
fn tables_merge_lists_are_replaced_and_another_kind_begins_anew() {
    let found = shapes("names = []\nextra = \"e\"\nratio = 1\n[engines.main-one]\nsize = 9\n", &[]).unwrap();
    assert_eq!((found.names.len(), found.extra.as_deref(), found.ratio), (0, Some("e"), 1.0));
    assert_eq!(found.engines["main-one"], Engine::Local { model: "m".to_owned(), size: 9 });
    let found = shapes("[engines.main-one]\nkind = \"remote\"\nurl = \"u\"\n", &[]).unwrap();
    assert_eq!(found.engines["main-one"], Engine::Remote { url: "u".to_owned() });
    let found = shapes("[engines.new]\nkind = \"local\"\nmodel = \"n\"\nsize = 2\n", &[]).unwrap();
    assert_eq!(found.engines.len(), 2);
}

#[test]
fn problems_inside_a_new_table_name_their_own_line() {
    let said = shapes("[engines.new]\nkind = \"remote\"\n\nurll = \"u\"\n", &[]).unwrap_err();
    assert_eq!(
        said,
        [
            "f:4: engines.new.urll: found a key that does not exist, expected one of `url`; did you mean `engines.new.url`?"
        ]
    );
    let said = shapes("ratio = 2.0\n[engines.new]\nkind = \"local\"\nmodel = \"n\"\n", &[]).unwrap_err();
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(
        said[0].starts_with("f:2: engines.new: found a table that lacks a key, expected `size` in it"),
        "{said:#?}"
    );
    assert_eq!(said[1], "f:1: ratio: found 2.0, expected at most 1");
}

#[test]
fn the_nearest_name_is_near() {
    let names: Vec<String> = ["listen", "requests_max", "log"].map(str::to_owned).to_vec();
    assert_eq!(judge::nearest("lisen", &names), Some("listen"));
    assert_eq!(judge::nearest("request_max", &names), Some("requests_max"));
    assert_eq!(judge::nearest("logs", &names), Some("log"));
    assert_eq!(judge::nearest("entirely", &names), None);
}

#[test]
fn a_processor_that_lacks_what_the_binary_needs_is_named() {
    assert_eq!(cpu_check(), Ok(()));
    let said = cpu::verdict(&["avx2", "fma"]).unwrap_err();
    assert!(said.contains("avx2, fma") && said.starts_with("could not start"), "{said}");
    // The processor answers by itself: the standard library may only be asked where it does not answer from the flags.
    #[cfg(all(target_arch = "x86_64", not(target_feature = "avx2")))]
    for (name, _, here) in cpu::features() {
        let known = match name {
            "avx2" => std::is_x86_feature_detected!("avx2"),
            "fma" => std::is_x86_feature_detected!("fma"),
            _ => here,
        };
        assert_eq!(here, known, "{name}");
    }
}

/// A data directory with these agents.
fn with_agents(files: &[(&str, &str)]) -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    std::fs::create_dir(data.path().join("agents")).unwrap();
    for (name, text) in files {
        std::fs::write(data.path().join("agents").join(name), text).unwrap();
    }
    data
}

#[test]
fn agents_are_read_in_order_and_other_files_are_left_alone() {
    let marvin = include_str!("../../../config/agents/marvin.toml");
    let bob = marvin.replace("name = \"marvin\"", "name = \"bob\"");
    let data = with_agents(&[("b.toml", &bob), ("a.toml", marvin), ("notes.txt", "no agent")]);
    let names = |agents: Vec<crate::actors::agent::Profile>| -> Vec<String> {
        agents.into_iter().map(|agent| agent.name).collect()
    };
    assert_eq!(names(agents_in(data.path(), 100).unwrap()), ["marvin", "bob"]);
    assert_eq!(names(bundled_agents().unwrap()), ["marvin", "zoi", "zerene"]);
    assert!(agents_in(&data.path().join("nowhere"), 100).unwrap().is_empty());
}

#[test]
fn more_agents_than_may_be_candidates_are_refused_before_any_is_read() {
    let data = with_agents(&[("a.toml", "not read"), ("b.toml", "nor this"), ("c.toml", "")]);
    let error = agents_in(data.path(), 2).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("agents: found 3 agents, expected at most 2 (router.candidates_most)"), "{said}");
    assert_eq!(error.class(), crate::types::Class::Invalid);
}

#[test]
fn two_files_of_one_name_are_refused_and_one_of_a_bundled_name_is_meant() {
    let marvin = include_str!("../../../config/agents/marvin.toml");
    let bob = marvin.replace("name = \"marvin\"", "name = \"bob\"");
    let data = with_agents(&[("a.toml", &bob), ("b.toml", marvin), ("c.toml", &format!("\n{bob}"))]);
    let Err(Error::Problems(problems)) = agents_in(data.path(), 100) else { panic!("two are called bob") };
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("c.toml:3: name: found \"bob\"") && told[0].contains("a.toml:2 too"), "{told:#?}");
}

#[test]
fn what_an_agent_offers_is_words_each_once_and_its_weight_what_the_api_takes() {
    let marvin = include_str!("../../../config/agents/marvin.toml");
    let offers = marvin.lines().find(|line| line.starts_with("capabilities")).unwrap();
    let rows = [
        ("capabilities = [\"a/b\", \"\"]", "instead of \"a/b\""),
        ("capabilities = [\"general\", \"\"]", "instead of \"\""),
        ("capabilities = [\"GENERAL\"]", "instead of \"GENERAL\""),
        ("capabilities = [\"general\", \"code\", \"general\"]", "\"general\" once"),
        ("capabilities = []", "at least one"),
    ];
    for (line, expected) in rows {
        let problems = agents::profile("f", &marvin.replace(offers, line)).unwrap_err();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(told[0].starts_with("f:10: capabilities: found [") && told[0].contains(expected), "{told:#?}");
    }
    let heavy = agents::profile("f", &marvin.replace("weight = 100", "weight = 4294967295")).unwrap_err();
    assert!(heavy[0].to_string().contains("weight: found 4294967295, expected from 0 to 1000"), "{heavy:#?}");
    assert!(agents::profile("f", &marvin.replace("weight = 100", "weight = 1000")).is_ok());
}

#[test]
fn every_problem_of_every_agent_is_told_at_once_with_its_file_and_line() {
    let marvin = include_str!("../../../config/agents/marvin.toml");
    let wrong = marvin
        .replace("name = \"marvin\"", "name = \"Marvin\"")
        .replace("quality = 0.5", "quality = 5.0")
        .replace("concurrency = 16", "concurency = 16")
        .replace("max_turns = 8", "max_turns = \"many\"");
    let data = with_agents(&[("broken.toml", "name = \n"), ("wrong.toml", &wrong)]);
    let Err(Error::Problems(problems)) = agents_in(data.path(), 100) else { panic!("they are wrong") };
    let line = |start: &str| wrong.lines().position(|line| line.starts_with(start)).unwrap() + 1;
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let expected = [
        ("broken.toml:1: found what is no TOML".to_owned(), ""),
        (format!("wrong.toml:{}: name: found \"Marvin\"", line("name")), "lowercase letters"),
        (format!("wrong.toml:{}: quality: found 5.0", line("quality")), "a number from 0 to 1"),
        (format!("wrong.toml:{}: concurency: found a key that does not exist", line("concurency")), "`concurrency`?"),
        (format!("wrong.toml:{}: max_turns: found \"many\"", line("max_turns")), "a whole number from 0 up"),
        ("wrong.toml:1: found an agent without `concurrency`, expected".to_owned(), "config/agents/marvin.toml"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (place, more) in expected {
        assert!(told.iter().any(|one| one.contains(&place) && one.contains(more)), "{place} is not in {told:#?}");
    }
}

#[test]
fn values_that_cannot_work_are_found_in_every_section_at_once() {
    let text = "[store]\nevent_bytes_max = 0\n[runtime]\nwaiting = 0\n[executor]\nconcurrency = 0\n[router]\nwaiting = 0\n\
                [crown]\nwatch_every_s = 0\n[io]\npool = 0\n[memory]\nsame_above = 1.5\n[models]\npip = []\n\
                [inference.embedded]\nqueue = 0\n[inference.runtimes.lab]\nkind = \"openai\"\nmodel = \"m\"\n\
                base_url = \"lab\"\ntier = \"local\"\ntools = false\ncontext_tokens = 1\nmax_tokens = 1\n\
                price = { input = 0, output = 0 }\n[ziggy.chunk]\nmax_tokens = 1\n[ziggy.live]\nreuse = 9000\n\
                [api]\ndrain_s = 25\ntls = { certificate = \"c.pem\" }\nallowed_origins = [\"console\"]\n";
    let (_folder, inputs) = with_file(text);
    let Err(Error::Problems(problems)) = load(&inputs) else { unreachable!() };
    let file = inputs.file.unwrap().display().to_string();
    let said: Vec<String> = problems.iter().map(|problem| problem.to_string().replace(&file, "mine.toml")).collect();
    let expected = [
        "mine.toml:2: store.event_bytes_max: found 0, expected at least 1",
        "mine.toml:4: runtime.waiting: found 0, expected at least 1",
        "mine.toml:6: executor.concurrency: found 0, expected at least 1",
        "mine.toml:8: router.waiting: found 0, expected at least 1",
        "mine.toml:10: crown.watch_every_s: found 0, expected at least 1",
        "mine.toml:12: io.pool: found 0, expected at least 1",
        "mine.toml:14: memory.same_above: found 1.5, expected a number from 0 to 1",
        "mine.toml:16: models.pip: found [], expected at least one command, each with its program first",
        "mine.toml:18: inference.embedded.queue: found 0, expected at least 1",
        "mine.toml:22: inference.runtimes.lab.base_url: found \"lab\", expected a URL such as `http://127.0.0.1:8080/v1`",
        "mine.toml:29: ziggy.chunk.max_tokens: found 1, expected at least 16",
        "mine.toml:31: ziggy.live.reuse: found 9000, expected less than ziggy.live.suppress, which is 2500",
        "mine.toml:33: api.drain_s: found 25, expected less than host.stop_timeout_s, which is 25",
        "mine.toml:34: api.tls.certificate: found \"c.pem\", expected a value with which api.tls.key can stay as it is (a file in PEM form, since the other half is named)",
        "mine.toml:35: api.allowed_origins: found [\"console\"], expected scheme and name without a path, such as `https://syzygy.example`",
    ];
    for line in expected {
        assert!(said.iter().any(|text| text == line), "{line}\nis not among\n{said:#?}");
    }
}

/// What is told of this file, with these variables, its own name left out.
fn told(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let (_folder, mut inputs) = with_file(text);
    inputs.environment.extend(pairs(environment));
    let Err(Error::Problems(problems)) = load(&inputs) else { panic!("nothing is wrong with {text}") };
    let file = inputs.file.unwrap().display().to_string();
    problems.iter().map(|problem| problem.to_string().replace(&file, "f")).collect()
}

#[test]
fn everything_that_a_new_runtime_lacks_or_has_wrong_is_said_at_once() {
    let text = "[inference.runtimes.lab]\nkind = \"openai\"\nmodel = 3\ncontext_tokens = \"many\"\nbase_ulr = \"u\"\n\
                price = { input = 1.5 }\n[inference.runtimes.lab.child]\ncommand = \"llama\"\nready_timeout_s = -1\n\
                [inference.runtimes.spare]\nkind = \"scripted\"\n[inference.runtimes.odd]\nkind = \"openia\"\n\
                [inference.runtimes.bare]\nmodel = \"m\"\n[io]\npool = 0\n";
    let every = "expected every key of its kind that config/default.toml explains";
    let mut expected = vec![
        "f:3: inference.runtimes.lab.model: found 3, expected a string, such as \"model\"".to_owned(),
        "f:4: inference.runtimes.lab.context_tokens: found \"many\", expected a whole number from 0 up, such as 4096".to_owned(),
        "f:6: inference.runtimes.lab.price.input: found 1.5, expected a whole number, such as 0".to_owned(),
        "f:9: inference.runtimes.lab.child.ready_timeout_s: found -1, expected a whole number from 0 up, such as 60".to_owned(),
        "f:12: inference.runtimes.odd: found { kind = \"openia\" }, expected one of `embedded`, `openai`, `scripted`; did you mean `openai`?".to_owned(),
        "f:14: inference.runtimes.bare: found a table that lacks a key, expected `kind` in it".to_owned(),
        "f:17: io.pool: found 0, expected at least 1".to_owned(),
        format!("f:1: inference.runtimes.lab: found a table without `base_url`, `max_tokens`, `tier`, `tools`, {every}"),
        format!("f:6: inference.runtimes.lab.price: found a table without `output`, {every}"),
        format!("f:7: inference.runtimes.lab.child: found a table without `ready_url`, `stop_grace_s`, {every}"),
        format!("f:10: inference.runtimes.spare: found a table without `answer`, `tier`, {every}"),
    ];
    let (misspelt, mut said): (Vec<_>, Vec<_>) = told(text, &[]).into_iter().partition(|one| one.contains("base_ulr"));
    assert!(
        misspelt.len() == 1 && misspelt[0].ends_with("did you mean `inference.runtimes.lab.base_url`?"),
        "{misspelt:?}"
    );
    said.sort();
    expected.sort();
    assert_eq!(said, expected);
}

#[test]
fn what_one_layer_lacks_another_may_have_and_another_kind_is_judged_as_that() {
    let variable = "SYZYGY_INFERENCE__RUNTIMES__LAB__ANSWER";
    let text =
        "[inference.runtimes.lab]\nkind = \"scripted\"\n[inference.runtimes.local]\nkind = \"openai\"\nmodel = \"m\"\n";
    let said = told(text, &[(variable, "yes")]);
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(said[0].starts_with("f:1: inference.runtimes.lab: found a table without `tier`, "), "{said:#?}");
    let lacks = "f:3: inference.runtimes.local: found a table without `base_url`, `context_tokens`, `max_tokens`, `tier`, `tools`, ";
    assert!(said[1].starts_with(lacks), "{said:#?}");
    let said = told("inference.runtimes.local.price = 3\n", &[]);
    assert_eq!(said, ["f:1: inference.runtimes.local.price: found 3, expected a table"]);
}

#[test]
fn every_kind_of_runtime_has_an_example_and_each_of_its_keys_is_explained() {
    let kinds = told("[inference.runtimes.lab]\nkind = \"none\"\n", &[]).remove(0);
    let mut known: Vec<&str> = kinds.split('`').skip(1).step_by(2).collect();
    for example in inference::RuntimeConfig::examples() {
        let table = toml::Table::try_from(&example).unwrap();
        known.retain(|kind| *kind != table["kind"].as_str().unwrap());
        let child = table.get("child").and_then(toml::Value::as_table).cloned().unwrap_or_default();
        for key in table.keys().chain(child.keys()).filter(|key| *key != "child") {
            assert!(
                DEFAULTS.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{key} ="))),
                "{key}"
            );
        }
    }
    assert!(known.is_empty(), "{known:?} have no example");
}

#[test]
fn a_runtime_reads_at_least_texts_and_only_what_there_is() {
    let scripted = "[inference.runtimes.lab]\nkind = \"scripted\"\nanswer = \"Yes.\"\ntier = \"local\"\n";
    let blind = told(&format!("{scripted}modalities = [\"image\"]\n"), &[]);
    let expected = r#"f:5: inference.runtimes.lab.modalities: found ["image"], expected a list with "text" in it"#;
    assert_eq!(blind, [expected]);
    let unknown = told(&format!("{scripted}modalities = [\"text\", \"smell\"]\n"), &[]);
    assert!(unknown.len() == 1 && unknown[0].contains("smell") && unknown[0].contains("`audio`"), "{unknown:?}");
}

#[test]
fn something_else_in_the_place_of_the_data_directory_is_told_with_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("file");
    std::fs::write(&place, "").unwrap();
    let path = place.display().to_string();
    let said = told("[io]\npool = 0\n", &[("SYZYGY_HOST__DATA_DIR", &path)]);
    assert_eq!(said.len(), 2, "{said:#?}");
    let expected =
        format!("SYZYGY_HOST__DATA_DIR: host.data_dir: found {path:?}, which is no directory, expected a directory");
    assert!(said[1].starts_with(&expected), "{said:#?}");
    let inputs = Inputs { flags: vec![flag("--data-dir", "host.data_dir", &path)], ..Inputs::default() };
    assert!(load(&inputs).unwrap_err().to_string().contains("--data-dir: host.data_dir"));
}
