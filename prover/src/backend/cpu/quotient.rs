//! The polynomial part of a proof on the fast engine: values of `A(X)·B(X) − C(X)` on the odd coset,
//! as the reference computes them ([`crate::backend::reference::qap`]).
//!
//! The transforms leave out the division by n, so with their results Â, B̂, Ĉ the values are
//! `(Â·B̂/n − Ĉ)/n`. The last factor is taken in standard form, so that its product leaves the
//! Montgomery form as well, which the multiplications need.

use std::marker::PhantomData;

use ark_ff::{Field, PrimeField};
use rayon::prelude::*;
use tacit_circuits::r1cs::Assignment;
use tacit_protocol::F;

use super::engine::{Engine, Kernel};
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
    each_chunk::<E>(&mut p, &b, Operation::Multiply, inverse.0.0);
    drop(b);
    let c = to_coset(&assignment.cz, &[]);
    each_chunk::<E>(&mut p, &c, Operation::Subtract, inverse.into_bigint().0);
    p.into_par_iter().map(|x| Scalar::reduce(x.0)).collect()
}

/// All values in standard form, below the modulus.
pub(super) fn standard<E: Engine>(first: &[F], rest: &[F]) -> Vec<Limbs> {
    let values = first.iter().chain(rest);
    let mut standard: Vec<Word<Scalar>> = values.map(|x| Word::new(x.0.0)).collect();
    let zeros = vec![Word::default(); TASK.min(standard.len())];
    standard.par_chunks_mut(TASK).for_each(|x| {
        let zeros = &zeros[..x.len()];
        E::enter(Scaled::<E::Scalar>::new(
            x,
            zeros,
            Operation::Subtract,
            [1, 0, 0, 0],
        ));
    });
    standard.into_par_iter().map(|x| Scalar::reduce(x.0)).collect()
}

/// What is done to two values before their result is scaled.
#[derive(Clone, Copy)]
enum Operation {
    Multiply,
    Subtract,
}

/// `x = (x · y or x − y) · factor`, the factor's limbs taken as they are.
struct Scaled<'a, L> {
    x: &'a mut [Word<Scalar>],
    y: &'a [Word<Scalar>],
    operation: Operation,
    factor: Limbs,
    lanes: PhantomData<L>,
}

impl<'a, L> Scaled<'a, L> {
    fn new(x: &'a mut [Word<Scalar>], y: &'a [Word<Scalar>], operation: Operation, factor: Limbs) -> Self {
        Self {
            x,
            y,
            operation,
            factor,
            lanes: PhantomData,
        }
    }
}

impl<L: Lanes<Element = Word<Scalar>>> Kernel for Scaled<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { x, y, .. } = self;
        let factor = L::splat(Word::new(self.factor));
        for at in (0..x.len()).step_by(L::N) {
            let last = x.len() - 1;
            let lane = |i: usize| (at + i).min(last);
            let (a, b) = (L::gather(|i| &x[lane(i)]), L::gather(|i| &y[lane(i)]));
            let result = match self.operation {
                Operation::Multiply => a.mul(b),
                Operation::Subtract => a.sub(b),
            };
            result.mul(factor).scatter(|i, value| {
                if at + i <= last {
                    x[at + i] = value;
                }
            });
        }
    }
}

fn each_chunk<E: Engine>(x: &mut [Word<Scalar>], y: &[Word<Scalar>], operation: Operation, factor: Limbs) {
    x.par_chunks_mut(TASK)
        .zip(y.par_chunks(TASK))
        .for_each(|(x, y)| E::enter(Scaled::<E::Scalar>::new(x, y, operation, factor)));
}

#[cfg(test)]
mod tests;
