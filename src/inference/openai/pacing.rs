//! The headers in which endpoints say how much more they take.

use std::time::Duration;

use reqwest::header::HeaderMap;

use super::refusal::{LONGEST_WAIT, retry_after};
use crate::inference::{Left, Pacing};
use crate::types::Timestamp;

/// What the headers say is left. A limit without both of its numbers says nothing.
pub(super) fn pacing(headers: &HeaderMap) -> Pacing {
    Pacing { requests: left(headers, "requests"), tokens: left(headers, "tokens") }
}

fn left(headers: &HeaderMap, what: &str) -> Option<Left> {
    let word = |name: &str| headers.get(format!("x-ratelimit-{name}-{what}"))?.to_str().ok();
    let remaining = word("remaining")?.trim().parse().ok()?;
    Some(Left { remaining, resets_after: span(word("reset")?)? })
}

/// How long the endpoint asks to wait: by `retry-after-ms`, which is finer where it is sent, or by `retry-after`.
pub(super) fn wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let word = |name: &str| headers.get(name)?.to_str().ok();
    let millis = word("retry-after-ms").and_then(|text| text.trim().parse::<u64>().ok());
    let fine = millis.map(|millis| Duration::from_millis(millis).min(LONGEST_WAIT));
    fine.or_else(|| retry_after(word("retry-after")?, now))
}

/// A time as these headers write it: `6m0s`, `20ms`, `1.5s`, or plain seconds.
pub(super) fn span(text: &str) -> Option<Duration> {
    let text = text.trim();
    let seconds = |number: &str, unit: f64| {
        let number = number.parse::<f64>().ok()?;
        Duration::try_from_secs_f64(number * unit).ok()
    };
    if text.is_empty() {
        return None;
    }
    let (mut rest, mut sum) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|letter: char| letter.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let factor = match unit {
            "" | "s" => 1.0,
            "ms" => 1e-3,
            "us" | "\u{b5}s" => 1e-6,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        sum = sum.checked_add(seconds(number, factor)?)?;
        rest = after;
    }
    Some(sum.min(LONGEST_WAIT))
}
