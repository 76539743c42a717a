//! Writes a conversation the way a model was trained to read it: with the Jinja template out of its own file.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, context};
use serde_json::{Value, json};

use crate::inference::{Message, Role};

/// ChatML, for files without a template: what most small chat models are trained on.
const CHATML: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n\
                      {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// Put into a special token that stands in a message, so that it is read as text. Invisible to people and to the model
/// nearly so.
const BREAK: char = '\u{200b}';

/// A compiled template.
pub(super) struct Template {
    environment: Environment<'static>,
    begin: String,
    end: String,
}

impl Template {
    /// Compiles a template as transformers would: blocks take their line, Python's string methods work.
    pub(super) fn new(source: Option<&str>, begin: String, end: String) -> Result<Template, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_template_owned("chat", source.unwrap_or(CHATML).to_owned())?;
        Ok(Template { environment, begin, end })
    }

    /// The prompt, up to where the assistant's answer begins. A message's text cannot end its turn or begin another:
    /// special tokens in it are broken up.
    pub(super) fn write(&self, messages: &[Message], specials: &[String]) -> Result<String, String> {
        let messages: Vec<Value> = messages.iter().map(|message| shape(message, specials)).collect();
        self.environment
            .get_template("chat")
            .and_then(|chat| {
                chat.render(context! {
                    messages => Serde(&messages),
                    add_generation_prompt => true,
                    bos_token => self.begin.as_str(),
                    eos_token => self.end.as_str(),
                })
            })
            .map_err(|cause| cause.to_string())
    }
}

/// A message in the shape templates expect, which is that of the chat completions protocol.
fn shape(message: &Message, specials: &[String]) -> Value {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let mut shaped = json!({ "role": role, "content": disarm(&message.content, specials) });
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter();
        shaped["tool_calls"] = calls
            .map(|call| {
                json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": call.arguments } })
            })
            .collect();
    }
    if let Some(id) = &message.tool_call_id {
        shaped["tool_call_id"] = json!(id);
    }
    shaped
}

/// The text with every special token in it broken up.
fn disarm(text: &str, specials: &[String]) -> String {
    specials.iter().filter(|special| !special.is_empty()).fold(text.to_owned(), |text, special| {
        if !text.contains(special.as_str()) {
            return text;
        }
        let mut rest = special.chars();
        let broken: String = rest.next().into_iter().chain([BREAK]).chain(rest).collect();
        text.replace(special.as_str(), &broken)
    })
}
