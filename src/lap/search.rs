//! Finding tools by what they are for: what of a tool is looked at, how well words fit it, and how two orders become one.

use std::cmp::Ordering;

use crate::tds::Tool;

/// The constant of reciprocal rank fusion by Cormack and others (2009); how large it is matters little.
const FUSION: f32 = 60.0;

/// A word in the name of a tool or among its tags says more than one in a sentence about it.
const NAMED: f32 = 2.0;

/// Letters of the shortest word that is looked for; shorter ones are in every sentence.
const WORD_LEAST: usize = 3;

/// Letters that two words must share at their beginning to be taken for one: `count` and `counts`.
const STEM: usize = 4;

/// All that a tool says of what it is for, as one text: what a model is told, and what people ask that leads to a call.
pub fn about(tool: &Tool) -> String {
    let mut lines = vec![tool.name.to_string(), tool.description.clone()];
    let tags: Vec<String> = tool.tags.iter().map(ToString::to_string).collect();
    lines.extend((!tags.is_empty()).then(|| tags.join(", ")));
    lines.extend(tool.interface.examples.iter().map(|example| example.prompt.clone()));
    lines.join("\n")
}

/// How many of the words of a text a tool has, those it is named by counted more; none if it has none.
pub fn words(tool: &Tool, text: &str) -> Option<f32> {
    let mut asked = split(text);
    asked.sort_unstable();
    asked.dedup();
    let tags: Vec<String> = tool.tags.iter().map(ToString::to_string).collect();
    let named = split(&format!("{} {} {}", tool.id, tool.name, tags.join(" ")));
    let said = split(&about(tool));
    let has = |words: &[String], asked: &str| words.iter().any(|word| is_same(word, asked));
    let worth = |asked: &String| match () {
        () if has(&named, asked) => NAMED,
        () if has(&said, asked) => 1.0,
        () => 0.0,
    };
    let score: f32 = asked.iter().map(worth).sum();
    (score > 0.0).then_some(score)
}

fn split(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|sign: char| !sign.is_alphanumeric());
    words.filter(|word| word.chars().count() >= WORD_LEAST).map(ToOwned::to_owned).collect()
}

/// Whether two words are one, or the beginning of each other and long enough for that to mean something.
fn is_same(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    one == other || (short.chars().count() >= STEM && long.starts_with(short))
}

/// The places of what was found, best first: by two scores each of which may be missing. Ranks are joined and not scores, since
/// a share of words and a cosine cannot be compared (reciprocal rank fusion). What has neither was not found.
pub fn fused(scores: &[(Option<f32>, Option<f32>)]) -> Vec<usize> {
    let (one, other) = (ranks(scores, |both| both.0), ranks(scores, |both| both.1));
    let part = |rank: Option<usize>| rank.map_or(0.0, |rank| 1.0 / (FUSION + rank as f32));
    let mut found: Vec<(f32, usize)> = (0..scores.len()).map(|at| (part(one[at]) + part(other[at]), at)).collect();
    found.retain(|(score, _)| *score > 0.0);
    found.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
    found.into_iter().map(|(_, at)| at).collect()
}

/// The rank of each by a score, from 1; equal scores share a rank, and no score has none.
fn ranks<T>(all: &[T], score: impl Fn(&T) -> Option<f32>) -> Vec<Option<usize>> {
    let scores: Vec<Option<f32>> = all.iter().map(score).collect();
    let mut sorted: Vec<f32> = scores.iter().copied().flatten().collect();
    sorted.sort_by(|one, other| other.total_cmp(one));
    let rank = |score: f32| 1 + sorted.partition_point(|other| other.total_cmp(&score) == Ordering::Greater);
    scores.into_iter().map(|score| score.map(rank)).collect()
}
