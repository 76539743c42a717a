//! A page of documentation in Markdown.

use serde_json::Value;

use super::super::canonical::hash;
use super::super::risk::assess;
use super::super::tool::{Deliver, Tool};
use super::{kind_words, one_line, properties};

/// The documentation of a tool.
pub fn page(tool: &Tool) -> String {
    let mut text = format!("# {}\n\n{}\n\n", escaped(tool.name.as_str()), paragraphs(&tool.description));
    facts(&mut text, tool);
    inputs(&mut text, tool);
    outputs(&mut text, tool);
    examples(&mut text, tool);
    reach(&mut text, tool);
    rules(&mut text, tool);
    ending(&mut text, tool);
    text
}

/// Text of an author in a page of ours: it cannot begin a tag, a link, a heading or a column.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for sign in one_line(text).chars() {
        match sign {
            '<' => escaped.push_str("&lt;"),
            '|' | '[' | ']' | '`' | '*' | '_' | '\\' | '#' => escaped.extend(['\\', sign]),
            sign => escaped.push(sign),
        }
    }
    escaped
}

fn paragraphs(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(escaped).filter(|paragraph| !paragraph.is_empty());
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// Code in a table or a line. A fence longer than any run of back-ticks within keeps it code.
fn code(text: &str) -> String {
    let text = one_line(text).replace('|', "\\|");
    let longest = text.split(|sign| sign != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if longest > 0 { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

fn json(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let longest = text.split(|sign| sign != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}json\n{text}\n{fence}\n\n")
}

fn row(text: &mut String, name: &str, value: &str) {
    text.push_str(&format!("| {name} | {value} |\n"));
}

fn words<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value).unwrap_or_default() {
        Value::String(word) => word,
        Value::Array(items) => {
            items.iter().map(|item| item.as_str().unwrap_or_default()).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn facts(text: &mut String, tool: &Tool) {
    let judged = assess(tool);
    text.push_str("| | |\n|---|---|\n");
    row(text, "id", &code(tool.id.as_str()));
    row(text, "version", &code(&tool.version.to_string()));
    row(text, "serves callers of", &code(&tool.serves().to_string()));
    row(text, "hash", &code(&hash(tool).to_string()));
    row(text, "offers", &words(&tool.capabilities));
    row(text, "side effects", &words(&tool.side_effects));
    let why = if judged.reasons.is_empty() { String::new() } else { format!(": {}", judged.reasons.join("; ")) };
    row(text, "risk", &format!("{}{why}", judged.risk.word()));
    row(text, "isolation", &format!("{} or stronger", tool.isolation.word()));
    row(text, "run as", tool.run.word());
    row(text, "time", &format!("{} ms at the most", tool.limits.timeout_ms));
    let attempts = tool.retry.attempts;
    if attempts > 1 {
        row(text, "tried", &format!("{attempts} times, after {}", words(&tool.retry.on)));
    }
    if let Some(idempotency) = &tool.idempotency {
        let source = code(&idempotency.key.to_string());
        row(text, "done once", &format!("per key from {source}, for {} s", idempotency.keep_s));
    }
    if let Some(cache) = &tool.cache {
        row(text, "answers used again", &format!("for {} s", cache.keep_s));
    }
    let cost = &tool.cost;
    for (price, per) in [
        (cost.call_micro_usd, "call"),
        (cost.second_micro_usd, "second"),
        (cost.megabyte_micro_usd, "megabyte of the answer"),
    ] {
        if price > 0 {
            row(text, "cost", &format!("{} a {per}", crate::types::Money(i64::try_from(price).unwrap_or(i64::MAX))));
        }
    }
    text.push('\n');
}

fn table(text: &mut String, schema: &Value) {
    let listed = properties(schema);
    if !listed.is_empty() {
        text.push_str("| name | type | required | what it is |\n|---|---|---|---|\n");
    }
    for (name, property, required) in &listed {
        let choices = property.get("enum").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let kinds = match choices {
            [] => kind_words(schema, property).join(" or "),
            choices => {
                format!("one of {}", choices.iter().map(|one| code(&one.to_string())).collect::<Vec<_>>().join(", "))
            }
        };
        let about = escaped(property.get("description").and_then(Value::as_str).unwrap_or_default());
        let required = if *required { "yes" } else { "" };
        text.push_str(&format!("| {} | {kinds} | {required} | {about} |\n", code(name)));
    }
    if !listed.is_empty() {
        text.push('\n');
    }
}

fn inputs(text: &mut String, tool: &Tool) {
    text.push_str("## Input\n\nWhat the model fills in.\n\n");
    table(text, &tool.interface.input.0);
    text.push_str(&json(&tool.interface.input.0));
    if !tool.interface.host.is_empty() {
        text.push_str(
            "What the host adds; the model neither sees nor sets it.\n\n| name | from | what for |\n|---|---|---|\n",
        );
        for (name, argument) in &tool.interface.host {
            let about = escaped(&argument.description);
            text.push_str(&format!("| {} | {} | {about} |\n", code(name.as_str()), words(&argument.from)));
        }
        text.push('\n');
    }
}

fn outputs(text: &mut String, tool: &Tool) {
    text.push_str("## Output\n\n");
    table(text, &tool.interface.output.0);
    text.push_str(&json(&tool.interface.output.0));
    if let Some(chunk) = &tool.interface.chunk {
        text.push_str("One piece of it:\n\n");
        text.push_str(&json(&chunk.0));
    }
}

fn examples(text: &mut String, tool: &Tool) {
    if tool.interface.examples.is_empty() {
        return;
    }
    text.push_str("## Examples\n\n");
    for example in &tool.interface.examples {
        if let Some(title) = &example.title {
            text.push_str(&format!("### {}\n\n", escaped(title.as_str())));
        }
        text.push_str(&format!("{}\n\n", escaped(&example.prompt)));
        text.push_str(&json(&example.input));
        if let Some(output) = &example.output {
            text.push_str(&json(output));
        }
    }
}

fn reach(text: &mut String, tool: &Tool) {
    text.push_str("## What it reaches\n\n");
    if tool.egress.is_empty() {
        text.push_str("No other machine.\n\n");
    }
    for rule in &tool.egress {
        let scheme = if rule.tls { "https" } else { "http, in the clear" };
        let paths: Vec<String> = rule.paths.iter().map(|path| code(path.as_str())).collect();
        let paths = if paths.is_empty() { String::new() } else { format!(", below {}", paths.join(", ")) };
        let host = code(&format!("{}:{}", rule.host, rule.port));
        text.push_str(&format!("- {host} ({scheme}) by {}{paths}\n", words(&rule.methods)));
    }
    if !tool.egress.is_empty() {
        text.push('\n');
    }
    for secret in &tool.secrets {
        let how = match &secret.deliver {
            Deliver::Header(header) => {
                let hosts: Vec<String> = header.hosts.iter().map(|host| code(host.as_str())).collect();
                format!("added by the host to requests to {}", hosts.join(", "))
            }
            Deliver::File(file) => format!("in the file {}", code(file.name.as_str())),
        };
        text.push_str(&format!("- secret {}: {how}\n", code(secret.path.as_str())));
    }
    if !tool.secrets.is_empty() {
        text.push('\n');
    }
}

fn rules(text: &mut String, tool: &Tool) {
    text.push_str("## Who may call it\n\n| | |\n|---|---|\n");
    let set = |words: String, none: &str| if words.is_empty() { none.to_owned() } else { code(&words) };
    row(text, "roles", &set(words(&tool.policy.roles), "everybody"));
    row(text, "scopes", &set(words(&tool.auth.scopes), "none needed"));
    row(text, "data", &format!("{} at the most", tool.policy.privacy.word()));
    row(text, "regions", &set(words(&tool.policy.residency), "anywhere"));
    row(text, "personal data in the input", &words(&tool.policy.pii.input));
    row(text, "personal data in the answer", &words(&tool.policy.pii.output));
    row(text, "a person agrees first", &words(&tool.policy.approval));
    if !tool.policy.rules.is_empty() {
        row(text, "policies of its own", "some; they forbid calls by their arguments or callers");
    }
    let often = tool.quota.as_ref().map(|quota| format!("{} in a minute for each tenant", quota.calls_per_minute));
    row(text, "calls", &often.unwrap_or_else(|| "as many as there is room for".to_owned()));
    let hidden: Vec<String> = tool.observability.redact.iter().map(|pointer| code(pointer.as_str())).collect();
    row(text, "hidden in logs", &if hidden.is_empty() { "nothing".to_owned() } else { hidden.join(", ") });
    text.push('\n');
}

fn ending(text: &mut String, tool: &Tool) {
    if let Some(compensation) = &tool.compensation {
        let tool = code(&compensation.tool.to_string());
        let within = compensation.within_s.map_or(String::new(), |seconds| format!(", within {seconds} s"));
        text.push_str(&format!("## Undoing it\n\nBy {tool}{within}.\n\n"));
    }
    let Some(deprecation) = &tool.deprecation else { return };
    text.push_str("## Its place among tools\n\n");
    for old in &deprecation.replaces {
        text.push_str(&format!("- replaces {}\n", code(&old.to_string())));
    }
    if let Some(new) = &deprecation.replaced_by {
        text.push_str(&format!("- is replaced by {}\n", code(&new.to_string())));
    }
    if let Some(day) = deprecation.sunset_at {
        text.push_str(&format!("- is not called any more from {day} on\n"));
    }
    if !deprecation.message.is_empty() {
        text.push_str(&format!("- {}\n", escaped(&deprecation.message)));
    }
    text.push('\n');
}
