//! What fuzzing does with a tool's description.

use super::compat::diff;
use super::{Format, call, canonical, hash, page, prompts, read, stub};

/// Reads a text as a description in each format. What is taken is the same tool when it is read from its canonical form.
/// Says whether it was in any.
pub fn description(text: &str) -> bool {
    let mut taken = false;
    for format in [Format::Toml, Format::Json, Format::Yaml] {
        match read(format, text) {
            Ok(checked) => {
                taken = true;
                let canonical = canonical(&checked.tool);
                assert!(diff(&checked.tool, &checked.tool).is_empty(), "it differs from itself");
                let made =
                    [page(&checked.tool), prompts(&checked.tool), stub(&checked.tool), call(&checked.tool).to_string()];
                assert!(made.iter().all(|text| !text.is_empty()));
                match read(Format::Json, &canonical) {
                    Ok(again) => assert_eq!(hash(&again.tool), hash(&checked.tool), "read again it is another tool"),
                    Err(report) => assert!(canonical.len() > super::limits::DOCUMENT_BYTES_MAX, "{report}"),
                }
            }
            Err(report) => {
                assert!(report.refuses(), "refused without a reason");
                let broken = report.problems.iter().any(|problem| problem.found.starts_with("not a tool, though"));
                assert!(!broken, "the schema takes what the types do not: {report}");
            }
        }
    }
    taken
}
