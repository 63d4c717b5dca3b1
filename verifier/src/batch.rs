//! Checks of one batch on top of the state before it.
//!
//! [`resolve`] applies every rule that needs no proof and gives the public data; the sequencer runs
//! it on its own batches before it proves them. [`verify`] adds the proofs and the state
//! commitment. Specification: `docs/spec/batch.md`.

use std::collections::HashSet;

use tacit_protocol::F;
use tacit_protocol::batch::{Batch, BatchData, Credit, DepositClaim, Slot, outpoint_field};
use tacit_protocol::kv::{KvError, KvRead, Overlay};
use tacit_protocol::ledger::{self, LedgerError};
use tacit_protocol::state::State;
use tacit_protocol::transfer::TransferId;
use thiserror::Error;

use crate::chain::forced::Position;
use crate::chain::limits::FeeLimit;
use crate::chain::{handover, records, reserves, table};
use crate::groth16::{self, Proof};
use crate::rules::Rules;
use crate::transfer::{TransferError, verify_transfers};

pub mod due;

/// The rule that a batch breaks.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BatchError {
    /// The view failed.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// The chain has no key for this shape.
    #[error("the chain has no verifying key for {0}")]
    NoKey(&'static str),
    /// No operator key is known yet and the batch brings none.
    #[error("the first batch must name the operator's key")]
    NoOperator,
    /// An anchor names a state that is not recorded yet.
    #[error("anchor {0} is not a recorded state")]
    UnknownAnchor(u32),
    /// A transfer has expired.
    #[error("transfer {slot} expired with batch {expiry}")]
    Expired {
        /// Its slot.
        slot: usize,
        /// The last batch that could include it.
        expiry: u32,
    },
    /// A transfer breaks a rule of its own.
    #[error("transfer {slot}: {error}")]
    Transfer {
        /// Its slot.
        slot: usize,
        /// The rule.
        error: TransferError,
    },
    /// A deposit that was never swept.
    #[error("deposit {0} is unknown")]
    UnknownDeposit(u32),
    /// A deposit whose sweep is not deep enough.
    #[error("the sweep of deposit {0} is not deep enough")]
    ShallowDeposit(u32),
    /// A deposit that was credited before or twice in this batch.
    #[error("deposit {0} is credited twice")]
    CreditedTwice(u32),
    /// A deposit swept at or after a fault of the vault.
    #[error("deposit {0} was swept after the vault broke a rule")]
    AfterFault(u32),
    /// The inner commitment and refund key are not those of the deposit's script.
    #[error("the claim of deposit {0} does not match its script")]
    DepositTerms(u32),
    /// A forced request that is due is not where it has to be.
    #[error("a due request is left out: {queue} {at} has to be the one posted in {position}")]
    LeftOut {
        /// Its queue.
        queue: due::Queue,
        /// The slot, or the deposit, that it has to have.
        at: usize,
        /// Where it was posted.
        position: Position,
    },
    /// The batch is smaller than it could be, and requests that are due have to wait for the next one.
    #[error(
        "a batch of {shape} has no room for all {queue} requests that are due; it has to be of the largest \
         shape, {required}"
    )]
    SmallShape {
        /// The queue in which some are left.
        queue: due::Queue,
        /// The circuit of its shape.
        shape: &'static str,
        /// The circuit of the shape that it has to have.
        required: &'static str,
    },
    /// The state transition fails.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The state commitment is not the recomputed one.
    #[error("the state commitment is wrong")]
    WrongState,
    /// The batch proof's bytes are not canonical.
    #[error("the batch proof does not decode: {0}")]
    ProofEncoding(tacit_protocol::DecodeError),
    /// The batch proof does not verify.
    #[error("the batch proof does not verify")]
    Proof,
}

/// A batch that passed every rule, with what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedBatch {
    batch: Batch,
    data: BatchData,
    state: State,
    ids: Vec<TransferId>,
}

impl VerifiedBatch {
    /// The batch.
    #[must_use]
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Its public data.
    #[must_use]
    pub fn data(&self) -> &BatchData {
        &self.data
    }

    /// The state after it.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The identifiers of its transfers, in slot order.
    #[must_use]
    pub fn ids(&self) -> &[TransferId] {
        &self.ids
    }
}

/// Applies every rule that needs no proof, at Bitcoin height `height`, and gives the public data.
///
/// # Errors
/// The first rule broken.
pub fn resolve(rules: &Rules, kv: &dyn KvRead, batch: &Batch, height: u32) -> Result<BatchData, BatchError> {
    let number = ledger::tip(kv)?.batch + 1;
    let operator = match batch.operator {
        Some(operator) => operator,
        None => table::operator(kv)?.ok_or(BatchError::NoOperator)?,
    };
    for anchor in &batch.anchors {
        if *anchor >= number || ledger::state(kv, *anchor)?.is_none() {
            return Err(BatchError::UnknownAnchor(*anchor));
        }
    }
    let slots = batch
        .transfers
        .iter()
        .enumerate()
        .map(|(i, _)| resolve_slot(rules, batch, i, number))
        .collect::<Result<_, _>>()?;
    let mut seen = HashSet::new();
    let credits = batch
        .deposits
        .iter()
        .map(|claim| {
            if !seen.insert(claim.sweep) {
                return Err(BatchError::CreditedTwice(claim.sweep));
            }
            resolve_deposit(rules, kv, claim, height)
        })
        .collect::<Result<_, _>>()?;
    Ok(BatchData {
        shape: batch.shape,
        number,
        operator,
        anchors: batch.anchors.clone(),
        slots,
        credits,
    })
}

fn resolve_slot(rules: &Rules, batch: &Batch, slot: usize, number: u32) -> Result<Slot, BatchError> {
    let transfer = &batch.transfers[slot];
    let body = &transfer.body;
    if body.expiry < number {
        return Err(BatchError::Expired {
            slot,
            expiry: body.expiry,
        });
    }
    let rule = |e| BatchError::Transfer {
        slot,
        error: TransferError::Rule(e),
    };
    body.check(rules.params()).map_err(rule)?;
    Ok(Slot {
        anchor_index: batch
            .anchor_index(transfer.anchor)
            .ok_or(BatchError::UnknownAnchor(transfer.anchor))?,
        nf: body.nf,
        cm: body.cm,
        fee: body.fee_amount(rules.params()).map_err(rule)?,
        exit: body.exit_amount(),
        ctx: body.ctx(rules.params()).map_err(rule)?,
    })
}

fn resolve_deposit(
    rules: &Rules,
    kv: &dyn KvRead,
    claim: &DepositClaim,
    height: u32,
) -> Result<Credit, BatchError> {
    let index = claim.sweep;
    let genesis = rules.params().genesis();
    let swept = table::swept(kv, index)?.ok_or(BatchError::UnknownDeposit(index))?;
    if swept.after_fault {
        return Err(BatchError::AfterFault(index));
    }
    if swept.credited.is_some() {
        return Err(BatchError::CreditedTwice(index));
    }
    if !genesis.is_deep(swept.height, height) {
        return Err(BatchError::ShallowDeposit(index));
    }
    if !handover::deposit_matches(kv, rules.params(), &swept, (claim.inner, claim.refund))? {
        return Err(BatchError::DepositTerms(index));
    }
    Ok(Credit {
        v: swept.credit,
        inner: claim.inner,
        outpoint: outpoint_field(&swept.outpoint),
    })
}

/// The notes roots of a batch's anchors.
///
/// # Errors
/// [`BatchError::UnknownAnchor`], or the view's.
pub fn anchor_roots(kv: &dyn KvRead, anchors: &[u32]) -> Result<Vec<F>, BatchError> {
    anchors
        .iter()
        .map(|a| {
            Ok(ledger::state(kv, *a)?
                .ok_or(BatchError::UnknownAnchor(*a))?
                .notes_root)
        })
        .collect()
}

/// Verifies a batch whole and applies it to the overlay: trees, records, withdrawals, credits, and the
/// queues of forced requests. Those posted up to height `due_until` are due.
///
/// # Errors
/// The first rule broken; the overlay then holds a partial result and must be dropped.
pub fn verify(
    rules: &Rules,
    kv: &mut Overlay<'_>,
    batch: Batch,
    place: &records::Place,
    due_until: Option<u32>,
) -> Result<VerifiedBatch, BatchError> {
    let key = rules
        .batch_key(batch.shape)
        .ok_or_else(|| BatchError::NoKey(batch.shape.circuit_name()))?;
    let data = resolve(rules, kv, &batch, place.height)?;
    let roots = anchor_roots(kv, &batch.anchors)?;
    let pairs: Vec<_> = batch
        .transfers
        .iter()
        .zip(&data.slots)
        .map(|(transfer, slot)| (transfer.clone(), roots[usize::from(slot.anchor_index)]))
        .collect();
    let verified =
        verify_transfers(rules, &pairs).map_err(|(slot, error)| BatchError::Transfer { slot, error })?;
    let ids: Vec<TransferId> = verified
        .iter()
        .map(crate::transfer::VerifiedTransfer::id)
        .collect();
    let walk = due::walk(rules, kv, batch.shape, due_until, due::LOOK)?;
    walk.check(rules, &batch, &ids)?;
    let before = ledger::tip(kv)?.commitment();
    let state = ledger::apply(kv, &data)?;
    let after = state.commitment();
    if after != batch.state {
        return Err(BatchError::WrongState);
    }
    let proof = Proof::from_bytes(&batch.proof.0).map_err(BatchError::ProofEncoding)?;
    let digest = data.digest(rules.params().chain_id().to_field(), &roots);
    groth16::verify(key, &[before, after, digest], &proof).map_err(|_| BatchError::Proof)?;
    record(kv, &batch, &data, &ids, place)?;
    reserves::after_batch(kv, &data)?;
    walk.settle(kv, data.number);
    Ok(VerifiedBatch {
        batch,
        data,
        state,
        ids,
    })
}

/// Writes what a batch does besides the trees and the books. The sequencer calls it for batches of its own
/// that are not proven yet, on an overlay that is never committed to the canonical store; it keeps no books of
/// them, since the vault goes on beneath.
///
/// # Errors
/// [`KvError`] if the view fails.
///
/// # Panics
/// If the batch holds more transfers than its shape, which no decoded batch does.
pub fn record(
    kv: &mut Overlay<'_>,
    batch: &Batch,
    data: &BatchData,
    ids: &[TransferId],
    place: &records::Place,
) -> Result<(), KvError> {
    let number = data.number;
    table::put_operator(kv, &data.operator);
    for (i, id) in ids.iter().enumerate() {
        let slot = u8::try_from(i).expect("at most 192 slots");
        table::put_transfer(kv, id, records::TransferPlace { batch: number, slot });
    }
    for claim in &batch.deposits {
        let mut swept = table::swept(kv, claim.sweep)?
            .ok_or_else(|| KvError::corrupt(b"d", "a credited deposit is missing"))?;
        swept.credited = Some(number);
        table::put_swept(kv, claim.sweep, &swept);
    }
    for (i, transfer) in batch.transfers.iter().enumerate() {
        if let Some(exit) = &transfer.body.exit {
            let id = ids[i];
            table::append_withdrawal(
                kv,
                &records::Withdrawal {
                    exit: exit.clone(),
                    batch: number,
                    height: place.height,
                    id,
                    limit: FeeLimit::new(exit),
                    paid: None,
                },
            )?;
        }
    }
    table::put_batch(
        kv,
        number,
        &records::BatchRecord {
            place: place.clone(),
            operator: data.operator,
            batch: batch.clone(),
        },
    );
    Ok(())
}
