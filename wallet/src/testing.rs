//! A node in memory for the wallet's tests: real ledger, real batches, no Bitcoin and no proofs.
//!
//! A "proof" here is a hash of the public inputs, made only for statements that are satisfied and
//! compared when a transfer is handed in, so a transfer that a real node would refuse for its proof
//! is refused here as well.

use std::cell::RefCell;

use bitcoin::hashes::Hash;
use bitcoin::key::Keypair;
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use bitcoin::{BlockHash, OutPoint, ScriptBuf, Transaction, Txid};
use rand_core::CryptoRngCore;
use tacit_circuits::r1cs::Statement;
use tacit_circuits::transfer::TransferStatement;
use tacit_protocol::batch::{Batch, BatchData, BatchShape, Credit, Slot};
use tacit_protocol::hash::{B2, Label};
use tacit_protocol::kv::{MemoryKv, Overlay};
use tacit_protocol::ledger;
use tacit_protocol::params::{ChainParams, FeeTable, Genesis, RULES_VERSION};
use tacit_protocol::peg::FeeRate;
use tacit_protocol::state::State;
use tacit_protocol::transfer::{ProofBytes, Transfer, TransferId};
use tacit_protocol::tree::{LEAF_DEPTH, empty_root, subtree_root};
use tacit_protocol::{Amount, F, Network};
use tacit_prover::ProveError;

use crate::api::*;
use crate::prover::TransferProver;

/// The fee of the tests' chain.
pub(crate) const FEE: u64 = 100;

pub(crate) fn sat(v: u64) -> Amount {
    Amount::from_sat(v).unwrap()
}

fn anchor_key() -> Keypair {
    Keypair::from_secret_key(&Secp256k1::new(), &SecretKey::from_slice(&[5; 32]).unwrap())
}

/// Parameters of a chain for tests; `salt` makes different ones.
pub(crate) fn params(salt: u32) -> ChainParams {
    let federation = Keypair::from_secret_key(&Secp256k1::new(), &SecretKey::from_slice(&[6; 32]).unwrap());
    let genesis = Genesis {
        rules_version: RULES_VERSION,
        network: Network::Regtest,
        start_height: 100,
        start_hash: BlockHash::all_zeros(),
        anchor: OutPoint {
            txid: Txid::from_byte_array([1; 32]),
            vout: salt,
        },
        vault: OutPoint {
            txid: Txid::from_byte_array([2; 32]),
            vout: 0,
        },
        vault_amount: sat(10_000),
        federation_key: federation.x_only_public_key().0,
        anchor_key: anchor_key().x_only_public_key().0,
        finality_depth: 2,
        refund_timelock: 20,
        takeover_timelock: 1_008,
        forced_window: 144,
        fee_table: FeeTable::new(&[FEE, 10 * FEE]).unwrap(),
    };
    ChainParams::new(genesis, Vec::new()).unwrap()
}

/// Checks statements instead of proving them.
pub(crate) struct CheckOnly;

fn fake_proof(public: &[F]) -> ProofBytes {
    let mut hash = B2::new(Label::Weights);
    for x in public {
        hash = hash.field(x);
    }
    let mut bytes = [0; 128];
    bytes[..64].copy_from_slice(&hash.finish());
    ProofBytes(bytes)
}

impl TransferProver for CheckOnly {
    fn prove_transfer(
        &self,
        statement: &TransferStatement,
        _rng: &mut dyn CryptoRngCore,
    ) -> Result<ProofBytes, ProveError> {
        match statement.assignment().first_unsatisfied() {
            Some(constraint) => Err(ProveError::Unsatisfied {
                constraint,
                paragraph: None,
            }
            .in_system(&statement.r1cs())),
            None => Ok(fake_proof(&statement.public_inputs())),
        }
    }
}

/// One sealed batch and the ledger after it.
#[derive(Clone)]
struct Sealed {
    compact: CompactBatch,
    ids: Vec<TransferId>,
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
    sealed: Vec<Sealed>,
    pub(crate) mempool: Vec<Transfer>,
    pub(crate) coins: Vec<Coin>,
    pub(crate) height: u32,
    pub(crate) operator: F,
    pub(crate) broadcast: Vec<Transaction>,
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
    calls: u32,
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
            oldest_anchor: 0,
            next_submit: None,
            tamper_compact: |_| (),
            tamper_roots: |_| (),
            tamper_receipt: |_| (),
            calls: 0,
        };
        Self {
            params: params(0),
            inner: RefCell::new(inner),
        }
    }

    fn kv(&self) -> MemoryKv {
        let inner = self.inner.borrow();
        inner
            .sealed
            .last()
            .map_or_else(|| inner.genesis.clone(), |sealed| sealed.kv.clone())
    }

    fn state(&self, batch: u32) -> Option<State> {
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

    fn summary(&self, number: u32) -> Option<BatchSummary> {
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

    fn check(&self, transfer: &Transfer) -> Result<(), ApiError> {
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
        let mut receipt = promise.sign(&anchor_key(), &[0; 32]);
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
        let mut inner = self.inner.borrow_mut();
        inner.calls += 1;
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
        let terms = self.params.genesis().deposit_terms(deposit.inner, deposit.refund);
        let coin = inner
            .coins
            .iter_mut()
            .find(|coin| coin.found.outpoint == deposit.outpoint);
        let coin = coin
            .filter(|coin| terms.matches(&coin.found.script))
            .ok_or_else(|| ApiError::InvalidDeposit {
                reason: "the output does not pay to these terms".into(),
            })?;
        coin.registered = Some(*deposit);
        let (amount, height) = (coin.found.amount, coin.found.height);
        Ok(DepositStatus::Registered {
            amount,
            height,
            depth: tip - height,
            needed: 2,
        })
    }

    fn deposit_status(&self, _outpoint: OutPoint) -> Result<DepositStatus, ApiError> {
        Ok(DepositStatus::Unknown)
    }

    fn withdrawal_status(&self, _query: WithdrawalQuery) -> Result<WithdrawalStatus, ApiError> {
        Err(ApiError::NotFound {
            what: "withdrawal".into(),
        })
    }

    fn supply(&self) -> Result<Supply, ApiError> {
        Err(ApiError::NotFound {
            what: "supply".into(),
        })
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

/// A wallet in a directory of its own.
pub(crate) struct User {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) wallet: crate::Wallet,
    pub(crate) rng: rand::rngs::StdRng,
}

/// The passphrase of every wallet in the tests.
pub(crate) const PASSPHRASE: &[u8] = b"correct horse";

impl User {
    /// A wallet whose secret is `id` repeated.
    pub(crate) fn new(node: &MemoryNode, id: u8) -> Self {
        use rand::SeedableRng;
        let mut rng = rand::rngs::StdRng::seed_from_u64(u64::from(id));
        let dir = tempfile::tempdir().unwrap();
        let seed = crate::Seed::from_entropy([id; 32]);
        let path = dir.path().join("wallet");
        let kdf = crate::KdfParams::new(8, 1, 1).unwrap();
        let place = crate::Place {
            path: &path,
            passphrase: PASSPHRASE,
            kdf,
        };
        let wallet = crate::Wallet::create(&place, node.params.clone(), seed, &mut rng).unwrap();
        Self { dir, wallet, rng }
    }

    /// Closes the wallet and opens it again from its file.
    pub(crate) fn reopen(self) -> Self {
        let Self { dir, wallet, rng } = self;
        let params = wallet.params.clone();
        drop(wallet);
        let wallet = crate::Wallet::open(&dir.path().join("wallet"), PASSPHRASE, params).unwrap();
        Self { dir, wallet, rng }
    }

    pub(crate) fn try_sync(&mut self, node: &MemoryNode) -> Result<crate::SyncReport, crate::WalletError> {
        self.wallet.sync(node, &mut |_| (), &mut self.rng)
    }

    pub(crate) fn sync(&mut self, node: &MemoryNode) -> crate::SyncReport {
        self.try_sync(node).unwrap()
    }

    pub(crate) fn try_send(
        &mut self,
        node: &MemoryNode,
        payment: &crate::Payment,
    ) -> Result<crate::Sent, crate::WalletError> {
        let Self { wallet, rng, .. } = self;
        let mut session = crate::Session {
            api: node,
            prover: &CheckOnly,
            rng,
            now: 1_000,
            max_fee: None,
        };
        wallet.send(&mut session, payment)
    }

    pub(crate) fn pay(&mut self, node: &MemoryNode, to: &mut Self, amount: u64) -> crate::Sent {
        let payment = to.invoice(amount);
        self.try_send(node, &payment).unwrap()
    }

    /// A payment to a fresh address of this user.
    pub(crate) fn invoice(&mut self, amount: u64) -> crate::Payment {
        let (_, to) = self.wallet.new_address(&mut self.rng).unwrap();
        crate::Payment::Pay {
            to,
            amount: sat(amount),
        }
    }

    /// Deposits, is credited in a batch of its own that is anchored deep, and syncs.
    pub(crate) fn deposit(&mut self, node: &MemoryNode, amount: u64) {
        let offer = self.wallet.new_deposit(&mut self.rng).unwrap();
        node.seal(&[(sat(amount), offer.inner)]);
        node.anchor(2);
        self.sync(node);
    }

    /// What can be spent.
    pub(crate) fn has(&self) -> u64 {
        self.wallet.spendable_amount().to_sat()
    }
}
