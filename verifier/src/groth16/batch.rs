//! Many proofs under one key in one multi-pairing.
//!
//! With weights `w_i` the equations of all proofs are added up: `n + 3` Miller loops and one final
//! exponentiation instead of `n` of each, and one combination of the IC points. A set that holds an
//! invalid proof passes with probability at most 2^-128 over the weights, which are hashed from the
//! key, every public input and every byte of every proof, so nobody can choose a proof after them.

use ark_bn254::{Bn254, G1Affine, G1Projective};
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, One};
use tacit_protocol::F;
use tacit_protocol::hash::{B2, Label};
use thiserror::Error;

use super::combination::weighted_sum;
use super::{G2Prepared, PreparedVerifyingKey, Proof, VerifyError, verify};

/// Sets of at most this size are searched proof by proof.
const LEAF: usize = 4;

/// Why a batch of proofs was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BatchError {
    /// The number of public inputs of one proof is not the circuit's.
    #[error("proof {index}: the circuit has {expected} public inputs, {found} were given")]
    PublicInputCount {
        /// Position in the batch.
        index: usize,
        /// The circuit's number.
        expected: usize,
        /// The number given.
        found: usize,
    },
    /// Some proofs do not verify; all the others do.
    #[error("proofs {culprits:?} do not verify")]
    Invalid {
        /// Their positions in the batch, ascending.
        culprits: Vec<usize>,
    },
}

/// Verifies many proofs, each with its public inputs (without the leading one).
///
/// # Errors
/// [`BatchError::Invalid`] names exactly those that [`verify`] refuses.
pub fn verify_batch(pvk: &PreparedVerifyingKey, items: &[(&[F], &Proof)]) -> Result<(), BatchError> {
    for (index, (public, _)) in items.iter().enumerate() {
        if let Err(VerifyError::PublicInputCount { expected, found }) = pvk.check_count(public) {
            return Err(BatchError::PublicInputCount {
                index,
                expected,
                found,
            });
        }
    }
    let mut culprits = Vec::new();
    search(pvk, items, 0, &mut culprits);
    if culprits.is_empty() {
        Ok(())
    } else {
        Err(BatchError::Invalid { culprits })
    }
}

/// Appends the positions of the invalid proofs: halves that pass are not looked into.
fn search(pvk: &PreparedVerifyingKey, items: &[(&[F], &Proof)], first: usize, culprits: &mut Vec<usize>) {
    if items.len() > 1 && all_hold(pvk, items) {
        return;
    }
    if items.len() <= LEAF {
        let bad = |(_, (public, proof)): &(usize, &(&[F], &Proof))| verify(pvk, public, proof).is_err();
        culprits.extend(items.iter().enumerate().filter(bad).map(|(i, _)| first + i));
        return;
    }
    let middle = items.len() / 2;
    search(pvk, &items[..middle], first, culprits);
    search(pvk, &items[middle..], first + middle, culprits);
}

/// The weighted sum of all equations.
fn all_hold(pvk: &PreparedVerifyingKey, items: &[(&[F], &Proof)]) -> bool {
    let weights = weights(pvk, items);
    // Scalars of IC_0 … IC_n; the first is also the exponent of e(α, β).
    let mut scalars = vec![F::ZERO; pvk.num_public() + 1];
    for ((public, _), &w) in items.iter().zip(&weights) {
        let w = F::from(w);
        scalars[0] += w;
        for (sum, x) in scalars[1..].iter_mut().zip(*public) {
            *sum += w * x;
        }
    }
    let c: Vec<G1Affine> = items.iter().map(|(_, proof)| proof.c()).collect();
    let mut left: Vec<G1Projective> = items
        .iter()
        .zip(&weights)
        .map(|((_, proof), w)| proof.a().mul_bigint(limbs(*w)))
        .collect();
    left.push(pvk.ic.combine(0, &scalars));
    left.push(weighted_sum(&c, &weights));
    left.push(-(pvk.vk.alpha_g1() * scalars[0]));

    let fixed = pvk.pairings();
    let fixed = [&fixed.neg_gamma, &fixed.neg_delta, &fixed.beta].map(Clone::clone);
    let right = items
        .iter()
        .map(|(_, proof)| G2Prepared::from(proof.b()))
        .chain(fixed);
    let product = Bn254::multi_miller_loop(G1Projective::normalize_batch(&left), right);
    Bn254::final_exponentiation(product).is_some_and(|value| value.0.is_one())
}

/// The two 64-bit limbs of a weight, low first.
fn limbs(w: u128) -> [u64; 2] {
    let bytes = w.to_le_bytes();
    let (low, high) = bytes.split_at(8);
    [low, high].map(|half| u64::from_le_bytes(half.try_into().expect("half of sixteen bytes")))
}

/// One 128-bit weight per proof, bound to everything being verified.
fn weights(pvk: &PreparedVerifyingKey, items: &[(&[F], &Proof)]) -> Vec<u128> {
    let mut transcript = B2::new(Label::Weights).bytes(&pvk.hash).u64(items.len() as u64);
    for (public, proof) in items {
        transcript = public
            .iter()
            .fold(transcript.u64(public.len() as u64), |t, x| t.field(x));
        transcript = transcript.bytes(&proof.to_bytes());
    }
    let seed = transcript.finish();
    let block = |i: usize| B2::new(Label::Weights).bytes(&seed).u64(i as u64).finish();
    (0..items.len().div_ceil(4))
        .flat_map(|i| block(i).chunks_exact(16).map(<[u8]>::to_vec).collect::<Vec<_>>())
        .map(|bytes| u128::from_le_bytes(bytes.try_into().expect("chunks of sixteen")))
        .take(items.len())
        .collect()
}
