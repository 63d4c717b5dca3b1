//! Proving keys: what they hold, their file, and the directory they are kept in.
//!
//! A key holds, per variable `i`, the points `A_i(τ)`, `B_i(τ)` (in both groups) and
//! `(β·A_i + α·B_i + C_i)(τ)/δ`, and per domain point one of `H`. Most variables appear on one side
//! only, so the identity points are not stored: a [`Query`] lists the variables that have a point.
//!
//! * [`mod@file`] — the byte layout, its hashes, and the errors of reading one.
//! * [`store`] — find or generate the key of a circuit, once per machine.
//!
//! Specification: `docs/spec/proofs.md`.

use std::fmt;

use ark_bn254::{G1Affine, g1, g2};
use tacit_protocol::Network;
use tacit_verifier::groth16::{KeyRule, PreparedVerifyingKey, VerifyingKey};

pub mod file;
pub mod store;
mod table;

pub use file::{KeyError, Part};
pub use store::KeyStore;
pub use table::{Limbs, RawCurve, Table};

/// Which circuit a key is for: its versioned name and the digest of its constraint system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CircuitId {
    name: String,
    digest: [u8; 32],
}

impl CircuitId {
    /// Longest name.
    pub const MAX_NAME: usize = 63;

    /// A circuit by name and digest.
    ///
    /// # Panics
    /// If the name is longer than [`CircuitId::MAX_NAME`], or holds anything but lower-case
    /// letters, digits and `-`: names are constants of the program and become file names.
    #[must_use]
    pub fn new(name: impl Into<String>, digest: [u8; 32]) -> Self {
        let name = name.into();
        assert!(is_name(name.as_bytes()), "{name:?} is no circuit name");
        Self { name, digest }
    }

    /// The versioned name, such as `batch-20-8-v1`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of the constraint system.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

fn is_name(name: &[u8]) -> bool {
    (1..=CircuitId::MAX_NAME).contains(&name.len())
        && name
            .iter()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == b'-')
}

/// The sizes of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Public inputs, the constant one included.
    pub num_public: usize,
    /// Witness variables.
    pub num_witness: usize,
    /// Constraints.
    pub num_constraints: usize,
    /// Points of the evaluation domain, a power of two.
    pub domain: usize,
}

impl Sizes {
    /// All variables, the constant one included.
    #[must_use]
    pub fn num_variables(&self) -> usize {
        self.num_public + self.num_witness
    }
}

/// Points of some variables; the others have the identity.
#[derive(Clone, PartialEq, Eq)]
pub struct Query<C: RawCurve> {
    index: Vec<u32>,
    points: Table<C>,
}

impl<C: RawCurve> fmt::Debug for Query<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({} points)", self.index.len())
    }
}

impl<C: RawCurve> Query<C> {
    /// Points and the variables they belong to, in ascending order.
    ///
    /// # Panics
    /// If there are not as many points as variables.
    #[must_use]
    pub fn new(index: Vec<u32>, points: Table<C>) -> Self {
        assert_eq!(index.len(), points.len(), "one point per listed variable");
        debug_assert!(index.is_sorted_by(|a, b| a < b), "ascending variables");
        Self { index, points }
    }

    /// The variables that have a point, ascending.
    #[must_use]
    pub fn index(&self) -> &[u32] {
        &self.index
    }

    /// Their points.
    #[must_use]
    pub fn points(&self) -> &Table<C> {
        &self.points
    }
}

/// What a proving key is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The circuit.
    pub circuit: CircuitId,
    /// Whether somebody may know the secrets of the set-up.
    pub insecure: bool,
    /// The circuit's sizes.
    pub sizes: Sizes,
    /// The verifying key.
    pub vk: VerifyingKey,
    /// `β` in G1.
    pub beta_g1: G1Affine,
    /// `δ` in G1.
    pub delta_g1: G1Affine,
    /// `A_i(τ)`, over all variables.
    pub a: Query<g1::Config>,
    /// `B_i(τ)` in G1, over all variables.
    pub b_g1: Query<g1::Config>,
    /// `B_i(τ)` in G2, over all variables.
    pub b_g2: Query<g2::Config>,
    /// `(β·A_i + α·B_i + C_i)(τ)/δ`, over the witness variables.
    pub l: Query<g1::Config>,
    /// Lagrange values of the odd coset divided by δ, one per domain point.
    pub h: Table<g1::Config>,
}

/// A proving key whose verifying key obeys every rule.
#[derive(Clone, Debug)]
pub struct ProvingKey {
    parts: Parts,
    verifier: PreparedVerifyingKey,
}

impl ProvingKey {
    /// Checks and prepares the verifying key.
    ///
    /// # Errors
    /// The rule that the verifying key breaks.
    ///
    /// # Panics
    /// If the parts do not fit the sizes; [`mod@file`] and the set-up see to that.
    pub fn new(parts: Parts) -> Result<Self, KeyRule> {
        let Sizes {
            num_public,
            num_witness,
            domain,
            ..
        } = parts.sizes;
        let fits = |index: &[u32], n: usize| index.last().is_none_or(|&last| (last as usize) < n);
        let all = parts.sizes.num_variables();
        assert!(
            num_public > 0 && domain.is_power_of_two() && parts.h.len() == domain,
            "sizes of a circuit"
        );
        assert!(
            fits(&parts.a.index, all) && fits(&parts.b_g1.index, all),
            "variables of the circuit"
        );
        assert!(fits(&parts.l.index, num_witness), "variables of the witness");
        assert_eq!(
            parts.b_g1.index, parts.b_g2.index,
            "the same variables in both groups"
        );
        let verifier = PreparedVerifyingKey::new(parts.vk.clone(), num_public - 1)?;
        Ok(Self { parts, verifier })
    }

    /// Everything the key is made of.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The circuit.
    #[must_use]
    pub fn circuit(&self) -> &CircuitId {
        &self.parts.circuit
    }

    /// The circuit's sizes.
    #[must_use]
    pub fn sizes(&self) -> &Sizes {
        &self.parts.sizes
    }

    /// The verifying key.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.parts.vk
    }

    /// The verifying key, prepared.
    #[must_use]
    pub fn verifier(&self) -> &PreparedVerifyingKey {
        &self.verifier
    }

    /// Whether somebody may know the secrets of the set-up.
    #[must_use]
    pub fn is_insecure(&self) -> bool {
        self.parts.insecure
    }

    /// Whether the key may be used on `network`: the main network takes no insecure key.
    #[must_use]
    pub fn is_allowed_on(&self, network: Network) -> bool {
        !(self.parts.insecure && network == Network::Mainnet)
    }
}

#[cfg(test)]
mod tests;
