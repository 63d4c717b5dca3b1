//! Tests of raises: their bytes, and what a signature covers.

use super::*;
use crate::peg::fixture::{key, keypair, sats};

const CHAIN: ChainId = ChainId::from_bytes([1; 32]);

fn raise() -> FeeRaise {
    FeeRaise::sign(CHAIN, 7, sats(900), &keypair(6), &[5; 32])
}

#[test]
fn the_bytes_of_a_raise_are_as_documented_and_come_back() {
    let bytes = raise().encode();
    assert_eq!(bytes.len(), 80);
    assert_eq!(bytes[..8], 7u64.to_le_bytes());
    assert_eq!(bytes[8..16], 900u64.to_le_bytes());
    assert_eq!(bytes[16..], raise().signature.serialize());
    assert_eq!(FeeRaise::decode(&bytes), Ok(raise()));
    assert!(FeeRaise::decode(&bytes[..79]).is_err());
    assert!(FeeRaise::decode(&[&bytes[..], &[0]].concat()).is_err());
    let mut no_amount = bytes;
    no_amount[8..16].fill(0xff);
    assert!(FeeRaise::decode(&no_amount).is_err());
}

#[test]
fn a_raise_holds_for_its_chain_withdrawal_limit_and_key_only() {
    let good = raise();
    assert!(good.verify(CHAIN, &key(6)));
    assert!(!good.verify(CHAIN, &key(7)));
    assert!(!good.verify(ChainId::from_bytes([2; 32]), &key(6)));
    assert!(!FeeRaise { index: 8, ..good }.verify(CHAIN, &key(6)));
    let max = sats(901);
    assert!(!FeeRaise { max, ..good }.verify(CHAIN, &key(6)));
}

#[test]
fn a_signature_that_bip_340_refuses_is_refused() {
    let bytes = raise().signature.serialize();
    let verdict = |bytes: [u8; 64]| {
        let signature = Signature::from_slice(&bytes).unwrap();
        FeeRaise { signature, ..raise() }.verify(CHAIN, &key(6))
    };
    assert!(verdict(bytes));
    for at in [0, 31, 32, 63] {
        let mut changed = bytes;
        changed[at] ^= 1;
        assert!(!verdict(changed), "byte {at}");
    }
    // Numbers above the field's prime and the group's order are not reduced.
    let mut beyond = bytes;
    beyond[..32].fill(0xff);
    assert!(!verdict(beyond));
    let mut beyond = bytes;
    beyond[32..].fill(0xff);
    assert!(!verdict(beyond));
}

#[test]
fn the_message_of_a_raise_is_as_documented() {
    let hash = B2::new(Label::RaiseFee).bytes(&[1; 32]).u64(7).u64(900).finish();
    assert_eq!(message(CHAIN, 7, sats(900)).as_ref()[..], hash[..32]);
}
