//! Turns records of the state into answers of the RPC.

use bitcoin::OutPoint;
use tacit_protocol::Amount;
use tacit_protocol::kv::{KvError, KvRead};
use tacit_protocol::ledger;
use tacit_protocol::params::ChainParams;
use tacit_protocol::peg::{FeeRate, eligible, vault::HeldReason};
use tacit_protocol::transfer::TransferId;
use tacit_protocol::tree::NOTES;
use tacit_verifier::chain::records::{BatchRecord, Place};
use tacit_verifier::chain::{handover, reserves, table};
use tacit_wallet::api::{
    Anchored, ApiError, BatchDetails, BatchReserves, BatchSummary, CompactBatch, CompactDeposit,
    CompactTransfer, DepositDetails, DepositStatus, EpochDetails, Epochs, ExitDetails, PendingRaise,
    SubtreeRoots, Supply, TransferDetails, TransferStatus, WithdrawalQuery, WithdrawalState,
    WithdrawalStatus,
};

use super::storage;

type Answer<T> = Result<T, ApiError>;

fn missing(what: impl Into<String>) -> ApiError {
    ApiError::NotFound { what: what.into() }
}

fn record(kv: &dyn KvRead, number: u32) -> Answer<BatchRecord> {
    table::batch(kv, number)
        .map_err(|e| storage(&e))?
        .ok_or_else(|| missing(format!("batch {number}")))
}

/// Where a batch is anchored; `None` while it is pending.
fn anchored(place: &Place, number: u32, tip: u32) -> Option<Anchored> {
    (number <= tip).then_some(Anchored {
        height: place.height,
        block: place.block,
        time: place.time,
    })
}

/// One line about batch `number`; `tip` is the last anchored one.
pub(super) fn summary(kv: &dyn KvRead, number: u32, tip: u32) -> Answer<BatchSummary> {
    let state = ledger::state(kv, number)
        .map_err(|e| storage(&e))?
        .ok_or_else(|| missing(format!("batch {number}")))?;
    let (commitment, supply) = (state.commitment(), state.supply);
    if number == 0 {
        return Ok(BatchSummary {
            number,
            shape: None,
            transfers: 0,
            deposits: 0,
            state: commitment,
            supply,
            anchored: None,
            reveal: None,
        });
    }
    let BatchRecord { place, batch, .. } = record(kv, number)?;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Ok(BatchSummary {
        number,
        shape: Some(batch.shape.code()),
        transfers: count(batch.transfers.len()),
        deposits: count(batch.deposits.len()),
        state: commitment,
        supply,
        anchored: anchored(&place, number, tip),
        reveal: (number <= tip).then_some(place.txid),
    })
}

/// All public data of batch `number`.
pub(super) fn details(kv: &dyn KvRead, params: &ChainParams, number: u32, tip: u32) -> Answer<BatchDetails> {
    let summary = summary(kv, number, tip)?;
    let BatchRecord { operator, batch, .. } = record(kv, number)?;
    let transfers = batch
        .transfers
        .iter()
        .map(|transfer| {
            let body = &transfer.body;
            let invalid = |e: tacit_protocol::transfer::TransferRule| ApiError::Internal(e.to_string());
            let txid = body.id(params).map_err(invalid)?;
            let exit = match &body.exit {
                None => None,
                Some(exit) => Some(ExitDetails {
                    index: table::withdrawal_of(kv, &txid)
                        .map_err(|e| storage(&e))?
                        .ok_or_else(|| missing(format!("withdrawal of {txid}")))?,
                    amount: exit.amount(),
                    script: exit.script().to_script_buf(),
                    max_l1_fee: exit.max_l1_fee(),
                }),
            };
            let fee = body.fee_amount(params).map_err(invalid)?;
            let (nf, cm) = (body.nf, body.cm);
            Ok(TransferDetails {
                txid,
                nf,
                cm,
                anchor: transfer.anchor,
                fee,
                expiry: body.expiry,
                exit,
            })
        })
        .collect::<Answer<_>>()?;
    let deposits = batch
        .deposits
        .iter()
        .map(|claim| {
            let swept = table::swept(kv, claim.sweep)
                .map_err(|e| storage(&e))?
                .ok_or_else(|| missing(format!("deposit {}", claim.sweep)))?;
            Ok(DepositDetails {
                sweep: claim.sweep,
                outpoint: swept.outpoint,
                amount: swept.credit,
                inner: claim.inner,
            })
        })
        .collect::<Answer<_>>()?;
    Ok(BatchDetails {
        summary,
        shape: batch.shape,
        operator,
        anchors: batch.anchors,
        transfers,
        deposits,
    })
}

/// What wallets scan of batch `number`.
pub(super) fn compact(kv: &dyn KvRead, number: u32, tip: u32) -> Answer<CompactBatch> {
    let BatchRecord {
        place,
        operator,
        batch,
    } = record(kv, number)?;
    let state = ledger::state(kv, number)
        .map_err(|e| storage(&e))?
        .ok_or_else(|| missing(format!("batch {number}")))?;
    let deposits = batch
        .deposits
        .iter()
        .map(|claim| {
            let swept = table::swept(kv, claim.sweep)
                .map_err(|e| storage(&e))?
                .ok_or_else(|| missing(format!("deposit {}", claim.sweep)))?;
            Ok(CompactDeposit {
                v: swept.credit,
                inner: claim.inner,
            })
        })
        .collect::<Answer<_>>()?;
    let transfers = batch
        .transfers
        .into_iter()
        .map(|t| CompactTransfer::new(t.body))
        .collect();
    let anchored = anchored(&place, number, tip);
    Ok(CompactBatch {
        number,
        shape: batch.shape,
        operator,
        transfers,
        deposits,
        state,
        anchored,
    })
}

/// Roots of the notes subtrees.
pub(super) fn subtree_roots(kv: &dyn KvRead, from: u32, limit: u32) -> Answer<SubtreeRoots> {
    let tip = ledger::tip(kv).map_err(|e| storage(&e))?.batch;
    let last = from.saturating_add(limit).min(tip + 1);
    let roots = (from..last)
        .map(|n| NOTES.node(kv, 0, u64::from(n)).map_err(|e| storage(&e)))
        .collect::<Answer<_>>()?;
    Ok(SubtreeRoots { from, roots })
}

/// The status of a transfer that is in a batch.
pub(super) fn transfer_status(
    kv: &dyn KvRead,
    txid: &TransferId,
    tip: u32,
    height: u32,
) -> Answer<Option<TransferStatus>> {
    let Some(place) = table::transfer(kv, txid).map_err(|e| storage(&e))? else {
        return Ok(None);
    };
    let at = record(kv, place.batch)?.place;
    let anchored = anchored(&at, place.batch, tip);
    let depth = anchored.map_or(0, |a| height.saturating_sub(a.height));
    let slot = u32::from(place.slot);
    Ok(Some(TransferStatus::Batched {
        batch: place.batch,
        slot,
        anchored,
        depth,
    }))
}

/// The status of a deposit that a confirmed vault transaction swept.
pub(super) fn swept_status(
    kv: &dyn KvRead,
    params: &ChainParams,
    outpoint: &OutPoint,
    height: u32,
) -> Answer<Option<DepositStatus>> {
    let Some(index) = table::sweep_of(kv, outpoint).map_err(|e| storage(&e))? else {
        return Ok(None);
    };
    let Some(swept) = table::swept(kv, index).map_err(|e| storage(&e))? else {
        return Ok(None);
    };
    Ok(Some(match swept.credited {
        Some(batch) => DepositStatus::Credited {
            batch,
            amount: swept.credit,
        },
        None => DepositStatus::Swept {
            txid: swept.txid,
            amount: swept.credit,
            depth: height.saturating_sub(swept.height),
            needed: u32::from(params.genesis().finality_depth),
        },
    }))
}

/// How far a withdrawal is; `anchored` is the last batch on Bitcoin, `height` that of its last block.
pub(super) fn withdrawal(
    kv: &dyn KvRead,
    params: &ChainParams,
    query: &WithdrawalQuery,
    (anchored, height): (u32, u32),
    rate: Option<FeeRate>,
) -> Answer<WithdrawalStatus> {
    let index = match query {
        WithdrawalQuery::Index(index) => *index,
        WithdrawalQuery::Txid(txid) => table::withdrawal_of(kv, txid)
            .map_err(|e| storage(&e))?
            .ok_or_else(|| missing(format!("withdrawal of transfer {txid}")))?,
    };
    let mut found = table::withdrawal(kv, index)
        .map_err(|e| storage(&e))?
        .ok_or_else(|| missing(format!("withdrawal {index}")))?;
    if found.batch > anchored {
        // It has a height of its own when its batch stands in a block: until then it is not buried at all.
        found.height = height;
    }
    let genesis = params.genesis();
    let needed = u32::from(genesis.finality_depth);
    let view = found.view(genesis, height);
    let status = match (found.paid, rate.map(|q| eligible(&view, q))) {
        (Some(payout), _) => WithdrawalState::Paid {
            txid: payout.outpoint.txid,
            vout: payout.outpoint.vout,
            amount: found
                .exit
                .amount()
                .checked_sub(payout.share)
                .unwrap_or(Amount::ZERO),
            height: Some(payout.height),
        },
        (None, _) if !view.deep => WithdrawalState::Burying {
            depth: height.saturating_sub(found.height),
            needed,
        },
        (None, Some(Err(HeldReason::FeeAboveLimit { share, .. }))) => WithdrawalState::Held { share },
        (None, _) => WithdrawalState::Eligible,
    };
    Ok(WithdrawalStatus {
        index,
        txid: found.id,
        batch: found.batch,
        amount: found.exit.amount(),
        script: found.exit.script().to_script_buf(),
        max_l1_fee: view.max_l1_fee,
        key: found.exit.key(),
        raise: found.limit.pending(genesis, height).map(|raise| PendingRaise {
            max_l1_fee: raise.max,
            height: raise.height,
            counts_at: raise.counts_at(genesis),
        }),
        status,
    })
}

fn amount(sats: u64) -> Answer<Amount> {
    Amount::from_sat(sats).map_err(|_| ApiError::Internal("a sum is no amount".into()))
}

/// Supply and reserves.
pub(super) fn supply(kv: &dyn KvRead) -> Answer<Supply> {
    let found = reserves(kv).map_err(|e| storage(&e))?;
    let tip = table::vault_tip(kv)
        .map_err(|e| storage(&e))?
        .ok_or_else(|| ApiError::Internal("the vault tip is missing".into()))?;
    let fault = table::fault(kv).map_err(|e| storage(&e))?;
    Ok(Supply {
        batch: ledger::tip(kv).map_err(|e| storage(&e))?.batch,
        supply: amount(found.supply)?,
        vault: tip.outpoint,
        vault_amount: amount(found.vault)?,
        pending_deposits: amount(found.uncredited)?,
        pending_deposit_count: found.uncredited_count,
        pending_withdrawals: amount(found.unpaid)?,
        pending_withdrawal_count: found.unpaid_count,
        surplus: amount(found.surplus())?,
        gap: amount(found.gap())?,
        fault: fault.map(|f| format!("{}: {}", f.place.txid, f.rule)),
    })
}

/// What the vault held and owed after batch `number`, which Bitcoin shows.
pub(super) fn batch_reserves(kv: &dyn KvRead, number: u32) -> Answer<BatchReserves> {
    let books = table::books(kv, number)
        .map_err(|e| storage(&e))?
        .ok_or_else(|| missing(format!("batch {number}")))?;
    let anchored = match number {
        0 => None,
        _ => anchored(&record(kv, number)?.place, number, number),
    };
    let found = books.reserves;
    Ok(BatchReserves {
        batch: number,
        anchored,
        supply: amount(found.supply)?,
        vault: books.vault,
        vault_amount: amount(found.vault)?,
        pending_deposits: amount(found.uncredited)?,
        pending_deposit_count: found.uncredited_count,
        pending_withdrawals: amount(found.unpaid)?,
        pending_withdrawal_count: found.unpaid_count,
        surplus: amount(found.surplus())?,
        gap: amount(found.gap())?,
    })
}

/// The epochs after the first, and the announcements that may begin next.
pub(super) fn epochs(kv: &dyn KvRead) -> Result<Epochs, KvError> {
    let begun = table::epochs(kv, 1, usize::MAX)?.into_iter();
    let begun = begun.map(|(_, record)| {
        let number = record.epoch.number;
        let missing = || KvError::corrupt(b"Y", format!("the announcement of epoch {number} is missing"));
        Ok(EpochDetails {
            number,
            height: record.height,
            announcement: record.announcement.ok_or_else(missing)?,
        })
    });
    let begun = begun.collect::<Result<_, KvError>>()?;
    let waiting = handover::announcements_after(kv, &handover::epoch(kv)?)?.into_iter();
    let waiting = waiting.map(|(_, announced)| EpochDetails {
        number: announced.announcement.epoch.number,
        height: announced.height,
        announcement: announced.announcement,
    });
    Ok(Epochs {
        begun,
        waiting: waiting.collect(),
    })
}

#[cfg(test)]
mod tests;
