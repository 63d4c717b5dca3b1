//! What commitments and nullifiers bind, and the codecs.

use proptest::prelude::*;

use super::*;
use crate::keys::tests::account;

fn note(v: u64) -> Note {
    let address = account(1).full_viewing_key().incoming().address(5);
    Note::payment(Amount::from_sat(v).unwrap(), &address, &[9; 16])
}

fn pos(batch: u32, leaf: u16) -> Position {
    Position::new(batch, leaf).unwrap()
}

#[test]
fn note_values_are_the_pinned_ones() {
    let note = note(100_000);
    assert_eq!(
        hex::encode(field::to_bytes(&note.rcm)),
        "0ec253556661a39df7832d6a9c735af5d58822fa10686aded6489acd441f4913"
    );
    assert_eq!(
        hex::encode(field::to_bytes(&note.inner())),
        "619bb920acfc18e5e08d64b27e9652ac8ae6da28acec475fc1d7383edf26141b"
    );
    assert_eq!(
        note.commitment().to_string(),
        "1ae2136556acc2ee3e4f48cf505dada802a5518d4d58970f2921816fb4c1fe03"
    );
    assert_eq!(
        note.nullifier(&F::from(7u64), pos(1, 2)).to_string(),
        "46b9be361b73d6f74dad031eb2383e3d6747752a"
    );
}

#[test]
fn commitment_binds_amount_key_and_randomness() {
    let base = note(10);
    let other = |change: fn(&mut Note)| {
        let mut note = base.clone();
        change(&mut note);
        note.commitment()
    };
    assert_ne!(other(|n| n.v = Amount::from_sat(11).unwrap()), base.commitment());
    assert_ne!(other(|n| n.pk_d += F::from(1u64)), base.commitment());
    assert_ne!(other(|n| n.rcm += F::from(1u64)), base.commitment());
    assert_eq!(
        Commitment::new(base.v, &inner(&base.pk_d, &base.rcm)),
        base.commitment()
    );
}

#[test]
fn payment_randomness_binds_seed_and_address() {
    let (d, pk_d) = (Diversifier::from_u64(1), F::from(2u64));
    let base = payment_rcm(&[0; 16], &d, &pk_d);
    assert_ne!(payment_rcm(&[1; 16], &d, &pk_d), base);
    assert_ne!(payment_rcm(&[0; 16], &Diversifier::from_u64(2), &pk_d), base);
    assert_ne!(payment_rcm(&[0; 16], &d, &F::from(3u64)), base);
}

#[test]
fn fee_randomness_is_the_batch_number() {
    assert_eq!(fee_rcm(77), F::from(77u64));
}

#[test]
fn equal_notes_at_different_positions_have_different_nullifiers() {
    let (a, b) = (note(5), note(5));
    assert_eq!(a.commitment(), b.commitment());
    let nk = F::from(3u64);
    assert_ne!(a.nullifier(&nk, pos(4, 0)), b.nullifier(&nk, pos(4, 1)));
    assert_ne!(a.nullifier(&nk, pos(4, 0)), b.nullifier(&nk, pos(5, 0)));
}

#[test]
fn nullifier_is_deterministic_and_binds_every_input() {
    let (base, nk, at) = (note(5), F::from(3u64), pos(4, 9));
    let nullifier = base.nullifier(&nk, at);
    assert_eq!(base.nullifier(&nk, at), nullifier);
    assert_ne!(base.nullifier(&F::from(4u64), at), nullifier);
    assert_ne!(note(6).nullifier(&nk, at), nullifier);
    let mut other = base;
    other.rcm += F::from(1u64);
    assert_ne!(other.nullifier(&nk, at), nullifier);
}

#[test]
fn nullifier_is_the_low_160_bits_of_the_hash() {
    let (note, nk, at) = (note(5), F::from(3u64), pos(4, 9));
    let digest = hash(
        Tag::Nullifier,
        &[nk + note.rcm, note.commitment().to_field(), at.to_field()],
    );
    assert_eq!(
        note.nullifier(&nk, at).to_field(),
        field::low(&digest, NULLIFIER_BITS)
    );
}

#[test]
fn nullifiers_are_ordered_as_integers() {
    let small = Nullifier::from_low_bits(&F::from(255u64));
    let large = Nullifier::from_low_bits(&F::from(256u64));
    assert!(small < large);
    assert!(small.as_bytes() > large.as_bytes(), "bytes are little-endian");
}

#[test]
fn zero_nullifier_is_recognised() {
    assert!(Nullifier::new([0; 20]).is_zero());
    assert!(!Nullifier::from_low_bits(&F::from(1u64)).is_zero());
    assert!(Nullifier::from_low_bits(&field::pow2(160)).is_zero());
}

#[test]
fn positions_have_exactly_34_bits() {
    let last = pos((1 << 24) - 1, 1023);
    assert_eq!(last.to_u64(), (1 << 34) - 1);
    assert_eq!((last.batch(), last.leaf()), ((1 << 24) - 1, 1023));
    assert_eq!(pos(3, 7).to_u64(), 3 * 1024 + 7);
    let error = Err(DecodeError::OutOfRange("position"));
    assert_eq!(Position::new(1 << 24, 0), error);
    assert_eq!(Position::new(0, 1024), error);
    assert_eq!(Position::from_u64(1 << 34), error);
    assert_eq!(Position::decode(&(1u64 << 34).to_le_bytes()), error);
}

#[test]
fn commitment_bytes_at_or_above_the_modulus_are_rejected() {
    assert_eq!(
        Commitment::decode(&[0xff; 32]),
        Err(DecodeError::NonCanonicalField)
    );
    assert_eq!(
        Commitment::decode(&[0; 31]),
        Err(DecodeError::UnexpectedEnd { needed: 1 })
    );
    assert_eq!(Nullifier::decode(&[0; 21]), Err(DecodeError::TrailingBytes(1)));
}

#[test]
fn debug_output_of_a_note_hides_its_randomness() {
    let note = note(5);
    assert!(!format!("{note:?}").contains(&hex::encode(field::to_bytes(&note.rcm))));
}

proptest! {
    #[test]
    fn note_parts_decode_to_what_was_encoded(bytes: [u8; 20], x: u64, at in 0u64..1 << 34) {
        let nullifier = Nullifier::new(bytes);
        prop_assert_eq!(Nullifier::decode(&nullifier.encode()), Ok(nullifier));
        prop_assert_eq!(Nullifier::from_low_bits(&nullifier.to_field()), nullifier);
        let commitment = Commitment::new(Amount::ZERO, &F::from(x));
        prop_assert_eq!(Commitment::decode(&commitment.encode()), Ok(commitment));
        prop_assert_eq!(Commitment::from_field(commitment.to_field()), commitment);
        let position = Position::from_u64(at).unwrap();
        prop_assert_eq!(Position::decode(&position.encode()), Ok(position));
        prop_assert_eq!(Position::new(position.batch(), position.leaf()), Ok(position));
    }

    #[test]
    fn nullifier_order_agrees_with_the_field(a: [u8; 20], b: [u8; 20]) {
        let (a, b) = (Nullifier::new(a), Nullifier::new(b));
        prop_assert_eq!(a.cmp(&b), a.to_field().cmp(&b.to_field()));
    }
}
