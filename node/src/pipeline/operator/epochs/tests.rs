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

#[test]
fn members_that_did_not_sign_are_asked_again_after_a_block_and_not_at_every_look() {
    let hash = |byte| EpochHash([byte; 32]);
    let mut epochs = Epochs::default();
    assert_eq!(epochs.unsigned(&hash(1)), None);
    assert!(epochs.may_ask(9), "nobody was asked yet");
    assert!(!epochs.may_ask(9));
    assert!(epochs.may_ask(10) && !epochs.may_ask(10));
    epochs.asked = Instant::now().checked_sub(ASK_AGAIN).map(|before| (10, before));
    assert!(epochs.may_ask(10), "after a while too");
    epochs.status = Some(EpochStatus {
        number: 0,
        next: Some(hash(1).to_string()),
        state: UNSIGNED.to_owned(),
        reason: Some("why".into()),
    });
    assert_eq!(epochs.unsigned(&hash(1)).as_deref(), Some("why"));
    assert_eq!(
        epochs.unsigned(&hash(2)),
        None,
        "another epoch is asked for at once"
    );
}
