//! Phrases of every language.

use super::{ANY, Group, Where};
use crate::ziggy::classify::Intent;

pub(super) const GROUPS: &[Group] = &[
    Group {
        language: ANY,
        intent: Intent::Summarise,
        stands: Where::Instruction,
        points: 8,
        texts: &["tl dr", "tldr"],
    },
    Group {
        language: ANY,
        intent: Intent::Code,
        stands: Where::Anywhere,
        points: 4,
        texts: &["python", "javascript", "typescript", "rust", "sql", "bash", "regex"],
    },
    Group { language: ANY, intent: Intent::Chat, stands: Where::Lead, points: 6, texts: &["lol"] },
    Group {
        language: "de",
        intent: Intent::Summarise,
        stands: Where::Instruction,
        points: 8,
        texts: &["fasse", "zusammenfassen", "zusammenfassung", "fass", "kürze", "in kurzen worten", "das wichtigste"],
    },
];
