//! Phrases of Spanish.

use super::{Group, Where};
use crate::ziggy::classify::Intent;

pub(super) const GROUPS: &[Group] = &[
    Group {
        language: "es",
        intent: Intent::Summarise,
        stands: Where::Instruction,
        points: 8,
        texts: &["resume", "resumir", "resumen", "resúmeme", "en pocas palabras"],
    },
    Group {
        language: "es",
        intent: Intent::Translate,
        stands: Where::Instruction,
        points: 9,
        texts: &["traduce", "traducir", "traducción", "al inglés", "al español", "al alemán", "cómo se dice"],
    },
    Group {
        language: "es",
        intent: Intent::Remember,
        stands: Where::Instruction,
        points: 9,
        texts: &["recuerda que", "apunta que", "no olvides", "me llamo", "vivo en"],
    },
    Group {
        language: "es",
        intent: Intent::Recall,
        stands: Where::Instruction,
        points: 8,
        texts: &["te acuerdas", "cuál es mi", "dónde vivo", "cómo me llamo", "qué sabes de mí"],
    },
    Group {
        language: "es",
        intent: Intent::Code,
        stands: Where::Instruction,
        points: 7,
        texts: &["escribe una función", "escribe un programa", "corrige el error", "depura"],
    },
    Group {
        language: "es",
        intent: Intent::Extract,
        stands: Where::Instruction,
        points: 8,
        texts: &["extrae", "enumera", "lista todos", "lista todas", "en una tabla"],
    },
    Group {
        language: "es",
        intent: Intent::Plan,
        stands: Where::Instruction,
        points: 8,
        texts: &["planifica", "haz un plan", "itinerario", "los pasos"],
    },
    Group {
        language: "es",
        intent: Intent::Write,
        stands: Where::Instruction,
        points: 7,
        texts: &["escribe", "redacta", "un poema", "una carta"],
    },
    Group {
        language: "es",
        intent: Intent::Question,
        stands: Where::Lead,
        points: 4,
        texts: &["qué", "por qué", "cómo", "quién", "dónde", "cuándo", "cuál", "cuánto", "explica", "es", "hay"],
    },
    Group {
        language: "es",
        intent: Intent::Chat,
        stands: Where::Lead,
        points: 6,
        texts: &["hola", "buenos días", "buenas tardes", "gracias", "adiós", "qué tal"],
    },
];
