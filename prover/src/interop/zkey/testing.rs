//! A `.zkey` of a small circuit, encoded here so that tests can break every part of it. That the
//! encoding is snarkjs's is for the tests that run snarkjs itself to show.

use ark_bn254::{Fq, Fq2};
use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_ff::{BigInteger, PrimeField, Zero};
use rand_core::{CryptoRng, RngCore};
use tacit_circuits::r1cs::{R1cs, Statement};

use super::coefficients::{entries, montgomery_factor};
use super::*;
use crate::interop::sections::put_modulus;
use crate::progress::Silent;
use crate::{setup, testing};

/// The sections of a file, by number less one.
pub(super) type Bodies = Vec<Vec<u8>>;

/// A key file as a ceremony would leave it, and what it is for.
pub(super) struct Fixture {
    pub(super) r1cs: R1cs,
    pub(super) circuit: CircuitId,
    pub(super) bodies: Bodies,
}

impl Fixture {
    /// For the small circuit that this crate's tests share.
    pub(super) fn new() -> Self {
        Self::of(testing::powers().r1cs())
    }

    pub(super) fn of(r1cs: R1cs) -> Self {
        let circuit = CircuitId::new("powers", r1cs.digest());
        let mut rng = GammaOne(testing::rng(1), 0);
        let key = setup::setup(&r1cs, circuit.clone(), &mut rng, &Silent).expect("a sound key");
        let bodies = encode(&key, &r1cs);
        Self {
            r1cs,
            circuit,
            bodies,
        }
    }

    pub(super) fn file(&self) -> Vec<u8> {
        file(&self.bodies)
    }

    /// Imports a file, pinned to what it is.
    pub(super) fn import(&self, bytes: &[u8]) -> Result<Imported, InteropError> {
        let pin = Pin {
            circuit: self.circuit.clone(),
            sha256: Sha256::digest(bytes).into(),
        };
        import(bytes, &pin, &self.r1cs, &Silent)
    }
}

/// Randomness whose third draw is one: γ, which ceremonies leave at the generator.
struct GammaOne(ChaCha20Rng, usize);

impl CryptoRng for GammaOne {}

impl RngCore for GammaOne {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill_bytes(dest);
        self.1 += 1;
        if self.1 == 3 {
            dest.fill(0);
            dest[0] = 1;
        }
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

/// The file of these sections.
pub(super) fn file(bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    FORMAT.begin(&mut out).expect("memory");
    for (number, body) in (1..).zip(bodies) {
        let section = FORMAT.section(number);
        section.begin(&mut out, body.len() as u64).expect("memory");
        out.extend_from_slice(body);
    }
    out
}

/// A coordinate that is written as raw limbs.
pub(super) trait Put {
    fn put(&self, out: &mut Vec<u8>);
}

impl Put for Fq {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_bytes_le());
    }
}

impl Put for Fq2 {
    fn put(&self, out: &mut Vec<u8>) {
        self.c0.put(out);
        self.c1.put(out);
    }
}

pub(super) fn put<C: SWCurveConfig<BaseField: Put>>(point: &Affine<C>, out: &mut Vec<u8>) {
    let zero = C::BaseField::zero();
    let (x, y) = point.xy().unwrap_or((zero, zero));
    x.put(out);
    y.put(out);
}

fn all<C: SWCurveConfig<BaseField: Put>>(points: &[Affine<C>]) -> Vec<u8> {
    let mut out = Vec::new();
    points.iter().for_each(|p| put(p, &mut out));
    out
}

fn spread<C: RawCurve<BaseField: Put>>(query: &Query<C>, n: usize) -> Vec<u8> {
    let mut points = vec![Affine::identity(); n];
    for (&i, p) in query.index().iter().zip(query.points().points()) {
        points[i as usize] = p;
    }
    all(&points)
}

fn encode(key: &ProvingKey, r1cs: &R1cs) -> Bodies {
    let parts = key.parts();
    let n = parts.sizes.num_variables();
    vec![
        GROTH16.to_le_bytes().to_vec(),
        header(parts),
        all(parts.vk.ic()),
        coefficients(r1cs),
        spread(&parts.a, n),
        spread(&parts.b_g1, n),
        spread(&parts.b_g2, n),
        spread(&parts.l, parts.sizes.num_witness),
        all(&parts.h.points().collect::<Vec<_>>()),
        contributions(&parts.delta_g1),
    ]
}

fn header(parts: &Parts) -> Vec<u8> {
    let mut out = 32u32.to_le_bytes().to_vec();
    out.extend_from_slice(&Fq::MODULUS.to_bytes_le());
    put_modulus(&mut out).expect("memory");
    let sizes = &parts.sizes;
    for n in [sizes.num_variables(), sizes.num_public - 1, sizes.domain] {
        out.extend_from_slice(&u32::try_from(n).expect("small").to_le_bytes());
    }
    put(&parts.vk.alpha_g1(), &mut out);
    put(&parts.beta_g1, &mut out);
    put(&parts.vk.beta_g2(), &mut out);
    put(&parts.vk.gamma_g2(), &mut out);
    put(&parts.delta_g1, &mut out);
    put(&parts.vk.delta_g2(), &mut out);
    out
}

fn coefficients(r1cs: &R1cs) -> Vec<u8> {
    let all: Vec<_> = entries(r1cs).collect();
    let mut out = u32::try_from(all.len()).expect("small").to_le_bytes().to_vec();
    for entry in all {
        for n in [entry.matrix, entry.constraint, entry.variable] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        out.extend_from_slice(&(entry.value * montgomery_factor()).0.to_bytes_le());
    }
    out
}

/// An ordinary contribution with a name, then a beacon.
fn contributions(delta: &G1Affine) -> Vec<u8> {
    let mut out = vec![7; 64];
    out.extend_from_slice(&2u32.to_le_bytes());
    for (kind, parameters) in [(0u32, &b"\x01\x03Ann"[..]), (1, &b"\x02\x0a\x03\x02\xbe\xac"[..])] {
        put(delta, &mut out);
        put(delta, &mut out);
        put(delta, &mut out);
        put(&G2Affine::generator(), &mut out);
        out.extend_from_slice(&[9; 64]);
        out.extend_from_slice(&kind.to_le_bytes());
        out.extend_from_slice(&u32::try_from(parameters.len()).expect("small").to_le_bytes());
        out.extend_from_slice(parameters);
    }
    out
}
