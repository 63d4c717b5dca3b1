//! The builder's two modes agree, and a broken assignment is named.

use super::*;

/// `x³ + x + 5 = y` with `y` public.
struct Cubic(u64, u64);

impl Statement for Cubic {
    fn synthesize(&self, cs: &mut Cs) {
        let y = cs.public(F::from(self.1));
        let x = cs.alloc(F::from(self.0));
        cs.paragraph("cube");
        let square = cs.mul(&x, &x);
        let cube = cs.mul(&square, &x);
        cs.paragraph("sum");
        cs.enforce_equal(&(&cube + &x).add_constant(F::from(5u64)), &y);
    }
}

#[test]
fn recorder_and_assigner_agree() {
    let (system, recorded) = Cubic(3, 35).r1cs_and_assignment();
    let assigned = Cubic(3, 35).assignment();
    assert_eq!(recorded.z(), assigned.z());
    assert_eq!(
        (&recorded.az, &recorded.bz, &recorded.cz),
        (&assigned.az, &assigned.bz, &assigned.cz)
    );
    assert_eq!(system.num_constraints(), 3);
    assert_eq!(system.first_unsatisfied(&assigned.z()), None);
    assert_eq!(assigned.first_unsatisfied(), None);
}

#[test]
fn first_broken_constraint_is_named_by_its_paragraph() {
    let (system, assignment) = Cubic(3, 36).r1cs_and_assignment();
    assert_eq!(system.first_unsatisfied(&assignment.z()), Some(2));
    assert_eq!(system.paragraph_of(2), "sum");
    assert_eq!(system.paragraph_of(0), "cube");
}

#[test]
fn digest_depends_on_the_system_and_not_on_the_witness() {
    assert_eq!(Cubic(3, 35).r1cs().digest(), Cubic(4, 1).r1cs().digest());
}

#[test]
fn evaluating_the_recorded_system_gives_the_recorded_products() {
    let (system, assignment) = Cubic(7, 9).r1cs_and_assignment();
    let values = system.evaluate(&assignment.z());
    for (i, row) in system.rows().iter().enumerate() {
        assert_eq!(values[row[0] as usize], assignment.az[i]);
        assert_eq!(values[row[1] as usize], assignment.bz[i]);
        assert_eq!(values[row[2] as usize], assignment.cz[i]);
    }
}
