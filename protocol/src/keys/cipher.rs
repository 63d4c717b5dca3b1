//! The 64-bit block cipher that turns an address number into a diversifier.
//!
//! A permutation, so that a diversifier found on a note leads back to the address number (labels
//! survive a restore), keyed by `dk`, so that diversifiers of one account look unrelated. An
//! eight-round Feistel network over two 32-bit halves; its round function is the first four bytes
//! of `B2[Index](dk, round, half)`.

use crate::hash::{B2, Label};

const ROUNDS: u64 = 8;

fn round_function(dk: &[u8; 32], round: u64, half: u32) -> u32 {
    let digest = B2::new(Label::Index)
        .bytes(dk)
        .u64(round)
        .bytes(&half.to_le_bytes())
        .finish();
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
}

fn split(block: u64) -> (u32, u32) {
    let bytes = block.to_le_bytes();
    let half = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    (half(0), half(4))
}

fn join(left: u32, right: u32) -> u64 {
    u64::from(left) | u64::from(right) << 32
}

/// Enciphers an address number.
pub(super) fn encipher(dk: &[u8; 32], index: u64) -> u64 {
    let (mut left, mut right) = split(index);
    for round in 0..ROUNDS {
        (left, right) = (right, left ^ round_function(dk, round, right));
    }
    join(left, right)
}

/// Inverse of [`encipher`].
pub(super) fn decipher(dk: &[u8; 32], block: u64) -> u64 {
    let (mut left, mut right) = split(block);
    for round in (0..ROUNDS).rev() {
        (left, right) = (right ^ round_function(dk, round, left), left);
    }
    join(left, right)
}
