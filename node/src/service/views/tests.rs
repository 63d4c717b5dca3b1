//! Tests of answers from rows of the state.

use bitcoin::secp256k1::schnorr::Signature;
use tacit_protocol::kv::{MemoryKv, Overlay};
use tacit_protocol::peg::{Announcement, Epoch, Release};
use tacit_protocol::testing::{outpoint, params, x_only};
use tacit_verifier::chain::handover::{Announced, EpochRecord};

use super::*;

fn announcement(number: u32, federation: u8) -> Announcement {
    let mut epoch = Epoch {
        number,
        ..params().genesis().epoch()
    };
    epoch.keys.federation = x_only(federation);
    Announcement {
        epoch,
        release: Release::Federation(Signature::from_slice(&[1; 64]).unwrap()),
        successor: Signature::from_slice(&[2; 64]).unwrap(),
    }
}

/// Announces epochs and begins those with a height.
fn state(epochs: &[(u32, u8, Option<u32>)]) -> MemoryKv {
    let base = MemoryKv::default();
    let mut overlay = Overlay::new(&base);
    let first = EpochRecord {
        epoch: params().genesis().epoch(),
        height: 100,
        txid: outpoint(1).txid,
        announcement: None,
    };
    table::put_epoch(&mut overlay, &first);
    for (number, federation, height) in epochs {
        let announcement = announcement(*number, *federation);
        let announced = Announced {
            announcement: announcement.clone(),
            height: 100 + number,
            txid: outpoint(2).txid,
        };
        let hash = announcement.epoch.hash(params().chain_id());
        table::put_announced(&mut overlay, &hash, &announced);
        if let Some(height) = height {
            let record = EpochRecord {
                epoch: announcement.epoch.clone(),
                height: *height,
                txid: outpoint(3).txid,
                announcement: Some(announcement),
            };
            table::put_epoch(&mut overlay, &record);
        }
    }
    let mut kv = MemoryKv::default();
    kv.commit(overlay.delta());
    kv
}

#[test]
fn epochs_that_began_are_told_in_order_and_those_that_may_come_next_apart() {
    let none = Epochs::default();
    assert_eq!(epochs(&state(&[])).unwrap(), none);
    let told = |number, federation, height| EpochDetails {
        number,
        height,
        announcement: announcement(number, federation),
    };
    // One of two began; the other one of its number waits no more.
    let kv = state(&[
        (1, 21, Some(110)),
        (1, 22, None),
        (2, 23, Some(120)),
        (3, 24, None),
    ]);
    let expected = Epochs {
        begun: vec![told(1, 21, 110), told(2, 23, 120)],
        waiting: vec![told(3, 24, 103)],
    };
    assert_eq!(epochs(&kv).unwrap(), expected);
}
