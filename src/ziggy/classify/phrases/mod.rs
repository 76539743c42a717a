//! The words of the rules, in English, German, French, Spanish and Italian. Data, no logic.
//!
//! Points say how sure a phrase is alone: 4 for a topic or a way to ask, 6 to 7 for what may mean something else too,
//! 8 to 9 for a clear instruction. A question mark gives 3, an embedding at most 8.

mod any;
mod english;
mod french;
mod german;
mod italian;
mod spanish;

use std::sync::LazyLock;

use super::Intent;

/// The language of phrases that every language uses.
pub(super) const ANY: &str = "";

/// Where a phrase has to stand to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// At the very beginning, manners aside.
    Lead,
    /// Near the beginning or the end, where instructions stand.
    Instruction,
    /// Anywhere, though for less in the middle.
    Anywhere,
}

/// A phrase and what it speaks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phrase {
    /// Lower-case words with single spaces.
    pub(super) text: &'static str,
    pub(super) language: &'static str,
    pub(super) intent: Intent,
    pub(super) stands: Where,
    pub(super) points: u32,
}

/// Phrases that share everything but their text.
struct Group {
    language: &'static str,
    intent: Intent,
    stands: Where,
    points: u32,
    texts: &'static [&'static str],
}

/// Every phrase.
pub(super) static PHRASES: LazyLock<Vec<Phrase>> = LazyLock::new(|| {
    let phrases = |group: &'static Group| {
        let Group { language, intent, stands, points, .. } = *group;
        group.texts.iter().map(move |text| Phrase { text, language, intent, stands, points })
    };
    let languages = [any::GROUPS, english::GROUPS, german::GROUPS, french::GROUPS, spanish::GROUPS, italian::GROUPS];
    languages.into_iter().flatten().flat_map(phrases).collect()
});

/// Words with which a question begins.
pub(super) const ASKING: [&str; 48] = [
    "what", "what's", "why", "how", "who", "where", "when", "which", "is", "are", "can", "does", "do", "did", "should",
    "was", "warum", "wie", "wer", "wo", "wann", "welche", "welcher", "welches", "wieso", "pourquoi", "comment", "qui",
    "où", "quand", "quel", "quelle", "combien", "qué", "cómo", "quién", "dónde", "cuándo", "cuál", "cuánto", "perché",
    "come", "chi", "dove", "quando", "quale", "qual", "cosa",
];

/// Words that ask for a fact; the rest ask for reasons, ways or permission.
pub(super) const FACT_ASKING: [&str; 28] = [
    "what", "what's", "who", "where", "when", "which", "was", "wer", "wo", "wann", "welche", "welcher", "welches",
    "wie", "qui", "où", "quand", "quel", "quelle", "qué", "quién", "dónde", "cuándo", "cuál", "chi", "dove", "quando",
    "qual",
];

/// Words with which a caller speaks of what is the caller's own.
pub(super) const OWN: [&str; 18] = [
    "my", "mine", "mein", "meine", "meinen", "meiner", "mon", "ma", "mes", "mi", "mis", "mio", "mia", "miei", "heiße",
    "wohne", "vivo", "abito",
];

/// Words with which a statement about the caller begins.
pub(super) const OWN_LEADS: [&str; 16] =
    ["my", "i", "i'm", "i've", "mein", "meine", "ich", "mon", "ma", "je", "j'ai", "mi", "mis", "soy", "mio", "sono"];

/// Words that only make a request polite, and the names of whoever it is put to.
pub(super) const POLITE: [&str; 24] = [
    "please",
    "could",
    "can",
    "would",
    "will",
    "you",
    "hi",
    "hello",
    "hey",
    "zoi",
    "marvin",
    "zerene",
    "and",
    "bitte",
    "kannst",
    "könntest",
    "du",
    "peux",
    "tu",
    "puedes",
    "puoi",
    "now",
    "just",
    "kindly",
];

/// The commonest words of a language, which tell short texts apart better than trigrams do.
pub(super) const COMMON: [(&str, &[&str]); 7] = [
    ("en", &["the", "and", "of", "to", "is", "are", "in", "that", "it", "my", "you", "this", "for", "with", "what"]),
    (
        "de",
        &["der", "die", "das", "und", "ist", "nicht", "ein", "eine", "ich", "mit", "den", "für", "auf", "zu", "dem"],
    ),
    ("fr", &["le", "la", "les", "et", "est", "des", "une", "dans", "que", "pour", "je", "du", "pas", "sur", "ce"]),
    ("es", &["el", "los", "las", "y", "es", "una", "que", "en", "por", "con", "para", "del", "mi", "lo", "está"]),
    ("it", &["il", "gli", "che", "di", "è", "una", "per", "con", "sono", "della", "nel", "mi", "questo", "non", "del"]),
    ("pt", &["o", "os", "e", "é", "uma", "que", "em", "para", "com", "não", "do", "da", "meu", "isso", "está"]),
    ("nl", &["de", "het", "een", "en", "van", "is", "niet", "ik", "dat", "met", "op", "voor", "mijn", "zijn", "deze"]),
];

/// Words that ask to reason.
pub(super) const REASONING: [&str; 32] = [
    "why",
    "prove",
    "proof",
    "compare",
    "contrast",
    "analyse",
    "analyze",
    "evaluate",
    "derive",
    "justify",
    "argue",
    "trade",
    "tradeoff",
    "tradeoffs",
    "implications",
    "consequences",
    "optimise",
    "optimize",
    "reason",
    "warum",
    "beweise",
    "vergleiche",
    "analysiere",
    "begründe",
    "pourquoi",
    "prouve",
    "analysez",
    "demuestra",
    "compara",
    "analiza",
    "perché",
    "dimostra",
];

/// Words that add a condition to be met.
pub(super) const CONDITIONS: [&str; 22] = [
    "must",
    "exactly",
    "least",
    "most",
    "without",
    "only",
    "unless",
    "except",
    "also",
    "then",
    "finally",
    "muss",
    "genau",
    "mindestens",
    "höchstens",
    "ohne",
    "nur",
    "sans",
    "seulement",
    "sin",
    "solo",
    "senza",
];
