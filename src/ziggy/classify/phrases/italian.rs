//! Phrases of Italian.

use super::{Group, Where};
use crate::ziggy::classify::Intent;

pub(super) const GROUPS: &[Group] = &[
    Group {
        language: "it",
        intent: Intent::Summarise,
        stands: Where::Instruction,
        points: 8,
        texts: &["riassumi", "riassunto", "riassumere", "in breve"],
    },
    Group {
        language: "it",
        intent: Intent::Translate,
        stands: Where::Instruction,
        points: 9,
        texts: &["traduci", "tradurre", "traduzione", "in inglese", "in italiano", "in tedesco", "come si dice"],
    },
    Group {
        language: "it",
        intent: Intent::Remember,
        stands: Where::Instruction,
        points: 9,
        texts: &["ricorda che", "annota che", "non dimenticare", "mi chiamo", "abito a"],
    },
    Group {
        language: "it",
        intent: Intent::Recall,
        stands: Where::Instruction,
        points: 8,
        texts: &["ti ricordi", "qual è il mio", "qual è la mia", "dove abito", "come mi chiamo"],
    },
    Group {
        language: "it",
        intent: Intent::Code,
        stands: Where::Instruction,
        points: 7,
        texts: &["scrivi una funzione", "scrivi un programma", "correggi il codice"],
    },
    Group {
        language: "it",
        intent: Intent::Extract,
        stands: Where::Instruction,
        points: 8,
        texts: &["estrai", "elenca", "elenca tutti"],
    },
    Group {
        language: "it",
        intent: Intent::Plan,
        stands: Where::Instruction,
        points: 8,
        texts: &["pianifica", "fai un piano", "i passi per"],
    },
    Group {
        language: "it",
        intent: Intent::Write,
        stands: Where::Instruction,
        points: 7,
        texts: &["scrivi", "componi", "una poesia", "una lettera"],
    },
    Group {
        language: "it",
        intent: Intent::Question,
        stands: Where::Lead,
        points: 4,
        texts: &["che", "perché", "come", "chi", "dove", "quando", "quale", "quanto", "spiega", "cosa"],
    },
    Group {
        language: "it",
        intent: Intent::Chat,
        stands: Where::Lead,
        points: 6,
        texts: &["ciao", "buongiorno", "buonasera", "grazie", "arrivederci", "come stai"],
    },
];
