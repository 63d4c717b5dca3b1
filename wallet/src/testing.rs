//! What the wallet's tests share: a chain, a stand-in for proofs, users, and a node in memory.
//!
//! A "proof" here is a hash of the public inputs, made only for statements that are satisfied and
//! compared when a transfer is handed in, so a transfer that a real node would refuse for its proof
//! is refused here as well.

use bitcoin::hashes::Hash;
use bitcoin::key::{Keypair, TapTweak};
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use bitcoin::{BlockHash, OutPoint, Txid};
use rand_core::CryptoRngCore;
use tacit_circuits::r1cs::Statement;
use tacit_circuits::transfer::TransferStatement;
use tacit_protocol::hash::{B2, Label};
use tacit_protocol::params::{ChainParams, FeeTable, Genesis, RULES_VERSION};
use tacit_protocol::peg::epoch::{Release, Voice};
use tacit_protocol::peg::vault::VaultKeys;
use tacit_protocol::peg::{Announcement, Epoch};
use tacit_protocol::transfer::ProofBytes;
use tacit_protocol::{Amount, F, Network};
use tacit_prover::ProveError;

use crate::api::EpochDetails;
use crate::prover::TransferProver;

mod node;
mod rpc;

pub(crate) use node::{Coin, MemoryNode};

/// The fee of the tests' chain.
pub(crate) const FEE: u64 = 100;

pub(crate) fn sat(v: u64) -> Amount {
    Amount::from_sat(v).unwrap()
}

/// A key pair from a small number: 5 is the first sequencer's, 6 the first federation's.
pub(crate) fn keypair(n: u8) -> Keypair {
    Keypair::from_secret_key(&Secp256k1::new(), &SecretKey::from_slice(&[n; 32]).unwrap())
}

/// Keys of the vault of federation `n`, without leaves.
fn vault_keys(n: u8) -> VaultKeys {
    VaultKeys {
        federation: keypair(n).x_only_public_key().0,
        backup: None,
        recovery: None,
    }
}

/// Epoch `number` of federation `to`, announced by federation `from` and begun at `height`.
pub(crate) fn epoch(number: u32, (from, to): (u8, u8), height: u32) -> EpochDetails {
    let keys = vault_keys(to);
    let next = Epoch { number, keys };
    let sign = |n: u8, voice| {
        let (secp, message) = (Secp256k1::new(), next.message(params(0).chain_id(), voice));
        let tweaked = keypair(n).tap_tweak(&secp, vault_keys(n).merkle_root());
        secp.sign_schnorr_no_aux_rand(&message, &tweaked.to_keypair())
    };
    EpochDetails {
        number,
        height,
        announcement: Announcement {
            release: Release::Federation(sign(from, Voice::Incumbent)),
            successor: sign(to, Voice::Successor),
            epoch: next.clone(),
        },
    }
}

/// Parameters of a chain for tests; `salt` makes different ones.
pub(crate) fn params(salt: u32) -> ChainParams {
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
        federation_key: keypair(6).x_only_public_key().0,
        anchor_key: keypair(5).x_only_public_key().0,
        finality_depth: 2,
        refund_timelock: 20,
        takeover_timelock: 1_008,
        forced_window: 144,
        fee_table: FeeTable::new(&[FEE, 10 * FEE]).unwrap(),
        vault_backup: None,
        vault_recovery: None,
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
        Self::with_seed(node, crate::Seed::from_entropy([id; 32]), id)
    }

    /// The same person on an empty disk, from the words alone, with the randomness of `id`.
    pub(crate) fn restored(&self, node: &MemoryNode, id: u8) -> Self {
        let seed = crate::Seed::from_words(&self.wallet.words()).unwrap();
        Self::with_seed(node, seed, id)
    }

    fn with_seed(node: &MemoryNode, seed: crate::Seed, id: u8) -> Self {
        use rand::SeedableRng;
        let mut rng = rand::rngs::StdRng::seed_from_u64(u64::from(id));
        let dir = tempfile::tempdir().unwrap();
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
            memo: None,
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
