//! The fate of a spend follows the tip, there and back.

use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, Txid};
use tacit_protocol::encoding::Reader;

use super::Fate;

fn txid(tag: u8) -> Txid {
    Txid::from_byte_array([tag; 32])
}

fn tip(tag: u8) -> OutPoint {
    OutPoint {
        txid: txid(tag),
        vout: 0,
    }
}

#[test]
fn a_spend_waits_confirms_and_is_buried() {
    let ours = [txid(2), txid(3)];
    let waiting = Fate::Waiting.next(tip(1), &ours, tip(1), 10);
    assert_eq!(waiting, Fate::Waiting);
    let confirmed = waiting.next(tip(1), &ours, tip(3), 11);
    assert_eq!(confirmed, Fate::Confirmed(11), "any version counts");
    assert_eq!(
        confirmed.next(tip(1), &ours, tip(9), 12),
        Fate::Confirmed(11),
        "the chain goes on"
    );
    assert!(!confirmed.is_buried(12, 2) && confirmed.is_buried(13, 2));
    assert!(!waiting.is_buried(1_000, 1));
}

#[test]
fn a_reorganisation_makes_a_spend_wait_again() {
    let ours = [txid(2)];
    assert_eq!(Fate::Confirmed(11).next(tip(1), &ours, tip(1), 12), Fate::Waiting);
    assert_eq!(Fate::Beaten(11).next(tip(1), &ours, tip(1), 12), Fate::Waiting);
    assert_eq!(
        Fate::Beaten(11).next(tip(1), &ours, tip(2), 12),
        Fate::Confirmed(12)
    );
}

#[test]
fn another_spend_beats_ours() {
    let beaten = Fate::Waiting.next(tip(1), &[txid(2)], tip(7), 11);
    assert_eq!(beaten, Fate::Beaten(11));
    let elsewhere = OutPoint {
        txid: txid(2),
        vout: 1,
    };
    assert_eq!(
        Fate::Waiting.next(tip(1), &[txid(2)], elsewhere, 11),
        Fate::Beaten(11)
    );
}

#[test]
fn fates_survive_the_journal() {
    for fate in [Fate::Waiting, Fate::Confirmed(7), Fate::Beaten(9)] {
        let mut bytes = Vec::new();
        fate.encode_to(&mut bytes);
        assert_eq!(Fate::decode_from(&mut Reader::new(&bytes)), Ok(fate));
    }
    assert!(Fate::decode_from(&mut Reader::new(&[3, 0, 0, 0, 0])).is_err());
}
