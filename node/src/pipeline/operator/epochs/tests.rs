//! Who comes next follows from the epochs of the state and the order of the configuration.

use tacit_protocol::kv::{MemoryKv, Overlay};
use tacit_protocol::testing;
use tacit_verifier::chain::handover::EpochRecord;

use super::*;

fn keys(tag: u8) -> VaultKeys {
    VaultKeys::without_leaves(testing::x_only(tag))
}

fn state(tenures: &[u8]) -> MemoryKv {
    let mut kv = MemoryKv::default();
    let mut overlay = Overlay::new(&kv);
    for (number, tag) in (0..).zip(tenures) {
        let record = EpochRecord {
            epoch: Epoch {
                number,
                keys: keys(*tag),
            },
            height: number,
            txid: testing::outpoint(1).txid,
            announcement: None,
        };
        table::put_epoch(&mut overlay, &record);
    }
    let delta = overlay.into_delta();
    kv.commit(&delta);
    kv
}

#[test]
fn the_first_federation_that_never_had_office_comes_next() {
    let kv = state(&[1, 2]);
    let next = |tags: &[u8]| {
        let configured: Vec<VaultKeys> = tags.iter().map(|tag| keys(*tag)).collect();
        to_come(&kv, configured.iter().enumerate()).unwrap()
    };
    assert_eq!(next(&[2]), None, "it is in office");
    assert_eq!(next(&[1, 2]), None, "who handed over does not come again");
    assert_eq!(next(&[2, 3, 4]), Some(1));
    assert_eq!(next(&[4, 2, 3]), Some(0));
    assert_eq!(next(&[]), None, "one local key signs");
}
