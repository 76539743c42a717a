//! Phrases of French.

use super::{Group, Where};
use crate::ziggy::classify::Intent;

pub(super) const GROUPS: &[Group] = &[
    Group {
        language: "fr",
        intent: Intent::Summarise,
        stands: Where::Instruction,
        points: 8,
        texts: &["résume", "résumer", "résumez", "en bref", "résumé de"],
    },
    Group {
        language: "fr",
        intent: Intent::Translate,
        stands: Where::Instruction,
        points: 9,
        texts: &["traduis", "traduire", "traduisez", "en anglais", "en allemand", "en français", "comment dit on"],
    },
    Group {
        language: "fr",
        intent: Intent::Remember,
        stands: Where::Instruction,
        points: 9,
        texts: &["souviens toi que", "retiens que", "note que", "n'oublie pas", "je m'appelle", "j'habite"],
    },
    Group {
        language: "fr",
        intent: Intent::Recall,
        stands: Where::Instruction,
        points: 8,
        texts: &[
            "te souviens tu",
            "quel est mon",
            "quelle est ma",
            "où est ce que j'habite",
            "comment je m'appelle",
            "que sais tu de moi",
        ],
    },
    Group {
        language: "fr",
        intent: Intent::Code,
        stands: Where::Instruction,
        points: 7,
        texts: &["écris une fonction", "écris un programme", "corrige le bug", "corrige ce code"],
    },
    Group {
        language: "fr",
        intent: Intent::Extract,
        stands: Where::Instruction,
        points: 8,
        texts: &["extrais", "liste tous", "liste toutes", "énumère"],
    },
    Group {
        language: "fr",
        intent: Intent::Plan,
        stands: Where::Instruction,
        points: 8,
        texts: &["planifie", "un plan pour", "organise un", "itinéraire", "les étapes"],
    },
    Group {
        language: "fr",
        intent: Intent::Write,
        stands: Where::Instruction,
        points: 7,
        texts: &["écris", "rédige", "rédigez", "compose un", "un poème", "une lettre"],
    },
    Group {
        language: "fr",
        intent: Intent::Question,
        stands: Where::Lead,
        points: 4,
        texts: &[
            "quoi",
            "pourquoi",
            "comment",
            "qui",
            "où",
            "quand",
            "quel",
            "quelle",
            "est ce que",
            "qu'est ce que",
            "explique",
            "combien",
        ],
    },
    Group {
        language: "fr",
        intent: Intent::Chat,
        stands: Where::Lead,
        points: 6,
        texts: &["bonjour", "salut", "bonsoir", "merci", "au revoir", "ça va", "coucou"],
    },
];
