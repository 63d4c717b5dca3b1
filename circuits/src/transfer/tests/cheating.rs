//! Provers that replace a computed value and follow the statement from there on.
//!
//! Each attack wins if the paragraph it breaks were missing, and breaks nothing else; together with
//! the table of forgeries that shows that no paragraph can be dropped.

use std::collections::BTreeSet;

use ark_ec::CurveGroup;
use ark_ff::{BigInteger, Field, PrimeField};
use tacit_protocol::note::NULLIFIER_BITS;

use super::fixture::Forge;
use super::forgeries::CASES;
use super::*;
use crate::testing::{broken_when_cheating, paragraph, product_of};

type Broken = BTreeSet<&'static str>;

fn only(name: &'static str) -> Broken {
    BTreeSet::from([name])
}

/// The variable of the last S-box of the hash that ends before constraint `end`; a hash output
/// holds it three times.
fn last_box(end: usize) -> usize {
    product_of(system(), end - 1)
}

/// Replaces that S-box so that the hash output moves from `from` to `to`.
fn redirect(forge: &Forge, end: usize, from: F, to: F) -> (usize, F) {
    let var = last_box(end);
    let third = F::from(3u64).inverse().expect("not zero");
    (var, forge.statement.assignment().z()[var] + (to - from) * third)
}

/// The thief claims the victim's owner key for another `ak`.
fn owner_key_substituted() -> Broken {
    let victim = Forge::honest(21);
    let mut thief = victim.clone();
    thief.take_over();
    // Sign as the owner that the thief pretends to be.
    let signature = tacit_protocol::signature::sign(&thief.key, &victim.message(), &mut rand::thread_rng());
    (thief.statement.e, thief.statement.s) = (signature.e(), signature.s());
    let at = redirect(
        &thief,
        paragraph(system(), "keys", 0).end,
        thief.owner(),
        victim.owner(),
    );
    broken_when_cheating(system(), &thief.statement, &[at])
}

/// A worthless note is presented under the commitment of a rich one.
fn note_substituted() -> Broken {
    let mut forge = Forge::honest(22);
    let real = forge.commitment(0);
    forge.statement.inputs[0].v += F::from(1_000_000u64);
    forge.statement.outputs[0].v += F::from(1_000_000u64);
    forge.settle();
    let claimed = forge.commitment(0);
    let Input { rcm, position, .. } = &forge.statement.inputs[0];
    let preimage = [forge.statement.nk + rcm, real, *position];
    let digest = tacit_protocol::hash::hash(tacit_protocol::hash::Tag::Nullifier, &preimage);
    forge.statement.public[1] = field::low(&digest, NULLIFIER_BITS);
    forge.sign();
    let at = redirect(&forge, paragraph(system(), "input note", 0).end, claimed, real);
    broken_when_cheating(system(), &forge.statement, &[at])
}

/// A note that is not in the tree, with a path that is made to end at the anchor.
fn root_substituted() -> Broken {
    let mut forge = Forge::honest(23);
    forge.statement.inputs[0].rcm += F::from(1u64);
    forge.settle();
    let (root, anchor) = (forge.root(0), forge.statement.public[0]);
    let at = redirect(&forge, paragraph(system(), "path", 0).end, root, anchor);
    broken_when_cheating(system(), &forge.statement, &[at])
}

/// A second nullifier for one note: position bits 2 and t instead of 0 and 0, with t chosen so that
/// the selection still gives the same child.
fn position_bits_that_are_no_booleans() -> Broken {
    let mut forge = Forge::honest(24);
    let position = field::to_u64(&forge.statement.inputs[0].position).expect("a position") & !3;
    forge.statement.inputs[0].position = F::from(position);
    forge.statement.inputs[1].position = F::from(position ^ 1);
    forge.plant();
    let [c1, c2, c3] = forge.statement.inputs[0].siblings[0];
    let c0 = forge.commitment(0);
    let high = F::from(2u64);
    let (even, odd) = (c0 + high * (c2 - c0), c1 + high * (c3 - c1));
    let low = (c0 - even) * (odd - even).inverse().expect("children differ");
    forge.statement.inputs[0].position += low + high.double();
    let first_nullifier = forge.statement.public[1];
    forge.settle();
    assert_ne!(forge.statement.public[1], first_nullifier);
    forge.statement.inputs[0].position = F::from(position);
    let bits = paragraph(system(), "position", 0).start;
    let at = [
        (product_of(system(), bits), low),
        (product_of(system(), bits + 1), high),
    ];
    broken_when_cheating(system(), &forge.statement, &at)
}

/// A second nullifier for one note: the bits of the digest plus the modulus.
fn digest_written_with_its_alias() -> Broken {
    let (mut forge, alias) = (0..)
        .find_map(|seed| {
            let forge = Forge::honest(seed);
            let mut alias = forge.nullifier_digest(0).into_bigint();
            let carry = alias.add_with_carry(&F::MODULUS);
            (!carry && alias.num_bits() <= 254).then_some((forge, alias))
        })
        .expect("one digest in three has an alias of 254 bits");
    let first_nullifier = forge.statement.public[1];
    let low = (0..NULLIFIER_BITS)
        .filter(|i| alias.get_bit(*i))
        .map(field::pow2)
        .sum();
    forge.statement.public[1] = low;
    assert_ne!(low, first_nullifier);
    forge.sign();
    // The last two constraints recompose the bits and compare the nullifier.
    let recomposition = paragraph(system(), "nullifier", 0).end - 2;
    let bits: Vec<(usize, F)> = system()
        .combination(system().rows()[recomposition][0] as usize)
        .filter_map(|(var, coefficient)| {
            let exponent = (0..254).find(|i| F::from(2u64).pow([*i]) == *coefficient)?;
            Some((
                var,
                F::from(alias.get_bit(usize::try_from(exponent).expect("small"))),
            ))
        })
        .collect();
    assert!(bits.len() >= 254);
    broken_when_cheating(system(), &forge.statement, &bits[bits.len() - 254..])
}

/// A public commitment worth a million more than what was balanced.
fn output_substituted() -> Broken {
    let mut forge = Forge::honest(26);
    let balanced = forge.statement.public[3];
    let honest = forge.statement.outputs[0].v;
    forge.statement.outputs[0].v += F::from(1_000_000u64);
    forge.settle();
    forge.statement.outputs[0].v = honest;
    // The comparison is the last constraint of each half of the paragraph.
    let range = paragraph(system(), "outputs", 0);
    let first_hash_end = range.start + range.len() / 2 - 1;
    let at = redirect(&forge, first_hash_end, balanced, forge.statement.public[3]);
    broken_when_cheating(system(), &forge.statement, &[at])
}

/// A thief without the key bends the challenge hash to the challenge it guessed.
fn challenge_substituted() -> Broken {
    let mut forge = Forge::honest(27);
    let (e, s) = (77, Scalar::from(99u64));
    (forge.statement.e, forge.statement.s) = (e, s);
    let r = (EdwardsAffine::generator() * s - forge.ak * Scalar::from(e)).into_affine();
    let message = forge.message().to_fields();
    let mut inputs = vec![r.x, r.y];
    inputs.extend_from_slice(&message);
    let digest = tacit_protocol::hash::hash(tacit_protocol::hash::Tag::Challenge, &inputs);
    let wanted = digest - field::low(&digest, 128) + F::from(e);
    // After the hash: 126 booleans, the canonicity of the top and the recomposition.
    let range = paragraph(system(), "signature", 0);
    let after_hash = crate::bits::tests::LOW_CONSTRAINTS - 128;
    let at = redirect(&forge, range.end - after_hash, digest, wanted);
    broken_when_cheating(system(), &forge.statement, &[at])
}

/// The paragraph that stops an attack, and the attack.
type Attack = (&'static str, fn() -> Broken);

const ATTACKS: [Attack; 7] = [
    ("keys", owner_key_substituted),
    ("input note", note_substituted),
    ("position", position_bits_that_are_no_booleans),
    ("path", root_substituted),
    ("nullifier", digest_written_with_its_alias),
    ("outputs", output_substituted),
    ("signature", challenge_substituted),
];

#[test]
fn each_attack_is_stopped_by_its_paragraph_and_by_no_other() {
    for (name, attack) in ATTACKS {
        assert_eq!(attack(), only(name));
    }
}

#[test]
fn every_paragraph_is_the_only_defence_against_something() {
    let by_table = CASES
        .iter()
        .filter(|case| case.broken.len() == 1)
        .map(|case| case.broken[0]);
    let covered: BTreeSet<&str> = by_table.chain(ATTACKS.map(|(name, _)| name)).collect();
    assert_eq!(covered, PARAGRAPHS.into_iter().collect());
}
