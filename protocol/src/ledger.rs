//! The state transition: what a batch does to the three trees and the supply.
//!
//! [`apply`] is the native twin of the `Batch` statement. Followers call it to recompute `S_b` from
//! public data; a sequencer asks it for the [`BatchTrace`] as well, which is the statement's whole
//! witness. Specification: `docs/spec/batch.md`.

use thiserror::Error;

use crate::amount::Amount;
use crate::batch::BatchData;
use crate::encoding::Encode;
use crate::field::F;
use crate::kv::{KvError, KvRead, Overlay, get_decoded};
use crate::note::Nullifier;
use crate::state::State;
use crate::tree::nullifiers::{self, ImtLeaf, Insertion};
use crate::tree::{BATCH_LIMIT, HISTORY, LEAF_DEPTH, MerklePath, NOTES, NULLIFIERS, subtree_root};

/// Levels of the nullifier tree below the array that the batch circuit holds explicitly.
pub const NULLIFIER_LOW_LEVELS: usize = 14;
/// Number of subtree roots in that array.
pub const NULLIFIER_TOP: usize = 64;

/// Why a batch cannot be applied to a state.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LedgerError {
    /// The view failed.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// The batch does not follow the current state.
    #[error("batch {found} does not follow the state: expected {expected}")]
    WrongNumber {
        /// The number that comes next.
        expected: u32,
        /// The number found.
        found: u32,
    },
    /// All batch numbers are used.
    #[error("the last batch number is reached")]
    BatchLimit,
    /// An anchor names a state that is not recorded yet.
    #[error("anchor {0} is not a recorded state")]
    UnknownAnchor(u32),
    /// A slot names an anchor that the batch does not open.
    #[error("slot {0} names an anchor outside the batch's list")]
    AnchorIndex(usize),
    /// More transfers, deposits or anchors than the shape has.
    #[error("the batch does not fit its shape")]
    Shape,
    /// A nullifier is zero, repeated or already spent.
    #[error("nullifier {0} is zero, repeated or already spent")]
    Spent(Nullifier),
    /// Fees, deposits or the supply are no amounts.
    #[error("the supply or a sum is out of range")]
    Supply,
    /// More money leaves than is shielded.
    #[error("exits and fees exceed the supply")]
    Turnstile,
}

/// An opened anchor: the recorded state and its path in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorOpening {
    /// The state `S_a`.
    pub state: State,
    /// Path of leaf `a` in the history that already holds `S_{b-1}`.
    pub path: MerklePath,
}

/// The witness of a batch statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchTrace {
    /// The chain identifier as a field element.
    pub chain: F,
    /// The public data.
    pub data: BatchData,
    /// `S_{b-1}` opened.
    pub before: State,
    /// `S_b` opened.
    pub after: State,
    /// Path of the empty history leaf `b − 1` (12 levels).
    pub history_path: MerklePath,
    /// The anchors, as many as the shape opens.
    pub anchors: Vec<AnchorOpening>,
    /// The nullifier insertions in descending order (enabled ones only).
    pub insertions: Vec<Insertion>,
    /// The new nullifier leaves by position in the subtree, `2i` and `2i + 1` for slot `i`.
    pub new_leaves: Vec<Option<ImtLeaf>>,
    /// The 64 nodes at level 14 of the nullifier tree before the batch.
    pub nullifier_top: Vec<F>,
    /// Path of the empty nullifier subtree `b`, after all low leaves changed (12 levels).
    pub nullifier_path: MerklePath,
    /// Path of the empty notes subtree `b` (12 levels).
    pub notes_path: MerklePath,
}

impl BatchTrace {
    /// The three public inputs: `S_{b-1}`, `S_b`, digest.
    #[must_use]
    pub fn public_inputs(&self) -> [F; 3] {
        let roots: Vec<F> = self.anchors.iter().map(|a| a.state.notes_root).collect();
        [
            self.before.commitment(),
            self.after.commitment(),
            self.data.digest(self.chain, &roots),
        ]
    }
}

fn state_key(batch: u32) -> Vec<u8> {
    let mut key = vec![b's'];
    key.extend_from_slice(&batch.to_be_bytes());
    key
}

/// Writes the genesis state into an empty view and returns it.
///
/// # Errors
/// [`KvError`] if the view fails.
pub fn write_genesis(kv: &mut Overlay<'_>) -> Result<State, KvError> {
    nullifiers::write_genesis(kv)?;
    let state = State {
        batch: 0,
        notes_root: NOTES.root(kv)?,
        nullifier_root: NULLIFIERS.root(kv)?,
        history_root: HISTORY.root(kv)?,
        supply: Amount::ZERO,
    };
    kv.put(state_key(0), state.encode());
    Ok(state)
}

/// The state recorded after `batch`.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn state(kv: &dyn KvRead, batch: u32) -> Result<Option<State>, KvError> {
    get_decoded(kv, &state_key(batch))
}

/// The latest state.
///
/// # Errors
/// [`KvError`] if the view fails, is damaged or has no genesis.
pub fn tip(kv: &dyn KvRead) -> Result<State, KvError> {
    let (key, bytes) = kv
        .last_in(&state_key(0), &state_key(BATCH_LIMIT - 1))?
        .ok_or_else(|| KvError::corrupt(b"s", "the genesis state is missing"))?;
    crate::encoding::Decode::decode(&bytes).map_err(|e| KvError::corrupt(&key, e))
}

/// Applies a batch and returns `S_b` opened.
///
/// # Errors
/// The first rule the batch breaks; the overlay then holds a partial result and must be dropped.
pub fn apply(kv: &mut Overlay<'_>, data: &BatchData) -> Result<State, LedgerError> {
    step(kv, data, None).map(|(state, _)| state)
}

/// Applies a batch and returns the witness of its statement.
///
/// # Errors
/// As [`apply`].
///
/// # Panics
/// Never: a traced step has a trace.
pub fn apply_traced(kv: &mut Overlay<'_>, data: &BatchData, chain: F) -> Result<BatchTrace, LedgerError> {
    step(kv, data, Some(chain)).map(|(_, trace)| trace.expect("a traced step has a trace"))
}

fn check_shape(data: &BatchData) -> Result<(), LedgerError> {
    let shape = data.shape;
    let fits = data.slots.len() <= shape.slots()
        && data.credits.len() <= shape.deposits()
        && data.anchors.len() == shape.anchors();
    if !fits {
        return Err(LedgerError::Shape);
    }
    let bad = data
        .slots
        .iter()
        .position(|slot| usize::from(slot.anchor_index) >= data.anchors.len());
    bad.map_or(Ok(()), |i| Err(LedgerError::AnchorIndex(i)))
}

fn new_supply(before: Amount, data: &BatchData) -> Result<Amount, LedgerError> {
    let deposited = data
        .credits
        .iter()
        .try_fold(before, |sum, credit| sum.checked_add(credit.v))
        .ok_or(LedgerError::Supply)?;
    data.total_fee().ok_or(LedgerError::Supply)?;
    data.slots
        .iter()
        .try_fold(deposited, |left, slot| left.checked_sub(slot.exit))
        .ok_or(LedgerError::Turnstile)
}

fn step(
    kv: &mut Overlay<'_>,
    data: &BatchData,
    trace_chain: Option<F>,
) -> Result<(State, Option<BatchTrace>), LedgerError> {
    let before = tip(kv)?;
    let number = before.batch + 1;
    if number >= BATCH_LIMIT {
        return Err(LedgerError::BatchLimit);
    }
    if data.number != number {
        return Err(LedgerError::WrongNumber {
            expected: number,
            found: data.number,
        });
    }
    check_shape(data)?;
    let traced = trace_chain.is_some();
    let supply = new_supply(before.supply, data)?;

    let history_path = HISTORY.path(kv, u64::from(before.batch))?;
    HISTORY.set(kv, u64::from(before.batch), before.commitment())?;
    let anchors = open_anchors(kv, data, traced)?;

    let nullifier_top = if traced {
        NULLIFIERS.level(kv, NULLIFIER_LOW_LEVELS, NULLIFIER_TOP as u64)?
    } else {
        Vec::new()
    };
    let mut nfs = vec![None; 2 * data.shape.slots()];
    for (i, slot) in data.slots.iter().enumerate() {
        nfs[2 * i] = Some(slot.nf[0]);
        nfs[2 * i + 1] = Some(slot.nf[1]);
    }
    let (insertions, new_leaves) =
        nullifiers::insert_batch(kv, number, &nfs, traced)?.map_err(LedgerError::Spent)?;
    let nullifier_path = subtree_path_above(kv, number)?;

    let leaves = data.note_leaves().map_err(|_| LedgerError::Supply)?;
    let notes_path = NOTES.path(kv, u64::from(number))?;
    NOTES.set(kv, u64::from(number), subtree_root(&leaves))?;

    let after = State {
        batch: number,
        notes_root: NOTES.root(kv)?,
        nullifier_root: NULLIFIERS.root(kv)?,
        history_root: HISTORY.root(kv)?,
        supply,
    };
    kv.put(state_key(number), after.encode());
    let trace = trace_chain.map(|chain| BatchTrace {
        chain,
        data: data.clone(),
        before,
        after: after.clone(),
        history_path,
        anchors,
        insertions,
        new_leaves,
        nullifier_top,
        nullifier_path,
        notes_path,
    });
    Ok((after, trace))
}

/// The 12 levels above subtree `number` of the nullifier tree; its own content does not matter.
fn subtree_path_above(kv: &dyn KvRead, number: u32) -> Result<MerklePath, KvError> {
    let mut path = NULLIFIERS.path(kv, u64::from(number) << (2 * LEAF_DEPTH))?;
    path.siblings.drain(..LEAF_DEPTH);
    Ok(path)
}

fn open_anchors(kv: &dyn KvRead, data: &BatchData, traced: bool) -> Result<Vec<AnchorOpening>, LedgerError> {
    let mut openings = Vec::with_capacity(data.anchors.len());
    for &a in &data.anchors {
        let state = if a < data.number { state(kv, a)? } else { None };
        let state = state.ok_or(LedgerError::UnknownAnchor(a))?;
        let path = if traced {
            HISTORY.path(kv, u64::from(a))?
        } else {
            MerklePath { siblings: Vec::new() }
        };
        openings.push(AnchorOpening { state, path });
    }
    Ok(openings)
}

#[cfg(test)]
mod tests;
