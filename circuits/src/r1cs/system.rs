//! The recorded constraint system: interned coefficients, interned linear combinations, rows.
//!
//! The rows of a Poseidon2 round repeat one dense linear combination three times and the whole
//! system knows only a few thousand coefficients, so a row is three indices into a table of
//! combinations and a term is two indices (variable, coefficient): 8 bytes instead of 40.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use ark_ff::AdditiveGroup;
use blake2b_simd::Params;
use tacit_protocol::{F, field};

use super::num::{Lc, Num};

/// A named run of constraints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paragraph {
    /// Name, as in the specification's table.
    pub name: &'static str,
    /// Index of its first constraint.
    pub first: usize,
}

/// A constraint system.
#[derive(Clone, Debug)]
pub struct R1cs {
    num_public: usize,
    num_witness: usize,
    coefficients: Vec<F>,
    /// End of each combination in `terms`.
    ends: Vec<u32>,
    terms: Vec<(u32, u32)>,
    rows: Vec<[u32; 3]>,
    paragraphs: Vec<Paragraph>,
}

impl R1cs {
    /// Public inputs, the constant one included.
    #[must_use]
    pub fn num_public(&self) -> usize {
        self.num_public
    }

    /// Witness variables.
    #[must_use]
    pub fn num_witness(&self) -> usize {
        self.num_witness
    }

    /// All variables, the constant one included.
    #[must_use]
    pub fn num_variables(&self) -> usize {
        self.num_public + self.num_witness
    }

    /// Constraints.
    #[must_use]
    pub fn num_constraints(&self) -> usize {
        self.rows.len()
    }

    /// Distinct linear combinations.
    #[must_use]
    pub fn num_combinations(&self) -> usize {
        self.ends.len()
    }

    /// The three combinations of each constraint, as indices for [`R1cs::combination`].
    #[must_use]
    pub fn rows(&self) -> &[[u32; 3]] {
        &self.rows
    }

    /// The terms of combination `id`: `(variable, coefficient)`.
    pub fn combination(&self, id: usize) -> impl Iterator<Item = (usize, &F)> {
        let start = if id == 0 { 0 } else { self.ends[id - 1] as usize };
        self.terms[start..self.ends[id] as usize]
            .iter()
            .map(|&(var, coefficient)| (var as usize, &self.coefficients[coefficient as usize]))
    }

    /// The values of all combinations under `z`.
    #[must_use]
    pub fn evaluate(&self, z: &[F]) -> Vec<F> {
        (0..self.ends.len())
            .map(|id| {
                self.combination(id)
                    .fold(F::ZERO, |acc, (var, c)| acc + z[var] * c)
            })
            .collect()
    }

    /// The first constraint that `z` breaks.
    #[must_use]
    pub fn first_unsatisfied(&self, z: &[F]) -> Option<usize> {
        let values = self.evaluate(z);
        self.rows.iter().position(|row| {
            let [a, b, c] = row.map(|id| values[id as usize]);
            a * b != c
        })
    }

    /// The paragraph a constraint belongs to.
    #[must_use]
    pub fn paragraph_of(&self, constraint: usize) -> &'static str {
        let after = self.paragraphs.partition_point(|p| p.first <= constraint);
        if after == 0 {
            ""
        } else {
            self.paragraphs[after - 1].name
        }
    }

    /// The named runs of constraints, in order.
    #[must_use]
    pub fn paragraphs(&self) -> &[Paragraph] {
        &self.paragraphs
    }

    /// A digest of the whole system: sizes, combinations with their coefficients, rows.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut state = Params::new().hash_length(32).personal(b"TacitCircuit").to_state();
        for n in [
            self.num_public,
            self.num_witness,
            self.ends.len(),
            self.rows.len(),
        ] {
            state.update(&(n as u64).to_le_bytes());
        }
        let coefficients: Vec<[u8; 32]> = self.coefficients.iter().map(field::to_bytes).collect();
        let mut start = 0;
        for &end in &self.ends {
            state.update(&(u64::from(end) - start as u64).to_le_bytes());
            for &(var, coefficient) in &self.terms[start..end as usize] {
                state.update(&var.to_le_bytes());
                state.update(&coefficients[coefficient as usize]);
            }
            start = end as usize;
        }
        for row in &self.rows {
            for id in row {
                state.update(&id.to_le_bytes());
            }
        }
        let mut out = [0; 32];
        out.copy_from_slice(state.finalize().as_bytes());
        out
    }
}

/// Collects a system while a statement runs.
#[derive(Debug)]
pub(super) struct Recorder {
    system: R1cs,
    coefficient_ids: HashMap<F, u32>,
    combination_ids: HashMap<u64, Vec<u32>>,
    hasher: BuildHasherDefault<DefaultHasher>,
}

impl Recorder {
    pub(super) fn new() -> Self {
        Self {
            system: R1cs {
                num_public: 0,
                num_witness: 0,
                coefficients: Vec::new(),
                ends: Vec::new(),
                terms: Vec::new(),
                rows: Vec::new(),
                paragraphs: Vec::new(),
            },
            coefficient_ids: HashMap::new(),
            combination_ids: HashMap::new(),
            hasher: BuildHasherDefault::default(),
        }
    }

    pub(super) fn push(&mut self, a: &Num, b: &Num, c: &Num) {
        let row =
            [a, b, c].map(|n| self.intern(n.lc().expect("every number of a recorder has its combination")));
        self.system.rows.push(row);
    }

    pub(super) fn paragraph(&mut self, name: &'static str) {
        self.system.paragraphs.push(Paragraph {
            name,
            first: self.system.rows.len(),
        });
    }

    fn intern(&mut self, lc: &Lc) -> u32 {
        let terms: Vec<(u32, u32)> = lc
            .terms()
            .iter()
            .map(|(var, c)| (var.0, self.intern_coefficient(*c)))
            .collect();
        let candidates = self
            .combination_ids
            .entry(self.hasher.hash_one(&terms))
            .or_default();
        let system = &mut self.system;
        for &id in candidates.iter() {
            let start = if id == 0 {
                0
            } else {
                system.ends[id as usize - 1] as usize
            };
            if system.terms[start..system.ends[id as usize] as usize] == terms[..] {
                return id;
            }
        }
        let id = u32::try_from(system.ends.len()).expect("fewer than 2^32 combinations");
        system.terms.extend(terms);
        system
            .ends
            .push(u32::try_from(system.terms.len()).expect("fewer than 2^32 terms"));
        candidates.push(id);
        id
    }

    fn intern_coefficient(&mut self, c: F) -> u32 {
        let next = u32::try_from(self.system.coefficients.len()).expect("fewer than 2^32 coefficients");
        *self.coefficient_ids.entry(c).or_insert_with(|| {
            self.system.coefficients.push(c);
            next
        })
    }

    pub(super) fn finish(self, num_public: usize, num_witness: usize) -> R1cs {
        R1cs {
            num_public,
            num_witness,
            ..self.system
        }
    }
}
