//! The polynomial part of a proof on the fast engine: values of `A(X)·B(X) − C(X)` on the odd coset,
//! as the reference computes them ([`crate::backend::reference::qap`]).
//!
//! The transforms leave out the division by n, so with their results Â, B̂, Ĉ the values are
//! `(Â·B̂/n − Ĉ)/n`. The last factor is taken in standard form, so that its product leaves the
//! Montgomery form as well, which the multiplications need.

use ark_ff::{Field, PrimeField};
use rayon::prelude::*;
use tacit_circuits::r1cs::Assignment;
use tacit_protocol::F;

use super::engine::Engine;
use super::field::portable::Word;
use super::field::{Lanes, Limbs, Modulus, Scalar};
use super::ntt::Domain;
use crate::progress::{Progress, Stage};

/// Values that one task handles.
const TASK: usize = 1 << 12;

/// The values at `ω^{2k+1}` for k below n, in standard form.
///
/// # Panics
/// If the system is larger than the domain; the set-up sees to that.
pub(super) fn odd_values<E: Engine>(
    assignment: &Assignment,
    domain: &Domain,
    progress: &dyn Progress,
) -> Vec<Limbs> {
    progress.begin(Stage::Transform, 3);
    let constraints = assignment.az.len();
    assert!(
        constraints + assignment.public.len() <= domain.size(),
        "the key's domain holds the system"
    );
    let to_coset = |values: &[F], tail: &[F]| {
        let mut padded = Vec::with_capacity(domain.size());
        padded.extend(values.iter().chain(tail).map(|x| Word::<Scalar>::new(x.0.0)));
        padded.resize(domain.size(), Word::default());
        domain.to_odd_coset::<E>(&mut padded);
        progress.advance(1);
        padded
    };
    let inverse = F::from(domain.size() as u64)
        .inverse()
        .expect("a power of two is not zero");
    // The rows behind the constraints are `z_i · 0 = 0`, one per public input.
    let mut p = to_coset(&assignment.az, &assignment.public);
    let b = to_coset(&assignment.bz, &[]);
    map2::<E>(&mut p, &b, |a, b| {
        let scale = E::Scalar::splat(Word::new(inverse.0.0));
        a.mul(b).mul(scale)
    });
    drop(b);
    let c = to_coset(&assignment.cz, &[]);
    map2::<E>(&mut p, &c, |ab, c| {
        let scale = E::Scalar::splat(Word::new(inverse.into_bigint().0));
        ab.sub(c).mul(scale)
    });
    p.into_par_iter().map(|x| Scalar::reduce(x.0)).collect()
}

/// All values in standard form, below the modulus.
pub(super) fn standard<E: Engine>(first: &[F], rest: &[F]) -> Vec<Limbs> {
    let values = first.iter().chain(rest);
    let mut standard: Vec<Word<Scalar>> = values.map(|x| Word::new(x.0.0)).collect();
    standard.par_chunks_mut(TASK).for_each(|chunk| {
        E::enter(|| {
            map_chunk::<E::Scalar>(chunk, None, |x, _| {
                x.mul(E::Scalar::splat(Word::new([1, 0, 0, 0])))
            })
        });
    });
    standard.into_par_iter().map(|x| Scalar::reduce(x.0)).collect()
}

/// `x = f(x, y)` for all pairs.
fn map2<E: Engine>(
    x: &mut [Word<Scalar>],
    y: &[Word<Scalar>],
    f: impl Fn(E::Scalar, E::Scalar) -> E::Scalar + Sync,
) {
    x.par_chunks_mut(TASK)
        .zip(y.par_chunks(TASK))
        .for_each(|(x, y)| E::enter(|| map_chunk::<E::Scalar>(x, Some(y), &f)));
}

#[inline(always)]
fn map_chunk<L: Lanes<Element = Word<Scalar>>>(
    x: &mut [Word<Scalar>],
    y: Option<&[Word<Scalar>]>,
    f: impl Fn(L, L) -> L,
) {
    for at in (0..x.len()).step_by(L::N) {
        let last = x.len() - 1;
        let lane = |i: usize| (at + i).min(last);
        let a = L::gather(|i| x[lane(i)]);
        let b = y.map_or(a, |y| L::gather(|i| y[lane(i)]));
        f(a, b).scatter(|i, value| {
            if at + i <= last {
                x[at + i] = value;
            }
        });
    }
}

#[cfg(test)]
mod tests;
