//! Import of a snarkjs `.zkey` (Groth16, BN254): the outcome of a ceremony becomes a proving key.
//!
//! ```text
//!  1 protocol       1 for Groth16, u32
//!  2 header         base field, scalar field (bytes u32 · modulus) · variables, public inputs without
//!                   the leading one, domain u32 · α₁ β₁ β₂ γ₂ δ₁ δ₂
//!  3 IC             per public input, the leading one included
//!  4 coefficients   number u32, then matrix (0 is A, 1 is B) · constraint · variable u32 · value·R²
//!  5 A · 6 B1 · 7 B2   per variable
//!  8 L              per witness variable
//!  9 H              per domain point
//! 10 contributions  see [`ceremony`]
//! ```
//!
//! **What the checks are worth.** The file says nothing about the matrix C, and without the powers of
//! tau nobody can tell whether its points were computed as they should have been. So an import is
//! no substitute for `snarkjs zkey verify`, which checks all that against the exported `.r1cs`. The
//! checks here find what is not the verified file, or not for the circuit: importing asks for the
//! SHA-256 of the file that was verified and for the pinned circuit. Only under that condition is
//! the key not marked insecure; and the main network besides accepts only keys whose hashes are in
//! `tacit_verifier::keys::CEREMONY_KEYS`.
//!
//! Specification: `docs/spec/interop.md`; how to hold a ceremony: `docs/ceremony.md`.

use std::fs;
use std::path::Path;

use ark_bn254::{Bn254, Fq, Fr, G1Affine, G1Projective, G2Affine, G2Projective, g1, g2};
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::{One, UniformRand};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use sha2::{Digest, Sha256};
use tacit_circuits::r1cs::R1cs;
use tacit_verifier::groth16::VerifyingKey;

use super::error::InteropError;
use super::points::{self, RawPoint};
use super::sections::{Format, SectionReader, Sections};
use crate::keys::{CircuitId, Parts, ProvingKey, Query, RawCurve, Sizes, Table};
use crate::progress::{Progress, Stage};
use crate::setup::domain_size;

pub mod ceremony;
mod coefficients;

pub use ceremony::{Beacon, Ceremony, Contribution};

/// The format.
pub static FORMAT: Format = Format::new(
    *b"zkey",
    1,
    &[
        "protocol",
        "header",
        "IC",
        "coefficients",
        "A",
        "B1",
        "B2",
        "L",
        "H",
        "contributions",
    ],
);

const GROTH16: u32 = 1;

/// What an import is pinned to: nothing else becomes a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The circuit, by name and digest.
    pub circuit: CircuitId,
    /// SHA-256 of the file that `snarkjs zkey verify` accepted.
    pub sha256: [u8; 32],
}

/// What an import gives.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The key, not marked insecure.
    pub key: ProvingKey,
    /// Who contributed, as the file says.
    pub ceremony: Ceremony,
}

/// Imports a file. See [`import`].
///
/// # Errors
/// [`InteropError`].
///
/// # Panics
/// As [`import`].
pub fn import_file(
    path: &Path,
    pin: &Pin,
    r1cs: &R1cs,
    progress: &dyn Progress,
) -> Result<Imported, InteropError> {
    let bytes = fs::read(path).map_err(|source| InteropError::Io {
        path: path.to_owned(),
        source,
    })?;
    import(&bytes, pin, r1cs, progress)
}

/// Imports the key of the pinned circuit, whose constraint system is `r1cs`.
///
/// # Errors
/// [`InteropError`] names the section and what is wrong with it.
///
/// # Panics
/// If the circuit itself is beyond every key: more than 2^27 constraints or 2^16 public inputs.
pub fn import(
    bytes: &[u8],
    pin: &Pin,
    r1cs: &R1cs,
    progress: &dyn Progress,
) -> Result<Imported, InteropError> {
    progress.begin(Stage::ReadKey, 3);
    check_circuit(pin, r1cs)?;
    let sections = Sections::parse(&FORMAT, bytes)?;
    let sizes = Sizes {
        num_public: r1cs.num_public(),
        num_witness: r1cs.num_witness(),
        num_constraints: r1cs.num_constraints(),
        domain: domain_size(r1cs.num_constraints(), r1cs.num_public()).expect("at most 2^27 constraints"),
    };
    check_protocol(sections.reader(FORMAT.section(1)))?;
    let header = Header::read(sections.reader(FORMAT.section(2)), &sizes)?;
    let ceremony = ceremony::read(sections.reader(FORMAT.section(10)), &header.delta_g1)?;
    coefficients::check(sections.reader(FORMAT.section(4)), r1cs)?;
    progress.advance(1);
    // The costly checks are for the pinned file only; those before say why a file is not that one.
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    if hash != pin.sha256 {
        return Err(InteropError::NotPinned {
            pinned: hex::encode(pin.sha256),
            found: hex::encode(hash),
        });
    }
    let parts = read_points(&sections, &header, pin.circuit.clone(), sizes, r1cs)?;
    progress.advance(1);
    check_groups(&header, &parts, hash)?;
    let key = ProvingKey::new(parts)?;
    progress.advance(1);
    Ok(Imported { key, ceremony })
}

fn check_circuit(pin: &Pin, r1cs: &R1cs) -> Result<(), InteropError> {
    let found = r1cs.digest();
    if found == *pin.circuit.digest() {
        return Ok(());
    }
    Err(InteropError::OtherCircuit {
        name: pin.circuit.name().to_owned(),
        pinned: hex::encode(pin.circuit.digest()),
        found: hex::encode(found),
    })
}

fn check_protocol(mut reader: SectionReader<'_>) -> Result<(), InteropError> {
    let section = reader.section();
    reader.expect_left(4)?;
    match reader.u32()? {
        GROTH16 => Ok(()),
        found => Err(InteropError::OtherProtocol { section, found }),
    }
}

/// The points of the header section; its sizes are the circuit's.
struct Header {
    alpha_g1: G1Affine,
    beta_g1: G1Affine,
    beta_g2: G2Affine,
    gamma_g2: G2Affine,
    delta_g1: G1Affine,
    delta_g2: G2Affine,
}

impl Header {
    fn read(mut reader: SectionReader<'_>, sizes: &Sizes) -> Result<Self, InteropError> {
        let section = reader.section();
        reader.modulus::<Fq>("base")?;
        reader.modulus::<Fr>("scalar")?;
        for (what, expected) in [
            ("variables", sizes.num_variables()),
            ("public inputs", sizes.num_public - 1),
            ("domain", sizes.domain),
        ] {
            let found = reader.u32()? as usize;
            if found != expected {
                return Err(InteropError::OtherSize {
                    section,
                    what,
                    expected,
                    found,
                });
            }
        }
        let header = Self {
            alpha_g1: points::read::<g1::Config>(&mut reader, 0)?,
            beta_g1: points::read::<g1::Config>(&mut reader, 1)?,
            beta_g2: points::read::<g2::Config>(&mut reader, 2)?,
            gamma_g2: points::read::<g2::Config>(&mut reader, 3)?,
            delta_g1: points::read::<g1::Config>(&mut reader, 4)?,
            delta_g2: points::read::<g2::Config>(&mut reader, 5)?,
        };
        reader.expect_left(0)?;
        if header.gamma_g2 == G2Affine::generator() {
            Ok(header)
        } else {
            Err(InteropError::OtherGamma(section))
        }
    }
}

/// Reads all points. Which of them are the identity is known from the circuit: those of variables
/// that a matrix has no coefficient for.
fn read_points(
    sections: &Sections<'_>,
    header: &Header,
    circuit: CircuitId,
    sizes: Sizes,
    r1cs: &R1cs,
) -> Result<Parts, InteropError> {
    let [used_a, used_b, used_c] = coefficients::used(r1cs);
    let used_l: Vec<bool> = (sizes.num_public..sizes.num_variables())
        .map(|i| used_a[i] || used_b[i] || used_c[i])
        .collect();
    let reader = |number| sections.reader(FORMAT.section(number));
    let ic = points::read_all::<g1::Config>(reader(3), &vec![true; sizes.num_public])?;
    Ok(Parts {
        circuit,
        insecure: false,
        sizes,
        vk: VerifyingKey::new(
            header.alpha_g1,
            header.beta_g2,
            header.gamma_g2,
            header.delta_g2,
            ic,
        ),
        beta_g1: header.beta_g1,
        delta_g1: header.delta_g1,
        a: query::<g1::Config>(reader(5), &used_a)?,
        b_g1: query::<g1::Config>(reader(6), &used_b)?,
        b_g2: query::<g2::Config>(reader(7), &used_b)?,
        l: query::<g1::Config>(reader(8), &used_l)?,
        h: Table::new(&points::read_all::<g1::Config>(
            reader(9),
            &vec![true; sizes.domain],
        )?),
    })
}

/// Reads a section of points, one per variable, of which those in use are kept.
fn query<C: RawPoint + RawCurve>(reader: SectionReader<'_>, used: &[bool]) -> Result<Query<C>, InteropError> {
    let index = (0u32..).zip(used).filter(|&(_, &used)| used);
    let points = points::read_all::<C>(reader, used)?;
    Ok(Query::new(index.map(|(i, _)| i).collect(), Table::new(&points)))
}

/// Checks that β, δ and the points of B are the same in both groups: B by one random combination,
/// whose 128-bit weights follow from the whole file, so nobody can choose points after them.
fn check_groups(header: &Header, parts: &Parts, hash: [u8; 32]) -> Result<(), InteropError> {
    let mut rng = ChaCha20Rng::from_seed(hash);
    let weights: Vec<Fr> = (0..parts.b_g1.points().len())
        .map(|_| Fr::from(u128::rand(&mut rng)))
        .collect();
    let b1: Vec<G1Affine> = parts.b_g1.points().points().collect();
    let b2: Vec<G2Affine> = parts.b_g2.points().points().collect();
    let b1 = G1Projective::msm(&b1, &weights).expect("one weight per point");
    let b2 = G2Projective::msm(&b2, &weights).expect("one weight per point");
    for (what, in_g1, in_g2) in [
        ("beta1 and beta2", header.beta_g1, header.beta_g2),
        ("delta1 and delta2", header.delta_g1, header.delta_g2),
        ("the points B1 and B2", b1.into_affine(), b2.into_affine()),
    ] {
        let left = [in_g1, -G1Affine::generator()];
        if !Bn254::multi_pairing(left, [G2Affine::generator(), in_g2])
            .0
            .is_one()
        {
            return Err(InteropError::GroupsDiffer { what });
        }
    }
    Ok(())
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
