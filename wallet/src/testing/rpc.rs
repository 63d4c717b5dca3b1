//! The node in memory, answering as a node does.

use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, OutPoint, ScriptBuf, Transaction, Txid};
use tacit_protocol::peg::FeeRate;
use tacit_protocol::transfer::{Transfer, TransferId};
use tacit_protocol::tree::{LEAF_DEPTH, empty_root, subtree_root};

use super::{FEE, MemoryNode, keypair, sat};
use crate::api::*;

impl NodeApi for MemoryNode {
    fn status(&self) -> Result<Status, ApiError> {
        let inner = self.inner.borrow();
        let batch = u32::try_from(inner.sealed.len()).unwrap();
        let anchored = inner
            .sealed
            .iter()
            .filter(|s| s.compact.anchored.is_some())
            .count();
        let anchored_batch = u32::try_from(anchored).unwrap();
        Ok(Status {
            version: "test".into(),
            role: Role::Sequencer,
            network: self.params.genesis().network,
            chain_id: self.params.chain_id(),
            bitcoin_height: inner.height,
            bitcoin_hash: BlockHash::all_zeros(),
            sequencer: keypair(inner.sequencer.0).x_only_public_key().0,
            batch,
            state: self.state(batch).unwrap().commitment(),
            anchored_batch,
            pending_batches: batch - anchored_batch,
            mempool: u32::try_from(inner.mempool.len()).unwrap(),
            sync: SyncState::Synced,
        })
    }

    fn chain_params(&self) -> Result<String, ApiError> {
        Ok(self.params.to_json())
    }

    fn submit_transfer(&self, transfer: &Transfer) -> Result<Receipt, ApiError> {
        let planned = self.inner.borrow_mut().next_submit.take();
        if let Some((false, error)) = planned {
            return Err(error);
        }
        self.check(transfer)?;
        let mut inner = self.inner.borrow_mut();
        inner.mempool.retain(|t| t.body != transfer.body);
        inner.mempool.push(transfer.clone());
        let promise = Promise {
            chain_id: self.params.chain_id(),
            txid: transfer.body.id(&self.params).unwrap(),
            nf: transfer.body.nf,
            target_batch: u32::try_from(inner.sealed.len()).unwrap() + 1,
            key_epoch: 0,
        };
        let mut receipt = promise.sign(&keypair(inner.sequencer.1), &[0; 32]);
        (inner.tamper_receipt)(&mut receipt);
        planned.map_or(Ok(receipt), |(_, error)| Err(error))
    }

    fn transfer_status(&self, txid: TransferId) -> Result<TransferStatus, ApiError> {
        let inner = self.inner.borrow();
        if inner
            .mempool
            .iter()
            .any(|t| t.body.id(&self.params).unwrap() == txid)
        {
            return Ok(TransferStatus::Pending);
        }
        let found = inner
            .sealed
            .iter()
            .find_map(|s| Some((s, s.ids.iter().position(|id| *id == txid)?)));
        Ok(found.map_or(TransferStatus::Unknown, |(sealed, slot)| {
            TransferStatus::Batched {
                batch: sealed.compact.number,
                slot: u32::try_from(slot).unwrap(),
                anchored: sealed.compact.anchored,
                depth: 0,
            }
        }))
    }

    fn batches(&self, range: Range) -> Result<Vec<BatchSummary>, ApiError> {
        // A page smaller than asked for: wallets must go on.
        Ok((range.from..range.from + range.limit.min(3))
            .map_while(|n| self.summary(n))
            .collect())
    }

    fn batch(&self, number: u32) -> Result<BatchDetails, ApiError> {
        Err(ApiError::NotFound {
            what: format!("batch {number}"),
        })
    }

    fn compact(&self, range: Range) -> Result<Vec<CompactBatch>, ApiError> {
        let inner = self.inner.borrow();
        let tamper = inner.tamper_compact;
        let all = inner.sealed.iter().map(|s| s.compact.clone());
        let page = all
            .skip(range.from as usize - 1)
            .take(range.limit.min(2) as usize);
        Ok(page
            .map(|mut batch| {
                tamper(&mut batch);
                // What a wallet reads went through JSON.
                serde_json::from_str(&serde_json::to_string(&batch).unwrap()).unwrap()
            })
            .collect())
    }

    fn note_subtree_roots(&self, range: Range) -> Result<SubtreeRoots, ApiError> {
        let inner = self.inner.borrow();
        let root = |n: u32| match n.checked_sub(1) {
            None => Some(empty_root(LEAF_DEPTH)),
            Some(i) => {
                let compact = &inner.sealed.get(i as usize)?.compact;
                Some(subtree_root(&compact.note_leaves(&self.params).unwrap()))
            }
        };
        let roots = (range.from..range.from + range.limit.min(2))
            .map_while(root)
            .collect();
        let mut roots = SubtreeRoots {
            from: range.from,
            roots,
        };
        (inner.tamper_roots)(&mut roots);
        Ok(roots)
    }

    fn bridge_status(&self) -> Result<BridgeStatus, ApiError> {
        Err(ApiError::WrongRole)
    }

    fn fee_estimate(&self) -> Result<FeeEstimate, ApiError> {
        Ok(FeeEstimate {
            fee_code: 0,
            fee: sat(FEE),
            bitcoin_rate: FeeRate::from_sat_per_kwu(250),
        })
    }

    fn register_deposit(&self, deposit: &RegisterDeposit) -> Result<DepositStatus, ApiError> {
        let mut inner = self.inner.borrow_mut();
        let tip = inner.height;
        let genesis = self.params.genesis();
        let begun = inner.epochs.begun.iter();
        let later: Vec<_> = begun.map(|e| e.announcement.epoch.keys.federation).collect();
        let federations = later.iter().rev().copied().chain([genesis.federation_key]);
        let terms: Vec<_> = federations
            .map(|federation| genesis.deposit_terms(federation, deposit.inner, deposit.refund))
            .collect();
        let coin = inner
            .coins
            .iter_mut()
            .find(|coin| coin.found.outpoint == deposit.outpoint);
        let coin = coin
            .filter(|coin| terms.iter().any(|terms| terms.matches(&coin.found.script)))
            .ok_or_else(|| ApiError::InvalidDeposit {
                reason: "the output does not pay to these terms".into(),
            })?;
        coin.registered = Some(*deposit);
        let (amount, height) = (coin.found.amount, coin.found.height);
        if !terms[..terms.len().min(2)]
            .iter()
            .any(|terms| terms.matches(&coin.found.script))
        {
            return Ok(DepositStatus::Held {
                reason: "an earlier federation's".into(),
            });
        }
        Ok(DepositStatus::Registered {
            amount,
            height,
            depth: tip - height,
            needed: 2,
        })
    }

    fn deposit_status(&self, _outpoint: OutPoint) -> Result<DepositStatus, ApiError> {
        let swept = |depth| DepositStatus::Swept {
            txid: Txid::from_byte_array([9; 32]),
            amount: sat(1_000),
            depth,
            needed: 2,
        };
        let inner = self.inner.borrow();
        let amount = sat(1_000);
        let credited = inner
            .credited_in
            .map(|batch| DepositStatus::Credited { batch, amount });
        Ok(credited.unwrap_or_else(|| inner.sweep_depth.map_or(DepositStatus::Unknown, swept)))
    }

    fn withdrawal_status(&self, query: WithdrawalQuery) -> Result<WithdrawalStatus, ApiError> {
        let wanted = |found: &WithdrawalStatus| match query {
            WithdrawalQuery::Txid(txid) => found.txid == txid,
            WithdrawalQuery::Index(index) => found.index == index,
        };
        let found = self.withdrawals().into_iter().find(wanted);
        found.ok_or_else(|| ApiError::NotFound {
            what: "withdrawal".into(),
        })
    }

    fn supply(&self) -> Result<Supply, ApiError> {
        Err(ApiError::NotFound {
            what: "supply".into(),
        })
    }

    fn reserves(&self, _range: Range) -> Result<Vec<BatchReserves>, ApiError> {
        Err(ApiError::NotFound {
            what: "reserves".into(),
        })
    }

    fn forced_requests(&self, _range: ForcedRange) -> Result<ForcedPage, ApiError> {
        Err(ApiError::NotFound { what: "queue".into() })
    }

    fn forced_status(&self, _query: ForcedQuery) -> Result<Vec<ForcedRequestStatus>, ApiError> {
        Ok(Vec::new())
    }

    fn epochs(&self) -> Result<Epochs, ApiError> {
        Ok(self.inner.borrow().epochs.clone())
    }

    fn find_deposits(&self, scripts: &[ScriptBuf]) -> Result<Vec<FoundDeposit>, ApiError> {
        assert!(scripts.len() <= MAX_SCRIPTS);
        let inner = self.inner.borrow();
        let ours = inner
            .coins
            .iter()
            .filter(|coin| scripts.contains(&coin.found.script));
        Ok(ours.map(|coin| coin.found.clone()).collect())
    }

    fn broadcast(&self, transaction: &Transaction) -> Result<Txid, ApiError> {
        self.inner.borrow_mut().broadcast.push(transaction.clone());
        Ok(transaction.compute_txid())
    }
}
