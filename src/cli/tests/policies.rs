//! What is wrong with the policies of a description, at its place in the file.

use crate::cli::policies::wrong;
use crate::tds::{Format, canonical, read};

/// A tool with these lines in its table of policies.
fn described(rules: &str) -> String {
    format!(
        r#"tds = 1
id = "text.count"
name = "Count"
version = "1.0.0"
description = "Counts the words of a text and says how many there are."
capabilities = ["query"]
side_effects = "none"
isolation = "jail"

[interface.input]
type = "object"
required = ["text"]
properties.text = {{ type = "string" }}

[interface.output]
type = "object"

[run.program]
argv = ["tool"]

[policy]
rules = {rules}
"#
    )
}

fn told(format: Format, text: &str) -> Vec<String> {
    let checked = read(format, text).unwrap_or_else(|report| panic!("{report}"));
    wrong(text, &checked.tool, &checked.document).problems.iter().map(ToString::to_string).collect()
}

const GOOD: &str = "@id(\"no-drafts\") @because(\"a test\")\nforbid (principal, action == Action::\"invoke\", resource)\n\
                    when { context.args.text like \"DRAFT*\" };";

#[test]
fn policies_of_a_description_are_typed_and_what_is_wrong_has_its_place_in_the_file() {
    assert_eq!(told(Format::Toml, &described(&format!("'''\n{GOOD}\n'''"))), Vec::<String>::new());
    let wrong = GOOD.replace("context.args.text", "context.args.txt");
    // `rules` stands in line 22; the condition is in the third line of the policies, from its eighth column on.
    for (opening, line) in [("'''\n", 25), ("'''", 24)] {
        let found = told(Format::Toml, &described(&format!("{opening}{wrong}\n'''")));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with(&format!("{line}:8: error: policy.rules: policy text.count/no-drafts: ")),
            "{found:?}"
        );
        assert!(found[0].contains("txt"), "{found:?}");
    }
    let permits = told(Format::Toml, &described("'permit (principal, action == Action::\"invoke\", resource);'"));
    assert!(permits.iter().all(|one| one.starts_with("22:")) && !permits.is_empty(), "{permits:?}");
}

#[test]
fn where_the_file_has_them_in_another_form_the_words_say_the_place() {
    let rules = GOOD.replace("context.args.text", "context.args.txt");
    let tool = read(Format::Toml, &described(&format!("'''\n{rules}\n'''"))).unwrap().tool;
    let found = told(Format::Json, &canonical(&tool));
    assert!(found[0].starts_with("1:") && found[0].contains("line 3, column 8 of it: "), "{found:?}");
}
