//! Where a federation stands follows from the epochs of the state.

use tacit_protocol::kv::{MemoryKv, Overlay};
use tacit_protocol::peg::Epoch;
use tacit_protocol::testing;
use tacit_verifier::chain::handover::EpochRecord;

use super::*;

/// A state in which these had the vault, the last of them in office.
fn after(tenures: &[VaultKeys]) -> MemoryKv {
    let mut kv = MemoryKv::default();
    let mut overlay = Overlay::new(&kv);
    for (number, keys) in (0..).zip(tenures) {
        let keys = keys.clone();
        let record = EpochRecord {
            epoch: Epoch { number, keys },
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

fn keys(tag: u8) -> VaultKeys {
    VaultKeys::without_leaves(testing::x_only(tag))
}

#[test]
fn a_federation_is_in_office_was_or_is_not_yet() {
    let state = after(&[keys(1), keys(2), keys(3)]);
    for (tag, meant) in [
        (3, Standing::InOffice),
        (2, Standing::Former),
        (1, Standing::Former),
        (4, Standing::NotYet),
    ] {
        assert_eq!(standing(&keys(tag), &state).unwrap(), meant, "{tag}");
    }
}

#[test]
fn a_federation_file_with_other_leaves_than_its_vault_is_refused() {
    let state = after(&[keys(1), keys(2)]);
    let other = VaultKeys {
        backup: Some(testing::quorum(2, &[71, 72], 144)),
        ..keys(2)
    };
    let refused = standing(&other, &state).unwrap_err().to_string();
    assert!(refused.contains("the vault of epoch 1"), "{refused}");
}
