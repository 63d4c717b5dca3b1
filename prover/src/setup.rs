//! Single-party set-up: from a constraint system to a proving key.
//!
//! Whoever knows the secrets of a set-up can forge proofs, and one party alone knows them here, so
//! these keys are for development: deterministic (every machine gets the same key, and its hash can
//! be pinned), marked insecure in name and header, refused on the main network. Keys for money come
//! from a ceremony.
//!
//! The conventions are circom's and snarkjs's, so that their keys can be used as well:
//! * after the constraints follow rows `z_i · 0 = 0`, one per public input (the constant one
//!   included), which make the public polynomials independent;
//! * the domain is the next power of two, at least constraints plus those rows;
//! * the points of `H` are Lagrange values over the odd coset of the doubled domain, see
//!   [`crate::backend::reference`].
//!
//! Specification: `docs/spec/proofs.md`.

use ark_bn254::{G1Projective, G2Projective};
use ark_ec::scalar_mul::BatchMulPreprocessing;
use ark_ec::{CurveGroup, PrimeGroup, ScalarMul};
use ark_ff::{AdditiveGroup, Field, Zero};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRngCore, SeedableRng};
use tacit_circuits::r1cs::R1cs;
use tacit_protocol::hash::{B2, Label};
use tacit_protocol::{F, field};
use tacit_verifier::groth16::{KeyRule, VerifyingKey};

use crate::keys::{CircuitId, Parts, ProvingKey, Query, Sizes, Table};
use crate::progress::{Progress, Stage};

/// The public constant that every development set-up is seeded with. Nothing about it is secret.
const DEVELOPMENT_SEED: &[u8] = b"Tacit development set-up: INSECURE, anybody can forge proofs";

/// Points computed between two reports of progress.
const CHUNK: usize = 1 << 14;

/// The smallest domain: a power of two that holds the constraints and the rows of public inputs.
///
/// `None` if the field has no such domain together with its double.
#[must_use]
pub fn domain_size(num_constraints: usize, num_public: usize) -> Option<usize> {
    let size = num_constraints
        .checked_add(num_public)?
        .checked_next_power_of_two()?;
    Radix2EvaluationDomain::<F>::new(size.checked_mul(2)?)?;
    Some(size)
}

/// A uniformly random field element.
pub(crate) fn random_field<R: CryptoRngCore + ?Sized>(rng: &mut R) -> F {
    let mut bytes = [0; 64];
    rng.fill_bytes(&mut bytes);
    field::from_uniform(&bytes)
}

/// The development key of a circuit, the same on every machine.
///
/// # Errors
/// [`KeyRule`] if the circuit admits no sound key: an IC point that is the identity.
pub fn development(r1cs: &R1cs, name: &str, progress: &dyn Progress) -> Result<ProvingKey, KeyRule> {
    let digest = r1cs.digest();
    let seed = B2::new(Label::DevSetup)
        .bytes(DEVELOPMENT_SEED)
        .bytes(&digest)
        .finish32();
    setup(
        r1cs,
        CircuitId::new(name, digest),
        &mut ChaCha20Rng::from_seed(seed),
        progress,
    )
}

/// Runs the set-up with secrets drawn from `rng`. The key is marked insecure.
///
/// # Errors
/// [`KeyRule`] if the circuit admits no sound key.
///
/// # Panics
/// If the circuit is beyond the field's largest domain, 2^27.
pub fn setup<R: CryptoRngCore + ?Sized>(
    r1cs: &R1cs,
    circuit: CircuitId,
    rng: &mut R,
    progress: &dyn Progress,
) -> Result<ProvingKey, KeyRule> {
    let size = domain_size(r1cs.num_constraints(), r1cs.num_public()).expect("at most 2^27 constraints");
    let secrets = Secrets::draw(size, rng);
    let polynomials = evaluate(r1cs, size, &secrets, progress);
    let num_public = r1cs.num_public();

    let nonzero = |xs: &[F]| -> u64 { xs.iter().filter(|x| !x.is_zero()).count() as u64 };
    let b_points = 2 * nonzero(&polynomials.b);
    progress.begin(
        Stage::ComputePoints,
        nonzero(&polynomials.a) + b_points + nonzero(&polynomials.abc[num_public..]) + size as u64,
    );
    let g1 = G1Projective::generator();
    let g2 = G2Projective::generator();
    let table1 = BatchMulPreprocessing::new(g1, size);
    let table2 = BatchMulPreprocessing::new(g2, polynomials.b.len());

    let ic_scalars = divided(&polynomials.abc[..num_public], secrets.gamma);
    let l_scalars = divided(&polynomials.abc[num_public..], secrets.delta);
    let h_scalars = divided(&odd_lagrange(size, secrets.tau), secrets.delta);
    let (index_a, a) = compact(&polynomials.a);
    let (index_b, b) = compact(&polynomials.b);
    let (index_l, l) = compact(&l_scalars);
    let vk = VerifyingKey::new(
        (g1 * secrets.alpha).into_affine(),
        (g2 * secrets.beta).into_affine(),
        (g2 * secrets.gamma).into_affine(),
        (g2 * secrets.delta).into_affine(),
        table1.batch_mul(&ic_scalars),
    );
    ProvingKey::new(Parts {
        circuit,
        insecure: true,
        sizes: Sizes {
            num_public,
            num_witness: r1cs.num_witness(),
            num_constraints: r1cs.num_constraints(),
            domain: size,
        },
        vk,
        beta_g1: (g1 * secrets.beta).into_affine(),
        delta_g1: (g1 * secrets.delta).into_affine(),
        a: Query::new(index_a, Table::new(&multiply(&table1, &a, progress))),
        b_g1: Query::new(index_b.clone(), Table::new(&multiply(&table1, &b, progress))),
        b_g2: Query::new(index_b, Table::new(&multiply(&table2, &b, progress))),
        l: Query::new(index_l, Table::new(&multiply(&table1, &l, progress))),
        h: Table::new(&multiply(&table1, &h_scalars, progress)),
    })
}

/// The secrets of a set-up.
struct Secrets {
    alpha: F,
    beta: F,
    gamma: F,
    delta: F,
    tau: F,
}

impl Secrets {
    fn draw<R: CryptoRngCore + ?Sized>(size: usize, rng: &mut R) -> Self {
        let mut nonzero = || loop {
            let x = random_field(rng);
            if !x.is_zero() {
                return x;
            }
        };
        let [alpha, beta, gamma, delta] = [(); 4].map(|()| nonzero());
        // τ outside the doubled domain, or a polynomial would be revealed at one of its points.
        let tau = loop {
            let tau = nonzero();
            if tau.pow([2 * size as u64]) != F::ONE {
                break tau;
            }
        };
        Self {
            alpha,
            beta,
            gamma,
            delta,
            tau,
        }
    }
}

/// The circuit's polynomials at τ, per variable.
struct Polynomials {
    a: Vec<F>,
    b: Vec<F>,
    /// `β·A_i + α·B_i + C_i`.
    abc: Vec<F>,
}

/// Adds up, per interned combination, the Lagrange values of the rows that use it, and only then
/// walks over the combination's terms: each is visited once, however many rows share it.
fn evaluate(r1cs: &R1cs, size: usize, secrets: &Secrets, progress: &dyn Progress) -> Polynomials {
    let domain = Radix2EvaluationDomain::<F>::new(size).expect("a power of two below the field's limit");
    let lagrange = domain.evaluate_all_lagrange_coefficients(secrets.tau);
    let mut weights = vec![[F::ZERO; 3]; r1cs.num_combinations()];
    for (row, value) in r1cs.rows().iter().zip(&lagrange) {
        for (side, &id) in row.iter().enumerate() {
            weights[id as usize][side] += value;
        }
    }
    let mut sides = [(); 3].map(|()| vec![F::ZERO; r1cs.num_variables()]);
    progress.begin(Stage::EvaluateCircuit, weights.len() as u64);
    for (id, weight) in weights.iter().enumerate() {
        for (side, sum) in sides.iter_mut().enumerate() {
            if weight[side].is_zero() {
                continue;
            }
            for (variable, coefficient) in r1cs.combination(id) {
                sum[variable] += weight[side] * coefficient;
            }
        }
        if id % CHUNK == CHUNK - 1 {
            progress.advance(CHUNK as u64);
        }
    }
    let [mut a, b, c] = sides;
    for (sum, value) in a
        .iter_mut()
        .zip(&lagrange[r1cs.num_constraints()..])
        .take(r1cs.num_public())
    {
        *sum += value;
    }
    let abc = (0..a.len())
        .map(|i| secrets.beta * a[i] + secrets.alpha * b[i] + c[i])
        .collect();
    Polynomials { a, b, abc }
}

/// Lagrange values at τ of the odd points of the doubled domain: a polynomial of degree below
/// `2·size` that vanishes on the even points is the combination of its odd values with these.
fn odd_lagrange(size: usize, tau: F) -> Vec<F> {
    let doubled = Radix2EvaluationDomain::<F>::new(2 * size).expect("twice the domain is in the field");
    doubled
        .evaluate_all_lagrange_coefficients(tau)
        .into_iter()
        .skip(1)
        .step_by(2)
        .collect()
}

fn divided(xs: &[F], by: F) -> Vec<F> {
    let inverse = by.inverse().expect("secrets are drawn non-zero");
    xs.iter().map(|x| *x * inverse).collect()
}

/// The non-zero scalars and where they stand.
fn compact(scalars: &[F]) -> (Vec<u32>, Vec<F>) {
    let at = |i: usize| u32::try_from(i).expect("fewer than 2^32 variables");
    scalars
        .iter()
        .enumerate()
        .filter(|(_, x)| !x.is_zero())
        .map(|(i, x)| (at(i), *x))
        .unzip()
}

fn multiply<G: ScalarMul<ScalarField = F>>(
    table: &BatchMulPreprocessing<G>,
    scalars: &[F],
    progress: &dyn Progress,
) -> Vec<G::MulBase> {
    let mut points = Vec::with_capacity(scalars.len());
    for chunk in scalars.chunks(CHUNK) {
        points.extend(table.batch_mul(chunk));
        progress.advance(chunk.len() as u64);
    }
    points
}

#[cfg(test)]
mod tests;
