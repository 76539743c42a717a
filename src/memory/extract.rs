//! Finding what a user wants remembered: instructions to remember, and statements about the user.

use serde::{Deserialize, Serialize};

/// Bytes of a sentence at the most: a longer one is material and not a fact.
const LONGEST: usize = 400;

/// Facts taken from one text at the most, so that a pasted biography does not become a memory.
const MOST: usize = 16;

/// Words of a subject at the most.
const SUBJECT_WORDS: usize = 6;

/// Something that a user told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The fact, in the user's words, without the instruction to remember it.
    pub text: String,
    /// What it is about, if that is clear; see [`super::Delta::subject`].
    pub subject: Option<String>,
    /// Whether the user asked for it to be remembered, instead of only saying it.
    pub explicit: bool,
}

/// Openings that ask to remember what follows.
const INSTRUCTIONS: [&str; 26] = [
    "please remember that",
    "please remember",
    "remember that",
    "remember this",
    "remember",
    "keep in mind that",
    "keep in mind",
    "don't forget that",
    "don't forget",
    "do not forget that",
    "make a note that",
    "make a note",
    "note that",
    "note to self",
    "note",
    "for the record",
    "merk dir, dass",
    "merk dir",
    "merke dir",
    "vergiss nicht, dass",
    "notiere",
    "souviens-toi que",
    "retiens que",
    "recuerda que",
    "ricorda che",
    "fyi",
];

/// Openings of statements about the user with one value at a time, and the subject they share.
const SINGLE: [(&str, &str); 24] = [
    ("i live in", "where i live"),
    ("i live at", "where i live"),
    ("i live on", "where i live"),
    ("i moved to", "where i live"),
    ("i now live in", "where i live"),
    ("my name is", "my name"),
    ("my name's", "my name"),
    ("i am called", "my name"),
    ("call me", "my name"),
    ("i work at", "where i work"),
    ("i work for", "where i work"),
    ("i work in", "where i work"),
    ("i work as", "my job"),
    ("i was born in", "where i was born"),
    ("i was born on", "my birthday"),
    ("ich wohne in", "where i live"),
    ("ich heiße", "my name"),
    ("ich arbeite bei", "where i work"),
    ("j'habite", "where i live"),
    ("je m'appelle", "my name"),
    ("vivo en", "where i live"),
    ("me llamo", "my name"),
    ("mi chiamo", "my name"),
    ("abito a", "where i live"),
];

/// Openings of other statements about the user, which add to what is known.
const OPEN: [&str; 34] = [
    "i am",
    "i'm",
    "i have",
    "i've got",
    "i like",
    "i love",
    "i hate",
    "i dislike",
    "i prefer",
    "i own",
    "i speak",
    "i play",
    "i drive",
    "i can't",
    "i cannot",
    "i don't like",
    "i do not like",
    "i don't eat",
    "i do not eat",
    "i never",
    "i always",
    "i usually",
    "we have",
    "we live",
    "ich bin",
    "ich habe",
    "ich mag",
    "ich liebe",
    "ich esse",
    "je suis",
    "j'aime",
    "soy",
    "me gusta",
    "sono",
];

/// Words after an opening that make it a remark of the moment: `I am trying to ...`, `I have a question`.
const PASSING: [&str; 34] = [
    "trying",
    "looking",
    "wondering",
    "writing",
    "asking",
    "going",
    "sure",
    "sorry",
    "not sure",
    "afraid",
    "getting",
    "having",
    "using",
    "working on",
    "just",
    "here",
    "fine",
    "ok",
    "good",
    "back",
    "done",
    "ready",
    "confused",
    "curious",
    "a question",
    "to",
    "a problem",
    "an issue",
    "a bug",
    "an error",
    "no idea",
    "some code",
    "been",
    "glad",
];

/// Words that begin a question.
const ASKING: [&str; 26] = [
    "what", "what's", "who", "where", "when", "which", "why", "how", "is", "are", "am", "do", "does", "did", "can",
    "could", "would", "will", "should", "was", "wer", "wie", "wo", "wann", "qui", "quel",
];

/// What of a text is to be remembered, in its order. Questions never are.
pub fn extract(text: &str) -> Vec<Statement> {
    let mut statements: Vec<Statement> = Vec::new();
    for sentence in sentences(text) {
        if let Some(statement) = statement(sentence)
            && statements.len() < MOST
            && !statements.contains(&statement)
        {
            statements.push(statement);
        }
    }
    statements
}

/// The sentences of a text outside fenced code and quotations.
fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut fenced = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced && !line.starts_with('>') {
            let mut start = 0;
            for (place, mark) in line.match_indices(['.', '!', '?', '。', '？']) {
                let end = place + mark.len();
                let ends = line[end..].is_empty() || line[end..].starts_with(char::is_whitespace);
                // `Dr. No` and `3. May`: a capital or digit of its own before the dot does not end a sentence.
                let before = line[start..place].rsplit(|next: char| !next.is_alphanumeric()).next().unwrap_or_default();
                let shortened = mark == "." && (before.chars().count() == 1 || ABBREVIATIONS.contains(&before));
                if ends && !shortened {
                    sentences.push(line[start..end].trim());
                    start = end;
                }
            }
            sentences.push(line[start..].trim());
        }
    }
    sentences.retain(|sentence| !sentence.is_empty() && sentence.len() <= LONGEST);
    sentences
}

/// Titles that stand before a name.
const ABBREVIATIONS: [&str; 7] = ["Dr", "Mr", "Mrs", "Ms", "St", "Prof", "Nr"];

fn statement(sentence: &str) -> Option<Statement> {
    if sentence.ends_with(['?', '？']) {
        return None;
    }
    let (explicit, body) = match instruction(sentence) {
        Some(rest) => (true, rest),
        None => (false, manners(sentence)),
    };
    let body = body.trim_end_matches(['.', '!', '。', ' ']);
    let lower = body.to_lowercase().replace('’', "'");
    let first = lower.split_whitespace().next()?;
    if ASKING.contains(&first) || body.split_whitespace().nth(1).is_none() && !explicit {
        return None;
    }
    let subject = subject(&lower);
    let told = explicit || subject.is_some() || opens(&lower, &OPEN).is_some_and(|rest| !passes(rest));
    told.then(|| Statement { text: body.to_owned(), subject, explicit })
}

/// What follows an instruction to remember, if the sentence opens with one.
fn instruction(sentence: &str) -> Option<&str> {
    let lower = manners(sentence);
    INSTRUCTIONS.iter().find_map(|opening| {
        let head = lower.get(..opening.len()).filter(|head| head.eq_ignore_ascii_case(opening))?;
        let rest = &lower[head.len()..];
        // A word may go on (`notebook`), a verb may not (`Remember the milk` is one, `Remember to ...` a task).
        let rest = if rest.starts_with([':', ',', ' ', '-', '–']) { rest } else { return None };
        let rest = rest.trim_start_matches([':', ',', ' ', '-', '–']);
        let asks = ["when", "how", "what", "where", "me", "to"]
            .iter()
            .any(|word| rest.split_whitespace().next().is_some_and(|first| first.eq_ignore_ascii_case(word)));
        (!rest.is_empty() && !asks).then_some(rest)
    })
}

/// The sentence without a greeting or name before it.
fn manners(sentence: &str) -> &str {
    const GREETINGS: [&str; 12] =
        ["hi", "hello", "hey", "hallo", "ok", "okay", "well", "also", "and", "by the way", "btw", "zoi"];
    let mut rest = sentence.trim_start_matches(['-', '*', ' ']);
    while let Some(next) = GREETINGS.iter().find_map(|word| {
        let head = rest.get(..word.len()).filter(|head| head.eq_ignore_ascii_case(word))?;
        let after = &rest[head.len()..];
        after.starts_with([',', ' ', '!']).then(|| after.trim_start_matches([',', ' ', '!']))
    }) {
        rest = next;
    }
    rest
}

/// What a statement is about, if a newer one would replace it: `my X is ...`, or one of [`SINGLE`].
fn subject(lower: &str) -> Option<String> {
    if let Some((_, subject)) = SINGLE.iter().find(|(opening, _)| begins(lower, opening).is_some()) {
        return Some((*subject).to_owned());
    }
    let owned = ["my ", "our ", "the ", "mein ", "meine ", "mon ", "ma ", "mi ", "il mio ", "la mia "];
    let opening = owned.iter().find(|opening| lower.starts_with(**opening))?;
    let words: Vec<&str> = lower.split_whitespace().collect();
    let verbs = ["is", "are", "was", "ist", "sind", "est", "sont", "es", "son", "è", "heißt", "lives", "wohnt"];
    let verb = words.iter().position(|word| verbs.contains(word))?;
    // The user's own things are facts; `the` only counts after an instruction, which is for the caller to see.
    let short = (2..=SUBJECT_WORDS).contains(&verb) && verb + 1 < words.len();
    let lives = if matches!(words[verb], "lives" | "wohnt") { " lives" } else { "" };
    // `my dog is called Rex` and `my dog is sick` are different things to know of one dog.
    let called = if words.get(verb + 1) == Some(&"called") || words[verb] == "heißt" { " called" } else { "" };
    (short && *opening != "the ").then(|| format!("{}{lives}{called}", words[..verb].join(" ")))
}

fn opens<'a>(lower: &'a str, openings: &[&str]) -> Option<&'a str> {
    openings.iter().find_map(|opening| begins(lower, opening))
}

/// What follows an opening of whole words.
fn begins<'a>(lower: &'a str, opening: &str) -> Option<&'a str> {
    lower.strip_prefix(opening).and_then(|rest| rest.strip_prefix(' ')).map(str::trim_start)
}

fn passes(rest: &str) -> bool {
    PASSING.iter().any(|passing| rest == *passing || begins(rest, passing).is_some())
}
