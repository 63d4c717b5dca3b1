//! A full node whose sequencer is away says so.

use std::net::TcpListener;
use std::sync::Arc;

use tacit_sequencer::store::MemoryStore;

use super::*;

#[test]
fn a_sequencer_that_is_away_is_named_by_an_error_of_its_own() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let desk = Forward::new(&format!("http://{free}"), Arc::new(MemoryStore::new())).unwrap();
    let answers = [
        desk.fee_estimate().map(drop),
        desk.bridge_status().map(drop),
        desk.waiting_transfer(TransferId([1; 32])).map(drop),
        desk.deposit_status(OutPoint::null()).map(drop),
    ];
    for answer in answers {
        let Err(ApiError::SequencerUnavailable { reason }) = answer else {
            panic!("{answer:?}")
        };
        assert!(reason.contains(&free.to_string()), "{reason}");
    }
}
