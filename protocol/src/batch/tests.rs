//! Batches decode exactly; the digest binds every public value.

use super::*;
use crate::testing;

fn batch() -> Batch {
    Batch {
        shape: BatchShape::B4x4,
        operator: Some(F::from(5u64)),
        state: F::from(6u64),
        proof: ProofBytes([3; 128]),
        anchors: vec![0, 0],
        transfers: vec![testing::transfer(1), testing::transfer(5)],
        deposits: vec![DepositClaim {
            sweep: 3,
            inner: F::from(9u64),
            refund: testing::x_only(8),
        }],
    }
}

#[test]
fn batch_and_payload_survive_their_encoding() {
    let payload = Payload::new(vec![
        batch(),
        Batch {
            operator: None,
            transfers: vec![],
            ..batch()
        },
    ]);
    let payload = payload.expect("two partial batches");
    assert_eq!(Payload::decode(&payload.encode()), Ok(payload));
}

#[test]
fn malformed_batches_are_refused() {
    let good = batch().encode();
    let tampered = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        Batch::decode(&bytes)
    };
    assert_eq!(tampered(0, 9), Err(DecodeError::Unknown("batch shape")));
    assert_eq!(tampered(1, 2), Err(DecodeError::Unknown("batch flags")));
    assert_eq!(tampered(2, 5), Err(DecodeError::OutOfRange("batch counts")));
    assert_eq!(tampered(3, 5), Err(DecodeError::OutOfRange("batch counts")));
    assert!(Batch::decode(&good[..good.len() - 1]).is_err());
    assert!(Batch::decode(&[good.clone(), vec![0]].concat()).is_err());
}

#[test]
fn anchors_have_one_encoding() {
    let with = |anchors: Vec<u32>| Batch { anchors, ..batch() }.encode();
    assert!(Batch::decode(&with(vec![0, 7])).is_ok());
    assert_eq!(
        Batch::pad_anchors(BatchShape::B20x8, &[4, 2]),
        Some(vec![4, 2, 2, 2])
    );
    assert_eq!(Batch::pad_anchors(BatchShape::B4x4, &[4, 2, 1]), None);
    let twenty = Batch {
        shape: BatchShape::B20x8,
        anchors: vec![0, 3, 0, 0],
        ..batch()
    };
    assert_eq!(
        Batch::decode(&twenty.encode()),
        Err(DecodeError::Unknown("padding of the anchors"))
    );
}

#[test]
fn payload_needs_a_batch_and_allows_few_partial_ones() {
    assert!(Payload::new(Vec::new()).is_err());
    assert!(Payload::new(vec![batch(); MAX_PARTIAL]).is_ok());
    assert!(Payload::new(vec![batch(); MAX_PARTIAL + 1]).is_err());
}

#[test]
fn digest_binds_every_public_value() {
    type Tamper = fn(&mut BatchData);
    let mut data = testing::batch_data(BatchShape::B4x4, 3);
    data.slots = vec![testing::slot(1, 40), testing::slot(3, 0)];
    data.credits = vec![testing::credit(1, 30_000)];
    let roots = [F::from(1u64), F::from(2u64)];
    let digest = data.digest(F::from(4u64), &roots);
    let table: [(&str, Tamper); 14] = [
        ("number", |d| d.number += 1),
        ("shape", |d| d.shape = BatchShape::B20x8),
        ("operator", |d| d.operator += F::from(1u64)),
        ("anchor", |d| d.anchors[1] = 1),
        ("slot's anchor", |d| d.slots[0].anchor_index = 1),
        ("nullifier", |d| d.slots[1].nf[0] = testing::nullifier(88)),
        ("commitment", |d| d.slots[0].cm.swap(0, 1)),
        ("fee", |d| d.slots[0].fee = Amount::ZERO),
        ("exit", |d| d.slots[0].exit = Amount::ZERO),
        ("context", |d| d.slots[0].ctx += F::from(1u64)),
        ("slot removed", |d| d.slots.truncate(1)),
        ("credit's amount", |d| d.credits[0].v = Amount::ZERO),
        ("credit's outpoint", |d| d.credits[0].outpoint = F::from(0u64)),
        ("credit removed", |d| d.credits.clear()),
    ];
    for (name, tamper) in table {
        let mut other = data.clone();
        tamper(&mut other);
        assert_ne!(other.digest(F::from(4u64), &roots), digest, "{name}");
    }
    assert_ne!(data.digest(F::from(5u64), &roots), digest, "chain");
    assert_ne!(data.digest(F::from(4u64), &[roots[1], roots[0]]), digest, "roots");
}
