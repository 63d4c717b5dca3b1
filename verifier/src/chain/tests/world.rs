//! A small Bitcoin chain for tests: real rules, real blocks, real ledger; only the provers are
//! replaced, by verifying keys whose secrets are known.

use std::sync::OnceLock;

use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::taproot::LeafVersion;
use bitcoin::transaction::Version;
use bitcoin::{
    BlockHash, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness, XOnlyPublicKey,
};
use tacit_protocol::batch::{Batch, BatchShape, DepositClaim, Payload};
use tacit_protocol::encoding::Encode;
use tacit_protocol::envelope::{Envelope, EnvelopeKind};
use tacit_protocol::kv::{KvRead, MemoryKv, Overlay};
use tacit_protocol::params::{ChainParams, CircuitKey};
use tacit_protocol::peg::forced::{FORCED_EXPIRY, ForcedRequest};
use tacit_protocol::peg::vault::{DepositCoin, HandoverPlan, UnsignedVaultTx, VaultPlan, plan_vault_tx};
use tacit_protocol::peg::{
    BlockInput, Coin, Epoch, Exit, ExitScript, FeeRate, TxInput, VaultTip, WithdrawalView,
};
use tacit_protocol::testing;
use tacit_protocol::transfer::{ProofBytes, Transfer};
use tacit_protocol::{Amount, F, ledger};

use crate::batch::{anchor_roots, resolve};
use crate::chain::handover::AnchorHead;
use crate::chain::records::{AnchorRecord, Cursor, Verdict};
use crate::chain::{self, handover, table};
use crate::groth16::testing::TrapdoorKey;
use crate::keys::circuit_digest;
use crate::rules::Rules;

/// What a deposit of the tests holds.
pub(super) const DEPOSIT: u64 = 100_000;
/// Its share of the miner's fee at [`rate`].
pub(super) const SHARE: u64 = 58;

pub(super) struct World {
    pub(super) rules: Rules,
    transfer: TrapdoorKey,
    /// One for the batches of every shape.
    batch: TrapdoorKey,
}

impl World {
    fn new(shapes: &[BatchShape]) -> Self {
        let (transfer, batch) = (TrapdoorKey::new(1, 7), TrapdoorKey::new(2, 3));
        let mut circuits = vec![circuit("transfer-v1", &transfer)];
        circuits.extend(shapes.iter().map(|shape| circuit(shape.circuit_name(), &batch)));
        let params = ChainParams::new(testing::genesis(), circuits).expect("valid parameters");
        let rules = Rules::load(params).expect("valid keys");
        Self {
            rules,
            transfer,
            batch,
        }
    }
}

/// Rules with keys for transfers and the smallest shape.
pub(super) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World::new(&[BatchShape::B4x4]))
}

/// Rules with keys for transfers and the two smallest shapes.
pub(super) fn wide_world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World::new(&[BatchShape::B4x4, BatchShape::B20x8]))
}

fn circuit(name: &str, key: &TrapdoorKey) -> CircuitKey {
    let key = key.verifying_key();
    CircuitKey {
        name: name.to_owned(),
        circuit_digest: circuit_digest(name).expect("a known circuit"),
        verifying_key: key.encode(),
        key_hash: key.hash(),
        insecure: true,
    }
}

/// The chain's takeover timelock.
pub(super) fn takeover() -> u16 {
    world().rules.params().genesis().takeover_timelock
}

pub(super) fn sats(sats: u64) -> Amount {
    Amount::from_sat(sats).expect("an amount")
}

pub(super) fn rate() -> FeeRate {
    FeeRate::from_sat_per_kwu(250)
}

/// Outpoint number `n`, never one of the genesis.
pub(super) fn outpoint(n: u64) -> OutPoint {
    let mut txid = [0xee; 32];
    txid[..8].copy_from_slice(&n.to_le_bytes());
    OutPoint {
        txid: Txid::from_byte_array(txid),
        vout: 0,
    }
}

/// A follower and the blocks it saw.
#[derive(Clone)]
pub(super) struct Chain {
    pub(super) kv: MemoryKv,
    pub(super) blocks: Vec<BlockInput>,
    pub(super) world: &'static World,
    /// Makes every block and every transaction different.
    nonce: u64,
}

impl Chain {
    pub(super) fn new() -> Self {
        Self::new_in(world())
    }

    /// A chain of these rules.
    pub(super) fn new_in(world: &'static World) -> Self {
        let mut kv = MemoryKv::default();
        let delta = chain::genesis(&kv, world.rules.params()).expect("memory");
        kv.commit(&delta);
        Self {
            kv,
            blocks: Vec::new(),
            world,
            nonce: 0,
        }
    }

    /// A chain with one batch, which credited one deposit. The sweep was number 0.
    pub(super) fn funded() -> Self {
        Self::funded_in(world())
    }

    /// The same under these rules.
    pub(super) fn funded_in(world: &'static World) -> Self {
        let mut chain = Self::new_in(world);
        let sweep = chain.sweep(&[1]);
        chain.mine(vec![sweep]);
        chain.mine(Vec::new());
        let batch = chain.batch(Vec::new(), vec![claim(0, 1)]);
        assert_eq!(
            chain.publish(vec![batch]),
            Verdict::Applied { first: 1, count: 1 }
        );
        chain
    }

    fn fresh(&mut self) -> u64 {
        self.nonce += 1;
        self.nonce
    }

    pub(super) fn cursor(&self) -> Cursor {
        table::cursor(&self.kv).expect("memory").expect("genesis")
    }

    pub(super) fn block(&mut self, txs: Vec<TxInput>) -> BlockInput {
        let cursor = self.cursor();
        let mut hash = [7; 32];
        hash[..8].copy_from_slice(&self.fresh().to_le_bytes());
        let height = cursor.height + 1;
        BlockInput {
            height,
            hash: BlockHash::from_byte_array(hash),
            prev: cursor.hash,
            time: height,
            txs,
        }
    }

    pub(super) fn connect(&mut self, block: BlockInput) {
        let delta = chain::connect(&self.kv, &self.world.rules, &block).expect("the next block");
        self.kv.commit(&delta);
        self.blocks.push(block);
    }

    pub(super) fn mine(&mut self, txs: Vec<TxInput>) {
        let block = self.block(txs);
        self.connect(block);
    }

    pub(super) fn disconnect(&mut self) {
        let delta = chain::disconnect(&self.kv).expect("undo data");
        self.kv.commit(&delta);
        self.blocks.pop();
    }

    /// What somebody derives who sees the present blocks only.
    pub(super) fn replay(&self) -> MemoryKv {
        let mut other = Self::new_in(self.world);
        self.blocks.iter().cloned().for_each(|block| other.connect(block));
        other.kv
    }

    /// Everything a follower keeps.
    pub(super) fn everything(kv: &MemoryKv) -> Vec<(Vec<u8>, Vec<u8>)> {
        kv.range(&[], &[0xff], usize::MAX).expect("memory")
    }

    pub(super) fn last_anchor(&self) -> AnchorRecord {
        let mut anchors = table::anchors(&self.kv, 0, usize::MAX).expect("memory");
        anchors.pop().expect("an anchor was mined").1
    }

    /// Mines an anchor with these batches; the verdict on it.
    pub(super) fn publish(&mut self, batches: Vec<Batch>) -> Verdict {
        let payload = Payload::new(batches).expect("few batches").encode();
        let anchor = self.anchor(payload);
        self.mine(vec![anchor]);
        self.last_anchor().verdict
    }

    /// The tip of the anchor chain.
    pub(super) fn head(&self) -> AnchorHead {
        table::anchor_head(&self.kv).expect("memory").expect("genesis")
    }

    /// An anchor transaction with this payload.
    pub(super) fn anchor(&mut self, payload: Vec<u8>) -> TxInput {
        let head = self.head();
        let (keys, tip) = (head.next_keys(takeover()), head.tip);
        let envelope = Envelope::new(keys.anchor, EnvelopeKind::Anchor, payload).expect("fits");
        let script = envelope.to_script();
        let mut control = vec![LeafVersion::TapScript.to_consensus()];
        control.extend_from_slice(&keys.anchor.serialize());
        let witness = Witness::from_slice(&[&[0; 64][..], script.as_bytes(), &control]);
        let output = TxOut {
            value: tip.txout.value,
            script_pubkey: keys.script_pubkey(),
        };
        let commit = outpoint(self.fresh());
        let input = vec![input(tip.outpoint, Witness::new()), input(commit, witness)];
        joined(input, vec![output.clone()], vec![tip.txout, output])
    }

    /// A spend of the anchor tip that carries nothing.
    pub(super) fn empty_anchor(&mut self) -> TxInput {
        let tip = self.head().tip;
        let input = vec![input(tip.outpoint, Witness::new())];
        joined(input, vec![tip.txout.clone()], vec![tip.txout])
    }

    /// A transaction that posts these requests, one per input.
    pub(super) fn post(&mut self, requests: &[ForcedRequest]) -> TxInput {
        let key = testing::x_only(9);
        let envelopes: Vec<Envelope> = requests
            .iter()
            .map(|request| request.envelope(key).expect("a short body"))
            .collect();
        self.envelopes(&envelopes)
    }

    /// A transaction that carries these envelopes, one per input.
    pub(super) fn envelopes(&mut self, envelopes: &[Envelope]) -> TxInput {
        let spent = |envelope: &Envelope, at: OutPoint| {
            let script = envelope.to_script();
            let mut control = vec![LeafVersion::TapScript.to_consensus()];
            control.extend_from_slice(&envelope.key().serialize());
            input(
                at,
                Witness::from_slice(&[&[0; 64][..], script.as_bytes(), &control]),
            )
        };
        let inputs = envelopes
            .iter()
            .map(|envelope| spent(envelope, outpoint(self.fresh())))
            .collect();
        let output = TxOut {
            value: bitcoin::Amount::from_sat(1_000),
            script_pubkey: self.world.rules.params().genesis().anchor_keys().script_pubkey(),
        };
        joined(inputs, vec![output.clone()], vec![output; envelopes.len()])
    }

    /// Mines a block that posts these requests; its height.
    pub(super) fn force(&mut self, requests: &[ForcedRequest]) -> u32 {
        let tx = self.post(requests);
        self.mine(vec![tx]);
        self.cursor().height
    }

    /// Transfer number `n` as a request, proven against state `anchor`.
    pub(super) fn forced(&self, n: u64, anchor: u32, change: impl FnOnce(&mut Transfer)) -> ForcedRequest {
        let transfer = self.transfer(n, anchor, |t| {
            t.body.expiry = FORCED_EXPIRY;
            change(t);
        });
        ForcedRequest::Transfer(Box::new(transfer))
    }

    /// Makes the block that holds the anchor tip the one at `height`.
    pub(super) fn anchor_at(&mut self, height: u32) {
        while self.cursor().height + 1 < height {
            self.mine(Vec::new());
        }
        let anchor = self.empty_anchor();
        self.mine(vec![anchor]);
        assert_eq!(self.cursor().height, height);
    }

    /// Transfer number `n` against state `anchor`, proven.
    pub(super) fn transfer(&self, n: u64, anchor: u32, change: impl FnOnce(&mut Transfer)) -> Transfer {
        let mut transfer = testing::transfer(3 * n);
        transfer.anchor = anchor;
        change(&mut transfer);
        let root = anchor_roots(&self.kv, &[anchor]).expect("a recorded state")[0];
        if let Ok(public) = transfer.body.public(self.world.rules.params()) {
            let proof = self.world.transfer.simulate(&public.inputs(root), 0);
            transfer.proof = ProofBytes(proof.to_bytes());
        }
        transfer
    }

    /// The next batch, whole: its state computed and its proof made, as far as the rules let it.
    pub(super) fn batch(&self, transfers: Vec<Transfer>, deposits: Vec<DepositClaim>) -> Batch {
        self.batch_of(BatchShape::B4x4, transfers, deposits)
    }

    /// The same of another shape.
    pub(super) fn batch_of(
        &self,
        shape: BatchShape,
        transfers: Vec<Transfer>,
        deposits: Vec<DepositClaim>,
    ) -> Batch {
        let first = ledger::tip(&self.kv).expect("memory").batch == 0;
        let mut anchors: Vec<u32> = Vec::new();
        for transfer in &transfers {
            if !anchors.contains(&transfer.anchor) {
                anchors.push(transfer.anchor);
            }
        }
        if anchors.is_empty() {
            anchors.push(0);
        }
        let batch = Batch {
            shape,
            operator: first.then(|| F::from(77u64)),
            state: F::from(0u64),
            proof: ProofBytes([0; 128]),
            anchors: Batch::pad_anchors(shape, &anchors).expect("few enough"),
            transfers,
            deposits,
        };
        self.sealed(batch)
    }

    /// The batch with state and proof made anew, if no rule before them is broken.
    pub(super) fn sealed(&self, mut batch: Batch) -> Batch {
        let rules = &self.world.rules;
        let Ok(data) = resolve(rules, &self.kv, &batch, self.cursor().height + 1) else {
            return batch;
        };
        let before = ledger::tip(&self.kv).expect("memory").commitment();
        let Ok(after) = ledger::apply(&mut Overlay::new(&self.kv), &data) else {
            return batch;
        };
        let roots = anchor_roots(&self.kv, &batch.anchors).expect("resolved");
        batch.state = after.commitment();
        let digest = data.digest(rules.params().chain_id().to_field(), &roots);
        let proof = self.world.batch.simulate(&[before, batch.state, digest], 0);
        batch.proof = ProofBytes(proof.to_bytes());
        batch
    }

    /// A vault transaction that sweeps one deposit of [`DEPOSIT`] per tag.
    pub(super) fn sweep(&mut self, tags: &[u8]) -> TxInput {
        let unsigned = self.vault(tags, &[]);
        TxInput::new(unsigned.tx().clone(), unsigned.prevouts().to_vec()).expect("one output per input")
    }

    /// A vault transaction as the rules want it.
    pub(super) fn vault(&mut self, tags: &[u8], withdrawals: &[(u64, WithdrawalView)]) -> UnsignedVaultTx {
        let federation = self.epoch().keys.federation;
        self.vault_of(federation, tags, withdrawals, None)
    }

    /// The epoch in office.
    pub(super) fn epoch(&self) -> Epoch {
        handover::epoch(&self.kv).expect("memory")
    }

    /// A vault transaction that hands something over.
    pub(super) fn hand_over(&mut self, plan: &HandoverPlan) -> TxInput {
        let federation = self.epoch().keys.federation;
        let unsigned = self.vault_of(federation, &[], &[], Some(plan));
        TxInput::new(unsigned.tx().clone(), unsigned.prevouts().to_vec()).expect("one output per input")
    }

    /// A vault transaction with deposits to this federation.
    pub(super) fn vault_of(
        &mut self,
        federation: XOnlyPublicKey,
        tags: &[u8],
        withdrawals: &[(u64, WithdrawalView)],
        handover: Option<&HandoverPlan>,
    ) -> UnsignedVaultTx {
        let tip = table::vault_tip(&self.kv).expect("memory").expect("genesis");
        let genesis = self.world.rules.params().genesis();
        let deposits: Vec<DepositCoin> = tags
            .iter()
            .map(|tag| DepositCoin {
                outpoint: outpoint(self.fresh()),
                amount: sats(DEPOSIT),
                terms: genesis.deposit_terms(federation, F::from(u64::from(*tag)), testing::x_only(*tag)),
            })
            .collect();
        let own = genesis.anchor_keys().script_pubkey();
        let coins = [Coin {
            outpoint: outpoint(self.fresh()),
            txout: TxOut {
                value: bitcoin::Amount::from_sat(1_000_000),
                script_pubkey: own.clone(),
            },
        }];
        plan_vault_tx(&VaultPlan {
            height: 0,
            tip: VaultTip {
                outpoint: tip.outpoint,
                amount: sats(tip.txout.value.to_sat()),
            },
            vault: &self.epoch().keys,
            deposits: &deposits,
            withdrawals,
            coins: &coins,
            q: rate(),
            rate: rate(),
            change_script: &own,
            top_up: Amount::ZERO,
            p2a: false,
            handover,
        })
        .expect("a valid plan")
    }
}

/// The claim of sweep number `sweep`, whose deposit has this tag.
pub(super) fn claim(sweep: u32, tag: u8) -> DepositClaim {
    DepositClaim {
        sweep,
        inner: F::from(u64::from(tag)),
        refund: testing::x_only(tag),
    }
}

/// An exit of `amount` to a P2WPKH script.
pub(super) fn exit(amount: u64) -> Exit {
    limited(amount, 1_000)
}

/// The same with another limit of the fee share.
pub(super) fn limited(amount: u64, limit: u64) -> Exit {
    let script = ScriptBuf::from_bytes([&[0, 20][..], &[8; 20]].concat());
    let script = ExitScript::new(script).expect("P2WPKH");
    Exit::new(sats(amount), script, sats(limit), testing::x_only(6)).expect("above dust")
}

pub(super) fn input(previous_output: OutPoint, witness: Witness) -> TxIn {
    TxIn {
        previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness,
    }
}

pub(super) fn joined(input: Vec<TxIn>, output: Vec<TxOut>, prevouts: Vec<TxOut>) -> TxInput {
    let tx = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input,
        output,
    };
    TxInput::new(tx, prevouts).expect("one output per input")
}
