//! snarkjs's JSON: proofs, public inputs and verifying keys.
//!
//! Numbers are decimal strings. A point is `[x, y, z]` with z one, in G2 each a pair `[c0, c1]`;
//! snarkjs writes projective points, but always with z one. Reading is strict: exactly these fields,
//! every number in its one decimal spelling and below its modulus, every point in its group and not
//! the identity. Specification: `docs/spec/interop.md`.

use std::fmt::Display;

use ark_bn254::{Bn254, Fq, Fq2, Fq6, G1Affine, G2Affine};
use ark_ec::pairing::Pairing;
use ark_ff::PrimeField;
use serde::{Deserialize, Serialize};
use tacit_protocol::{DecodeError, F};
use tacit_verifier::groth16::{Proof, VerifyingKey};
use thiserror::Error;

/// Longest text that is read: a proof has a few hundred bytes, an input at most 80.
pub const MAX_BYTES: usize = 1 << 20;
/// Digits of the largest number below either modulus.
const MAX_DIGITS: usize = 77;

/// Why JSON was refused.
#[derive(Debug, Error)]
pub enum JsonError {
    /// The text is too long.
    #[error("{found} bytes of JSON, at most {MAX_BYTES} are read")]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// The text is no JSON of the form expected.
    #[error("not the JSON of {what}: {source}")]
    Form {
        /// What was expected.
        what: &'static str,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// Another proof system or curve.
    #[error("{field} is {found:?}, only {expected:?} is read")]
    Other {
        /// Protocol or curve.
        field: &'static str,
        /// What is read.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// A number is not in its one decimal spelling, or not below its modulus.
    #[error("{0:?} is no decimal number below the modulus, or has leading zeros")]
    Number(String),
    /// A point is not normalised: its z is not one.
    #[error("{0} does not end with one")]
    NotAffine(&'static str),
    /// A point is off its curve, outside its group or the identity.
    #[error(transparent)]
    BadPoint(#[from] DecodeError),
}

const PROTOCOL: &str = "groth16";
const CURVE: &str = "bn128";

type JsonG1 = [String; 3];
type JsonFq2 = [String; 2];
type JsonG2 = [JsonFq2; 3];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonProof {
    pi_a: JsonG1,
    pi_b: JsonG2,
    pi_c: JsonG1,
    protocol: String,
    curve: String,
}

#[derive(Serialize)]
struct JsonKey {
    protocol: &'static str,
    curve: &'static str,
    #[serde(rename = "nPublic")]
    num_public: usize,
    vk_alpha_1: JsonG1,
    vk_beta_2: JsonG2,
    vk_gamma_2: JsonG2,
    vk_delta_2: JsonG2,
    vk_alphabeta_12: [[JsonFq2; 3]; 2],
    #[serde(rename = "IC")]
    ic: Vec<JsonG1>,
}

/// A proof as snarkjs's `proof.json`.
#[must_use]
pub fn proof(proof: &Proof) -> String {
    text(&JsonProof {
        pi_a: g1(&proof.a()),
        pi_b: g2(&proof.b()),
        pi_c: g1(&proof.c()),
        protocol: PROTOCOL.to_owned(),
        curve: CURVE.to_owned(),
    })
}

/// Public inputs (without the leading one) as snarkjs's `public.json`.
#[must_use]
pub fn public_inputs(inputs: &[F]) -> String {
    text(&inputs.iter().map(decimal).collect::<Vec<_>>())
}

/// A verifying key as snarkjs's `verification_key.json`.
#[must_use]
pub fn verifying_key(key: &VerifyingKey) -> String {
    let alpha_beta = Bn254::pairing(key.alpha_g1(), key.beta_g2()).0;
    let fq6 = |x: &Fq6| [fq2(&x.c0), fq2(&x.c1), fq2(&x.c2)];
    text(&JsonKey {
        protocol: PROTOCOL,
        curve: CURVE,
        num_public: key.ic().len() - 1,
        vk_alpha_1: g1(&key.alpha_g1()),
        vk_beta_2: g2(&key.beta_g2()),
        vk_gamma_2: g2(&key.gamma_g2()),
        vk_delta_2: g2(&key.delta_g2()),
        vk_alphabeta_12: [fq6(&alpha_beta.c0), fq6(&alpha_beta.c1)],
        ic: key.ic().iter().map(g1).collect(),
    })
}

/// Reads a `proof.json`.
///
/// # Errors
/// [`JsonError`].
pub fn read_proof(text: &str) -> Result<Proof, JsonError> {
    let json: JsonProof = parse(text, "a proof")?;
    for (field, expected, found) in [
        ("the proof system", PROTOCOL, json.protocol),
        ("the curve", CURVE, json.curve),
    ] {
        if found != expected {
            return Err(JsonError::Other {
                field,
                expected,
                found,
            });
        }
    }
    let a = read_g1(&json.pi_a, "pi_a")?;
    let b = read_g2(&json.pi_b, "pi_b")?;
    let c = read_g1(&json.pi_c, "pi_c")?;
    Ok(Proof::new(a, b, c)?)
}

/// Reads a `public.json`: the public inputs without the leading one.
///
/// # Errors
/// [`JsonError`].
pub fn read_public_inputs(text: &str) -> Result<Vec<F>, JsonError> {
    let numbers: Vec<String> = parse(text, "public inputs")?;
    numbers.iter().map(|number| read_number(number)).collect()
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("strings and lists of them")
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str, what: &'static str) -> Result<T, JsonError> {
    if text.len() > MAX_BYTES {
        return Err(JsonError::TooLong { found: text.len() });
    }
    serde_json::from_str(text).map_err(|source| JsonError::Form { what, source })
}

fn decimal<P: PrimeField<BigInt: Display>>(x: &P) -> String {
    x.into_bigint().to_string()
}

fn fq2(x: &Fq2) -> JsonFq2 {
    [decimal(&x.c0), decimal(&x.c1)]
}

fn g1(p: &G1Affine) -> JsonG1 {
    [decimal(&p.x), decimal(&p.y), "1".to_owned()]
}

fn g2(p: &G2Affine) -> JsonG2 {
    [fq2(&p.x), fq2(&p.y), ["1".to_owned(), "0".to_owned()]]
}

/// A number in its one decimal spelling, below the modulus.
fn read_number<P: PrimeField<BigInt: Display>>(number: &str) -> Result<P, JsonError> {
    let digits = number.as_bytes();
    let value = || {
        let ten = P::from(10u64);
        digits
            .iter()
            .fold(P::ZERO, |sum, digit| sum * ten + P::from(digit - b'0'))
    };
    let plain = (1..=MAX_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    // A number that is not reduced, or has leading zeros, is not what its value is written as.
    let value = plain.then(value).filter(|value| decimal(value) == number);
    value.ok_or_else(|| JsonError::Number(number.chars().take(2 * MAX_DIGITS).collect()))
}

fn read_fq2(pair: &JsonFq2) -> Result<Fq2, JsonError> {
    Ok(Fq2::new(read_number(&pair[0])?, read_number(&pair[1])?))
}

fn read_g1(point: &JsonG1, name: &'static str) -> Result<G1Affine, JsonError> {
    let [x, y, z] = point;
    if z != "1" {
        return Err(JsonError::NotAffine(name));
    }
    Ok(G1Affine::new_unchecked(
        read_number::<Fq>(x)?,
        read_number::<Fq>(y)?,
    ))
}

fn read_g2(point: &JsonG2, name: &'static str) -> Result<G2Affine, JsonError> {
    let [x, y, z] = point;
    if z != &["1", "0"] {
        return Err(JsonError::NotAffine(name));
    }
    Ok(G2Affine::new_unchecked(read_fq2(x)?, read_fq2(y)?))
}

#[cfg(test)]
mod tests;
