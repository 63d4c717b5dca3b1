//! Who can open what, and that nothing damaged or dishonest is credited.

use curve25519_dalek::traits::Identity;
use proptest::prelude::*;

use super::*;
use crate::address::Address;
use crate::amount::Amount;
use crate::field::F;
use crate::hash::{Tag, hash};
use crate::keys::FullViewingKey;
use crate::keys::tests::account;
use crate::note::{Note, payment_rcm};

pub(crate) const NF0: Nullifier = Nullifier::new([3; 20]);
const SALT: Salt = [5; 8];
const ORDERS: [OutputOrder; 2] = [OutputOrder::PaymentFirst, OutputOrder::ChangeFirst];

pub(crate) fn viewer(seed: u8) -> FullViewingKey {
    account(seed).full_viewing_key()
}

fn sats(v: u64) -> Amount {
    Amount::from_sat(v).unwrap()
}

pub(crate) fn recipient() -> Address {
    viewer(2).incoming().address(7)
}

pub(crate) fn secrets() -> OutputSecrets {
    OutputSecrets::derive(&viewer(1), &NF0, SALT, (sats(1000), &recipient()), sats(234))
}

pub(crate) fn sealed() -> Sealed {
    secrets().seal(OutputOrder::PaymentFirst)
}

/// What a sender who follows no rule can send: any plaintext under any ephemeral secret.
fn forged(esk: Scalar, base: &Address, plain: [u8; 32], cm: &[Commitment; 2]) -> EncryptedOutputs {
    let epk = (base.d().g_d() * esk).compress().0;
    let shared = base.p_d_point() * esk;
    EncryptedOutputs::new(epk, apply_stream(&payment_key(&shared, &epk, cm), plain), [0; 16]).unwrap()
}

fn plaintext(v: u64, d: &address::Diversifier, rseed: &Rseed) -> [u8; 32] {
    [&v.to_le_bytes()[..], d.as_bytes(), rseed]
        .concat()
        .try_into()
        .unwrap()
}

#[test]
fn recipient_finds_the_payment_and_sender_the_change_in_either_order() {
    for order in ORDERS {
        let sealed = secrets().seal(order);
        let payment = viewer(2)
            .incoming()
            .try_payment(&sealed.outputs, &sealed.cm)
            .unwrap();
        let change = viewer(1).try_change(&sealed.outputs, &NF0, &sealed.cm).unwrap();
        assert_eq!([payment.index, change.index], order.arrange(0, 1));
        assert_eq!(payment.note, *secrets().payment());
        assert_eq!(change.note, *secrets().change());
        assert_eq!(change.salt, SALT);
        assert!(!payment.twice);
        assert_eq!(sealed.notes[usize::from(payment.index)], payment.note);
    }
}

#[test]
fn nobody_else_finds_anything() {
    let Sealed { outputs, cm, .. } = sealed();
    for stranger in [1, 3] {
        assert_eq!(viewer(stranger).incoming().try_payment(&outputs, &cm), None);
    }
    for stranger in [2, 3] {
        assert_eq!(viewer(stranger).try_change(&outputs, &NF0, &cm), None);
    }
}

#[test]
fn every_transfer_has_the_same_shape() {
    let own = viewer(1).incoming().internal_address();
    for (amount, to) in [(0, own), (1, recipient()), (Amount::MAX.to_sat(), recipient())] {
        let secrets = OutputSecrets::derive(&viewer(1), &NF0, SALT, (sats(amount), &to), sats(0));
        assert_eq!(secrets.seal(OutputOrder::ChangeFirst).outputs.encode().len(), 80);
    }
}

#[test]
fn payment_of_nothing_to_oneself_is_found_with_amount_zero() {
    let own = viewer(1).incoming().internal_address();
    let secrets = OutputSecrets::derive(&viewer(1), &NF0, SALT, (sats(0), &own), sats(9));
    let Sealed { outputs, cm, .. } = secrets.seal(OutputOrder::PaymentFirst);
    let payment = viewer(1).incoming().try_payment(&outputs, &cm).unwrap();
    assert_eq!(payment.note.v, Amount::ZERO);
    assert_eq!(viewer(1).try_change(&outputs, &NF0, &cm).unwrap().note.v, sats(9));
}

#[test]
fn sealed_outputs_are_the_pinned_ones() {
    let sealed = sealed();
    assert_eq!(
        hex::encode(sealed.outputs.encode()),
        "0659700ee420dfdc64cb22f681ee027ac633fb778283ee9e07d45de8ac6cee28d3781639bb75a8eb66f540c4f5085c1c061311f690592f56673613e71ec94e59c22f577d866a99448017cbb8b791e102"
    );
    assert_eq!(
        sealed.cm.map(|cm| cm.to_string()),
        [
            "8ea84be6a7103e8a21e7ec57c5b4d57ab36d23adf00cc0a87e5f03d056749f23",
            "896d83f239f49a2b0dccadb10dd28efed57967b19cec17769197e26dee7cd518"
        ]
    );
}

#[test]
fn any_flipped_bit_of_a_ciphertext_is_not_credited() {
    let Sealed { outputs, cm, .. } = sealed();
    for bit in 0..256 {
        let mut bad = outputs;
        bad.ct_pay[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(viewer(2).incoming().try_payment(&bad, &cm), None);
        assert!(
            viewer(1).try_change(&bad, &NF0, &cm).is_some(),
            "the change does not depend on it"
        );
    }
    for bit in 0..128 {
        let mut bad = outputs;
        bad.ct_change[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(viewer(1).try_change(&bad, &NF0, &cm), None);
    }
}

#[test]
fn any_flipped_bit_of_the_ephemeral_key_is_refused_or_not_credited() {
    let Sealed { outputs, cm, .. } = sealed();
    for bit in 0..256 {
        let mut bytes = outputs.encode();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(bad) = EncryptedOutputs::decode(&bytes) {
            assert_eq!(viewer(2).incoming().try_payment(&bad, &cm), None);
            assert_eq!(viewer(1).try_change(&bad, &NF0, &cm), None);
        }
    }
}

#[test]
fn other_or_swapped_commitments_are_not_credited() {
    let Sealed { outputs, cm, .. } = sealed();
    let other = Commitment::from_field(cm[0].to_field() + F::from(1u64));
    for bad in [[cm[1], cm[0]], [other, cm[1]], [cm[0], other], [other, other]] {
        assert_eq!(viewer(2).incoming().try_payment(&outputs, &bad), None);
        assert_eq!(viewer(1).try_change(&outputs, &NF0, &bad), None);
    }
}

#[test]
fn change_under_another_first_nullifier_is_not_credited() {
    let Sealed { outputs, cm, .. } = sealed();
    assert_eq!(
        viewer(1).try_change(&outputs, &Nullifier::new([4; 20]), &cm),
        None
    );
}

#[test]
fn forged_outputs_that_follow_the_rules_are_credited() {
    // The other tests of forgeries break one rule each of this one.
    let (to, rseed) = (recipient(), [8; 16]);
    let cm = [Note::payment(sats(5), &to, &rseed).commitment(); 2];
    let outputs = forged(derive_esk(&rseed), &to, plaintext(5, to.d(), &rseed), &cm);
    assert_eq!(
        viewer(2).incoming().try_payment(&outputs, &cm).unwrap().note.v,
        sats(5)
    );
}

#[test]
fn amount_above_all_bitcoin_is_not_credited() {
    let (to, rseed) = (recipient(), [8; 16]);
    let v = Amount::MAX.to_sat() + 1;
    let inner = crate::note::inner(&to.pk_d(), &payment_rcm(&rseed, to.d(), &to.pk_d()));
    let cm = [Commitment::from_field(hash(Tag::Note, &[F::from(v), inner])); 2];
    let outputs = forged(derive_esk(&rseed), &to, plaintext(v, to.d(), &rseed), &cm);
    assert_eq!(viewer(2).incoming().try_payment(&outputs, &cm), None);
}

#[test]
fn ephemeral_key_that_does_not_come_from_the_seed_is_not_credited() {
    let (to, rseed) = (recipient(), [8; 16]);
    let cm = [Note::payment(sats(5), &to, &rseed).commitment(); 2];
    let outputs = forged(Scalar::from(99u64), &to, plaintext(5, to.d(), &rseed), &cm);
    assert_eq!(viewer(2).incoming().try_payment(&outputs, &cm), None);
}

#[test]
fn ephemeral_key_of_another_address_of_the_same_account_is_not_credited() {
    // Otherwise a sender would learn from the reaction that two addresses are of one account.
    let (a, b) = (viewer(2).incoming().address(1), viewer(2).incoming().address(2));
    let rseed = [8; 16];
    let cm = [Note::payment(sats(5), &b, &rseed).commitment(); 2];
    let outputs = forged(derive_esk(&rseed), &a, plaintext(5, b.d(), &rseed), &cm);
    assert_eq!(viewer(2).incoming().try_payment(&outputs, &cm), None);
}

#[test]
fn wrong_seed_is_not_credited() {
    let (to, rseed) = (recipient(), [8; 16]);
    let cm = [Note::payment(sats(5), &to, &[7; 16]).commitment(); 2];
    let outputs = forged(derive_esk(&rseed), &to, plaintext(5, to.d(), &rseed), &cm);
    assert_eq!(viewer(2).incoming().try_payment(&outputs, &cm), None);
}

#[test]
fn note_paid_to_a_strangers_key_is_not_credited() {
    // Right seed and diversifier, but the commitment is to another owner.
    let (to, rseed) = (recipient(), [8; 16]);
    let note = Note::from_rseed(sats(5), *to.d(), viewer(3).incoming().pk_d(to.d()), &rseed);
    let cm = [note.commitment(); 2];
    let outputs = forged(derive_esk(&rseed), &to, plaintext(5, to.d(), &rseed), &cm);
    assert_eq!(viewer(2).incoming().try_payment(&outputs, &cm), None);
}

#[test]
fn the_same_note_in_both_outputs_is_reported_as_twice() {
    let (to, rseed) = (recipient(), [8; 16]);
    let cm = [Note::payment(sats(5), &to, &rseed).commitment(); 2];
    let outputs = forged(derive_esk(&rseed), &to, plaintext(5, to.d(), &rseed), &cm);
    let payment = viewer(2).incoming().try_payment(&outputs, &cm).unwrap();
    assert!(payment.twice && payment.index == 0);
}

#[test]
fn sender_shows_a_payment_from_the_mnemonic_and_the_address() {
    let Sealed { outputs, cm, .. } = sealed();
    let sender = viewer(1);
    let salt = sender.try_change(&outputs, &NF0, &cm).unwrap().salt;
    let (payment, rseed) = recover_sent(sender.ovk(), &NF0, &salt, &outputs, &cm, &recipient()).unwrap();
    assert_eq!(payment.note, *secrets().payment());
    assert_eq!(rseed, *secrets().payment_rseed());
    assert_eq!(open_disclosed(&rseed, &outputs, &cm, &recipient()), Some(payment));
}

#[test]
fn sender_cannot_show_a_payment_to_another_address_or_from_another_key() {
    let Sealed { outputs, cm, .. } = sealed();
    let other = viewer(2).incoming().address(8);
    let (own, not) = (viewer(1), viewer(3));
    assert_eq!(recover_sent(own.ovk(), &NF0, &SALT, &outputs, &cm, &other), None);
    assert_eq!(
        recover_sent(not.ovk(), &NF0, &SALT, &outputs, &cm, &recipient()),
        None
    );
    assert_eq!(
        recover_sent(own.ovk(), &NF0, &[0; 8], &outputs, &cm, &recipient()),
        None
    );
    let mut damaged = outputs;
    damaged.ct_pay[0] ^= 1;
    assert_eq!(
        recover_sent(own.ovk(), &NF0, &SALT, &damaged, &cm, &recipient()),
        None
    );
    assert_eq!(
        recover_sent(own.ovk(), &NF0, &SALT, &outputs, &[cm[1], cm[0]], &recipient()),
        None
    );
}

#[test]
fn disclosure_with_the_right_diversifier_and_anothers_keys_fails() {
    let Sealed { outputs, cm, .. } = sealed();
    let (to, rseed) = (recipient(), *secrets().payment_rseed());
    let pk_d = Address::new(*to.d(), to.pk_d() + F::from(1u64), to.p_d().0).unwrap();
    let p_d = Address::new(*to.d(), to.pk_d(), viewer(3).incoming().address(0).p_d().0).unwrap();
    assert_eq!(open_disclosed(&rseed, &outputs, &cm, &pk_d), None);
    assert_eq!(open_disclosed(&rseed, &outputs, &cm, &p_d), None);
}

#[test]
fn fresh_salt_or_amounts_change_every_ciphertext() {
    let base = sealed().outputs;
    let salted = OutputSecrets::derive(&viewer(1), &NF0, [6; 8], (sats(1000), &recipient()), sats(234));
    let salted = salted.seal(OutputOrder::PaymentFirst).outputs;
    assert!(salted.epk != base.epk && salted.ct_pay != base.ct_pay && salted.ct_change != base.ct_change);
    // Same salt, other amounts: the same ephemeral key, but both key streams are new.
    let other = OutputSecrets::derive(&viewer(1), &NF0, SALT, (sats(1001), &recipient()), sats(233));
    let other = other.seal(OutputOrder::PaymentFirst).outputs;
    assert_ne!(other.ct_pay[8..], base.ct_pay[8..]);
    assert_ne!(other.ct_change[8..], base.ct_change[8..]);
}

#[test]
fn payment_and_change_randomness_are_unrelated() {
    assert_ne!(secrets().payment().rcm, secrets().change().rcm);
    let roles = [Role::Payment, Role::Change].map(|role| derive_rseed(&[1; 32], &NF0, &SALT, role));
    assert_ne!(roles[0], roles[1]);
    assert_ne!(derive_rseed(&[2; 32], &NF0, &SALT, Role::Payment), roles[0]);
}

#[test]
fn identity_and_non_canonical_ephemeral_keys_are_rejected() {
    assert_eq!(RistrettoPoint::identity().compress().0, [0; 32]);
    let mut negative = [0; 32];
    negative[0] = 1;
    for epk in [[0; 32], [0xff; 32], negative] {
        assert_eq!(
            EncryptedOutputs::new(epk, [0; 32], [0; 16]),
            Err(DecodeError::BadPoint("epk"))
        );
        let bytes = [&epk[..], &[0; 48]].concat();
        assert_eq!(
            EncryptedOutputs::decode(&bytes),
            Err(DecodeError::BadPoint("epk"))
        );
    }
}

#[test]
fn short_and_long_outputs_are_rejected() {
    let bytes = sealed().outputs.encode();
    assert_eq!(bytes.len(), EncryptedOutputs::LENGTH);
    assert_eq!(
        EncryptedOutputs::decode(&bytes[..79]),
        Err(DecodeError::UnexpectedEnd { needed: 1 })
    );
    assert_eq!(
        EncryptedOutputs::decode(&[&bytes[..], &[0]].concat()),
        Err(DecodeError::TrailingBytes(1))
    );
}

#[test]
fn debug_output_shows_no_ciphertext() {
    let outputs = sealed().outputs;
    assert_eq!(
        format!("{outputs:?}"),
        format!("EncryptedOutputs({})", hex::encode(outputs.epk()))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_transfer_is_found_by_both_sides(
        nf in any::<[u8; 20]>(), salt in any::<[u8; 8]>(), index in 0..u64::MAX,
        amount in 0..=Amount::MAX.to_sat(), change in 0..=Amount::MAX.to_sat(), flip: bool,
    ) {
        let (nf, order) = (Nullifier::new(nf), OutputOrder::from_bit(flip));
        let to = viewer(2).incoming().address(index);
        let secrets = OutputSecrets::derive(&viewer(1), &nf, salt, (sats(amount), &to), sats(change));
        let Sealed { outputs, cm, .. } = secrets.seal(order);
        prop_assert_eq!(EncryptedOutputs::decode(&outputs.encode()), Ok(outputs));
        let payment = viewer(2).incoming().try_payment(&outputs, &cm).unwrap();
        prop_assert_eq!(payment.note.v, sats(amount));
        prop_assert_eq!(viewer(2).incoming().index_of(&payment.note.d), index);
        prop_assert_eq!(viewer(1).try_change(&outputs, &nf, &cm).unwrap().note.v, sats(change));
    }

    #[test]
    fn outputs_decode_only_canonically(a: [u8; 32], b: [u8; 32], c: [u8; 16]) {
        let bytes = [&a[..], &b, &c].concat();
        if let Ok(outputs) = EncryptedOutputs::decode(&bytes) {
            prop_assert_eq!(outputs.encode(), bytes);
        }
    }
}
