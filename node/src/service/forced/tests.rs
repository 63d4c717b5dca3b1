//! The queues as they are answered: pages, places, outcomes.

use bitcoin::Txid;
use bitcoin::hashes::Hash;
use tacit_protocol::batch::DepositClaim;
use tacit_protocol::kv::{MemoryKv, Overlay};
use tacit_protocol::transfer::TransferId;
use tacit_protocol::{F, testing};
use tacit_verifier::chain;
use tacit_verifier::chain::forced::{QueuedClaim, QueuedTransfer, Void};
use tacit_verifier::chain::records::{AnchorRecord, Place, Swept, Verdict};

use super::*;

/// Requests `0 … n` for transfers, one per block from `1_000` on, and an anchor in the block at `anchor`.
fn queue(n: u16, anchor: u32) -> MemoryKv {
    let mut kv = MemoryKv::default();
    let delta = chain::genesis(&kv, &testing::params()).unwrap();
    kv.commit(&delta);
    let mut overlay = Overlay::new(&kv);
    for request in 0..n {
        table::put_forced_transfer(&mut overlay, at(request), &queued(request)).unwrap();
    }
    let place = Place {
        height: anchor,
        block: bitcoin::BlockHash::all_zeros(),
        time: 0,
        txid: Txid::all_zeros(),
    };
    let verdict = Verdict::Empty("a test".into());
    table::append_anchor(&mut overlay, &AnchorRecord { place, verdict }).unwrap();
    let delta = overlay.into_delta();
    kv.commit(&delta);
    kv
}

fn bytes(request: u16) -> [u8; 32] {
    let mut bytes = [7; 32];
    bytes[..2].copy_from_slice(&request.to_le_bytes());
    bytes
}

fn txid(request: u16) -> Txid {
    Txid::from_byte_array(bytes(request))
}

fn id(request: u16) -> TransferId {
    TransferId(bytes(request))
}

fn at(request: u16) -> Position {
    Position {
        height: 1_000 + u32::from(request),
        tx: 3,
        input: 1,
    }
}

fn queued(request: u16) -> QueuedTransfer {
    QueuedTransfer {
        txid: txid(request),
        id: id(request),
        transfer: testing::transfer(3 * u64::from(request)),
    }
}

fn window() -> u32 {
    u32::from(testing::params().genesis().forced_window)
}

fn expected(request: u16, before: u64, due: bool) -> ForcedRequestStatus {
    ForcedRequestStatus {
        place: place(at(request)),
        posted_by: txid(request),
        subject: ForcedSubject::Txid(id(request)),
        due_height: at(request).height + window(),
        status: ForcedState::Waiting { before, due },
    }
}

fn ask(kv: &MemoryKv, after: Option<u16>, limit: u32) -> ForcedPage {
    let range = ForcedRange {
        queue: ForcedQueue::Transfers,
        after: after.map(|request| place(at(request))),
        limit,
    };
    page(kv, &testing::params(), &range).unwrap()
}

#[test]
fn a_queue_is_answered_in_pages_with_everybodys_place() {
    // The requests posted in the first two blocks are due.
    let anchor = at(1).height + window();
    let kv = queue(4, anchor);
    let first = ask(&kv, None, 3);
    assert_eq!((first.anchor_height, first.waiting), (anchor, 4));
    assert_eq!(
        first.requests,
        [expected(0, 0, true), expected(1, 1, true), expected(2, 2, false)]
    );
    assert_eq!(ask(&kv, Some(2), 3).requests, [expected(3, 3, false)]);
    assert_eq!(ask(&kv, Some(3), 3).requests, []);
    assert_eq!(ask(&kv, None, 0).requests, []);
    assert_eq!(ask(&queue(0, 5), None, 9).waiting, 0);
    let claims = ForcedRange {
        queue: ForcedQueue::Deposits,
        after: None,
        limit: 9,
    };
    let claims = page(&kv, &testing::params(), &claims).unwrap();
    assert_eq!((claims.waiting, claims.requests), (0, vec![]));
}

#[test]
fn a_page_holds_no_more_than_the_limit_whatever_is_asked() {
    let kv = queue(300, 1);
    let first = ask(&kv, None, u32::MAX);
    assert_eq!((first.waiting, first.requests.len()), (300, 256));
    assert_eq!(ask(&kv, Some(255), u32::MAX).requests.len(), 44);
}

#[test]
fn claims_are_found_by_the_output_of_their_deposit() {
    let mut kv = queue(0, 1_000 + window());
    let outpoint = testing::outpoint(5);
    let swept = Swept {
        outpoint,
        script: bitcoin::ScriptBuf::new(),
        amount: testing::genesis().vault_amount,
        credit: testing::genesis().vault_amount,
        height: 900,
        epoch: 0,
        txid: txid(1),
        after_fault: false,
        credited: None,
    };
    let claim = DepositClaim {
        sweep: 0,
        inner: F::from(1u64),
        refund: testing::x_only(1),
    };
    let mut overlay = Overlay::new(&kv);
    table::put_swept(&mut overlay, 0, &swept);
    let queued = QueuedClaim { txid: txid(9), claim };
    table::put_forced_claim(&mut overlay, at(0), &queued).unwrap();
    let delta = overlay.into_delta();
    kv.commit(&delta);
    let expected = ForcedRequestStatus {
        posted_by: txid(9),
        subject: ForcedSubject::Outpoint(outpoint),
        ..expected(0, 0, true)
    };
    let params = testing::params();
    let found = status(&kv, &params, &ForcedQuery::Outpoint(outpoint));
    assert_eq!(found, Ok(vec![expected.clone()]));
    let range = ForcedRange {
        queue: ForcedQueue::Deposits,
        after: None,
        limit: 9,
    };
    assert_eq!(page(&kv, &params, &range).unwrap().requests, [expected]);
}

#[test]
fn a_request_is_followed_to_its_end() {
    let mut kv = queue(3, at(1).height + window());
    let params = testing::params();
    let follow = |kv: &MemoryKv, request: u16| {
        let query = ForcedQuery::Txid(id(request));
        status(kv, &params, &query).unwrap()
    };
    assert_eq!(follow(&kv, 1), [expected(1, 1, true)]);
    assert_eq!(follow(&kv, 9), []);
    let mut overlay = Overlay::new(&kv);
    let outcomes = [Fate::Honoured, Fate::Void(Void::Done(4))];
    for (request, fate) in (0u16..).zip(outcomes) {
        let settled = Settled {
            txid: queued(request).txid,
            batch: 7,
            fate,
        };
        table::settle_forced_transfer(&mut overlay, at(request), &queued(request), &settled);
    }
    let delta = overlay.into_delta();
    kv.commit(&delta);
    let ended = |request, status| ForcedRequestStatus {
        status,
        ..expected(request, 0, true)
    };
    assert_eq!(follow(&kv, 0), [ended(0, ForcedState::Honoured { batch: 7 })]);
    let reason = "batch 4 did it before".to_owned();
    assert_eq!(
        follow(&kv, 1),
        [ended(1, ForcedState::Dropped { batch: 7, reason })]
    );
    assert_eq!(follow(&kv, 2), [expected(2, 0, false)], "it moved up");
    let again = ForcedQuery::Outpoint(bitcoin::OutPoint::null());
    assert_eq!(status(&kv, &params, &again), Ok(vec![]), "no such deposit");
}
