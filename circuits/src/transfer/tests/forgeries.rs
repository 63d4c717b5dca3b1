//! A table of forged statements. Each breaks exactly the paragraphs listed: everything else about it
//! is made to fit (settled, signed again, even planted in the tree), so that a forgery with a single
//! paragraph would pass if that paragraph were missing.

use std::collections::BTreeSet;

use super::fixture::Forge;
use super::*;
use crate::testing::broken;

pub(super) struct Case {
    pub(super) name: &'static str,
    forge: fn(&mut Forge),
    pub(super) broken: &'static [&'static str],
}

const fn case(name: &'static str, forge: fn(&mut Forge), broken: &'static [&'static str]) -> Case {
    Case { name, forge, broken }
}

fn f(x: u64) -> F {
    F::from(x)
}

pub(super) const CASES: &[Case] = &[
    // Membership: a real note, in the tree under the anchor, at its position, of this owner.
    case(
        "anchor of another tree",
        |x| x.statement.public[0] += f(1),
        &["membership"],
    ),
    case(
        "a sibling changed",
        |x| x.statement.inputs[0].siblings[7][1] += f(1),
        &["membership"],
    ),
    case(
        "a leaf-level sibling changed",
        |x| x.statement.inputs[1].siblings[0][2] += f(1),
        &["membership"],
    ),
    case(
        "a note that was never created",
        |x| (x.statement.inputs[0].rcm += f(1), x.settle()).1,
        &["membership"],
    ),
    case(
        "another diversifier",
        |x| (x.statement.inputs[0].d += f(1), x.settle()).1,
        &["membership"],
    ),
    case(
        "a note of another owner",
        |x| (x.take_over(), x.settle()).1,
        &["membership"],
    ),
    case(
        "another nullifier key for ak",
        |x| (x.statement.nk += f(1), x.settle()).1,
        &["membership"],
    ),
    case(
        "an input worth more than its note",
        |x| {
            x.statement.inputs[0].v += f(1_000);
            x.statement.outputs[0].v += f(1_000);
            x.settle();
        },
        &["membership"],
    ),
    case(
        "a dummy of value one",
        |x| {
            x.statement.inputs[1].v = f(1);
            x.statement.outputs[0].v = f(401);
            x.statement.inputs[1].siblings = MerklePath::zero(NOTE_DEPTH).siblings;
            x.statement.public[0] = x.root(0);
            x.settle();
        },
        &["membership"],
    ),
    // Amounts: every one below 2^64, not only their sums.
    case(
        "input of 2^64",
        |x| {
            x.statement.inputs[0].v = field::pow2(64);
            x.statement.outputs[0].v = f(u64::MAX);
            x.statement.outputs[1].v = f(451);
            x.plant();
        },
        &["amounts"],
    ),
    case(
        "input of p - 1",
        |x| {
            x.statement.inputs[0].v = -f(1);
            x.statement.outputs[0].v = f(199);
            x.plant();
        },
        &["amounts"],
    ),
    case(
        "output of p - 1",
        |x| {
            x.statement.outputs[0].v = -f(1);
            x.statement.outputs[1].v = f(1_151);
            x.settle();
        },
        &["amounts"],
    ),
    case(
        "outputs whose sum wraps around p",
        |x| {
            x.statement.outputs[0].v = field::pow2(253);
            x.statement.outputs[1].v = f(1_150) - field::pow2(253);
            x.settle();
        },
        &["amounts"],
    ),
    case(
        "outputs whose sum wraps around 2^64",
        |x| {
            x.statement.outputs[0].v = field::pow2(64) - f(1);
            x.statement.outputs[1].v = f(1_150) - field::pow2(64) + f(1);
            x.settle();
        },
        &["amounts"],
    ),
    case(
        "negative fee",
        |x| {
            x.statement.fee = -f(1);
            x.statement.outputs[0].v += f(21);
            x.settle();
        },
        &["amounts"],
    ),
    case(
        "negative exit",
        |x| {
            x.statement.exit = -f(1);
            x.statement.outputs[0].v += f(31);
            x.settle();
        },
        &["amounts"],
    ),
    case(
        "exit of 2^64",
        |x| {
            x.statement.exit = field::pow2(64);
            x.statement.fee = -field::pow2(64) + f(50);
            x.settle();
        },
        &["amounts"],
    ),
    case(
        "fee carried into exit",
        |x| {
            x.statement.fee += field::pow2(64);
            x.statement.exit -= f(1);
            x.statement.outputs[0].v -= field::pow2(64) - f(1);
            x.settle();
        },
        &["amounts"],
    ),
    case(
        "out of another fee",
        |x| (x.statement.public[5] += f(1), x.sign()).1,
        &["amounts"],
    ),
    case(
        "out of another exit",
        |x| (x.statement.public[5] += field::pow2(64), x.sign()).1,
        &["amounts"],
    ),
    // Balance.
    case(
        "an output one too large",
        |x| (x.statement.outputs[0].v += f(1), x.settle()).1,
        &["balance"],
    ),
    case(
        "an output one too small",
        |x| (x.statement.outputs[1].v -= f(1), x.settle()).1,
        &["balance"],
    ),
    case(
        "fee not paid",
        |x| (x.statement.fee = f(0), x.settle()).1,
        &["balance"],
    ),
    case(
        "exit not paid for",
        |x| (x.statement.exit += f(1), x.settle()).1,
        &["balance"],
    ),
    case(
        "input counted twice",
        |x| (x.statement.inputs[0].v = f(1_400), x.plant()).1,
        &["balance"],
    ),
    // Nullifiers: derived, truncated, bound to the position, dummies included.
    case(
        "any other nullifier",
        |x| (x.statement.public[1] += f(1), x.sign()).1,
        &["nullifier"],
    ),
    case(
        "second nullifier alone",
        |x| (x.statement.public[2] = f(1), x.sign()).1,
        &["nullifier"],
    ),
    case(
        "nullifiers swapped",
        |x| (x.statement.public.swap(1, 2), x.sign()).1,
        &["nullifier"],
    ),
    case(
        "nullifier not truncated",
        |x| {
            x.statement.public[1] = x.nullifier_digest(0);
            x.sign();
        },
        &["nullifier"],
    ),
    case(
        "nullifier of the neighbour's position",
        |x| {
            let mut other = x.clone();
            other.statement.inputs[0].position += f(4);
            other.settle();
            x.statement.public[1] = other.statement.public[1];
            x.sign();
        },
        &["nullifier"],
    ),
    case(
        "dummy with a chosen nullifier",
        |x| {
            x.statement.inputs[1].v = f(0);
            x.statement.outputs[0].v = f(400);
            x.plant();
            x.statement.public[2] = f(5);
            x.sign();
        },
        &["nullifier"],
    ),
    // Outputs.
    case(
        "another first commitment",
        |x| (x.statement.public[3] += f(1), x.sign()).1,
        &["outputs"],
    ),
    case(
        "another second commitment",
        |x| (x.statement.public[4] = f(0), x.sign()).1,
        &["outputs"],
    ),
    case(
        "commitments swapped",
        |x| (x.statement.public.swap(3, 4), x.sign()).1,
        &["outputs"],
    ),
    case(
        "commitment to another amount",
        |x| {
            let honest = x.statement.outputs[0].v;
            x.statement.outputs[0].v += f(1_000_000);
            x.settle();
            x.statement.outputs[0].v = honest;
        },
        &["outputs"],
    ),
    // Signature: made by this key, over all of this.
    case(
        "s changed",
        |x| x.statement.s += Scalar::from(1u64),
        &["signature"],
    ),
    case("s negated", |x| x.statement.s = -x.statement.s, &["signature"]),
    case("lowest bit of e changed", |x| x.statement.e ^= 1, &["signature"]),
    case(
        "highest bit of e changed",
        |x| x.statement.e ^= 1 << 127,
        &["signature"],
    ),
    case(
        "no signature",
        |x| (x.statement.e, x.statement.s) = (0, Scalar::ZERO),
        &["signature"],
    ),
    case(
        "signed by another key",
        |x| {
            let mut thief = x.clone();
            thief.take_over();
            let victim = x.message();
            let signature = tacit_protocol::signature::sign(&thief.key, &victim, &mut rand::thread_rng());
            (x.statement.e, x.statement.s) = (signature.e(), signature.s());
        },
        &["signature"],
    ),
    case(
        "signature of another transfer",
        |x| {
            let mut other = x.clone();
            other.statement.outputs[0].inner += f(1);
            other.settle();
            (x.statement.e, x.statement.s) = (other.statement.e, other.statement.s);
        },
        &["signature"],
    ),
    case(
        "ctx changed after signing",
        |x| x.statement.public[6] += f(1),
        &["signature"],
    ),
    case(
        "first nullifier changed after signing",
        |x| x.statement.public[1] += f(1),
        &["nullifier", "signature"],
    ),
    case(
        "second nullifier changed after signing",
        |x| x.statement.public[2] += f(1),
        &["nullifier", "signature"],
    ),
    case(
        "first commitment changed after signing",
        |x| x.statement.public[3] += f(1),
        &["outputs", "signature"],
    ),
    case(
        "second commitment changed after signing",
        |x| x.statement.public[4] += f(1),
        &["outputs", "signature"],
    ),
    case(
        "out changed after signing",
        |x| x.statement.public[5] += f(1),
        &["amounts", "signature"],
    ),
    case(
        "fee moved to an output after signing",
        |x| {
            let signed = (x.statement.e, x.statement.s);
            x.statement.fee -= f(1);
            x.statement.outputs[0].v += f(1);
            x.settle();
            (x.statement.e, x.statement.s) = signed;
        },
        &["signature"],
    ),
    // Keys: the point (0, 0) is off the curve, absorbs every addition, and so signs anything.
    case(
        "ak off the curve that signs anything",
        |x| {
            let origin = EdwardsAffine::new_unchecked(f(0), f(0));
            (x.ak, x.statement.ak_eighth) = (origin, origin);
            x.plant();
            x.statement.e = tacit_protocol::signature::challenge(&origin, &x.message());
        },
        &["keys"],
    ),
    // Position: exactly 34 bits.
    case(
        "a position of 35 bits",
        |x| {
            x.statement.inputs[0].position += field::pow2(34);
            x.settle();
        },
        &["path", "position"],
    ),
];

#[test]
fn every_forgery_breaks_exactly_the_paragraphs_it_should() {
    for case in CASES {
        let mut forge = Forge::honest(11);
        (case.forge)(&mut forge);
        let expected: BTreeSet<&str> = case.broken.iter().copied().collect();
        assert_eq!(broken(system(), &forge.statement), expected, "{}", case.name);
    }
}

#[test]
fn every_bit_of_the_position_is_bound_to_the_path() {
    for bit in 0..34 {
        let mut forge = Forge::honest(12);
        let position = field::to_u64(&forge.statement.inputs[0].position).expect("a position");
        forge.statement.inputs[0].position = F::from(position ^ (1 << bit));
        forge.settle();
        assert_eq!(
            broken(system(), &forge.statement),
            BTreeSet::from(["membership"]),
            "bit {bit}"
        );
    }
}

#[test]
fn every_public_input_is_bound() {
    for i in 0..7 {
        for change in [F::from(1u64), field::pow2(64), -F::from(1u64)] {
            let mut forge = Forge::honest(13);
            forge.statement.public[i] += change;
            assert!(!broken(system(), &forge.statement).is_empty(), "public input {i}");
        }
    }
}
