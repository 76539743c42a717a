//! The arithmetic behind numbers that carry their own proof: Luhn, mod 97, issuer and country lengths.

/// Whether the last digit is the Luhn check digit of the others (ISO/IEC 7812-1).
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let doubled = u32::from(*digit) << (place % 2);
            if doubled > 9 { doubled - 9 } else { doubled }
        })
        .sum();
    !digits.is_empty() && sum.is_multiple_of(10)
}

/// Whether an issuer gives out numbers that begin so and are that long (ISO/IEC 7812 ranges in public use).
pub(super) fn issued_card(digits: &[u8]) -> bool {
    let leading = |count: usize| digits.iter().take(count).fold(0u32, |number, digit| number * 10 + u32::from(*digit));
    let (two, three, four) = (leading(2), leading(3), leading(4));
    match digits.len() {
        13 => two / 10 == 4,
        14 => matches!(three, 300..=305) || matches!(two, 36 | 38 | 39),
        15 => matches!(two, 34 | 37),
        16 => {
            two / 10 == 4
                || matches!(two, 51..=55 | 62 | 65)
                || matches!(three, 644..=649)
                || matches!(four, 2221..=2720 | 6011 | 3528..=3589)
                || maestro(four)
        }
        17 | 18 => two == 62 || maestro(four),
        19 => two / 10 == 4 || matches!(two, 62 | 65) || maestro(four),
        _ => false,
    }
}

/// The Maestro ranges that are in use; the rest of the numbers beginning with 5 and 6 would match too much.
fn maestro(four: u32) -> bool {
    matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763)
}

/// Whether these group sizes are how cards are printed: in one piece, in fours, or 4-6-5 and 4-6-4.
pub(super) fn printed_like_a_card(groups: &[usize]) -> bool {
    match groups {
        [_] | [4, 6, 4 | 5] => true,
        [all_but_last @ .., last] => all_but_last.iter().all(|size| *size == 4) && (1..=4).contains(last),
        [] => false,
    }
}

/// How long an IBAN of this country is (SWIFT IBAN registry); `None` if the country issues none.
pub(super) fn iban_length(country: [u8; 2]) -> Option<usize> {
    let length = match &country {
        b"NO" => 15,
        b"BE" => 16,
        b"DK" | b"FI" | b"FK" | b"FO" | b"GL" | b"NL" | b"SD" => 18,
        b"MK" | b"SI" => 19,
        b"AT" | b"BA" | b"EE" | b"KZ" | b"LT" | b"LU" | b"MN" | b"XK" => 20,
        b"CH" | b"CR" | b"HR" | b"LI" | b"LV" => 21,
        b"BG" | b"BH" | b"DE" | b"GB" | b"GE" | b"IE" | b"ME" | b"RS" | b"VA" => 22,
        b"AE" | b"GI" | b"IL" | b"IQ" | b"OM" | b"SO" | b"TL" => 23,
        b"AD" | b"CZ" | b"ES" | b"MD" | b"PK" | b"RO" | b"SA" | b"SE" | b"SK" | b"TN" | b"VG" => 24,
        b"LY" | b"PT" | b"ST" => 25,
        b"IS" | b"TR" => 26,
        b"BI" | b"DJ" | b"FR" | b"GR" | b"IT" | b"MC" | b"MR" | b"SM" => 27,
        b"AL" | b"AZ" | b"BY" | b"CY" | b"DO" | b"GT" | b"HN" | b"HU" | b"LB" | b"NI" | b"PL" | b"SV" => 28,
        b"BR" | b"EG" | b"PS" | b"QA" | b"UA" => 29,
        b"JO" | b"KW" | b"MU" | b"YE" => 30,
        b"MT" | b"SC" => 31,
        b"LC" => 32,
        b"RU" => 33,
        _ => return None,
    };
    Some(length)
}

/// Whether these letters and digits, without spaces, leave 1 modulo 97 once the first four move to the end (ISO 13616).
pub(super) fn mod97(account: &[u8]) -> bool {
    rest97(account) == Some(1)
}

/// What they leave; `None` for fewer than four.
pub(super) fn rest97(account: &[u8]) -> Option<u32> {
    let (head, tail) = account.split_at_checked(4)?;
    Some(tail.iter().chain(head).fold(0, |remainder, byte| match byte {
        b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
        _ => (remainder * 100 + u32::from(byte.to_ascii_uppercase().saturating_sub(b'A')) + 10) % 97,
    }))
}

/// Whether a social security number of this area, group and serial may exist: some blocks are never issued.
pub(super) fn issued_ssn(area: u32, group: u32, serial: u32) -> bool {
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0
}
