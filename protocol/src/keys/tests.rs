//! Derivation, what each key reveals, and every refusal.

use ark_ec::{AffineRepr, CurveGroup};
use ark_ed_on_bn254::{EdwardsAffine, EdwardsProjective, Fr as JubjubScalar};
use ark_ff::{AdditiveGroup, Field, PrimeField};
use curve25519_dalek::Scalar;

use super::*;
use crate::encoding::{Decode, DecodeError, Encode};
use crate::field;

pub(crate) const WORDS: &str =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

/// The regtest account of a one-byte seed.
pub(crate) fn account(seed: u8) -> AccountRoot {
    AccountRoot::new(&[seed; 64], Network::Regtest, 0)
}

/// A point of order eight, and its multiples of order four and two.
pub(crate) fn small_order_points() -> [EdwardsAffine; 3] {
    let eight = (0u64..)
        .filter_map(|y| EdwardsAffine::get_point_from_y_unchecked(F::from(y), false))
        .map(|point| point.mul_bigint(JubjubScalar::MODULUS))
        .find(|point| *point * JubjubScalar::from(4u64) != EdwardsProjective::ZERO)
        .unwrap();
    [1u64, 2, 4].map(|n| (eight * JubjubScalar::from(n)).into_affine())
}

#[test]
fn bip39_seed_matches_the_published_vector() {
    let seed = seed_from_mnemonic(WORDS, "TREZOR").unwrap();
    assert_eq!(
        hex::encode(*seed),
        "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04"
    );
}

#[test]
fn mnemonic_with_a_bad_word_checksum_or_length_is_rejected() {
    for words in [
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon tacit",
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon",
        "abandon about",
        "",
    ] {
        assert!(
            matches!(seed_from_mnemonic(words, ""), Err(KeyError::Mnemonic(_))),
            "{words}"
        );
    }
}

#[test]
fn mnemonic_from_entropy_reads_back() {
    let words = mnemonic_from_entropy(&[7; 32]);
    assert_eq!(words.split(' ').count(), 24);
    assert!(seed_from_mnemonic(&words, "").is_ok());
    assert_ne!(
        *seed_from_mnemonic(&words, "").unwrap(),
        *seed_from_mnemonic(&words, "x").unwrap()
    );
}

#[test]
fn accounts_differ_by_seed_network_and_number() {
    let base = AccountRoot::new(&[1; 64], Network::Signet, 0).full_viewing_key();
    for other in [
        AccountRoot::new(&[2; 64], Network::Signet, 0),
        AccountRoot::new(&[1; 64], Network::Testnet4, 0),
        AccountRoot::new(&[1; 64], Network::Signet, 1),
    ] {
        let other = other.full_viewing_key();
        assert_ne!(base.ak(), other.ak());
        assert_ne!(base.nk(), other.nk());
        assert_ne!(base.ok(), other.ok());
        assert_ne!(base.ovk(), other.ovk());
        assert_ne!(base.incoming().ivk(), other.incoming().ivk());
        assert_ne!(base.incoming().diversifier(0), other.incoming().diversifier(0));
    }
}

#[test]
fn account_keys_are_the_pinned_ones() {
    let seed = seed_from_mnemonic(WORDS, "").unwrap();
    let root = AccountRoot::new(&seed, Network::Regtest, 0);
    let fvk = root.full_viewing_key();
    assert_eq!(
        hex::encode(fvk.encode()),
        "e4cd62e6e8dc6b18e3c611a18299c2a872339c691436b27b5c199525abceb82745037ecf76f90ba8fa78fbe5cdd56e5a1209a2f168c3d58b7846877357e73406806be9944832ad64e7ffadc551a6716baa7c0c4a97c196c689bd6eca53a6c4215bd216996cd05929b4c0403ca9ad1cffe89a56d69cc81ac73772383178653e06e912db27f7865856e794fc364fb2dc4a8d43da1621eb74a2dfd54a4a2d82c10ed7edef2dc030353ab9bb230872c67e410d78cdba667149d7a330750fac678083"
    );
    assert_eq!(
        hex::encode(fvk.incoming().encode()),
        "72e8398c483560a1303ce6e8faaad08a2af465927fd366dee2d302c4f0d4f5165bd216996cd05929b4c0403ca9ad1cffe89a56d69cc81ac73772383178653e06e912db27f7865856e794fc364fb2dc4a8d43da1621eb74a2dfd54a4a2d82c10e"
    );
    assert_eq!(
        hex::encode(field::to_bytes(&root.deposit_rcm(0))),
        "dafbf64edcde5e642ea8278f8408a90279a91573cb5b5357033935758ba30925"
    );
    assert_eq!(
        hex::encode(root.deposit_refund_secret(0)),
        "b7a44c563ebebc871f584a71f0c5c3fa6cbc9dbb0683d9d179be0ac54eb80521"
    );
    assert_eq!(
        hex::encode(root.exit_key_secret(&Nullifier::new([1; 20]))),
        "05c41352a3b96c7a08cdfdac2248ac62a66c7ef47e93f9921216682deab0f853"
    );
}

#[test]
fn owner_key_binds_the_spend_key_and_the_nullifier_key() {
    let (a, b) = (account(1).full_viewing_key(), account(2).full_viewing_key());
    let with = |ak, nk| {
        FullViewingKey::from_parts(ak, nk, Scalar::ONE, [0; 32], [0; 32])
            .unwrap()
            .ok()
    };
    assert_eq!(with(a.ak(), a.nk()), a.ok());
    assert_ne!(with(b.ak(), a.nk()), a.ok());
    assert_ne!(with(a.ak(), b.nk()), a.ok());
}

#[test]
fn spend_key_is_the_discrete_logarithm_of_ak() {
    let key = account(1).spend_key();
    assert_eq!(key.ak(), (EdwardsAffine::generator() * key.ask()).into_affine());
    assert_eq!(key.ak(), account(1).full_viewing_key().ak());
    assert_eq!(check_point(&key.ak()), Ok(()));
}

#[test]
fn zero_scalars_are_rejected() {
    assert_eq!(
        SpendKey::from_scalar(JubjubScalar::ZERO).unwrap_err(),
        KeyError::ZeroSpendScalar
    );
    let zero = IncomingViewingKey::from_parts(F::ONE, Scalar::ZERO, [0; 32]);
    assert_eq!(zero.unwrap_err(), KeyError::ZeroIncomingScalar);
}

fn with_ak(ak: EdwardsAffine) -> Result<FullViewingKey, KeyError> {
    FullViewingKey::from_parts(ak, F::ONE, Scalar::ONE, [0; 32], [0; 32])
}

#[test]
fn identity_is_rejected_as_spend_authority() {
    let error = with_ak(EdwardsAffine::zero()).unwrap_err();
    assert_eq!(error, KeyError::SpendAuthority(PointError::Identity));
}

#[test]
fn point_off_the_curve_is_rejected_as_spend_authority() {
    let mut ak = account(1).spend_key().ak();
    ak.x += F::ONE;
    assert_eq!(
        with_ak(ak).unwrap_err(),
        KeyError::SpendAuthority(PointError::OffCurve)
    );
}

#[test]
fn points_with_a_small_order_component_are_rejected_as_spend_authority() {
    let ak = account(1).spend_key().ak();
    for torsion in small_order_points() {
        assert!(torsion.is_on_curve() && !torsion.is_zero());
        for point in [torsion, (ak + torsion).into_affine()] {
            assert_eq!(
                with_ak(point).unwrap_err(),
                KeyError::SpendAuthority(PointError::OutsideSubgroup)
            );
        }
    }
}

#[test]
fn viewing_keys_decode_to_what_was_encoded() {
    let fvk = account(1).full_viewing_key();
    assert_eq!(FullViewingKey::decode(&fvk.encode()).unwrap(), fvk);
    assert_eq!(
        IncomingViewingKey::decode(&fvk.incoming().encode()).unwrap(),
        *fvk.incoming()
    );
}

#[test]
fn full_viewing_key_bytes_that_break_a_rule_are_rejected() {
    let good = account(1).full_viewing_key().encode();
    let patched = |at: usize, patch: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + patch.len()].copy_from_slice(patch);
        FullViewingKey::decode(&bytes).unwrap_err()
    };
    let encoded = |point: &EdwardsAffine| {
        let mut out = Vec::new();
        encode_point(point, &mut out);
        out
    };
    assert_eq!(
        patched(0, &encoded(&EdwardsAffine::zero())),
        DecodeError::BadPoint("ak")
    );
    assert_eq!(
        patched(0, &encoded(&small_order_points()[0])),
        DecodeError::BadPoint("ak")
    );
    assert_eq!(patched(0, &[0; 64]), DecodeError::BadPoint("ak"));
    assert_eq!(patched(0, &[0xff; 32]), DecodeError::NonCanonicalField);
    assert_eq!(patched(64, &[0xff; 32]), DecodeError::NonCanonicalField);
    assert_eq!(patched(96, &[0xff; 32]), DecodeError::NonCanonicalScalar);
    assert_eq!(patched(96, &[0; 32]), DecodeError::NonCanonicalScalar);
    assert_eq!(
        FullViewingKey::decode(&[&good[..], &[0]].concat()).unwrap_err(),
        DecodeError::TrailingBytes(1)
    );
    let short = &good[..good.len() - 1];
    assert_eq!(
        FullViewingKey::decode(short).unwrap_err(),
        DecodeError::UnexpectedEnd { needed: 1 }
    );
}

#[test]
fn diversifier_leads_back_to_its_number() {
    let account = account(1).full_viewing_key();
    for index in [0, 1, 2, 1 << 31, 1 << 32, u64::MAX - 1, u64::MAX] {
        let d = account.incoming().diversifier(index);
        assert_eq!(account.incoming().index_of(&d), index);
        assert_ne!(d.to_u64(), index);
    }
}

#[test]
fn internal_diversifier_is_no_address_handed_out() {
    let fvk = account(1).full_viewing_key();
    let ivk = fvk.incoming();
    assert_eq!(ivk.index_of(&ivk.internal_diversifier()), u64::MAX);
    assert_eq!(ivk.internal_pk_d(), ivk.pk_d(&ivk.internal_diversifier()));
    assert_eq!(*ivk.internal_address().d(), ivk.internal_diversifier());
    assert_eq!(ivk.internal_address().pk_d(), ivk.internal_pk_d());
}

#[test]
#[should_panic(expected = "internal")]
fn address_of_the_internal_number_is_refused() {
    let _ = account(1).full_viewing_key().incoming().address(u64::MAX);
}

#[test]
fn deposit_and_exit_secrets_are_valid_and_differ() {
    let root = account(1);
    let secrets = [
        root.deposit_refund_secret(0),
        root.deposit_refund_secret(1),
        root.exit_key_secret(&Nullifier::new([1; 20])),
        root.exit_key_secret(&Nullifier::new([2; 20])),
        account(2).deposit_refund_secret(0),
        root.posting_secret(),
        account(2).posting_secret(),
    ];
    for (i, secret) in secrets.iter().enumerate() {
        assert!(bitcoin::secp256k1::SecretKey::from_slice(secret).is_ok());
        assert!(!secrets[i + 1..].contains(secret));
    }
    assert_ne!(root.deposit_rcm(0), root.deposit_rcm(1));
    assert_ne!(root.deposit_rcm(0), account(2).deposit_rcm(0));
}

#[test]
fn secp256k1_secrets_skip_invalid_candidates() {
    let candidates = [
        [0; 32],
        [0xff; 32],
        bitcoin::secp256k1::constants::CURVE_ORDER,
        [7; 32],
        [8; 32],
    ];
    let at = |counter: u64| candidates[usize::try_from(counter).unwrap()];
    assert_eq!(super::first_secp256k1_secret(at), [7; 32]);
}

#[test]
fn debug_output_shows_no_secret() {
    let root = account(1);
    let fvk = root.full_viewing_key();
    assert_eq!(format!("{root:?}"), "AccountRoot(..)");
    assert_eq!(format!("{:?}", root.spend_key()), "SpendKey(..)");
    assert_eq!(format!("{fvk:?}"), "FullViewingKey(..)");
    assert_eq!(format!("{:?}", fvk.incoming()), "IncomingViewingKey(..)");
}
