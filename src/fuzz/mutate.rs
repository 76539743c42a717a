//! Changes seeds of a corpus as fuzzers do, from a fixed seed, so that a test finds the same every time.

/// Bytes of a changed input at the most: what breaks with more breaks with this.
const MOST: usize = 64 << 10;

/// Numbers at which lengths and counts go wrong.
const NUMBERS: [u64; 12] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX - 1, u64::MAX];

/// Pieces that mean something to one of the readers.
const WORDS: [&[u8]; 24] = [
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b"\0",
    b"\xff",
    b"\xc3\x28",
    b"\xef\xbb\xbf",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\u0000",
    b"null",
    b"-1",
    b"1e999",
    b"18446744073709551615",
    b"18446744073709551616",
    b"NaN",
    b"data: ",
    b": ",
    b"content-length: 5\r\n",
    b"transfer-encoding: chunked\r\n",
    b"0\r\n\r\n",
];

/// One of the seeds, changed in one to eight places.
pub(super) fn mutated(random: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = pick(random, seeds);
    for _ in 0..random.usize(1..=8) {
        change(random, &mut bytes, seeds);
    }
    bytes.truncate(MOST);
    bytes
}

fn pick(random: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    if seeds.is_empty() { Vec::new() } else { seeds[random.usize(..seeds.len())].clone() }
}

fn change(random: &mut fastrand::Rng, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let place = random.usize(..=bytes.len());
    let length = random.usize(..=(bytes.len() - place).min(32));
    match random.u8(..8) {
        0 if place < bytes.len() => bytes[place] ^= 1 << random.u8(..8),
        1 if place < bytes.len() => bytes[place] = random.u8(..),
        2 => drop(bytes.drain(place..place + length)),
        3 => {
            let again: Vec<u8> = bytes[place..place + length].repeat(random.usize(1..64));
            drop(bytes.splice(place..place, again));
        }
        4 => {
            let number = NUMBERS[random.usize(..NUMBERS.len())].to_le_bytes();
            let width = (1 << random.u32(..4)).min(bytes.len() - place);
            bytes[place..place + width].copy_from_slice(&number[..width]);
        }
        5 => {
            let number = NUMBERS[random.usize(..NUMBERS.len())].to_string();
            let digits = bytes[place..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            drop(bytes.splice(place..place + digits, number.bytes()));
        }
        6 => {
            let other = pick(random, seeds);
            let from = random.usize(..=other.len());
            bytes.truncate(place);
            bytes.extend_from_slice(&other[from..]);
        }
        _ => {
            let word = WORDS[random.usize(..WORDS.len())];
            drop(bytes.splice(place..place, word.iter().copied()));
        }
    }
}
