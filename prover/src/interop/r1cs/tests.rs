//! An exported system, read back term by term. That other tools read it, `tests/snarkjs` shows.

use ark_ff::{AdditiveGroup, Field};
use tacit_circuits::r1cs::Statement;
use tacit_protocol::F;

use super::*;
use crate::interop::sections::Sections;
use crate::testing;

#[test]
fn exported_system_has_our_sizes_and_every_term() {
    let system = testing::powers().r1cs();
    let mut bytes = Vec::new();
    write(&system, &mut bytes).expect("memory");
    let sections = Sections::parse(&FORMAT, &bytes).expect("a sound file");

    let mut header = sections.reader(FORMAT.section(1));
    header.modulus::<F>("scalar").expect("our field");
    let mut number = || header.u32().expect("a number");
    assert_eq!(number() as usize, system.num_variables());
    assert_eq!(number(), 0);
    assert_eq!(number() as usize, system.num_public() - 1);
    assert_eq!(number() as usize, system.num_witness());
    assert_eq!((number() as usize, number()), (system.num_variables(), 0));
    assert_eq!(number() as usize, system.num_constraints());
    header.expect_left(0).expect("nothing more");

    let mut body = sections.reader(FORMAT.section(2));
    for row in system.rows() {
        for &id in row {
            let expected: Vec<(usize, F)> = system.combination(id as usize).map(|(v, c)| (v, *c)).collect();
            let length = body.u32().expect("a number");
            let found: Vec<(usize, F)> = (0..length)
                .map(|_| {
                    let wire = body.u32().expect("a wire") as usize;
                    let value = field::from_bytes(&body.array().expect("a coefficient"));
                    (wire, value.expect("reduced"))
                })
                .collect();
            assert_eq!(found, expected);
        }
    }
    body.expect_left(0).expect("nothing more");
}

#[test]
fn exported_assignment_satisfies_the_exported_order_of_wires() {
    let statement = testing::powers();
    let mut bytes = Vec::new();
    crate::interop::wtns::write(&statement.assignment(), &mut bytes).expect("memory");
    let format = &crate::interop::wtns::FORMAT;
    let sections = Sections::parse(format, &bytes).expect("a sound file");
    let mut values = sections.reader(format.section(2));
    let z: Vec<F> = (0..statement.r1cs().num_variables())
        .map(|_| field::from_bytes(&values.array().expect("a value")).expect("reduced"))
        .collect();
    assert_eq!(z[0], F::ONE);
    assert_ne!(z[1], F::ZERO);
    assert_eq!(statement.r1cs().first_unsatisfied(&z), None);
}
