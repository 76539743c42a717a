//! From a text to a tool, or to everything that is wrong with it.

use serde_json::Value;

use super::check;
use super::document::{Document, Format};
use super::guard::guard;
use super::limits::FIXTURE_BYTES_MAX;
use super::problem::{Report, Reporter};
use super::schema;
use super::tool::Tool;

/// A tool that was taken.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The tool.
    pub tool: Tool,
    /// Its text as a tree, which knows the places.
    pub document: Document,
    /// What is odd about it: warnings only.
    pub warnings: Report,
}

/// Reads a description.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(format: Format, text: &str) -> Result<Checked, Report> {
    let document = Document::read(format, text)?;
    let mut reporter = Reporter::new(&document);
    schema::structure(&mut reporter);
    let schemas_good = schemas(&mut reporter);
    check::hidden(&mut reporter);
    let tool = if reporter.refuses() { None } else { typed(&mut reporter) };
    if let (Some(tool), true) = (&tool, schemas_good) {
        check::check(&mut reporter, tool);
    }
    let report = reporter.finish();
    match tool {
        Some(tool) if !report.refuses() => Ok(Checked { tool, warnings: report, document }),
        _ => Err(report),
    }
}

/// Looks at the schemas a tool brings, also if something else is wrong with it, so that all is told at once.
fn schemas(reporter: &mut Reporter<'_>) -> bool {
    let document = reporter.document();
    let mut good = true;
    for at in ["/interface/input", "/interface/output", "/interface/chunk"] {
        let Some(schema) = document.value().pointer(at).filter(|value| value.is_object() || value.is_boolean()) else {
            continue;
        };
        let before = reporter.refuses();
        schema::meta(reporter, at, schema);
        good &= guard(reporter, at, schema) && (before || !reporter.refuses());
    }
    good
}

fn typed(reporter: &mut Reporter<'_>) -> Option<Tool> {
    match serde_json::from_value(reporter.document().value().clone()) {
        Ok(tool) => Some(tool),
        Err(error) => {
            // Invariant TDS2: a test and a fuzz target look for texts that come here.
            reporter.error("", format!("not a tool, though its schema says so: {error}"), "");
            None
        }
    }
}

/// What is wrong with a description that names files which are not there: pointers and files.
pub fn missing<'f>(document: &Document, files: impl IntoIterator<Item = (&'f str, &'f str)>) -> Report {
    let mut reporter = Reporter::new(document);
    for (at, file) in files {
        reporter.error(at, format!("the file {file:?}, which is not there"), "a file beside this one");
    }
    reporter.finish()
}

/// Checks a golden fixture, which is JSON, against the tool it belongs to.
///
/// # Errors
/// Everything that is wrong with it.
pub fn fixture(tool: &Tool, text: &str) -> Result<Value, Report> {
    let document = Document::limited(Format::Json, text, FIXTURE_BYTES_MAX)?;
    let mut reporter = Reporter::new(&document);
    check::fixture(&mut reporter, tool);
    let report = reporter.finish();
    if report.refuses() { Err(report) } else { Ok(document.value().clone()) }
}
