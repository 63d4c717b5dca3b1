//! A chain in memory whose wallet owns real notes: the ground that proofs and transfers stand on.
//!
//! State 1 holds deposits of one wallet. They come from nowhere, since no Bitcoin stands behind this
//! chain; everything above them is real: the ledger, the wallet's builder and signer, the circuits
//! and their development keys, found in `TACIT_KEYS` or made there on first use.

use std::path::PathBuf;
use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tacit_circuits::batch::BatchStatement;
use tacit_circuits::transfer::TransferStatement;
use tacit_circuits::version::CircuitId;
use tacit_protocol::batch::{BatchData, BatchShape, Slot};
use tacit_protocol::encoding::Encode;
use tacit_protocol::kv::{MemoryKv, Overlay};
use tacit_protocol::note::{Note, Position};
use tacit_protocol::params::{ChainParams, CircuitKey};
use tacit_protocol::transfer::{ProofBytes, Transfer};
use tacit_protocol::tree::{MerklePath, NOTES, subtree_path};
use tacit_protocol::{F, Network, ledger, testing};
use tacit_prover::{KeyStore, Prover, ProvingKey, Silent, circuits};
use tacit_verifier::Rules;
use tacit_wallet::builder::{Plan, SignedTransfer, build};
use tacit_wallet::{Keys, Payment, Seed};

mod funding;

use funding::{FUNDED, credited, deposits, funding};

/// The shape of the batches that are proven.
pub const SHAPE: BatchShape = BatchShape::B4x4;
/// Different transfers that [`Chain::signed`] makes.
pub const TRANSFERS: usize = 16;

/// The chain after its first batch.
#[derive(Debug)]
pub struct Chain {
    rules: Arc<Rules>,
    transfer_key: Arc<ProvingKey>,
    batch_key: Arc<ProvingKey>,
    wallet: Keys,
    kv: MemoryKv,
    notes: Vec<(Note, Position)>,
    leaves: Vec<F>,
}

/// Where proving keys are kept between runs, as `scripts/env.sh` names it.
pub(crate) fn keys_dir() -> PathBuf {
    let cache = || {
        let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
        std::env::var_os("TACIT_CACHE").map_or_else(|| home.join(".cache").join("tacit"), PathBuf::from)
    };
    std::env::var_os("TACIT_KEYS").map_or_else(|| cache().join("keys"), PathBuf::from)
}

fn circuit(key: &ProvingKey) -> CircuitKey {
    let vk = key.verifying_key();
    CircuitKey {
        name: key.circuit().name().to_owned(),
        circuit_digest: *key.circuit().digest(),
        verifying_key: vk.encode(),
        key_hash: vk.hash(),
        insecure: key.is_insecure(),
    }
}

impl Chain {
    /// Loads or makes the keys and credits the deposits.
    ///
    /// # Panics
    /// If a key cannot be loaded or made; the message says why.
    #[must_use]
    pub fn new() -> Self {
        let store = KeyStore::new(keys_dir(), Network::Regtest);
        let [transfer_key, batch_key] = [CircuitId::Transfer, CircuitId::Batch(SHAPE)]
            .map(|id| circuits::load_key(&store, id, &Silent).expect("development keys can be read or made"));
        let keys = vec![circuit(&transfer_key), circuit(&batch_key)];
        let params = ChainParams::new(testing::genesis(), keys).expect("two circuits");
        let rules = Rules::load(params).expect("our own keys obey the rules");
        let wallet = Keys::derive(&Seed::from_entropy([7; 32]), Network::Regtest);
        let notes = deposits(&wallet);
        let data = funding(&notes);
        Self {
            kv: credited(&rules, &data),
            leaves: data.note_leaves().expect("there are no fees"),
            rules: Arc::new(rules),
            transfer_key,
            batch_key,
            wallet,
            notes,
        }
    }

    /// The rules, with the verifying keys of both circuits.
    #[must_use]
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// The key of `Transfer`.
    #[must_use]
    pub fn transfer_key(&self) -> &Arc<ProvingKey> {
        &self.transfer_key
    }

    /// The key of the batch circuit of [`SHAPE`].
    #[must_use]
    pub fn batch_key(&self) -> &Arc<ProvingKey> {
        &self.batch_key
    }

    /// The state and all that a follower remembers.
    #[must_use]
    pub fn kv(&self) -> &MemoryKv {
        &self.kv
    }

    /// The notes root that transfers are proven against.
    ///
    /// # Panics
    /// Never: the state was written when the chain was made.
    #[must_use]
    pub fn anchor(&self) -> F {
        let state = ledger::state(&self.kv, FUNDED).expect("memory does not fail");
        state.expect("the first batch was applied").notes_root
    }

    /// [`TRANSFERS`] payments, built and signed by the wallet, each of two notes.
    ///
    /// # Panics
    /// Never: the notes pay for amount and fee.
    #[must_use]
    pub fn signed(&self) -> Vec<SignedTransfer> {
        let mut rng = StdRng::seed_from_u64(1);
        let other = Keys::derive(&Seed::from_entropy([8; 32]), Network::Regtest);
        let payment = Payment::Pay {
            to: other.viewing().incoming().address(0),
            amount: funding::sats(60_000),
            memo: None,
        };
        let plan = |inputs| Plan {
            inputs,
            payment: &payment,
            fee: 1,
            expiry: 1_000,
        };
        self.notes
            .chunks(2)
            .map(|inputs| build(&self.wallet, self.rules.params(), &plan(inputs), &mut rng))
            .map(|signed| signed.expect("two deposits pay for amount and fee"))
            .collect()
    }

    /// What a signed transfer proves, with its witness.
    pub fn statement(&self, signed: &SignedTransfer) -> TransferStatement {
        signed.statement(self.anchor(), |position| self.path(position))
    }

    fn path(&self, position: Position) -> MerklePath {
        let above = NOTES.path(&self.kv, u64::from(position.batch()));
        subtree_path(&self.leaves, usize::from(position.leaf())).join(&above.expect("memory does not fail"))
    }

    /// A signed transfer with its proof, ready to be handed in.
    ///
    /// # Panics
    /// Never: the wallet's statements are satisfied.
    pub fn prove(&self, signed: &SignedTransfer) -> Transfer {
        let mut rng = StdRng::seed_from_u64(2);
        let statement = self.statement(signed);
        let proof = Prover::cpu().prove_statement(&self.transfer_key, &statement, &mut rng, &Silent);
        let proof = proof.expect("the wallet's statements are satisfied");
        signed.with_proof(FUNDED, ProofBytes(proof.to_bytes()))
    }

    /// The full batch of these transfers and made-up deposits, with its witness.
    ///
    /// # Panics
    /// If there are more transfers than [`SHAPE`] has slots.
    #[must_use]
    pub fn batch(&self, transfers: &[SignedTransfer]) -> BatchStatement {
        let params = self.rules.params();
        let slot = |signed: &SignedTransfer| Slot {
            anchor_index: 0,
            nf: signed.body().nf,
            cm: signed.body().cm,
            fee: signed.fee(),
            exit: signed.body().exit_amount(),
            ctx: signed.body().ctx(params).expect("the wallet knows the fee table"),
        };
        let data = BatchData {
            anchors: vec![FUNDED; SHAPE.anchors()],
            slots: transfers.iter().map(slot).collect(),
            credits: (0..SHAPE.deposits() as u64)
                .map(|n| testing::credit(n, 50_000))
                .collect(),
            ..testing::batch_data(SHAPE, FUNDED + 1)
        };
        let chain = params.chain_id().to_field();
        let trace = ledger::apply_traced(&mut Overlay::new(&self.kv), &data, chain);
        BatchStatement::from_trace(&trace.expect("the batch keeps every rule"))
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}
