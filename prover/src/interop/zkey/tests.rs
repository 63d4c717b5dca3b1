//! Imports of a sound file, and of every kind of broken one.

use tacit_circuits::r1cs::{Cs, Num, Statement};
use tacit_protocol::{F, Network};
use tacit_verifier::groth16::{self, KeyRule};

use super::testing::{Fixture, file, put};
use super::*;
use crate::interop::error::{Place, PointFault};
use crate::progress::Silent;
use crate::{Prover, testing};

/// Where the points of the header section begin.
const HEADER_POINTS: usize = 2 * 36 + 3 * 4;

fn section(number: usize) -> super::super::Section {
    FORMAT.section(u32::try_from(number).expect("at most ten"))
}

/// Changes one section's bytes and imports the outcome.
fn with(fixture: &Fixture, number: usize, change: impl FnOnce(&mut Vec<u8>)) -> InteropError {
    let mut bodies = fixture.bodies.clone();
    change(&mut bodies[number - 1]);
    fixture.import(&file(&bodies)).expect_err("a broken file")
}

fn g1_bytes(point: &G1Affine) -> Vec<u8> {
    let mut out = Vec::new();
    put(point, &mut out);
    out
}

#[test]
fn an_imported_key_proves_and_is_not_marked_insecure() {
    let fixture = Fixture::new();
    let imported = fixture.import(&fixture.file()).expect("a sound file");
    let key = &imported.key;
    assert!(!key.is_insecure() && key.is_allowed_on(Network::Mainnet));
    assert_eq!(key.circuit(), &fixture.circuit);
    let statement = testing::powers();
    let proof = Prover::cpu()
        .prove_statement(key, &statement, &mut testing::rng(2), &Silent)
        .expect("a satisfied statement");
    let public = statement.assignment().public_inputs().to_vec();
    assert_eq!(groth16::verify(key.verifier(), &public, &proof), Ok(()));
}

#[test]
fn who_contributed_and_the_beacon_are_read() {
    let fixture = Fixture::new();
    let ceremony = fixture.import(&fixture.file()).expect("a sound file").ceremony;
    assert_eq!(ceremony.circuit_hash, [7; 64]);
    assert!(ceremony.ends_with_beacon());
    let beacon = Beacon {
        value: vec![0xbe, 0xac],
        iterations_log2: 10,
    };
    assert_eq!(
        ceremony.contributions,
        [
            Contribution {
                name: Some("Ann".to_owned()),
                beacon: None
            },
            Contribution {
                name: None,
                beacon: Some(beacon)
            },
        ]
    );
}

#[test]
fn a_file_that_is_not_the_pinned_one_is_refused() {
    let fixture = Fixture::new();
    let pin = Pin {
        circuit: fixture.circuit.clone(),
        sha256: [1; 32],
    };
    let refused = import(&fixture.file(), &pin, &fixture.r1cs, &Silent).expect_err("another hash");
    assert!(matches!(refused, InteropError::NotPinned { .. }), "{refused}");
}

#[test]
fn a_constraint_system_that_is_not_the_pinned_circuit_is_refused() {
    let fixture = Fixture::new();
    let file = fixture.file();
    let pin = Pin {
        circuit: CircuitId::new("powers", [1; 32]),
        sha256: Sha256::digest(&file).into(),
    };
    let refused = import(&file, &pin, &fixture.r1cs, &Silent).expect_err("another digest");
    assert!(matches!(refused, InteropError::OtherCircuit { .. }), "{refused}");
}

#[test]
fn a_file_cut_anywhere_is_refused_and_names_the_section() {
    let fixture = Fixture::new();
    let whole = fixture.file();
    let mut starts = vec![0, 4, 8, 12];
    let mut at = 12;
    for body in &fixture.bodies {
        starts.extend([at + 1, at + 12, at + 12 + body.len() / 2]);
        at += 12 + body.len();
        starts.push(at - 1);
    }
    assert_eq!(at, whole.len());
    for cut in starts {
        let refused = fixture.import(&whole[..cut]).expect_err("a cut file");
        let InteropError::Truncated {
            place, needed, found, ..
        } = refused
        else {
            panic!("cut at {cut}: {refused}");
        };
        assert!(found < needed, "cut at {cut}: {place}");
    }
    let refused = fixture.import(&whole[..whole.len() - 1]).expect_err("a cut file");
    let last = Place::Section(section(10));
    assert!(matches!(refused, InteropError::Truncated { place, .. } if place == last));
}

#[test]
fn a_section_that_is_too_short_or_too_long_is_refused_by_name() {
    let fixture = Fixture::new();
    for number in 1..=10 {
        let name = section(number).to_string();
        for refused in [
            with(&fixture, number, |body| body.truncate(body.len() - 1)),
            with(&fixture, number, |body| body.push(0)),
            with(&fixture, number, Vec::clear),
        ] {
            assert!(refused.to_string().contains(&name), "{name}: {refused}");
        }
    }
}

#[test]
fn missing_repeated_and_unknown_sections_and_trailing_bytes_are_refused() {
    let fixture = Fixture::new();
    let whole = fixture.file();
    let mut longer = whole.clone();
    longer.push(0);
    assert!(matches!(
        fixture.import(&longer),
        Err(InteropError::TrailingBytes { count: 1, .. })
    ));
    // The first section's number lies right behind the file's header.
    for (number, expected) in [(11u8, (true, false)), (0, (true, false)), (2, (false, true))] {
        let mut renumbered = whole.clone();
        renumbered[12] = number;
        let refused = fixture.import(&renumbered).expect_err("a renumbered section");
        let unknown =
            matches!(refused, InteropError::UnknownSection { number: n, .. } if n == u32::from(number));
        let repeated = matches!(refused, InteropError::RepeatedSection(s) if s == section(2));
        assert_eq!((unknown, repeated), expected, "{refused}");
    }
    let mut fewer = whole[..whole.len() - 12 - fixture.bodies[9].len()].to_vec();
    fewer[8] = 9;
    let refused = fixture.import(&fewer).expect_err("a section less");
    assert!(matches!(refused, InteropError::MissingSection(s) if s == section(10)));
}

#[test]
fn files_of_another_kind_version_protocol_or_curve_are_refused() {
    let fixture = Fixture::new();
    let mut other = fixture.file();
    other[0] = b'p';
    assert!(matches!(
        fixture.import(&other),
        Err(InteropError::OtherMagic { .. })
    ));
    let mut other = fixture.file();
    other[4] = 2;
    assert!(matches!(
        fixture.import(&other),
        Err(InteropError::UnsupportedVersion { found: 2, .. })
    ));
    let refused = with(&fixture, 1, |body| body[0] = 2);
    assert!(matches!(refused, InteropError::OtherProtocol { found: 2, .. }));
    for (at, name) in [(4, "base"), (40, "scalar"), (0, "base"), (36, "scalar")] {
        let refused = with(&fixture, 2, |body| body[at] ^= 1);
        assert!(
            matches!(refused, InteropError::OtherField { field, .. } if field == name),
            "{refused}"
        );
    }
}

/// The same variables and number of constraints, but the first constraint has another A.
struct OtherA;

impl Statement for OtherA {
    fn synthesize(&self, cs: &mut Cs) {
        let y = cs.public(F::from(6u64));
        let (a, b) = (cs.alloc(F::from(2u64)), cs.alloc(F::from(3u64)));
        cs.enforce(&(&a + &Num::zero()), &b, &y);
        cs.enforce(&a, &a, &Num::constant(F::from(4u64)));
    }
}

/// As [`OtherA`], with the sides of the first constraint exchanged.
struct Exchanged;

impl Statement for Exchanged {
    fn synthesize(&self, cs: &mut Cs) {
        let y = cs.public(F::from(6u64));
        let (a, b) = (cs.alloc(F::from(2u64)), cs.alloc(F::from(3u64)));
        cs.enforce(&b, &a, &y);
        cs.enforce(&a, &a, &Num::constant(F::from(4u64)));
    }
}

#[test]
fn a_key_for_another_circuit_is_refused_by_sizes_and_by_coefficients() {
    let ours = Fixture::new();
    let other = Fixture::of(OtherA.r1cs());
    let refused = ours.import(&other.file()).expect_err("another circuit");
    assert!(
        matches!(
            refused,
            InteropError::OtherSize {
                what: "variables",
                ..
            }
        ),
        "{refused}"
    );
    let exchanged = Fixture::of(Exchanged.r1cs());
    let refused = exchanged.import(&other.file()).expect_err("another circuit");
    assert!(
        matches!(
            refused,
            InteropError::OtherCoefficient {
                entry: 0,
                what: "the variable",
                ..
            }
        ),
        "{refused}"
    );
}

#[test]
fn every_changed_coefficient_is_named() {
    let fixture = Fixture::new();
    let entries = (fixture.bodies[3].len() - 4) / coefficients::ENTRY;
    for entry in [0, 1, entries / 2, entries - 1] {
        for (offset, what) in [
            (0, "the matrix"),
            (4, "the constraint"),
            (8, "the variable"),
            (12, "the value"),
        ] {
            let at = 4 + entry * coefficients::ENTRY + offset;
            let refused = with(&fixture, 4, |body| body[at] ^= 1);
            assert!(
                matches!(refused, InteropError::OtherCoefficient { entry: e, what: w, .. } if e == entry && w == what),
                "{refused}"
            );
        }
    }
    let refused = with(&fixture, 4, |body| {
        body.truncate(body.len() - coefficients::ENTRY);
        body[0] -= 1;
    });
    assert!(matches!(
        refused,
        InteropError::OtherSize {
            what: "coefficients",
            ..
        }
    ));
}

#[test]
fn every_flipped_byte_of_a_point_is_refused() {
    let fixture = Fixture::new();
    for number in [3, 5, 6, 7, 8, 9] {
        let length = fixture.bodies[number - 1].len();
        for at in [0, 31, 32, length / 2, length - 33, length - 1] {
            let refused = with(&fixture, number, |body| body[at] ^= 0x40);
            let InteropError::Point { section: s, .. } = refused else {
                panic!("byte {at} of section {number}: {refused}");
            };
            assert_eq!(s, section(number));
        }
    }
}

fn fault(refused: &InteropError) -> PointFault {
    let InteropError::Point { fault, .. } = refused else {
        panic!("{refused}");
    };
    *fault
}

#[test]
fn points_off_the_curve_unreduced_or_outside_the_subgroup_are_refused() {
    let fixture = Fixture::new();
    let refused = with(&fixture, 9, |body| body[..64].fill(1));
    assert_eq!(fault(&refused), PointFault::OffCurve);
    let refused = with(&fixture, 9, |body| body[..32].fill(0xff));
    assert_eq!(fault(&refused), PointFault::NotReduced);
    let outside = (1u64..)
        .find_map(|x| {
            let point = G2Affine::get_point_from_x_unchecked(ark_bn254::Fq2::from(x), false)?;
            (!point.is_in_correct_subgroup_assuming_on_curve()).then_some(point)
        })
        .expect("most points of the curve are outside the subgroup");
    let mut raw = Vec::new();
    put(&outside, &mut raw);
    let refused = with(&fixture, 2, |body| {
        let beta_g2 = HEADER_POINTS + 2 * 64;
        body[beta_g2..beta_g2 + 128].copy_from_slice(&raw);
    });
    assert_eq!(fault(&refused), PointFault::OutsideSubgroup);
}

#[test]
fn the_identity_is_refused_where_a_point_is_needed_and_needed_where_none_is() {
    let fixture = Fixture::new();
    let [used_a, used_b, _] = coefficients::used(&fixture.r1cs);
    for (number, used, bytes) in [(5, &used_a, 64), (6, &used_b, 64), (7, &used_b, 128)] {
        let at = used.iter().position(|&used| used).expect("some are used") * bytes;
        let refused = with(&fixture, number, |body| body[at..at + bytes].fill(0));
        assert_eq!(fault(&refused), PointFault::Identity, "section {number}");
        let at = used.iter().position(|&used| !used).expect("some are not") * bytes;
        let refused = with(&fixture, number, |body| body[at] = 1);
        assert_eq!(fault(&refused), PointFault::NotIdentity, "section {number}");
    }
    for number in [2, 3, 9] {
        let at = if number == 2 { HEADER_POINTS } else { 0 };
        let refused = with(&fixture, number, |body| body[at..at + 64].fill(0));
        assert_eq!(fault(&refused), PointFault::Identity, "section {number}");
    }
    // The last variable is the one that no constraint uses.
    let refused = with(&fixture, 8, |body| {
        let at = body.len() - 64;
        body[at..].copy_from_slice(&g1_bytes(&G1Affine::generator()));
    });
    assert_eq!(fault(&refused), PointFault::NotIdentity);
}

#[test]
fn elements_that_differ_between_the_groups_are_named() {
    let fixture = Fixture::new();
    let two = g1_bytes(&(G1Affine::generator() * Fr::from(2u64)).into_affine());
    let refused = with(&fixture, 2, |body| {
        body[HEADER_POINTS + 64..HEADER_POINTS + 128].copy_from_slice(&two);
    });
    assert!(matches!(refused, InteropError::GroupsDiffer { what } if what.starts_with("beta")));
    let refused = with(&fixture, 2, |body| {
        let delta_g2 = body.len() - 128;
        let mut raw = Vec::new();
        put(&(G2Affine::generator() * Fr::from(2u64)).into_affine(), &mut raw);
        body[delta_g2..].copy_from_slice(&raw);
    });
    assert!(matches!(refused, InteropError::GroupsDiffer { what } if what.starts_with("delta")));
    let [_, used_b, _] = coefficients::used(&fixture.r1cs);
    let at = 64 * used_b.iter().position(|&used| used).expect("some are used");
    let refused = with(&fixture, 6, |body| body[at..at + 64].copy_from_slice(&two));
    assert!(matches!(refused, InteropError::GroupsDiffer { what } if what.contains("B1")));
}

#[test]
fn another_gamma_is_refused() {
    let fixture = Fixture::new();
    let refused = with(&fixture, 2, |body| {
        let gamma = HEADER_POINTS + 2 * 64 + 128;
        let mut raw = Vec::new();
        put(&(G2Affine::generator() * Fr::from(2u64)).into_affine(), &mut raw);
        body[gamma..gamma + 128].copy_from_slice(&raw);
    });
    assert!(
        matches!(refused, InteropError::OtherGamma(s) if s == section(2)),
        "{refused}"
    );
}

#[test]
fn a_key_that_nobody_contributed_to_is_refused() {
    let fixture = Fixture::new();
    let refused = with(&fixture, 10, |body| {
        body.truncate(64);
        body.extend_from_slice(&[0; 4]);
    });
    assert!(
        matches!(refused, InteropError::NoContribution(s) if s == section(10)),
        "{refused}"
    );
}

#[test]
fn delta_at_the_generator_is_refused_even_if_contributions_are_claimed() {
    let fixture = Fixture::new();
    let mut bodies = fixture.bodies.clone();
    let generator = g1_bytes(&G1Affine::generator());
    let at = bodies[1].len() - 128 - 64;
    bodies[1][at..at + 64].copy_from_slice(&generator);
    let mut raw = Vec::new();
    put(&G2Affine::generator(), &mut raw);
    bodies[1][at + 64..].copy_from_slice(&raw);
    // Both contributions end with the generator.
    let contribution = 3 * 64 + 128 + 64 + 4 + 4 + 5;
    for at in [68, 68 + contribution] {
        bodies[9][at..at + 64].copy_from_slice(&generator);
    }
    let refused = fixture.import(&file(&bodies)).expect_err("no second phase");
    assert!(
        matches!(refused, InteropError::Rule(KeyRule::GammaEqualsDelta)),
        "{refused}"
    );
}

#[test]
fn contributions_that_are_malformed_or_end_with_another_delta_are_refused() {
    let fixture = Fixture::new();
    let first = 68 + 3 * 64 + 128 + 64;
    for (at, to, reason) in [
        (first, 2u8, "unknown kind"),
        (first, 1, "a beacon, and nothing else"),
        (first + 4, 4, "longer than it says"),
        (first + 5, 0xff, "longer than the section"),
        (first + 8, 4, "unknown parameter"),
        (first + 8, 0, "ascending order"),
        (first + 10, 0xff, "no UTF-8"),
    ] {
        let refused = with(&fixture, 10, |body| body[at] = to);
        assert!(
            matches!(refused, InteropError::BadContribution { index: 1, reason: r, .. } if r.contains(reason)),
            "{refused}"
        );
    }
    let refused = with(&fixture, 10, |body| {
        let last = 68 + 3 * 64 + 128 + 64 + 4 + 4 + 5;
        body[last..last + 64].copy_from_slice(&g1_bytes(&G1Affine::generator()));
    });
    assert!(
        matches!(refused, InteropError::OtherDelta(s) if s == section(10)),
        "{refused}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let fixture = Fixture::new();
    let pin = Pin {
        circuit: fixture.circuit.clone(),
        sha256: [0; 32],
    };
    let path = Path::new("/nowhere/at/all.zkey");
    let refused = import_file(path, &pin, &fixture.r1cs, &Silent).expect_err("no file");
    assert!(refused.to_string().contains("/nowhere/at/all.zkey"), "{refused}");
}
