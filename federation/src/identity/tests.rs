//! Keys are what they are printed as; what cannot be a key is refused; secrets are not printed.

use proptest::prelude::*;

use super::*;
use crate::testing::rng;

/// The sub-group of small order, as numbers, and the same ones not reduced (RFC 7748, section 6.1).
const LOW_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

#[test]
fn an_identity_is_what_its_bytes_say() {
    let identity = Identity::generate(&mut rng(1));
    let again = Identity::from_bytes(&identity.to_bytes()).unwrap();
    assert_eq!(again.public(), identity.public());
    assert_eq!(again.to_bytes(), identity.to_bytes());
    assert_ne!(Identity::generate(&mut rng(2)).public(), identity.public());
}

#[test]
fn the_key_is_that_of_the_standard() {
    // Bob of RFC 7748, section 6.1, his secret clamped.
    let mut secret = [0; 32];
    let text = "58ab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e06b";
    hex::decode_to_slice(text, &mut secret).unwrap();
    assert_eq!(
        Identity::from_bytes(&secret).unwrap().public().to_string(),
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    );
}

#[test]
fn bytes_that_no_identity_has_are_refused() {
    let good = *Identity::generate(&mut rng(1)).to_bytes();
    let damage: [fn(&mut [u8; 32]); 5] = [
        |bytes| bytes[0] |= 1,
        |bytes| bytes[0] |= 4,
        |bytes| bytes[31] |= 0x80,
        |bytes| bytes[31] &= !0x40,
        |bytes| *bytes = [0; 32],
    ];
    for (i, damage) in damage.iter().enumerate() {
        let mut bytes = good;
        damage(&mut bytes);
        let error = Identity::from_bytes(&bytes).unwrap_err();
        assert_eq!(error, IdentityError::Secret, "{i}");
    }
}

#[test]
fn a_key_is_64_digits_and_nothing_else() {
    let key = Identity::generate(&mut rng(1)).public();
    let text = key.to_string();
    assert_eq!(text.parse(), Ok(key));
    assert_eq!(IdentityKey::from_bytes(*key.as_bytes()), Ok(key));
    assert_eq!(format!("{key:?}"), format!("IdentityKey({text})"));
    let wrong = [
        String::new(),
        text[..62].to_owned(),
        text[..63].to_owned(),
        format!("{text}0"),
        format!("{text}00"),
        format!(" {}", &text[1..]),
        format!("{text}\n"),
        format!("0x{}", &text[2..]),
        format!("g{}", &text[1..]),
        text.to_uppercase(),
    ];
    for wrong in wrong {
        assert_eq!(
            wrong.parse::<IdentityKey>(),
            Err(IdentityError::Digits),
            "{wrong:?}"
        );
    }
}

#[test]
fn points_that_no_secret_leads_to_are_refused() {
    for point in LOW_ORDER {
        assert_eq!(point.parse::<IdentityKey>(), Err(IdentityError::Point), "{point}");
    }
    let key = Identity::generate(&mut rng(1)).public();
    let mut unreduced = *key.as_bytes();
    unreduced[31] |= 0x80;
    assert_eq!(IdentityKey::from_bytes(unreduced), Err(IdentityError::Point));
    // A point of the curve outside of the group, with the same shared secrets.
    let point = MontgomeryPoint(*key.as_bytes()).to_edwards(0).unwrap();
    let torsion = curve25519_dalek::constants::EIGHT_TORSION[1];
    let outside = (point + torsion).to_montgomery().to_bytes();
    assert_eq!(IdentityKey::from_bytes(outside), Err(IdentityError::Point));
    // The twist: two is the number of no point of the curve.
    let mut two = [0; 32];
    two[0] = 2;
    assert_eq!(IdentityKey::from_bytes(two), Err(IdentityError::Point));
}

#[test]
fn the_secret_of_an_identity_is_not_printed() {
    let identity = Identity::generate(&mut rng(1));
    let printed = format!("{identity:?}");
    assert_eq!(printed, format!("Identity({})", identity.public()));
    assert!(!printed.contains(&hex::encode(*identity.to_bytes())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_reads_as_a_key_prints_the_same(bytes: [u8; 32], text in "[0-9a-f]{64}") {
        if let Ok(key) = IdentityKey::from_bytes(bytes) {
            prop_assert_eq!(key.as_bytes(), &bytes);
        }
        if let Ok(key) = text.parse::<IdentityKey>() {
            prop_assert_eq!(key.to_string(), text);
        }
    }
}
