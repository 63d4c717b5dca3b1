//! Who signs for the vault, and what is checked first.
//!
//! [`VaultSigner`] is the seam between the operator, who proposes vault transactions, and whoever
//! holds the federation's key. [`LocalSigner`] holds it alone, in one process; a threshold of
//! signers fits behind the same trait. A signer trusts nothing in the proposal: it compares with
//! its own view of the chain. Specification: `docs/spec/bitcoin.md`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::taproot::TapNodeHash;
use bitcoin::{OutPoint, XOnlyPublicKey};
use tacit_protocol::Network;
use tacit_protocol::encoding::Decode;
use tacit_protocol::peg::vault::{InputRole, UnsignedVaultTx, VaultEffects, VaultMeta};
use tacit_protocol::peg::{FeeRate, VaultFault, check_vault_tx, eligible};
use thiserror::Error;

use crate::keys::SigningKey;
use crate::proposal::Proposal;
use crate::vault::{VaultSnapshot, VaultView, ViewError};

pub mod joint;
pub mod judge;

pub use joint::JointSigner;

/// Why a signer refuses.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SignError {
    /// The signer cannot see the state.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The signer's own state forbids any signature.
    #[error("signing is halted: {0}")]
    Halted(String),
    /// No input belongs to the signer's key.
    #[error("the vault's key is {vault} and no deposit here belongs to {signer}, which this signer holds")]
    Key {
        /// The vault's.
        vault: Box<XOnlyPublicKey>,
        /// The signer's.
        signer: Box<XOnlyPublicKey>,
    },
    /// The transaction breaks a rule of the vault.
    #[error("the transaction breaks a rule: {0}")]
    Fault(#[from] VaultFault),
    /// It could be mined in a block by which it was not judged.
    #[error("it may be mined above block {lock} already, and is judged by the state at {height}")]
    LockTime {
        /// The transaction's.
        lock: u32,
        /// The signer's state.
        height: u32,
    },
    /// The shares are above what the signer lets users be charged.
    #[error("the share rate of {q} sat/kWU is above the ceiling of {ceiling}")]
    RateCeiling {
        /// The transaction's.
        q: u32,
        /// The signer's.
        ceiling: u32,
    },
    /// A deposit that is not registered, not deep, too near its refund, or of other terms.
    #[error("deposit {0} is not one that this signer may sweep")]
    Deposit(OutPoint),
    /// A withdrawal that could be paid comes before one that is.
    #[error("withdrawal {0} is eligible and earlier, but not paid")]
    Skipped(u64),
    /// An input is said to be somebody's whose it is not.
    #[error("input {0} has another role than the proposal says")]
    Role(usize),
    /// An input of a key that nobody here signs for.
    #[error(
        "input {input} belongs to the key {key}, and no federation with it is known here; name its files"
    )]
    NoSigner {
        /// Which.
        input: usize,
        /// Its internal key.
        key: Box<XOnlyPublicKey>,
    },
    /// Too few members let so much leave in so few blocks; they may let less.
    #[error("too few signers let so much leave the vault at once: {0}")]
    Outflow(String),
    /// Too few members of the federation signed.
    #[error("{signed} of {needed} members are ready to sign; {}", list(.missing))]
    TooFew {
        /// Members that were ready.
        signed: usize,
        /// What it takes.
        needed: usize,
        /// The others by name, each with the reason.
        missing: Vec<(String, String)>,
    },
}

fn list(missing: &[(String, String)]) -> String {
    let each: Vec<String> = missing
        .iter()
        .map(|(name, reason)| format!("{name} {reason}"))
        .collect();
    each.join("; ")
}

/// One key alone must not hold the money of a chain on the main network.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "a single local signer is for development: on the main network the vault needs a federation of \
     signers, which this version does not have"
)]
pub struct LocalSignerOnMainnet;

/// Signatures by the index of the input that they are for.
pub type Signatures = BTreeMap<usize, Signature>;

/// Signs vault transactions for a federation, or for several.
pub trait VaultSigner: Send + Sync {
    /// The keys that it signs for: internal keys of Taproot outputs.
    fn keys(&self) -> Vec<XOnlyPublicKey>;

    /// Signatures for the inputs (vault and deposits) whose internal keys are its own.
    ///
    /// `tx` is what the proposal gives where it was made; signers elsewhere derive their own, and with it
    /// which inputs are theirs.
    ///
    /// # Errors
    /// [`SignError`]: the reason of a refusal.
    fn sign_vault(&self, proposal: &Proposal, tx: &UnsignedVaultTx) -> Result<Signatures, SignError>;
}

/// One key in one process, with a view of the chain of its own.
pub struct LocalSigner {
    key: SigningKey,
    view: Arc<dyn VaultView>,
    ceiling: FeeRate,
}

impl LocalSigner {
    /// A signer with the federation's whole key, which charges users no more than `ceiling`.
    ///
    /// # Errors
    /// [`LocalSignerOnMainnet`].
    pub fn new(
        network: Network,
        key: SigningKey,
        view: Arc<dyn VaultView>,
        ceiling: FeeRate,
    ) -> Result<Self, LocalSignerOnMainnet> {
        match network {
            Network::Mainnet => Err(LocalSignerOnMainnet),
            Network::Testnet4 | Network::Signet | Network::Regtest => Ok(Self { key, view, ceiling }),
        }
    }
}

impl VaultSigner for LocalSigner {
    fn keys(&self) -> Vec<XOnlyPublicKey> {
        vec![self.key.public_key()]
    }

    fn sign_vault(&self, _: &Proposal, tx: &UnsignedVaultTx) -> Result<Signatures, SignError> {
        let snapshot = self.view.snapshot()?;
        let roles = check_proposal(tx, &snapshot, self.ceiling)?;
        let key = self.key.public_key();
        let signatures: Signatures = own_inputs(&roles, &key)
            .map(|(input, root)| (input, self.key.sign_key_path(&tx.sighash(input), root)))
            .collect();
        if signatures.is_empty() {
            let (vault, signer) = (Box::new(snapshot.federation()), Box::new(key));
            return Err(SignError::Key { vault, signer });
        }
        Ok(signatures)
    }
}

/// The inputs that a key signs, each with the root of the tree that tweaks it.
pub fn own_inputs(
    roles: &[InputRole],
    key: &XOnlyPublicKey,
) -> impl Iterator<Item = (usize, Option<TapNodeHash>)> {
    let paths = roles
        .iter()
        .enumerate()
        .filter_map(|(input, role)| Some((input, role.federation()?)));
    paths
        .filter(|(_, path)| path.internal == *key)
        .map(|(input, path)| (input, path.merkle_root))
}

/// Checks a proposal against a signer's own state and policy; returns who signs each input.
///
/// # Errors
/// [`SignError`]: the reason of a refusal.
pub fn check_proposal(
    proposal: &UnsignedVaultTx,
    snapshot: &VaultSnapshot,
    ceiling: FeeRate,
) -> Result<Vec<InputRole>, SignError> {
    if let Some(reason) = snapshot.halted() {
        return Err(SignError::Halted(reason.to_owned()));
    }
    let tx = proposal.tx();
    // After a reorganisation a block may be lower than the state that this is judged by.
    let (lock, height) = (tx.lock_time.to_consensus_u32(), snapshot.height());
    if lock < height {
        return Err(SignError::LockTime { lock, height });
    }
    let effects = check_vault_tx(tx, proposal.prevouts(), snapshot)?;
    let meta = VaultMeta::script_bytes(&tx.output[1].script_pubkey).map_err(VaultFault::MetaScript)?;
    let q = VaultMeta::decode(meta).map_err(VaultFault::Meta)?.rate();
    if q > ceiling {
        let (q, ceiling) = (q.sat_per_kwu(), ceiling.sat_per_kwu());
        return Err(SignError::RateCeiling { q, ceiling });
    }
    check_nobody_is_skipped(&effects, snapshot, q)?;
    let roles = roles(&effects, snapshot, tx.input.len())?;
    match roles
        .iter()
        .zip(proposal.roles())
        .position(|(own, said)| own != said)
    {
        Some(input) => Err(SignError::Role(input)),
        None => Ok(roles),
    }
}

/// Every withdrawal that could be paid and comes before the last one paid is paid too.
fn check_nobody_is_skipped(
    effects: &VaultEffects,
    snapshot: &VaultSnapshot,
    q: FeeRate,
) -> Result<(), SignError> {
    let Some(last) = effects.paid.last() else {
        return Ok(());
    };
    let earlier = snapshot
        .withdrawals()
        .iter()
        .take_while(|(index, _)| *index < last.index);
    for (index, withdrawal) in earlier {
        let paid = effects
            .paid
            .binary_search_by_key(index, |paid| paid.index)
            .is_ok();
        if !paid && eligible(withdrawal, q).is_ok() {
            return Err(SignError::Skipped(*index));
        }
    }
    Ok(())
}

/// Who signs each input, from the signer's own knowledge of the deposits.
fn roles(
    effects: &VaultEffects,
    snapshot: &VaultSnapshot,
    inputs: usize,
) -> Result<Vec<InputRole>, SignError> {
    let mut roles = vec![InputRole::Vault(snapshot.vault().key_path())];
    for swept in &effects.swept {
        let refused = || SignError::Deposit(swept.outpoint);
        let deposits = snapshot.deposits();
        let known = deposits.iter().find(|deposit| deposit.outpoint == swept.outpoint);
        let known = known.ok_or_else(refused)?;
        let same_terms = snapshot.sweeps(&known.terms.federation)
            && known.terms.matches(&swept.script_pubkey)
            && known.amount == swept.amount;
        if !same_terms {
            return Err(refused());
        }
        roles.push(InputRole::Deposit(known.terms.key_path()));
    }
    roles.resize(inputs, InputRole::Operator);
    Ok(roles)
}

#[cfg(test)]
mod tests;
