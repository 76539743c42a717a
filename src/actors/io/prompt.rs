//! How a task is laid before a model: one text of what is asked and what goes with it.

use super::Task;

/// The prompt behind everything that goes with it: a small model follows what it read last, and goes on with a document
/// that comes last.
pub(super) fn whole(task: &Task) -> String {
    let mut text = String::new();
    for document in &task.documents {
        text.push_str(&quoted(&document.name, &document.text));
        text.push_str("\n\n");
    }
    text.push_str(&task.prompt);
    text
}

/// A document as a model is shown it: with its name, and with marks around it that tell it from what is asked.
pub(super) fn quoted(name: &str, text: &str) -> String {
    format!("{name}:\n\"\"\"\n{text}\n\"\"\"")
}
