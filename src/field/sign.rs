//! Signatures of notices: HMAC-SHA256 (RFC 2104) over the time and the bytes, as common senders of webhooks have it.
//!
//! A receiver computes `HMAC(key, "TIME.BODY")` with the seconds from `t=` and the body as it came, compares it with
//! `v1=` in constant time, and refuses a time that is minutes old.

use sha2::{Digest, Sha256};

use crate::types::{Secret, Timestamp};

/// The header a signature stands in.
pub const SIGNATURE: &str = "x-syzygy-signature";

/// Bytes that SHA-256 works on at a time.
const BLOCK: usize = 64;

/// What stands in the header: `t=SECONDS,v1=HEX`.
pub fn signature(key: &Secret, at: Timestamp, body: &str) -> String {
    let seconds = at.0.div_euclid(1_000_000);
    let mac = hmac(key.reveal().as_bytes(), &[seconds.to_string().as_bytes(), b".", body.as_bytes()]);
    let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

/// HMAC-SHA256 of these parts, one after the other.
pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut block = [0u8; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let mut inner = Sha256::new();
    inner.update(block.map(|byte| byte ^ 0x36));
    parts.iter().for_each(|part| inner.update(part));
    let mut outer = Sha256::new();
    outer.update(block.map(|byte| byte ^ 0x5c));
    outer.update(inner.finalize());
    outer.finalize().into()
}
