//! A small chain for tests: real rules, real blocks, real ledger; only the provers are replaced, by
//! verifying keys whose secrets are known.

pub(crate) mod requests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::key::{Keypair, Secp256k1};
use bitcoin::taproot::LeafVersion;
use bitcoin::transaction::Version;
use bitcoin::{
    BlockHash, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness, XOnlyPublicKey,
};
use tacit_protocol::batch::{Batch, BatchShape, Payload};
use tacit_protocol::encoding::Encode;
use tacit_protocol::encryption::{EncryptedOutputs, Memo};
use tacit_protocol::envelope::{Envelope, EnvelopeKind};
use tacit_protocol::kv::{Delta, KvError, MemoryKv};
use tacit_protocol::ledger;
use tacit_protocol::note::{Commitment, Nullifier};
use tacit_protocol::params::{ChainParams, CircuitKey, FeeTable, Genesis, RULES_VERSION};
use tacit_protocol::peg::vault::{DepositCoin, VaultPlan, plan_vault_tx};
use tacit_protocol::peg::{BlockInput, Coin, Exit, ExitScript, FeeRate, TxInput, VaultTip};
use tacit_protocol::transfer::{ProofBytes, Transfer, TransferBody, TransferId};
use tacit_protocol::{Amount, F, Network};
use tacit_verifier::Rules;
use tacit_verifier::chain::{self, table};
use tacit_verifier::groth16::testing::TrapdoorKey;

use crate::admission::Accepted;
use crate::config::{Config, Policy, Time};
use crate::deposits::{Registration, Registrations};
use crate::sequencer::{Changes, Sequencer};
use crate::store::{MemoryStore, Store, schema};

/// The operator's `pk_d` in tests.
pub(crate) const OPERATOR: u64 = 77;
/// How long the first transfer of a batch waits in tests.
pub(crate) const SEAL_AFTER: u64 = 1_000;

/// Rules with keys for transfers and the two smallest shapes.
pub(crate) struct World {
    pub(crate) rules: Arc<Rules>,
    transfer: TrapdoorKey,
    batches: HashMap<BatchShape, TrapdoorKey>,
}

pub(crate) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let transfer = TrapdoorKey::new(1, 7);
        let shapes = [BatchShape::B4x4, BatchShape::B20x8];
        let batches: HashMap<_, _> = shapes
            .map(|shape| (shape, TrapdoorKey::new(shape.slots() as u64, 3)))
            .into();
        let mut circuits = vec![circuit("transfer-v1", &transfer)];
        circuits.extend(
            shapes
                .iter()
                .map(|shape| circuit(shape.circuit_name(), &batches[shape])),
        );
        let params = ChainParams::new(genesis(), circuits).expect("valid parameters");
        World {
            rules: Arc::new(Rules::load(params).expect("valid keys")),
            transfer,
            batches,
        }
    })
}

fn circuit(name: &str, key: &TrapdoorKey) -> CircuitKey {
    let key = key.verifying_key();
    CircuitKey {
        name: name.to_owned(),
        circuit_digest: tacit_verifier::keys::circuit_digest(name).expect("a known circuit"),
        verifying_key: key.encode(),
        key_hash: key.hash(),
        insecure: true,
    }
}

fn key(n: u8) -> XOnlyPublicKey {
    let pair = Keypair::from_seckey_slice(&Secp256k1::new(), &[n; 32]).expect("a secret key");
    pair.x_only_public_key().0
}

fn outpoint(n: u64) -> OutPoint {
    let mut txid = [0; 32];
    txid[..8].copy_from_slice(&n.to_le_bytes());
    txid[31] = 0xee;
    OutPoint {
        txid: Txid::from_byte_array(txid),
        vout: 0,
    }
}

pub(crate) fn sats(sats: u64) -> Amount {
    Amount::from_sat(sats).expect("an amount")
}

fn genesis() -> Genesis {
    Genesis {
        rules_version: RULES_VERSION,
        network: Network::Regtest,
        start_height: 100,
        start_hash: BlockHash::from_byte_array([9; 32]),
        anchor: outpoint(1),
        vault: outpoint(2),
        vault_amount: sats(10_000),
        federation_key: key(1),
        anchor_key: key(2),
        finality_depth: 2,
        refund_timelock: 1_008,
        takeover_timelock: 1_008,
        forced_window: 6,
        fee_table: FeeTable::new(&[0, 100, 200, 1_000]).expect("increasing"),
        vault_backup: None,
        vault_recovery: None,
    }
}

/// A transfer in the making: fee of 100 sat, expiry 1,000, against the genesis state.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) body: TransferBody,
    pub(crate) anchor: u32,
    /// Other salts give other proofs of the same transfer.
    pub(crate) salt: u64,
}

pub(crate) fn nullifier(n: u64) -> Nullifier {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    bytes[8..16].copy_from_slice(&n.to_le_bytes());
    Nullifier::new(bytes)
}

/// Transfer number `n`, which spends nullifiers `2n` and `2n + 1`.
pub(crate) fn draft(n: u64) -> Draft {
    let n = n + 1;
    let epk =
        bitcoin::hex::FromHex::from_hex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76");
    let outputs =
        EncryptedOutputs::new(epk.expect("hex"), [1; 32], [2; 16]).expect("the ristretto generator");
    let cm = |i: u64| Commitment::new(sats(n), &F::from(2 * n + i));
    let body = TransferBody {
        nf: [nullifier(2 * n), nullifier(2 * n + 1)],
        cm: [cm(0), cm(1)],
        outputs,
        fee: 1,
        expiry: 1_000,
        exit: None,
        memo: None,
    };
    Draft {
        body,
        anchor: 0,
        salt: 0,
    }
}

impl Draft {
    pub(crate) fn id(&self) -> TransferId {
        self.body.id(world().rules.params()).expect("a known fee")
    }

    /// Pays `amount` out, with this fee limit.
    pub(crate) fn exit(mut self, amount: u64, max_l1_fee: u64) -> Self {
        let script = ExitScript::new(ScriptBuf::new_p2tr_tweaked(
            bitcoin::key::TweakedPublicKey::dangerous_assume_tweaked(key(5)),
        ));
        let exit = Exit::new(sats(amount), script.expect("P2TR"), sats(max_l1_fee), key(6));
        self.body.exit = Some(exit.expect("above dust"));
        self
    }

    /// Carries a memo of these bytes.
    pub(crate) fn memo(mut self, byte: u8) -> Self {
        self.body.memo = Some(Memo::new([byte; Memo::BYTES]));
        self
    }

    /// The transfer with a proof that verifies against the anchor's root `root`.
    pub(crate) fn prove(&self, root: F) -> Transfer {
        let public = self.body.public(world().rules.params()).expect("a known fee");
        let proof = world().transfer.simulate(&public.inputs(root), self.salt);
        Transfer {
            body: self.body.clone(),
            anchor: self.anchor,
            proof: ProofBytes(proof.to_bytes()),
        }
    }

    /// The bytes to submit: proven against the sequencer's view of the anchor.
    pub(crate) fn bytes(&self, sequencer: &Sequencer) -> Vec<u8> {
        let state = ledger::state(&sequencer.view(), self.anchor).expect("memory");
        self.prove(state.expect("a recorded state").notes_root).encode()
    }
}

/// The register of deposits.
#[derive(Default)]
pub(crate) struct Register(Mutex<HashMap<OutPoint, Registration>>);

impl Registrations for Register {
    fn find(&self, outpoint: &OutPoint) -> Result<Option<Registration>, KvError> {
        Ok(self.0.lock().expect("no panic").get(outpoint).copied())
    }
}

/// A Bitcoin chain, the store that follows it, and the sequencer on top.
pub(crate) struct Chain {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) register: Arc<Register>,
    pub(crate) sequencer: Sequencer,
    pub(crate) policy: Policy,
    /// The blocks of the best chain.
    pub(crate) blocks: Vec<BlockInput>,
    /// Makes every block and every transaction different.
    nonce: u64,
    pub(crate) now: u64,
}

pub(crate) fn policy() -> Policy {
    Policy {
        seal_after: Duration::from_millis(SEAL_AFTER),
        deposit_after: Duration::ZERO,
        expiry_step: 1,
        ..Policy::default()
    }
}

impl Chain {
    pub(crate) fn new() -> Self {
        Self::with_policy(policy())
    }

    pub(crate) fn with_policy(policy: Policy) -> Self {
        let store = Arc::new(MemoryStore::new());
        let params = world().rules.params();
        let first = chain::genesis(&*store, params).expect("an empty store");
        schema::initialise(&*store, params.chain_id(), &first).expect("an empty store");
        let register = Arc::new(Register::default());
        let sequencer = open(&store, &register, &policy);
        Self {
            store,
            register,
            sequencer,
            policy,
            blocks: Vec::new(),
            nonce: 1_000,
            now: 1_000_000,
        }
    }

    /// Kills the sequencer and opens it again.
    pub(crate) fn reopen(&mut self) {
        self.sequencer = open(&self.store, &self.register, &self.policy);
    }

    pub(crate) fn time(&self) -> Time {
        Time::from_millis(self.now)
    }

    pub(crate) fn submit(&mut self, draft: &Draft) -> Accepted {
        self.try_submit(draft).expect("accepted")
    }

    pub(crate) fn try_submit(&mut self, draft: &Draft) -> Result<Accepted, crate::AdmissionError> {
        let (bytes, now) = (draft.bytes(&self.sequencer), self.time());
        self.sequencer.submit(&bytes, now)
    }

    /// Lets the time to seal pass and seals.
    pub(crate) fn seal(&mut self) -> Vec<u32> {
        self.now += SEAL_AFTER;
        let now = self.time();
        self.sequencer.tick(now).expect("tick").sealed
    }

    /// Proves every sealed batch.
    pub(crate) fn prove_all(&mut self) {
        while let Some(job) = self.sequencer.next_to_prove().expect("memory") {
            let shape = job.trace.data.shape;
            let proof = prove_batch(shape, &job.trace.public_inputs(), 0);
            self.sequencer
                .store_proof(job.number, proof)
                .expect("a valid proof");
        }
    }

    fn fresh(&mut self) -> u64 {
        self.nonce += 1;
        self.nonce
    }

    /// The next block with these transactions.
    pub(crate) fn block(&mut self, txs: Vec<TxInput>) -> BlockInput {
        let cursor = table::cursor(&*self.store).expect("memory").expect("genesis");
        let mut hash = [0; 32];
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

    /// Mines a block with these transactions.
    pub(crate) fn mine(&mut self, txs: Vec<TxInput>) -> Changes {
        let block = self.block(txs);
        self.connect(block)
    }

    pub(crate) fn connect(&mut self, block: BlockInput) -> Changes {
        let delta = chain::connect(&*self.store, &world().rules, &block).expect("the next block");
        self.blocks.push(block);
        self.sequencer.commit_canonical(&delta).expect("memory")
    }

    pub(crate) fn mine_empty(&mut self, count: usize) {
        for _ in 0..count {
            self.mine(Vec::new());
        }
    }

    /// Takes the last block back.
    pub(crate) fn disconnect(&mut self) -> Changes {
        let delta = chain::disconnect(&*self.store).expect("undo data");
        self.blocks.pop();
        self.sequencer.commit_canonical(&delta).expect("memory")
    }

    /// An anchor transaction with this payload.
    pub(crate) fn anchor(&mut self, payload: &Payload) -> TxInput {
        let tip = table::anchor_tip(&*self.store).expect("memory").expect("genesis");
        let keys = world().rules.params().genesis().anchor_keys();
        let envelope = Envelope::new(keys.anchor, EnvelopeKind::Anchor, payload.encode()).expect("fits");
        let script = envelope.to_script();
        let mut control = vec![LeafVersion::TapScript.to_consensus()];
        control.extend_from_slice(&keys.anchor.serialize());
        let witness = Witness::from_slice(&[&[0; 64][..], script.as_bytes(), &control]);
        let commit = outpoint(self.fresh());
        let input = |previous_output, witness| TxIn {
            previous_output,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            witness,
        };
        let tx = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![input(tip.outpoint, Witness::new()), input(commit, witness)],
            output: vec![TxOut {
                value: tip.txout.value,
                script_pubkey: keys.script_pubkey(),
            }],
        };
        let commit_output = TxOut {
            value: tip.txout.value,
            script_pubkey: keys.script_pubkey(),
        };
        TxInput::new(tx, vec![tip.txout, commit_output]).expect("one output per input")
    }

    /// Anchors all that can be anchored, in one block.
    pub(crate) fn anchor_all(&mut self) -> Changes {
        let payload = self
            .sequencer
            .anchorable(usize::MAX)
            .expect("memory")
            .expect("proven batches");
        let tx = self.anchor(&payload);
        self.mine(vec![tx])
    }

    /// A vault transaction that sweeps `count` deposits of 100,000 sat.
    pub(crate) fn sweep(&mut self, count: usize, register: bool) -> TxInput {
        let deposits: Vec<_> = (0..count)
            .map(|_| {
                let n = self.fresh();
                self.deposit(n, n, register)
            })
            .collect();
        self.sweep_of(&deposits)
    }

    /// A deposit of 100,000 sat in output `n`, for the note of `inner`.
    pub(crate) fn deposit(&self, n: u64, inner: u64, register: bool) -> DepositCoin {
        let genesis = world().rules.params().genesis();
        let (inner, refund, at) = (F::from(inner), key(4), outpoint(n));
        if register {
            let registration = Registration { inner, refund };
            self.register.0.lock().expect("no panic").insert(at, registration);
        }
        DepositCoin {
            outpoint: at,
            amount: sats(100_000),
            terms: genesis.deposit_terms(genesis.federation_key, inner, refund),
        }
    }

    /// A vault transaction that sweeps these.
    pub(crate) fn sweep_of(&mut self, deposits: &[DepositCoin]) -> TxInput {
        let tip = table::vault_tip(&*self.store).expect("memory").expect("genesis");
        let genesis = world().rules.params().genesis();
        let own = genesis.anchor_keys().script_pubkey();
        let txout = TxOut {
            value: bitcoin::Amount::from_sat(1_000_000),
            script_pubkey: own.clone(),
        };
        let coins = [Coin {
            outpoint: outpoint(self.fresh()),
            txout,
        }];
        let rate = FeeRate::from_sat_per_kwu(250);
        let vault = genesis.vault_keys();
        let plan = VaultPlan {
            height: 0,
            tip: VaultTip {
                outpoint: tip.outpoint,
                amount: sats(tip.txout.value.to_sat()),
            },
            vault: &vault,
            deposits,
            withdrawals: &[],
            coins: &coins,
            q: rate,
            rate,
            change_script: &own,
            top_up: Amount::ZERO,
            p2a: false,
            handover: None,
        };
        let unsigned = plan_vault_tx(&plan).expect("a valid plan");
        TxInput::new(unsigned.tx().clone(), unsigned.prevouts().to_vec()).expect("one output per input")
    }

    /// Credits deposits of 100,000 sat each, anchored: batch by batch until nothing waits.
    pub(crate) fn fund(&mut self, count: usize) {
        let sweep = self.sweep(count, true);
        self.mine(vec![sweep]);
        self.mine_empty(2);
        self.seal();
        self.prove_all();
        self.anchor_all();
    }

    /// What an auditor derives from the blocks alone.
    pub(crate) fn audit(&self) -> MemoryKv {
        let rules = &world().rules;
        let mut kv = MemoryKv::default();
        let first: Delta = chain::genesis(&kv, rules.params()).expect("memory");
        kv.commit(&first);
        for block in &self.blocks {
            let delta = chain::connect(&kv, rules, block).expect("the next block");
            kv.commit(&delta);
        }
        kv
    }
}

fn open(store: &Arc<MemoryStore>, register: &Arc<Register>, policy: &Policy) -> Sequencer {
    let config = Config {
        operator: F::from(OPERATOR),
        policy: policy.clone(),
    };
    let mut sequencer = Sequencer::open(
        Arc::clone(store) as Arc<dyn Store>,
        Arc::clone(&world().rules),
        Arc::clone(register) as Arc<dyn Registrations>,
        config,
    )
    .expect("a healthy store");
    sequencer.set_synced(true);
    sequencer
}

/// A proof of a batch; other salts give other proofs.
pub(crate) fn prove_batch(shape: BatchShape, public: &[F; 3], salt: u64) -> ProofBytes {
    ProofBytes(world().batches[&shape].simulate(public, salt).to_bytes())
}

/// A copy of a batch in which only the proof differs.
pub(crate) fn with_proof(batch: &Batch, proof: ProofBytes) -> Batch {
    Batch {
        proof,
        ..batch.clone()
    }
}
