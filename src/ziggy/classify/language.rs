//! The language of a text, by its letters and trigrams. The only file that names `whatlang`.

/// Below so many characters trigrams guess; the rules know better from a single word.
const LEAST_CHARACTERS: usize = 24;

/// Bytes that are looked at. More do not change the answer and cost time on every task.
const MOST_BYTES: usize = 400;

/// The ISO 639 code of the language, if it can be told.
pub(super) fn detect(text: &str) -> Option<String> {
    let text = text.trim_start();
    let head = &text[..text.floor_char_boundary(MOST_BYTES)];
    let info = whatlang::detect(head)?;
    // A script of its own tells at once: Japanese, Korean, Greek, Hebrew, Thai and others.
    let certain = info.confidence() >= 1.0 && !matches!(info.script(), whatlang::Script::Latin);
    if !certain && (head.chars().count() < LEAST_CHARACTERS || !info.is_reliable()) {
        return None;
    }
    Some(short(info.lang().code()).to_owned())
}

/// The two-letter code where ISO 639-1 has one.
fn short(code: &str) -> &str {
    const CODES: [(&str, &str); 40] = [
        ("ara", "ar"),
        ("bul", "bg"),
        ("cat", "ca"),
        ("ces", "cs"),
        ("cmn", "zh"),
        ("dan", "da"),
        ("deu", "de"),
        ("ell", "el"),
        ("eng", "en"),
        ("epo", "eo"),
        ("est", "et"),
        ("fin", "fi"),
        ("fra", "fr"),
        ("heb", "he"),
        ("hin", "hi"),
        ("hrv", "hr"),
        ("hun", "hu"),
        ("ind", "id"),
        ("ita", "it"),
        ("jpn", "ja"),
        ("kor", "ko"),
        ("lat", "la"),
        ("lav", "lv"),
        ("lit", "lt"),
        ("nld", "nl"),
        ("nob", "nb"),
        ("pes", "fa"),
        ("pol", "pl"),
        ("por", "pt"),
        ("ron", "ro"),
        ("rus", "ru"),
        ("slk", "sk"),
        ("slv", "sl"),
        ("spa", "es"),
        ("srp", "sr"),
        ("swe", "sv"),
        ("tha", "th"),
        ("tur", "tr"),
        ("ukr", "uk"),
        ("vie", "vi"),
    ];
    CODES.iter().find(|(long, _)| *long == code).map_or(code, |(_, short)| short)
}
