//! A node in memory: real ledger, real batches, no Bitcoin and no proofs.

use std::cell::RefCell;

use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, OutPoint, ScriptBuf, Transaction, Txid};
use tacit_protocol::batch::{Batch, BatchData, BatchShape, Credit, Slot};
use tacit_protocol::kv::{MemoryKv, Overlay};
use tacit_protocol::ledger;
use tacit_protocol::params::ChainParams;
use tacit_protocol::state::State;
use tacit_protocol::transfer::{Transfer, TransferId};
use tacit_protocol::{Amount, F};

use super::{fake_proof, params, sat};
use crate::api::{
    Anchored, ApiError, BatchSummary, CompactBatch, CompactDeposit, CompactTransfer, Epochs, FoundDeposit,
    Receipt, RegisterDeposit, SubtreeRoots, WithdrawalState, WithdrawalStatus,
};

/// One sealed batch and the ledger after it.
#[derive(Clone)]
pub(super) struct Sealed {
    pub(super) compact: CompactBatch,
    pub(super) ids: Vec<TransferId>,
    kv: MemoryKv,
}

/// A deposit output on the imagined Bitcoin.
#[derive(Clone)]
pub(crate) struct Coin {
    pub(crate) found: FoundDeposit,
    pub(crate) registered: Option<RegisterDeposit>,
}

/// What tests change about a node.
pub(crate) struct Inner {
    genesis: MemoryKv,
    pub(super) sealed: Vec<Sealed>,
    pub(crate) mempool: Vec<Transfer>,
    pub(crate) coins: Vec<Coin>,
    pub(crate) height: u32,
    pub(crate) operator: F,
    pub(crate) broadcast: Vec<Transaction>,
    /// How deep every deposit's sweep is; `None` while there is none.
    pub(crate) sweep_depth: Option<u32>,
    /// The batch that credited every deposit, as it says.
    pub(crate) credited_in: Option<u32>,
    /// What it says of epochs.
    pub(crate) epochs: Epochs,
    /// The number of the sequencer's key, and of the one that receipts are signed with.
    pub(crate) sequencer: (u8, u8),
    /// Refuses anchors below this.
    pub(crate) oldest_anchor: u32,
    /// Answers the next hand-in with this, after taking the transfer or not.
    pub(crate) next_submit: Option<(bool, ApiError)>,
    /// Changes compact batches before they are handed out.
    pub(crate) tamper_compact: fn(&mut CompactBatch),
    /// Changes subtree roots before they are handed out.
    pub(crate) tamper_roots: fn(&mut SubtreeRoots),
    /// Changes receipts before they are handed out.
    pub(crate) tamper_receipt: fn(&mut Receipt),
    /// Changes what is said about withdrawals, which all count as eligible.
    pub(crate) tamper_withdrawal: fn(&mut WithdrawalStatus),
}

/// A node in memory.
pub(crate) struct MemoryNode {
    pub(crate) params: ChainParams,
    pub(crate) inner: RefCell<Inner>,
}

impl MemoryNode {
    pub(crate) fn new() -> Self {
        let base = MemoryKv::default();
        let mut overlay = Overlay::new(&base);
        ledger::write_genesis(&mut overlay).unwrap();
        let mut genesis = MemoryKv::default();
        genesis.commit(overlay.delta());
        let inner = Inner {
            genesis,
            sealed: Vec::new(),
            mempool: Vec::new(),
            coins: Vec::new(),
            height: 100,
            operator: F::from(77u64),
            broadcast: Vec::new(),
            sweep_depth: None,
            credited_in: None,
            epochs: Epochs::default(),
            sequencer: (5, 5),
            oldest_anchor: 0,
            next_submit: None,
            tamper_compact: |_| (),
            tamper_roots: |_| (),
            tamper_receipt: |_| (),
            tamper_withdrawal: |_| (),
        };
        Self {
            params: params(0),
            inner: RefCell::new(inner),
        }
    }

    pub(super) fn kv(&self) -> MemoryKv {
        let inner = self.inner.borrow();
        inner
            .sealed
            .last()
            .map_or_else(|| inner.genesis.clone(), |sealed| sealed.kv.clone())
    }

    pub(super) fn state(&self, batch: u32) -> Option<State> {
        ledger::state(&self.kv(), batch).unwrap()
    }

    /// Makes a batch of everything in the mempool and these deposits; returns its number.
    pub(crate) fn seal(&self, deposits: &[(Amount, F)]) -> u32 {
        let kv = self.kv();
        let mut inner = self.inner.borrow_mut();
        let transfers = std::mem::take(&mut inner.mempool);
        let number = u32::try_from(inner.sealed.len()).unwrap() + 1;
        let shape = BatchShape::B4x4;
        let mut distinct: Vec<u32> = transfers.iter().map(|t| t.anchor).collect();
        distinct.dedup();
        if distinct.is_empty() {
            distinct.push(0);
        }
        let anchors = Batch::pad_anchors(shape, &distinct).unwrap();
        let slots = transfers.iter().map(|t| Slot {
            anchor_index: u8::try_from(anchors.iter().position(|a| *a == t.anchor).unwrap()).unwrap(),
            nf: t.body.nf,
            cm: t.body.cm,
            fee: t.body.fee_amount(&self.params).unwrap(),
            exit: t.body.exit_amount(),
            ctx: t.body.ctx(&self.params).unwrap(),
        });
        let credits = deposits.iter().map(|(v, inner)| Credit {
            v: *v,
            inner: *inner,
            outpoint: F::from(1u64),
        });
        let data = BatchData {
            shape,
            number,
            operator: inner.operator,
            slots: slots.collect(),
            credits: credits.collect(),
            anchors,
        };
        let mut overlay = Overlay::new(&kv);
        let state = ledger::apply(&mut overlay, &data).unwrap();
        let mut after = kv.clone();
        after.commit(overlay.delta());
        let compact = CompactBatch {
            number,
            shape,
            operator: inner.operator,
            transfers: transfers
                .iter()
                .map(|t| CompactTransfer::new(t.body.clone()))
                .collect(),
            deposits: deposits
                .iter()
                .map(|(v, inner)| CompactDeposit { v: *v, inner: *inner })
                .collect(),
            state,
            anchored: None,
        };
        let ids = transfers
            .iter()
            .map(|t| t.body.id(&self.params).unwrap())
            .collect();
        inner.sealed.push(Sealed {
            compact,
            ids,
            kv: after,
        });
        number
    }

    /// Anchors all sealed batches in the next block and lets `depth` more pass.
    pub(crate) fn anchor(&self, depth: u32) {
        let mut inner = self.inner.borrow_mut();
        inner.height += 1;
        let height = inner.height;
        let mut block = [0; 32];
        block[..4].copy_from_slice(&height.to_le_bytes());
        let anchored = Anchored {
            height,
            block: BlockHash::from_byte_array(block),
            time: 1_000 + height,
        };
        for sealed in inner.sealed.iter_mut().filter(|s| s.compact.anchored.is_none()) {
            sealed.compact.anchored = Some(anchored);
        }
        inner.height += depth;
    }

    /// Forgets all batches after `keep`; their transfers are gone.
    pub(crate) fn roll_back(&self, keep: u32) {
        self.inner.borrow_mut().sealed.truncate(keep as usize);
    }

    /// Puts a deposit output on Bitcoin.
    pub(crate) fn pay_deposit(&self, script: ScriptBuf, amount: Amount) -> OutPoint {
        let mut inner = self.inner.borrow_mut();
        let n = u8::try_from(inner.coins.len()).unwrap();
        let outpoint = OutPoint {
            txid: Txid::from_byte_array([100 + n; 32]),
            vout: 1,
        };
        let found = FoundDeposit {
            script,
            outpoint,
            amount,
            height: inner.height,
            spent_by: None,
        };
        inner.coins.push(Coin {
            found,
            registered: None,
        });
        outpoint
    }

    /// Sweeps and credits every registered deposit, less a share; returns the batch.
    pub(crate) fn credit(&self, share: u64) -> u32 {
        let mut credits = Vec::new();
        for coin in &mut self.inner.borrow_mut().coins {
            if let (Some(deposit), None) = (&coin.registered, coin.found.spent_by) {
                credits.push((coin.found.amount.checked_sub(sat(share)).unwrap(), deposit.inner));
                coin.found.spent_by = Some(Txid::from_byte_array([200; 32]));
            }
        }
        self.seal(&credits)
    }

    /// All withdrawals, in order.
    pub(super) fn withdrawals(&self) -> Vec<WithdrawalStatus> {
        let inner = self.inner.borrow();
        let transfers = inner.sealed.iter().flat_map(|s| {
            s.compact
                .transfers
                .iter()
                .zip(&s.ids)
                .map(|(t, id)| (s.compact.number, t, id))
        });
        let exits = transfers.filter_map(|(batch, t, id)| Some((batch, id, t.body().exit.as_ref()?)));
        let told = (0..).zip(exits).map(|(index, (batch, id, exit))| {
            let mut status = WithdrawalStatus {
                index,
                txid: *id,
                batch,
                amount: exit.amount(),
                script: exit.script().to_script_buf(),
                max_l1_fee: exit.max_l1_fee(),
                key: exit.key(),
                raise: None,
                status: WithdrawalState::Eligible,
            };
            (inner.tamper_withdrawal)(&mut status);
            status
        });
        told.collect()
    }

    pub(super) fn summary(&self, number: u32) -> Option<BatchSummary> {
        let state = self.state(number)?;
        let inner = self.inner.borrow();
        let sealed = number.checked_sub(1).map(|i| &inner.sealed[i as usize].compact);
        Some(BatchSummary {
            number,
            shape: sealed.map(|c| c.shape.code()),
            transfers: sealed.map_or(0, |c| u32::try_from(c.transfers.len()).unwrap()),
            deposits: sealed.map_or(0, |c| u32::try_from(c.deposits.len()).unwrap()),
            state: state.commitment(),
            supply: state.supply,
            anchored: sealed.and_then(|c| c.anchored),
            reveal: None,
        })
    }

    pub(super) fn check(&self, transfer: &Transfer) -> Result<(), ApiError> {
        let body = &transfer.body;
        body.check(&self.params)
            .map_err(|rule| ApiError::InvalidTransfer {
                rule: rule.to_string(),
            })?;
        let inner = self.inner.borrow();
        let next = u32::try_from(inner.sealed.len()).unwrap() + 1;
        if body.expiry < next {
            return Err(ApiError::Expired {
                expiry: body.expiry,
                batch: next,
            });
        }
        let unknown = ApiError::UnknownAnchor {
            anchor: transfer.anchor,
        };
        if transfer.anchor < inner.oldest_anchor {
            return Err(unknown);
        }
        let anchor = self.state(transfer.anchor).ok_or(unknown)?;
        let public = body.public(&self.params).unwrap().inputs(anchor.notes_root);
        if fake_proof(&public) != transfer.proof {
            return Err(ApiError::InvalidTransfer {
                rule: "the proof does not verify".into(),
            });
        }
        let kv = self.kv();
        for nf in &body.nf {
            if tacit_protocol::tree::nullifiers::contains(&kv, nf).unwrap() {
                return Err(ApiError::Spent { nullifier: *nf });
            }
            if let Some(other) = inner
                .mempool
                .iter()
                .find(|t| t.body.nf.contains(nf) && t.body != *body)
            {
                let txid = other.body.id(&self.params).unwrap();
                return Err(ApiError::Conflict { nullifier: *nf, txid });
            }
        }
        Ok(())
    }
}
