//! How hard a task is, from what can be counted without understanding it.

use serde::{Deserialize, Serialize};

/// How hard a task is: the weighted sum of four parts, each 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Complexity {
    /// The whole, 0 to 1.
    pub score: f32,
    /// How much there is to read.
    pub length: f32,
    /// How many things are asked: questions, steps, conditions.
    pub demands: f32,
    /// How much it asks to reason: why, compare, prove.
    pub reasoning: f32,
    /// How much of it is code.
    pub code: f32,
}

impl Complexity {
    /// Share of each part in the whole. What is asked weighs more than how much there is to read: chunking takes care
    /// of length, nothing takes care of a hard question.
    pub const WEIGHTS: [f32; 4] = [0.2, 0.3, 0.35, 0.15];

    /// From counts: tokens, demands, words of reasoning, and per cent of lines that are code.
    pub(super) fn of(tokens: u64, demands: u32, reasoning: u32, code_percent: u32) -> Complexity {
        // Where a part is full: a text that fills a small model's context, more demands than one answer keeps apart,
        // three words of reasoning, and code alone.
        const FULL: [f32; 4] = [2_048.0, 8.0, 3.0, 100.0];
        let counts = [tokens as f32, demands as f32, reasoning as f32, code_percent as f32];
        let [length, demands, reasoning, code] = std::array::from_fn(|part| (counts[part] / FULL[part]).min(1.0));
        let parts = [length, demands, reasoning, code];
        let score = parts.iter().zip(Complexity::WEIGHTS).map(|(part, weight)| part * weight).sum();
        Complexity { score, length, demands, reasoning, code }
    }
}
