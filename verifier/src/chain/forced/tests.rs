//! Tests of the records of forced requests.

use tacit_protocol::F;
use tacit_protocol::testing;

use super::*;

fn txid() -> Txid {
    Txid::from_byte_array([3; 32])
}

#[test]
fn positions_sort_like_their_keys_and_come_back() {
    let numbers = [0, 1, 255, 256, u32::MAX];
    let mut positions = Vec::new();
    for height in numbers {
        for tx in numbers {
            positions.extend(numbers.map(|input| Position { height, tx, input }));
        }
    }
    assert!(positions.is_sorted());
    assert!(positions.iter().map(|p| p.to_key()).is_sorted());
    for position in positions {
        let key = position.to_key();
        assert_eq!(Position::from_key(&key), Some(position));
        assert_eq!(Position::from_key(&key[1..]), None);
        assert_eq!(Position::from_key(&[&key[..], &[0]].concat()), None);
    }
}

#[test]
fn records_of_requests_survive_their_encoding() {
    let queued = QueuedTransfer {
        txid: txid(),
        id: TransferId([4; 32]),
        transfer: testing::transfer(1),
    };
    assert_eq!(QueuedTransfer::decode(&queued.encode()), Ok(queued));
    let claim = DepositClaim {
        sweep: 7,
        inner: F::from(5u64),
        refund: testing::x_only(2),
    };
    let queued = QueuedClaim { txid: txid(), claim };
    assert_eq!(QueuedClaim::decode(&queued.encode()), Ok(queued));
    let voids = [Void::Done(9), Void::Spent(testing::nullifier(1)), Void::Supply];
    let fates = voids.map(Fate::Void).into_iter().chain([Fate::Honoured]);
    for fate in fates {
        let settled = Settled {
            txid: txid(),
            batch: 8,
            fate,
        };
        assert_eq!(Settled::decode(&settled.encode()), Ok(settled));
    }
    let mut unknown = Settled {
        txid: txid(),
        batch: 8,
        fate: Fate::Honoured,
    }
    .encode();
    unknown[36] = 4;
    assert_eq!(
        Settled::decode(&unknown),
        Err(DecodeError::Unknown("fate of a forced request"))
    );
}
