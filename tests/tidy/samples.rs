//! A bad house for every rule, and the line it must be caught on; beside each, a good one it must leave alone.

use super::RULES;
use super::source::File;

/// Files by path and text.
type House = &'static [(&'static str, &'static str)];

struct Sample {
    rule: &'static str,
    bad: House,
    /// Where the rule must complain, and with which words.
    caught: &'static [(&'static str, usize, &'static str)],
    good: House,
}

const SAMPLES: &[Sample] = &[
    Sample {
        rule: "layers",
        bad: &[
            (
                "src/store/mod.rs",
                "//! x\nuse crate::{types::Hash, ziggy::Plan};\nfn f() { let _ = crate::inference::f(); }\n",
            ),
            ("src/ziggy/fib.rs", "//! x\nuse super::super::memory::Recall;\nmac!(crate::rat::why());\n"),
            ("src/types/ids.rs", "//! x\nfn f() -> crate::config::Config { crate::Host::x() }\n"),
            ("src/newcomer.rs", "//! x\n"),
            ("src/telemetry/mod.rs", "//! x\nmod deep { use super::super::tds; }\n"),
            ("src/supervision/kit.rs", "//! x\nuse crate::cluster;\nuse crate::*;\n"),
            ("src/api/mod.rs", "//! x\nuse crate::cli::Verb;\n"),
        ],
        caught: &[
            ("src/store/mod.rs", 2, "above"),
            ("src/store/mod.rs", 3, "sibling `inference`"),
            ("src/ziggy/fib.rs", 2, "sibling `memory`"),
            ("src/ziggy/fib.rs", 3, "sibling `rat`"),
            ("src/types/ids.rs", 2, "which is the root"),
            ("src/types/ids.rs", 2, "`crate::Host`"),
            ("src/newcomer.rs", 1, "has no layer"),
            ("src/telemetry/mod.rs", 2, "sibling `tds`"),
            ("src/supervision/kit.rs", 2, "above"),
            ("src/supervision/kit.rs", 3, "`crate::*`"),
            ("src/api/mod.rs", 2, "above"),
        ],
        good: &[
            (
                "src/store/mod.rs",
                "//! crate::ziggy in prose\nuse crate::types::Hash;\nconst T: &str = \"crate::ziggy::x\";\n",
            ),
            ("src/store/sqlite/tests.rs", "//! x\nuse super::super::Error;\nuse crate::store::event;\n"),
            ("src/host_tree.rs", "//! x\nuse crate::{config, actors, store};\n"),
            ("src/main.rs", "//! x\nuse syzygy::config;\n"),
            (
                "src/rat/mod.rs",
                "//! x\nuse crate::types::{self, Hash as memory, RunId as ziggy};\nuse crate::{types as flow};\n",
            ),
            ("src/actors/io/mod.rs", "//! x\nuse crate::{supervision, cluster, ziggy, store, types};\n"),
        ],
    },
    Sample {
        rule: "actor-order",
        bad: &[
            ("src/actors/agent/state.rs", "//! x\nuse crate::actors::router::Handle;\n"),
            ("src/actors/executor/mod.rs", "//! x\nuse super::{io, runtime};\n"),
            ("src/actors/shared.rs", "//! x\nuse super::io::Handle;\n"),
        ],
        caught: &[
            ("src/actors/agent/state.rs", 2, "`agent` names `router`"),
            ("src/actors/executor/mod.rs", 2, "`executor` names `io`"),
            ("src/actors/shared.rs", 2, "`shared` names `io`"),
        ],
        good: &[
            (
                "src/actors/io/handle.rs",
                "//! x\nuse crate::actors::{router::Handle, agent, shared::Kit};\nuse super::state;\n",
            ),
            ("src/actors/agent/actor.rs", "//! x\nuse crate::actors::runtime;\nuse super::super::executor;\n"),
        ],
    },
    Sample {
        rule: "libraries",
        bad: &[
            ("src/ziggy/mod.rs", "//! x\nuse sqlx::Row;\n#[derive(clap::Parser)]\nstruct A;\n"),
            ("src/store/mod.rs", "//! x\nfn f() { let _ = ::ractor::cast!(a, b); }\nuse tokenizers as t;\n"),
            ("src/host.rs", "//! x\nuse {std::fmt, axum::Router};\n"),
        ],
        caught: &[
            ("src/ziggy/mod.rs", 2, "only store may"),
            ("src/ziggy/mod.rs", 3, "names `clap`"),
            ("src/store/mod.rs", 2, "names `ractor`"),
            ("src/store/mod.rs", 3, "names `tokenizers`"),
            ("src/host.rs", 2, "names `axum`"),
        ],
        good: &[
            ("src/store/sqlite.rs", "//! sqlx::x\nuse sqlx::{Row, query};\nlet x = self.axum::<u8>();\n"),
            ("src/ziggy/mod.rs", "//! x\nfn f() { let regex = 1; a::regex::b(); }\n"),
        ],
    },
    Sample {
        rule: "library-table",
        bad: &[(
            "Cargo.toml",
            "[dependencies]\nserde = \"1\"\nleftpad = \"1\" # why\n[dev-dependencies]\ninsta = \"1\"\n",
        )],
        caught: &[("Cargo.toml", 3, "`leftpad` is new"), ("Cargo.toml", 1, "`sqlx` has a row")],
        good: &[],
    },
    Sample {
        rule: "parses",
        bad: &[("src/a.rs", "//! x\nfn f( {\n")],
        caught: &[("src/a.rs", 2, "does not parse")],
        good: &[("src/a.rs", "//! x\nfn f() {}\n")],
    },
    Sample {
        rule: "headers",
        bad: &[("src/a.rs", "// x\n"), ("benches/b.rs", "\n//! x\n"), ("examples/c.rs", "")],
        caught: &[("src/a.rs", 1, "no header"), ("benches/b.rs", 1, "no header"), ("examples/c.rs", 1, "no header")],
        good: &[("src/a.rs", "//! Why this exists.\n"), ("config/a.toml", "a = 1\n")],
    },
    Sample {
        rule: "tests-beside",
        bad: &[("src/a.rs", "//! x\nmod tests {\n}\n"), ("src/b.rs", "//! x\n#[cfg(test)]\nmod cases {}\n")],
        caught: &[("src/a.rs", 2, "move them"), ("src/b.rs", 3, "move them")],
        good: &[
            ("src/a.rs", "//! x\n#[cfg(test)]\nmod tests;\nmod inner { fn f() {} }\n"),
            ("tests/it/main.rs", "mod tests {}\n"),
        ],
    },
    Sample {
        rule: "actor-files",
        bad: &[("src/actors/io/actor.rs", ""), ("src/actors/io/mod.rs", ""), ("src/actors/jester/actor.rs", "")],
        caught: &[
            ("src/actors/io/actor.rs", 1, "no message.rs"),
            ("src/actors/jester/actor.rs", 1, "no place in the order"),
        ],
        good: &[
            ("src/actors/io/actor.rs", ""),
            ("src/actors/io/mod.rs", ""),
            ("src/actors/io/message.rs", ""),
            ("src/actors/io/state/mod.rs", ""),
            ("src/actors/io/handle.rs", ""),
            ("src/actors/io/tests/mod.rs", ""),
            ("src/actors/shared.rs", ""),
        ],
    },
    Sample {
        rule: "unfinished",
        bad: &[
            ("src/a.rs", "//! x\n// TODO later\n/// FIXME\nfn f() { dbg!(1); }\n"),
            ("tests/b.rs", "//! XXX\nfn f() { let s = \"a\"; /* HACK */ todo!() }\n"),
        ],
        caught: &[
            ("src/a.rs", 2, "TODO"),
            ("src/a.rs", 3, "FIXME"),
            ("src/a.rs", 4, "dbg!"),
            ("tests/b.rs", 1, "XXX"),
            ("tests/b.rs", 2, "HACK"),
            ("tests/b.rs", 2, "todo!"),
        ],
        good: &[(
            "src/a.rs",
            "//! METHOD and TODOS\nconst A: &str = \"TODO é dbg!\"; // fine\nfn f() { my_todo!(); }\n",
        )],
    },
    Sample {
        rule: "ignored-tests",
        bad: &[(
            "src/a/tests.rs",
            "//! x\n#[test]\n#[ignore]\nfn f() {}\n#[ignore = \"slow\"]\nfn g() {}\n#[cfg_attr(a, ignore)]\nfn h() {}\n",
        )],
        caught: &[("src/a/tests.rs", 3, "ignored"), ("src/a/tests.rs", 5, "ignored"), ("src/a/tests.rs", 7, "ignored")],
        good: &[("src/a/tests.rs", "//! x\n#[test]\nfn ignore() { let ignore = [1]; }\n#[arg(ignore)]\nstruct A;\n")],
    },
    Sample {
        rule: "sleeping-tests",
        bad: &[
            ("src/a/tests.rs", "//! x\nfn f() { tokio::time::sleep(d).await; }\n"),
            ("src/a/tests/one.rs", "//! x\nuse std::thread::sleep;\nfn f() { select! { _ = sleep(d) => {} } }\n"),
            (
                "src/b/tests/mod.rs",
                "//! x\n#[tokio::test]\nasync fn g() {}\n#[tokio::test(start_paused = true)]\nasync fn h() { sleep(d).await; }\n",
            ),
            ("src/d/tests/mod.rs", "//! x\n#[tokio::test]\nasync fn g() {}\n"),
            ("src/d/tests/fake.rs", "//! x\nasync fn f() { sleep(d).await; }\n"),
            ("src/c/tests.rs", "//! x\n#[tokio::test(start_paused = true)]\nasync fn f() { std::thread::sleep(d); }\n"),
            ("tests/it/b.rs", "//! x\nfn f() { thread::sleep(d); tokio::time::sleep_until(d); }\n"),
        ],
        caught: &[
            ("src/a/tests.rs", 2, "`sleep`"),
            ("src/a/tests/one.rs", 3, "`sleep`"),
            ("src/b/tests/mod.rs", 5, "`sleep`"),
            ("src/d/tests/fake.rs", 2, "`sleep`"),
            ("src/c/tests.rs", 3, "`sleep`"),
            ("tests/it/b.rs", 2, "`sleep`"),
            ("tests/it/b.rs", 2, "`sleep_until`"),
        ],
        good: &[
            ("src/a/mod.rs", "//! x\nfn f() { tokio::time::sleep(d).await; }\n"),
            ("src/a/tests.rs", "//! x\nfn f() { tokio::time::advance(d).await; }\n"),
            ("src/b/tests/one.rs", "//! x\n#[tokio::test(start_paused = true)]\nasync fn f() {}\n"),
            ("src/b/tests/fake.rs", "//! x\nasync fn f() { tokio::time::sleep(d).await; }\n"),
        ],
    },
    Sample {
        rule: "config-keys",
        bad: &[
            (
                "config/default.toml",
                "# Why.\na = 1\nb = 2\n# About b.\n[b]\nc = { d = 1 }\n# Here.\ne = [\n  1,\n]\n[f]\na = 1\n",
            ),
            ("config/models.toml", "[[m]]\n# Why.\na = 1\n[[m]]\na = 2\nz = 1\n"),
            ("config/broken.toml", "a = \n"),
            ("config/agents/x.toml", "lonely = 1\n"),
        ],
        caught: &[
            ("config/models.toml", 6, "`z`"),
            ("config/broken.toml", 1, "does not parse"),
            ("config/agents/x.toml", 1, "`lonely`"),
        ],
        good: &[
            ("config/default.toml", "# Why.\na = 1\n[b]\n# Two lines\n# of why.\nc = { d = 1 }\n"),
            ("config/agents/x.toml", "# Why.\nname = 1\n"),
            ("config/agents/y.toml", "name = 1\n"),
            ("rustfmt.toml", "a = 1\n"),
        ],
    },
    Sample {
        rule: "machine-paths",
        bad: &[
            ("src/a.rs", "//! x\nconst A: &str = \"/tmp/x\";\n"),
            ("docs/a.md", "see /home/me/x\n"),
            ("Makefile", "a:\n\tls /root/x\n"),
        ],
        caught: &[("src/a.rs", 2, "/tmp/"), ("docs/a.md", 1, "/home/"), ("Makefile", 2, "/root/")],
        good: &[("src/a.rs", "//! x\nconst A: &str = \"a/tmp/x\"; // ~/work/b\n"), ("tests/a.rs", "\"/tmp/x\"\n")],
    },
    Sample {
        rule: "words",
        bad: &[("README.md", "A\nblazing thing, Seamless and powerful.\n")],
        caught: &[("README.md", 2, "`blazing`"), ("README.md", 2, "`seamless`"), ("README.md", 2, "`powerful`")],
        good: &[("README.md", "The robustness of a trailblazing horse.\n"), ("src/a.rs", "//! powerful\n")],
    },
    Sample {
        rule: "promises",
        bad: &[
            (
                "docs/semantics.md",
                "1. **A.** `t::it_holds`\n2. **B.**\n## C\n`it_holds`\n2. **D.** `t::it_held`,\n `it_holds`\n",
            ),
            ("tests/it/t.rs", "//! x\nfn it_holds() {}\n"),
            ("src/a.rs", "//! x\nfn it_held() {}\n"),
        ],
        caught: &[
            ("docs/semantics.md", 2, "names no test"),
            ("docs/semantics.md", 5, "there twice"),
            ("docs/semantics.md", 5, "t::it_held"),
        ],
        good: &[
            ("docs/semantics.md", "1. **A.** It is\n   `t::it_holds`\n3. **B.** `a.b` and `it_holds`.\n"),
            ("src/a/tests.rs", "//! x\nasync fn it_holds() {}\n"),
        ],
    },
    Sample {
        rule: "invariants",
        bad: &[
            ("src/a/mod.rs", "//! x\n//!\n//! - AB1: it holds.\n//! - AB2: this too.\n"),
            ("src/b/mod.rs", "//! x\n//! - AB1: another.\n//! - AB3: in code only.\n"),
            ("src/b/tests.rs", "//! x\n// AB1.\nfn f() { let _ = AB3; }\n"),
        ],
        caught: &[
            ("src/a/mod.rs", 4, "cited by no test"),
            ("src/b/mod.rs", 2, "at src/a/mod.rs:3 already"),
            ("src/b/mod.rs", 3, "cited by no test"),
        ],
        good: &[
            ("src/a/mod.rs", "//! - AB1: x.\n//! - AB2: x.\n//! - AB3: x.\n//! - C1: x.\n//! - no number: x.\n"),
            ("src/a/tests.rs", "//! AB1 to AB3.\nfn f() { assert!(true, \"C1\"); }\n"),
        ],
    },
];

fn house(files: impl IntoIterator<Item = (&'static str, String)>) -> Vec<File> {
    files.into_iter().map(|(path, text)| File { path: path.to_owned(), text }).collect()
}

fn owned(files: House) -> Vec<File> {
    house(files.iter().map(|(path, text)| (*path, (*text).to_owned())))
}

/// What a rule says of these files, one complaint a line.
fn judge(rule: &str, files: &[File]) -> Vec<String> {
    let rule = RULES.iter().find(|known| known.name == rule).unwrap_or_else(|| panic!("no rule is named {rule}"));
    (rule.check)(files).iter().map(ToString::to_string).collect()
}

#[test]
fn every_rule_catches_its_bad_house_and_leaves_the_good_one_alone() {
    for sample in SAMPLES {
        let said = judge(sample.rule, &owned(sample.bad));
        for (path, line, words) in sample.caught {
            let place = format!("{path}:{line}: ");
            let caught = said.iter().any(|text| text.starts_with(&place) && text.contains(words));
            assert!(caught, "{}: nothing like {words:?} at {place}in {said:#?}", sample.rule);
        }
        let said = judge(sample.rule, &owned(sample.good));
        assert!(said.is_empty(), "{}: {said:#?}", sample.rule);
    }
}

#[test]
fn every_rule_has_a_bad_house() {
    // The two length rules are shown below with generated text.
    let shown = |name: &str| name.ends_with("-length") || SAMPLES.iter().any(|sample| sample.rule == name);
    let unshown: Vec<&str> = RULES.iter().map(|rule| rule.name).filter(|name| !shown(name)).collect();
    assert!(unshown.is_empty(), "{unshown:?}");
}

#[test]
fn files_of_500_lines_and_functions_of_70_pass_and_one_line_more_does_not() {
    let file = |lines: usize| house([("src/a.rs", "//! x\n".repeat(lines))]);
    assert!(judge("file-length", &file(500)).is_empty());
    assert_eq!(judge("file-length", &file(501)), ["src/a.rs:501: 501 lines, at most 500; split it by subject"]);

    let function = |lines: usize| {
        let body = "\n".repeat(lines - 1);
        house([("src/a.rs", format!("//! x\nimpl A {{\n/// Doc.\n#[inline]\npub fn long() {{{body}}}\n}}\n"))])
    };
    assert!(judge("function-length", &function(70)).is_empty());
    let said = judge("function-length", &function(71));
    assert_eq!(said, ["src/a.rs:5: `long` has 71 lines, at most 70; name its parts"]);
}

#[test]
fn every_undocumented_key_of_the_defaults_is_named_once() {
    let bad =
        SAMPLES.iter().find(|sample| sample.rule == "config-keys").map(|sample| owned(sample.bad)).unwrap_or_default();
    let defaults: Vec<File> = bad.into_iter().filter(|file| file.path == "config/default.toml").collect();
    // `b = 2` beside `[b]` is the mistake TOML itself refuses; without it every key is judged.
    let text = defaults[0].text.replace("b = 2\n", "");
    let said = judge("config-keys", &house([("config/default.toml", text)]));
    let places: Vec<&str> = said.iter().filter_map(|text| text.split(" is not").next()).collect();
    assert_eq!(places, ["config/default.toml:5: `c`", "config/default.toml:11: `a`"]);
}
