//! The statement accepts what is right and rejects everything else: by a table of forgeries, by
//! provers that cheat at one place and follow the rules elsewhere, and by mutation of every variable.

use std::sync::OnceLock;

use super::*;
use crate::r1cs::R1cs;

mod cheating;
mod fixture;
mod forgeries;
mod honest;
mod mutation;

/// Every paragraph of the statement.
const PARAGRAPHS: [&str; 10] = [
    "keys",
    "amounts",
    "balance",
    "input note",
    "position",
    "path",
    "membership",
    "nullifier",
    "outputs",
    "signature",
];

/// The recorded system, once for all tests.
fn system() -> &'static R1cs {
    static SYSTEM: OnceLock<R1cs> = OnceLock::new();
    SYSTEM.get_or_init(|| TransferStatement::blank().r1cs())
}

#[test]
fn the_paragraphs_are_those_of_the_table() {
    let mut names: Vec<&str> = system().paragraphs().iter().map(|p| p.name).collect();
    names.sort_unstable();
    names.dedup();
    let mut expected = PARAGRAPHS;
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(
        system().paragraphs()[0].first,
        0,
        "every constraint belongs to a paragraph"
    );
}
