//! All-or-nothing mixing of an address, after Zcash's F4Jumble (ZIP 316).
//!
//! Four Feistel rounds over halves of 36 and 37 bytes; round `i` XORs one half with the first bytes
//! of `B2[Jumble](i, other half)`. Every character of the result depends on every byte of the
//! address, so that two addresses sharing a prefix or suffix cannot be made cheaply, and damage
//! that slips through the checksum turns the whole content into noise. The string is longer than
//! the 90 characters Bech32m was tuned for, which is why the mixing matters.

use crate::hash::{B2, Label};

/// Bytes of an address with its version.
pub(super) const LENGTH: usize = 73;
const LEFT: usize = LENGTH / 2;

fn round(i: u64, target: &mut [u8], key: &[u8]) {
    let mask = B2::new(Label::Jumble).u64(i).bytes(key).finish();
    for (byte, m) in target.iter_mut().zip(mask) {
        *byte ^= m;
    }
}

/// Mixes in place.
pub(super) fn jumble(bytes: &mut [u8; LENGTH]) {
    let (left, right) = bytes.split_at_mut(LEFT);
    round(0, right, left);
    round(1, left, right);
    round(2, right, left);
    round(3, left, right);
}

/// Inverse of [`jumble`].
pub(super) fn unjumble(bytes: &mut [u8; LENGTH]) {
    let (left, right) = bytes.split_at_mut(LEFT);
    round(3, left, right);
    round(2, right, left);
    round(1, left, right);
    round(0, right, left);
}
