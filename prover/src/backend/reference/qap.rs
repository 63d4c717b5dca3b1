//! The polynomial part of a proof: values of `A(X)·B(X) − C(X)` on the odd coset.
//!
//! `A`, `B`, `C` are the polynomials of degree below `n` whose values on the domain `{ω^{2k}}` are
//! the products `Az`, `Bz`, `Cz` (ω has order `2n`). For a satisfied system `P = A·B − C` vanishes on
//! the domain and has degree below `2n`, so its values on the odd points `{ω^{2k+1}}` determine it,
//! and the key's `H` points are those points' Lagrange values at τ. No division by the vanishing
//! polynomial is needed: three transforms to coefficients and three to the coset.

use ark_ff::{AdditiveGroup, FftField, Field};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use rayon::prelude::*;
use tacit_circuits::r1cs::Assignment;
use tacit_protocol::F;

use crate::progress::{Progress, Stage};

/// The values of `A·B − C` at `ω^{2k+1}` for `k` below `size`.
///
/// # Panics
/// If `size` is no domain of the field or smaller than the system; the set-up sees to that.
#[must_use]
pub fn odd_values(assignment: &Assignment, size: usize, progress: &dyn Progress) -> Vec<F> {
    progress.begin(Stage::Transform, 3);
    let constraints = assignment.az.len();
    assert!(
        constraints + assignment.public.len() <= size,
        "the key's domain holds the system"
    );
    let domain = Radix2EvaluationDomain::<F>::new(size).expect("a power of two below the field's limit");
    let omega = F::get_root_of_unity(2 * size as u64).expect("twice the domain is in the field");
    let coset = domain.get_coset(omega).expect("a root of unity is not zero");

    let to_coset = |values: &[F], tail: &[F]| {
        let mut values = [values, tail].concat();
        values.resize(size, F::ZERO);
        domain.ifft_in_place(&mut values);
        coset.fft_in_place(&mut values);
        progress.advance(1);
        values
    };
    // The rows behind the constraints are `z_i · 0 = 0`, one per public input.
    let mut p = to_coset(&assignment.az, &assignment.public);
    let b = to_coset(&assignment.bz, &[]);
    p.par_iter_mut().zip(&b).for_each(|(a, b)| *a *= b);
    drop(b);
    let c = to_coset(&assignment.cz, &[]);
    p.par_iter_mut().zip(&c).for_each(|(ab, c)| *ab -= c);
    debug_assert!(
        omega.pow([2 * size as u64]) == F::ONE,
        "a root of the doubled domain"
    );
    p
}
