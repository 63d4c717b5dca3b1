//! Poseidon2 as constraints: twin of `tacit_protocol::hash`.
//!
//! A permutation costs exactly 264 constraints: 88 S-boxes of three (`x²`, `x⁴`, `x⁵`). Both linear
//! layers and all round constants are free. While only values are recorded the permutation runs on
//! bare field elements. Specification: `docs/spec/hashes.md`.
//!
//! Every cell allocated here is an S-box power, bound by the constraint that allocates it.

use std::sync::OnceLock;

use ark_ff::{AdditiveGroup, Field};
use tacit_protocol::F;
use tacit_protocol::hash::Tag;
use tacit_protocol::hash::poseidon2::{
    EXTERNAL_CONSTANTS, EXTERNAL_MATRIX, FULL_ROUNDS, INTERNAL_CONSTANTS, INTERNAL_DIAGONAL, PARTIAL_ROUNDS,
    WIDTH,
};

use crate::r1cs::{Cs, Num};

/// Constraints of one permutation.
pub const PERMUTATION_CONSTRAINTS: usize = 3 * (WIDTH * FULL_ROUNDS + PARTIAL_ROUNDS);

/// Applies the permutation; 264 constraints.
#[must_use]
pub fn permute(cs: &mut Cs, state: &[Num; WIDTH]) -> [Num; WIDTH] {
    if cs.is_recording() {
        permute_recorded(cs, state)
    } else {
        let values = permute_values(cs, state.each_ref().map(Num::value));
        values.map(|value| cs.bare(value))
    }
}

/// `H[tag](inputs)`, the sponge of `tacit_protocol::hash::hash`; 264 constraints per three inputs.
#[must_use]
pub fn hash(cs: &mut Cs, tag: Tag, inputs: &[Num]) -> Num {
    let mut state = [
        Num::zero(),
        Num::zero(),
        Num::zero(),
        Num::constant(tag.capacity(inputs.len())),
    ];
    for block in inputs.chunks(3) {
        for (lane, x) in state.iter_mut().zip(block) {
            *lane += x;
        }
        state = permute(cs, &state);
    }
    let [out, ..] = state;
    out
}

/// The 4-ary Merkle node `P4(children)[0] + children[0]`; 264 constraints.
#[must_use]
pub fn node(cs: &mut Cs, children: &[Num; 4]) -> Num {
    let [out, ..] = permute(cs, children);
    &out + &children[0]
}

/// The permutation over linear combinations.
fn permute_recorded(cs: &mut Cs, state: &[Num; WIDTH]) -> [Num; WIDTH] {
    let (before, after) = EXTERNAL_CONSTANTS.split_at(FULL_ROUNDS / 2);
    let mut lanes = external(state);
    let mut boxes = lanes.clone();
    for constants in before {
        boxes = full_round(cs, &lanes, constants);
        lanes = external(&boxes);
    }
    // `basis` holds the four boxes of the last full round, then one box per partial round; the
    // schedule says how everything else depends on them.
    let schedule = PartialSchedule::get();
    let mut basis = boxes.to_vec();
    for (row, constant) in schedule.inputs.iter().zip(&INTERNAL_CONSTANTS) {
        let input = Num::linear(*constant, row.iter().copied().zip(&basis));
        basis.push(sbox(cs, &input));
    }
    lanes = schedule
        .outputs
        .each_ref()
        .map(|row| Num::linear(F::ZERO, row.iter().copied().zip(&basis)));
    for constants in after {
        lanes = external(&full_round(cs, &lanes, constants));
    }
    lanes
}

fn sbox(cs: &mut Cs, x: &Num) -> Num {
    let square = cs.mul(x, x);
    let fourth = cs.mul(&square, &square);
    cs.mul(&fourth, x)
}

fn full_round(cs: &mut Cs, lanes: &[Num; WIDTH], constants: &[F; WIDTH]) -> [Num; WIDTH] {
    std::array::from_fn(|i| sbox(cs, &lanes[i].add_constant(constants[i])))
}

fn external(lanes: &[Num; WIDTH]) -> [Num; WIDTH] {
    EXTERNAL_MATRIX.map(|row| Num::linear(F::ZERO, row.map(F::from).into_iter().zip(lanes)))
}

/// The linear algebra of the partial rounds, worked out once.
///
/// Between two full rounds everything is linear in the boxes `q0..q3` of the full round before and
/// the boxes `y0, y1, …` of the partial rounds so far. Row `k` of `inputs` gives the input of
/// partial round `k` in `(q0..q3, y0..y(k-1))`; `outputs` gives the four lanes after the last one.
struct PartialSchedule {
    inputs: Vec<Vec<F>>,
    outputs: [Vec<F>; WIDTH],
}

impl PartialSchedule {
    fn get() -> &'static Self {
        static SCHEDULE: OnceLock<PartialSchedule> = OnceLock::new();
        SCHEDULE.get_or_init(Self::new)
    }

    fn new() -> Self {
        let mut lanes: [Vec<F>; WIDTH] = EXTERNAL_MATRIX.map(|row| row.map(F::from).to_vec());
        let mut inputs = Vec::with_capacity(PARTIAL_ROUNDS);
        for round in 0..PARTIAL_ROUNDS {
            let width = WIDTH + round;
            let mut fresh = vec![F::ZERO; width];
            fresh.push(F::ONE);
            inputs.push(std::mem::replace(&mut lanes[0], fresh));
            for lane in &mut lanes[1..] {
                lane.push(F::ZERO);
            }
            let sum: Vec<F> = (0..=width)
                .map(|j| lanes.iter().map(|lane| lane[j]).sum())
                .collect();
            for (lane, diagonal) in lanes.iter_mut().zip(&INTERNAL_DIAGONAL) {
                for (x, total) in lane.iter_mut().zip(&sum) {
                    *x = *x * diagonal + total;
                }
            }
        }
        Self {
            inputs,
            outputs: lanes,
        }
    }
}

/// The permutation over bare values, allocating what [`permute_recorded`] allocates.
fn permute_values(cs: &mut Cs, mut s: [F; WIDTH]) -> [F; WIDTH] {
    external_values(&mut s);
    for (round, constants) in EXTERNAL_CONSTANTS.iter().enumerate() {
        if round == FULL_ROUNDS / 2 {
            for constant in &INTERNAL_CONSTANTS {
                s[0] = sbox_value(cs, s[0] + constant);
                let sum = s[0] + s[1] + s[2] + s[3];
                for (x, diagonal) in s.iter_mut().zip(&INTERNAL_DIAGONAL) {
                    *x = *x * diagonal + sum;
                }
            }
        }
        for (x, constant) in s.iter_mut().zip(constants) {
            *x = sbox_value(cs, *x + constant);
        }
        external_values(&mut s);
    }
    s
}

fn sbox_value(cs: &mut Cs, x: F) -> F {
    let square = cs.mul_values(x, x);
    let fourth = cs.mul_values(square, square);
    cs.mul_values(fourth, x)
}

/// Multiplication by [`EXTERNAL_MATRIX`] with additions only.
fn external_values(s: &mut [F; WIDTH]) {
    let t0 = s[0] + s[1];
    let t1 = s[2] + s[3];
    let t2 = s[1].double() + t1;
    let t3 = s[3].double() + t0;
    let t4 = t1.double().double() + t3;
    let t5 = t0.double().double() + t2;
    *s = [t3 + t5, t5, t2 + t4, t4];
}

#[cfg(test)]
mod tests;
