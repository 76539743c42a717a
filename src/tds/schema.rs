//! JSON Schemas: the published one of `tool.toml` itself, and those that tools bring. None of them fetches anything.

use std::sync::LazyLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{PatternOptions, ValidationError, Validator};
use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use serde_json::{Value, json};

use super::limits::PATTERN_COMPILED_MAX;
use super::pointer;
use super::problem::{Reporter, Severity, nearest};
use super::tool::{Date, KeySource, Range, Reference, Tool, Version};

/// The schema of `tool.toml`, made of the types. `docs/tds.schema.json` is this.
pub fn published() -> &'static Value {
    &PUBLISHED
}

static PUBLISHED: LazyLock<Value> = LazyLock::new(|| {
    let mut generator = SchemaSettings::draft2020_12().with_transform(words).into_generator();
    let mut schema = generator.root_schema_for::<Tool>().to_value();
    // The file in docs has one order, whatever the types have.
    schema.sort_all_objects();
    schema
});

/// A choice of words is written as one list, so that a wrong word is told all the right ones at once; and numbers have the
/// ranges that are written, not those of the machine.
fn words(schema: &mut schemars::Schema) {
    transform_subschemas(&mut (words as fn(&mut schemars::Schema)), schema);
    if schema.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
        schema.remove("format");
    }
    present(schema);
    let told = schema.get("description").and_then(Value::as_str).filter(|text| !text.contains("\n- "));
    if let Some(line) = told.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")) {
        schema.insert("description".to_owned(), Value::String(line));
    }
    let Some(choices) = schema.get("oneOf").and_then(Value::as_array) else { return };
    let constant =
        |choice: &Value| Some((choice.get("const")?.clone(), choice.get("description")?.as_str()?.to_owned()));
    let Some(choices) = choices.iter().map(constant).collect::<Option<Vec<_>>>() else { return };
    let told = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let lines = choices.iter().map(|(word, text)| format!("\n- {}: {text}", word.as_str().unwrap_or_default()));
    let description = format!("{told}{}", lines.collect::<String>());
    schema.remove("oneOf");
    schema.insert("type".to_owned(), json!("string"));
    schema.insert("enum".to_owned(), choices.into_iter().map(|(word, _)| word).collect());
    schema.insert("description".to_owned(), Value::String(description));
}

/// A key that may be left out is left out; `null` is no third way to say so, since TOML has none.
fn present(schema: &mut schemars::Schema) {
    let Some(map) = schema.as_object_mut() else { return };
    if let Some([Value::Object(only), null]) = map.get("anyOf").and_then(Value::as_array).map(Vec::as_slice)
        && *null == json!({ "type": "null" })
    {
        let only = only.clone();
        map.remove("anyOf");
        only.into_iter().for_each(|(key, value)| {
            map.entry(key).or_insert(value);
        });
    }
    if let Some([kind, null]) = map.get("type").and_then(Value::as_array).map(Vec::as_slice)
        && *null == json!("null")
    {
        let kind = kind.clone();
        map.insert("type".to_owned(), kind);
    }
}

/// Checks a whole `tool.toml` against the published schema.
static READER: LazyLock<Option<Validator>> = LazyLock::new(|| {
    jsonschema::draft202012::options()
        .offline()
        .should_validate_formats(true)
        .with_format("semver", |text| text.parse::<Version>().is_ok())
        .with_format("semver-range", |text| text.parse::<Range>().is_ok())
        .with_format("tool-reference", |text| text.parse::<Reference>().is_ok())
        .with_format("tds-date", |text| text.parse::<Date>().is_ok())
        .with_format("key-source", |text| text.parse::<KeySource>().is_ok())
        .build(&PUBLISHED)
        .ok()
});

/// Reports everything in which a document differs from the published schema.
pub(crate) fn structure(reporter: &mut Reporter<'_>) {
    let document = reporter.document();
    let Some(validator) = READER.as_ref() else {
        // A test rules this out; were it so, nothing could be trusted.
        reporter.error("", "the schema of tool.toml is broken", "another build of this program");
        return;
    };
    for error in validator.iter_errors(document.value()) {
        explain(reporter, "", &error, &PUBLISHED);
    }
}

/// A compiled schema of a tool. Without network, without back-tracking, and within the limits of `guard`.
#[derive(Debug)]
pub struct Checker {
    validator: Validator,
    schema: Value,
}

/// In what a value differs from its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Where in the value, as a JSON pointer.
    pub pointer: String,
    /// What was found.
    pub found: String,
    /// What is expected.
    pub expected: String,
}

impl Checker {
    /// Compiles a schema that has been guarded, as those of a [`Tool`] have been.
    ///
    /// # Errors
    /// Why it is none.
    pub fn compile(schema: &Value) -> Result<Checker, String> {
        let engine = PatternOptions::regex().size_limit(PATTERN_COMPILED_MAX).dfa_size_limit(PATTERN_COMPILED_MAX);
        let options = jsonschema::draft202012::options().offline().with_pattern_options(engine);
        let validator = options.build(schema).map_err(|error| error.to_string())?;
        Ok(Checker { validator, schema: schema.clone() })
    }

    /// Whether a value satisfies it.
    pub fn takes(&self, value: &Value) -> bool {
        self.validator.is_valid(value)
    }

    /// Everything in which a value differs from it.
    pub fn mismatches(&self, value: &Value) -> Vec<Mismatch> {
        let told = |error: ValidationError<'_>| {
            let (found, expected) = told(&error, &self.schema, false);
            Mismatch { pointer: error.instance_path().as_str().to_owned(), found, expected }
        };
        self.validator.iter_errors(value).map(told).collect()
    }

    /// Reports everything in which the value at `base` of the document differs.
    pub(crate) fn report(&self, reporter: &mut Reporter<'_>, base: &str, value: &Value) {
        for error in self.validator.iter_errors(value) {
            explain(reporter, base, &error, &self.schema);
        }
    }
}

/// Reports everything in which a tool's schema, which stands at `base`, is no JSON Schema.
pub(crate) fn meta(reporter: &mut Reporter<'_>, base: &str, schema: &Value) {
    let validator = jsonschema::draft202012::meta::validator();
    for error in validator.iter_errors(schema) {
        explain(reporter, base, &error, &Value::Null);
    }
}

/// Whether a pattern compiles within the limits.
pub(crate) fn pattern(text: &str) -> bool {
    Checker::compile(&json!({ "pattern": text })).is_ok()
}

fn explain(reporter: &mut Reporter<'_>, base: &str, error: &ValidationError<'_>, schema: &Value) {
    let at = format!("{base}{}", error.instance_path().as_str());
    let around = around(schema, error.schema_path().as_str());
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = around.map(keys).unwrap_or_default();
            let patterns = around.and_then(|around| around.get("patternProperties")?.as_object()?.keys().next());
            for key in unexpected {
                let at = pointer::join(&at, key);
                match patterns {
                    Some(pattern) if known.is_empty() => {
                        reporter.error(&at, format!("the name {key:?}"), format!("a name that matches {pattern}"));
                    }
                    _ => reporter.unknown(Severity::Error, &at, &known),
                }
            }
        }
        ValidationErrorKind::Enum { options } => {
            let hidden = is_private(&at);
            let (found, expected) = told(error, schema, hidden);
            let words: Vec<&str> = options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let suggestion = error.instance().as_str().and_then(|word| nearest(word, &words));
            reporter.error(&at, found, expected).suggestion = suggestion;
        }
        _ => {
            let (found, expected) = told(error, schema, is_private(&at));
            reporter.error(&at, found, expected);
        }
    }
}

/// Where somebody may have written a secret by mistake; what stands there is not repeated.
fn is_private(at: &str) -> bool {
    at.starts_with("/secrets/") || at.contains("/env/")
}

/// The part of a schema that holds the keyword a path ends in; references on the way are followed.
fn around<'s>(schema: &'s Value, path: &str) -> Option<&'s Value> {
    let mut steps = pointer::steps(path)?;
    steps.pop();
    let mut at = schema;
    for step in steps {
        if step == "$ref" {
            at = schema.pointer(at.get("$ref")?.as_str()?.strip_prefix('#')?)?;
            continue;
        }
        at = match at {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
            other => other.get(&step)?,
        };
    }
    Some(at)
}

fn keys(schema: &Value) -> Vec<&str> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

/// A value in words.
pub(crate) fn described(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() > 60 => {
            format!("the text {:?}...", text.chars().take(57).collect::<String>())
        }
        Value::String(text) => format!("the text {text:?}"),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "a table".to_owned(),
    }
}

/// What an error found and what it expected.
fn told(error: &ValidationError<'_>, schema: &Value, hidden: bool) -> (String, String) {
    use ValidationErrorKind as Kind;
    let around = around(schema, error.schema_path().as_str());
    let told = around.and_then(|around| around.get("description")?.as_str()?.lines().next());
    let found = if hidden { "another text".to_owned() } else { described(error.instance()) };
    let (found, expected) = match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let about = around.and_then(|around| around.get("properties")?.get(name)?.get("description")?.as_str());
            (format!("lacks the key {name:?}"), about.and_then(|text| text.lines().next()).map_or(String::new(), low))
        }
        Kind::Type { kind } => (found, types(kind)),
        Kind::Enum { options } => (found, format!("one of {}", list(options))),
        Kind::Constant { expected_value } => (found, expected_value.to_string()),
        Kind::Pattern { pattern } => (found, told.map_or_else(|| format!("a text that matches {pattern}"), low)),
        Kind::Format { format } => (found, told.map_or_else(|| format!("a text of the form {format}"), low)),
        Kind::Minimum { limit } => (found, format!("at least {limit}")),
        Kind::Maximum { limit } => (found, format!("at most {limit}")),
        Kind::ExclusiveMinimum { limit } => (found, format!("more than {limit}")),
        Kind::ExclusiveMaximum { limit } => (found, format!("less than {limit}")),
        Kind::MultipleOf { multiple_of } => (found, format!("a multiple of {multiple_of}")),
        Kind::MinLength { limit } => (found, format!("at least {limit} characters")),
        Kind::MaxLength { limit } => (found, format!("at most {limit} characters")),
        Kind::MinItems { limit } => (found, format!("at least {limit} items")),
        Kind::MaxItems { limit } => (found, format!("at most {limit} items")),
        Kind::UniqueItems => ("an item for the second time".to_owned(), "each item once".to_owned()),
        Kind::MinProperties { limit } | Kind::MaxProperties { limit } => {
            let known = around.map(keys).unwrap_or_default();
            let count = error.instance().as_object().map_or(0, serde_json::Map::len);
            let expected = if *limit == 1 && !known.is_empty() {
                format!("exactly one of {}", known.join(", "))
            } else {
                format!("a table with {limit} keys, no more and no less")
            };
            (format!("a table with {count} keys"), expected)
        }
        Kind::FalseSchema => (found, "nothing at all".to_owned()),
        Kind::AdditionalProperties { unexpected } => {
            let known = around.map(keys).unwrap_or_default();
            let known = if known.is_empty() { "none".to_owned() } else { format!("only {}", known.join(", ")) };
            (format!("unknown keys: {}", unexpected.join(", ")), known)
        }
        Kind::AnyOf { context } => (found, alternatives(context, schema)),
        Kind::OneOfNotValid { context } => (found, alternatives(context, schema)),
        other => (found, format!("what `{}` asks for", other.keyword())),
    };
    (found, expected)
}

fn low(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_lowercase().chain(letters).collect())
}

fn list(options: &Value) -> String {
    let words = options.as_array().into_iter().flatten();
    words.map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect::<Vec<_>>().join(", ")
}

fn types(kind: &TypeKind) -> String {
    let word = |name: String| match name.as_str() {
        "object" => "a table".to_owned(),
        "array" => "a list".to_owned(),
        "string" => "a text".to_owned(),
        "integer" => "a whole number".to_owned(),
        "number" => "a number".to_owned(),
        "boolean" => "true or false".to_owned(),
        _ => name,
    };
    match kind {
        TypeKind::Single(one) => word(one.to_string()),
        TypeKind::Multiple(set) => set.iter().map(|one| word(one.to_string())).collect::<Vec<_>>().join(" or "),
    }
}

fn alternatives(context: &[Vec<ValidationError<'static>>], schema: &Value) -> String {
    let told = context.iter().filter_map(|errors| errors.first()).map(|error| told(error, schema, true).1);
    told.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", or ")
}
