//! Decoding accepts canonical bytes only, keys obey every rule, and no tampered proof verifies.

use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, BigInteger, Field, PrimeField};
use tacit_protocol::DecodeError;
use tacit_protocol::encoding::{Decode, Encode};
use tacit_protocol::field;

use super::testing::TrapdoorKey;
use super::*;

mod preparing;

const N: usize = 7;

fn key() -> (TrapdoorKey, PreparedVerifyingKey) {
    let trapdoor = TrapdoorKey::new(1, N);
    let pvk = PreparedVerifyingKey::new(trapdoor.verifying_key(), N).expect("a sound key");
    (trapdoor, pvk)
}

fn publics(seed: u64) -> Vec<F> {
    (0..N as u64)
        .map(|i| F::from(1000 * seed + i).square() - F::from(i))
        .collect()
}

/// A point on the twist that is not in the prime-order subgroup.
fn outside_subgroup() -> G2Affine {
    (1u64..)
        .filter_map(|x| G2Affine::get_point_from_x_unchecked(Fq2::new(Fq::from(x), Fq::from(1u64)), false))
        .find(|p| !p.is_in_correct_subgroup_assuming_on_curve())
        .expect("the cofactor is large")
}

fn compressed_g2(p: &G2Affine) -> [u8; 64] {
    let mut out = Vec::new();
    point::encode(p, &mut out);
    out.try_into().expect("64 bytes")
}

#[test]
fn simulated_proofs_verify_and_every_flipped_public_input_is_rejected() {
    let (trapdoor, pvk) = key();
    let public = publics(1);
    let proof = trapdoor.simulate(&public, 1);
    assert_eq!(verify(&pvk, &public, &proof), Ok(()));
    for i in 0..N {
        let mut wrong = public.clone();
        wrong[i] += F::ONE;
        assert_eq!(
            verify(&pvk, &wrong, &proof),
            Err(VerifyError::Invalid),
            "input {i}"
        );
    }
    let mut swapped = public.clone();
    swapped.swap(0, 1);
    assert_eq!(verify(&pvk, &swapped, &proof), Err(VerifyError::Invalid));
}

#[test]
fn wrong_number_of_public_inputs_is_rejected() {
    let (trapdoor, pvk) = key();
    let proof = trapdoor.simulate(&publics(1), 1);
    for n in [0, 1, N - 1] {
        let expected = VerifyError::PublicInputCount {
            expected: N,
            found: n,
        };
        assert_eq!(verify(&pvk, &publics(1)[..n], &proof), Err(expected));
    }
    let more = [publics(1), vec![F::ZERO]].concat();
    let expected = VerifyError::PublicInputCount {
        expected: N,
        found: N + 1,
    };
    assert_eq!(verify(&pvk, &more, &proof), Err(expected));
    let item: (&[F], &Proof) = (&more, &proof);
    let expected = BatchError::PublicInputCount {
        index: 0,
        expected: N,
        found: N + 1,
    };
    assert_eq!(verify_batch(&pvk, &[item]), Err(expected));
}

#[test]
fn proof_with_a_replaced_negated_or_swapped_element_is_rejected() {
    let (trapdoor, pvk) = key();
    let public = publics(2);
    let good = trapdoor.simulate(&public, 1);
    let other = trapdoor.simulate(&public, 2);
    assert_eq!(verify(&pvk, &public, &other), Ok(()));
    let (a, b, c) = (good.a(), good.b(), good.c());
    for (tampered, what) in [
        ((other.a(), b, c), "A of another proof"),
        ((a, other.b(), c), "B of another proof"),
        ((a, b, other.c()), "C of another proof"),
        ((-a, b, c), "A negated"),
        ((a, -b, c), "B negated"),
        ((a, b, -c), "C negated"),
        ((c, b, a), "A and C swapped"),
        (
            (
                G1Affine::generator(),
                G2Affine::generator(),
                G1Affine::generator(),
            ),
            "generators",
        ),
    ] {
        let proof = Proof::new(tampered.0, tampered.1, tampered.2).expect("points of the groups");
        assert_eq!(verify(&pvk, &public, &proof), Err(VerifyError::Invalid), "{what}");
    }
}

#[test]
fn proof_under_another_key_is_rejected() {
    let (_, pvk) = key();
    let proof = TrapdoorKey::new(2, N).simulate(&publics(1), 1);
    assert_eq!(verify(&pvk, &publics(1), &proof), Err(VerifyError::Invalid));
}

#[test]
fn rerandomised_proof_verifies_and_decodes_canonically() {
    let (trapdoor, pvk) = key();
    let public = publics(3);
    let proof = trapdoor.simulate(&public, 1);
    let (r1, r2) = (F::from(12_345u64), F::from(678u64));
    let a = proof.a() * r1.inverse().expect("not zero");
    let b = proof.b() * r1 + pvk.key().delta_g2() * (r1 * r2);
    let c = proof.c() + proof.a() * r2;
    let malleated =
        Proof::new(a.into_affine(), b.into_affine(), c.into_affine()).expect("points of the groups");
    assert_ne!(malleated.to_bytes(), proof.to_bytes());
    assert_eq!(verify(&pvk, &public, &malleated), Ok(()));
    assert_eq!(Proof::from_bytes(&malleated.to_bytes()), Ok(malleated));
}

#[test]
fn proof_bytes_of_another_length_are_rejected() {
    let (trapdoor, _) = key();
    let bytes = trapdoor.simulate(&publics(1), 1).to_bytes();
    assert_eq!(Proof::decode(&bytes).map(|p| p.encode()), Ok(bytes.to_vec()));
    for n in 0..Proof::BYTES {
        assert!(
            matches!(Proof::decode(&bytes[..n]), Err(DecodeError::UnexpectedEnd { .. })),
            "{n} bytes"
        );
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(Proof::decode(&longer), Err(DecodeError::TrailingBytes(1)));
}

/// Replaces the bytes of one element and expects it to be named.
fn assert_bad(at: usize, element: &[u8], name: &'static str, why: &str) {
    let (trapdoor, _) = key();
    let mut bytes = trapdoor.simulate(&publics(1), 1).to_bytes();
    bytes[at..at + element.len()].copy_from_slice(element);
    assert_eq!(Proof::decode(&bytes), Err(DecodeError::BadPoint(name)), "{why}");
}

#[test]
fn infinity_in_any_spelling_is_rejected() {
    for (at, n, name) in [(0, 32, "proof A"), (32, 64, "proof B"), (96, 32, "proof C")] {
        for flags in [0x40, 0x80 | 0x40] {
            let mut canonical = vec![0; n];
            canonical[n - 1] = flags;
            assert_bad(at, &canonical, name, "infinity");
            let mut junk = canonical.clone();
            junk[0] = 5;
            assert_bad(at, &junk, name, "infinity with a coordinate");
        }
        assert_bad(at, &vec![0; n], name, "all zero");
        assert_bad(at, &vec![0xff; n], name, "all ones");
    }
    assert!(Proof::decode(&[0; Proof::BYTES]).is_err());
    let (a, b) = (G1Affine::generator(), G2Affine::generator());
    assert_eq!(
        Proof::new(G1Affine::zero(), b, a),
        Err(DecodeError::BadPoint("proof A"))
    );
    assert_eq!(
        Proof::new(a, G2Affine::zero(), a),
        Err(DecodeError::BadPoint("proof B"))
    );
    assert_eq!(
        Proof::new(a, b, G1Affine::zero()),
        Err(DecodeError::BadPoint("proof C"))
    );
}

#[test]
fn coordinates_that_are_not_reduced_are_rejected() {
    let (trapdoor, _) = key();
    let proof = trapdoor.simulate(&publics(1), 1);
    let aliased = |x: Fq| {
        let mut integer = x.into_bigint();
        assert!(!integer.add_with_carry(&Fq::MODULUS), "x + p fits 256 bits");
        integer.to_bytes_le()
    };
    let sign = |last: u8| last & 0x80;
    let original = proof.to_bytes();
    let mut a = aliased(proof.a().x);
    // x + p may reach the flag bits; then the bytes say something else and are refused all the same.
    a[31] |= sign(original[31]);
    assert_bad(0, &a, "proof A", "x + p in A");
    assert_bad(32, &aliased(proof.b().x.c0), "proof B", "x.c0 + p in B");
    let mut c = aliased(proof.c().x);
    c[31] |= sign(original[127]);
    assert_bad(96, &c, "proof C", "x + p in C");
}

#[test]
fn points_off_the_curve_or_outside_the_subgroup_are_rejected() {
    let off = (1u64..)
        .map(Fq::from)
        .find(|x| G1Affine::get_point_from_x_unchecked(*x, false).is_none());
    let off = off.expect("half of all x").into_bigint().to_bytes_le();
    assert_bad(0, &off, "proof A", "A off the curve");
    assert_bad(96, &off, "proof C", "C off the curve");
    assert_bad(
        32,
        &compressed_g2(&outside_subgroup()),
        "proof B",
        "B outside the subgroup",
    );
    let (a, b) = (G1Affine::generator(), outside_subgroup());
    assert_eq!(Proof::new(a, b, a), Err(DecodeError::BadPoint("proof B")));
    let off_curve = G1Affine::new_unchecked(Fq::from(1u64), Fq::from(1u64));
    assert_eq!(
        Proof::new(off_curve, G2Affine::generator(), a),
        Err(DecodeError::BadPoint("proof A"))
    );
}

#[test]
fn every_bit_flip_of_a_proof_is_rejected() {
    let (trapdoor, pvk) = key();
    let public = publics(1);
    let bytes = trapdoor.simulate(&public, 1).to_bytes();
    for at in 0..Proof::BYTES {
        for bit in [0, 7] {
            let mut flipped = bytes;
            flipped[at] ^= 1 << bit;
            let verified = Proof::from_bytes(&flipped).is_ok_and(|p| verify(&pvk, &public, &p).is_ok());
            assert!(!verified, "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn verifying_key_round_trips_and_its_hash_covers_every_byte() {
    let vk = key().0.verifying_key();
    let bytes = vk.encode();
    assert_eq!(VerifyingKey::decode(&bytes), Ok(vk.clone()));
    assert_eq!(bytes.len(), 32 + 3 * 64 + 2 + 32 * (N + 1));
    for at in (0..bytes.len()).step_by(5) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        let changed = VerifyingKey::decode(&flipped).map(|other| other.hash() != vk.hash());
        assert!(changed.unwrap_or(true), "byte {at}");
        assert!(VerifyingKey::decode(&bytes[..at]).is_err(), "{at} bytes");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(VerifyingKey::decode(&longer), Err(DecodeError::TrailingBytes(1)));
}

#[test]
fn verifying_key_that_claims_more_points_than_it_has_is_rejected() {
    let mut bytes = key().0.verifying_key().encode();
    bytes[224..226].copy_from_slice(&[0xff, 0xff]);
    assert!(matches!(
        VerifyingKey::decode(&bytes),
        Err(DecodeError::UnexpectedEnd { .. })
    ));
}

#[test]
fn verifying_key_that_breaks_a_rule_is_rejected_by_name() {
    let vk = key().0.verifying_key();
    let (alpha, beta, gamma, delta, ic) = (
        vk.alpha_g1(),
        vk.beta_g2(),
        vk.gamma_g2(),
        vk.delta_g2(),
        vk.ic().to_vec(),
    );
    let new = VerifyingKey::new;
    let (zero1, zero2, bad2) = (G1Affine::zero(), G2Affine::zero(), outside_subgroup());
    let bad1 = G1Affine::new_unchecked(Fq::from(1u64), Fq::from(1u64));
    let with_ic = |at: usize, p| {
        let mut changed = ic.clone();
        changed[at] = p;
        changed
    };
    let table = [
        (
            new(alpha, beta, delta, delta, ic.clone()),
            KeyRule::GammaEqualsDelta,
        ),
        (
            new(zero1, beta, gamma, delta, ic.clone()),
            KeyRule::Identity("alpha"),
        ),
        (
            new(alpha, zero2, gamma, delta, ic.clone()),
            KeyRule::Identity("beta"),
        ),
        (
            new(alpha, beta, zero2, delta, ic.clone()),
            KeyRule::Identity("gamma"),
        ),
        (
            new(alpha, beta, gamma, zero2, ic.clone()),
            KeyRule::Identity("delta"),
        ),
        (
            new(alpha, beta, gamma, delta, with_ic(0, zero1)),
            KeyRule::Identity("IC"),
        ),
        (
            new(alpha, beta, gamma, delta, with_ic(N, zero1)),
            KeyRule::Identity("IC"),
        ),
        (
            new(bad1, beta, gamma, delta, ic.clone()),
            KeyRule::OutsideGroup("alpha"),
        ),
        (
            new(alpha, bad2, gamma, delta, ic.clone()),
            KeyRule::OutsideGroup("beta"),
        ),
        (
            new(alpha, beta, bad2, delta, ic.clone()),
            KeyRule::OutsideGroup("gamma"),
        ),
        (
            new(alpha, beta, gamma, bad2, ic.clone()),
            KeyRule::OutsideGroup("delta"),
        ),
        (
            new(alpha, beta, gamma, delta, with_ic(3, bad1)),
            KeyRule::OutsideGroup("IC"),
        ),
        (
            new(alpha, beta, gamma, delta, ic[1..].to_vec()),
            KeyRule::IcLength {
                expected: N + 1,
                found: N,
            },
        ),
        (
            new(alpha, beta, gamma, delta, vec![]),
            KeyRule::IcLength {
                expected: N + 1,
                found: 0,
            },
        ),
    ];
    for (bad, rule) in table {
        assert_eq!(bad.validate(N), Err(rule));
        assert_eq!(PreparedVerifyingKey::new(bad, N).err(), Some(rule));
    }
    assert_eq!(vk.validate(N), Ok(()));
    assert_eq!(
        vk.validate(N + 1),
        Err(KeyRule::IcLength {
            expected: N + 2,
            found: N + 1
        })
    );
}

#[test]
fn verifying_key_bytes_with_identity_or_foreign_points_do_not_decode() {
    let vk = key().0.verifying_key();
    let bytes = vk.encode();
    for (at, n, name) in [
        (0, 32, "alpha"),
        (32, 64, "beta"),
        (96, 64, "gamma"),
        (160, 64, "delta"),
        (226, 32, "IC"),
    ] {
        let mut bad = bytes.clone();
        bad[at..at + n].fill(0);
        bad[at + n - 1] = 0x40;
        assert_eq!(VerifyingKey::decode(&bad), Err(DecodeError::BadPoint(name)));
        if n == 64 {
            bad[at..at + n].copy_from_slice(&compressed_g2(&outside_subgroup()));
            assert_eq!(VerifyingKey::decode(&bad), Err(DecodeError::BadPoint(name)));
        }
    }
}

fn batch(n: u64) -> (PreparedVerifyingKey, Vec<(Vec<F>, Proof)>) {
    let (trapdoor, pvk) = key();
    (
        pvk,
        (0..n)
            .map(|i| (publics(i), trapdoor.simulate(&publics(i), i)))
            .collect(),
    )
}

fn check(pvk: &PreparedVerifyingKey, items: &[(Vec<F>, Proof)]) -> Result<(), BatchError> {
    let items: Vec<(&[F], &Proof)> = items.iter().map(|(public, proof)| (&public[..], proof)).collect();
    verify_batch(pvk, &items)
}

#[test]
fn batch_of_valid_proofs_passes_at_every_size() {
    let (pvk, items) = batch(9);
    for n in 0..=items.len() {
        assert_eq!(check(&pvk, &items[..n]), Ok(()), "{n} proofs");
    }
    let twice = [&items[..3], &items[..3]].concat();
    assert_eq!(check(&pvk, &twice), Ok(()), "the same proofs twice");
}

#[test]
fn batch_names_exactly_the_invalid_proofs() {
    let (pvk, items) = batch(17);
    for culprits in [vec![0], vec![16], vec![7], vec![3, 4, 12], (0..17).collect()] {
        let mut bad = items.clone();
        for &i in &culprits {
            bad[i].0[i % N] += F::ONE;
        }
        assert_eq!(check(&pvk, &bad), Err(BatchError::Invalid { culprits }));
    }
}

#[test]
fn errors_that_cancel_without_weights_do_not_cancel_in_a_batch() {
    let (pvk, items) = batch(2);
    let shift = G1Affine::generator();
    let moved = |proof: &Proof, by: G1Affine| {
        Proof::new(proof.a(), proof.b(), (proof.c() + by).into_affine()).expect("a point of the group")
    };
    let bad = vec![
        (items[0].0.clone(), moved(&items[0].1, shift)),
        (items[1].0.clone(), moved(&items[1].1, -shift)),
    ];
    assert_eq!(
        check(&pvk, &bad),
        Err(BatchError::Invalid { culprits: vec![0, 1] })
    );
    let swapped = vec![(items[0].0.clone(), items[1].1), (items[1].0.clone(), items[0].1)];
    assert_eq!(
        check(&pvk, &swapped),
        Err(BatchError::Invalid { culprits: vec![0, 1] })
    );
}

#[test]
fn public_inputs_have_one_encoding() {
    // x and x + r would be two encodings of one public input: only the first exists.
    let mut integer = F::from(5u64).into_bigint();
    integer.add_with_carry(&F::MODULUS);
    let bytes: [u8; 32] = integer.to_bytes_le().try_into().expect("32 bytes");
    assert_eq!(field::from_bytes(&bytes), Err(DecodeError::NonCanonicalField));
}
