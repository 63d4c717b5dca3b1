//! The fold "Bitcoin block → state", the same for nodes, signers and the auditor.
//!
//! [`genesis`] gives the state before the first block, [`connect`] the delta of one block on top of
//! a view, [`disconnect`] the delta that takes the last block back. The caller commits each delta
//! atomically; the undo data is inside. Two UTXO chains are followed: the anchor chain, which
//! carries batches, and the vault chain, which holds the money. State never depends on anything
//! but blocks and `chain.json`. Specification: `docs/spec/bitcoin.md`.

use bitcoin::{OutPoint, TxOut};
use tacit_protocol::encoding::Encode;
use tacit_protocol::kv::{Delta, KvError, KvRead, Overlay};
use tacit_protocol::ledger;
use tacit_protocol::params::ChainParams;
use tacit_protocol::peg::{BlockInput, TxInput};
use thiserror::Error;

use crate::rules::Rules;

mod anchors;
pub mod forced;
pub mod handover;
pub mod limits;
pub mod records;
mod requests;
pub(crate) mod reserves;
pub mod table;
mod vaults;

pub use reserves::{Books, BooksError, Owed, Reserves, audit_books, reserves, walk_owed};
pub use vaults::VaultStateView;

use handover::AnchorHead;
use records::{Cursor, Place, Tip};

/// Blocks for which undo data is kept.
pub const UNDO_DEPTH: u32 = 1_008;

/// Why a block cannot be connected or disconnected. None of these says anything about the chain's
/// validity: what anchors and vault transactions do wrong is recorded, not returned.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ChainError {
    /// The view failed.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// The block is not the next one on top of the state.
    #[error("block {height} does not follow the last block applied ({cursor})")]
    NotNext {
        /// Height of the block given.
        height: u32,
        /// Height of the last block applied.
        cursor: u32,
    },
    /// There is nothing to take back: the fork is below the chain's start or the undo data.
    #[error(
        "block {0} cannot be taken back: it is the chain's start or its undo data is gone; follow Bitcoin again from the start"
    )]
    NoUndo(u32),
}

/// The state before the first block after the chain's start.
///
/// # Errors
/// [`KvError`] if the view fails.
pub fn genesis(kv: &dyn KvRead, params: &ChainParams) -> Result<Delta, KvError> {
    let mut overlay = Overlay::new(kv);
    ledger::write_genesis(&mut overlay)?;
    let genesis = params.genesis();
    table::put_cursor(
        &mut overlay,
        &Cursor {
            height: genesis.start_height,
            hash: genesis.start_hash,
        },
    );
    handover::genesis(&mut overlay, genesis);
    let vault = TxOut {
        value: bitcoin::Amount::from_sat(genesis.vault_amount.to_sat()),
        script_pubkey: genesis.vault_keys().script_pubkey(),
    };
    table::put_vault_tip(
        &mut overlay,
        &Tip {
            outpoint: genesis.vault,
            txout: vault,
        },
    );
    table::put_owed(&mut overlay, &Owed::default());
    let books = reserves::books(&overlay)?;
    table::put_books(&mut overlay, 0, &books);
    Ok(overlay.into_delta())
}

/// The delta of one block, undo data included.
///
/// # Errors
/// [`ChainError::NotNext`] if the block does not follow, or the view's.
pub fn connect(kv: &dyn KvRead, rules: &Rules, block: &BlockInput) -> Result<Delta, ChainError> {
    let cursor = require_cursor(kv)?;
    if block.height != cursor.height + 1 || block.prev != cursor.hash {
        return Err(ChainError::NotNext {
            height: block.height,
            cursor: cursor.height,
        });
    }
    let mut overlay = Overlay::new(kv);
    for (index, tx) in (0u32..).zip(&block.txs) {
        connect_tx(&mut overlay, rules, block, tx)?;
        requests::connect(&mut overlay, rules, block.height, index, tx)?;
        handover::announce(&mut overlay, rules.params(), block.height, tx)?;
    }
    table::put_cursor(
        &mut overlay,
        &Cursor {
            height: block.height,
            hash: block.hash,
        },
    );
    let undo = overlay.delta().undo(kv)?;
    overlay.put(table::undo_key(block.height), undo.encode());
    if let Some(old) = block.height.checked_sub(UNDO_DEPTH) {
        overlay.delete(table::undo_key(old));
    }
    Ok(overlay.into_delta())
}

/// The delta that takes the last block back.
///
/// # Errors
/// [`ChainError::NoUndo`] at the start of the chain, or the view's.
pub fn disconnect(kv: &dyn KvRead) -> Result<Delta, ChainError> {
    let cursor = require_cursor(kv)?;
    let mut delta = table::undo(kv, cursor.height)?.ok_or(ChainError::NoUndo(cursor.height))?;
    delta.insert(table::undo_key(cursor.height), None);
    Ok(delta)
}

/// The block applied at `height`; `None` above the last one, and where undo data is gone.
///
/// # Errors
/// [`KvError`] if the view fails.
pub fn block_at(kv: &dyn KvRead, height: u32) -> Result<Option<Cursor>, KvError> {
    let last = require_cursor(kv)?;
    if height >= last.height {
        return Ok((height == last.height).then_some(last));
    }
    // What undoes the next block puts the cursor back to this one.
    match table::undo(kv, height + 1)? {
        Some(undo) => {
            let empty = tacit_protocol::kv::MemoryKv::default();
            table::cursor(&tacit_protocol::kv::View::new(&empty, &undo))
        }
        None => Ok(None),
    }
}

/// Whether the block at `height` moved an anchor or the vault, raised a fee limit or announced an epoch, as its
/// undo data tells. Every block moves the cursor, and anybody can have forced requests queued: these do not
/// count. A raise and an announcement do, for what was signed by them would be a fault without them.
///
/// # Errors
/// [`KvError`] if the view fails.
pub fn moved_money(kv: &dyn KvRead, height: u32) -> Result<bool, KvError> {
    let moved = |undo: Delta| undo.writes().any(|(key, _)| table::is_money(key));
    Ok(table::undo(kv, height)?.is_some_and(moved))
}

/// The height up to which forced requests are due for an anchor that spends the present tip; `None` if
/// the window has not passed once.
///
/// # Errors
/// [`KvError`] if the view fails.
pub fn due_until(kv: &dyn KvRead, params: &ChainParams) -> Result<Option<u32>, KvError> {
    let genesis = params.genesis();
    let tip = table::anchor_height(kv)?.unwrap_or(genesis.start_height);
    Ok(tip.checked_sub(u32::from(genesis.forced_window)))
}

fn require_cursor(kv: &dyn KvRead) -> Result<Cursor, KvError> {
    table::cursor(kv)?.ok_or_else(|| KvError::corrupt(b"C", "the cursor is missing"))
}

/// The tip stored by `read`, which genesis wrote.
fn require_tip(tip: Result<Option<Tip>, KvError>) -> Result<Tip, KvError> {
    tip?.ok_or_else(|| KvError::corrupt(b"Q", "the vault tip is missing"))
}

/// The head of the anchor chain, which genesis wrote.
fn require_head(kv: &dyn KvRead) -> Result<AnchorHead, KvError> {
    table::anchor_head(kv)?.ok_or_else(|| KvError::corrupt(b"P", "the anchor tip is missing"))
}

fn connect_tx(
    kv: &mut Overlay<'_>,
    rules: &Rules,
    block: &BlockInput,
    tx: &TxInput,
) -> Result<(), ChainError> {
    let spends = |tip: OutPoint| tx.tx().input.iter().any(|input| input.previous_output == tip);
    let place = || Place {
        height: block.height,
        block: block.hash,
        time: block.time,
        txid: tx.txid(),
    };
    if spends(require_tip(table::vault_tip(kv))?.outpoint) {
        vaults::connect(kv, rules, tx, place())?;
    }
    if spends(require_head(kv)?.tip.outpoint) {
        anchors::connect(kv, rules, tx, &place())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
