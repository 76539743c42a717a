//! The referee of the house: reads the repository as text and fails with `file:line`, what is wrong and what to do.
//!
//! One crate has no compiler help for layers, and no lint knows what our config files must explain. Every rule is a
//! function over [`source::File`]s, so that `samples` can show each rule a bad house and see it complain: a rule that
//! cannot fire is noticed. There is no list of exemptions; a rule that needs one is wrong and is changed here.

#![expect(clippy::panic, reason = "a failed test panics")]

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/invariants.rs"]
mod invariants;
#[path = "tidy/samples.rs"]
mod samples;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tables.rs"]
mod tables;
#[path = "tidy/texts.rs"]
mod texts;

use source::{Complaint, File};

/// A rule of the house: its name, and what it finds wrong in all files together.
pub(crate) struct Rule {
    /// Short name, printed with each complaint.
    pub(crate) name: &'static str,
    /// Reads every file, complains about some.
    pub(crate) check: fn(&[File]) -> Vec<Complaint>,
}

/// Every rule. `samples` must hold a bad example of each.
pub(crate) const RULES: &[Rule] = &[
    Rule { name: "layers", check: imports::layers },
    Rule { name: "actor-order", check: imports::actor_order },
    Rule { name: "libraries", check: imports::libraries },
    Rule { name: "library-table", check: imports::library_table },
    Rule { name: "parses", check: shape::parses },
    Rule { name: "headers", check: shape::headers },
    Rule { name: "file-length", check: shape::file_length },
    Rule { name: "function-length", check: shape::function_length },
    Rule { name: "tests-beside", check: shape::tests_beside },
    Rule { name: "actor-files", check: shape::actor_files },
    Rule { name: "unfinished", check: shape::unfinished },
    Rule { name: "ignored-tests", check: shape::ignored_tests },
    Rule { name: "sleeping-tests", check: shape::sleeping_tests },
    Rule { name: "config-keys", check: texts::config_keys },
    Rule { name: "machine-paths", check: texts::machine_paths },
    Rule { name: "words", check: texts::words },
    Rule { name: "promises", check: documents::promises },
    Rule { name: "invariants", check: invariants::invariants },
];

#[test]
fn the_house_is_tidy() {
    let files = source::read_repository();
    assert!(files.iter().any(|file| file.path == "src/lib.rs"), "the repository was not found");
    let mut report = String::new();
    for rule in RULES {
        for complaint in (rule.check)(&files) {
            report.push_str(&format!("{complaint} [{}]\n", rule.name));
        }
    }
    assert!(report.is_empty(), "\n{report}");
}
