//! Made by `syzygy tool docs --part rust`.

use syzygy::prelude::*;
use syzygy::types::ToolCall;

/// text count
///
/// Counts the words and characters of a text. Use it whenever somebody asks how long a text is.
pub async fn text_count(kit: &Kit, cx: &Cx, text: &str) -> Result<serde_json::Value, Fault> {
    let mut arguments = serde_json::Map::new();
    arguments.insert("text".to_owned(), serde_json::json!(text));
    let arguments = serde_json::Value::Object(arguments);
    let call = ToolCall { id: "text_count".to_owned(), name: "text.count".to_owned(), arguments };
    Ok(kit.tools.call(cx, call).await?)
}
