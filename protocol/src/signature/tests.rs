//! Signatures bind key and message; bad points are refused.

use ark_ff::Field;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::keys::tests::{account, small_order_points};

fn message() -> SpendMessage {
    let ok = account(1).full_viewing_key().ok();
    let [a, b, c, d, e, f] = [11u64, 12, 13, 14, 15, 16].map(F::from);
    SpendMessage {
        ok,
        nf: [a, b],
        cm: [c, d],
        out: e,
        ctx: f,
    }
}

fn signed() -> (EdwardsAffine, Signature) {
    let key = account(1).spend_key();
    (key.ak(), sign(&key, &message(), &mut StdRng::seed_from_u64(1)))
}

/// A generator that is stuck at zero.
struct Stuck;
impl RngCore for Stuck {
    fn next_u32(&mut self) -> u32 {
        0
    }
    fn next_u64(&mut self) -> u64 {
        0
    }
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        dest.fill(0);
    }
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        dest.fill(0);
        Ok(())
    }
}
impl CryptoRng for Stuck {}

#[test]
fn generator_is_in_the_prime_order_subgroup() {
    assert_eq!(check_point(&EdwardsAffine::generator()), Ok(()));
}

#[test]
fn signature_verifies_for_its_key_and_message() {
    let (ak, signature) = signed();
    assert_eq!(signature.verify(&ak, &message()), Ok(()));
    assert_eq!(signature.e(), challenge(&signature.r(), &message()));
}

#[test]
fn signature_is_the_pinned_one() {
    let signature = sign(&account(1).spend_key(), &message(), &mut Stuck);
    assert_eq!(
        hex::encode(signature.encode()),
        "ba826a2ccbfa0fbc583c84d22de9ad59e3005cc286ca52749a1482d9d4b9b5161fa9cc4a55303fe0bcad4dcd502e6a045bce7fd665d1ec8d9651589de0547c0f40e44fcc7ede2c445f84bc599d2ae934589df11c0cc9ee1771fa6b5751c68770ec6d4f3219a76bd137bef1400e4aed04"
    );
}

#[test]
fn signature_is_rejected_when_any_field_of_the_message_changes() {
    let (ak, signature) = signed();
    let one = F::ONE;
    let changes: [fn(&mut SpendMessage, F); 7] = [
        |m, x| m.ok += x,
        |m, x| m.nf[0] += x,
        |m, x| m.nf[1] += x,
        |m, x| m.cm[0] += x,
        |m, x| m.cm[1] += x,
        |m, x| m.out += x,
        |m, x| m.ctx += x,
    ];
    for change in changes {
        let mut other = message();
        change(&mut other, one);
        assert_eq!(signature.verify(&ak, &other), Err(SignatureError::Challenge));
        // Even with the challenge recomputed for the other message.
        let forged = Signature {
            e: challenge(&signature.r, &other),
            ..signature
        };
        assert_eq!(forged.verify(&ak, &other), Err(SignatureError::Equation));
    }
}

#[test]
fn swapped_nullifiers_or_commitments_are_another_message() {
    let (ak, signature) = signed();
    let mut other = message();
    other.nf.swap(0, 1);
    assert!(signature.verify(&ak, &other).is_err());
    let mut other = message();
    other.cm.swap(0, 1);
    assert!(signature.verify(&ak, &other).is_err());
}

#[test]
fn signature_is_rejected_under_another_key() {
    let (_, signature) = signed();
    let other = account(2).spend_key().ak();
    assert_eq!(
        signature.verify(&other, &message()),
        Err(SignatureError::Equation)
    );
}

#[test]
fn tampered_parts_are_rejected() {
    let (ak, good) = signed();
    let s = Signature {
        s: good.s + JubjubScalar::ONE,
        ..good
    };
    assert_eq!(s.verify(&ak, &message()), Err(SignatureError::Equation));
    let e = Signature {
        e: good.e ^ 1,
        ..good
    };
    assert_eq!(e.verify(&ak, &message()), Err(SignatureError::Challenge));
    let r = Signature {
        r: EdwardsAffine::generator(),
        ..good
    };
    assert_eq!(r.verify(&ak, &message()), Err(SignatureError::Challenge));
}

#[test]
fn identity_small_order_and_off_curve_commitments_are_rejected() {
    let (ak, good) = signed();
    let with = |r| Signature { r, ..good }.verify(&ak, &message());
    assert_eq!(
        with(EdwardsAffine::zero()),
        Err(SignatureError::Commitment(PointError::Identity))
    );
    let off = EdwardsAffine::new_unchecked(good.r.x + F::ONE, good.r.y);
    assert_eq!(with(off), Err(SignatureError::Commitment(PointError::OffCurve)));
    for torsion in small_order_points() {
        let error = Err(SignatureError::Commitment(PointError::OutsideSubgroup));
        assert_eq!(with(torsion), error);
        assert_eq!(with((good.r + torsion).into_affine()), error);
    }
}

#[test]
fn identity_small_order_and_off_curve_keys_are_rejected() {
    let (ak, good) = signed();
    let with = |ak| good.verify(&ak, &message());
    assert_eq!(
        with(EdwardsAffine::zero()),
        Err(SignatureError::PublicKey(PointError::Identity))
    );
    let off = EdwardsAffine::new_unchecked(ak.x, ak.y + F::ONE);
    assert_eq!(with(off), Err(SignatureError::PublicKey(PointError::OffCurve)));
    for torsion in small_order_points() {
        let error = Err(SignatureError::PublicKey(PointError::OutsideSubgroup));
        assert_eq!(with((ak + torsion).into_affine()), error);
    }
}

#[test]
fn nonce_depends_on_the_message_even_when_the_generator_is_stuck() {
    let key = account(1).spend_key();
    let mut other = message();
    other.ctx += F::ONE;
    let (a, b) = (sign(&key, &message(), &mut Stuck), sign(&key, &other, &mut Stuck));
    assert_ne!(a.r(), b.r());
}

#[test]
fn nonce_depends_on_the_randomness_and_on_the_key() {
    let key = account(1).spend_key();
    let fresh = sign(&key, &message(), &mut StdRng::seed_from_u64(2));
    assert_ne!(fresh.r(), signed().1.r());
    let other = sign(&account(2).spend_key(), &message(), &mut Stuck);
    assert_ne!(other.r(), sign(&key, &message(), &mut Stuck).r());
}

#[test]
fn signature_decodes_to_what_was_encoded() {
    let (_, signature) = signed();
    assert_eq!(Signature::decode(&signature.encode()), Ok(signature));
}

#[test]
fn signature_bytes_that_break_a_rule_are_rejected() {
    let good = signed().1.encode();
    let patched = |at: usize, patch: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + patch.len()].copy_from_slice(patch);
        Signature::decode(&bytes)
    };
    let modulus = JubjubScalar::MODULUS.to_bytes_le();
    assert_eq!(patched(80, &modulus), Err(DecodeError::NonCanonicalScalar));
    assert_eq!(patched(0, &[0xff; 32]), Err(DecodeError::NonCanonicalField));
    assert_eq!(patched(0, &[0; 64]), Err(DecodeError::BadPoint("R")));
    let mut identity = Vec::new();
    encode_point(&EdwardsAffine::zero(), &mut identity);
    assert_eq!(patched(0, &identity), Err(DecodeError::BadPoint("R")));
    assert_eq!(
        Signature::decode(&[&good[..], &[0]].concat()),
        Err(DecodeError::TrailingBytes(1))
    );
}
