//! What the tests of statements share: which paragraphs an assignment breaks, and fast mutation of
//! single variables.

use std::collections::{BTreeMap, BTreeSet};

use tacit_protocol::F;

use crate::r1cs::{Assignment, Cs, R1cs, Statement};

/// Names of the paragraphs that the assignment of `statement` breaks.
pub(crate) fn broken(system: &R1cs, statement: &impl Statement) -> BTreeSet<&'static str> {
    broken_by(system, &statement.assignment())
}

/// Names of the paragraphs broken when the prover replaces some witness variables (by index in `z`)
/// and computes everything after them from the replacements.
pub(crate) fn broken_when_cheating(
    system: &R1cs,
    statement: &impl Statement,
    replacements: &[(usize, F)],
) -> BTreeSet<&'static str> {
    let overrides = replacements
        .iter()
        .map(|&(var, value)| (var - system.num_public(), value))
        .collect();
    let mut cs = Cs::cheating(overrides);
    statement.synthesize(&mut cs);
    broken_by(system, &cs.into_parts().0)
}

fn broken_by(system: &R1cs, assignment: &Assignment) -> BTreeSet<&'static str> {
    let Assignment { az, bz, cz, .. } = assignment;
    (0..az.len())
        .filter(|&i| az[i] * bz[i] != cz[i])
        .map(|i| system.paragraph_of(i))
        .collect()
}

/// The constraints of the `occurrence`-th paragraph called `name`.
pub(crate) fn paragraph(system: &R1cs, name: &str, occurrence: usize) -> std::ops::Range<usize> {
    let paragraphs = system.paragraphs();
    let at = (0..paragraphs.len())
        .filter(|&i| paragraphs[i].name == name)
        .nth(occurrence);
    let at = at.expect("the paragraph exists");
    let end = paragraphs
        .get(at + 1)
        .map_or(system.num_constraints(), |next| next.first);
    paragraphs[at].first..end
}

/// The variable that constraint `row` allocates as a product: the only term on its right side.
pub(crate) fn product_of(system: &R1cs, row: usize) -> usize {
    let terms: Vec<usize> = system
        .combination(system.rows()[row][2] as usize)
        .map(|(var, _)| var)
        .collect();
    assert_eq!(terms.len(), 1, "constraint {row} defines a product");
    terms[0]
}

/// A satisfied system, indexed so that changing one variable re-checks only what it touches.
pub(crate) struct Mutator<'a> {
    system: &'a R1cs,
    z: Vec<F>,
    values: Vec<F>,
    /// Per variable, the combinations it is in, with its coefficient.
    combinations: Vec<Vec<(u32, F)>>,
    /// Per combination, the rows it is in.
    rows: Vec<Vec<u32>>,
}

impl<'a> Mutator<'a> {
    pub(crate) fn new(system: &'a R1cs, z: Vec<F>) -> Self {
        assert_eq!(
            system.first_unsatisfied(&z),
            None,
            "mutation starts from a satisfied system"
        );
        let values = system.evaluate(&z);
        let mut combinations = vec![Vec::new(); z.len()];
        for id in 0..system.num_combinations() {
            for (var, c) in system.combination(id) {
                combinations[var].push((u32::try_from(id).expect("fits"), *c));
            }
        }
        let mut rows = vec![Vec::new(); values.len()];
        for (i, row) in system.rows().iter().enumerate() {
            for id in row {
                rows[*id as usize].push(u32::try_from(i).expect("fits"));
            }
        }
        Self {
            system,
            z,
            values,
            combinations,
            rows,
        }
    }

    /// Whether some constraint breaks when variable `var` alone changes to `value`.
    pub(crate) fn breaks(&self, var: usize, value: F) -> bool {
        let change = value - self.z[var];
        let changed: BTreeMap<u32, F> = self.combinations[var]
            .iter()
            .map(|(id, c)| (*id, self.values[*id as usize] + *c * change))
            .collect();
        let value_of = |id: u32| changed.get(&id).copied().unwrap_or(self.values[id as usize]);
        changed.keys().flat_map(|id| &self.rows[*id as usize]).any(|row| {
            let [a, b, c] = self.system.rows()[*row as usize].map(value_of);
            a * b != c
        })
    }

    /// Variables (the constant one excluded) that can change alone to some of the values that
    /// `candidates` gives for their value, without breaking a constraint.
    pub(crate) fn free(&self, candidates: impl Fn(F) -> Vec<F>) -> Vec<usize> {
        (1..self.z.len())
            .filter(|&var| {
                let values = candidates(self.z[var]);
                values
                    .into_iter()
                    .any(|value| value != self.z[var] && !self.breaks(var, value))
            })
            .collect()
    }
}
