//! What the next vault transaction takes: eligible withdrawals in index order, then deposits, the
//! largest first, until it is full. Deterministic, so signers can recompute it.

use crate::peg::coins::output_weight;
use crate::peg::fees::{DEPOSIT_WEIGHT, FeeRate, deposit_is_sweepable, payout_weight};
use crate::peg::taproot::KEY_INPUT_WEIGHT;
use crate::peg::vault::build::{DepositCoin, frame_weight};
use crate::peg::vault::meta::MAX_SPAN;
use crate::peg::vault::{HeldReason, MAX_VAULT_WEIGHT, WithdrawalView, eligible};

/// Operator coins that a selection leaves room for.
pub const ROOM_FOR_COINS: u32 = 4;

/// A withdrawal that waits, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its index.
    pub index: u64,
    /// Why it waits.
    pub reason: HeldReason,
}

/// What one vault transaction takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Deposits, the largest first.
    pub deposits: Vec<DepositCoin>,
    /// Withdrawals, ascending.
    pub withdrawals: Vec<(u64, WithdrawalView)>,
    /// Withdrawals that wait; paid ones are not listed.
    pub held: Vec<Held>,
}

impl Selection {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deposits.is_empty() && self.withdrawals.is_empty()
    }

    /// Takes the first `payouts` withdrawals only; the others wait for the next transaction.
    pub fn keep_first(&mut self, payouts: usize) {
        let later = self.withdrawals.split_off(payouts.min(self.withdrawals.len()));
        self.held.extend(later.into_iter().map(|(index, _)| Held {
            index,
            reason: HeldReason::Delayed,
        }));
        self.held.sort_by_key(|held| held.index);
    }
}

/// Selects from `withdrawals` (ascending by index) and `deposits` at share rate `q`.
///
/// The caller has already left out deposits that are not deep enough or too close to their refund.
#[must_use]
pub fn select_vault(
    deposits: &[DepositCoin],
    withdrawals: impl IntoIterator<Item = (u64, WithdrawalView)>,
    q: FeeRate,
) -> Selection {
    let mut chosen = Selection::default();
    // Change goes to a script of at most 34 bytes, the longest standard one.
    let change = output_weight(&bitcoin::ScriptBuf::from_bytes(vec![0; 34]));
    let mut room = MAX_VAULT_WEIGHT - frame_weight() - change - ROOM_FOR_COINS * KEY_INPUT_WEIGHT;

    // Once one does not fit, none behind it is taken, however small: nobody is skipped.
    let mut full = false;
    for (index, withdrawal) in withdrawals {
        let first = chosen.withdrawals.first().map_or(index, |(first, _)| *first);
        let weight = payout_weight(&withdrawal.script);
        match eligible(&withdrawal, q) {
            Ok(_) if !full && weight <= room && index - first < MAX_SPAN => {
                room -= weight;
                chosen.withdrawals.push((index, withdrawal));
            }
            Ok(_) => {
                full = true;
                chosen.held.push(Held {
                    index,
                    reason: HeldReason::Full,
                });
            }
            Err(HeldReason::Paid) => {}
            Err(reason) => chosen.held.push(Held { index, reason }),
        }
    }

    let mut sorted: Vec<&DepositCoin> = deposits
        .iter()
        .filter(|deposit| deposit_is_sweepable(deposit.amount, q))
        .collect();
    sorted.sort_by_key(|deposit| (std::cmp::Reverse(deposit.amount), deposit.outpoint));
    for deposit in sorted {
        if DEPOSIT_WEIGHT > room {
            break;
        }
        room -= DEPOSIT_WEIGHT;
        chosen.deposits.push(deposit.clone());
    }
    chosen
}

#[cfg(test)]
mod tests;
