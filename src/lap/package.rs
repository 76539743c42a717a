//! A tool as it is handed in to be published: its description and everything that stands beside it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::tds::tool::Expect;
use crate::tds::{self, Checked, Format, Tool};
use crate::types::Class;

/// Bytes of all files of a tool together: a program with its libraries, not an image.
pub const PACKAGE_BYTES_MAX: usize = 32 << 20;

/// A file that stands beside a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedFile {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Whether it is a program.
    pub executable: bool,
}

/// A description and its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// How the description is written.
    pub format: Format,
    /// The description.
    pub text: String,
    /// Files by their paths in the tool's folder.
    pub files: BTreeMap<String, PackedFile>,
}

/// A call that must come to something before a tool is published.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// `contract` or `golden`.
    pub kind: &'static str,
    /// Its name in the description.
    pub name: String,
    /// What the model would fill in.
    pub input: Value,
    /// What the host would add.
    pub host: BTreeMap<String, Value>,
    /// What must come of it.
    pub expect: Option<Expect>,
}

/// A package that was read: a tool, and how it proves itself.
#[derive(Debug, Clone)]
pub struct Unpacked {
    /// The description.
    pub tool: Tool,
    /// The files it names, and no others.
    pub files: BTreeMap<String, PackedFile>,
    /// The calls it must pass.
    pub cases: Vec<Case>,
    /// What is odd about it.
    pub warnings: Vec<String>,
}

impl Package {
    /// Reads everything of it.
    ///
    /// # Errors
    /// Everything that is wrong, one line each.
    pub fn unpack(mut self) -> Result<Unpacked, Vec<String>> {
        let bytes: usize = self.files.values().map(|file| file.bytes.len()).sum();
        if bytes > PACKAGE_BYTES_MAX {
            return Err(vec![format!("its files have {bytes} bytes together; {PACKAGE_BYTES_MAX} is the most")]);
        }
        let lines = |report: &tds::Report| report.to_string().lines().map(ToOwned::to_owned).collect::<Vec<_>>();
        let Checked { tool, document, warnings } =
            tds::read(self.format, &self.text).map_err(|report| lines(&report))?;
        let mut warnings = lines(&warnings);
        let all = tool.files();
        let missing = all.iter().filter(|(_, file)| !self.files.contains_key(file.as_str()));
        let missing = tds::missing(&document, missing.map(|(at, file)| (at.as_str(), file.as_str())));
        if missing.refuses() {
            return Err(lines(&missing));
        }
        let wanted: Vec<&str> = all.iter().map(|(_, file)| file.as_str()).collect();
        let spare: Vec<String> = self.files.keys().filter(|path| !wanted.contains(&path.as_str())).cloned().collect();
        for path in &spare {
            warnings.push(format!("the file {path:?} is named nowhere in the description and is left out"));
        }
        self.files.retain(|path, _| !spare.contains(path));
        let cases = cases(&tool, &self.files)?;
        if cases.is_empty() {
            return Err(vec![
                "it has no tests; a tool without [[tests.contract]] or [[tests.golden]] is not published".to_owned(),
            ]);
        }
        Ok(Unpacked { tool, files: self.files, cases, warnings })
    }
}

fn cases(tool: &Tool, files: &BTreeMap<String, PackedFile>) -> Result<Vec<Case>, Vec<String>> {
    let host = |given: &BTreeMap<tds::tool::Name, Value>| {
        given.iter().map(|(name, value)| (name.to_string(), value.clone())).collect::<BTreeMap<_, _>>()
    };
    let contract = tool.tests.contract.iter().map(|own| Case {
        kind: "contract",
        name: own.name.to_string(),
        input: own.input.clone(),
        host: host(&own.host),
        expect: own.expect.clone(),
    });
    let mut all: Vec<Case> = contract.collect();
    let mut wrong = Vec::new();
    for own in &tool.tests.golden {
        let bytes = files.get(own.file.as_str()).map(|file| file.bytes.as_slice()).unwrap_or_default();
        match tds::fixture(tool, &String::from_utf8_lossy(bytes)) {
            Err(report) => wrong.extend(report.to_string().lines().map(|line| format!("{}:{line}", own.file))),
            Ok(recorded) => {
                let given = recorded.get("host").and_then(Value::as_object).into_iter().flatten();
                all.push(Case {
                    kind: "golden",
                    name: own.name.to_string(),
                    input: recorded["input"].clone(),
                    host: given.map(|(name, value)| (name.clone(), value.clone())).collect(),
                    expect: Some(Expect::Output(recorded["output"].clone())),
                });
            }
        }
    }
    if wrong.is_empty() { Ok(all) } else { Err(wrong) }
}

impl Case {
    /// Whether what came of it is what must come of it.
    ///
    /// # Errors
    /// In what it is not.
    pub fn judge(&self, came: &Result<Value, (Class, String)>) -> Result<(), String> {
        match (&self.expect, came) {
            (None, Ok(_)) => Ok(()),
            (Some(Expect::Output(expected)), Ok(found)) if same(found, expected) => Ok(()),
            (Some(Expect::Contains(expected)), Ok(found)) if holds(found, expected) => Ok(()),
            (Some(Expect::Error(expected)), Err((class, _))) if class == expected => Ok(()),
            (expected, came) => Err(format!("expected {}, got {}", wanted(expected.as_ref()), told(came))),
        }
    }

    /// The case as it is named to people.
    pub fn label(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }
}

/// Bytes of a value that are repeated in an error: enough to see the difference of small answers.
const SHOWN_BYTES: usize = 600;

/// A text of which an error repeats no more than so many bytes.
pub fn short(text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let end = text.floor_char_boundary(most);
    format!("{}... ({} bytes)", &text[..end], text.len())
}

/// A value as it is told, its keys in order, so that two can be compared by looking.
fn json(value: &Value) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    short(value.to_string(), SHOWN_BYTES)
}

fn wanted(expect: Option<&Expect>) -> String {
    match expect {
        None => "an answer".to_owned(),
        Some(Expect::Output(value)) => json(value),
        Some(Expect::Contains(value)) => format!("an answer with {}", json(value)),
        Some(Expect::Error(class)) => format!("a failure of class {}", class.word()),
    }
}

fn told(came: &Result<Value, (Class, String)>) -> String {
    match came {
        Ok(value) => json(value),
        Err((class, reason)) => format!("{}: {}", class.word(), short(reason.clone(), SHOWN_BYTES)),
    }
}

/// Whether two values say the same: in JSON `3` and `3.0` are one number.
fn same(one: &Value, other: &Value) -> bool {
    one == other || tds::canonical_value(one) == tds::canonical_value(other)
}

/// Whether a value has at least these keys and values, at every depth. Lists are compared whole.
fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| found.get(key).is_some_and(|own| holds(own, value)))
        }
        (found, wanted) => same(found, wanted),
    }
}
