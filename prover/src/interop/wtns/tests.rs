//! An exported assignment, value by value. That other tools read it, `tests/snarkjs` shows.

use tacit_circuits::r1cs::Statement;
use tacit_protocol::F;

use super::*;
use crate::interop::sections::Sections;
use crate::testing;

#[test]
fn exported_assignment_holds_every_value_in_order() {
    let assignment = testing::powers().assignment();
    let mut bytes = Vec::new();
    write(&assignment, &mut bytes).expect("memory");
    let sections = Sections::parse(&FORMAT, &bytes).expect("a sound file");
    let mut header = sections.reader(FORMAT.section(1));
    header.modulus::<F>("scalar").expect("our field");
    assert_eq!(header.u32().expect("a number") as usize, assignment.z().len());
    header.expect_left(0).expect("nothing more");
    let mut values = sections.reader(FORMAT.section(2));
    for value in assignment.z() {
        assert_eq!(values.array().expect("a value"), field::to_bytes(&value));
    }
    values.expect_left(0).expect("nothing more");
}
