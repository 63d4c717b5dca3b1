//! Records survive their encodings and nothing else decodes.

use tacit_protocol::F;
use tacit_protocol::batch::BatchShape;

use super::*;
use crate::fixture::{draft, nullifier};
use crate::halt::Halt;

fn sealed() -> Sealed {
    let transfers = vec![
        draft(1).prove(F::from(1u64)),
        draft(2).exit(50_000, 500).prove(F::from(1u64)),
    ];
    let batch = Batch {
        shape: BatchShape::B4x4,
        operator: Some(F::from(7u64)),
        state: F::from(8u64),
        proof: NO_PROOF,
        anchors: vec![0, 0],
        transfers,
        deposits: Vec::new(),
    };
    Sealed {
        height: 12,
        batch,
        targets: vec![3, 4],
    }
}

fn survives<T: Encode + Decode + PartialEq + std::fmt::Debug>(value: &T) {
    let bytes = value.encode();
    assert_eq!(T::decode(&bytes).as_ref(), Ok(value));
    assert!(
        T::decode(&bytes[..bytes.len() - 1]).is_err(),
        "a truncated record"
    );
    let longer = [&bytes[..], &[0]].concat();
    assert!(T::decode(&longer).is_err(), "a record with a tail");
}

#[test]
fn records_survive_their_encoding() {
    survives(&sealed());
    let transfer = draft(1).prove(F::from(1u64));
    survives(&Queued {
        arrived: Time::from_millis(5),
        target: 9,
        transfer,
    });
    for reason in [
        DropReason::Expired { expiry: 7 },
        DropReason::Spent(nullifier(1)),
        DropReason::AnchorReplaced(5),
        DropReason::Supply,
        DropReason::Invalid,
    ] {
        survives(&Rejection { batch: 3, reason });
    }
    survives(&Halt::AnotherWriter { number: 3 });
    survives(&Halt::Unreachable { number: 4 });
}

#[test]
fn unknown_codes_are_refused() {
    let mut bytes = Rejection {
        batch: 3,
        reason: DropReason::Supply,
    }
    .encode();
    *bytes.last_mut().expect("a code") = 99;
    assert!(Rejection::decode(&bytes).is_err());
    assert!(Halt::decode(&[9, 0, 0, 0, 0]).is_err());
}

#[test]
fn content_of_a_batch_does_not_depend_on_its_proof() {
    let sealed = sealed();
    let proven = sealed.with_proof(ProofBytes([5; 128]));
    assert!(sealed.is_content_of(&proven));
    assert_eq!(Sealed::found(&proven, 3, 12).batch, sealed.batch);
    let other = Batch {
        anchors: vec![1, 1],
        ..proven
    };
    assert!(!sealed.is_content_of(&other));
}

#[test]
fn codes_of_reasons_differ() {
    let reasons = [
        DropReason::Expired { expiry: 7 },
        DropReason::Spent(nullifier(1)),
        DropReason::AnchorReplaced(5),
        DropReason::Supply,
        DropReason::Invalid,
    ];
    let codes: std::collections::HashSet<_> = reasons.iter().map(|r| r.code()).collect();
    assert_eq!(codes.len(), reasons.len());
}
