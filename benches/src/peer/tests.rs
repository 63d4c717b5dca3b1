//! The replayed system is the recorded one.

use ark_relations::gr1cs::ConstraintSystem;
use tacit_circuits::r1cs::{Cs, Statement};

use super::*;

/// `(x + 3)·x = y` with `y` public.
struct Quadratic(u64, u64);

impl Statement for Quadratic {
    fn synthesize(&self, cs: &mut Cs) {
        let y = cs.public(F::from(self.1));
        let x = cs.alloc(F::from(self.0));
        let product = cs.mul(&x.add_constant(F::from(3u64)), &x);
        cs.enforce_equal(&product, &y);
    }
}

fn is_satisfied(statement: &Quadratic) -> bool {
    let (system, assignment) = statement.r1cs_and_assignment();
    let cs = ConstraintSystem::new_ref();
    Replay::satisfied(&system, &assignment)
        .generate_constraints(cs.clone())
        .unwrap();
    assert_eq!(cs.num_constraints(), system.num_constraints());
    assert_eq!(cs.num_instance_variables(), system.num_public());
    assert_eq!(cs.num_witness_variables(), system.num_witness());
    cs.is_satisfied().unwrap()
}

#[test]
fn the_peer_accepts_what_the_statement_accepts() {
    assert!(is_satisfied(&Quadratic(5, 40)));
    assert!(!is_satisfied(&Quadratic(5, 41)));
}

#[test]
fn the_matrices_hold_what_the_rows_say() {
    let (system, assignment) = Quadratic(5, 40).r1cs_and_assignment();
    let z = assignment.z();
    let [a, b, c] = <[Matrix<F>; 3]>::try_from(matrices(&system)).unwrap();
    let product = |row: &[(F, usize)]| row.iter().map(|(k, i)| *k * z[*i]).sum::<F>();
    for (matrix, values) in [(a, assignment.az), (b, assignment.bz), (c, assignment.cz)] {
        assert_eq!(matrix.iter().map(|row| product(row)).collect::<Vec<_>>(), values);
    }
}
