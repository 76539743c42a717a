//! What a tool's author says of MCP alone, under `x-mcp` in the output's schema: whether a tool is offered as a prompt or a
//! resource instead, whether it may become a task, whether its value is made of MCP's own blocks.

use serde::Deserialize;

use crate::tds::Tool;

/// The keyword.
pub(super) const KEYWORD: &str = "x-mcp";

/// How a tool is offered and answered. A tool that says nothing is a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Shape {
    /// Its value is an object with a list `content` of MCP's content blocks.
    pub(super) content: bool,
    /// It is offered as a prompt: its value is a text, or an object with a list `messages`.
    pub(super) prompt: bool,
    /// It is offered as a resource: its value is a text, an object with a `blob` in base64, or any other JSON.
    pub(super) resource: Option<Resource>,
    /// Whether a call may go on after it was answered.
    pub(super) task: Task,
    /// When a tool that may become a task asks its questions.
    pub(super) asks: Asking,
}

/// A resource.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resource {
    /// Where it is; with `{names}` of inputs it is a template.
    pub(super) uri: String,
    /// What its content is.
    #[serde(default)]
    pub(super) mime_type: Option<String>,
}

/// Whether a call may go on after it was answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Task {
    /// It is waited for.
    #[default]
    Never,
    /// It is a task for whoever knows tasks, and waited for by others.
    Optional,
    /// Whoever does not know tasks cannot call it.
    Required,
}

/// When a tool that may become a task asks its questions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Asking {
    /// As a task.
    #[default]
    During,
    /// Before it is one: the task begins with the answers.
    Before,
}

/// As what something is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A tool.
    Tool,
    /// A prompt.
    Prompt,
    /// A resource with one place.
    Resource,
    /// A resource with a place for each input.
    Template,
}

impl Shape {
    /// What the author says. What has no reading is as if nothing was said: the tool is still a tool.
    pub(super) fn of(tool: &Tool) -> Shape {
        let said = tool.interface.output.0.get(KEYWORD);
        said.and_then(|said| Shape::deserialize(said).ok()).unwrap_or_default()
    }

    pub(super) fn kind(&self) -> Kind {
        match &self.resource {
            Some(resource) if resource.uri.contains('{') => Kind::Template,
            Some(_) => Kind::Resource,
            None if self.prompt => Kind::Prompt,
            None => Kind::Tool,
        }
    }
}

impl Resource {
    /// The inputs that a place stands for, if it is one of these. A name stands for anything without a slash.
    pub(super) fn inputs(&self, uri: &str) -> Option<serde_json::Map<String, serde_json::Value>> {
        let (mut form, mut rest) = (self.uri.as_str(), uri);
        let mut inputs = serde_json::Map::new();
        while let Some((before, after)) = form.split_once('{') {
            let (name, after) = after.split_once('}')?;
            rest = rest.strip_prefix(before)?;
            let until = after.chars().next();
            let end = rest.find(|sign| Some(sign) == until || sign == '/').unwrap_or(rest.len());
            let (value, more) = rest.split_at(end);
            if value.is_empty() {
                return None;
            }
            inputs.insert(name.to_owned(), value.into());
            (form, rest) = (after, more);
        }
        (form == rest).then_some(inputs)
    }
}
