//! The one gate that every text passes before it leaves the process as a log line or a span.

use std::borrow::Cow;

use crate::types::sensitive;

/// Words that make the whole value of a field a secret, whatever it looks like.
const SECRET_NAMES: &[&str] = &[
    "apikey",
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "passphrase",
    "passwd",
    "password",
    "secret",
    "token",
];

/// What stands instead of the value of such a field.
pub(super) const HIDDEN: &str = "[secret]";

/// Digits that a number needs to be looked at as text: the shortest card numbers have twelve.
const DIGITS_MIN: u64 = 100_000_000_000;

/// The value of a field as it may leave the process.
pub(super) fn field<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    if is_secret(name) { Cow::Borrowed(HIDDEN) } else { sensitive::redact(value) }
}

/// A text without a name, such as a message.
pub(super) fn text(value: &str) -> Cow<'_, str> {
    sensitive::redact(value)
}

/// A number that is really a text, such as the number of a card: what to show instead, if it is one.
pub(super) fn number(name: &str, value: u64) -> Option<String> {
    let digits = value.to_string();
    let shown = field(name, &digits);
    (value >= DIGITS_MIN && shown != digits.as_str()).then(|| shown.into_owned())
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = || name.split(|c: char| !c.is_ascii_alphanumeric());
    let pairs = words().zip(words().skip(1));
    words().any(|word| SECRET_NAMES.contains(&word))
        || pairs.into_iter().any(|(first, second)| second == "key" && matches!(first, "api" | "private" | "secret"))
}
