//! Lines of the log. Both forms are written here, field by field, so that no field misses the gate in `clean`.
//!
//! Redacting whole lines instead would be shorter and wrong: quotes and escapes split what belongs together, and a
//! replacement could eat the quote that ends a JSON string.

use std::fmt::{self, Debug};
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::{Format, clean};
use crate::types::Clock;

/// Formats the fields of spans and events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields(pub(super) Format);

/// Formats whole lines.
pub(super) struct Lines {
    pub(super) format: Format,
    pub(super) clock: Arc<dyn Clock>,
}

/// Fields of one span or event, cleaned and formatted.
struct Collected {
    format: Format,
    message: String,
    fields: String,
}

impl Collected {
    fn new(format: Format) -> Collected {
        Collected { format, message: String::new(), fields: String::new() }
    }

    /// Adds a value that is text: quoted where the form needs it.
    fn text(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = clean::text(value).into_owned();
            return;
        }
        let clean = clean::field(field.name(), value);
        let shown = match self.format {
            Format::Json => json(&clean),
            Format::Text if plain(&clean) => clean.into_owned(),
            Format::Text => format!("{clean:?}"),
        };
        self.push(field, &shown);
    }

    /// Adds a value that needs no quotes in either form.
    fn push(&mut self, field: &Field, shown: &str) {
        // `otel.name` is how a span tells its name to the exporter; people know it as the hop.
        let name = if field.name() == "otel.name" { "hop" } else { field.name() };
        match self.format {
            Format::Json => {
                let comma = if self.fields.is_empty() { "" } else { "," };
                self.fields.push_str(&format!("{comma}{}:{shown}", json(name)));
            }
            Format::Text => {
                let space = if self.fields.is_empty() { "" } else { " " };
                self.fields.push_str(&format!("{space}{name}={shown}"));
            }
        }
    }
}

/// A JSON string. Serialising a string cannot fail; an empty one stands for the impossible.
fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

fn plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"' || c == '=')
}

impl Visit for Collected {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field, &format!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.text(field, &value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        match clean::number(field.name(), value.unsigned_abs()) {
            Some(shown) => self.text(field, &shown),
            None => self.push(field, &value.to_string()),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match clean::number(field.name(), value) {
            Some(shown) => self.text(field, &shown),
            None => self.push(field, &value.to_string()),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for what is not finite.
        if value.is_finite() { self.push(field, &value.to_string()) } else { self.text(field, &value.to_string()) }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, &value.to_string());
    }
}

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut collected = Collected::new(self.0);
        fields.record(&mut collected);
        writer.write_str(&collected.fields)
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        let mut collected = Collected::new(self.0);
        fields.record(&mut collected);
        if !current.fields.is_empty() && !collected.fields.is_empty() {
            current.fields.push(if self.0 == Format::Json { ',' } else { ' ' });
        }
        current.fields.push_str(&collected.fields);
        Ok(())
    }
}

impl<S> FormatEvent<S, Fields> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, Fields>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut collected = Collected::new(self.format);
        event.record(&mut collected);
        let mut spans = Vec::new();
        for span in ctx.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<Fields>>().map(|fields| fields.fields.clone());
            spans.push((span.name(), fields.unwrap_or_default()));
        }
        let at = self.clock.wall().rfc3339();
        match self.format {
            Format::Text => text_line(writer, &at, event, &collected, &spans),
            Format::Json => json_line(writer, &at, event, &collected, &spans),
        }
    }
}

fn text_line(
    mut out: Writer<'_>,
    at: &str,
    event: &Event<'_>,
    own: &Collected,
    spans: &[(&str, String)],
) -> fmt::Result {
    write!(out, "{at} {:>5} {}: ", event.metadata().level(), event.metadata().target())?;
    // A line break or an escape in a message would let whoever wrote it forge the next line.
    for c in own.message.chars() {
        if c.is_control() { write!(out, "{}", c.escape_default())? } else { out.write_char(c)? }
    }
    let around = spans.iter().map(|(_, fields)| fields.as_str());
    for fields in [own.fields.as_str()].into_iter().chain(around).filter(|fields| !fields.is_empty()) {
        write!(out, " {fields}")?;
    }
    writeln!(out)
}

fn json_line(
    mut out: Writer<'_>,
    at: &str,
    event: &Event<'_>,
    own: &Collected,
    spans: &[(&str, String)],
) -> fmt::Result {
    let (level, target) = (event.metadata().level().as_str(), json(event.metadata().target()));
    write!(out, "{{\"at\":\"{at}\",\"level\":\"{level}\",\"target\":{target},\"message\":{}", json(&own.message))?;
    write!(out, ",\"fields\":{{{}}},\"spans\":[", own.fields)?;
    for (index, (name, fields)) in spans.iter().enumerate() {
        let (before, between) = (if index == 0 { "" } else { "," }, if fields.is_empty() { "" } else { "," });
        write!(out, "{before}{{\"span\":{}{between}{fields}}}", json(name))?;
    }
    writeln!(out, "]}}")
}
