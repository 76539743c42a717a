//! Words as they are compared: folded to lower case, stripped of their endings, without those that say nothing.

use std::collections::{BTreeMap, BTreeSet};

/// Words in too many sentences to tell one fact from another, in the languages of the rules.
const TELL_NOTHING: &[&str] = &[
    "a", "about", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "called", "can", "could",
    "did", "do", "does", "for", "from", "had", "has", "have", "he", "her", "his", "how", "i", "i'm", "if", "in", "is",
    "it", "its", "know", "me", "mine", "my", "name", "named", "note", "of", "on", "or", "our", "please", "remember",
    "remind", "say", "said", "she", "should", "so", "tell", "that", "the", "their", "them", "they", "this", "to",
    "told", "us", "was", "we", "were", "what", "what's", "when", "where", "which", "who", "whose", "why", "will",
    "with", "would", "you", "your", "aber", "als", "auf", "bin", "das", "dass", "dein", "dem", "den", "der", "die",
    "dir", "du", "ein", "eine", "er", "es", "für", "heißt", "ich", "im", "ist", "mein", "meine", "merk", "mir", "mit",
    "und", "von", "war", "was", "wer", "wie", "wo", "zu", "ce", "de", "des", "elle", "en", "est", "et", "il", "je",
    "la", "le", "les", "ma", "mes", "mon", "où", "quel", "quelle", "que", "qui", "suis", "un", "une", "con", "cuál",
    "dónde", "el", "los", "me", "mi", "mis", "qué", "soy", "una", "y", "che", "di", "dove", "mia", "mio", "non",
    "qual", "sono", "è",
];

/// A text with single spaces, in lower case, without marks at its end: equal texts say the same.
pub(super) fn normalised(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !clean.is_empty() {
            clean.push(' ');
        }
        clean.extend(word.chars().flat_map(char::to_lowercase));
    }
    clean.trim_end_matches(['.', '!', '?', ',', ';', ':', '。']).to_owned()
}

/// The telling words of a text by their stems, and how often each occurs.
pub(super) fn terms(text: &str) -> BTreeMap<String, u32> {
    let mut terms = BTreeMap::new();
    for word in words(text).filter(|word| !TELL_NOTHING.contains(&word.as_str())) {
        *terms.entry(stem(word)).or_insert(0) += 1;
    }
    terms
}

/// What makes two statements differ although they sound alike: numbers, capitalised words inside the sentence, and
/// words that turn it around.
pub(super) fn details(text: &str) -> BTreeSet<String> {
    const TURN: [&str; 10] = ["not", "no", "never", "don't", "nicht", "kein", "keine", "nie", "pas", "without"];
    let mut first = true;
    let mut details = BTreeSet::new();
    for word in text.split(|next: char| !next.is_alphanumeric() && next != '\'').filter(|word| !word.is_empty()) {
        let lower = word.to_lowercase();
        let name = !first && lower.len() > 1 && word.starts_with(char::is_uppercase);
        if name || word.bytes().any(|byte| byte.is_ascii_digit()) || TURN.contains(&lower.as_str()) {
            details.insert(lower);
        }
        first = false;
    }
    details
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|next: char| !next.is_alphanumeric() && next != '\'' && next != '’')
        .map(|word| word.trim_matches(['\'', '’']).replace('’', "'").to_lowercase())
        .filter(|word| !word.is_empty())
}

/// A word without its commonest English and German endings, as far as a stem of four letters stays; `color` is taken
/// for `colour`. Coarser than Porter's stemmer: facts are short, and a wrong join of two words costs little.
fn stem(mut word: String) -> String {
    const ENDINGS: [&str; 10] = ["'s", "ings", "ing", "edly", "ies", "ied", "es", "ed", "en", "s"];
    const LEAST: usize = 4;
    if let Some(rest) = word.strip_suffix("'s") {
        word.truncate(rest.len());
    }
    if word.is_ascii() {
        let ending = ENDINGS.iter().find(|ending| word.ends_with(*ending) && word.len() >= ending.len() + LEAST - 1);
        if let Some(ending) = ending
            && !word.ends_with("ss")
        {
            word.truncate(word.len() - ending.len());
        }
        if word.len() > LEAST && word.ends_with(['e', 'y', 'i']) {
            word.pop();
        }
        if word.len() > LEAST && word.ends_with("our") {
            word.replace_range(word.len() - 2.., "r");
        }
    }
    word
}

/// The vector scaled to length one; empty if it has no direction.
pub(super) fn unit(vector: &[f32]) -> Vec<f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 && length.is_finite() { vector.iter().map(|value| value / length).collect() } else { Vec::new() }
}

/// The cosine of two vectors of length one; none if they differ in length or one is missing.
pub(super) fn cosine(one: &[f32], other: &[f32]) -> Option<f32> {
    (!one.is_empty() && one.len() == other.len()).then(|| one.iter().zip(other).map(|(one, other)| one * other).sum())
}
