//! The first batch: deposits of one wallet, two for every transfer.

use tacit_protocol::batch::{Batch, BatchData, BatchShape, Credit};
use tacit_protocol::kv::{MemoryKv, Overlay};
use tacit_protocol::note::{Note, Position};
use tacit_protocol::transfer::ProofBytes;
use tacit_protocol::{Amount, ledger, testing};
use tacit_verifier::Rules;
use tacit_verifier::chain::records::{BatchRecord, Place};
use tacit_verifier::chain::{self, table};
use tacit_wallet::Keys;

use super::TRANSFERS;

/// The shape of the batch that holds the deposits.
const FUNDING: BatchShape = BatchShape::B192x32;
/// Its number.
pub(super) const FUNDED: u32 = 1;

pub(super) fn sats(sats: u64) -> Amount {
    Amount::from_sat(sats).expect("the benches' amounts are small")
}

/// Deposits of the wallet, where the first batch puts them.
pub(super) fn deposits(wallet: &Keys) -> Vec<(Note, Position)> {
    let incoming = wallet.viewing().incoming();
    (0u16..)
        .take(2 * TRANSFERS)
        .map(|i| {
            let note = Note {
                v: sats(50_000 + u64::from(i)),
                d: incoming.internal_diversifier(),
                pk_d: incoming.internal_pk_d(),
                rcm: wallet.root().deposit_rcm(u32::from(i)),
            };
            let first = u16::try_from(2 * FUNDING.slots()).expect("a subtree has 1,024 leaves");
            let position = Position::new(FUNDED, first + i).expect("a leaf of the subtree");
            (note, position)
        })
        .collect()
}

/// The batch that credits them.
pub(super) fn funding(notes: &[(Note, Position)]) -> BatchData {
    let credit = |(note, position): &(Note, Position)| Credit {
        v: note.v,
        inner: note.inner(),
        outpoint: position.to_field(),
    };
    BatchData {
        credits: notes.iter().map(credit).collect(),
        ..testing::batch_data(FUNDING, FUNDED)
    }
}

/// The genesis state with one batch on top, recorded as if an anchor had carried it.
pub(super) fn credited(rules: &Rules, data: &BatchData) -> MemoryKv {
    let genesis = rules.params().genesis();
    let mut kv = MemoryKv::default();
    let first = chain::genesis(&kv, rules.params()).expect("memory does not fail");
    kv.commit(&first);
    let mut overlay = Overlay::new(&kv);
    let state = ledger::apply(&mut overlay, data).expect("deposits alone break no rule");
    let record = BatchRecord {
        place: Place {
            height: genesis.start_height,
            block: genesis.start_hash,
            time: 0,
            txid: genesis.anchor.txid,
        },
        operator: data.operator,
        batch: Batch {
            shape: data.shape,
            operator: Some(data.operator),
            state: state.commitment(),
            proof: ProofBytes([0; 128]),
            anchors: data.anchors.clone(),
            transfers: Vec::new(),
            deposits: Vec::new(),
        },
    };
    table::put_batch(&mut overlay, data.number, &record);
    let delta = overlay.into_delta();
    kv.commit(&delta);
    kv
}
