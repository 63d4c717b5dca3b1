//! One forgery per check, each with everything else made to fit.
//!
//! A row names the constraints that notice, and how many: mostly a single one, so that without it
//! the forgery would go through. Together the rows show that no paragraph can be dropped.

use ark_ff::{AdditiveGroup, Field};
use tacit_protocol::field::pow2;
use tacit_protocol::tree::MerklePath;

use super::forge::{Broken, Forged};
use super::*;

mod insertions;
mod money;
mod slots;
mod states;

/// What is forged, how, and what notices.
type Forgery = (&'static str, fn(&mut Forged), &'static [(&'static str, usize)]);

fn check(table: &[Forgery]) {
    for (name, forge, expected) in table {
        let mut forged = Forged::honest();
        forge(&mut forged);
        assert_eq!(forged.broken(), *expected, "{name}");
    }
}

#[test]
fn sealing_and_rebuilding_keep_an_honest_statement() {
    let mut forged = Forged::honest();
    let public = forged.statement.public;
    forged.rebuild(&forged.fixture.steps());
    assert_eq!(forged.broken(), Broken::new());
    assert_eq!(forged.statement.public, public);
}

#[test]
fn no_paragraph_can_be_dropped() {
    let tables = [
        states::STATES,
        slots::SLOTS,
        money::AMOUNTS,
        money::NOTES_AND_DIGEST,
        insertions::INSERTIONS,
        insertions::CHEATS,
    ];
    let rows = tables.concat();
    let alone: Vec<&str> = rows
        .iter()
        .filter(|row| row.2.len() == 1)
        .map(|row| row.2[0].0)
        .collect();
    for paragraph in small_system().paragraphs() {
        assert!(
            alone.contains(&paragraph.name),
            "nothing depends on {} alone",
            paragraph.name
        );
    }
}

#[test]
fn every_public_input_is_bound() {
    let expected: [&[&str]; 3] = [&["state", "history"], &["state"], &["digest"]];
    for (i, expected) in expected.into_iter().enumerate() {
        let mut statement = Forged::honest().statement;
        statement.public[i] += F::ONE;
        let assignment = statement.assignment();
        let rows = (0..assignment.az.len())
            .filter(|&row| assignment.az[row] * assignment.bz[row] != assignment.cz[row]);
        let names: Vec<&str> = rows.map(|row| small_system().paragraph_of(row)).collect();
        assert_eq!(names, expected, "public input {i}");
    }
}

#[test]
fn everything_public_is_in_the_digest() {
    let forge: [fn(&mut BatchStatement); 12] = [
        |s| s.chain += F::ONE,
        |s| s.operator += F::ONE,
        |s| s.anchors.swap(0, 1),
        |s| s.slots[0].fee += F::ONE,
        |s| s.slots[1].anchor_index = F::ZERO,
        |s| s.slots[1].ctx += F::ONE,
        |s| s.slots[1].nf.swap(0, 1),
        |s| s.slots[2].cm.swap(0, 1),
        |s| s.slots[2].exit += F::ONE,
        |s| s.slots[3].enabled = true,
        |s| s.deposits[1].outpoint += F::ONE,
        |s| s.deposits[2].enabled = true,
    ];
    for (i, forge) in forge.iter().enumerate() {
        let mut forged = Forged::honest();
        forge(&mut forged.statement);
        forged.keep_digest = true;
        let broken = forged.broken();
        assert_eq!(broken.last(), Some(&("digest", 1)), "{i}: {broken:?}");
    }
}
