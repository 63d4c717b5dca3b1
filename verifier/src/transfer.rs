//! Checks of one transfer against one anchor.
//!
//! [`VerifiedTransfer`] can only be made here, so nothing unchecked enters a mempool or a batch.
//! What depends on the state (spent nullifiers, expiry, the anchor being recorded) is checked by
//! whoever has the state. Specification: `docs/spec/transfer.md`.

use tacit_protocol::F;
use tacit_protocol::transfer::{PublicBody, Transfer, TransferId, TransferRule};
use thiserror::Error;

use crate::groth16::{Proof, verify, verify_batch};
use crate::rules::Rules;

/// Why a transfer is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TransferError {
    /// A native rule is broken.
    #[error(transparent)]
    Rule(#[from] TransferRule),
    /// The proof's bytes are not canonical.
    #[error("the proof does not decode: {0}")]
    ProofEncoding(tacit_protocol::DecodeError),
    /// The proof does not verify against the anchor.
    #[error("the proof does not verify")]
    Proof,
    /// The chain has no verifying key for transfers.
    #[error("chain.json has no verifying key for transfers")]
    NoKey,
}

/// A transfer whose native rules hold and whose proof verifies against its anchor's notes root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedTransfer {
    transfer: Transfer,
    id: TransferId,
    public: PublicBody,
    anchor_root: F,
}

impl VerifiedTransfer {
    /// The transfer.
    #[must_use]
    pub fn transfer(&self) -> &Transfer {
        &self.transfer
    }

    /// Its identifier.
    #[must_use]
    pub fn id(&self) -> TransferId {
        self.id
    }

    /// Its public inputs, the anchor apart.
    #[must_use]
    pub fn public(&self) -> &PublicBody {
        &self.public
    }

    /// The notes root it was verified against.
    #[must_use]
    pub fn anchor_root(&self) -> F {
        self.anchor_root
    }
}

/// Checks one transfer; `anchor_root` is the notes root of the state its anchor names.
///
/// # Errors
/// The first rule it breaks.
pub fn verify_transfer(
    rules: &Rules,
    transfer: Transfer,
    anchor_root: F,
) -> Result<VerifiedTransfer, TransferError> {
    let key = rules.transfer_key().ok_or(TransferError::NoKey)?;
    let (checked, proof) = prepare(rules, transfer, anchor_root)?;
    verify(key, &checked.public.inputs(anchor_root), &proof).map_err(|_| TransferError::Proof)?;
    Ok(checked)
}

/// Checks many transfers with one batched verification.
///
/// # Errors
/// The index of the first culprit and the rule it breaks.
pub fn verify_transfers(
    rules: &Rules,
    transfers: &[(Transfer, F)],
) -> Result<Vec<VerifiedTransfer>, (usize, TransferError)> {
    let key = rules.transfer_key().ok_or((0, TransferError::NoKey))?;
    let mut checked = Vec::with_capacity(transfers.len());
    let mut proofs = Vec::with_capacity(transfers.len());
    for (i, (transfer, root)) in transfers.iter().enumerate() {
        let (one, proof) = prepare(rules, transfer.clone(), *root).map_err(|e| (i, e))?;
        proofs.push((one.public.inputs(*root), proof));
        checked.push(one);
    }
    let items: Vec<(&[F], &Proof)> = proofs
        .iter()
        .map(|(public, proof)| (&public[..], proof))
        .collect();
    verify_batch(key, &items).map_err(|e| (first_culprit(&e), TransferError::Proof))?;
    Ok(checked)
}

fn first_culprit(error: &crate::groth16::BatchError) -> usize {
    match error {
        crate::groth16::BatchError::Invalid { culprits } => culprits.first().copied().unwrap_or(0),
        crate::groth16::BatchError::PublicInputCount { index, .. } => *index,
    }
}

fn prepare(
    rules: &Rules,
    transfer: Transfer,
    anchor_root: F,
) -> Result<(VerifiedTransfer, Proof), TransferError> {
    let params = rules.params();
    transfer.body.check(params)?;
    let proof = Proof::from_bytes(&transfer.proof.0).map_err(TransferError::ProofEncoding)?;
    let public = transfer.body.public(params)?;
    let id = transfer.body.id(params)?;
    Ok((
        VerifiedTransfer {
            transfer,
            id,
            public,
            anchor_root,
        },
        proof,
    ))
}
