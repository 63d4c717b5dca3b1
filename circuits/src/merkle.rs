//! Paths in 4-ary Merkle trees as constraints: twin of `tacit_protocol::tree`.
//!
//! A level costs 267 constraints: the node (264) and the selection (3). Its four children are
//! witnesses; the node binds them to the parent, and the selection binds the child at
//! `bit0 + 2·bit1` to the node below. [`update`] computes the roots before and after one leaf
//! changes, over the same children and bits: 534 per level. Specification: `docs/spec/state.md`.

use tacit_protocol::F;

use crate::bits::Bit;
use crate::hash::node;
use crate::r1cs::{Cs, Num};

/// Constraints of one level of [`root`], booleans of the position not counted.
pub const LEVEL_CONSTRAINTS: usize = 267;
/// Constraints of one level of [`update`], booleans of the position not counted.
pub const UPDATE_LEVEL_CONSTRAINTS: usize = 534;

/// The root over `leaf` at the position given by two bits per level, lowest level and bit first.
///
/// `siblings` holds, per level, the three other children in order.
///
/// # Panics
/// If there are not two bits per level: the caller fixes both by the depth of its tree.
#[must_use]
pub fn root(cs: &mut Cs, leaf: &Num, position: &[Bit], siblings: &[[F; 3]]) -> Num {
    levels(position, siblings).fold(leaf.clone(), |current, (bits, siblings)| {
        let children = open(cs, &current, bits, siblings);
        node(cs, &children)
    })
}

/// The roots before and after the leaf at `position` changes from `old` to `new`.
///
/// # Panics
/// If there are not two bits per level: the caller fixes both by the depth of its tree.
#[must_use]
pub fn update(cs: &mut Cs, old: &Num, new: &Num, position: &[Bit], siblings: &[[F; 3]]) -> (Num, Num) {
    let start = (old.clone(), new.clone());
    levels(position, siblings).fold(start, |(old, new), (bits, siblings)| {
        let before = open(cs, &old, bits, siblings);
        let after = replace(cs, &before, bits, &(&new - &old));
        (node(cs, &before), node(cs, &after))
    })
}

fn levels<'a>(
    position: &'a [Bit],
    siblings: &'a [[F; 3]],
) -> impl Iterator<Item = (&'a [Bit; 2], &'a [F; 3])> {
    let (pairs, rest) = position.as_chunks::<2>();
    assert!(
        rest.is_empty() && pairs.len() == siblings.len(),
        "two position bits per level"
    );
    pairs.iter().zip(siblings)
}

/// Witnesses the four children of a node of which `current` stands at `bits`; 3 constraints.
#[must_use]
pub fn open(cs: &mut Cs, current: &Num, bits: &[Bit; 2], siblings: &[F; 3]) -> [Num; 4] {
    let [low, high] = bits;
    let own = usize::from(low.value()) + 2 * usize::from(high.value());
    let children: [Num; 4] = std::array::from_fn(|i| {
        let value = match i {
            i if i < own => siblings[i],
            i if i == own => current.value(),
            i => siblings[i - 1],
        };
        cs.alloc(value)
    });
    let even = high.select(cs, &children[2], &children[0]);
    let odd = high.select(cs, &children[3], &children[1]);
    cs.enforce(low.num(), &(&odd - &even), &(current - &even));
    children
}

/// The children after the one at `bits` grew by `delta`; 3 constraints.
#[must_use]
pub fn replace(cs: &mut Cs, children: &[Num; 4], bits: &[Bit; 2], delta: &Num) -> [Num; 4] {
    let low = cs.mul(bits[0].num(), delta);
    let high = cs.mul(bits[1].num(), delta);
    let both = cs.mul(bits[0].num(), &high);
    [
        &(&(&(&children[0] + delta) - &low) - &high) + &both,
        &(&children[1] + &low) - &both,
        &(&children[2] + &high) - &both,
        &children[3] + &both,
    ]
}

#[cfg(test)]
mod tests;
