//! `snarkrs-lib` as a peer: our key, system and witness in its types.
//!
//! It uses another release of arkworks, so everything crosses as Montgomery limbs, which both have in
//! common. Its conventions are circom's, like ours; unlike ours, its queries hold the identity where a
//! variable has no point.

use ark_ec::short_weierstrass::Affine;
use snarkrs_lib::field::{Fq, Fq2, Fr, G1Affine, G2Affine};
use snarkrs_lib::formats::Coefficients;
use snarkrs_lib::{Backend, CpuBackend, PreparedCircuit, StageTimings};
use tacit_circuits::r1cs::{Assignment, R1cs};
use tacit_prover::ProvingKey;
use tacit_prover::keys::{Limbs, Query, RawCurve, Table};

/// A circuit prepared, with a witness.
pub struct Snarkrs {
    circuit: Box<dyn PreparedCircuit>,
    witness: Vec<Fr>,
}

impl std::fmt::Debug for Snarkrs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snarkrs({} variables)", self.witness.len())
    }
}

impl Snarkrs {
    /// Prepares a key and a witness.
    ///
    /// # Panics
    /// If the peer refuses the key.
    #[must_use]
    pub fn new(key: &ProvingKey, system: &R1cs, assignment: &Assignment) -> Self {
        let circuit = CpuBackend::new()
            .prepare(proving_key(key, system))
            .expect("a key of ours");
        let witness = assignment.z().iter().map(|x| fr(&x.0.0)).collect();
        Self { circuit, witness }
    }

    /// Makes a proof, which the peer verifies.
    ///
    /// # Panics
    /// If the proof does not verify.
    pub fn prove(&self) {
        let mut timings = StageTimings::default();
        let mut rng = snarkrs_lib::rand::thread_rng();
        snarkrs_lib::prove(self.circuit.as_ref(), &self.witness, &mut rng, &mut timings)
            .expect("the peer's own proof");
    }
}

fn fr(limbs: &Limbs) -> Fr {
    let mut x = Fr::default();
    x.0.0 = *limbs;
    x
}

fn fq(limbs: &Limbs) -> Fq {
    let mut x = Fq::default();
    x.0.0 = *limbs;
    x
}

fn g1(words: &[Limbs]) -> G1Affine {
    G1Affine::new_unchecked(fq(&words[0]), fq(&words[1]))
}

fn g2(words: &[Limbs]) -> G2Affine {
    let pair = |at: usize| Fq2::new(fq(&words[at]), fq(&words[at + 1]));
    G2Affine::new_unchecked(pair(0), pair(2))
}

fn one<C: RawCurve, P>(point: Affine<C>, convert: fn(&[Limbs]) -> P) -> P {
    convert(Table::new(&[point]).limbs())
}

/// Points of all variables, the identity where there is none.
fn spread<C: RawCurve, P: Clone + Default>(
    query: &Query<C>,
    variables: usize,
    convert: fn(&[Limbs]) -> P,
) -> Vec<P> {
    let mut points = vec![P::default(); variables];
    let words = query.points().limbs().chunks_exact(C::WORDS);
    for (&variable, words) in query.index().iter().zip(words) {
        points[variable as usize] = convert(words);
    }
    points
}

fn proving_key(key: &ProvingKey, system: &R1cs) -> snarkrs_lib::ProvingKey {
    let parts = key.parts();
    let (vk, variables) = (&parts.vk, parts.sizes.num_variables());
    let (alpha_g1, beta_g2) = (one(vk.alpha_g1(), g1), one(vk.beta_g2(), g2));
    let delta_g2 = one(vk.delta_g2(), g2);
    snarkrs_lib::ProvingKey {
        n_vars: variables,
        n_public: parts.sizes.num_public - 1,
        domain_size: parts.sizes.domain,
        alpha_g1,
        beta_g1: one(parts.beta_g1, g1),
        beta_g2,
        delta_g1: one(parts.delta_g1, g1),
        delta_g2,
        a_query: spread(&parts.a, variables, g1),
        b_g1_query: spread(&parts.b_g1, variables, g1),
        b_g2_query: spread(&parts.b_g2, variables, g2),
        l_query: spread(&parts.l, parts.sizes.num_witness, g1),
        h_query: parts.h.limbs().chunks_exact(2).map(g1).collect(),
        coeffs: coefficients(system, parts.sizes.domain),
        vk: snarkrs_lib::VerifyingKey {
            alpha_g1,
            beta_g2,
            gamma_g2: one(vk.gamma_g2(), g2),
            delta_g2,
            ic: vk.ic().iter().map(|&p| one(p, g1)).collect(),
        },
    }
}

/// The matrices A and B by rows, with the rows `z_i · 0 = 0` of the public inputs.
fn coefficients(system: &R1cs, domain: usize) -> Coefficients {
    let mut coefficients = Coefficients {
        row_ptr: [vec![0], vec![0]],
        signal: [Vec::new(), Vec::new()],
        value: [Vec::new(), Vec::new()],
    };
    let index = |i: usize| u32::try_from(i).expect("fewer than 2^32 entries");
    for side in 0..2 {
        for row in 0..domain {
            if let Some(ids) = system.rows().get(row) {
                for (variable, coefficient) in system.combination(ids[side] as usize) {
                    coefficients.signal[side].push(index(variable));
                    coefficients.value[side].push(fr(&coefficient.0.0));
                }
            } else if side == 0 && row - system.num_constraints() < system.num_public() {
                coefficients.signal[0].push(index(row - system.num_constraints()));
                coefficients.value[0].push(Fr::from(1u64));
            }
            let end = index(coefficients.signal[side].len());
            coefficients.row_ptr[side].push(end);
        }
    }
    coefficients
}
