//! Numbers of decisions: integers only, so that a replay on another machine gives the same bits.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A share of one, in millionths: scores, qualities, similarities of a decision.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct Millionths(pub u32);

impl Millionths {
    /// Nothing.
    pub const ZERO: Millionths = Millionths(0);
    /// All of it.
    pub const ONE: Millionths = Millionths(1_000_000);

    /// The nearest share to a number, which is clamped to 0..=1; not-a-number counts as 0.
    pub fn of(share: f64) -> Millionths {
        // The cast of a float saturates and turns not-a-number into zero.
        Millionths((share.clamp(0.0, 1.0) * 1e6).round() as u32)
    }

    /// The number, for showing and for arithmetic that is not part of a decision.
    pub fn share(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

impl fmt::Display for Millionths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.share())
    }
}

/// What is left of a value after some time, if it halves every half-life. Times are in the same unit.
///
/// The power of two is a product of constants 2^(-1/2), 2^(-1/4), ... picked by the bits of the exponent, in 32 bits of
/// fraction, because the exponential of a math library may differ in its last bit from one machine to the next.
pub(super) fn halved(value: u64, elapsed: u64, half_life: u64) -> u64 {
    const ROOTS: [u64; 16] = [
        3_037_000_500,
        3_611_622_603,
        3_938_502_376,
        4_112_874_773,
        4_202_935_003,
        4_248_701_965,
        4_271_771_996,
        4_283_353_945,
        4_289_156_690,
        4_292_061_010,
        4_293_513_907,
        4_294_240_540,
        4_294_603_903,
        4_294_785_595,
        4_294_876_445,
        4_294_921_870,
    ];
    let half_life = half_life.max(1);
    let whole = elapsed / half_life;
    if whole >= 64 {
        return 0;
    }
    // The part of a half-life that remains, in 2^16ths.
    let part = (u128::from(elapsed % half_life) << 16) / u128::from(half_life);
    // 32 bits behind the point, so that what the products lose is less than what time takes off.
    let mut left = (u128::from(value) << 32) >> whole;
    for (place, root) in ROOTS.iter().enumerate() {
        if (part >> (15 - place)) & 1 == 1 {
            left = (left * u128::from(*root)) >> 32;
        }
    }
    u64::try_from(left >> 32).unwrap_or(u64::MAX)
}

/// Where a value stands between two anchors: one at `good` or better, zero at `bad` or worse, a straight line between.
///
/// The anchors are fixed, so adding or removing another candidate cannot change anybody's share.
pub(super) fn between(value: u64, good: u64, bad: u64) -> Millionths {
    if value <= good {
        Millionths::ONE
    } else if value >= bad {
        Millionths::ZERO
    } else {
        let share = u128::from(bad - value) * 1_000_000 / u128::from(bad - good);
        Millionths(u32::try_from(share).unwrap_or(1_000_000))
    }
}
