//! Which of several equals: the same one for a session, the one with less to do for everybody else.
//!
//! Sessions use rendezvous hashing with weights (Thaler and Ravishankar 1998; the weighted form -w / ln(h)), so that a
//! candidate that leaves moves only its own sessions. Everybody else draws two by weight and takes the less loaded
//! (Mitzenmacher 2001). Logarithms are whole numbers here, for a replay has to give the same bits.

use crate::types::Hash;

/// Bits behind the point of a logarithm.
const FRACTION: u32 = 24;

/// One of the equals.
pub(super) struct Equal<'a> {
    pub(super) candidate: &'a str,
    /// Its share of the work, in percent; never zero, since a weight of zero excludes.
    pub(super) weight: u32,
}

/// The equals in the order in which a session prefers them, by place: first where its cached prompt is.
pub(super) fn by_session(session: &str, equals: &[Equal<'_>]) -> Vec<usize> {
    let mut keyed: Vec<(u64, usize)> =
        equals.iter().enumerate().map(|(place, one)| (distance(session, one), place)).collect();
    keyed.sort_unstable_by_key(|(distance, place)| (*distance, equals[*place].candidate));
    keyed.into_iter().map(|(_, place)| place).collect()
}

/// How far a candidate is from a session: an exponential variate of its weight, so that the chance of being nearest is
/// the candidate's share of all weights.
fn distance(session: &str, one: &Equal<'_>) -> u64 {
    let mut bytes = Vec::with_capacity(8 + session.len() + one.candidate.len());
    bytes.extend_from_slice(&(session.len() as u64).to_le_bytes());
    bytes.extend_from_slice(session.as_bytes());
    bytes.extend_from_slice(one.candidate.as_bytes());
    let hash = Hash::of(&bytes).0;
    let drawn = hash[..8].iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    // Below 2^(6 + 24); the shift leaves 34 bits for the quotient's precision.
    (negative_logarithm(drawn) << 32) / u64::from(one.weight.max(1))
}

/// -log2 of a number over 2^64, with [`FRACTION`] bits behind the point: one bit of the fraction for each squaring.
fn negative_logarithm(number: u64) -> u64 {
    let number = number.max(1);
    let whole = 63 - number.leading_zeros();
    // The mantissa from 1 to 2, with 63 bits behind the point.
    let mut mantissa = u128::from(number) << (63 - whole);
    let mut fraction = 0u64;
    for _ in 0..FRACTION {
        mantissa = (mantissa * mantissa) >> 63;
        fraction <<= 1;
        if mantissa >> 64 != 0 {
            mantissa >>= 1;
            fraction |= 1;
        }
    }
    (64u64 << FRACTION) - (u64::from(whole) << FRACTION | fraction)
}

/// Two different places drawn by weight; the seed decides.
pub(super) fn two(seed: u64, equals: &[Equal<'_>]) -> (usize, usize) {
    let first = draw(seed >> 32, equals, None);
    (first, draw(seed & 0xffff_ffff, equals, Some(first)))
}

/// The place that 32 bits of chance fall on.
fn draw(chance: u64, equals: &[Equal<'_>], without: Option<usize>) -> usize {
    let weight = |(place, one): (usize, &Equal<'_>)| {
        if Some(place) == without { 0 } else { u64::from(one.weight.clamp(1, 1_000)) }
    };
    let total: u64 = equals.iter().enumerate().map(weight).sum();
    let mut left = (chance * total) >> 32;
    for (place, one) in equals.iter().enumerate() {
        let own = weight((place, one));
        if left < own {
            return place;
        }
        left -= own;
    }
    0
}

/// Whether the first has no more to do than the second, for its weight.
pub(super) fn is_lighter((load, weight): (u32, u32), (other, other_weight): (u32, u32)) -> bool {
    (u64::from(load) + 1) * u64::from(other_weight.max(1)) <= (u64::from(other) + 1) * u64::from(weight.max(1))
}
