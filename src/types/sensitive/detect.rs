//! The table of detectors: a cheap hint, a pattern, and a judge that decides about each match.
//!
//! All hints run at once over the text as one automaton; only the detectors whose hint is there run their own pattern.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use super::{Finding, Kind, number};

/// Adds the sensitive places within a match, if it is what it looks like.
type Judge = fn(text: &str, matched: Range<usize>, places: &mut Vec<Range<usize>>);

struct Detector {
    kind: Kind,
    /// Must match somewhere whenever `pattern` does, and must be cheap: no long repetition.
    hint: &'static str,
    /// The first group, or the whole match if there is none, goes to the judge.
    pattern: &'static str,
    judge: Judge,
}

const DETECTORS: [Detector; 15] = [
    Detector {
        kind: Kind::PrivateKey,
        hint: "-----BEGIN ",
        // A key that was cut off has no end line: it counts as going on until the next double dash or the end.
        pattern: concat!(
            r"-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-[^-])*",
            r"(?:-----END [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----)?"
        ),
        judge: accept,
    },
    Detector {
        kind: Kind::Key,
        hint: r"(?-u:\b)(?:sk[-_]|rk_|gh[pousr]_|github_pat_|AKIA|ASIA|xox[a-z]-|AIza|glpat-|hf_|npm_)",
        pattern: concat!(
            r"(?-u:\b)(?:sk-[A-Za-z0-9_-]{20,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{36,}",
            r"|github_pat_[A-Za-z0-9_]{22,}|(?:AKIA|ASIA)[A-Z0-9]{16}(?-u:\b)|xox[a-z]-[A-Za-z0-9-]{10,}",
            r"|AIza[A-Za-z0-9_-]{35}|glpat-[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36})"
        ),
        judge: with_digit,
    },
    Detector {
        kind: Kind::Token,
        hint: r"(?-u:\b)eyJ",
        pattern: r"(?-u:\b)eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
        judge: accept,
    },
    Detector {
        kind: Kind::Token,
        hint: r"(?i-u)bearer[ \t]",
        pattern: r"(?i-u)\bbearer[ \t]+([a-z0-9._~+/=-]{16,})",
        judge: with_digit,
    },
    Detector {
        kind: Kind::Password,
        hint: r"(?i-u)(?:pass(?:word|wd|phrase|code)|pwd|secret|api[_-]?key|access[_-]?key|token)",
        pattern: concat!(
            r"(?i)(?-u:\b)[a-z0-9_-]*(?:pass(?:word|wd|phrase|code)|pwd|secret|api[_-]?key|access[_-]?key|token)",
            r#"[a-z0-9_]*["']?[ \t]*((?:[:=]|(?-u:\b)is[ \t])[ \t]*["']?[^\s"',;]{6,})"#
        ),
        judge: assigned_secret,
    },
    Detector {
        kind: Kind::Password,
        hint: "://",
        pattern: r#"(?-u:[a-z0-9])://[^\s/:@"']*:([^\s/@"']{3,})@"#,
        judge: accept,
    },
    Detector {
        kind: Kind::Card,
        hint: r"(?-u)\d[ .\r\n-]{0,2}\d[ .\r\n-]{0,2}\d[ .\r\n-]{0,2}\d[ .\r\n-]{0,2}\d[ .\r\n-]{0,2}\d[ .\r\n-]{0,2}\d",
        pattern: r"(?-u)\d(?:(?:[ .-]|\r?\n)?\d){12,}",
        judge: cards,
    },
    Detector {
        kind: Kind::Iban,
        hint: r"(?i-u)\b[a-z]{2}\d{2}[ -]?[a-z0-9]{2}",
        pattern: r"(?i-u)\b[a-z]{2}\d{2}[ -]?[a-z0-9]{2}",
        judge: iban,
    },
    Detector {
        kind: Kind::SocialSecurity,
        hint: r"(?-u)\b\d{3}-\d{2}-\d{4}\b",
        pattern: r"(?-u)\b\d{3}-\d{2}-\d{4}\b",
        judge: social_security,
    },
    Detector {
        kind: Kind::Email,
        hint: "@",
        pattern: concat!(
            r"[\p{Latin}\p{Cyrillic}\p{Greek}0-9._%+'-]*[\p{Latin}\p{Cyrillic}\p{Greek}0-9_%+-]@",
            r"(?:[\p{Latin}\p{Cyrillic}\p{Greek}0-9-]+\.)+[\p{Latin}\p{Cyrillic}\p{Greek}]{2,}"
        ),
        judge: email,
    },
    Detector {
        kind: Kind::Phone,
        hint: r"(?-u)(?:\+|\b00)[1-9][ ./()-]{0,2}\d",
        pattern: r"(?-u)(?:\+|\b00)[1-9](?:(?:[ ./-]|\) ?| ?\()?\d){6,}",
        judge: international_phone,
    },
    Detector {
        kind: Kind::Phone,
        hint: r"(?-u)[2-9]\d{2}\)?[. -][ ]?[2-9]\d{2}[. -]\d{4}",
        pattern: r"(?-u)(?:\([2-9]\d{2}\) ?|\b[2-9]\d{2}[. -])[2-9]\d{2}[. -]\d{4}\b",
        judge: unglued,
    },
    Detector {
        kind: Kind::Phone,
        hint: r"(?i-u)\b(?:tel|phone|mobile?|cell|fax|telefon|handy|telephone)\b",
        pattern: concat!(
            r"(?i-u)\b(?:tel|phone|mobile?|cell|fax|telefon|handy|telephone)\b(?: (?:number|no|is|nr))*[.:]{0,2} {0,2}",
            r"(\(?\d(?:(?:[ ./-]|\) ?| ?\()?\d){6,14})\b"
        ),
        judge: unglued,
    },
    Detector {
        kind: Kind::Ip,
        hint: r"(?-u)\d\.\d{1,3}\.\d{1,3}\.\d",
        pattern: r"(?-u)\b\d{1,3}(?:\.\d{1,3}){3}\b",
        judge: ipv4,
    },
    Detector {
        kind: Kind::Ip,
        hint: r"(?-u)[0-9a-fA-F]?:[0-9a-fA-F]{0,4}:[0-9a-fA-F]",
        pattern: r"(?-u)[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}",
        judge: ipv6,
    },
];

struct Compiled {
    hints: RegexSet,
    patterns: Vec<Regex>,
}

#[expect(clippy::expect_used, reason = "the patterns are constants, and the first test compiles every one")]
static COMPILED: LazyLock<Compiled> = LazyLock::new(|| Compiled {
    hints: RegexSet::new(DETECTORS.iter().map(|detector| detector.hint)).expect("hints compile"),
    patterns: DETECTORS.iter().map(|detector| Regex::new(detector.pattern).expect("patterns compile")).collect(),
});

/// Everything any detector accepts, in no order, possibly overlapping.
pub(super) fn candidates(text: &str) -> Vec<Finding> {
    let compiled = &*COMPILED;
    let mut found = Vec::new();
    let mut places = Vec::new();
    for index in compiled.hints.matches(text) {
        let (detector, pattern) = (&DETECTORS[index], &compiled.patterns[index]);
        for captures in pattern.captures_iter(text) {
            if let Some(matched) = captures.get(1).or_else(|| captures.get(0)) {
                (detector.judge)(text, matched.range(), &mut places);
            }
        }
        found.extend(places.drain(..).map(|place| Finding { kind: detector.kind, start: place.start, end: place.end }));
    }
    found
}

fn accept(_: &str, matched: Range<usize>, places: &mut Vec<Range<usize>>) {
    places.push(matched);
}

/// Random keys have digits; hyphenated words do not.
fn with_digit(text: &str, matched: Range<usize>, places: &mut Vec<Range<usize>>) {
    if text[matched.clone()].bytes().any(|byte| byte.is_ascii_digit()) {
        places.push(matched);
    }
}

/// The value of `password=...`, `password: ...` or `password is ...`, unless it is a placeholder, a type or a sentence.
///
/// The looser the way it is written, the more the value must look like a secret: after `=` any word but a stand-in,
/// after `:` two sorts of characters, after `is` letters and digits both.
fn assigned_secret(text: &str, matched: Range<usize>, places: &mut Vec<Range<usize>>) {
    // Words that stand where a value would stand, in documents and in code.
    const STAND_INS: [&str; 14] = [
        "string",
        "option",
        "required",
        "optional",
        "value",
        "password",
        "secret",
        "hidden",
        "redacted",
        "false",
        "default",
        "example",
        "placeholder",
        "undefined",
    ];
    let assignment = &text[matched.clone()];
    let value = assignment
        .trim_start_matches("is")
        .trim_start_matches([':', '=', ' ', '\t', '"', '\''])
        .trim_end_matches(['.', ')', ']', '}', '`', '!', '?']);
    let (mut lower, mut upper, mut digit, mut other) = (false, false, false, false);
    for character in value.chars() {
        match character {
            'a'..='z' => lower = true,
            'A'..='Z' => upper = true,
            '0'..='9' => digit = true,
            _ => other = true,
        }
    }
    let stand_in = value.starts_with(['<', '$', '{', '*', '[', '%', '(', '&', '.', '_', '-', '=', ':', '>'])
        || value.contains(['(', '[', '<', '…'])
        || value.contains("::")
        || STAND_INS.iter().any(|word| value.eq_ignore_ascii_case(word))
        || value.bytes().all(|byte| byte.eq_ignore_ascii_case(&b'x'));
    let sorts = u8::from(lower) + u8::from(upper) + u8::from(digit) + u8::from(other);
    let convincing = match assignment.as_bytes().first() {
        Some(b'=') => true,
        Some(b':') => sorts >= 2 && (digit || other && (upper || lower)),
        _ => digit && (lower || upper),
    };
    // Shorter values are words such as `none` or `true` far more often than secrets.
    const SHORTEST: usize = 6;
    if value.len() >= SHORTEST && convincing && !stand_in {
        let start = matched.start + assignment.find(value).unwrap_or(0);
        places.push(start..start + value.len());
    }
}

/// Every card number in a run of digits. A date or a code may follow the number in the same run, so each group of
/// digits is tried as a beginning and each of the next ones as an end, up to 19 digits.
fn cards(text: &str, matched: Range<usize>, places: &mut Vec<Range<usize>>) {
    const LONGEST: usize = 19;
    if !unglued_at(text, &matched) {
        return;
    }
    let groups: Vec<Range<usize>> = groups_of_digits(text, &matched);
    let mut first = 0;
    while first < groups.len() {
        let (mut digits, mut sizes) = (Vec::with_capacity(LONGEST), Vec::new());
        let mut next = first + 1;
        for (last, group) in groups.iter().enumerate().skip(first) {
            if digits.len() + group.len() > LONGEST {
                break;
            }
            digits.extend(text.as_bytes()[group.clone()].iter().map(|byte| byte - b'0'));
            sizes.push(group.len());
            if number::issued_card(&digits) && number::printed_like_a_card(&sizes) && number::luhn(&digits) {
                places.push(groups[first].start..group.end);
                next = last + 1;
                break;
            }
        }
        first = next;
    }
}

fn groups_of_digits(text: &str, within: &Range<usize>) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut groups: Vec<Range<usize>> = Vec::new();
    for place in within.clone().filter(|place| bytes[*place].is_ascii_digit()) {
        match groups.last_mut() {
            Some(group) if group.end == place => group.end += 1,
            _ => groups.push(place..place + 1),
        }
    }
    groups
}

/// Walks from the country code on, over single spaces or hyphens, until the country's length is reached.
fn iban(text: &str, matched: Range<usize>, places: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let country = [bytes[matched.start].to_ascii_uppercase(), bytes[matched.start + 1].to_ascii_uppercase()];
    let Some(length) = number::iban_length(country) else { return };
    let mut account = Vec::with_capacity(length);
    let mut end = matched.start;
    let mut separated = false;
    for (place, byte) in bytes.iter().enumerate().skip(matched.start) {
        match byte {
            _ if account.len() == length => break,
            byte if byte.is_ascii_alphanumeric() => {
                account.push(*byte);
                end = place + 1;
                separated = false;
            }
            b' ' | b'-' if !separated => separated = true,
            _ => break,
        }
    }
    let glued = bytes.get(end).is_some_and(u8::is_ascii_alphanumeric);
    if account.len() == length && !glued && number::mod97(&account) {
        places.push(matched.start..end);
    }
}

fn social_security(text: &str, matched: Range<usize>, places: &mut Vec<Range<usize>>) {
    let mut parts = text[matched.clone()].split('-').map(|part| part.parse::<u32>().unwrap_or(0));
    let (area, group, serial) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if unglued_at(text, &matched) && number::issued_ssn(area, group, serial) {
        places.push(matched);
    }
}

/// An address, unless it is a file name such as `icon@2x.png` or the login of a Git remote such as `git@host.org:`.
fn email(text: &str, matched: Range<usize>, places: &mut Vec<Range<usize>>) {
    const FILE_ENDINGS: [&str; 9] = ["png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "ts"];
    // RFC 5321, section 4.5.3.1: 64 bytes before the at sign, 255 after it.
    const LONGEST: (usize, usize) = (64, 255);
    let Some((local, domain)) = text[matched.clone()].split_once('@') else { return };
    let ending = domain.rsplit('.').next().unwrap_or_default();
    let file = FILE_ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known));
    let remote = local == "git" && text[matched.end..].starts_with(':');
    if local.len() <= LONGEST.0 && domain.len() <= LONGEST.1 && !file && !remote {
        places.push(matched);
    }
}

/// A number in E.164: 8 to 15 digits. Digits of the sentence that follows are left out, group by group.
fn international_phone(text: &str, matched: Range<usize>, places: &mut Vec<Range<usize>>) {
    const DIGITS: std::ops::RangeInclusive<usize> = 8..=15;
    let prefix = if text[matched.clone()].starts_with("00") { 2 } else { 0 };
    let mut before = text[..matched.start].chars().rev();
    let glued = match before.next() {
        // Two zeros within a longer number that is printed in groups are no prefix.
        Some(' ' | '-' | '.') if prefix > 0 => before.next().is_some_and(|character| character.is_ascii_digit()),
        Some(character) => character.is_alphanumeric(),
        None => false,
    };
    if glued {
        return;
    }
    let (mut digits, mut end) = (0, matched.start);
    for group in groups_of_digits(text, &(matched.start + prefix..matched.end)) {
        if digits + group.len() > *DIGITS.end() {
            break;
        }
        digits += group.len();
        end = group.end;
    }
    if DIGITS.contains(&digits) && !text[end..].starts_with(|next: char| next.is_alphanumeric()) {
        places.push(matched.start..end);
    }
}

fn unglued(text: &str, matched: Range<usize>, places: &mut Vec<Range<usize>>) {
    if unglued_at(text, &matched) {
        places.push(matched);
    }
}

/// Whether the place stands alone: not inside a longer word, number, decimal, version or hyphenated code.
fn unglued_at(text: &str, place: &Range<usize>) -> bool {
    let (before, after) = (&text[..place.start], &text[place.end..]);
    let digit = |character: Option<char>| character.is_some_and(|character| character.is_ascii_digit());
    let mut back = before.chars().rev();
    let mut ahead = after.chars();
    let glued_before = match back.next() {
        Some('.' | '-' | ',') => digit(back.next()),
        Some(character) => character.is_alphanumeric() || character == '_',
        None => false,
    };
    let glued_after = match ahead.next() {
        Some('.' | '-' | ',') => digit(ahead.next()),
        Some(character) => character.is_alphanumeric() || character == '_',
        None => false,
    };
    !glued_before && !glued_after
}

fn ipv4(text: &str, matched: Range<usize>, places: &mut Vec<Range<usize>>) {
    if let Ok(address) = text[matched.clone()].parse::<Ipv4Addr>()
        && unglued_at(text, &matched)
        && names_a_machine(address.into())
    {
        places.push(matched);
    }
}

/// An address of the sixth version, found by the parser of the standard library. One without a digit is more likely a
/// path of a programming language.
fn ipv6(text: &str, matched: Range<usize>, places: &mut Vec<Range<usize>>) {
    let candidate = &text[matched.clone()];
    let glued = |character: Option<char>| character.is_some_and(|next| next.is_alphanumeric() || "_:".contains(next));
    if glued(text[..matched.start].chars().next_back()) || glued(text[matched.end..].chars().next()) {
        return;
    }
    if let Ok(address) = candidate.trim_end_matches(':').parse::<Ipv6Addr>().or_else(|_| candidate.parse())
        && candidate.bytes().any(|byte| byte.is_ascii_digit())
        && names_a_machine(address.into())
    {
        places.push(matched);
    }
}

/// Loopback and unspecified addresses name every machine and so none.
fn names_a_machine(address: IpAddr) -> bool {
    !address.is_loopback() && !address.is_unspecified()
}
