//! The rules: phrases in five languages and the shape of a text, as evidence for intents.
//!
//! A phrase is looked up by its first word, so the table may grow without making a classification slower. An instruction
//! stands at the beginning or at the end of a task; what stands between is mostly the material it is about.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use super::phrases::{self, PHRASES, REASONING, Where};
use super::{Complexity, Intent, Reason};

/// Words of an instruction at the most, at the beginning or at the end of a text.
const INSTRUCTION: usize = 30;

/// Words of an instruction at the least: a shorter sentence, such as a greeting, leads up to the next one.
const SHORT_SENTENCE: usize = 4;

/// Words from which on a first paragraph is material, if the last one is short enough to be the instruction.
const LONG_PARAGRAPH: usize = 60;

/// Words that are read at all; beyond them evidence only repeats itself, and time would grow with the text.
const MOST_WORDS: usize = 600;

/// Words of the end of a longer text that are read as well.
const TAIL_WORDS: usize = 60;

/// Words of a statement at the most: a longer text is material, not something to remember.
const STATEMENT_WORDS: usize = 40;

/// Indexes into [`PHRASES`] by the phrase's first word.
static BY_FIRST_WORD: LazyLock<HashMap<&'static str, Vec<usize>>> = LazyLock::new(|| {
    let mut index: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, phrase) in PHRASES.iter().enumerate() {
        index.entry(phrase.text.split(' ').next().unwrap_or_default()).or_default().push(place);
    }
    index
});

/// A text as the rules read it: lower-case words and a few counts.
pub(super) struct Text {
    words: Vec<String>,
    /// Words of the first sentence.
    head: usize,
    /// Index of the first word of the last sentence.
    tail: usize,
    /// Whether the last paragraph says what to do with the long text before it.
    tail_instructs: bool,
    asks: bool,
    questions: u32,
    fences: u32,
    lines: u32,
    code_lines: u32,
    list_lines: u32,
}

impl Text {
    pub(super) fn of(text: &str) -> Text {
        let mut words: Vec<String> = Vec::new();
        let mut all = words_of(text);
        words.extend(all.by_ref().take(MOST_WORDS).map(clean));
        let mut rest: Vec<String> = all.rev().take(TAIL_WORDS).map(clean).collect();
        rest.reverse();
        words.extend(rest);
        let head = first_sentence(text.trim_start());
        let trimmed = text.trim_end();
        let last_paragraph = trimmed.rsplit("\n\n").next().unwrap_or(trimmed);
        let first_paragraph = trimmed.split("\n\n").next().unwrap_or(trimmed);
        let count = |text: &str, most: usize| words_of(text).take(most + 1).count();
        let tail_instructs = count(first_paragraph, LONG_PARAGRAPH) > LONG_PARAGRAPH
            && count(last_paragraph, INSTRUCTION) <= INSTRUCTION;
        let tail_words = if tail_instructs { count(last_paragraph, INSTRUCTION) } else { last_sentence(trimmed) };
        let tail = words.len().saturating_sub(tail_words);
        let (mut fences, mut lines, mut code_lines, mut list_lines, mut fenced) = (0, 0, 0, 0, false);
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            lines += 1;
            if line.starts_with("```") {
                fences += 1;
                fenced = !fenced;
            } else if fenced || line.ends_with([';', '{', '}']) {
                code_lines += 1;
            } else if line.starts_with(['-', '*']) || line.starts_with(|next: char| next.is_ascii_digit()) {
                list_lines += 1;
            }
        }
        let marks = |next: &char| matches!(next, '?' | '？' | '؟');
        let questions = u32::try_from(text.chars().filter(marks).count()).unwrap_or(u32::MAX);
        let asks = text.trim_end().ends_with(['?', '？', '؟']);
        Text { words, head, tail, tail_instructs, asks, questions, fences, lines, code_lines, list_lines }
    }

    /// What speaks for which intent.
    pub(super) fn evidence(&self, reasons: &mut Vec<Reason>) {
        // What stands in the material still says something about its topic.
        const MATERIAL_PART: u32 = 4;
        let mut seen: Vec<(usize, &phrases::Phrase, u32)> = Vec::new();
        for (place, phrase) in self.phrases() {
            let leads = place == 0 || place <= SHORT_SENTENCE && is_polite(&self.words[..place]);
            let points = match phrase.stands {
                Where::Lead if leads => phrase.points,
                Where::Lead => 0,
                _ if place >= self.tail && self.tail_instructs => phrase.points * 2,
                _ if place < self.head || place >= self.tail => phrase.points,
                Where::Instruction => 0,
                Where::Anywhere => phrase.points / MATERIAL_PART,
            };
            // Of phrases for one intent that begin at one word only the best counts, and each phrase counts once.
            let known = seen.iter_mut().find(|(other, known, _)| {
                known.intent == phrase.intent && (*other == place || known.text == phrase.text)
            });
            match known {
                Some(known) if known.2 < points => *known = (place, phrase, points),
                Some(_) => {}
                None if points > 0 => seen.push((place, phrase, points)),
                None => {}
            }
        }
        reasons.extend(seen.into_iter().map(|(_, phrase, points)| Reason::Phrase {
            phrase: phrase.text.to_owned(),
            intent: phrase.intent,
            points,
        }));
        self.structure(reasons);
    }

    /// Evidence from how the text is built.
    fn structure(&self, reasons: &mut Vec<Reason>) {
        let mut add = |what: &str, intent, points| {
            reasons.push(Reason::Structure { what: what.to_owned(), intent, points });
        };
        if self.fences > 0 {
            add("it has fenced code", Intent::Code, 8);
        } else if self.code_lines > 2 && self.code_lines * 2 > self.lines {
            add("most lines end like code", Intent::Code, 5);
        }
        if self.asks {
            add("it ends with a question mark", Intent::Question, 3);
        }
        let short = self.words.len() <= STATEMENT_WORDS;
        let first = self.words.first().map_or("", String::as_str);
        let asks = self.asks || phrases::ASKING.contains(&first);
        let personal = self.words.iter().any(|word| phrases::OWN.contains(&word.as_str()));
        if asks && personal && short && phrases::FACT_ASKING.contains(&first) {
            add("it asks for a fact about the caller", Intent::Recall, 7);
        }
        if !asks && short && phrases::OWN_LEADS.contains(&first) && self.words.len() > 2 {
            add("it states something about the caller", Intent::Remember, 5);
        }
        if asks && !self.asks {
            add("it begins like a question", Intent::Question, 3);
        }
    }

    /// How hard the text is, given its tokens.
    pub(super) fn complexity(&self, tokens: u64) -> Complexity {
        let words = |list: &[&str]| {
            let count = self.words.iter().filter(|word| list.contains(&word.as_str())).count();
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        let demands = self.questions.saturating_add(self.list_lines).saturating_add(words(&phrases::CONDITIONS));
        let code = self.code_lines.saturating_mul(100).checked_div(self.lines).unwrap_or(0);
        Complexity::of(tokens, demands, words(&REASONING), code)
    }

    /// The language whose commonest words and phrases stand in the text, and whether they leave no doubt.
    pub(super) fn language(&self) -> Option<(&'static str, bool)> {
        // Common words from which on chance is out, if no other language has half as many.
        const CERTAIN: u32 = 4;
        let mut counts: BTreeMap<&'static str, u32> = BTreeMap::new();
        for (language, common) in phrases::COMMON {
            let count = self.words.iter().filter(|word| common.contains(&word.as_str())).count();
            *counts.entry(language).or_default() += u32::try_from(count).unwrap_or(u32::MAX);
        }
        for (_, phrase) in self.phrases().filter(|(_, phrase)| phrase.language != phrases::ANY) {
            *counts.entry(phrase.language).or_default() += 1;
        }
        let mut ranked: Vec<(u32, &'static str)> =
            counts.into_iter().map(|(language, count)| (count, language)).collect();
        ranked.sort_unstable_by(|one, other| other.cmp(one));
        let (most, language) = *ranked.first()?;
        let second = ranked.get(1).map_or(0, |(count, _)| *count);
        (most > second).then_some((language, most >= CERTAIN && most >= second * 2))
    }

    /// Every phrase of the table in the text, with the index of its first word.
    fn phrases(&self) -> impl Iterator<Item = (usize, &'static phrases::Phrase)> {
        self.words.iter().enumerate().flat_map(move |(place, word)| {
            let known = BY_FIRST_WORD.get(word.as_str()).map_or(&[][..], Vec::as_slice);
            known.iter().map(|index| &PHRASES[*index]).filter_map(move |phrase| {
                let mut words = self.words[place..].iter();
                let all = phrase.text.split(' ').all(|word| words.next().is_some_and(|next| next == word));
                all.then_some((place, phrase))
            })
        })
    }
}

/// The words of a text: letters, digits and apostrophes.
fn words_of(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split(|next: char| !next.is_alphanumeric() && next != '\'' && next != '’').filter(|word| !word.is_empty())
}

/// Words of the first sentence, and of the next one if it is short.
fn first_sentence(text: &str) -> usize {
    let mut words = 0;
    for sentence in text.split_inclusive(['.', '!', '?', ':', '\n']) {
        words += words_of(sentence).take(INSTRUCTION).count();
        if words >= SHORT_SENTENCE {
            break;
        }
    }
    words.min(INSTRUCTION)
}

/// Words of the last sentence, and of the one before if it is short.
fn last_sentence(text: &str) -> usize {
    let mut words = 0;
    for sentence in text.rsplit(['.', '!', '?', '\n']) {
        words += words_of(sentence).take(INSTRUCTION).count();
        if words >= SHORT_SENTENCE {
            break;
        }
    }
    words.min(INSTRUCTION)
}

fn clean(word: &str) -> String {
    word.trim_matches(['\'', '’']).to_lowercase().replace('’', "'")
}

/// Whether a request opens with nothing but manners: `please`, `could you`, `hi zoi`.
fn is_polite(words: &[String]) -> bool {
    words.iter().all(|word| phrases::POLITE.contains(&word.as_str()))
}
