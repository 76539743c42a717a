//! The policies that a description brings, typed as publishing types them, with the places where they stand in its file.

use crate::lap::policy::{Book, Problem};
use crate::tds::{self, Document, Report, Severity, Spot, Tool};

/// Where a description has its policies.
const PLACE: &str = "/policy/rules";

/// What is wrong with the policies of a tool that was read from this text.
pub(super) fn wrong(text: &str, tool: &Tool, document: &Document) -> Report {
    // What the operator of a host has written is not known here; a description has to be right by itself.
    let problems = Book::default().of_tool(tool).err().unwrap_or_default();
    let rules = tool.policy.rules.as_str();
    let start = document.spot(PLACE);
    let beginning = beginning(text, start, rules);
    let told = |problem: Problem| {
        let id = problem.policy.as_ref().map(|id| format!("policy {id}: ")).unwrap_or_default();
        let mut told = tds::Problem {
            severity: Severity::Error,
            spot: start,
            pointer: PLACE.to_owned(),
            found: format!("{id}{}", problem.says),
            expected: String::new(),
            suggestion: None,
        };
        match beginning {
            // The engine complains about the schema, which no policy is the cause of.
            _ if problem.policy.is_none() && problem.tool.is_some() => {
                told.pointer = "/interface/input".to_owned();
                told.spot = document.spot(&told.pointer);
            }
            Some(first) => told.spot = within(first, problem.line, problem.column),
            None => {
                told.found = format!("line {}, column {} of it: {}", problem.line, problem.column, told.found);
            }
        }
        told
    };
    Report::of(problems.into_iter().map(told).collect())
}

/// Where the text of the policies begins, if the file has them letter for letter. A text with escapes in it, or one that is
/// indented, does not, and then only the beginning of the value is known.
fn beginning(text: &str, start: Spot, rules: &str) -> Option<Spot> {
    let line_at: usize = text.split_inclusive('\n').take(start.line.checked_sub(1)?).map(str::len).sum();
    let line = text.get(line_at..)?;
    let at = line_at + line.char_indices().nth(start.column.checked_sub(1)?)?.0;
    // Quotes and the end of their line.
    let opening = text.get(at..)?.find(rules).filter(|opening| *opening <= 5)?;
    let before = &text[..at + opening];
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some(Spot { line: before.matches('\n').count() + 1, column })
}

/// A line and column of a text that begins there.
fn within(first: Spot, line: usize, column: usize) -> Spot {
    let column = if line == 1 { first.column + column - 1 } else { column };
    Spot { line: first.line + line - 1, column }
}
