//! Phrases of German.

use super::{Group, Where};
use crate::ziggy::classify::Intent;

pub(super) const GROUPS: &[Group] = &[
    Group {
        language: "de",
        intent: Intent::Translate,
        stands: Where::Instruction,
        points: 9,
        texts: &[
            "übersetze",
            "übersetz",
            "übersetzung",
            "auf englisch",
            "auf deutsch",
            "auf französisch",
            "ins englische",
            "ins deutsche",
            "wie sagt man",
        ],
    },
    Group {
        language: "de",
        intent: Intent::Remember,
        stands: Where::Instruction,
        points: 9,
        texts: &["merk dir", "merke dir", "notiere", "vergiss nicht", "ich heiße", "ich wohne in", "mein name ist"],
    },
    Group {
        language: "de",
        intent: Intent::Recall,
        stands: Where::Instruction,
        points: 8,
        texts: &[
            "weißt du noch",
            "erinnerst du dich",
            "was weißt du über mich",
            "was ist mein",
            "wie heißt mein",
            "wie heiße ich",
            "wo wohne ich",
            "was habe ich dir",
        ],
    },
    Group {
        language: "de",
        intent: Intent::Code,
        stands: Where::Instruction,
        points: 7,
        texts: &[
            "schreibe eine funktion",
            "schreib eine funktion",
            "programmiere",
            "behebe den fehler",
            "fehlermeldung",
            "quelltext",
        ],
    },
    Group {
        language: "de",
        intent: Intent::Extract,
        stands: Where::Instruction,
        points: 8,
        texts: &["liste alle", "extrahiere", "finde alle", "zähle alle", "als tabelle"],
    },
    Group {
        language: "de",
        intent: Intent::Plan,
        stands: Where::Instruction,
        points: 8,
        texts: &["plane", "erstelle einen plan", "reiseplan", "zeitplan", "schritte"],
    },
    Group {
        language: "de",
        intent: Intent::Write,
        stands: Where::Instruction,
        points: 6,
        texts: &["schreibe", "schreib", "verfasse", "entwirf", "formuliere", "gedicht", "brief an"],
    },
    Group {
        language: "de",
        intent: Intent::Question,
        stands: Where::Lead,
        points: 4,
        texts: &[
            "was", "warum", "wie", "wer", "wo", "wann", "welche", "welcher", "erkläre", "erklär", "ist", "kann",
            "wieso", "gibt es",
        ],
    },
    Group {
        language: "de",
        intent: Intent::Chat,
        stands: Where::Lead,
        points: 6,
        texts: &[
            "hallo",
            "guten morgen",
            "guten tag",
            "danke",
            "tschüss",
            "servus",
            "moin",
            "wie geht's",
            "wie geht es dir",
        ],
    },
];
