//! The longest messages pass, and only as they were encoded.

use std::collections::BTreeMap;

use frost_secp256k1_tr::keys::{IdentifierList, dkg, generate_with_dealer};
use frost_secp256k1_tr::{SigningPackage, round1};

use super::*;
use crate::roster::Roster;
use crate::testing::{id, rng};

fn check<T: Message>(message: &T) {
    let bytes = message.encode();
    assert!(bytes.len() < LONGEST, "{} bytes", bytes.len());
    assert!(T::decode(&bytes).is_ok_and(|again| again.encode() == bytes));
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(T::decode(&longer).is_err());
    assert!(T::decode(&bytes[..bytes.len() - 1]).is_err());
}

#[test]
fn messages_of_the_largest_federation_pass() {
    let most = u16::try_from(Roster::MOST).unwrap();
    let mut rng = rng(1);
    let (secret, commitments) = dkg::part1(id(1).identifier(), most, most, &mut rng).unwrap();
    drop(secret);
    check(&commitments);
    let (shares, public) = generate_with_dealer(most, 2, IdentifierList::Default, &mut rng).unwrap();
    check(&public);
    let commitments: BTreeMap<_, _> = shares
        .iter()
        .map(|(&identifier, share)| (identifier, round1::commit(share.signing_share(), &mut rng).1))
        .collect();
    check(&SigningPackage::new(commitments, &[7; 32]));
}
