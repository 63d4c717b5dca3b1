//! Pinned digests, and names that agree with the protocol.

use std::fmt::Write as _;
use std::path::Path;

use super::*;
use crate::r1cs::R1cs;

/// Compares a circuit with its pin. With `TACIT_REPIN=1` the pin is written instead, for a change
/// that was meant; the file then shows it in review.
pub(crate) fn assert_pinned(id: CircuitId, system: &R1cs) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("pinned")
        .join(format!("{}.txt", id.name()));
    let now = describe(id, system);
    if std::env::var_os("TACIT_REPIN").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(file.parent().expect("has a parent")).expect("the folder can be made");
        std::fs::write(&file, &now).expect("the pin can be written");
    }
    let pinned = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        pinned,
        now,
        "{} changed; if that was meant, run again with TACIT_REPIN=1",
        id.name()
    );
}

/// The text of a pin: digest, sizes, constraints of every paragraph summed by name.
fn describe(id: CircuitId, system: &R1cs) -> String {
    let mut text = String::new();
    let line = |text: &mut String, name: &str, value: &dyn std::fmt::Display| {
        writeln!(text, "{name} = {value}").expect("strings can be written to");
    };
    line(&mut text, "circuit", &id.name());
    line(&mut text, "digest", &hex::encode(system.digest()));
    line(&mut text, "constraints", &system.num_constraints());
    line(&mut text, "variables", &system.num_variables());
    line(&mut text, "public", &system.num_public());
    let paragraphs = system.paragraphs();
    let mut sums: Vec<(&str, usize)> = Vec::new();
    for (i, paragraph) in paragraphs.iter().enumerate() {
        let end = paragraphs
            .get(i + 1)
            .map_or(system.num_constraints(), |next| next.first);
        let size = end - paragraph.first;
        match sums.iter_mut().find(|(name, _)| *name == paragraph.name) {
            Some((_, sum)) => *sum += size,
            None => sums.push((paragraph.name, size)),
        }
    }
    for (name, sum) in sums {
        line(&mut text, &format!("  {name}"), &sum);
    }
    text
}

#[test]
fn names_are_distinct_and_end_with_the_version() {
    for (i, id) in CircuitId::ALL.iter().enumerate() {
        assert!(id.name().ends_with(&format!("-v{}", id.version().number())));
        assert!(
            CircuitId::ALL[i + 1..]
                .iter()
                .all(|other| other.name() != id.name())
        );
    }
}

#[test]
fn the_version_is_the_one_that_transfers_sign() {
    assert_eq!(
        CircuitId::Transfer.version().number(),
        tacit_protocol::transfer::CIRCUIT_VERSION
    );
}
